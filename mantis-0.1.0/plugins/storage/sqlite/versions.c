/* versions.c - __sync_row_TABLE: the version of each row, for people and programs that ask with
 * SQL.
 *
 * It is a view that does not mention TABLE itself.  A view that did would break the application:
 * since 3.26 SQLite refuses ALTER TABLE ... RENAME while any view in the file names a table that is
 * not there, and in the middle of every table rebuild (make new, copy, drop old, rename) one is
 * not.
 *
 * So the keys stand in __sync_versions_ID, one for each watched table:
 *   k0...   the key, without types
 *   time    milliseconds since 1970 UTC, and
 *   rev     revision of the row's version, and
 *   origin  its author; NULL where the row has no version of its own
 * The log has the newest word: an entry overrides what stands there, and is moved there when it
 * leaves the log.  A client also writes what it applies; no trigger ever does.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <string.h>

/* What a text about one table is made of. */
struct telling {
  struct mantis_session *session;
  const struct mantis_table *table;
  struct mantis_buf *sql;
  struct mantis_error *error;
};

static long long
id_of (const struct telling *t)
{
  return (long long)t->table->id;
}

/* "l.k0 = r.k0 AND ..." */
static void
add_same_key (const struct telling *t, const char *a, const char *b)
{
  for (size_t i = 0; i < t->table->key_count; i++)
    mantis_buf_printf (t->sql, "%s%s.k%zu = %s.k%zu", i ? " AND " : "", a, i, b, i);
}

/* "r.k0, r.k1" */
static void
add_keys (const struct telling *t, const char *prefix)
{
  for (size_t i = 0; i < t->table->key_count; i++)
    mantis_buf_printf (t->sql, "%s%sk%zu", i ? ", " : "", prefix, i);
}

/* The same under the names of the key columns. */
static void
add_named_keys (const struct telling *t, const char *prefix)
{
  for (size_t i = 0; i < t->table->key_count; i++) {
    mantis_buf_printf (t->sql, "%s%sk%zu AS ", i ? ", " : "", prefix, i);
    add_name (t->sql, t->table->columns[t->table->key[i]].name);
  }
}

static bool
has (const struct telling *t, const char *table)
{
  return sqlite3_table_column_metadata (t->session->db, "main", table, NULL, NULL, NULL, NULL, NULL,
                                        NULL) == SQLITE_OK;
}

/* ---- The view ---- */

/* Floor or cursor, where the tables that hold them are there: the view must never name one that is
 * not. */
struct fallback {
  const char *time, *rev, *node;
};

static struct fallback
find_fallback (const struct telling *t)
{
  struct fallback f = {"NULL", "NULL", "NULL"};

  if (has (t, "__sync_meta"))
    f.node = "(SELECT value FROM __sync_meta WHERE name = 'node')";
  if (t->session->role == MANTIS_SERVER && has (t, "__sync_meta")) {
    f.time = "(SELECT value FROM __sync_meta WHERE name = 'floor_time')";
    f.rev = "(SELECT value FROM __sync_meta WHERE name = 'floor')";
  } else if (t->session->role == MANTIS_CLIENT && has (t, "__sync_state")) {
    f.time = "(SELECT max(last_pull) FROM __sync_state WHERE tbl = '*')";
    f.rev = "(SELECT max(rev) FROM __sync_state WHERE tbl = '*')";
  }
  return f;
}

/* A server's log is found by key: row by row. */
static void
add_server_view (const struct telling *t, struct fallback f)
{
  mantis_buf_printf (t->sql,
                     ", coalesce(r.time, %s) AS __updated_at, coalesce(r.rev, %s) AS __rev,"
                     " r.origin AS __origin FROM __sync_versions_%lld AS r WHERE NOT EXISTS"
                     " (SELECT 1 FROM __sync_log AS l WHERE l.tbl = %lld AND ",
                     f.time, f.rev, id_of (t), id_of (t));
  add_same_key (t, "l", "r");
  mantis_buf_text (t->sql, " AND l.op <> 'E') UNION ALL SELECT ");
  add_keys (t, "l.");
  mantis_buf_printf (t->sql,
                     ", l.time, l.seq, l.origin FROM __sync_log AS l WHERE l.tbl = %lld"
                     " AND l.op IN ('I', 'U') AND NOT EXISTS"
                     " (SELECT 1 FROM __sync_log AS m WHERE m.tbl = %lld AND ",
                     id_of (t), id_of (t));
  add_same_key (t, "m", "l");
  mantis_buf_text (t->sql, " AND m.seq > l.seq AND m.op <> 'E')");
}

/* The newest entry of each key, as a client finds them: in one pass. */
static void
add_newest (const struct telling *t)
{
  mantis_buf_text (t->sql, "(SELECT ");
  add_keys (t, "");
  mantis_buf_printf (t->sql,
                     ", op, time, max(seq) AS seq FROM __sync_log WHERE tbl = %lld AND op <> 'E'"
                     " GROUP BY ",
                     id_of (t));
  add_keys (t, "");
  mantis_buf_text (t->sql, ") AS l");
}

static void
add_client_view (const struct telling *t, struct fallback f)
{
  mantis_buf_printf (t->sql,
                     ", coalesce(l.time, r.time, %s) AS __updated_at, coalesce(r.rev, %s) AS __rev,"
                     " CASE WHEN l.seq IS NULL THEN r.origin ELSE %s END AS __origin"
                     " FROM __sync_versions_%lld AS r LEFT JOIN ",
                     f.time, f.rev, f.node, id_of (t));
  add_newest (t);
  mantis_buf_text (t->sql, " ON ");
  add_same_key (t, "l", "r");
  mantis_buf_text (t->sql, " WHERE l.op IS NULL OR l.op <> 'D' UNION ALL SELECT ");
  add_keys (t, "l.");
  mantis_buf_printf (t->sql, ", l.time, %s, %s FROM ", f.rev, f.node);
  add_newest (t);
  mantis_buf_printf (
      t->sql, " WHERE l.op <> 'D' AND NOT EXISTS (SELECT 1 FROM __sync_versions_%lld AS r WHERE ",
      id_of (t));
  add_same_key (t, "r", "l");
  mantis_buf_text (t->sql, ")");
}

static void
add_view (const struct telling *t, const char *view)
{
  struct fallback f = find_fallback (t);

  mantis_buf_clear (t->sql);
  mantis_buf_text (t->sql, "CREATE VIEW ");
  add_name (t->sql, view);
  mantis_buf_text (t->sql, " AS SELECT ");
  add_named_keys (t, "r.");
  if (t->session->role == MANTIS_SERVER)
    add_server_view (t, f);
  else
    add_client_view (t, f);
}

/* Make the view unless it stands there, word for word. */
static enum mantis_status
put_view (const struct telling *t)
{
  AUTO_FINALIZE sqlite3_stmt *find = NULL;
  AUTO_BUF struct mantis_buf view = MANTIS_BUF_INIT, drop = MANTIS_BUF_INIT;
  enum mantis_status status = MANTIS_OK;
  bool stands, same;

  mantis_buf_printf (&view, "__sync_row_%s", t->table->name);
  if (view.failed)
    return no_memory (t->error);
  add_view (t, view.bytes);
  if (t->sql->failed ||
      sqlite3_prepare_v2 (t->session->db,
                          "SELECT sql FROM main.sqlite_master WHERE type = 'view' AND name = ?1",
                          -1, &find, NULL))
    return sql_failed (t->session, t->error, "read the schema");
  sqlite3_bind_text (find, 1, view.bytes, -1, SQLITE_STATIC);
  stands = sqlite3_step (find) == SQLITE_ROW;
  same = stands && strcmp ((const char *)sqlite3_column_text (find, 0), t->sql->bytes) == 0;
  sqlite3_reset (find);
  if (same)
    return MANTIS_OK;
  mantis_buf_text (&drop, "DROP VIEW main.");
  add_name (&drop, view.bytes);
  if (stands)
    status = run (t->session, drop.failed ? NULL : drop.bytes, t->error);
  return status ? status : run (t->session, t->sql->bytes, t->error);
}

/* ---- The keys ---- */

static enum mantis_status
make_keys (const struct telling *t)
{
  mantis_buf_clear (t->sql);
  mantis_buf_printf (t->sql, "CREATE TABLE main.__sync_versions_%lld (", id_of (t));
  add_keys (t, "");
  mantis_buf_text (t->sql, ", time, rev, origin, PRIMARY KEY (");
  add_keys (t, "");
  mantis_buf_text (t->sql, ")) WITHOUT ROWID");
  return run (t->session, t->sql->failed ? NULL : t->sql->bytes, t->error);
}

/* ""id" = r.k0 AND ..." */
static void
add_row_match (const struct telling *t)
{
  for (size_t i = 0; i < t->table->key_count; i++) {
    mantis_buf_printf (t->sql, "%st.", i ? " AND " : "");
    add_name (t->sql, t->table->columns[t->table->key[i]].name);
    mantis_buf_printf (t->sql, " = r.k%zu", i);
  }
}

/* Take in the rows that are there, in the order of keys, and let go of those that are not. */
static enum mantis_status
fill_keys (const struct telling *t)
{
  const struct mantis_table *table = t->table;

  mantis_buf_clear (t->sql);
  mantis_buf_printf (
      t->sql, "DELETE FROM main.__sync_versions_%lld AS r WHERE NOT EXISTS (SELECT 1 FROM main.",
      id_of (t));
  add_name (t->sql, table->name);
  mantis_buf_text (t->sql, " AS t WHERE ");
  add_row_match (t);
  mantis_buf_printf (t->sql, "); INSERT OR IGNORE INTO main.__sync_versions_%lld (", id_of (t));
  add_keys (t, "");
  mantis_buf_text (t->sql, ") SELECT ");
  for (size_t round = 0; round < 3; round++)
    for (size_t i = 0; i < table->key_count; i++) {
      mantis_buf_text (t->sql, i ? (round == 1 ? " AND " : ", ") : round == 2 ? " ORDER BY " : "");
      add_name (t->sql, table->columns[table->key[i]].name);
      mantis_buf_text (t->sql, round == 1 ? " IS NOT NULL" : "");
      if (round == 0 && i + 1 == table->key_count) {
        mantis_buf_text (t->sql, " FROM main.");
        add_name (t->sql, table->name);
        mantis_buf_text (t->sql, " WHERE ");
      }
    }
  return run (t->session, t->sql->failed ? NULL : t->sql->bytes, t->error);
}

/* Rows that were here before, and that nothing tells apart: said once, as no change of theirs will be seen. */
static enum mantis_status
tell_keyless (const struct telling *t)
{
  const struct mantis_table *table = t->table;
  const char *before = " WHERE ";
  int64_t found = 0;
  enum mantis_status status;

  mantis_buf_clear (t->sql);
  mantis_buf_text (t->sql, "SELECT count(*) FROM main.");
  add_name (t->sql, table->name);
  for (size_t i = 0; i < table->key_count; i++)
    if (!table->columns[table->key[i]].not_null) {
      mantis_buf_text (t->sql, before);
      add_name (t->sql, table->columns[table->key[i]].name);
      mantis_buf_text (t->sql, " IS NULL");
      before = " OR ";
    }
  if (*before == ' ' && before[1] == 'W')
    return MANTIS_OK;
  status = ask_integer (t->session, t->sql->failed ? NULL : t->sql->bytes, 0, &found, t->error);
  if (!status && found)
    mantis_log (MANTIS_WARNING,
                "table \"%s\": %lld rows have NULL in their primary key and stay here until they "
                "have a key",
                table->name, (long long)found);
  return status;
}

enum mantis_status
versions_watch (struct mantis_session *session, const struct mantis_table *table, bool fill,
                struct mantis_error *error)
{
  const struct telling t = {session, table, &session->sql, error};
  char keys[64];
  enum mantis_status status = MANTIS_OK;

  sqlite3_snprintf (sizeof keys, keys, "__sync_versions_%lld", (long long)table->id);
  if (!has (&t, keys)) {
    status = make_keys (&t);
    fill = true;
  }
  if (!status && fill && !(status = fill_keys (&t)))
    status = tell_keyless (&t);
  return status ? status : put_view (&t);
}

/* ---- What a client applies ---- */

enum mantis_status
versions_prepare (struct mantis_session *session, const struct mantis_table *table, bool deleted,
                  sqlite3_stmt **write, struct mantis_error *error)
{
  const struct telling t = {session, table, &session->sql, error};

  mantis_buf_clear (t.sql);
  if (deleted) {
    mantis_buf_printf (t.sql, "DELETE FROM main.__sync_versions_%lld WHERE ", id_of (&t));
    for (size_t i = 0; i < table->key_count; i++)
      mantis_buf_printf (t.sql, "%sk%zu = ?%zu", i ? " AND " : "", i, i + 4);
  } else {
    mantis_buf_printf (
        t.sql, "INSERT OR REPLACE INTO main.__sync_versions_%lld (time, rev, origin, ", id_of (&t));
    add_keys (&t, "");
    mantis_buf_text (t.sql, ") VALUES (?1, ?2, ?3");
    for (size_t i = 0; i < table->key_count; i++)
      mantis_buf_printf (t.sql, ", ?%zu", i + 4);
    mantis_buf_text (t.sql, ")");
  }
  return statement (session, t.sql->bytes, true, write, error);
}

enum mantis_status
versions_find (struct mantis_session *session, const struct mantis_table *table,
               sqlite3_stmt **read, struct mantis_error *error)
{
  const struct telling t = {session, table, &session->sql, error};
  int64_t first = 0;
  enum mantis_status status =
      ask_kept (session, "SELECT min(seq) FROM main.__sync_log", 0, &first, error);

  *read = NULL;
  if (status || first <= 1)
    return status;
  mantis_buf_clear (t.sql);
  mantis_buf_printf (t.sql, "SELECT rev, time, origin FROM main.__sync_versions_%lld WHERE ",
                     id_of (&t));
  for (size_t i = 0; i < table->key_count; i++)
    mantis_buf_printf (t.sql, "%sk%zu = ?%zu", i ? " AND " : "", i, i + 1);
  mantis_buf_text (t.sql, " AND rev IS NOT NULL");
  return statement (session, t.sql->bytes, true, read, error);
}

enum mantis_status
versions_write (struct mantis_session *session, sqlite3_stmt *write,
                const struct mantis_change *change, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (!change->deleted) {
    if (change->updated_at)
      sqlite3_bind_int64 (write, 1, change->updated_at);
    else
      sqlite3_bind_null (write, 1);
    if (change->rev)
      sqlite3_bind_int64 (write, 2, change->rev);
    else
      sqlite3_bind_null (write, 2);
    sqlite3_bind_text (write, 3, change->origin, -1, SQLITE_STATIC);
  }
  bind_key (write, 4, change->table, change->row);
  if (sqlite3_step (write) != SQLITE_DONE)
    status = sql_failed (session, error, "write a version");
  sqlite3_reset (write);
  return status;
}

/* ---- What leaves the log ---- */

#define LEAVING "tbl = %lld AND seq <= ?1 AND seq < (SELECT max(seq) FROM main.__sync_log)"

/* Run t->sql, whose parameter 1 is UPTO. */
static enum mantis_status
run_upto (const struct telling *t, int64_t upto)
{
  AUTO_RESET sqlite3_stmt *move = NULL;
  enum mantis_status status = statement (t->session, t->sql->bytes, false, &move, t->error);

  if (status)
    return status;
  sqlite3_bind_int64 (move, 1, upto);
  return sqlite3_step (move) == SQLITE_DONE ? MANTIS_OK
                                            : sql_failed (t->session, t->error, "write versions");
}

/* "(SELECT k0, op, time, origin, max(seq) AS seq FROM what leaves GROUP BY k0)" */
static void
add_leaving (const struct telling *t)
{
  mantis_buf_text (t->sql, "(SELECT ");
  add_keys (t, "");
  mantis_buf_printf (t->sql,
                     ", op, time, origin, max(seq) AS seq FROM main.__sync_log WHERE " LEAVING
                     " AND op <> 'E'",
                     id_of (t));
  for (size_t i = 0; i < t->table->key_count; i++) /* a row without its whole key has no version */
    mantis_buf_printf (t->sql, " AND k%zu IS NOT NULL", i);
  mantis_buf_text (t->sql, " GROUP BY ");
  add_keys (t, "");
  mantis_buf_text (t->sql, ")");
}

static enum mantis_status
move_key (const struct telling *t, sqlite3_stmt *leaving, sqlite3_stmt *write, sqlite3_stmt *delete)
{
  bool gone = *sqlite3_column_text (leaving, 0) == 'D';
  sqlite3_stmt *change = gone ? delete : write;
  enum mantis_status status = MANTIS_OK;

  for (int i = gone ? 4 : 1; i < sqlite3_column_count (leaving); i++)
    sqlite3_bind_value (change, i, sqlite3_column_value (leaving, i));
  if (sqlite3_step (change) != SQLITE_DONE)
    status = sql_failed (t->session, t->error, "write a version");
  sqlite3_reset (change);
  return status;
}

/* Key by key: for one INSERT of them all SQLite would first put aside each page that it changes. */
static enum mantis_status
move_keys (const struct telling *t, int64_t upto)
{
  AUTO_RESET sqlite3_stmt *leaving = NULL;
  sqlite3_stmt *write, *delete;
  enum mantis_status status;
  int code = SQLITE_DONE;

  mantis_buf_clear (t->sql);
  mantis_buf_printf (t->sql, "SELECT op, time, %s, origin, ",
                     t->session->role == MANTIS_SERVER ? "seq" : "NULL");
  add_keys (t, "");
  mantis_buf_text (t->sql, " FROM ");
  add_leaving (t);
  if ((status = statement (t->session, t->sql->bytes, true, &leaving, t->error)) ||
      (status = versions_prepare (t->session, t->table, false, &write, t->error)) ||
      (status = versions_prepare (t->session, t->table, true, &delete, t->error)))
    return status;
  sqlite3_bind_int64 (leaving, 1, upto);
  while (!status && (code = sqlite3_step (leaving)) == SQLITE_ROW)
    status = move_key (t, leaving, write, delete);
  if (!status && code != SQLITE_DONE)
    status = sql_failed (t->session, t->error, "read the log");
  return status;
}

static enum mantis_status
move_evictions (const struct telling *t, int64_t upto)
{
  mantis_buf_clear (t->sql);
  mantis_buf_printf (t->sql, "DELETE FROM main.__sync_versions_%lld AS r WHERE (", id_of (t));
  add_keys (t, "");
  mantis_buf_text (t->sql, ") IN (SELECT ");
  add_keys (t, "");
  mantis_buf_printf (t->sql, " FROM main.__sync_log WHERE " LEAVING " AND op = 'E')", id_of (t));
  mantis_buf_text (t->sql, " AND NOT EXISTS (SELECT 1 FROM main.");
  add_name (t->sql, t->table->name);
  mantis_buf_text (t->sql, " AS t WHERE ");
  add_row_match (t);
  mantis_buf_text (t->sql, ")");
  return run_upto (t, upto);
}

enum mantis_status
versions_fold (struct mantis_session *session, int64_t upto, struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *tables = NULL;
  enum mantis_status status = statement (
      session, "SELECT DISTINCT tbl FROM main.__sync_log WHERE seq <= ?1", true, &tables, error);

  if (status)
    return status;
  sqlite3_bind_int64 (tables, 1, upto);
  while (!status && sqlite3_step (tables) == SQLITE_ROW) {
    const struct telling t = {session, table_of_id (session, sqlite3_column_int64 (tables, 0)),
                              &session->sql, error};
    if (t.table && !(status = move_keys (&t, upto)))
      status = move_evictions (&t, upto);
  }
  return status;
}
