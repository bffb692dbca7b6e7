/* ask.c - hooks before and after a message: hello and pull as a whole, and the changes of a push.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/pushing.h"
#include "wire/json.h"

#include <string.h>

/* Messages that hooks see as a whole. */
static const struct seen {
  const char *message;
  enum mantis_moment before, after;
} seen[] = {{"hello", MANTIS_BEFORE_CONNECT, MANTIS_AFTER_CONNECT},
            {"pull", MANTIS_BEFORE_PULL, MANTIS_AFTER_PULL}};

static const struct seen *
seen_as (const char *message)
{
  for (size_t i = 0; i < COUNT_OF (seen); i++)
    if (strcmp (seen[i].message, message) == 0)
      return &seen[i];
  return NULL;
}

static struct hooks *
hooks_of (const struct store *store)
{
  return store ? store->hooks : NULL;
}

static struct hook_caller
caller_of (const struct mantis_request *request, const struct mantis_principal *principal)
{
  return (struct hook_caller){.principal = principal, .node = request->node};
}

static void
refuse (struct reply *reply, enum mantis_status status, const struct mantis_error *error)
{
  if (status == MANTIS_REFUSED)
    reply_problem (reply, 403, "refused", error->text);
  else if (status == MANTIS_BUSY) /* how it failed stands in the log */
    reply_problem (reply, 503, "hook", "a hook of the server failed: try again later");
  else
    reply_error (reply, error);
}

bool
message_ask (struct store *store, const struct fellow *fellow)
{
  const struct seen *as = hooks_any (hooks_of (store)) ? seen_as (fellow->request->message) : NULL;
  struct hook_question question = {.caller = caller_of (fellow->request, fellow->principal)};
  struct mantis_error error;
  enum mantis_status status;

  if (!as || !fellow->principal || fellow->principal->local ||
      !hooks_want (hooks_of (store), as->before))
    return true;
  question.moment = as->before;
  status = hooks_ask (store->hooks, &question, &error);
  if (status != MANTIS_OK)
    refuse (fellow->reply, status, &error);
  return status == MANTIS_OK;
}

size_t
messages_ask (struct store *store, struct fellow *fellows, size_t count)
{
  size_t go_on = 0;

  if (!hooks_any (hooks_of (store)))
    return count;
  for (size_t i = 0; i < count; i++)
    if (message_ask (store, &fellows[i])) {
      struct fellow fellow = fellows[i];
      fellows[i] = fellows[go_on];
      fellows[go_on++] = fellow;
    }
  return go_on;
}

static void
tell_problem (struct store *store, const struct fellow *fellow)
{
  const struct mantis_buf *body = &fellow->reply->body;
  CLEANUP_JSON json_t *problem = json_read (body->bytes ? body->bytes : "", body->length, NULL);
  const char *detail = json_string_value (json_object_get (problem, "detail"));
  const struct hook_caller caller = caller_of (fellow->request, fellow->principal);

  hooks_tell_error (store->hooks, &caller, fellow->request->message, detail ? detail : "");
}

void
message_tell (struct store *store, const struct fellow *fellow)
{
  const struct reply *reply = fellow->reply;
  const struct hook_caller caller = caller_of (fellow->request, fellow->principal);
  struct hooks *hooks = hooks_of (store);
  const struct seen *as;

  if (!hooks_any (hooks) || !fellow->principal || fellow->principal->local)
    return;
  as = seen_as (fellow->request->message);
  if (reply->status >= 400 && hooks_want (hooks, MANTIS_ON_ERROR))
    tell_problem (store, fellow);
  else if (as && reply->status == 200 && !reply->wait && !reply->again)
    hooks_tell (hooks, as->after, &caller, NULL);
}

/* ---- A push ------------------------------------------------------------------------------------ */
bool
pushing_is_asked (const struct store *store)
{
  return hooks_want (store->hooks, MANTIS_BEFORE_PUSH) ||
         hooks_want (store->hooks, MANTIS_BEFORE_APPLY);
}

void
pushing_ask (struct pushing *pushing)
{
  static const enum mantis_moment moments[] = {MANTIS_BEFORE_PUSH, MANTIS_BEFORE_APPLY};
  struct store *store = pushing->push.store;
  struct hook_question *question = &pushing->asked;
  enum mantis_status status = MANTIS_OK;
  struct mantis_error error;

  *question = (struct hook_question){.caller = pushing->push.caller,
                                     .changes = pushing->decoded.changes,
                                     .count = pushing->decoded.count,
                                     .arena = pushing->message};
  for (size_t i = 0; i < COUNT_OF (moments) && status == MANTIS_OK && question->count; i++) {
    question->moment = moments[i];
    if (hooks_want (store->hooks, moments[i]))
      status = hooks_ask (store->hooks, question, &error);
  }
  if (status != MANTIS_OK) {
    pushing->settled = true;
    refuse (pushing->reply, status, &error);
  }
}
