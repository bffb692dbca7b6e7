/* admit.c - who calls?  The configured authentications, asked in turn.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/accounts.h"
#include "daemon/service.h"

static enum mantis_status
ask (struct instance *auth, const struct mantis_request *request, struct store *store,
     struct mantis_arena *arena, struct mantis_principal *principal, struct mantis_error *error)
{
  const struct mantis_auth *ops = auth->ops;
  struct mantis_keep keep = accounts_keep (auth, store);
  enum mantis_status status;

  *principal = (struct mantis_principal){.size = sizeof *principal};
  instance_lock (auth);
  if (ops->recognize)
    status = ops->recognize (auth->self, &keep, &request->credentials, arena, principal, error);
  else
    status = ops->authenticate (auth->self, &request->credentials, arena, principal, error);
  instance_unlock (auth);
  if (store)
    store_rollback (store);
  if (status == MANTIS_OK && (!principal->subject || !*principal->subject))
    status = mantis_fail (error, MANTIS_FAILED, "auth plugin \"%s\" accepted nobody", auth->name);
  return status;
}

/* ERROR is what the last one said. */
static enum mantis_status
nobody_knows (const struct service_settings *settings, const struct mantis_request *request,
              struct mantis_error *error)
{
  const struct mantis_credentials *shown = &request->credentials;

  if ((shown->bearer || shown->cookie) && settings->auth_count == 1)
    return error->status = MANTIS_DENIED;
  if (shown->bearer || shown->cookie)
    return mantis_fail (error, MANTIS_DENIED, "the token is of no kind that this server knows");
  return mantis_fail (error, MANTIS_DENIED, "credentials are needed: a bearer token%s",
                      shown->certificate_subject
                          ? "; the certificate counts where \"auth\" of the server has "
                            "\"certificate\""
                          : "");
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
       struct store *store, struct mantis_arena *arena, struct mantis_principal *principal,
       struct mantis_error *error)
{
  enum mantis_status status = MANTIS_ABSENT;

  for (size_t i = 0; i < settings->auth_count && status == MANTIS_ABSENT; i++) {
    *error = (struct mantis_error){.text = "not accepted"};
    status = ask (settings->auth[i], request, store, arena, principal, error);
  }
  if (status == MANTIS_ABSENT)
    status = nobody_knows (settings, request, error);
  return status == MANTIS_OK ? admit_again (settings, request, principal, error) : status;
}
