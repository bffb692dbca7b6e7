/* rest_stub.c - the rest transport before a core that knows JSON and nothing else.
 *
 * For tools that try HTTP servers from outside.  Prints its address, serves until it is ended.  A
 * body that is JSON is answered 200, any other 400; "pull" waits as long as its body says: {"wait":
 * 5}.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/transport.h>

#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rest_options.h"

struct waiting {
  struct event *timer;
  struct mantis_answer answer;
  mantis_answered answered;
  void *context;
};

extern const struct mantis_plugin rest_plugin;

struct mantis_service {
  struct event_base *base;
};

static void
on_waited (evutil_socket_t fd, short what, void *context)
{
  struct waiting *waiting = context;

  (void)fd, (void)what;
  waiting->answered (waiting->context, &waiting->answer);
  event_free (waiting->timer);
  free (waiting);
}

static uint64_t
answer_after (struct mantis_service *service, double seconds, const struct mantis_answer *answer,
              mantis_answered answered, void *context)
{
  struct waiting *waiting = calloc (1, sizeof *waiting);
  struct timeval delay = {.tv_sec = (time_t)seconds};

  if (!waiting)
    abort ();
  *waiting = (struct waiting){.answer = *answer, .answered = answered, .context = context};
  waiting->timer = evtimer_new (service->base, on_waited, waiting);
  event_add (waiting->timer, &delay);
  return (uint64_t)(uintptr_t)waiting;
}

uint64_t
mantis_service_submit (struct mantis_service *service, const struct mantis_request *request,
                       mantis_answered answered, void *context)
{
  struct mantis_answer answer = {.size = sizeof answer, .status = 200, .type = "application/json"};
  json_t *body = NULL;
  double wait;

  if (!memchr (request->body, '\0', request->length)) /* jansson takes one for the end */
    body = json_loadb (request->body, request->length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
  wait = json_number_value (json_object_get (body, "wait"));
  if (!body && strcmp (request->message, "push") != 0 && request->length == 0)
    body = json_object (); /* what is read with GET has none */
  answer.body = body ? "{}" : "{\"type\":\"about:blank\",\"status\":400}";
  answer.length = strlen (answer.body);
  if (!body) {
    answer.status = 400;
    answer.type = "application/problem+json";
  }
  json_decref (body);
  if (wait > 0)
    return answer_after (service, wait, &answer, answered, context);
  answered (context, &answer);
  return 1;
}

void
mantis_service_cancel (struct mantis_service *service, uint64_t ticket)
{
  struct waiting *waiting = (struct waiting *)(uintptr_t)ticket;

  (void)service;
  event_active (waiting->timer, EV_TIMEOUT, 1);
}

static void
on_signal (evutil_socket_t fd, short what, void *context)
{
  (void)fd, (void)what;
  event_base_loopbreak (context);
}

int
main (int argc, char **argv)
{
  const struct mantis_transport *ops = rest_plugin.ops;
  struct mantis_service service = {.base = event_base_new ()};
  struct event *end = evsignal_new (service.base, SIGTERM, on_signal, service.base);
  struct mantis_listener *listener;
  struct mantis_error error;
  void *self = options_new (&rest_plugin);

  signal (SIGPIPE, SIG_IGN);
  event_add (end, NULL);
  for (int i = 1; i + 1 < argc; i += 2)
    option_set (&rest_plugin, self, argv[i], argv[i + 1]);
  if (ops->listen (self, service.base, &service, &listener, &error) != MANTIS_OK) {
    fprintf (stderr, "%s\n", error.text);
    return 1;
  }
  printf ("%s\n", ops->address (listener));
  fflush (stdout);
  event_base_dispatch (service.base);
  ops->close (listener);
  event_free (end);
  event_base_free (service.base);
  free (self);
  return 0;
}
