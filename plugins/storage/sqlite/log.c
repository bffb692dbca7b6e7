/* log.c - __sync_log: what changed, in order; on a server also the version of each row.
 *
 *   seq     place in the order; the last row is never deleted, so no number comes twice
 *   tbl     id of the table in __sync_tables, 0 for the mark that the log begins with
 *   op      I, U, D; E for a row that REPLACE may have removed; M for the mark
 *   time    milliseconds since 1970 UTC
 *   origin  node id; NULL for a program that writes to this database
 *   k0...   the key's values; these columns have no type, so that values stay as they were
 *   was     on a server with filters: which columns w0... are, by their number in __sync_looks; 0: there was no row
 *   w0...   what they were before
 *
 * On a server __sync_log_key finds the entries of a row.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <string.h>

/* A row that other programs have written so often is looked at no further back. */
enum { MOST_VERSIONS = 1000 };

/* ---- Making it ---- */

static enum mantis_status
count_log_keys (struct mantis_session *session, int *count, struct mantis_error *error)
{
  int64_t columns;
  enum mantis_status status =
      ask_integer (session,
                   "SELECT count(*) FROM pragma_table_info('__sync_log', 'main')"
                   " WHERE name GLOB 'k[0-9]*'",
                   0, &columns, error);

  *count = (int)columns;
  if (!status)
    status = ask_integer (session,
                          "SELECT count(*) - 1 FROM pragma_table_info('__sync_log', 'main')"
                          " WHERE name = 'was' OR name GLOB 'w[0-9]*'",
                          0, &columns, error);
  session->log_looks = (int)columns;
  return status;
}

static enum mantis_status
make_tables (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = run (
      session,
      "CREATE TABLE IF NOT EXISTS main.__sync_tables (id INTEGER PRIMARY KEY, name TEXT, key TEXT,"
      " fingerprint TEXT, sql TEXT, root INTEGER, state TEXT);"
      "CREATE TABLE main.__sync_log (seq INTEGER PRIMARY KEY, tbl INTEGER, op TEXT, time INTEGER,"
      " origin TEXT, k0)",
      error);

  if (status)
    return status;
  return runf (session, error,
               "INSERT INTO main.__sync_log (seq, tbl, op, time) VALUES (1, 0, 'M', %lld)",
               (long long)mantis_now ());
}

/* With all key columns, those that a table does not use being NULL: only then is the index in the
 * order of seq within a row. */
static enum mantis_status
make_index (struct mantis_session *session, int keys, struct mantis_error *error)
{
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;

  mantis_buf_text (&sql, "DROP INDEX IF EXISTS main.__sync_log_key;"
                         "CREATE INDEX main.__sync_log_key ON __sync_log (tbl");
  for (int i = 0; i < keys; i++)
    mantis_buf_printf (&sql, ", k%d", i);
  mantis_buf_text (&sql, ")");
  return run (session, sql.failed ? NULL : sql.bytes, error);
}

enum mantis_status
make_log (struct mantis_session *session, size_t keys, struct mantis_error *error)
{
  int have;
  int64_t indexed = 1;
  enum mantis_status status = count_log_keys (session, &have, error);

  if (!status && have == 0) {
    status = make_tables (session, error);
    have = 1;
  }
  for (; (size_t)have < keys && !status; have++, indexed = 0)
    status = runf (session, error, "ALTER TABLE main.__sync_log ADD COLUMN k%d", have);
  if (!status && session->role == MANTIS_SERVER && indexed)
    status = ask_integer (session,
                          "SELECT count(*) FROM main.sqlite_master WHERE name = '__sync_log_key'",
                          0, &indexed, error);
  if (!status && session->role == MANTIS_SERVER && !indexed)
    status = make_index (session, have, error);
  session->log_keys = status ? 0 : have;
  return status;
}

enum mantis_status
make_looks (struct mantis_session *session, size_t count, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (session->log_looks < 0) {
    status = run (session, "ALTER TABLE main.__sync_log ADD COLUMN was INTEGER", error);
    session->log_looks += !status;
  }
  while (!status && (size_t)session->log_looks < count) {
    status =
        runf (session, error, "ALTER TABLE main.__sync_log ADD COLUMN w%d", session->log_looks);
    session->log_looks += !status;
  }
  return status;
}

/* How many key columns the log has; 0 when there is no log yet. */
static enum mantis_status
log_width (struct mantis_session *session, struct mantis_error *error)
{
  return session->log_keys ? MANTIS_OK : count_log_keys (session, &session->log_keys, error);
}

void
add_log_key (struct mantis_session *session, struct mantis_buf *sql,
             const struct mantis_table *table, int first)
{
  mantis_buf_printf (sql, "tbl = %lld", (long long)table->id);
  for (int i = 0; i < session->log_keys; i++)
    if ((size_t)i < table->key_count)
      mantis_buf_printf (sql, " AND k%d = ?%d", i, first + i);
    else
      mantis_buf_printf (sql, " AND k%d IS NULL", i);
}

/* ---- Reading ---- */

enum mantis_status
log_head (struct mantis_session *session, int64_t *head, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, false, error);

  *head = 0;
  if (status || (status = log_width (session, error)) || session->log_keys == 0)
    return status;
  return ask_kept (session, "SELECT max(seq) FROM main.__sync_log", 0, head, error);
}

const struct mantis_table *
table_of_id (const struct mantis_session *session, int64_t id)
{
  const struct known_schema *schema = session->schema;

  for (size_t i = 0; id && schema && i < schema->shown.count; i++)
    if (schema->attached[i].table->id == id)
      return schema->attached[i].table;
  return NULL;
}

/* What one reading of the log carries from row to row. */
struct log_reading {
  struct mantis_session *session;
  struct mantis_arena *arena;
  const struct mantis_table *table; /* of the last entry */
  int64_t id;                       /* its id, 0: none */
  const char *origin;               /* of the last entry that had one */
  const struct facts *facts;        /* of the table; NULL: none */
};

static bool
read_entry (struct log_reading *r, sqlite3_stmt *row, struct mantis_entry *entry)
{
  const char *operation = (const char *)sqlite3_column_text (row, 2);
  const char *origin = (const char *)sqlite3_column_text (row, 4);
  int64_t id = sqlite3_column_int64 (row, 1);
  struct mantis_value *key;

  if (id != r->id) {
    r->id = id;
    r->table = table_of_id (r->session, id);
    r->facts = r->table ? table_facts (r->session, r->table) : NULL;
  }
  if (origin && (!r->origin || strcmp (origin, r->origin) != 0))
    r->origin = mantis_arena_strdup (r->arena, origin);
  entry->seq = sqlite3_column_int64 (row, 0);
  entry->operation = operation ? *operation : 0;
  entry->time = sqlite3_column_int64 (row, 3);
  entry->origin = origin ? r->origin : NULL;
  entry->table = r->table;
  if (!r->table)
    return !mantis_arena_exhausted (r->arena);
  if (!(key = mantis_arena_alloc (r->arena, r->table->key_count * sizeof *key)))
    return false;
  for (size_t i = 0; i < r->table->key_count; i++)
    column_value (row, 5 + (int)i, r->arena, &key[i]);
  entry->key = key;
  return !mantis_arena_exhausted (r->arena);
}

/* What the row of ENTRY was, which stands in ROW as well. */
static bool
read_before (struct log_reading *r, sqlite3_stmt *row, const struct mantis_entry *entry,
             struct mantis_before *before)
{
  int at = 5 + r->session->log_keys;
  struct mantis_value *values;

  *before = (struct mantis_before){.fresh = false};
  if (!r->table || !r->facts->looked_at || r->session->log_looks < (int)r->facts->look_count ||
      sqlite3_column_type (row, at) == SQLITE_NULL)
    return true;
  before->fresh = sqlite3_column_int64 (row, at) == 0;
  if (sqlite3_column_int64 (row, at) != r->facts->look_id)
    return true;
  if (!(values = mantis_arena_alloc (r->arena, r->table->column_count * sizeof *values)))
    return false;
  memset (values, 0, r->table->column_count * sizeof *values);
  for (size_t i = 0; i < r->table->key_count; i++)
    values[r->table->key[i]] = entry->key[i];
  for (size_t i = 0; i < r->facts->look_count; i++)
    column_value (row, at + 1 + (int)i, r->arena, &values[r->facts->looks[i]]);
  before->row = values;
  return !mantis_arena_exhausted (r->arena);
}

static enum mantis_status
prepare_log_read (struct mantis_session *session, bool recall, sqlite3_stmt **rows,
                  struct mantis_error *error)
{
  struct mantis_buf *sql = &session->sql;

  mantis_buf_clear (sql);
  mantis_buf_text (sql, "SELECT seq, tbl, op, time, origin");
  for (int i = 0; i < session->log_keys; i++)
    mantis_buf_printf (sql, ", k%d", i);
  if (recall && session->log_looks >= 0)
    mantis_buf_text (sql, ", was");
  for (int i = 0; recall && i < session->log_looks; i++)
    mantis_buf_printf (sql, ", w%d", i);
  mantis_buf_text (sql, " FROM main.__sync_log WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3");
  return statement (session, sql->bytes, false, rows, error);
}

/* An array of twice the size for COUNT things in OLD; NULL: no memory. */
static void *
grow (struct mantis_arena *arena, const void *old, size_t count, size_t room, size_t size)
{
  void *more = mantis_arena_alloc (arena, room * size);

  if (more && count)
    memcpy (more, old, count * size);
  return more;
}

/* BEFORE may be NULL: nobody asks what the rows were. */
enum mantis_status
log_recall (struct mantis_session *session, int64_t after, int64_t upto, size_t limit,
            struct mantis_arena *arena, struct mantis_entry **entries,
            struct mantis_before **before, size_t *count, struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *rows = NULL;
  struct log_reading r = {.session = session, .arena = arena};
  size_t room = 0;
  int code = SQLITE_DONE;
  enum mantis_status status = need_transaction (session, false, error);

  *entries = NULL;
  if (before)
    *before = NULL;
  *count = 0;
  if (status || (status = log_width (session, error)) || session->log_keys == 0 ||
      (status = prepare_log_read (session, before != NULL, &rows, error)))
    return status;
  sqlite3_bind_int64 (rows, 1, after);
  sqlite3_bind_int64 (rows, 2, upto);
  sqlite3_bind_int64 (rows, 3, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
  while (*count < limit && (code = sqlite3_step (rows)) == SQLITE_ROW) {
    if (*count == room) {
      room = room ? room * 2 : 64;
      *entries = grow (arena, *entries, *count, room, sizeof **entries);
      if (before)
        *before = grow (arena, *before, *count, room, sizeof **before);
      if (!*entries || (before && !*before))
        return no_memory (error);
    }
    if (!read_entry (&r, rows, &(*entries)[*count]) ||
        (before && !read_before (&r, rows, &(*entries)[*count], &(*before)[*count])))
      return no_memory (error);
    ++*count;
  }
  if (*count < limit && code != SQLITE_DONE)
    return sql_failed (session, error, "read the log");
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
  AUTO_RESET sqlite3_stmt *trim = NULL;
  enum mantis_status status = need_transaction (session, true, error);

  if (status || (status = log_width (session, error)) || session->log_keys == 0 ||
      (status = versions_fold (session, upto, error)) ||
      (status = statement (session,
                           "DELETE FROM main.__sync_log WHERE seq <= ?1"
                           " AND seq < (SELECT max(seq) FROM main.__sync_log)",
                           false, &trim, error)))
    return status;
  sqlite3_bind_int64 (trim, 1, upto);
  return sqlite3_step (trim) == SQLITE_DONE ? MANTIS_OK
                                            : sql_failed (session, error, "trim the log");
}

/* What leaves the log stands in __sync_versions_ID, where log_versions() finds it. */
enum mantis_status
log_prune (struct mantis_session *session, int64_t after, int64_t upto, struct mantis_error *error)
{
  (void)after;
  return log_trim (session, upto, error);
}

enum mantis_status
log_disown (struct mantis_session *session, const struct mantis_table *table,
            const mantis_row *rows, size_t count, struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *disown = NULL;
  struct mantis_buf *sql = &session->sql;
  enum mantis_status status = need_transaction (session, true, error);

  if (status || (status = log_width (session, error)) || session->log_keys == 0)
    return status;
  mantis_buf_clear (sql);
  mantis_buf_text (sql, "UPDATE main.__sync_log SET origin = NULL WHERE seq ="
                        " (SELECT max(seq) FROM main.__sync_log WHERE op <> 'E' AND ");
  add_log_key (session, sql, table, 1);
  mantis_buf_text (sql, ")");
  status = statement (session, sql->bytes, true, &disown, error);
  for (size_t i = 0; i < count && !status; i++) {
    bind_key (disown, 1, table, rows[i]);
    if (sqlite3_step (disown) != SQLITE_DONE)
      status = sql_failed (session, error, "change the log");
    sqlite3_reset (disown);
  }
  return status;
}

/* ---- What is told twice ---- */

static enum mantis_status
prepare_spare (struct mantis_session *session, sqlite3_stmt **rows, struct mantis_error *error)
{
  struct mantis_buf *sql = &session->sql;

  mantis_buf_clear (sql);
  mantis_buf_text (sql, "SELECT seq FROM (SELECT seq, min(seq) OVER row AS first,"
                        " max(seq) OVER row AS newest,"
                        " min(CASE WHEN op <> 'E' THEN seq END) OVER row AS written"
                        " FROM main.__sync_log WHERE seq > ?1 AND seq <= ?2 AND tbl <> 0"
                        " WINDOW row AS (PARTITION BY tbl");
  for (int i = 0; i < session->log_keys; i++)
    mantis_buf_printf (sql, ", k%d", i);
  mantis_buf_text (sql, ")) WHERE seq NOT IN (first, newest) AND seq IS NOT written"
                        " ORDER BY seq LIMIT ?3");
  return statement (session, sql->bytes, false, rows, error);
}

enum mantis_status
log_spare (struct mantis_session *session, int64_t after, int64_t upto, size_t limit,
           struct mantis_arena *arena, int64_t **seqs, size_t *count, struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *rows = NULL;
  int code = SQLITE_DONE;
  enum mantis_status status = need_transaction (session, false, error);

  *count = 0;
  if (status || (status = log_width (session, error)) || session->log_keys == 0)
    return status;
  if (!(*seqs = mantis_arena_alloc (arena, limit * sizeof **seqs)))
    return no_memory (error);
  if ((status = prepare_spare (session, &rows, error)))
    return status;
  sqlite3_bind_int64 (rows, 1, after);
  sqlite3_bind_int64 (rows, 2, upto);
  sqlite3_bind_int64 (rows, 3, (int64_t)limit);
  while (*count < limit && (code = sqlite3_step (rows)) == SQLITE_ROW)
    (*seqs)[(*count)++] = sqlite3_column_int64 (rows, 0);
  if (*count < limit && code != SQLITE_DONE)
    return sql_failed (session, error, "read the log");
  return MANTIS_OK;
}

enum mantis_status
log_drop (struct mantis_session *session, const int64_t *seqs, size_t count,
          struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *drop = NULL;
  enum mantis_status status = need_transaction (session, true, error);

  if (!status)
    status = statement (session, "DELETE FROM main.__sync_log WHERE seq = ?1", true, &drop, error);
  for (size_t i = 0; i < count && !status; i++) {
    sqlite3_bind_int64 (drop, 1, seqs[i]);
    if (sqlite3_step (drop) != SQLITE_DONE)
      status = sql_failed (session, error, "change the log");
    sqlite3_reset (drop);
  }
  return status;
}

/* ---- Versions ---- */

struct version_reading {
  struct mantis_session *session;
  struct mantis_arena *arena;
  sqlite3_stmt *entries; /* of a row, newest first */
  sqlite3_stmt *present; /* is the row there? */
  sqlite3_stmt *pruned;  /* its version, if that has left the log; NULL: none has */
  const struct mantis_table *table;
  const char *origin; /* of the last version that had one */
  struct mantis_error *error;
};

static bool
row_exists (struct version_reading *r, mantis_row row)
{
  bool found;

  bind_key (r->present, 1, r->table, row);
  found = sqlite3_step (r->present) == SQLITE_ROW;
  sqlite3_reset (r->present);
  return found;
}

static bool
set_origin (struct version_reading *r, const char *origin, struct mantis_version *version)
{
  if (origin && (!r->origin || strcmp (origin, r->origin) != 0))
    r->origin = mantis_arena_strdup (r->arena, origin);
  version->origin = origin ? r->origin : NULL;
  return !origin || r->origin;
}

/* The time of an entry is at least that of the one before it plus 1: seen from the newest, the
 * greatest of (time + entries after it).  An entry with an origin has been given its time by that
 * rule, so what lies before it does not count. */
static enum mantis_status
read_entries (struct version_reading *r, mantis_row row, struct mantis_version *version)
{
  int64_t later = 0;
  int known = -1; /* does the row exist? */
  int code;

  *version = (struct mantis_version){0, 0, NULL};
  bind_key (r->entries, 1, r->table, row);
  while ((code = sqlite3_step (r->entries)) == SQLITE_ROW) {
    const char *operation = (const char *)sqlite3_column_text (r->entries, 3);
    const char *origin = (const char *)sqlite3_column_text (r->entries, 2);
    int64_t time = sqlite3_column_int64 (r->entries, 1);
    if (operation && *operation == MANTIS_EVICT &&
        (known >= 0 ? known : (known = row_exists (r, row))))
      continue;
    if (!version->rev) {
      version->rev = sqlite3_column_int64 (r->entries, 0);
      if (!set_origin (r, origin, version))
        return no_memory (r->error);
    }
    if (version->updated_at < time + later)
      version->updated_at = time + later;
    later++;
    if (origin)
      break;
  }
  sqlite3_reset (r->entries);
  if (code != SQLITE_DONE && code != SQLITE_ROW)
    return sql_failed (r->session, r->error, "read the log");
  return MANTIS_OK;
}

static enum mantis_status
read_version (struct version_reading *r, mantis_row row, struct mantis_version *version)
{
  enum mantis_status status = read_entries (r, row, version);

  if (status || version->rev || !r->pruned)
    return status;
  bind_key (r->pruned, 1, r->table, row);
  if (sqlite3_step (r->pruned) == SQLITE_ROW) {
    version->rev = sqlite3_column_int64 (r->pruned, 0);
    version->updated_at = sqlite3_column_int64 (r->pruned, 1);
    if (!set_origin (r, (const char *)sqlite3_column_text (r->pruned, 2), version))
      status = no_memory (r->error);
  }
  sqlite3_reset (r->pruned);
  return status;
}

static enum mantis_status
prepare_versions (struct version_reading *r)
{
  struct mantis_buf *sql = &r->session->sql;
  enum mantis_status status;

  mantis_buf_clear (sql);
  mantis_buf_text (sql, "SELECT seq, time, origin, op FROM main.__sync_log WHERE ");
  add_log_key (r->session, sql, r->table, 1);
  mantis_buf_printf (sql, " ORDER BY seq DESC LIMIT %d", MOST_VERSIONS);
  if ((status = statement (r->session, sql->bytes, true, &r->entries, r->error)))
    return status;
  mantis_buf_clear (sql);
  mantis_buf_text (sql, "SELECT 1 FROM main.");
  add_name (sql, r->table->name);
  mantis_buf_text (sql, " WHERE ");
  add_key_match (sql, r->table, 1);
  if ((status = statement (r->session, sql->bytes, true, &r->present, r->error)))
    return status;
  return versions_find (r->session, r->table, &r->pruned, r->error);
}

enum mantis_status
log_versions (struct mantis_session *session, const struct mantis_table *table,
              const mantis_row *rows, size_t count, struct mantis_arena *arena,
              struct mantis_version *versions, struct mantis_error *error)
{
  struct version_reading r = {.session = session, .arena = arena, .table = table, .error = error};
  enum mantis_status status = need_transaction (session, false, error);

  if (count)
    memset (versions, 0, count * sizeof *versions);
  if (status || (status = log_width (session, error)) || session->log_keys == 0 || !table->id)
    return status;
  status = prepare_versions (&r);
  for (size_t i = 0; i < count && !status; i++)
    status = read_version (&r, rows[i], &versions[i]);
  statement_reset (&r.entries);
  statement_reset (&r.present);
  statement_reset (&r.pruned);
  return status;
}
