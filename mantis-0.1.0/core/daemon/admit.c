/* admit.c - who calls?  The configured authentications, asked in turn.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/service.h"

static enum mantis_status
ask (struct instance *auth, const struct mantis_request *request, struct mantis_arena *arena,
     struct mantis_principal *principal, struct mantis_error *error)
{
  const struct mantis_auth *ops = auth->ops;
  enum mantis_status status;

  *principal = (struct mantis_principal){.size = sizeof *principal};
  instance_lock (auth);
  status = ops->authenticate (auth->self, &request->credentials, arena, principal, error);
  instance_unlock (auth);
  if (status == MANTIS_OK && (!principal->subject || !*principal->subject))
    status = mantis_fail (error, MANTIS_FAILED, "auth plugin \"%s\" accepted nobody", auth->name);
  return status;
}

enum mantis_status
admit_again (const struct service_settings *settings, const struct mantis_request *request,
             const struct mantis_principal *principal, struct mantis_error *error)
{
  enum access_verdict verdict =
      access_of (&settings->server->access, request->node, principal->subject);

  if (verdict == ACCESS_OPEN)
    return MANTIS_OK;
  return mantis_fail (error, MANTIS_REFUSED, "%s", access_reason (verdict));
}

enum mantis_status
admit (const struct service_settings *settings, const struct mantis_request *request,
       struct mantis_arena *arena, struct mantis_principal *principal, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_ABSENT;

  for (size_t i = 0; i < settings->auth_count && status == MANTIS_ABSENT; i++) {
    *error = (struct mantis_error){.text = "not accepted"};
    status = ask (settings->auth[i], request, arena, principal, error);
  }
  if (status == MANTIS_ABSENT)
    status = mantis_fail (error, MANTIS_DENIED, "credentials are needed: a bearer token%s",
                          request->credentials.certificate_subject
                              ? "; the certificate counts where \"auth\" of the server has "
                                "\"certificate\""
                              : "");
  return status == MANTIS_OK ? admit_again (settings, request, principal, error) : status;
}
