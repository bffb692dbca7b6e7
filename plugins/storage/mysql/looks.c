/* looks.c - what rows were: which columns are remembered beside each entry of a server's log.
 *
 * __sync_looks, made where any are; the newest row of a table is what its triggers remember:
 *   id       the number that entries of the log carry in "was"
 *   tbl      of the table in __sync_tables
 *   columns  their names, quoted, with commas between; NULL: nothing is remembered
 *
 * Their values stand in one column, w, one behind the other: "5:bytes" or "-" for NULL.  A column for each of them, as
 * SQLite has it, would let the row of a table with many columns outgrow what InnoDB allows, and fail the program's
 * write.
 *
 * Several processes work on one database, and while their configuration is changed they ask for different columns: what
 * another one asked for stays, so that they do not undo each other's triggers in turn, until a process starts anew.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <stdlib.h>
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

/* ---- Which columns ---- */

struct asking {
  struct mantis_session *session;
  const struct known_schema *schema;
  bool anew;
  struct mantis_error *error;
};

/* What stands in __sync_looks for a table. */
struct newest {
  int64_t id; /* 0: it was never remembered */
  const char *columns;
};

static bool
may_be_remembered (const struct mantis_table *table, size_t at)
{
  return !table->columns[at].generated && !table->columns[at].key_position; /* the key stands in
                                                                                the entry anyway */
}

static void
add_look (struct mantis_buf *text, const struct mantis_table *table, size_t at)
{
  mantis_buf_text (text, text->length ? "," : "");
  add_name (text, table->columns[at].name);
}

static enum mantis_status
read_newest (const struct asking *asking, const struct mantis_table *table, struct newest *newest)
{
  AUTO_RESULT struct result result = {0};
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  enum mantis_status status;

  *newest = (struct newest){0};
  if (!asking->session->has_past)
    return MANTIS_OK;
  mantis_buf_printf (&sql,
                     "SELECT id, columns FROM __sync_looks WHERE tbl = %lld ORDER BY id DESC"
                     " LIMIT 1",
                     (long long)table->id);
  status = query (asking->session, &sql, &result, asking->error);
  if (status || !next_row (&result))
    return status;
  newest->id = integer_at (&result, 0);
  newest->columns = text_at (&result, 1, asking->schema->arena);
  return result.row[1] && !newest->columns ? no_memory (asking->error) : MANTIS_OK;
}

/* Is the column AT one of LIST? */
static bool
is_listed (const char *list, const struct mantis_table *table, size_t at)
{
  AUTO_BUF struct mantis_buf name = MANTIS_BUF_INIT;
  const char *found = list;
  bool listed = false;

  add_look (&name, table, at);
  while (found && !name.failed && !listed && (found = strstr (found, name.bytes))) {
    char after = found[name.length];
    listed = (found == list || found[-1] == ',') && (after == ',' || after == '\0');
    found += name.length;
  }
  return listed;
}

/* ASKED: what this process wants to be remembered of TABLE; false: nothing. */
static bool
wants (const struct asking *asking, const struct mantis_table *table, bool *asked)
{
  struct mantis_session *session = asking->session;

  return session->role == MANTIS_SERVER && session->looks &&
         session->looks (session->looks_context, &asking->schema->shown, table, asked);
}

static enum mantis_status
note_columns (const struct asking *asking, const struct mantis_table *table, const char *columns,
              int64_t *id)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  struct newest newest;
  enum mantis_status status = make_past (asking->session, asking->error);

  if (status)
    return status;
  mantis_buf_printf (&sql, "INSERT INTO __sync_looks (tbl, columns) VALUES (%lld, ",
                     (long long)table->id);
  if (columns)
    add_string (asking->session, &sql, columns);
  else
    mantis_buf_text (&sql, "NULL");
  mantis_buf_text (&sql, ")");
  if ((status = query (asking->session, &sql, NULL, asking->error)) ||
      (status = read_newest (asking, table, &newest)))
    return status;
  *id = newest.id;
  return MANTIS_OK;
}

static enum mantis_status
ask_one (const struct asking *asking, struct known_table *known)
{
  const struct mantis_table *table = &known->table;
  struct facts *facts = &known->facts;
  struct mantis_arena *arena = asking->schema->arena;
  AUTO_BUF struct mantis_buf columns = MANTIS_BUF_INIT;
  struct newest newest;
  enum mantis_status status = read_newest (asking, table, &newest);
  bool *asked = mantis_arena_alloc (arena, table->column_count + 1);
  const char *wanted;

  facts->looks = mantis_arena_alloc (arena, (table->column_count + 1) * sizeof *facts->looks);
  facts->asked = mantis_arena_alloc (arena, table->column_count + 1);
  if (status || !asked || !facts->looks || !facts->asked)
    return status ? status : no_memory (asking->error);
  facts->looked_at = wants (asking, table, asked);
  if (!facts->looked_at)
    memset (asked, 0, table->column_count);
  facts->looked_at |= !asking->anew && newest.columns;
  for (uint32_t i = 0; facts->looked_at && i < table->column_count; i++) {
    if (!may_be_remembered (table, i) ||
        !(asked[i] || (!asking->anew && is_listed (newest.columns, table, i))))
      continue;
    facts->asked[facts->look_count] = asked[i];
    facts->looks[facts->look_count++] = i;
    add_look (&columns, table, i);
  }
  mantis_buf_text (&columns, "");
  if (columns.failed)
    return no_memory (asking->error);
  wanted = facts->looked_at ? columns.bytes : NULL;
  facts->look_id = newest.id;
  if (wanted && newest.columns ? strcmp (wanted, newest.columns) == 0 : wanted == newest.columns)
    return MANTIS_OK;
  return note_columns (asking, table, wanted, &facts->look_id);
}

enum mantis_status
looks_ask (struct mantis_session *session, struct known_schema *schema, bool anew,
           struct mantis_error *error)
{
  const struct asking asking = {session, schema, anew, error};
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < schema->shown.count && !status; i++)
    if (!schema->attached[i].table->refusal)
      status = ask_one (&asking, known_at (schema, i));
  return status;
}

/* ---- Their values ---- */

/* The same in each time zone: a program's session has its own.  No moment is all zeros, which no zone changes. */
static void
add_moment (struct mantis_buf *sql, const char *prefix, const char *name,
            const struct column_facts *facts)
{
  mantis_buf_printf (
      sql, "IFNULL(CONVERT(CAST('1970-01-01 00:00:00' + INTERVAL NULLIF(UNIX_TIMESTAMP(%s", prefix);
  add_name (sql, name);
  mantis_buf_printf (sql, "), 0) SECOND AS DATETIME(%u)) USING utf8mb4), ", facts->decimals);
  add_key_text (sql, prefix, name, facts);
  mantis_buf_text (sql, ")");
}

/* As bytes that value_of() understands. */
static void
add_value_text (struct mantis_buf *sql, const char *prefix, const struct mantis_table *table,
                size_t at)
{
  const char *name = table->columns[at].name;
  struct column_facts facts = column_facts (table, at);

  switch (facts.kind) {
  case KIND_BIT:
  case KIND_FLOAT:
    add_selected (sql, prefix, name, &facts);
    break;
  case KIND_TIMESTAMP:
    add_moment (sql, prefix, name, &facts);
    break;
  case KIND_GEOMETRY:
    mantis_buf_printf (sql, "CAST(%s", prefix);
    add_name (sql, name);
    mantis_buf_text (sql, " AS BINARY)");
    break;
  default:
    add_key_text (sql, prefix, name, &facts);
  }
}

void
add_past (struct mantis_buf *sql, const char *prefix, const struct mantis_table *table,
          const struct facts *facts)
{
  mantis_buf_text (sql, "CONCAT(''");
  for (size_t i = 0; i < facts->look_count; i++) {
    mantis_buf_text (sql, ", IFNULL(CONCAT(LENGTH(");
    add_value_text (sql, prefix, table, facts->looks[i]);
    mantis_buf_text (sql, "), ':', ");
    add_value_text (sql, prefix, table, facts->looks[i]);
    mantis_buf_text (sql, "), '-')");
  }
  mantis_buf_text (sql, ")");
}

/* "5:bytes" or "-" from *AT on, which moves behind it.  *BYTES: NULL for "-".  False: neither stands there. */
static bool
take_piece (const char **at, const char *end, const char **bytes, size_t *length)
{
  const char *digits = *at;

  *bytes = NULL;
  *length = 0;
  if (*at < end && **at == '-') {
    ++*at;
    return true;
  }
  while (*at < end && **at >= '0' && **at <= '9' && *at - digits < 9)
    *length = *length * 10 + (size_t)(*(*at)++ - '0');
  if (*at == digits || *at == end || *(*at)++ != ':' || (size_t)(end - *at) < *length)
    return false;
  *bytes = *at;
  *at += *length;
  return true;
}

bool
read_past (const struct mantis_table *table, const struct facts *facts, mantis_row key,
           const char *w, size_t length, struct mantis_arena *arena, mantis_row *row)
{
  struct mantis_value *values = mantis_arena_alloc (arena, table->column_count * sizeof *values);
  const char *at = w, *end = w + length;

  *row = NULL;
  if (!values)
    return false;
  memset (values, 0, table->column_count * sizeof *values);
  for (size_t i = 0; i < table->key_count; i++)
    values[table->key[i]] = key[i];
  for (size_t i = 0; i < facts->look_count; i++) {
    struct column_facts column = column_facts (table, facts->looks[i]);
    const char *bytes;
    size_t piece;
    if (!take_piece (&at, end, &bytes, &piece))
      return true;
    if (!facts->asked[i])
      continue;
    if (bytes) /* numbers are read up to their NUL */
      bytes = mantis_arena_copy (arena, bytes, piece);
    if (!value_of (&column, bytes, piece, arena, &values[facts->looks[i]]))
      return false;
  }
  if (at == end)
    *row = values;
  return !mantis_arena_exhausted (arena);
}
