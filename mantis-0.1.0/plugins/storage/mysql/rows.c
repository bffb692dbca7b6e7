/* rows.c - read rows by key, and in key order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <string.h>

/* ---- Text of SQL ---- */

static void
add_key_value (struct mantis_session *session, struct mantis_buf *sql,
               const struct mantis_table *table, size_t at, mantis_row row)
{
  uint32_t column = table->key[at];
  struct column_facts facts = column_facts (table, column);

  add_value (session, sql, &facts, &row[column]);
}

void
add_key_list (struct mantis_session *session, struct mantis_buf *sql,
              const struct mantis_table *table, const mantis_row *rows, size_t count)
{
  bool several = table->key_count > 1;

  mantis_buf_text (sql, several ? "(" : "");
  for (size_t i = 0; i < table->key_count; i++) {
    mantis_buf_text (sql, i ? ", " : "");
    add_name (sql, table->columns[table->key[i]].name);
  }
  mantis_buf_text (sql, several ? ") IN (" : " IN (");
  for (size_t r = 0; r < count; r++) {
    mantis_buf_text (sql, r ? ", " : "");
    mantis_buf_text (sql, several ? "(" : "");
    for (size_t i = 0; i < table->key_count; i++) {
      mantis_buf_text (sql, i ? ", " : "");
      add_key_value (session, sql, table, i, rows[r]);
    }
    mantis_buf_text (sql, several ? ")" : "");
  }
  mantis_buf_text (sql, ")");
}

void
add_key_match (struct mantis_session *session, struct mantis_buf *sql,
               const struct mantis_table *table, mantis_row row)
{
  for (size_t i = 0; i < table->key_count; i++) {
    mantis_buf_text (sql, i ? " AND " : "");
    add_name (sql, table->columns[table->key[i]].name);
    mantis_buf_text (sql, " = ");
    add_key_value (session, sql, table, i, row);
  }
}

/* All columns that have values, in their order. */
static void
add_selection (struct mantis_buf *sql, const struct mantis_table *table, bool key_only)
{
  const char *between = "SELECT ";

  for (size_t i = 0; i < table->column_count; i++) {
    struct column_facts facts = column_facts (table, i);
    if (table->columns[i].generated || (key_only && !table->columns[i].key_position))
      continue;
    mantis_buf_text (sql, between);
    add_selected (sql, "", table->columns[i].name, &facts);
    between = ", ";
  }
  mantis_buf_text (sql, " FROM ");
  add_name (sql, table->name);
}

static bool
row_is_larger (const struct result *result, int columns, size_t limit)
{
  size_t bytes = 0;

  for (int at = 0; at < columns; at++)
    bytes += result->lengths[at];
  return bytes > limit;
}

/* Of a row that is larger than LIMIT (0: none) the key only, see limit_rows() in mantis/storage.h. */
static mantis_row
take_row (const struct mantis_table *table, const struct result *result, bool key_only,
          size_t limit, struct mantis_arena *arena, size_t *bytes)
{
  struct mantis_value *row = mantis_arena_alloc (arena, table->column_count * sizeof *row);
  bool larger = limit && row_is_larger (result, (int)mysql_num_fields (result->rows), limit);
  int at = 0;

  for (size_t i = 0; row && i < table->column_count; i++) {
    struct column_facts facts = column_facts (table, i);
    if (table->columns[i].generated || (key_only && !table->columns[i].key_position))
      continue;
    if (larger && !table->columns[i].key_position) {
      row[i].length = (uint32_t)result->lengths[at++];
      continue;
    }
    *bytes += 8 + result->lengths[at];
    if (!value_of (&facts, result->row[at], result->lengths[at], arena, &row[i]))
      return NULL;
    at++;
  }
  return row;
}

/* ---- By key ---- */

struct finding {
  struct mantis_session *session;
  const struct mantis_table *table;
  bool lock; /* only the keys, and nobody else may touch them */
  struct mantis_arena *arena;
  struct mantis_error *error;
};

/* A key that no column here can hold has no row. */
static bool
may_exist (const struct mantis_table *table, mantis_row row)
{
  for (size_t i = 0; i < table->key_count; i++) {
    struct column_facts facts = column_facts (table, table->key[i]);
    if (row[table->key[i]].type <= MANTIS_NULL ||
        check_value (table, table->key[i], &facts, &row[table->key[i]], NULL))
      return false;
  }
  return true;
}

static enum mantis_status
ask_for_some (const struct finding *f, const mantis_row *rows, size_t count, struct result *result)
{
  AUTO_ARENA struct mantis_arena *scratch = mantis_arena_new (0);
  struct mantis_buf *sql = &f->session->sql;
  mantis_row *asked = scratch ? mantis_arena_alloc (scratch, count * sizeof *asked) : NULL;
  size_t some = 0;

  *result = (struct result){0};
  if (!asked)
    return no_memory (f->error);
  for (size_t i = 0; i < count; i++)
    if (may_exist (f->table, rows[i]))
      asked[some++] = rows[i];
  if (some == 0)
    return MANTIS_OK;
  mantis_buf_clear (sql);
  add_selection (sql, f->table, f->lock);
  mantis_buf_text (sql, " WHERE ");
  add_key_list (f->session, sql, f->table, asked, some);
  if (f->lock)
    mantis_buf_text (sql, " FOR UPDATE");
  return query (f->session, sql, result, f->error);
}

/* FOUND gets what equals the key to the engine; the caller of read() only what is the key. */
static enum mantis_status
find_some (const struct finding *f, const mantis_row *rows, size_t count, mantis_row *found)
{
  AUTO_RESULT struct result result = {0};
  AUTO_ARENA struct mantis_arena *scratch = mantis_arena_new (0);
  uint64_t *hashes = scratch ? mantis_arena_alloc (scratch, count * sizeof *hashes) : NULL;
  enum mantis_status status = hashes ? MANTIS_OK : no_memory (f->error);
  struct places places;
  size_t bytes = 0;

  if (status || (status = ask_for_some (f, rows, count, &result)))
    return status;
  for (size_t i = 0; i < count; i++)
    hashes[i] = key_hash (f->table, rows[i]);
  if (!places_make (&places, hashes, count, scratch))
    return no_memory (f->error);
  while (next_row (&result)) {
    mantis_row row = take_row (f->table, &result, f->lock, f->session->row_bytes, f->arena, &bytes);
    if (!row)
      return no_memory (f->error);
    for (size_t at = places_find (&places, key_hash (f->table, row)); at != SIZE_MAX;
         at = places_next (&places, at))
      if (same_key (f->table, row, rows[at]))
        found[at] = row;
  }
  return MANTIS_OK;
}

static enum mantis_status
find_all (const struct finding *f, const mantis_row *rows, size_t count, mantis_row *found)
{
  enum mantis_status status = need_transaction (f->session, false, f->error);

  for (size_t i = 0; i < count; i++)
    found[i] = NULL;
  for (size_t from = 0, some; from < count && !status; from += some) {
    some = count - from < ROWS_A_STATEMENT ? count - from : ROWS_A_STATEMENT;
    status = find_some (f, rows + from, some, found + from);
  }
  return status;
}

enum mantis_status
rows_read (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
           size_t count, struct mantis_arena *arena, mantis_row *found, struct mantis_error *error)
{
  const struct finding f = {session, table, false, arena, error};
  enum mantis_status status = check_shape (session, table, error);

  return status ? status : find_all (&f, rows, count, found);
}

enum mantis_status
rows_lock (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
           size_t count, struct mantis_arena *arena, mantis_row *found, struct mantis_error *error)
{
  const struct finding f = {session, table, true, arena, error};

  return find_all (&f, rows, count, found);
}

/* ---- In key order ---- */

/* A key column in the order of its values in Mantis, which is that of bytes for text. */
static void
add_ordered (struct mantis_buf *sql, const struct mantis_table *table, size_t at)
{
  const char *name = table->columns[table->key[at]].name;
  struct column_facts facts = column_facts (table, table->key[at]);

  if (facts.in_order)
    add_name (sql, name);
  else {
    mantis_buf_text (sql, "CAST(CONVERT(");
    add_name (sql, name);
    mantis_buf_text (sql, " USING utf8mb4) AS BINARY)");
  }
}

static void
add_bound (struct mantis_session *session, struct mantis_buf *sql, const struct mantis_table *table,
           size_t at, mantis_row row, const char *operator)
{
  struct column_facts facts = column_facts (table, table->key[at]);

  add_ordered (sql, table, at);
  mantis_buf_printf (sql, " %s %s", operator, facts.in_order ? "" : "_binary");
  add_key_value (session, sql, table, at, row);
}

/* "(a > 1 OR (a = 1 AND (b > 2)))": behind ROW, or before it, or (LAST) the row itself too. */
static void
add_beyond (struct mantis_session *session, struct mantis_buf *sql,
            const struct mantis_table *table, mantis_row row, bool after)
{
  const char *beyond = after ? ">" : "<";
  size_t last = table->key_count - 1;

  if (last > 0) { /* what the engine can look up in the index */
    add_bound (session, sql, table, 0, row, after ? ">=" : "<=");
    mantis_buf_text (sql, " AND ");
  }
  for (size_t i = 0; i < last; i++) {
    mantis_buf_text (sql, "(");
    add_bound (session, sql, table, i, row, beyond);
    mantis_buf_text (sql, " OR (");
    add_bound (session, sql, table, i, row, "=");
    mantis_buf_text (sql, " AND ");
  }
  add_bound (session, sql, table, last, row, after ? ">" : "<=");
  for (size_t i = 0; i < last; i++)
    mantis_buf_text (sql, "))");
}

static void
add_scan (struct mantis_session *session, struct mantis_buf *sql, const struct mantis_table *table,
          mantis_row after, mantis_row upto, size_t limit)
{
  const char *between = " WHERE ";

  add_selection (sql, table, false);
  if (after) {
    mantis_buf_text (sql, between);
    add_beyond (session, sql, table, after, true);
    between = " AND ";
  }
  if (upto) {
    mantis_buf_text (sql, between);
    add_beyond (session, sql, table, upto, false);
  }
  mantis_buf_text (sql, " ORDER BY ");
  for (size_t i = 0; i < table->key_count; i++) {
    mantis_buf_text (sql, i ? ", " : "");
    add_ordered (sql, table, i);
  }
  mantis_buf_printf (sql, " LIMIT %llu", (unsigned long long)limit);
}

struct listed {
  mantis_row *rows;
  size_t count, room, bytes;
};

/* One part of a scan.  *FULL: the engine had as many as were asked for. */
static enum mantis_status
scan_some (const struct finding *f, mantis_row after, mantis_row upto, size_t limit, size_t bytes,
           struct listed *list, bool *full)
{
  AUTO_RESULT struct result result = {0};
  struct mantis_buf *sql = &f->session->sql;
  enum mantis_status status;
  size_t taken = 0;

  mantis_buf_clear (sql);
  add_scan (f->session, sql, f->table, after, upto, limit);
  if ((status = query (f->session, sql, &result, f->error)))
    return status;
  *full = false;
  while (next_row (&result)) {
    if (list->count == list->room) {
      size_t room = list->room ? list->room * 2 : 256;
      mantis_row *more = mantis_arena_alloc (f->arena, room * sizeof *more);
      if (!more)
        return no_memory (f->error);
      if (list->count)
        memcpy (more, list->rows, list->count * sizeof *more);
      list->rows = more;
      list->room = room;
    }
    if (!(list->rows[list->count] =
              take_row (f->table, &result, false, f->session->row_bytes, f->arena, &list->bytes)))
      return no_memory (f->error);
    list->count++;
    if (++taken == limit || list->bytes >= bytes) {
      *full = true;
      break;
    }
  }
  return MANTIS_OK;
}

/* The engine sends all that it was asked for: so it is asked for little at first, when bytes count. */
enum mantis_status
rows_scan (struct mantis_session *session, const struct mantis_table *table, mantis_row after,
           mantis_row upto, size_t limit, size_t bytes, struct mantis_arena *arena,
           const mantis_row **rows, size_t *count, bool *end, struct mantis_error *error)
{
  enum { FIRST = 100, MOST = 20000 };
  const struct finding f = {session, table, false, arena, error};
  struct listed list = {0};
  enum mantis_status status = need_transaction (session, false, error);
  bool full = true;

  *end = false;
  if (!status)
    status = check_shape (session, table, error);
  while (!status && full && list.count < limit && (list.count == 0 || list.bytes < bytes)) {
    size_t wanted = limit - list.count, most = MOST;
    if (bytes != SIZE_MAX)
      most = list.count ? (bytes - list.bytes) / (list.bytes / list.count + 1) + 1 : FIRST;
    wanted = wanted < most ? wanted : most;
    status = scan_some (&f, list.count ? list.rows[list.count - 1] : after, upto, wanted, bytes,
                        &list, &full);
  }
  /* One more: is there any? */
  if (!status && full) {
    size_t before = list.count;
    mantis_row last = list.count ? list.rows[list.count - 1] : after;
    status = scan_some (&f, last, upto, 1, SIZE_MAX, &list, &full);
    full = list.count > before;
    list.count = before;
  }
  *rows = list.rows;
  *count = list.count;
  *end = !full;
  return status;
}
