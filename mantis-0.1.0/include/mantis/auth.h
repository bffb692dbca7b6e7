/* mantis/auth.h - credentials in, principal out.
 *
 * Called on a worker thread for each request that carries credentials.  Several authentications may be
 * configured: they are asked in the order of the configuration until one accepts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_AUTH_H
#define MANTIS_AUTH_H

#include <mantis/plugin.h>

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
};

struct mantis_auth {
  size_t size;

  /* MANTIS_OK: PRINCIPAL is filled, its texts in ARENA.  MANTIS_DENIED: not accepted; the reason in ERROR
   * is logged and goes to the caller, so it tells what is wrong (expired, wrong audience) and nothing that
   * helps to guess.  MANTIS_ABSENT: these are not credentials of mine, ask the next.  Any other: cannot
   * tell now; the caller gets 503. */
  enum mantis_status (*authenticate) (void *self, const struct mantis_credentials *credentials,
                                      struct mantis_arena *arena, struct mantis_principal *principal,
                                      struct mantis_error *error);

  /* A new token for SUBJECT that authenticate() will accept for LIFETIME milliseconds, added to TOKEN.
   * NULL when this authentication cannot make tokens. */
  enum mantis_status (*issue) (void *self, const char *subject, int64_t lifetime,
                               struct mantis_buf *token, struct mantis_error *error);

  /* Read keys again (SIGHUP).  On failure the old ones stay.  NULL: nothing to read. */
  enum mantis_status (*reload) (void *self, struct mantis_error *error);
};

#define MANTIS_AUTH_PLUGIN(name, ops, ...)                                                         \
  MANTIS_PLUGIN (name, MANTIS_KIND_AUTH, MANTIS_AUTH_ABI, ops, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
