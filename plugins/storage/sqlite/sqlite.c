/* sqlite - rows in an SQLite file, captured by triggers that run in the application's own SQLite.
 *
 * A session is a connection of its own.  On a client it runs with triggers and foreign keys off, so
 * that what is applied is not captured, fired twice or cascaded into unsent rows; on a server
 * foreign keys are on and checked at commit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* SQLite copies the log back into the file after so many pages: 64 MB.  Batches in random key order write
 * nearly every page of an index again and again; each checkpoint copies those once and waits for the disk. */
enum { CHECKPOINT_PAGES = 16000, KEPT_CACHE = 512 * 1024 /* bytes */ };

static const struct mantis_option options[] = {
    MANTIS_FILE (struct sqlite, path, NULL, "the database file; made when missing"),
    MANTIS_DURATION (struct sqlite, busy_timeout, "5s", 0, 3600000,
                     "how long to wait for another program's lock"),
    MANTIS_CHOICE (
        struct sqlite, journal_mode, "wal", "wal|keep",
        "wal: switch the file to write-ahead logging; keep: leave its journal mode as it is"),
    MANTIS_SIZE (struct sqlite, cache, "2M", 65536, 1073741824, "page cache of each session"),
    {.name = NULL},
};

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  struct sqlite *storage = self;

  if (!storage->path || !*storage->path)
    return mantis_fail (
        error, MANTIS_INVALID,
        "sqlite: no database: set \"path\" in \"storage\", or give --database FILE");
  storage->notice = -1;
  pthread_mutex_init (&storage->lock, NULL);
  return MANTIS_OK;
}

static void
stop (void *self)
{
  struct sqlite *storage = self;

  if (storage->notice >= 0)
    close (storage->notice);
  pthread_mutex_destroy (&storage->lock);
}

static const char *
place (void *self)
{
  return ((struct sqlite *)self)->path;
}

/* ---- Sessions ---- */

/* -D sqlite.sql=1: SQLite gives the text as it was prepared, without values. */
static int
log_sql (unsigned kind, void *context, void *statement, void *text)
{
  (void)kind, (void)context;
  if (text && strncmp (text, "--", 2) == 0)
    mantis_log (MANTIS_DEBUG, "sqlite: %s", (const char *)text);
  else
    mantis_log (MANTIS_DEBUG, "sqlite: %s", sqlite3_sql (statement));
  return 0;
}

/* WAL lets the application read and write while Mantis reads. */
static enum mantis_status
set_journal (struct mantis_session *session, struct mantis_error *error)
{
  AUTO_FINALIZE sqlite3_stmt *mode = NULL;
  const char *got;

  if (strcmp (session->storage->journal_mode, "keep") == 0)
    return MANTIS_OK;
  if (sqlite3_prepare_v2 (session->db, "PRAGMA main.journal_mode = wal", -1, &mode, NULL) ||
      sqlite3_step (mode) != SQLITE_ROW)
    return sql_failed (session, error, "switch to write-ahead logging");
  got = (const char *)sqlite3_column_text (mode, 0);
  if (!got || strcmp (got, "wal") != 0)
    mantis_log (
        MANTIS_WARNING,
        "%s: its journal mode stays \"%s\" (a network file system has no write-ahead logging): "
        "the application waits whenever Mantis reads or writes",
        session->storage->path, got ? got : "");
  return MANTIS_OK;
}

static enum mantis_status
set_up (struct mantis_session *session, struct mantis_error *error)
{
  bool server = session->role == MANTIS_SERVER;
  struct stat info;
  enum mantis_status status;

  sqlite3_extended_result_codes (session->db, 1);
  sqlite3_busy_timeout (session->db, (int)session->storage->busy_timeout);
  if (mantis_flag ("sqlite.sql"))
    sqlite3_trace_v2 (session->db, SQLITE_TRACE_STMT, log_sql, NULL);
  /* Reads the header: here a file that is no database is found out. */
  if ((status =
           ask_integer (session, "PRAGMA schema_version", 0, &session->schema_version, error)) ||
      (status = set_journal (session, error)) ||
      (status = runf (session, error, "PRAGMA synchronous = %s", server ? "FULL" : "NORMAL")) ||
      (status = runf (session, error, "PRAGMA foreign_keys = %s", server ? "ON" : "OFF")) ||
      (status = runf (session, error, "PRAGMA wal_autocheckpoint = %d", CHECKPOINT_PAGES)) ||
      (status = runf (session, error, "PRAGMA cache_size = -%lld",
                      (long long)session->storage->cache / 1024)))
    return status;
  session->triggers = true; /* SQLite's default */
  if ((status = set_triggers (session, false, error)))
    return status;
  if (stat (session->storage->path, &info) == 0) {
    session->device = info.st_dev;
    session->inode = info.st_ino;
  }
  return MANTIS_OK;
}

static void
close_session (struct mantis_session *session)
{
  if (!session)
    return;
  forget_statements (session);
  sqlite3_close_v2 (session->db);
  while (session->schema) {
    struct known_schema *schema = session->schema;
    session->schema = schema->older;
    mantis_arena_free (schema->arena);
  }
  mantis_buf_free (&session->sql);
  free (session);
}

static enum mantis_status
open_session (void *self, enum mantis_role role, struct mantis_session **out,
              struct mantis_error *error)
{
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  struct mantis_session *session = calloc (1, sizeof *session);
  enum mantis_status status;

  *out = NULL;
  if (!session)
    return no_memory (error);
  session->storage = self;
  session->role = role;
  if (sqlite3_open_v2 (session->storage->path, &session->db, flags, NULL))
    status = session->db ? sql_failed (session, error, "open the database") : no_memory (error);
  else
    status = set_up (session, error);
  if (status)
    close_session (session);
  else
    *out = session;
  return status;
}

/* ---- Transactions ---- */

/* What a server's readers have cached is stale when the writer has committed next: they give it back. */
static void
forget_read (struct mantis_session *session)
{
  int used, most;

  if (session->role == MANTIS_SERVER && !session->writer &&
      sqlite3_db_status (session->db, SQLITE_DBSTATUS_CACHE_USED, &used, &most, 0) == SQLITE_OK &&
      used > KEPT_CACHE)
    sqlite3_db_release_memory (session->db);
}

static void
rollback (struct mantis_session *session)
{
  bool read = session->in_transaction && !session->writing;

  if (!sqlite3_get_autocommit (session->db))
    sqlite3_exec (session->db, "ROLLBACK", NULL, NULL, NULL);
  if (session->writing)
    session->log_keys = 0; /* columns that were added are gone again */
  session->in_transaction = session->writing = session->parked = false;
  session->savepoints = 0;
  session->schema_version = session->begun_version;
  if (session->attached_now)
    session->attached = session->attached_now = false; /* what it made is gone again */
  if (read)
    forget_read (session);
}

/* The first read takes the snapshot; it tells whether the schema is the one that attach() saw. */
static enum mantis_status
check_schema (struct mantis_session *session, struct mantis_error *error)
{
  int64_t version;
  enum mantis_status status = ask_kept (session, "PRAGMA schema_version", 0, &version, error);

  if (status || version == session->schema_version)
    return status;
  session->log_keys = 0; /* somebody may have added columns */
  if (!session->attached)
    return MANTIS_OK;
  session->attached = false; /* so that the next begin() lets the caller attach */
  return mantis_fail (error, MANTIS_STALE, "%s: the schema has changed", session->storage->path);
}

/* The PRAGMA has SQLite prepare all its statements anew. */
static enum mantis_status
defer_keys (struct mantis_session *session, bool until_commit, struct mantis_error *error)
{
  if (session->role != MANTIS_SERVER || (session->attached && !session->references))
    return MANTIS_OK;
  return runf (session, error, "PRAGMA defer_foreign_keys = %s", until_commit ? "ON" : "OFF");
}

static enum mantis_status
begin (struct mantis_session *session, enum mantis_mode mode, struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *start_it = NULL;
  enum mantis_status status;

  new_call (session);
  if (session->in_transaction)
    return mantis_fail (error, MANTIS_FAILED, "sqlite: a transaction is open already");
  session->begun_version = session->schema_version;
  session->row_bytes = 0;
  if (mode == MANTIS_WRITE && (status = check_file (session, error)))
    return status;
  if ((status = statement (session, mode == MANTIS_WRITE ? "BEGIN IMMEDIATE" : "BEGIN", false,
                           &start_it, error)))
    return status;
  if (sqlite3_step (start_it) != SQLITE_DONE)
    return sql_failed (session, error, "begin a transaction");
  session->in_transaction = true;
  session->writing = mode == MANTIS_WRITE;
  if (!(status = check_schema (session, error)) && session->writing)
    status = defer_keys (session, true, error);
  if (status)
    rollback (session);
  return status;
}

static enum mantis_status
commit (struct mantis_session *session, struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *end_it = NULL;
  bool read = !session->writing;
  enum mantis_status status = need_transaction (session, false, error);

  if (status || (status = statement (session, "COMMIT", false, &end_it, error)))
    return status;
  if (sqlite3_step (end_it) != SQLITE_DONE)
    return sql_failed (session, error, "commit");
  session->in_transaction = session->writing = session->attached_now = session->parked = false;
  session->savepoints = 0;
  if (read)
    forget_read (session);
  return MANTIS_OK;
}

/* Often asked for: the statements of the outer ones are kept. */
static enum mantis_status
run_kept (struct mantis_session *session, const char *verb, int savepoint,
          struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *kept = NULL;
  char sql[40];
  enum mantis_status status;

  sqlite3_snprintf (sizeof sql, sql, "%s m%d", verb, savepoint);
  if ((status = statement (session, sql, false, &kept, error)))
    return status;
  return sqlite3_step (kept) == SQLITE_DONE ? MANTIS_OK
                                            : sql_failed (session, error, "use a savepoint");
}

static enum mantis_status
savepoint (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, false, error);

  if (!status && !(status = run_kept (session, "SAVEPOINT", session->savepoints + 1, error)))
    session->savepoints++;
  return status;
}

static enum mantis_status
need_savepoint (struct mantis_session *session, struct mantis_error *error)
{
  if (session->savepoints == 0)
    return mantis_fail (error, MANTIS_FAILED, "sqlite: there is no savepoint");
  return need_transaction (session, false, error);
}

static enum mantis_status
rollback_to (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = need_savepoint (session, error);

  return status ? status : run_kept (session, "ROLLBACK TO", session->savepoints, error);
}

static enum mantis_status
release (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = need_savepoint (session, error);

  if (!status && !(status = run_kept (session, "RELEASE", session->savepoints, error)))
    session->savepoints--;
  return status;
}

static enum mantis_status
defer (struct mantis_session *session, bool until_commit, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, true, error);

  return status ? status : defer_keys (session, until_commit, error);
}

static enum mantis_status
check (struct mantis_session *session, struct mantis_error *error)
{
  int broken = 0, most;
  enum mantis_status status = need_transaction (session, false, error);

  if (!status)
    sqlite3_db_status (session->db, SQLITE_DBSTATUS_DEFERRED_FKS, &broken, &most, 0);
  if (broken)
    return mantis_fail (error, MANTIS_REFUSED, "FOREIGN KEY constraint failed");
  return status;
}

static void
limit_rows (struct mantis_session *session, size_t bytes)
{
  session->row_bytes = bytes;
}

static const struct mantis_storage ops = {
    .size = sizeof ops,
    .open = open_session,
    .close = close_session,
    .place = place,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .savepoint = savepoint,
    .rollback_to = rollback_to,
    .release = release,
    .defer = defer,
    .check = check,
    .attach = storage_attach,
    .create = storage_create,
    .detach = storage_detach,
    .log_head = log_head,
    .log_read = log_read,
    .log_trim = log_trim,
    .log_disown = log_disown,
    .versions = log_versions,
    .read = rows_read,
    .scan = rows_scan,
    .apply = rows_apply,
    .park = rows_park,
    .watch = notice_watch,
    .look = notice_look,
    .log_spare = log_spare,
    .log_drop = log_drop,
    .log_prune = log_prune,
    .remember = storage_remember,
    .log_recall = log_recall,
    .leave_out = storage_leave_out,
    .limit_rows = limit_rows,
    .incident = storage_incident,
};

MANTIS_STORAGE_PLUGIN (sqlite, &ops, .summary = "rows in an SQLite file",
                       .self_size = sizeof (struct sqlite), .options = options,
                       .threads = MANTIS_PARALLEL, .start = start, .stop = stop);
