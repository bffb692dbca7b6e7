/* service.c - what a server does with a request that a transport has handed over.
 *
 * All of this file runs on the loop's thread; visit.c does on a worker.
 *
 * Pulls queue in a lane of their own, so that others get their turn in between.  From there those that ask the same go
 * to a worker together, behind the first of them: a thousand that wait for one change are answered by a few reads, and
 * the fuller the lane, the fewer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/visit.h"

#include "base/base.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

static void visit_done (struct call *call);

/* ---- Lists ------------------------------------------------------------------------------------
 */

static void
enter (struct visit *visit, enum stage stage, struct visit **list)
{
  visit->stage = stage;
  visit->self = list;
  visit->next = *list;
  if (visit->next)
    visit->next->self = &visit->next;
  *list = visit;
}

static void
leave (struct visit *visit)
{
  struct mantis_service *service = visit->service;

  if (visit->stage == STAGE_WORK)
    return;
  if (service->queued_end == &visit->next)
    service->queued_end = visit->self;
  *visit->self = visit->next;
  if (visit->next)
    visit->next->self = visit->self;
  visit->stage = STAGE_WORK;
}

/* ---- On the loop ------------------------------------------------------------------------------
 */

static bool
visit_submit (struct visit *visit)
{
  const struct service_settings *set = &visit->service->set;
  const struct message *message = message_named (visit->request->message);

  for (struct visit *each = visit; each; each = each->fellow) {
    each->seen = visit->service->news;
    each->doubted = each->round != visit->service->round;
    each->round = visit->service->round;
    each->reply.at_once = each->due;
  }
  visit->task.writes = message->writes;
  return pool_submit (message->slow ? set->slow : set->pool, &visit->task);
}

static void
queue (struct visit *visit)
{
  struct mantis_service *service = visit->service;

  enter (visit, STAGE_QUEUED, service->queued_end);
  service->queued_end = &visit->next;
}

/* From behind LEADER, which is the first in the lane, those that ask, or wait for, the same. */
static void
gather (struct visit *leader)
{
  struct visit **end = &leader->fellow, *next = leader->next;
  size_t count = 1;

  for (size_t i = 0; next && i < LOOK_AHEAD && count < TOGETHER; i++) {
    struct visit *visit = next;
    next = visit->next;
    if (!message_joins (leader->request, &leader->reply, visit->request, &visit->reply))
      continue;
    leave (visit);
    *end = visit;
    end = &visit->fellow;
    count++;
  }
}

/* Nothing came of it: the lane is as before, but for the order of those that ask the same. */
static void
ungather (struct visit *leader)
{
  struct mantis_service *service = leader->service;
  struct visit *next;

  for (struct visit *visit = leader->fellow; visit; visit = next) {
    next = visit->fellow;
    visit->fellow = NULL;
    queue (visit);
  }
  leader->fellow = NULL;
  enter (leader, STAGE_QUEUED, &service->queued);
  if (!leader->next)
    service->queued_end = &leader->next;
}

/* To the workers, a few at a time. */
static void
feed_lane (struct mantis_service *service)
{
  while (service->queued && service->in_lane < service->set.lane) {
    struct visit *leader = service->queued;
    gather (leader);
    leave (leader);
    leader->leads = true;
    if (!visit_submit (leader)) { /* when a visit ends there is room again */
      leader->leads = false;
      ungather (leader);
      return;
    }
    service->in_lane++;
  }
}

/* Its timer goes on. */
static void
wake (struct visit *visit)
{
  leave (visit);
  queue (visit);
}

static void
free_visit (struct visit *visit)
{
  struct mantis_service *service = visit->service;

  event_del (&visit->timer);
  map_remove (&service->tickets, visit->ticket);
  mantis_arena_free (visit->arena);
  mantis_buf_free (&visit->reply.body);
  mantis_buf_free (&visit->reply.cookie);
  free (visit);
  if (--service->count == 0 && service->empty)
    service->empty (service->empty_context);
}

static void
turn_away (struct mantis_service *service, const char *message, const char *code, const char *why,
           mantis_answered answered, void *context)
{
  struct reply reply = {.body = MANTIS_BUF_INIT};
  struct mantis_answer answer = {.size = sizeof answer};

  reply_problem (&reply, 503, code, why);
  answer.status = reply.status;
  answer.type = reply.type;
  answer.body = reply.body.bytes ? reply.body.bytes : "";
  answer.length = reply.body.length;
  answer.retry_after = reply.retry_after;
  answer.elsewhere = reply.elsewhere;
  count_answer (service->set.server, message, answer.status);
  answered (context, &answer);
  mantis_buf_free (&reply.body);
}

/* What a client gets that came while we could do nothing for it, or went away. */
static void
say_busy (struct mantis_service *service, const char *message, mantis_answered answered,
          void *context)
{
  turn_away (service, message, "busy", "the server is busy: try again later", answered, context);
}

static void
on_deadline (evutil_socket_t fd, short what, void *context)
{
  struct visit *visit = context;

  (void)fd, (void)what;
  visit->due = visit->timed;
  if (visit->stage == STAGE_QUEUED || (visit->stage == STAGE_WORK && visit->due))
    return;
  if (visit->stage == STAGE_WORK) { /* a prompt one */
    visit->told = true;
    turn_away (visit->service, visit->request->message, "unavailable",
               "the server waits for its database", visit->answered, visit->context);
    return;
  }
  if (visit->stage == STAGE_ASKS) {
    visit_again (visit);
    return;
  }
  wake (visit);
  feed_lane (visit->service);
}

static void
finish (struct visit *visit)
{
  const struct reply *reply = &visit->reply;
  struct mantis_answer answer = {.size = sizeof answer,
                                 .status = reply->status,
                                 .type = reply->type,
                                 .body = reply->body.bytes ? reply->body.bytes : "",
                                 .length = reply->body.length,
                                 .retry_after = reply->retry_after,
                                 .expires = visit->principal.expires,
                                 .elsewhere = reply->elsewhere,
                                 .hang_up = visit->hang_up,
                                 .cookie_lifetime = reply->cookie_lifetime,
                                 .prepared = visit->prepared};

  if (reply->has_cookie)
    answer.cookie = reply->cookie.bytes ? reply->cookie.bytes : "";

  mantis_log (MANTIS_DEBUG, "%s from %s: %d, %zu bytes", visit->request->message,
              visit->request->node ? visit->request->node : "no node", reply->status,
              reply->body.length);
  if (visit->told)
    ;
  else if (visit->cancelled || !reply->status)
    say_busy (visit->service, visit->request->message, visit->answered, visit->context);
  else {
    count_answer (visit->service->set.server, visit->request->message, reply->status);
    visit->answered (visit->context, &answer);
  }
  free_visit (visit);
}

static void
park (struct visit *visit)
{
  struct mantis_service *service = visit->service;

  if (!visit->timed) {
    visit->timed = true;
    loop_timer (&visit->timer, visit->reply.wait + 1);
    mantis_log (MANTIS_DEBUG, "%s from %s waits for news", visit->request->message,
                visit->request->node ? visit->request->node : "no node");
  }
  mantis_buf_free (&visit->reply.body);
  visit->reply = reply_anew (&visit->reply);
  enter (visit, STAGE_PARKED, &service->parked);
  if (visit->seen != service->news) /* it looked too early */
    wake (visit);
}

/* Nothing is made before a resolver, which may take long, has answered. */
static void
wait_for_answer (struct visit *visit)
{
  struct mantis_service *service = visit->service;
  int64_t left = (visit->reply.asks_until - mantis_monotonic ()) / 1000;

  visit->asks = visit->reply.asks;
  mantis_buf_free (&visit->reply.body);
  visit->reply = (struct reply){.body = MANTIS_BUF_INIT};
  enter (visit, STAGE_ASKS, &service->asking);
  loop_timer (&visit->timer, left > 0 ? left + 1 : 0);
  if (questions_settled (&service->set.server->questions, visit->asks))
    visit_again (visit); /* it has answered already */
}

void
visit_again (struct visit *visit)
{
  event_del (&visit->timer);
  leave (visit);
  if (!visit_submit (visit))
    finish (visit);
}

/* The order to turn somebody away has come while a worker was busy with the visit: what a push has stored
 * stands, and is acknowledged when the sender asks again after it has been let in again. */
static void
bar (struct visit *visit)
{
  struct mantis_error error;

  if (visit->local || !visit->principal.subject ||
      admit_again (&visit->service->set, visit->request, &visit->principal, &error) == MANTIS_OK)
    return;
  mantis_buf_free (&visit->reply.body);
  mantis_buf_free (&visit->reply.cookie);
  visit->reply = (struct reply){.body = MANTIS_BUF_INIT};
  visit->prepared = false;
  visit_refuse (visit, MANTIS_REFUSED, error.text);
}

/* The sender of VISIT has ended what he is known by: who else came with it is looked at once more. */
static void
doubt_same (struct visit *visit)
{
  struct mantis_service *service = visit->service;
  const struct mantis_credentials *credentials = &visit->request->credentials;
  struct visit *next;

  for (struct visit *parked = service->parked; parked; parked = next) {
    next = parked->next;
    if (!same_token (&parked->request->credentials, credentials))
      continue;
    parked->round = 0; /* none has this number */
    wake (parked);
  }
  attending_doubt (service->attending, credentials);
}

/* It was passed over, as it would have gone on waiting: see message/passing.c. */
static bool
is_unwritten (const struct visit *visit)
{
  return visit->reply.wait > 0 && !visit->reply.body.length;
}

/* Has something changed since VISIT arrived of which clients hear in any answer? */
static bool
is_overtaken (const struct visit *visit)
{
  const struct mantis_service *service = visit->service;

  return visit->generation != service->position.generation || visit->filters != service->filters;
}

/* What was looked at in vain, others may see something in. */
static void
look_anew (struct visit *visit)
{
  if (visit->filters == visit->service->filters)
    return;
  visit->reply.looked = (struct cursor){.rev = 0};
  visit->reply.since = 0;
}

/* What became of VISIT, which comes from a worker? */
static void
sort_out (struct visit *visit)
{
  struct mantis_service *service = visit->service;

  visit->fellow = NULL;
  if (visit->reply.committed)
    service_news (service, &visit->position, false);
  look_anew (visit);
  bar (visit);
  if (service->set.server->questions.fresh)
    thinking_begin (service->thinking);
  if (visit->reply.ended)
    doubt_same (visit);
  if (visit->reply.asks && !visit->cancelled && !service->draining)
    wait_for_answer (visit);
  else if (visit->reply.wait > 0 && !visit->cancelled && !visit->due && !is_overtaken (visit) &&
           !service->draining)
    park (visit);
  else if ((visit->reply.again || is_unwritten (visit)) && !visit->cancelled) {
    visit->due |= is_unwritten (visit);
    visit->reply = reply_anew (&visit->reply);
    queue (visit);
  } else
    finish (visit);
}

static void
visit_done (struct call *call)
{
  struct visit *visit = (struct visit *)call, *next;
  struct mantis_service *service = visit->service;

  if (visit->leads)
    service->in_lane--;
  visit->leads = false;
  for (; visit; visit = next) {
    next = visit->fellow;
    sort_out (visit);
  }
  feed_lane (service);
}

static void
start (struct visit *visit)
{
  struct mantis_service *service = visit->service;
  const struct message *message = message_named (visit->request->message);

  if (!message) {
    reply_problem (&visit->reply, 404, "message", "there is no such message");
    finish (visit);
    return;
  }
  if (message->slow && !service->set.slow) {
    reply_problem (&visit->reply, 404, NULL,
                   "nobody can log in here: \"auth\" of the server has no \"session\"");
    finish (visit);
    return;
  }
  if (message->bare) {
    message_handle (service->set.server, NULL, visit->request, NULL, &visit->reply);
    finish (visit);
    return;
  }
  if (message->prompt) {
    visit->own =
        (struct mantis_request){.size = sizeof visit->own, .message = message->name, .body = ""};
    visit->request = &visit->own;
    loop_timer (&visit->timer, service->set.prompt);
  }
  if (message->handle_all && message->writes) {
    visit->task.work = pushes_work;
    visit->task.joins = push_joins;
  }
  if (message->handle_all && !message->writes) {
    visit->task.work = visits_work;
    queue (visit);
    feed_lane (visit->service);
  } else if (!visit_submit (visit))
    finish (visit);
}

/* Whoever waits asks again within a window: those who have their answer and do not take it count for one more. */
static void
count_crowd (struct mantis_service *service)
{
  int64_t now = mantis_monotonic () / 1000;

  if (now - service->crowd_since > CROWD_MS) {
    service->crowd_before = service->crowd;
    service->crowd = 0;
    service->crowd_since = now;
  }
  if (service->count > service->crowd)
    service->crowd = service->count;
  service->set.server->crowd =
      service->crowd > service->crowd_before ? service->crowd : service->crowd_before;
}

static uint64_t
submit (struct mantis_service *service, const struct mantis_request *request, bool local,
        mantis_answered answered, void *context)
{
  struct visit *visit = service->draining ? NULL : calloc (1, sizeof *visit);
  uint64_t ticket = ++service->last_ticket;
  int64_t *found = visit ? map_at (&service->tickets, ticket, true) : NULL;

  if (!found) {
    free (visit);
    say_busy (service, request->message, answered, context);
    return ticket;
  }
  *found = (int64_t)(intptr_t)visit;
  visit->task = (struct task){.work = visit_work, .done.run = visit_done};
  visit->service = service;
  visit->request = request;
  visit->answered = answered;
  visit->context = context;
  visit->ticket = ticket;
  visit->local = local;
  visit->round = service->round;
  visit->generation = service->position.generation;
  visit->filters = service->filters;
  if (local) /* who may open the control socket may do everything */
    visit->principal = (struct mantis_principal){
        .size = sizeof visit->principal, .subject = "mantisctl", .claims = "{}", .local = true};
  service->count++;
  count_crowd (service);
  evtimer_assign (&visit->timer, service->base, on_deadline, visit);
  start (visit);
  return ticket;
}

uint64_t
mantis_service_submit (struct mantis_service *service, const struct mantis_request *request,
                       mantis_answered answered, void *context)
{
  return submit (service, request, false, answered, context);
}

uint64_t
service_submit_local (struct mantis_service *service, const struct mantis_request *request,
                      mantis_answered answered, void *context)
{
  return submit (service, request, true, answered, context);
}

void
mantis_service_cancel (struct mantis_service *service, uint64_t ticket)
{
  int64_t *found = map_at (&service->tickets, ticket, false);
  struct visit *visit = found ? (struct visit *)(intptr_t)*found : NULL;

  if (!visit)
    return;
  visit->cancelled = true;
  if (visit->stage == STAGE_WORK)
    return; /* the worker brings it back */
  event_del (&visit->timer);
  leave (visit);
  finish (visit);
}

const struct mantis_transport *
mantis_service_taker (struct mantis_service *service, const char *protocol, void **self)
{
  for (struct instance **taker = service->set.takers; taker && *taker; taker++)
    if (strcmp ((*taker)->plugin->name, protocol) == 0) {
      *self = (*taker)->self;
      return (*taker)->ops;
    }
  return NULL;
}

/* ---- News -------------------------------------------------------------------------------------
 */

static void
wake_all (struct mantis_service *service)
{
  service->news++;
  while (service->parked)
    wake (service->parked);
  feed_lane (service);
}

void
service_news (struct mantis_service *service, const struct position *position, bool renewed)
{
  struct position *known = &service->position;

  if (position->access != known->access && position->access) {
    known->access = position->access;
    service_recheck (service);
  }
  if (renewed)
    *known = *position;
  else if (!position_is_news (known, position))
    return;
  if (position->head > known->head)
    known->head = position->head;
  if (position->generation > known->generation)
    known->generation = position->generation;
  wake_all (service);
}

/* Whose server lost its database may have another one to ask. */
void
service_lost (struct mantis_service *service)
{
  wake_all (service);
}

void
service_recheck (struct mantis_service *service)
{
  service->round++;
  attending_recheck (service->attending);
  wake_all (service);
}

void
service_refilter (struct mantis_service *service)
{
  service->filters++;
  for (struct visit *visit = service->parked; visit; visit = visit->next)
    look_anew (visit);
  for (struct visit *visit = service->queued; visit; visit = visit->next)
    look_anew (visit);
  wake_all (service);
}

uint64_t
mantis_service_attend (struct mantis_service *service, const struct mantis_attendance *attendance)
{
  return attending_add (service->attending, attendance);
}

void
mantis_service_depart (struct mantis_service *service, uint64_t ticket)
{
  attending_remove (service->attending, ticket);
}

/* ---- Life -------------------------------------------------------------------------------------
 */

enum mantis_status
service_new (const struct service_settings *settings, struct event_base *base,
             struct mantis_service **service, struct mantis_error *error)
{
  struct mantis_service *made = calloc (1, sizeof *made);

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left for the server");
  made->set = *settings;
  made->round = 1;
  made->base = base;
  made->queued_end = &made->queued;
  made->attending = attending_new (&made->set, base);
  made->thinking = thinking_new (made);
  if (!made->attending || !made->thinking) {
    service_free (made);
    return mantis_fail (error, MANTIS_FAILED, "no memory left for the server");
  }
  *service = made;
  return MANTIS_OK;
}

void
service_stop (struct mantis_service *service)
{
  if (service)
    thinking_stop (service->thinking);
}

void
service_free (struct mantis_service *service)
{
  if (!service)
    return;
  thinking_free (service->thinking);
  map_free (&service->tickets);
  attending_free (service->attending);
  free (service);
}

static void
finish_asking (struct visit *visit)
{
  event_del (&visit->timer);
  leave (visit);
  finish (visit);
}

void
service_drain (struct mantis_service *service, void (*empty) (void *context), void *context)
{
  service->draining = true;
  service->empty = empty;
  service->empty_context = context;
  while (service->asking) /* nothing was made: who sent it sends it again, to the next of us */
    finish_asking (service->asking);
  wake_all (service);
  if (service->count == 0)
    empty (context);
}
