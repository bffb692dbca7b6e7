/* mantis/auth.h - credentials in, principal out.
 *
 * Called on a worker thread for each request that carries credentials.  Several authentications may be
 * configured: they are asked in the order of the configuration until one knows the credentials.
 *
 * An authentication may also keep users and let them in: see tables and what stands after it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_AUTH_H
#define MANTIS_AUTH_H

#include <mantis/keep.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MANTIS_AUTH_ABI 1u

struct mantis_credentials {
  size_t size;
  const char *bearer; /* token of RFC 6750, or NULL */
  const char *cookie; /* value of the session cookie, or NULL */
  const char *peer;   /* address of the caller, as text */
  const char *certificate_subject; /* of a verified client certificate, or NULL */
};

struct mantis_principal {
  size_t size;
  const char *subject; /* who; never empty */
  const char *claims;  /* JSON object of all that is known about the subject; "{}" at least */
  int64_t expires;     /* milliseconds since 1970 UTC; 0: never */
  bool local;          /* the core's: it came by the control socket, and may do and see everything */
};

/* ---- Users ------------------------------------------------------------------------------------- */

struct mantis_login { /* somebody who says who he is */
  size_t size;
  const char *user;
  const char *password; /* not yet known to be right, or short, or text */
  const char *peer;     /* address of the caller, as text */
};

struct mantis_welcome { /* the answer */
  size_t size;
  const char *subject; /* who it is; in the arena, as is TOKEN */
  const char *token;   /* what authenticate() or recognize() will know him by */
  int64_t expires;     /* milliseconds since 1970 UTC */
  int64_t idle;        /* milliseconds without a request after which it ends before; 0: it does not */
  int64_t retry_after; /* with MANTIS_BUSY: seconds until the next try counts */
};

struct mantis_user_order { /* what an administrator wants */
  size_t size;
  const char *what;         /* "add", "passwd", "disable", "enable", "remove", "list" */
  const char *user;         /* NULL with "list" */
  const char *password;     /* with "add" and "passwd" */
  const char *const *roles; /* with "add": ends with NULL */
};

struct mantis_auth {
  size_t size;

  /* MANTIS_OK: PRINCIPAL is filled, its texts in ARENA.  MANTIS_DENIED: not accepted; the reason in ERROR
   * is logged and goes to the caller, so it tells what is wrong (expired, wrong audience) and nothing that
   * helps to guess.  MANTIS_ABSENT: these are not credentials of mine, ask the next.  Any other: cannot
   * tell now; the caller gets 503.  One that has recognize() may leave this out. */
  enum mantis_status (*authenticate) (void *self, const struct mantis_credentials *credentials,
                                      struct mantis_arena *arena, struct mantis_principal *principal,
                                      struct mantis_error *error);

  /* A new token for SUBJECT that authenticate() will accept for LIFETIME milliseconds, added to TOKEN.
   * NULL when this authentication cannot make tokens. */
  enum mantis_status (*issue) (void *self, const char *subject, int64_t lifetime,
                               struct mantis_buf *token, struct mantis_error *error);

  /* Read keys again (SIGHUP).  On failure the old ones stay.  NULL: nothing to read. */
  enum mantis_status (*reload) (void *self, struct mantis_error *error);

  /* Tables that Mantis keeps for this plugin, ends with NULL; all uses of it share them.  NULL: none.  All that
   * follows may be NULL, and is given KEEP to read and write them: see mantis/keep.h. */
  const struct mantis_table *const *tables;

  /* Asked in the place of authenticate(). */
  enum mantis_status (*recognize) (void *self, struct mantis_keep *keep,
                                   const struct mantis_credentials *credentials,
                                   struct mantis_arena *arena, struct mantis_principal *principal,
                                   struct mantis_error *error);

  /* Let somebody in: MANTIS_OK, and WELCOME is filled.  MANTIS_DENIED: he is not who he says; the text goes
   * to him and is the same whatever was wrong.  MANTIS_BUSY with retry_after: too many of his kind failed.
   * May take long and much memory: few calls are made at once. */
  enum mantis_status (*login) (void *self, struct mantis_keep *keep,
                               const struct mantis_login *login, struct mantis_arena *arena,
                               struct mantis_welcome *welcome, struct mantis_error *error);

  /* CREDENTIALS are good no more.  MANTIS_ABSENT: they are not of mine, or of no session. */
  enum mantis_status (*logout) (void *self, struct mantis_keep *keep,
                                const struct mantis_credentials *credentials,
                                struct mantis_error *error);

  /* Do as an administrator says; ANSWER gets a JSON value: {} or, of "list", an array of objects with user, roles,
   * disabled, and times in milliseconds since 1970.  MANTIS_ABSENT: there is no such user. */
  enum mantis_status (*users) (void *self, struct mantis_keep *keep,
                               const struct mantis_user_order *order, struct mantis_buf *answer,
                               struct mantis_error *error);

  /* Called now and then: remove what has expired, write down what waited.  *AFTER is set to the milliseconds
   * until the next call. */
  enum mantis_status (*tend) (void *self, struct mantis_keep *keep, int64_t *after,
                              struct mantis_error *error);
};

#define MANTIS_AUTH_PLUGIN(name, ops, ...)                                                         \
  MANTIS_PLUGIN (name, MANTIS_KIND_AUTH, MANTIS_AUTH_ABI, ops, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
