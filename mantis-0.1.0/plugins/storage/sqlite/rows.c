/* rows.c - read rows by key, and in the order of keys.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <string.h>

void
add_key_match (struct mantis_buf *sql, const struct mantis_table *table, int first)
{
  for (size_t i = 0; i < table->key_count; i++) {
    mantis_buf_text (sql, i ? " AND " : "");
    add_name (sql, table->columns[table->key[i]].name);
    mantis_buf_printf (sql, " = ?%d", first + (int)i);
  }
}

/* "SELECT "a", "b" FROM main."table"": the ordinary columns. */
static void
add_select (struct mantis_buf *sql, const struct mantis_table *table)
{
  const char *between = "SELECT ";

  mantis_buf_clear (sql);
  for (size_t i = 0; i < table->column_count; i++)
    if (!table->columns[i].generated) {
      mantis_buf_text (sql, between);
      add_name (sql, table->columns[i].name);
      between = ", ";
    }
  mantis_buf_text (sql, " FROM main.");
  add_name (sql, table->name);
}

/* What the text or blob AT of the present row takes. */
static size_t
value_bytes (sqlite3_stmt *rows, int at)
{
  int type = sqlite3_column_type (rows, at);

  return type == SQLITE_TEXT || type == SQLITE_BLOB ? (size_t)sqlite3_column_bytes (rows, at) : 0;
}

static bool
row_is_larger (sqlite3_stmt *rows, size_t limit)
{
  size_t bytes = 0;

  for (int at = sqlite3_column_count (rows) - 1; at >= 0; at--)
    bytes += value_bytes (rows, at);
  return bytes > limit;
}

/* The present row in ARENA, NULL when there is no memory; *BYTES grows by what its values take.  Of one that is
 * larger than LIMIT (0: none) the key only, see limit_rows() in mantis/storage.h. */
static mantis_row
read_row (sqlite3_stmt *rows, const struct mantis_table *table, size_t limit,
          struct mantis_arena *arena, size_t *bytes)
{
  struct mantis_value *row = mantis_arena_alloc (arena, table->column_count * sizeof *row);
  bool key_only = limit && row_is_larger (rows, limit);
  int at = 0;

  for (size_t i = 0; row && i < table->column_count; i++) {
    if (table->columns[i].generated)
      continue;
    if (key_only && !table->columns[i].key_position)
      row[i].length = (uint32_t)value_bytes (rows, at++);
    else {
      column_value (rows, at++, arena, &row[i]);
      *bytes += row[i].type == MANTIS_TEXT || row[i].type == MANTIS_BLOB ? row[i].length : 8;
    }
  }
  return mantis_arena_exhausted (arena) ? NULL : row;
}

static enum mantis_status
too_large (const struct mantis_table *table, struct mantis_error *error)
{
  return mantis_fail (error, MANTIS_FULL,
                      "table \"%s\": a row is larger than a message may be, or there is no memory",
                      table->name);
}

enum mantis_status
rows_read (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
           size_t count, struct mantis_arena *arena, mantis_row *found, struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *get = NULL;
  size_t bytes = 0;
  enum mantis_status status = need_transaction (session, false, error);

  if (count)
    memset (found, 0, count * sizeof *found);
  if (status)
    return status;
  add_select (&session->sql, table);
  mantis_buf_text (&session->sql, " WHERE ");
  add_key_match (&session->sql, table, 1);
  if ((status = statement (session, session->sql.bytes, true, &get, error)))
    return status;
  for (size_t i = 0; i < count; i++) {
    int code;
    bind_key (get, 1, table, rows[i]);
    code = sqlite3_step (get);
    if (code == SQLITE_ROW &&
        !(found[i] = read_row (get, table, session->row_bytes, arena, &bytes)))
      return too_large (table, error);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
      return sql_failed (session, error, "read rows");
    sqlite3_reset (get);
  }
  return MANTIS_OK;
}

/* ---- In the order of keys ---- */

static void
add_key_list (struct mantis_buf *sql, const struct mantis_table *table)
{
  for (size_t i = 0; i < table->key_count; i++) {
    mantis_buf_text (sql, i ? ", " : "");
    add_name (sql, table->columns[table->key[i]].name);
  }
}

/* "("a", "b") > (?1, ?2)" */
static void
add_bound (struct mantis_buf *sql, const struct mantis_table *table, const char *relation,
           int first)
{
  mantis_buf_text (sql, "(");
  add_key_list (sql, table);
  mantis_buf_printf (sql, ") %s (", relation);
  for (size_t i = 0; i < table->key_count; i++)
    mantis_buf_printf (sql, "%s?%d", i ? ", " : "", first + (int)i);
  mantis_buf_text (sql, ")");
}

/* Rows whose key is NULL in part (SQLite allows that) cannot be asked for by key: they are left
 * out. */
static void
add_scan (struct mantis_buf *sql, const struct mantis_table *table, bool after, bool upto)
{
  const char *between = " WHERE ";
  int first = 1;

  add_select (sql, table);
  for (size_t i = 0; i < table->key_count; i++)
    if (!table->columns[table->key[i]].not_null) {
      mantis_buf_text (sql, between);
      add_name (sql, table->columns[table->key[i]].name);
      mantis_buf_text (sql, " IS NOT NULL");
      between = " AND ";
    }
  if (after) {
    mantis_buf_text (sql, between);
    add_bound (sql, table, ">", first);
    first += (int)table->key_count;
    between = " AND ";
  }
  if (upto) {
    mantis_buf_text (sql, between);
    add_bound (sql, table, "<=", first);
  }
  mantis_buf_text (sql, " ORDER BY ");
  add_key_list (sql, table);
}

/* Room for one more in *ROWS. */
static bool
grow (const mantis_row **rows, size_t count, size_t *room, struct mantis_arena *arena)
{
  mantis_row *more;

  if (count < *room)
    return true;
  *room = *room ? *room * 2 : 64;
  if (!(more = mantis_arena_alloc (arena, *room * sizeof *more)))
    return false;
  if (count)
    memcpy (more, *rows, count * sizeof *more);
  *rows = more;
  return true;
}

static enum mantis_status
read_page (struct mantis_session *session, sqlite3_stmt *get, const struct mantis_table *table,
           size_t limit, size_t bytes, struct mantis_arena *arena, const mantis_row **rows,
           size_t *count, bool *end, struct mantis_error *error)
{
  size_t room = 0, used = 0;
  int code;

  while ((code = sqlite3_step (get)) == SQLITE_ROW) {
    mantis_row row;
    if (*count && (*count >= limit || used >= bytes))
      return MANTIS_OK;
    if (!grow (rows, *count, &room, arena) ||
        !(row = read_row (get, table, session->row_bytes, arena, &used)))
      return too_large (table, error);
    ((mantis_row *)*rows)[(*count)++] = row;
  }
  *end = code == SQLITE_DONE;
  return *end ? MANTIS_OK : sql_failed (session, error, "read rows");
}

enum mantis_status
rows_scan (struct mantis_session *session, const struct mantis_table *table, mantis_row after,
           mantis_row upto, size_t limit, size_t bytes, struct mantis_arena *arena,
           const mantis_row **rows, size_t *count, bool *end, struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *get = NULL;
  int at = 1;
  enum mantis_status status = need_transaction (session, false, error);

  *rows = NULL;
  *count = 0;
  *end = false;
  if (status)
    return status;
  add_scan (&session->sql, table, after != NULL, upto != NULL);
  if ((status = statement (session, session->sql.bytes, true, &get, error)))
    return status;
  if (after)
    at = bind_key (get, at, table, after);
  if (upto)
    bind_key (get, at, table, upto);
  return read_page (session, get, table, limit, bytes, arena, rows, count, end, error);
}
