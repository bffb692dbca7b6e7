/* login.c - the messages "login" and "logout": a session begins, and ends.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"
#include "wire/json.h"

#include <string.h>

/* A text without NUL, which a reader of C strings would take for its end. */
static const char *
get_word (const json_t *json, const char *name, enum mantis_status *status,
          struct mantis_error *error)
{
  const char *text = json_get_text (json, name, NULL, status, error);

  if (*status == MANTIS_OK &&
      (!text || strlen (text) != json_string_length (json_object_get (json, name))))
    *status = mantis_fail (error, MANTIS_INVALID, "$.%s: a text is needed", name);
  return text;
}

static void
add_welcome (struct reply *reply, const struct mantis_welcome *welcome, bool cookie)
{
  int64_t lifetime = welcome->expires - mantis_now ();

  mantis_buf_text (&reply->body, "{\"user\":");
  mantis_buf_json (&reply->body, welcome->subject, strlen (welcome->subject));
  if (!cookie) /* which scripts shall not see */
    json_add_text (&reply->body, "token", welcome->token);
  mantis_buf_printf (&reply->body, ",\"expires\":%lld,\"idle\":%lld}", (long long)welcome->expires,
                     (long long)welcome->idle);
  if (cookie)
    mantis_buf_text (&reply->cookie, welcome->token);
  reply->has_cookie = cookie;
  reply->cookie_lifetime = lifetime / 1000;
}

static void
refuse (struct reply *reply, const struct mantis_welcome *welcome, const struct mantis_error *error)
{
  if (error->status == MANTIS_DENIED)
    reply_problem (reply, 401, NULL, error->text);
  else if (error->status == MANTIS_BUSY && welcome->retry_after) {
    reply->retry_after = welcome->retry_after;
    reply_problem (reply, 429, NULL, error->text);
  } else
    reply_error (reply, error);
}

void
handle_login (struct server *server, struct store *store, const struct mantis_request *request,
              const struct mantis_principal *principal, struct reply *reply)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (server->limits.body_bytes);
  struct mantis_login login = {.size = sizeof login,
                               .peer = request->credentials.peer ? request->credentials.peer : ""};
  struct mantis_welcome welcome = {.size = sizeof welcome};
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  CLEANUP_JSON json_t *json = arena ? json_read (request->body, request->length, &error) : NULL;
  enum mantis_status status = json ? MANTIS_OK : error.status;
  bool cookie = json_get_bool (json, "cookie", false, &status, &error);

  (void)principal;
  if (status == MANTIS_OK)
    login.user = get_word (json, "user", &status, &error);
  if (status == MANTIS_OK)
    login.password = get_word (json, "password", &status, &error);
  if (status == MANTIS_OK && !server->accounts.login)
    status = mantis_fail (&error, MANTIS_ABSENT, "nobody can log in here");
  if (status == MANTIS_OK)
    status =
        server->accounts.login (server->accounts.context, store, &login, arena, &welcome, &error);
  error.status = status;
  if (status != MANTIS_OK) {
    refuse (reply, &welcome, &error);
    return;
  }
  add_welcome (reply, &welcome, cookie);
  reply_done (reply);
}

void
handle_logout (struct server *server, struct store *store, const struct mantis_request *request,
               const struct mantis_principal *principal, struct reply *reply)
{
  struct mantis_error error = {.status = MANTIS_INVALID, .text = "there are no sessions here"};
  enum mantis_status status = MANTIS_INVALID;

  (void)principal;
  if (server->accounts.logout)
    status =
        server->accounts.logout (server->accounts.context, store, &request->credentials, &error);
  error.status = status;
  if (status != MANTIS_OK) {
    reply_error (reply, &error);
    return;
  }
  reply->ended = true;
  reply->has_cookie = request->credentials.cookie != NULL;
  mantis_buf_text (&reply->body, "{}");
  reply_done (reply);
}
