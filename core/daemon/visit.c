/* visit.c - what a worker does with a request: who is it, and what does it want.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/visit.h"

#include "base/base.h"
#include "sync/hooks.h"

void
visit_refuse (struct visit *visit, enum mantis_status status, const char *why)
{
  if (status == MANTIS_DENIED)
    reply_problem (&visit->reply, 401, NULL, why);
  else if (status == MANTIS_REFUSED)
    reply_problem (&visit->reply, 403, "disabled", why);
  else
    reply_problem (&visit->reply, 503, NULL, "credentials cannot be checked now: try again later");
  visit->hang_up = status == MANTIS_REFUSED || (status == MANTIS_DENIED && visit->doubted);
  mantis_log (status == MANTIS_DENIED ? MANTIS_INFO : MANTIS_WARNING, "%s from %s turned away: %s",
              visit->request->message,
              visit->request->credentials.peer ? visit->request->credentials.peer : "unknown", why);
}

/* False: visit->reply tells the caller why not. */
static bool
visit_admit (struct visit *visit, struct store *store)
{
  struct mantis_error error = {0};
  enum mantis_status status = MANTIS_OK;

  if (visit->local || message_named (visit->request->message)->open)
    return true;
  if (visit->doubted || (visit->principal.expires && visit->principal.expires <= mantis_now ())) {
    mantis_arena_free (visit->arena); /* it waited long, or keys have changed: ask once more */
    visit->arena = NULL;
    visit->principal = (struct mantis_principal){0};
  }
  if (visit->principal.subject)
    status = admit_again (&visit->service->set, visit->request, &visit->principal, &error);
  else if (!visit->arena && !(visit->arena = mantis_arena_new (1024 * 1024)))
    status = mantis_fail (&error, MANTIS_FAILED, "no memory");
  else
    status = admit (&visit->service->set, visit->request, store, visit->arena, &visit->principal,
                    &error);
  visit->principal.local = false;
  if (status == MANTIS_OK)
    return true;
  visit->principal = (struct mantis_principal){0};
  visit_refuse (visit, status, error.text);
  return false;
}

static void
visit_without (struct visit *visit, const struct mantis_error *error)
{
  const struct service_settings *set = &visit->service->set;
  const struct message *message = message_named (visit->request->message);

  mantis_log (MANTIS_DEBUG, "%s: %s", visit->request->message, error->text);
  if (visit->local && message->without)
    message->without (set->server, set->stores->ops, set->stores->self, error, &visit->reply);
  else
    reply_problem (&visit->reply, 503, "unavailable",
                   visit->local ? error->text : "the server cannot use its database now");
}

/* The session numbered WORKER; NULL: visit->reply says that there is none. */
static struct store *
visit_store (struct visit *visit, size_t worker)
{
  const struct service_settings *set = &visit->service->set;
  struct mantis_error error = {0};
  struct store *store;

  if (stores_get (set->stores, worker, &store, NULL, &error) == MANTIS_OK)
    return store;
  visit_without (visit, &error);
  return NULL;
}

/* Where the commits of LEADER and its fellows have brought the database. */
static void
note_position (struct visit *leader, struct store *store)
{
  struct position position = {0}; /* if it stays so, others will notice the commit a little later */
  struct mantis_error error;
  bool committed = false;

  for (const struct visit *visit = leader; visit; visit = visit->fellow)
    committed |= visit->reply.committed;
  if (!committed || position_read (store, &position, &error) != MANTIS_OK)
    return;
  for (struct visit *visit = leader; visit; visit = visit->fellow)
    visit->position = position;
}

static void
visit_handle (struct visit *visit, struct store *store)
{
  message_handle (visit->service->set.server, store, visit->request,
                  visit->principal.subject ? &visit->principal : NULL, &visit->reply);
  note_position (visit, store);
}

/* The transport may compress what will be the answer, so that the loop does not have to. */
static void
visit_prepare (struct visit *visit)
{
  const struct mantis_request *request = visit->request;
  const struct reply *reply = &visit->reply;
  bool able =
      request->size >= offsetof (struct mantis_request, prepare) + sizeof request->prepare &&
      request->prepare;

  if (!able || !reply->status || reply->again || reply->asks || reply->wait > 0 || visit->cancelled)
    return;
  request->prepare (request, reply->body.bytes ? reply->body.bytes : "", reply->body.length);
  visit->prepared = true;
}

void
visit_work (struct task *task, size_t worker)
{
  struct visit *visit = (struct visit *)task;
  const struct service_settings *set = &visit->service->set;
  struct store *store = NULL;

  if (message_named (visit->request->message)->slow)
    worker += set->first_slow;
  if (visit->cancelled || (set->keeping && !(store = visit_store (visit, worker))) ||
      !visit_admit (visit, store) || (!store && !(store = visit_store (visit, worker))))
    return;
  visit_handle (visit, store);
  visit_prepare (visit);
}

void
visits_work (struct task *task, size_t worker)
{
  struct visit *leader = (struct visit *)task;
  const struct service_settings *set = &leader->service->set;
  struct fellow fellows[TOGETHER];
  struct mantis_error error = {0};
  struct store *store;
  bool open = stores_get (set->stores, worker, &store, NULL, &error) == MANTIS_OK;
  size_t count = 0;

  for (struct visit *visit = leader; visit; visit = visit->fellow) {
    bool lost = set->keeping && !open;
    if (visit->cancelled || (!lost && !visit_admit (visit, store)))
      continue;
    if (open)
      fellows[count++] = (struct fellow){visit->request, &visit->principal, &visit->reply};
    else
      visit_without (visit, &error);
  }
  if (!count)
    return;
  message_handle_all (set->server, store, fellows, count);
  note_position (leader, store);
  for (struct visit *visit = leader; visit; visit = visit->fellow)
    visit_prepare (visit);
}

void
pushes_work (struct task *task, size_t worker)
{
  if (!task->next) {
    visit_work (task, worker);
    return;
  }
  for (struct task *one = task; one; one = one->next)
    ((struct visit *)one)->fellow = (struct visit *)one->next;
  visits_work (task, worker);
}

static bool
is_small_push (const struct task *task)
{
  return task->work == pushes_work && ((const struct visit *)task)->request->length <= SMALL;
}

/* None of them is answered before all have been: hooks that are asked about each may take their time. */
bool
push_joins (const struct task *task, const struct task *next, size_t count)
{
  struct hooks *hooks = ((const struct visit *)task)->service->set.stores->hooks;
  bool asked = hooks_want (hooks, MANTIS_BEFORE_PUSH) || hooks_want (hooks, MANTIS_BEFORE_APPLY);

  return count < (asked ? FEW : TOGETHER) && is_small_push (task) && is_small_push (next);
}
