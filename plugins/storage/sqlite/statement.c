/* statement.c - SQL and its errors: statements kept by text, values in and out.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite.h"

#include <stdlib.h>
#include <string.h>

enum mantis_status
no_memory (struct mantis_error *error)
{
  return mantis_fail (error, MANTIS_FAILED,
                      "sqlite: out of memory, or the message is over its limit");
}

static enum mantis_status
status_of (int code)
{
  switch (code & 0xff) {
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return MANTIS_BUSY;
  case SQLITE_FULL:
    return MANTIS_FULL;
  case SQLITE_CONSTRAINT:
  case SQLITE_MISMATCH:
  case SQLITE_TOOBIG:
    return MANTIS_REFUSED;
  case SQLITE_SCHEMA:
    return MANTIS_STALE;
  case SQLITE_READONLY:
    return code == SQLITE_READONLY_DBMOVED ? MANTIS_LOST : MANTIS_FAILED;
  default:
    return MANTIS_FAILED;
  }
}

static const char *
advice (int code)
{
  switch (code & 0xff) {
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return " (another program holds the lock)";
  case SQLITE_FULL:
    return " (make room on the disk)";
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return " (check the file with PRAGMA integrity_check, or restore it)";
  case SQLITE_CANTOPEN:
  case SQLITE_READONLY:
    return " (check the file's and its folder's owner and mode)";
  default:
    return "";
  }
}

enum mantis_status
sql_failed (struct mantis_session *session, struct mantis_error *error, const char *what)
{
  int code = sqlite3_extended_errcode (session->db);
  const char *path = session->storage->path;

  if ((code & 0xff) == SQLITE_CONSTRAINT)
    return mantis_fail (error, MANTIS_REFUSED, "%s", sqlite3_errmsg (session->db));
  return mantis_fail (error, status_of (code), "%s: cannot %s: %s%s", path, what,
                      sqlite3_errmsg (session->db), advice (code));
}

/* ---- Kept statements ---- */

static uint64_t
hash_text (const char *text)
{
  uint64_t hash = 14695981039346656037u; /* FNV-1a */

  for (; *text; text++)
    hash = (hash ^ (unsigned char)*text) * 1099511628211u;
  return hash;
}

static void
free_kept (struct kept *kept)
{
  sqlite3_finalize (kept->statement);
  free (kept->sql);
  free (kept);
}

void
forget_statements (struct mantis_session *session)
{
  for (size_t i = 0; i < KEPT_SLOTS; i++)
    while (session->kept[i]) {
      struct kept *kept = session->kept[i];
      session->kept[i] = kept->next;
      free_kept (kept);
    }
  session->kept_count = 0;
}

/* Drop the statement that was not used for longest. */
static void
drop_oldest (struct mantis_session *session)
{
  struct kept **oldest = NULL;

  for (size_t i = 0; i < KEPT_SLOTS; i++)
    for (struct kept **at = &session->kept[i]; *at; at = &(*at)->next)
      if ((*at)->pinned != session->calls && (!oldest || (*at)->used < (*oldest)->used))
        oldest = at;
  if (oldest) {
    struct kept *kept = *oldest;
    *oldest = kept->next;
    free_kept (kept);
    session->kept_count--;
  }
}

static enum mantis_status
keep (struct mantis_session *session, const char *sql, uint64_t hash, struct kept **out,
      struct mantis_error *error)
{
  struct kept *kept, **slot = &session->kept[hash % KEPT_SLOTS];

  if (session->kept_count >= KEPT_MOST)
    drop_oldest (session);
  if (!(kept = calloc (1, sizeof *kept)) || !(kept->sql = strdup (sql))) {
    free (kept);
    return no_memory (error);
  }
  if (sqlite3_prepare_v3 (session->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &kept->statement,
                          NULL)) {
    free_kept (kept);
    return sql_failed (session, error, "prepare a statement");
  }
  kept->hash = hash;
  kept->next = *slot;
  *slot = *out = kept;
  session->kept_count++;
  return MANTIS_OK;
}

enum mantis_status
statement (struct mantis_session *session, const char *sql, bool pinned, sqlite3_stmt **out,
           struct mantis_error *error)
{
  struct kept *kept;
  uint64_t hash;
  enum mantis_status status;

  if (!sql || session->sql.failed)
    return no_memory (error);
  hash = hash_text (sql);
  for (kept = session->kept[hash % KEPT_SLOTS]; kept; kept = kept->next)
    if (kept->hash == hash && strcmp (kept->sql, sql) == 0)
      break;
  if (!kept && (status = keep (session, sql, hash, &kept, error)))
    return status;
  kept->used = ++session->uses;
  if (pinned)
    kept->pinned = session->calls;
  *out = kept->statement;
  return MANTIS_OK;
}

void
statement_reset (sqlite3_stmt **statement)
{
  if (*statement) {
    sqlite3_reset (*statement);
    sqlite3_clear_bindings (*statement);
  }
}

void
statement_finalize (sqlite3_stmt **statement)
{
  sqlite3_finalize (*statement);
}

void
new_call (struct mantis_session *session)
{
  session->calls++;
}

enum mantis_status
need_transaction (struct mantis_session *session, bool writing, struct mantis_error *error)
{
  new_call (session);
  if (!session->in_transaction)
    return mantis_fail (error, MANTIS_FAILED, "sqlite: called outside a transaction");
  if (writing && !session->writing)
    return mantis_fail (error, MANTIS_FAILED, "sqlite: called in a transaction that only reads");
  /* Some errors (a full disk, RAISE(ROLLBACK)) end it behind our back: what follows would be
   * committed one by one. */
  if (sqlite3_get_autocommit (session->db))
    return mantis_fail (error, MANTIS_FAILED, "%s: SQLite has rolled this transaction back",
                        session->storage->path);
  return MANTIS_OK;
}

/* ---- Running ---- */

enum mantis_status
run (struct mantis_session *session, const char *sql, struct mantis_error *error)
{
  if (!sql)
    return no_memory (error);
  if (sqlite3_exec (session->db, sql, NULL, NULL, NULL))
    return sql_failed (session, error, "change the database");
  return MANTIS_OK;
}

enum mantis_status
runf (struct mantis_session *session, struct mantis_error *error, const char *format, ...)
{
  va_list args;
  char *sql;
  enum mantis_status status;

  va_start (args, format);
  sql = sqlite3_vmprintf (format, args);
  va_end (args);
  status = run (session, sql, error);
  sqlite3_free (sql);
  return status;
}

static enum mantis_status
first_integer (struct mantis_session *session, sqlite3_stmt *statement, int64_t otherwise,
               int64_t *value, struct mantis_error *error)
{
  int code = sqlite3_step (statement);

  *value = otherwise;
  if (code == SQLITE_ROW && sqlite3_column_type (statement, 0) != SQLITE_NULL)
    *value = sqlite3_column_int64 (statement, 0);
  if (code != SQLITE_ROW && code != SQLITE_DONE)
    return sql_failed (session, error, "read the database");
  return MANTIS_OK;
}

enum mantis_status
ask_integer (struct mantis_session *session, const char *sql, int64_t otherwise, int64_t *value,
             struct mantis_error *error)
{
  AUTO_FINALIZE sqlite3_stmt *statement = NULL;

  if (sqlite3_prepare_v2 (session->db, sql, -1, &statement, NULL))
    return sql_failed (session, error, "read the database");
  return first_integer (session, statement, otherwise, value, error);
}

enum mantis_status
ask_kept (struct mantis_session *session, const char *sql, int64_t otherwise, int64_t *value,
          struct mantis_error *error)
{
  AUTO_RESET sqlite3_stmt *question = NULL;
  enum mantis_status status = statement (session, sql, false, &question, error);

  return status ? status : first_integer (session, question, otherwise, value, error);
}

/* ---- Values ---- */

void
bind_value (sqlite3_stmt *statement, int at, const struct mantis_value *value)
{
  const char *bytes = value->length ? value->as.bytes : "";

  switch (value->type) {
  case MANTIS_INTEGER:
    sqlite3_bind_int64 (statement, at, value->as.integer);
    break;
  case MANTIS_REAL:
    sqlite3_bind_double (statement, at, value->as.real);
    break;
  case MANTIS_TEXT:
    sqlite3_bind_text64 (statement, at, bytes, value->length, SQLITE_STATIC, SQLITE_UTF8);
    break;
  case MANTIS_BLOB:
    sqlite3_bind_blob64 (statement, at, bytes, value->length, SQLITE_STATIC);
    break;
  default:
    sqlite3_bind_null (statement, at);
  }
}

int
bind_key (sqlite3_stmt *statement, int at, const struct mantis_table *table, mantis_row row)
{
  for (size_t i = 0; i < table->key_count; i++)
    bind_value (statement, at++, &row[table->key[i]]);
  return at;
}

void
column_value (sqlite3_stmt *statement, int at, struct mantis_arena *arena,
              struct mantis_value *value)
{
  const void *bytes;

  switch (sqlite3_column_type (statement, at)) {
  case SQLITE_INTEGER:
    value->type = MANTIS_INTEGER;
    value->as.integer = sqlite3_column_int64 (statement, at);
    return;
  case SQLITE_FLOAT:
    value->type = MANTIS_REAL;
    value->as.real = sqlite3_column_double (statement, at);
    return;
  case SQLITE_NULL:
    value->type = MANTIS_NULL;
    return;
  case SQLITE_TEXT:
    value->type = MANTIS_TEXT;
    bytes = sqlite3_column_text (statement, at);
    break;
  default:
    value->type = MANTIS_BLOB;
    bytes = sqlite3_column_blob (statement, at);
  }
  value->length = bytes ? (uint32_t)sqlite3_column_bytes (statement, at) : 0;
  value->as.bytes = mantis_arena_copy (arena, bytes, value->length);
}

char *
column_text (sqlite3_stmt *statement, int at, struct mantis_arena *arena)
{
  return mantis_arena_strdup (arena, (const char *)sqlite3_column_text (statement, at));
}

/* ---- Text ---- */

static void
add_quoted (struct mantis_buf *buf, const char *text, char quote)
{
  mantis_buf_char (buf, quote);
  for (const char *at; (at = strchr (text, quote)); text = at + 1) {
    mantis_buf_add (buf, text, (size_t)(at + 1 - text));
    mantis_buf_char (buf, quote);
  }
  mantis_buf_text (buf, text);
  mantis_buf_char (buf, quote);
}

void
add_name (struct mantis_buf *buf, const char *name)
{
  add_quoted (buf, name, '"');
}

void
add_string (struct mantis_buf *buf, const char *text)
{
  add_quoted (buf, text, '\'');
}
