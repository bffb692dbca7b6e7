/* mysql - rows in a MariaDB or MySQL database, captured by triggers.
 *
 * A session is a connection of its own.  A transaction that writes holds the row of __sync_counter until
 * it commits: Mantis's sessions write one at a time, on however many servers; other programs are not kept
 * out, and what they do to the same rows at the same time is found out before the commit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <stdlib.h>
#include <string.h>

static const struct mantis_option options[] = {
    {.name = "socket",
     .type = MANTIS_OPTION_FILE,
     .offset = offsetof (struct mysql, socket),
     .help = "the socket of a database server on this machine; before host and port"},
    MANTIS_TEXT_OPTION (struct mysql, host, "localhost", "the machine of the database server"),
    MANTIS_INTEGER_OPTION (struct mysql, port, "3306", 1, 65535, "its port"),
    {.name = "database",
     .type = MANTIS_OPTION_TEXT,
     .offset = offsetof (struct mysql, database),
     .required = true,
     .help = "the database; it has to exist"},
    {.name = "user",
     .type = MANTIS_OPTION_TEXT,
     .offset = offsetof (struct mysql, user),
     .required = true,
     .help = "who Mantis is there; mantis-mysql(5) names the privileges"},
    MANTIS_FILE (struct mysql, password_file, NULL,
                 "a file with that user's password on its first line; read at each connection"),
    {.name = "tls.ca_file",
     .type = MANTIS_OPTION_FILE,
     .offset = offsetof (struct mysql, tls_ca),
     .help = "certificates that the database server's has to be signed by; turns TLS on"},
    {.name = "tls.cert_file",
     .type = MANTIS_OPTION_FILE,
     .offset = offsetof (struct mysql, tls_cert),
     .help = "certificate that is shown to the database server"},
    {.name = "tls.key_file",
     .type = MANTIS_OPTION_FILE,
     .offset = offsetof (struct mysql, tls_key),
     .help = "its private key"},
    {.name = "tls.verify",
     .type = MANTIS_OPTION_BOOL,
     .offset = offsetof (struct mysql, tls_verify),
     .default_value = "true",
     .help = "with ca_file: check the certificate and that it is for \"host\""},
    {.name = "tls.required",
     .type = MANTIS_OPTION_BOOL,
     .offset = offsetof (struct mysql, tls_required),
     .default_value = "false",
     .help = "no connection without TLS, even without ca_file"},
    MANTIS_DURATION (struct mysql, connect_timeout, "10s", 1000, 600000,
                     "how long to wait for a connection"),
    MANTIS_DURATION (struct mysql, read_timeout, "120s", 1000, 86400000,
                     "how long to wait for an answer before the connection counts as lost"),
    MANTIS_DURATION (struct mysql, retry_pause, "10s", 100, 600000,
                     "the longest pause between two tries to connect; it begins with 100 ms"),
    MANTIS_DURATION (struct mysql, lock_timeout, "10s", 1000, 3600000,
                     "how long to wait for another program's lock"),
    MANTIS_DURATION (struct mysql, schema_check, "250ms", 0, 3600000,
                     "how long a change of the schema may go unnoticed"),
    MANTIS_LIST (struct mysql, skip_unchanged, NULL,
                 "tables, or '*' and '?', of which an UPDATE that changes nothing is not told"),
    {.name = NULL},
};

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  struct mysql *storage = self;
  struct mantis_buf name = MANTIS_BUF_INIT;

  if (!storage->database || !*storage->database)
    return mantis_fail (error, MANTIS_INVALID, "mysql: set \"database\" in \"storage\"");
  if (storage->tls_cert && !storage->tls_key)
    return mantis_fail (error, MANTIS_INVALID, "mysql: \"tls.cert_file\" needs \"tls.key_file\"");
  if (storage->read_timeout <= storage->lock_timeout)
    return mantis_fail (error, MANTIS_INVALID,
                        "mysql: \"read_timeout\" has to be longer than \"lock_timeout\", which is"
                        " how long an answer may take");
  if (storage->socket)
    mantis_buf_printf (&name, "mysql:%s", storage->database);
  else
    mantis_buf_printf (&name, "mysql://%s:%lld/%s", storage->host, (long long)storage->port,
                       storage->database);
  if (!(storage->name = mantis_buf_take (&name, NULL)))
    return no_memory (error);
  pthread_mutex_init (&storage->lock, NULL);
  mysql_library_init (0, NULL, NULL);
  return MANTIS_OK;
}

static void
stop (void *self)
{
  struct mysql *storage = self;

  free (storage->name);
  pthread_mutex_destroy (&storage->lock);
}

static const char *
place (void *self)
{
  return ((struct mysql *)self)->name;
}

/* ---- Sessions ---- */

static void
forget_transaction (struct mantis_session *session)
{
  session->in_transaction = session->writing = session->gone = false;
  session->voice = VOICE_USUAL;
  session->savepoints = 0;
  session->until_commit = true;
  session->unchecked = NULL;
  session->unchecked_count = session->unchecked_room = 0;
  set_clear (&session->written);
  session->parked = false;
  if (session->memory)
    mantis_arena_reset (session->memory);
}

static void
close_session (struct mantis_session *session)
{
  if (!session)
    return;
  if (session->db)
    mysql_close (session->db); /* the server rolls back */
  while (session->schema) {
    struct known_schema *schema = session->schema;
    session->schema = schema->older;
    mantis_arena_free (schema->arena);
  }
  mantis_buf_free (&session->sql);
  set_free (&session->written);
  mantis_arena_free (session->memory);
  free (session);
}

static enum mantis_status
open_session (void *self, enum mantis_role role, struct mantis_session **out,
              struct mantis_error *error)
{
  struct mantis_session *session = calloc (1, sizeof *session);
  enum mantis_status status;

  *out = NULL;
  if (!session)
    return no_memory (error);
  session->storage = self;
  session->role = role;
  forget_transaction (session);
  if ((status = may_change_tables (session->storage, error)) ||
      (status = connect_session (session, error)) || (status = make_log (session, 1, error)))
    close_session (session);
  else
    *out = session;
  return status;
}

/* ---- Transactions ---- */

/* Where the engine has rolled back already, for a deadlock, what is the connection's own is still there. */
static void
rollback (struct mantis_session *session)
{
  session->gone = false;
  if (session->in_transaction && !session->lost)
    run (session, session->voice ? USUAL_VOICE "ROLLBACK" : "ROLLBACK", NULL);
  if (session->holds_schema && !session->lost)
    leave_schema (session);
  session->holds_schema = false;
  session->log_keys = 0;
  forget_transaction (session);
}

/* A connection that was lost (or killed) is made anew; what happened to its last commit is not known, and
 * whoever asked for that was told so. */
enum mantis_status
find_connection (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (session->lost || !session->db)
    status = connect_session (session, error);
  session->gone = false;
  return status;
}

static enum mantis_status
begin (struct mantis_session *session, enum mantis_mode mode, struct mantis_error *error)
{
  enum mantis_status status;

  if (session->in_transaction)
    return mantis_fail (error, MANTIS_FAILED, "mysql: a transaction is open already");
  session->row_bytes = 0;
  if ((status = find_connection (session, error)) || (status = catch_up (session, error)) ||
      (status = check_schema (session, error)))
    return status;
  status = mode == MANTIS_WRITE ? begin_write (session, error) : begin_read (session, error);
  session->in_transaction = true;
  session->transactions++;
  session->writing = mode == MANTIS_WRITE;
  if (status)
    rollback (session);
  return status;
}

static enum mantis_status
commit (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, false, error);

  if (!status && session->writing && !(status = check_foreign (session, error)))
    status = check_others (session, error);
  if (status)
    return status;
  if (session->seq != session->stored_seq)
    status = runf (session, error, "UPDATE __sync_counter SET seq = %lld WHERE id = 1; %sCOMMIT",
                   (long long)session->seq, session->voice ? USUAL_VOICE : "");
  else
    status = run (session, session->voice ? USUAL_VOICE "COMMIT" : "COMMIT", error);
  if (status)
    return status;
  if (session->writing)
    session->own_seq = session->seq;
  forget_transaction (session);
  if (session->holds_schema)
    leave_schema (session);
  return MANTIS_OK;
}

static enum mantis_status
savepoint (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, false, error);

  if (!status && session->savepoints == MOST_SAVEPOINTS)
    return mantis_fail (error, MANTIS_FAILED, "mysql: too many savepoints");
  if (!status && !(status = runf (session, error, "SAVEPOINT m%d", session->savepoints + 1))) {
    session->uncheckeds[session->savepoints] = session->unchecked_count;
    session->seqs[session->savepoints++] = session->seq;
  }
  return status;
}

static enum mantis_status
need_savepoint (struct mantis_session *session, struct mantis_error *error)
{
  if (session->savepoints == 0)
    return mantis_fail (error, MANTIS_FAILED, "mysql: there is no savepoint");
  return need_transaction (session, false, error);
}

static enum mantis_status
rollback_to (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = need_savepoint (session, error);

  if (!status)
    status = runf (session, error, "ROLLBACK TO SAVEPOINT m%d", session->savepoints);
  if (!status) {
    session->seq = session->seqs[session->savepoints - 1];
    session->unchecked_count = session->uncheckeds[session->savepoints - 1];
  }
  return status;
}

static enum mantis_status
release (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = need_savepoint (session, error);

  if (!status && !(status = runf (session, error, "RELEASE SAVEPOINT m%d", session->savepoints)))
    session->savepoints--;
  return status;
}

static enum mantis_status
defer (struct mantis_session *session, bool until_commit, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, true, error);

  if (!status)
    session->until_commit = until_commit;
  return status;
}

static enum mantis_status
check (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = need_transaction (session, false, error);

  return status ? status : check_foreign (session, error);
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
    .limit_rows = limit_rows,
    .incident = storage_incident,
    .trouble = storage_trouble,
    .log_prune = log_prune,
    .remember = storage_remember,
    .log_recall = log_recall,
};

MANTIS_STORAGE_PLUGIN (mysql, &ops, .summary = "rows in a MariaDB or MySQL database",
                       .self_size = sizeof (struct mysql), .options = options,
                       .threads = MANTIS_PARALLEL, .start = start, .stop = stop);
