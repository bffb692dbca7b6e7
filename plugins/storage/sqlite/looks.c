/* looks.c - what rows were: which columns are remembered beside each entry of a server's log.
 *
 * __sync_looks, made where any are:
 *   id       the number that entries of the log carry in "was"
 *   tbl      of the table in __sync_tables
 *   columns  their names, quoted, with commas between; w0... are their values, in this order
 *   sum      of the triggers that were made for them, NULL: others were made since
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <string.h>

void
storage_remember (struct mantis_session *session,
                  bool (*looks) (void *context, const struct mantis_schema *schema,
                                 const struct mantis_table *table, bool *columns),
                  void *context)
{
  session->looks = looks;
  session->looks_context = context;
}

enum mantis_status
looks_ask (struct mantis_session *session, const struct known_schema *schema,
           const struct mantis_table *table, struct facts *facts, struct mantis_arena *arena,
           struct mantis_error *error)
{
  uint32_t *looks;
  bool *columns;

  facts->looked_at = false;
  facts->look_count = 0;
  if (session->role != MANTIS_SERVER || !session->looks)
    return MANTIS_OK;
  looks = mantis_arena_alloc (arena, (table->column_count + 1) * sizeof *looks);
  columns = mantis_arena_alloc (arena, table->column_count + 1);
  if (!looks || !columns)
    return no_memory (error);
  memset (columns, 0, table->column_count + 1);
  facts->looked_at = session->looks (session->looks_context, &schema->shown, table, columns);
  for (uint32_t i = 0; facts->looked_at && i < table->column_count; i++)
    if (columns[i] && !table->columns[i].generated && !table->columns[i].key_position)
      looks[facts->look_count++] = i; /* the key stands in the entry anyway */
  facts->looks = looks;
  return MANTIS_OK;
}

uint64_t
trigger_sum (const char *name, const char *sql)
{
  uint64_t hash = UINT64_C (14695981039346656037);

  for (const char *c = name; *c; c++)
    hash = (hash ^ (unsigned char)*c) * UINT64_C (1099511628211);
  for (const char *c = sql; *c; c++)
    hash = (hash ^ (unsigned char)*c) * UINT64_C (1099511628211);
  return hash;
}

static void
add_columns (struct mantis_buf *text, const struct mantis_table *table, const struct facts *facts)
{
  mantis_buf_text (text, "");
  for (size_t i = 0; i < facts->look_count; i++) {
    mantis_buf_text (text, i ? "," : "");
    add_name (text, table->columns[facts->looks[i]].name);
  }
}

/* The number of COLUMNS of TABLE, 0: they have none. */
static enum mantis_status
find_number (struct mantis_session *session, const struct mantis_table *table, const char *columns,
             int64_t *number, struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *find = NULL;
  enum mantis_status status =
      statement (session, "SELECT id FROM main.__sync_looks WHERE tbl = ?1 AND columns = ?2", false,
                 &find, error);

  *number = 0;
  if (status)
    return status;
  sqlite3_bind_int64 (find, 1, table->id);
  sqlite3_bind_text (find, 2, columns, -1, SQLITE_STATIC);
  if (sqlite3_step (find) == SQLITE_ROW)
    *number = sqlite3_column_int64 (find, 0);
  return MANTIS_OK;
}

static enum mantis_status
make_number (struct mantis_session *session, const struct mantis_table *table, const char *columns,
             struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *make = NULL;
  enum mantis_status status = statement (
      session, "INSERT INTO main.__sync_looks (tbl, columns) VALUES (?1, ?2)", false, &make, error);

  if (status)
    return status;
  sqlite3_bind_int64 (make, 1, table->id);
  sqlite3_bind_text (make, 2, columns, -1, SQLITE_STATIC);
  return sqlite3_step (make) == SQLITE_DONE ? MANTIS_OK
                                            : sql_failed (session, error, "write __sync_looks");
}

enum mantis_status
looks_number (struct mantis_session *session, const struct mantis_table *table, struct facts *facts,
              struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf columns = MANTIS_BUF_INIT;
  enum mantis_status status;

  if ((status = make_looks (session, facts->look_count, error)) ||
      (status = run (session,
                     "CREATE TABLE IF NOT EXISTS main.__sync_looks (id INTEGER PRIMARY KEY,"
                     " tbl INTEGER, columns TEXT, sum INTEGER)",
                     error)))
    return status;
  add_columns (&columns, table, facts);
  if (columns.failed)
    return no_memory (error);
  status = find_number (session, table, columns.bytes, &facts->look_id, error);
  if (!status && !facts->look_id && !(status = make_number (session, table, columns.bytes, error)))
    status = find_number (session, table, columns.bytes, &facts->look_id, error);
  return status;
}

enum mantis_status
looks_sum (struct mantis_session *session, const struct mantis_table *table, uint64_t *sum,
           struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *find = NULL;
  int64_t there;
  enum mantis_status status =
      ask_integer (session, "SELECT count(*) FROM main.sqlite_master WHERE name = '__sync_looks'",
                   0, &there, error);

  *sum = 0;
  if (status || !there ||
      (status = statement (session,
                           "SELECT sum FROM main.__sync_looks WHERE tbl = ?1 AND sum IS NOT NULL",
                           false, &find, error)))
    return status;
  sqlite3_bind_int64 (find, 1, table->id);
  if (sqlite3_step (find) == SQLITE_ROW)
    *sum = (uint64_t)sqlite3_column_int64 (find, 0);
  return MANTIS_OK;
}

enum mantis_status
looks_note (struct mantis_session *session, const struct mantis_table *table,
            const struct facts *facts, uint64_t sum, struct mantis_error *error)
{
  return runf (session, error,
               "UPDATE main.__sync_looks SET sum = CASE WHEN id = %lld THEN %lld END"
               " WHERE tbl = %lld AND sum IS NOT CASE WHEN id = %lld THEN %lld END",
               (long long)facts->look_id, (long long)sum, (long long)table->id,
               (long long)facts->look_id, (long long)sum);
}
