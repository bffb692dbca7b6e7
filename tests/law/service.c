/* service.c - a core for transports, in the place of libmantis's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct core core;
struct event_base *base;
static struct event *soon;

static void
answer_all (evutil_socket_t fd, short what, void *context)
{
  (void)fd, (void)what, (void)context;
  for (size_t i = 0; i < core.count; i++)
    core_answer (i);
}

void
core_start (void)
{
  core = (struct core){.status = 200, .type = "application/json"};
  if (!(base = event_base_new ()) || !(soon = event_new (base, -1, 0, answer_all, NULL)))
    skip ("no event loop on this machine");
}

void
core_answer (size_t index)
{
  struct call *call = &core.calls[index];
  mantis_answered answered = call->answered;
  const struct mantis_answer answer = {.size = sizeof answer,
                                       .status = core.status,
                                       .type = core.type,
                                       .body = core.body ? core.body : call->body,
                                       .length = core.body ? strlen (core.body) : call->length,
                                       .retry_after = core.retry_after};

  call->answered = NULL;
  if (answered)
    answered (call->context, &answer);
}

static void
keep (char *room, size_t size, const char *text)
{
  snprintf (room, size, "%s", text ? text : "");
}

uint64_t
mantis_service_submit (struct mantis_service *service, const struct mantis_request *request,
                       mantis_answered answered, void *context)
{
  static const struct mantis_answer welcome = {.size = sizeof welcome, .status = 200, .body = ""};
  struct call *call = &core.calls[core.count];

  if (core.taker && strcmp (request->message, "connect") == 0) { /* asked by --listener */
    answered (context, &welcome);
    return UINT64_MAX;
  }
  if (service != SERVICE)
    broken ("mantis_service_submit() is given another service than listen() was");
  if (core.count == MOST_CALLS)
    broken ("more than %d requests have arrived", MOST_CALLS);
  core.count++;
  call->answered = answered;
  call->context = context;
  keep (call->message, sizeof call->message, request->message);
  keep (call->node, sizeof call->node, request->node);
  keep (call->epoch, sizeof call->epoch, request->epoch);
  keep (call->revisions, sizeof call->revisions, request->revisions);
  keep (call->bearer, sizeof call->bearer, request->credentials.bearer);
  if (!request->body || !(call->body = malloc (request->length + 1)))
    broken ("a request has no body: \"\" stands for none");
  memcpy (call->body, request->body, request->length);
  call->body[call->length = request->length] = '\0';
  if (!request->credentials.peer)
    broken ("a request does not say who its peer is");
  if (core.play == AT_ONCE)
    core_answer (core.count - 1);
  else if (core.play == SOON)
    event_active (soon, EV_TIMEOUT, 1);
  return core.count;
}

/* The core may answer within this, or later: it does both by turns. */
void
mantis_service_cancel (struct mantis_service *service, uint64_t ticket)
{
  struct call *call = ticket >= 1 && ticket <= core.count ? &core.calls[ticket - 1] : NULL;

  if (service != SERVICE || !call)
    broken ("mantis_service_cancel() is given a ticket that nobody got");
  if (call->cancelled)
    broken ("mantis_service_cancel() is called twice for one request");
  call->cancelled = true;
  if (core.cancelled++ % 2)
    core_answer (ticket - 1);
  else
    event_active (soon, EV_TIMEOUT, 1);
}

uint64_t
mantis_service_attend (struct mantis_service *service, const struct mantis_attendance *attendance)
{
  (void)service, (void)attendance;
  return 1;
}

void
mantis_service_depart (struct mantis_service *service, uint64_t ticket)
{
  (void)service, (void)ticket;
}

const struct mantis_transport *
mantis_service_taker (struct mantis_service *service, const char *protocol, void **self)
{
  (void)service;
  *self = core.taker;
  return core.taker && strcmp (protocol, plugin->name) == 0 ? plugin->ops : NULL;
}

void
turn (void)
{
  const struct timeval moment = {.tv_usec = 20000};

  event_base_loopexit (base, &moment);
  event_base_loop (base, 0);
}

void
turn_until (bool (*holds) (void), const char *what)
{
  doing ("%s", what);
  while (!holds ()) /* the time limit of the law ends it */
    if (event_base_loop (base, EVLOOP_ONCE) == 1)
      turn (); /* nothing is waited for */
}
