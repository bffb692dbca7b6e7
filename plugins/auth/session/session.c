/* session - users of the server's own database: they log in, and are known by a token from then on.
 *
 * A token is 256 bits of chance; of it only a hash is kept, which needs no salt.  Sessions are rows, so that
 * they outlive the process and hold on each server of the database.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "session.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "mst_"; /* what makes a token one of ours */

enum {
  TOKEN_BYTES = 32,
  TOKEN_DIGITS = 43, /* in base64url */
  TOKEN_LENGTH = sizeof prefix - 1 + TOKEN_DIGITS,
  USED_PARTS = 16 /* of idle_timeout: how exactly it is known when a session was used */
};

static const struct mantis_option options[] = {
    MANTIS_DURATION (struct session, lifetime, "30d", 1000, INT64_C (315360000000),
                     "how long a session lasts, however often it is used"),
    MANTIS_DURATION (struct session, idle_timeout, "7d", 1000, INT64_C (315360000000),
                     "after so long without a request a session ends"),
    MANTIS_INTEGER_OPTION (struct session, cost, "15", 10, 20,
                           "of a password: scrypt's N is 2 to this power; 15 takes 32 MB"),
    MANTIS_INTEGER_OPTION (struct session, failures, "10", 1, 1000,
                           "wrong passwords of one address or user at once; more are answered 429"),
    MANTIS_DURATION (struct session, failure_interval, "10s", 100, 86400000,
                     "after so long one more may be wrong"),
    {.name = NULL},
};

/* ---- Tokens ---------------------------------------------------------------------------------- */

static bool
is_ours (const char *token)
{
  return token && strncmp (token, prefix, strlen (prefix)) == 0;
}

static void
make_token (char token[TOKEN_LENGTH + 1])
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  unsigned char chance[TOKEN_BYTES + 1] = {0};
  char *at = stpcpy (token, prefix);

  mantis_random (chance, TOKEN_BYTES);
  for (size_t i = 0; i < TOKEN_DIGITS; i++) {
    unsigned two = (unsigned)chance[i * 6 / 8] << 8 | chance[i * 6 / 8 + 1];
    *at++ = digits[two >> (10 - i * 6 % 8) & 63];
  }
  *at = '\0';
  OPENSSL_cleanse (chance, sizeof chance);
}

static bool
hash_token (const char *token, char hash[HASH_LENGTH + 1])
{
  unsigned char digest[EVP_MAX_MD_SIZE];

  if (!EVP_Digest (token, strlen (token), digest, NULL, EVP_sha256 (), NULL))
    return false;
  hex_text (hash, digest, HASH_LENGTH);
  return true;
}

/* ---- Who is it? ------------------------------------------------------------------------------ */

/* The rows of the session that has HASH and of its user; NULL where there is none. */
static enum mantis_status
find_rows (struct mantis_keep *keep, const char *hash, struct mantis_arena *arena,
           mantis_row *session, mantis_row *user, struct mantis_error *error)
{
  const struct mantis_value key[SESSION_COLUMNS] = {[SESSION_HASH] = text_value (hash)};
  enum mantis_status status = mantis_keep_begin (keep, false, error);

  *session = *user = NULL;
  if (status == MANTIS_OK)
    status = mantis_keep_get (keep, &session_sessions, key, arena, session, error);
  if (status == MANTIS_OK && *session)
    status = find_user (keep, text_of (&(*session)[SESSION_NAME]), arena, user, error);
  mantis_keep_rollback (keep);
  return status;
}

static enum mantis_status
check_session (const struct session *self, mantis_row session, mantis_row user, int64_t now,
               struct mantis_error *error)
{
  if (!session || !user ||
      strcmp (text_of (&session[SESSION_STAMP]), text_of (&user[USER_STAMP])) != 0 ||
      integer_of (&user[USER_DISABLED]))
    return mantis_fail (error, MANTIS_DENIED, "the session has ended: log in again");
  if (now >= integer_of (&session[SESSION_EXPIRES_AT]))
    return mantis_fail (error, MANTIS_DENIED, "the session has expired: log in again");
  if (now - integer_of (&session[SESSION_USED_AT]) >= self->idle_timeout)
    return mantis_fail (error, MANTIS_DENIED,
                        "the session was not used for too long: log in again");
  return MANTIS_OK;
}

static enum mantis_status
fill_principal (mantis_row session, mantis_row user, struct mantis_arena *arena,
                struct mantis_principal *principal, struct mantis_error *error)
{
  const char *name = text_of (&user[USER_NAME]), *roles = text_of (&user[USER_ROLES]);
  struct mantis_buf claims = MANTIS_BUF_INIT;

  mantis_buf_text (&claims, "{\"sub\":");
  mantis_buf_json (&claims, name, strlen (name));
  mantis_buf_printf (&claims, ",\"roles\":%s}", *roles ? roles : "[]");
  principal->subject = mantis_arena_strdup (arena, name);
  principal->claims = claims.failed ? NULL : mantis_arena_strdup (arena, claims.bytes);
  principal->expires = integer_of (&session[SESSION_EXPIRES_AT]);
  mantis_buf_free (&claims);
  if (!principal->subject || !principal->claims)
    return mantis_fail (error, MANTIS_FULL, "no memory for the session's user");
  return MANTIS_OK;
}

static enum mantis_status
recognize (void *data, struct mantis_keep *keep, const struct mantis_credentials *credentials,
           struct mantis_arena *arena, struct mantis_principal *principal,
           struct mantis_error *error)
{
  struct session *self = data;
  const char *token = credentials->bearer ? credentials->bearer : credentials->cookie;
  char hash[HASH_LENGTH + 1];
  int64_t now = mantis_now ();
  mantis_row session, user;
  enum mantis_status status;

  if (!is_ours (token))
    return mantis_fail (error, MANTIS_ABSENT, "no token of a session");
  if (strlen (token) != TOKEN_LENGTH)
    return mantis_fail (error, MANTIS_DENIED, "the session's token is not whole");
  if (!hash_token (token, hash))
    return mantis_fail (error, MANTIS_FAILED, "no SHA-256 on this server");
  if ((status = find_rows (keep, hash, arena, &session, &user, error)) != MANTIS_OK ||
      (status = check_session (self, session, user, now, error)) != MANTIS_OK)
    return status;
  if (now - integer_of (&session[SESSION_USED_AT]) > self->idle_timeout / USED_PARTS) {
    pthread_mutex_lock (&self->lock);
    uses_note (&self->uses, hash, now);
    pthread_mutex_unlock (&self->lock);
  }
  return fill_principal (session, user, arena, principal, error);
}

/* ---- Coming ---------------------------------------------------------------------------------- */

/* In a write transaction: the session, if the user is still as he was when his password was looked at. */
static enum mantis_status
write_session (const struct session *self, struct mantis_keep *keep, mantis_row known,
               const struct mantis_login *login, const char *hash, const char *fresh,
               struct mantis_arena *arena, struct mantis_error *error)
{
  int64_t now = mantis_now ();
  struct mantis_value user[USER_COLUMNS] = {
      [USER_NAME] = text_value (login->user), [USER_LOGIN_AT] = integer_value (now)};
  const struct mantis_value session[SESSION_COLUMNS] = {[SESSION_HASH] = text_value (hash),
                                                        [SESSION_NAME] = text_value (login->user),
                                                        [SESSION_STAMP] = known[USER_STAMP],
                                                        [SESSION_CREATED_AT] = integer_value (now),
                                                        [SESSION_USED_AT] = integer_value (now),
                                                        [SESSION_EXPIRES_AT] =
                                                            integer_value (now + self->lifetime),
                                                        [SESSION_PEER] = text_value (login->peer)};
  mantis_row row;
  enum mantis_status status = find_user (keep, login->user, arena, &row, error);

  if (status == MANTIS_OK &&
      (!row || strcmp (text_of (&row[USER_STAMP]), text_of (&known[USER_STAMP])) != 0))
    return mantis_fail (error, MANTIS_BUSY, "the user was changed just now: try again");
  if (fresh)
    user[USER_PASSWORD] = text_value (fresh);
  if (status == MANTIS_OK)
    status = mantis_keep_put (keep, &session_users, user, error);
  return status == MANTIS_OK ? mantis_keep_put (keep, &session_sessions, session, error) : status;
}

static enum mantis_status
begin_session (const struct session *self, struct mantis_keep *keep, mantis_row user,
               const struct mantis_login *login, struct mantis_arena *arena,
               struct mantis_welcome *welcome, struct mantis_error *error)
{
  struct mantis_buf fresh = MANTIS_BUF_INIT;
  char token[TOKEN_LENGTH + 1], hash[HASH_LENGTH + 1];
  enum mantis_status status = MANTIS_OK;

  make_token (token);
  if (!hash_token (token, hash))
    return mantis_fail (error, MANTIS_FAILED, "no SHA-256 on this server");
  if (password_is_old (text_of (&user[USER_PASSWORD]), self->cost))
    status = password_hash (login->password, self->cost, &fresh, error);
  if (status == MANTIS_OK)
    status = mantis_keep_begin (keep, true, error);
  if (status == MANTIS_OK)
    status = write_session (self, keep, user, login, hash, fresh.bytes, arena, error);
  if (status == MANTIS_OK)
    status = mantis_keep_commit (keep, error);
  mantis_keep_rollback (keep);
  mantis_buf_free (&fresh);
  welcome->subject = mantis_arena_strdup (arena, login->user);
  welcome->token = mantis_arena_strdup (arena, token);
  welcome->expires = mantis_now () + self->lifetime;
  welcome->idle = self->idle_timeout;
  OPENSSL_cleanse (token, sizeof token);
  if (status == MANTIS_OK && (!welcome->subject || !welcome->token))
    status = mantis_fail (error, MANTIS_FULL, "no memory for the session");
  return status;
}

/* Somebody known may have typed his password in the place of his name: that of a stranger is not logged. */
static enum mantis_status
turn_away (const struct mantis_login *login, mantis_row user, struct mantis_error *error)
{
  if (user)
    mantis_log (MANTIS_WARNING, "login of user \"%s\" from %s refused: %s", login->user,
                login->peer, integer_of (&user[USER_DISABLED]) ? "disabled" : "wrong password");
  else
    mantis_log (MANTIS_WARNING, "login from %s refused: no such user", login->peer);
  return mantis_fail (error, MANTIS_DENIED, "user or password is wrong");
}

static enum mantis_status
check_login (const struct session *self, struct mantis_keep *keep, const struct mantis_login *login,
             struct mantis_arena *arena, mantis_row *user, struct mantis_error *error)
{
  bool holds = false;
  enum mantis_status status = mantis_keep_begin (keep, false, error);

  *user = NULL;
  if (status == MANTIS_OK && user_is_valid (login->user))
    status = find_user (keep, login->user, arena, user, error);
  mantis_keep_rollback (keep);
  if (status == MANTIS_OK)
    status = password_check (login->password, *user ? text_of (&(*user)[USER_PASSWORD]) : NULL,
                             self->cost, &holds, error);
  if (status == MANTIS_OK && (!*user || !holds || integer_of (&(*user)[USER_DISABLED])))
    status = turn_away (login, *user, error);
  return status;
}

static enum mantis_status
login_user (void *data, struct mantis_keep *keep, const struct mantis_login *login,
            struct mantis_arena *arena, struct mantis_welcome *welcome, struct mantis_error *error)
{
  struct session *self = data;
  struct attempt attempt;
  enum mantis_status status;
  mantis_row user;
  int64_t wait;

  if (strlen (login->password) > LONGEST_PASSWORD || strlen (login->user) > LONGEST_PASSWORD)
    return mantis_fail (error, MANTIS_DENIED, "user or password is wrong");
  pthread_mutex_lock (&self->lock);
  wait = limit_try (&self->limit, login->peer, login->user, &attempt);
  pthread_mutex_unlock (&self->lock);
  if (wait) {
    welcome->retry_after = (wait + 999) / 1000;
    return mantis_fail (error, MANTIS_BUSY, "too many wrong passwords: try again later");
  }
  status = check_login (self, keep, login, arena, &user, error);
  if (status != MANTIS_DENIED) {
    pthread_mutex_lock (&self->lock);
    limit_forgive (&self->limit, &attempt);
    pthread_mutex_unlock (&self->lock);
  }
  return status == MANTIS_OK ? begin_session (self, keep, user, login, arena, welcome, error)
                             : status;
}

/* ---- Going ----------------------------------------------------------------------------------- */

static enum mantis_status
logout (void *data, struct mantis_keep *keep, const struct mantis_credentials *credentials,
        struct mantis_error *error)
{
  const char *token = credentials->bearer ? credentials->bearer : credentials->cookie;
  struct mantis_value key[SESSION_COLUMNS] = {{.type = MANTIS_NONE}};
  char hash[HASH_LENGTH + 1];
  enum mantis_status status;

  (void)data;
  if (!is_ours (token))
    return mantis_fail (error, MANTIS_ABSENT, "no token of a session");
  if (!hash_token (token, hash))
    return mantis_fail (error, MANTIS_FAILED, "no SHA-256 on this server");
  key[SESSION_HASH] = text_value (hash);
  if ((status = mantis_keep_begin (keep, true, error)) == MANTIS_OK)
    status = mantis_keep_delete (keep, &session_sessions, key, error);
  if (status == MANTIS_OK)
    status = mantis_keep_commit (keep, error);
  mantis_keep_rollback (keep);
  return status;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static enum mantis_status
start (void *data, struct mantis_error *error)
{
  struct session *self = data;

  (void)error;
  pthread_mutex_init (&self->lock, NULL);
  limit_start (&self->limit, self->failures, self->failure_interval);
  return MANTIS_OK;
}

static void
stop (void *data)
{
  pthread_mutex_destroy (&((struct session *)data)->lock);
}

static const struct mantis_auth ops = {.size = sizeof ops,
                                       .tables = session_tables,
                                       .recognize = recognize,
                                       .login = login_user,
                                       .logout = logout,
                                       .users = session_users_order,
                                       .tend = session_tend};

MANTIS_AUTH_PLUGIN (session, &ops, .summary = "users with passwords, and their sessions",
                    .self_size = sizeof (struct session), .options = options,
                    .threads = MANTIS_PARALLEL, .start = start, .stop = stop);
