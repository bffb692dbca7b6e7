/* certificate - who has shown a certificate in the TLS handshake is whom it names.
 *
 * The transport has checked it, against the authorities that its listener was given; there is no
 * certificate here that was not.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/auth.h>

#include <string.h>

static enum mantis_status
authenticate (void *self, const struct mantis_credentials *credentials, struct mantis_arena *arena,
              struct mantis_principal *principal, struct mantis_error *error)
{
  const char *subject = credentials->certificate_subject;
  struct mantis_buf claims = MANTIS_BUF_INIT;

  (void)self;
  if (!subject)
    return mantis_fail (error, MANTIS_ABSENT, "no certificate");
  mantis_buf_text (&claims, "{\"sub\":");
  mantis_buf_json (&claims, subject, strlen (subject));
  mantis_buf_char (&claims, '}');
  principal->subject = mantis_arena_strdup (arena, subject);
  principal->claims = claims.failed ? NULL : mantis_arena_strdup (arena, claims.bytes);
  mantis_buf_free (&claims);
  if (!principal->subject || !principal->claims)
    return mantis_fail (error, MANTIS_FULL, "no memory for the certificate's subject");
  return MANTIS_OK;
}

static const struct mantis_auth ops = {.size = sizeof ops, .authenticate = authenticate};

MANTIS_AUTH_PLUGIN (certificate, &ops, .summary = "certificates of TLS name their holders",
                    .threads = MANTIS_PARALLEL);
