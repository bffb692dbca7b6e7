/* connect.c - a connection, its settings, and what is asked of the database's server.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_PAUSE_US = 100 * 1000, LONGEST_PASSWORD = 1024 };

/* ---- The password ---- */

static enum mantis_status
read_password (struct mysql *storage, char *password, struct mantis_error *error)
{
  const char *path = storage->password_file;
  struct stat info;
  ssize_t length;
  int fd;

  *password = '\0';
  if (!path)
    return MANTIS_OK;
  if ((fd = open (path, O_RDONLY | O_CLOEXEC)) < 0)
    return mantis_fail (error, MANTIS_INVALID, "%s: cannot read the database's password: %s", path,
                        strerror (errno));
  if (fstat (fd, &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) &&
      !atomic_exchange (&storage->exposed, true))
    mantis_log (MANTIS_WARNING, "%s holds a password and others may read it: chmod 600 it", path);
  length = read (fd, password, LONGEST_PASSWORD - 1);
  close (fd);
  password[length > 0 ? length : 0] = '\0';
  password[strcspn (password, "\r\n")] = '\0';
  return MANTIS_OK;
}

/* ---- Options of the connection ---- */

static void
set_timeouts (MYSQL *db, const struct mysql *storage)
{
  unsigned connect = (unsigned)((storage->connect_timeout + 999) / 1000);
  unsigned answer = (unsigned)((storage->read_timeout + 999) / 1000);

  mysql_options (db, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
  mysql_options (db, MYSQL_OPT_READ_TIMEOUT, &answer);
  mysql_options (db, MYSQL_OPT_WRITE_TIMEOUT, &answer);
}

static bool
wants_tls (const struct mysql *storage)
{
  return storage->tls_ca || storage->tls_cert || storage->tls_required;
}

/* Both libraries check against a CA that they are given, whatever else they are told: then they get none. */
static const char *
checked_ca (const struct mysql *storage)
{
  return storage->tls_verify ? storage->tls_ca : NULL;
}

#ifdef MARIADB_BASE_VERSION
static void
set_tls (MYSQL *db, const struct mysql *storage)
{
  const char *ca = checked_ca (storage);
  my_bool on = 1, verify = ca != NULL;

  if (!wants_tls (storage))
    return;
  mysql_ssl_set (db, storage->tls_key, storage->tls_cert, ca, NULL, NULL);
  mysql_options (db, MYSQL_OPT_SSL_ENFORCE, &on);
  mysql_options (db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}
#else
static void
set_tls (MYSQL *db, const struct mysql *storage)
{
  const char *ca = checked_ca (storage);
  unsigned mode = ca ? SSL_MODE_VERIFY_IDENTITY : SSL_MODE_REQUIRED;

  if (!wants_tls (storage))
    return;
  mysql_options (db, MYSQL_OPT_SSL_CA, ca);
  mysql_options (db, MYSQL_OPT_SSL_CERT, storage->tls_cert);
  mysql_options (db, MYSQL_OPT_SSL_KEY, storage->tls_key);
  mysql_options (db, MYSQL_OPT_SSL_MODE, &mode);
}
#endif

/* MariaDB's library goes on without TLS where the server has none, unless it is to check a certificate. */
static enum mantis_status
check_tls (struct mantis_session *session, struct mantis_error *error)
{
  const struct mysql *storage = session->storage;

  if (!wants_tls (storage) || mysql_get_ssl_cipher (session->db))
    return MANTIS_OK;
  return mantis_fail (
      error, MANTIS_INVALID,
      "%s: TLS with the database's server fails: it has none: give it a certificate,"
      " or remove \"tls\"",
      storage->name);
}

/* ---- Settings ---- */

long long
lock_seconds (const struct mysql *storage)
{
  return (storage->lock_timeout + 999) / 1000;
}

/* The session's own, whatever the server's defaults are. */
static enum mantis_status
set_session (struct mantis_session *session, struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  long long wait = lock_seconds (session->storage);
  enum mantis_status status = runf (
      session, error,
      "SET SESSION time_zone = '+00:00',"
      " sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,"
      "ERROR_FOR_DIVISION_BY_ZERO', innodb_lock_wait_timeout = %lld, lock_wait_timeout = %lld,"
      " wait_timeout = 31536000, group_concat_max_len = 1048576, autocommit = 1,"
      " foreign_key_checks = 1, unique_checks = 1, sql_safe_updates = 0,"
      " sql_select_limit = DEFAULT, sql_quote_show_create = 1",
      wait, wait);

  if (!status)
    status = run (session, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", error);
  if (!status)
    status =
        ask (session, "SELECT @@max_allowed_packet, @@innodb_flush_log_at_trx_commit, @@version",
             &result, error);
  if (status || !next_row (&result))
    return status;
  session->largest_statement = integer_at (&result, 0);
  session->mariadb = result.row[2] && strstr (result.row[2], "MariaDB");
  pthread_mutex_lock (&session->storage->lock);
  if (!session->storage->warned && integer_at (&result, 1) != 1)
    mantis_log (MANTIS_WARNING,
                "%s: innodb_flush_log_at_trx_commit is %lld: what clients were told is stored may"
                " be lost when that machine loses power; set it to 1",
                session->storage->name, (long long)integer_at (&result, 1));
  pthread_mutex_unlock (&session->storage->lock);
  return MANTIS_OK;
}

/* SQL shows something: is it on? */
static enum mantis_status
ask_switch (struct mantis_session *session, const char *sql, bool *on, struct mantis_error *error)
{
  AUTO_RESULT struct result result = {0};
  enum mantis_status status = ask (session, sql, &result, error);

  *on = !status && next_row (&result) && strcasecmp (result.row[1], "ON") == 0;
  return status;
}

/* Is this a node of a Galera cluster?  Where it has lost the others it lets everybody in, and refuses all else. */
static enum mantis_status
join_cluster (struct mantis_session *session, struct mantis_error *error)
{
  bool ready;
  enum mantis_status status =
      ask_switch (session, "SHOW VARIABLES LIKE 'wsrep_on'", &session->clustered, error);

  if (status || !session->clustered)
    return status;
  if ((status = ask_switch (session, "SHOW STATUS LIKE 'wsrep_ready'", &ready, error)) || ready)
    return status;
  return mantis_fail (error, MANTIS_LOST, "%s: this node is not part of its cluster now",
                      session->storage->name);
}

/* Once for a transaction: where a group has a single node left, each wait takes up to a second. */
enum mantis_status
catch_up (struct mantis_session *session, struct mantis_error *error)
{
  if (!session->clustered)
    return MANTIS_OK;
  return run (session,
              "SET SESSION wsrep_sync_wait = 1; SELECT 1 FROM __sync_counter LIMIT 0;"
              " SET SESSION wsrep_sync_wait = 0",
              error);
}

/* ---- Connecting ---- */

/* After a failure nobody tries again at once: a server that comes back is not met by a crowd. */
static bool
may_try (struct mysql *storage, struct mantis_error *error)
{
  bool may;

  pthread_mutex_lock (&storage->lock);
  may = mantis_monotonic () >= storage->not_before;
  if (!may && error)
    *error = storage->last_error;
  pthread_mutex_unlock (&storage->lock);
  return may;
}

/* Of those that try at the same time one makes the pause longer. */
static void
pause_longer (struct mysql *storage, int64_t now)
{
  int64_t longest = storage->retry_pause * 1000;
  uint64_t chance;

  if (now < storage->not_before)
    return;
  storage->pause = storage->pause ? storage->pause * 2 : FIRST_PAUSE_US;
  if (storage->pause > longest)
    storage->pause = longest;
  mantis_random (&chance, sizeof chance);
  storage->not_before = now + storage->pause / 2 + (int64_t)(chance % (uint64_t)storage->pause) / 2;
}

/* What one session finds is told once, and for all of them: the same failure is the same text, which the
 * library words now so, now so. */
static void
note_try (struct mantis_session *session, bool well, struct mantis_error *error)
{
  struct mysql *storage = session->storage;
  int64_t now = mantis_monotonic ();
  unsigned code = last_code (session);

  pthread_mutex_lock (&storage->lock);
  if (well) {
    if (storage->away)
      mantis_log (MANTIS_INFO, "%s: connected again", storage->name);
    if (storage->away || !storage->since)
      storage->since = now;
    storage->away = false;
    storage->pause = storage->not_before = 0;
    session->connected_at = now;
  } else {
    if (storage->away && storage->last_code == code && error->status == MANTIS_LOST)
      *error = storage->last_error;
    storage->away = true;
    storage->last_error = *error;
    storage->last_code = code;
    pause_longer (storage, now);
  }
  pthread_mutex_unlock (&storage->lock);
}

/* Connections that were made before others came back were lost with them: that is no news. */
void
note_loss (struct mantis_session *session)
{
  struct mysql *storage = session->storage;

  pthread_mutex_lock (&storage->lock);
  storage->away |= session->connected_at >= storage->since;
  pthread_mutex_unlock (&storage->lock);
}

static enum mantis_status
connection_failed (struct mantis_session *session, struct mantis_error *error)
{
  const struct mysql *storage = session->storage;
  unsigned code = mysql_errno (session->db);

  if (code == ER_DBACCESS_DENIED_ERROR) {
    AUTO_BUF struct mantis_buf needed = MANTIS_BUF_INIT;
    add_needed_privileges (&needed);
    return mantis_fail (
        error, MANTIS_INVALID,
        "%s: the database's server turns \"user\" %s away: %s: GRANT %s ON `%s`.* TO it",
        storage->name, storage->user, mysql_error (session->db), needed.bytes ? needed.bytes : "",
        storage->database);
  }
  if (code == ER_ACCESS_DENIED_ERROR)
    return mantis_fail (error, MANTIS_INVALID,
                        "%s: the database's server turns \"user\" %s away: %s: check its password,"
                        " and the host that it may come from",
                        storage->name, storage->user, mysql_error (session->db));
  if (code == CR_SSL_CONNECTION_ERROR)
    return mantis_fail (error, MANTIS_INVALID,
                        "%s: TLS with the database's server fails: %s: check \"tls\" and its"
                        " certificates",
                        storage->name, mysql_error (session->db));
  if (code == ER_BAD_DB_ERROR)
    return mantis_fail (error, MANTIS_INVALID, "%s: there is no such database: CREATE DATABASE it",
                        storage->name);
  return mantis_fail (error, MANTIS_LOST, "%s: cannot connect: %s", storage->name,
                      mysql_error (session->db));
}

enum mantis_status
connect_session (struct mantis_session *session, struct mantis_error *error)
{
  struct mysql *storage = session->storage;
  struct mantis_error failure = {.status = MANTIS_FAILED};
  char password[LONGEST_PASSWORD];
  enum mantis_status status;

  if (session->db)
    mysql_close (session->db);
  session->db = NULL;
  session->voice = VOICE_USUAL;
  session->unbound = false;
  session->checked_at = 0;
  if (!may_try (storage, error))
    return error ? error->status : MANTIS_LOST;
  if ((status = read_password (storage, password, error)))
    return status;
  if (!(session->db = mysql_init (NULL)))
    return no_memory (error);
  set_timeouts (session->db, storage);
  set_tls (session->db, storage);
  mysql_options (session->db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (!mysql_real_connect (session->db, storage->socket ? NULL : storage->host, storage->user,
                           *password ? password : NULL, storage->database, (unsigned)storage->port,
                           storage->socket, CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS))
    status = connection_failed (session, &failure);
  else if (!(status = check_tls (session, &failure)) &&
           !(status = set_session (session, &failure)) &&
           !(status = join_cluster (session, &failure)))
    status = check_privileges (session, &failure);
  explicit_bzero (password, sizeof password);
  note_try (session, status == MANTIS_OK, &failure);
  session->lost = status != MANTIS_OK;
  if (status && error)
    *error = failure;
  return status;
}
