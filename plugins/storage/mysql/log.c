/* log.c - __sync_log: every change, in the order in which it was committed; the version of each row.
 *
 *   seq     place in the order, the revision; the last row is never deleted
 *   tbl     id of the table in __sync_tables, 0 for the mark that the log begins with
 *   op      I, U, D; M for the mark
 *   time    milliseconds since 1970 UTC
 *   origin  node id; NULL for a program that writes to this database
 *   k0...   the key's values: text in UTF-8, binary as it is, numbers and dates as they are printed
 *   was     on a server with filters: which columns stand in w, by their number in __sync_looks; 0: there was no row
 *   w       what they were before (looks.c)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <string.h>

/* A row that other programs have written so often is looked at no further back. */
enum { MOST_VERSIONS = 64 };

/* Of more than 200 keys the engine asks its statistics what they cost, and those are of a time when the log was small:
 * it would read all of it. */
#define LOG_BY_KEY "__sync_log FORCE INDEX (__sync_log_key)"

void
add_log_columns (struct mantis_session *session, struct mantis_buf *sql)
{
  mantis_buf_text (sql, "seq, tbl, op, time, origin");
  for (int i = 0; i < session->log_keys; i++)
    mantis_buf_printf (sql, ", k%d", i);
}

void
add_past_columns (struct mantis_session *session, struct mantis_buf *sql)
{
  if (session->has_past)
    mantis_buf_text (sql, ", was, w");
}

/* ", k..." of ROW, with NULL beyond the table's own. */
static void
add_entry_key (struct mantis_session *session, struct mantis_buf *sql,
               const struct mantis_table *table, mantis_row row)
{
  AUTO_BUF struct mantis_buf text = MANTIS_BUF_INIT;

  for (int i = 0; i < session->log_keys; i++) {
    if ((size_t)i >= table->key_count) {
      mantis_buf_text (sql, ", NULL");
      continue;
    }
    struct column_facts facts = column_facts (table, table->key[i]);
    mantis_buf_clear (&text);
    key_bytes (&text, &facts, &row[table->key[i]]);
    mantis_buf_text (sql, ", _binary");
    add_bytes (session, sql, text.bytes ? text.bytes : "", text.length);
  }
}

enum mantis_status
log_append (struct mantis_session *session, const struct mantis_table *table,
            const struct mantis_change *const *changes, size_t count, struct mantis_error *error)
{
  struct mantis_buf *sql = &session->sql;

  if (count == 0)
    return MANTIS_OK;
  mantis_buf_clear (sql);
  mantis_buf_text (sql, "INSERT INTO __sync_log (");
  add_log_columns (session, sql);
  mantis_buf_text (sql, ") VALUES ");
  for (size_t i = 0; i < count; i++) {
    const struct mantis_change *change = changes[i];
    mantis_buf_printf (sql, "%s(%lld, %lld, '%c', %lld, ", i ? ", " : "", (long long)++session->seq,
                       (long long)table->id,
                       change->deleted   ? MANTIS_DELETE
                       : change->created ? MANTIS_INSERT
                                         : MANTIS_UPDATE,
                       (long long)change->updated_at);
    if (change->origin)
      add_string (session, sql, change->origin);
    else
      mantis_buf_text (sql, "NULL");
    add_entry_key (session, sql, table, change->row);
    mantis_buf_text (sql, ")");
  }
  return query (session, sql, NULL, error);
}

/* ---- Reading ---- */

enum mantis_status
log_head (struct mantis_session *session, int64_t *head, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, false, error);

  *head = status ? 0 : session->seq;
  return status;
}

/* What one reading of the log carries from row to row. */
struct log_reading {
  struct mantis_session *session;
  struct mantis_arena *arena;
  const struct mantis_table *table; /* of the last entry */
  int64_t id;                       /* its id, 0: none */
  const char *origin;               /* of the last entry that had one */
};

static bool
read_origin (const char **last, const char *origin, struct mantis_arena *arena, const char **out)
{
  if (origin && (!*last || strcmp (origin, *last) != 0))
    *last = mantis_arena_strdup (arena, origin);
  *out = origin ? *last : NULL;
  return !origin || *last;
}

/* seq, tbl, op, time, origin, k... */
static bool
read_entry (struct log_reading *r, const struct result *row, struct mantis_entry *entry)
{
  int64_t id = integer_at (row, 1);
  struct mantis_value *key;

  if (id != r->id) {
    r->id = id;
    r->table = table_of_id (r->session, id);
  }
  entry->seq = integer_at (row, 0);
  entry->operation = row->row[2] ? row->row[2][0] : 0;
  entry->time = integer_at (row, 3);
  entry->table = r->table;
  if (!read_origin (&r->origin, row->row[4], r->arena, &entry->origin))
    return false;
  if (!r->table)
    return !mantis_arena_exhausted (r->arena);
  if (!(key = mantis_arena_alloc (r->arena, r->table->key_count * sizeof *key)))
    return false;
  for (size_t i = 0; i < r->table->key_count; i++) {
    struct column_facts facts = column_facts (r->table, r->table->key[i]);
    if (!value_of (&facts, row->row[5 + i], row->lengths[5 + i], r->arena, &key[i]))
      return false;
  }
  entry->key = key;
  return !mantis_arena_exhausted (r->arena);
}

/* What the row of ENTRY was, which stands in ROW as well. */
static bool
read_before (struct log_reading *r, const struct result *row, const struct mantis_entry *entry,
             struct mantis_before *before)
{
  int at = 5 + r->session->log_keys;
  const struct facts *facts = r->table ? table_facts (r->table) : NULL;

  *before = (struct mantis_before){.fresh = false};
  if (!facts || !facts->looked_at || !r->session->has_past || !row->row[at])
    return true;
  before->fresh = integer_at (row, at) == 0;
  if (integer_at (row, at) != facts->look_id || !row->row[at + 1])
    return true;
  return read_past (r->table, facts, entry->key, row->row[at + 1], row->lengths[at + 1], r->arena,
                    &before->row);
}

/* BEFORE may be NULL: nobody asks what the rows were. */
enum mantis_status
log_recall (struct mantis_session *session, int64_t after, int64_t upto, size_t limit,
            struct mantis_arena *arena, struct mantis_entry **entries,
            struct mantis_before **before, size_t *count, struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  struct log_reading r = {session, arena, NULL, 0, NULL};
  struct mantis_buf *sql = &session->sql;
  enum mantis_status status = need_transaction (session, false, error);
  size_t rows;

  *entries = NULL;
  if (before)
    *before = NULL;
  *count = 0;
  if (status || (status = count_log_keys (session, error)))
    return status;
  mantis_buf_clear (sql);
  mantis_buf_text (sql, "SELECT ");
  add_log_columns (session, sql);
  if (before)
    add_past_columns (session, sql);
  mantis_buf_printf (sql,
                     " FROM __sync_log WHERE seq > %lld AND seq <= %lld ORDER BY seq LIMIT %llu",
                     (long long)after, (long long)upto, (unsigned long long)limit);
  if ((status = query (session, sql, &result, error)))
    return status;
  rows = result.rows ? (size_t)mysql_num_rows (result.rows) : 0;
  if (!(*entries = mantis_arena_alloc (arena, (rows + 1) * sizeof **entries)) ||
      (before && !(*before = mantis_arena_alloc (arena, (rows + 1) * sizeof **before))))
    return no_memory (error);
  for (; *count < rows && next_row (&result); ++*count)
    if (!read_entry (&r, &result, &(*entries)[*count]) ||
        (before && !read_before (&r, &result, &(*entries)[*count], &(*before)[*count])))
      return no_memory (error);
  return MANTIS_OK;
}

enum mantis_status
log_read (struct mantis_session *session, int64_t after, int64_t upto, size_t limit,
          struct mantis_arena *arena, struct mantis_entry **entries, size_t *count,
          struct mantis_error *error)
{
  return log_recall (session, after, upto, limit, arena, entries, NULL, count, error);
}

/* ---- Writing ---- */

enum mantis_status
log_trim (struct mantis_session *session, int64_t upto, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, true, error);

  return status ? status
                : runf (session, error, "DELETE FROM __sync_log WHERE seq <= %lld AND seq < %lld",
                        (long long)upto, (long long)session->seq);
}

/* The newest entry of a row is its version, and stays; unless it is a deletion. */
enum mantis_status
log_prune (struct mantis_session *session, int64_t after, int64_t upto, struct mantis_error *error)
{
  struct mantis_buf *sql = &session->sql;
  enum mantis_status status = need_transaction (session, true, error);

  if (status || (status = count_log_keys (session, error)))
    return status;
  upto = upto < session->seq ? upto : session->seq - 1;
  mantis_buf_clear (sql);
  mantis_buf_text (sql, "DELETE o FROM __sync_log AS n JOIN __sync_log AS o ON o.tbl = n.tbl");
  for (int i = 0; i < session->log_keys; i++)
    mantis_buf_printf (sql, " AND o.k%d <=> n.k%d", i, i);
  mantis_buf_printf (sql,
                     " AND o.seq < n.seq WHERE n.seq > %lld AND n.seq <= %lld AND n.op <> '%c'",
                     (long long)after, (long long)upto, MANTIS_EVICT);
  if ((status = query (session, sql, NULL, error)))
    return status;
  return runf (session, error,
               "DELETE FROM __sync_log WHERE seq > %lld AND seq <= %lld AND op NOT IN ('I', 'U')",
               (long long)after, (long long)upto);
}

/* "tbl = 3 AND (k0, k1) IN (...)" */
static void
add_entries_of (struct mantis_session *session, struct mantis_buf *sql,
                const struct mantis_table *table, const mantis_row *rows, size_t count)
{
  AUTO_BUF struct mantis_buf text = MANTIS_BUF_INIT;

  mantis_buf_printf (sql, "tbl = %lld AND %s", (long long)table->id,
                     table->key_count > 1 ? "(" : "");
  for (size_t i = 0; i < table->key_count; i++)
    mantis_buf_printf (sql, "%sk%zu", i ? ", " : "", i);
  mantis_buf_text (sql, table->key_count > 1 ? ") IN (" : " IN (");
  for (size_t r = 0; r < count; r++) {
    mantis_buf_text (sql, r ? ", " : "");
    mantis_buf_text (sql, table->key_count > 1 ? "(" : "");
    for (size_t i = 0; i < table->key_count; i++) {
      struct column_facts facts = column_facts (table, table->key[i]);
      mantis_buf_clear (&text);
      key_bytes (&text, &facts, &rows[r][table->key[i]]);
      mantis_buf_text (sql, i ? ", _binary" : "_binary");
      add_bytes (session, sql, text.bytes ? text.bytes : "", text.length);
    }
    mantis_buf_text (sql, table->key_count > 1 ? ")" : "");
  }
  mantis_buf_text (sql, ")");
}

static void
add_key_names (struct mantis_buf *sql, const struct mantis_table *table)
{
  for (size_t i = 0; i < table->key_count; i++)
    mantis_buf_printf (sql, ", k%zu", i);
}

enum mantis_status
log_disown (struct mantis_session *session, const struct mantis_table *table,
            const mantis_row *rows, size_t count, struct mantis_error *error)
{
  struct mantis_buf *sql = &session->sql;
  enum mantis_status status = need_transaction (session, true, error);

  for (size_t from = 0, some; from < count && !status; from += some) {
    some = count - from < ROWS_A_STATEMENT ? count - from : ROWS_A_STATEMENT;
    mantis_buf_clear (sql);
    mantis_buf_text (sql, "UPDATE __sync_log AS l JOIN (SELECT max(seq) AS seq FROM " LOG_BY_KEY
                          " WHERE ");
    add_entries_of (session, sql, table, rows + from, some);
    mantis_buf_text (sql, " GROUP BY tbl");
    add_key_names (sql, table);
    mantis_buf_text (sql, ") AS newest ON l.seq = newest.seq SET l.origin = NULL");
    status = query (session, sql, NULL, error);
  }
  return status;
}

/* ---- Versions ---- */

struct version_reading {
  struct mantis_arena *arena;
  const char *origin;
  bool *closed;   /* what lies before does not count */
  int64_t *later; /* entries seen after this one */
};

/* The time of an entry is at least that of the one before it plus 1: seen from the newest, the greatest
 * of (time + entries after it).  An entry with an origin has been given its time by that rule. */
static bool
take_version (struct version_reading *r, const struct result *row, size_t at,
              struct mantis_version *version)
{
  int64_t time = integer_at (row, 1);
  const char *origin;

  if (r->closed[at])
    return true;
  if (!version->rev) {
    version->rev = integer_at (row, 0);
    if (!read_origin (&r->origin, row->row[2], r->arena, &origin))
      return false;
    version->origin = origin;
  }
  if (version->updated_at < time + r->later[at])
    version->updated_at = time + r->later[at];
  r->later[at]++;
  r->closed[at] = row->row[2] != NULL;
  return true;
}

/* Rows come newest first, so the versions of one key do. */
static enum mantis_status
read_some (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
           size_t count, struct mantis_arena *arena, struct mantis_version *versions,
           struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  AUTO_ARENA struct mantis_arena *scratch = mantis_arena_new (0);
  struct mantis_buf *sql = &session->sql;
  struct version_reading r = {.arena = arena};
  struct places places;
  uint64_t *hashes = scratch ? mantis_arena_alloc (scratch, count * sizeof *hashes) : NULL;
  enum mantis_status status;

  if (!hashes || !(r.closed = mantis_arena_alloc (scratch, count * sizeof *r.closed)) ||
      !(r.later = mantis_arena_alloc (scratch, count * sizeof *r.later)))
    return no_memory (error);
  mantis_buf_clear (sql);
  mantis_buf_text (sql, "SELECT * FROM (SELECT seq, time, origin");
  add_key_names (sql, table);
  mantis_buf_text (sql, ", row_number() OVER (PARTITION BY k0");
  for (size_t i = 1; i < table->key_count; i++)
    mantis_buf_printf (sql, ", k%zu", i);
  mantis_buf_text (sql, " ORDER BY seq DESC) AS n FROM " LOG_BY_KEY " WHERE ");
  add_entries_of (session, sql, table, rows, count);
  mantis_buf_printf (sql, ") AS e WHERE n <= %d ORDER BY n", MOST_VERSIONS);
  if ((status = query (session, sql, &result, error)) || !result.rows ||
      mysql_num_rows (result.rows) == 0)
    return status;
  for (size_t i = 0; i < count; i++)
    hashes[i] = key_hash (table, rows[i]);
  if (!places_make (&places, hashes, count, scratch))
    return no_memory (error);
  while (next_row (&result))
    for (size_t at = places_find (&places, key_hash_of (&result, 3, table)); at != SIZE_MAX;
         at = places_next (&places, at))
      if (!take_version (&r, &result, at, &versions[at]))
        return no_memory (error);
  return MANTIS_OK;
}

enum mantis_status
log_versions (struct mantis_session *session, const struct mantis_table *table,
              const mantis_row *rows, size_t count, struct mantis_arena *arena,
              struct mantis_version *versions, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, false, error);

  if (count)
    memset (versions, 0, count * sizeof *versions);
  if (status || !table->id || (status = count_log_keys (session, error)))
    return status;
  for (size_t from = 0, some; from < count && !status; from += some) {
    some = count - from < ROWS_A_STATEMENT ? count - from : ROWS_A_STATEMENT;
    status = read_some (session, table, rows + from, some, arena, versions + from, error);
  }
  return status;
}
