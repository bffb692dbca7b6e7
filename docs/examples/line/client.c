/* client.c - the side that calls: one connection for each link, made when there is something to be sent.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "line.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mantis_link {
  const struct line *line;
  struct event_base *base;
  struct sockaddr_un address;
  struct bufferevent *connection; /* NULL: there is none */
  struct sent *waiting;
  uint64_t number;
};

struct sent {
  struct sent *next;
  struct mantis_link *link;
  uint64_t number;
  struct event *late;
  mantis_answered answered;
  void *context;
};

/* ---- Answers ---- */

/* Take SENT out of the list, and answer it: once for each. */
static void
settle (struct sent *sent, const struct mantis_answer *answer)
{
  struct sent **at = &sent->link->waiting;
  mantis_answered answered = sent->answered;
  void *context = sent->context;

  while (*at != sent)
    at = &(*at)->next;
  *at = sent->next;
  if (sent->late)
    event_free (sent->late);
  free (sent);
  answered (context, answer);
}

static void
give_up (struct sent *sent, const char *why)
{
  const struct mantis_answer answer = { .size = sizeof answer, .body = "", .error = why };

  settle (sent, &answer);
}

/* Who is told may send again, or interrupt: the list is looked at anew each time, and what is new on it stays. */
static void
give_up_all (struct mantis_link *link, const char *why)
{
  uint64_t newest = link->number;
  struct sent *sent;

  if (link->connection)
    bufferevent_free (link->connection);
  link->connection = NULL;
  do {
    for (sent = link->waiting; sent && sent->number > newest;)
      sent = sent->next;
    if (sent)
      give_up (sent, why);
  } while (sent);
}

static void
on_late (evutil_socket_t fd, short what, void *context)
{
  (void) fd, (void) what;
  give_up (context, "the server did not answer in time");
}

static void
take_answer (struct mantis_link *link, const struct frame *frame)
{
  const char *retry_after = frame_fact (frame, "retry-after"), *type = frame_fact (frame, "type");
  const struct mantis_answer answer = { .size = sizeof answer,
                                        .status = atoi (frame->word),
                                        .type = type ? type : "application/json",
                                        .body = frame->body,
                                        .length = frame->length,
                                        .retry_after = retry_after ? atoll (retry_after) : 0 };

  for (struct sent *sent = link->waiting; sent; sent = sent->next)
    if (sent->number == frame->number) { /* else it comes too late */
      settle (sent, &answer);
      return;
    }
}

static void
on_read (struct bufferevent *connection, void *context)
{
  struct mantis_link *link = context;
  enum frame_state state = FRAME_WHOLE;
  struct frame frame;

  while (link->connection == connection && state == FRAME_WHOLE) {
    state = frame_take (bufferevent_get_input (connection), (size_t) link->line->largest, &frame);
    if (state == FRAME_WHOLE) {
      take_answer (link, &frame);
      frame_free (&frame);
    }
  }
  if (state == FRAME_WRONG)
    give_up_all (link, "what the server answered is no message");
}

static void
on_event (struct bufferevent *connection, short what, void *context)
{
  struct mantis_link *link = context;
  char why[300];

  (void) connection;
  if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
    return;
  snprintf (why, sizeof why, "%s: %s; is the server running?", link->address.sun_path,
            what & BEV_EVENT_EOF ? "the server has closed the connection"
                                 : evutil_socket_error_to_string (EVUTIL_SOCKET_ERROR ()));
  give_up_all (link, why);
}

/* ---- Sending ---- */

enum mantis_status
line_dial (void *self, struct event_base *base, const struct mantis_remote *remote,
           struct mantis_link **made, struct mantis_error *error)
{
  struct mantis_link *link = calloc (1, sizeof *link);
  enum mantis_status status;

  (void) remote; /* the socket is in the options */
  if (!link)
    return mantis_fail (error, MANTIS_FAILED, "no memory for a link");
  link->line = self;
  link->base = base;
  if ((status = line_address (self, &link->address, error)) != MANTIS_OK) {
    free (link);
    return status;
  }
  *made = link;
  return MANTIS_OK;
}

/* That it fails is told later, from the loop: nothing is answered from within send(). */
static bool
connect_to (struct mantis_link *link)
{
  link->connection
      = bufferevent_socket_new (link->base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
  if (!link->connection)
    return false;
  bufferevent_setcb (link->connection, on_read, NULL, on_event, link);
  bufferevent_enable (link->connection, EV_READ | EV_WRITE);
  if (bufferevent_socket_connect (link->connection, (struct sockaddr *) &link->address, sizeof link->address))
    bufferevent_trigger_event (link->connection, BEV_EVENT_ERROR, 0); /* libevent tells nobody of these */
  return true;
}

static void
write_request (struct mantis_link *link, const struct mantis_request *request)
{
  const struct fact facts[] = { { "node", request->node },   { "epoch", request->epoch },
                                { "token", request->token }, { "revisions", request->revisions },
                                { "argument", request->argument }, { NULL, NULL } };

  if (link->connection || connect_to (link))
    frame_put (bufferevent_get_output (link->connection), request->message, link->number, facts,
               request->body, request->length);
}

void
line_send (struct mantis_link *link, const struct mantis_request *request, mantis_answered answered,
           void *context)
{
  struct timeval timeout = { .tv_sec = request->timeout / 1000,
                             .tv_usec = request->timeout % 1000 * 1000 };
  struct sent *sent = calloc (1, sizeof *sent);

  if (!sent) {
    const struct mantis_answer none = { .size = sizeof none, .body = "", .error = "no memory" };
    answered (context, &none);
    return;
  }
  *sent = (struct sent){ .next = link->waiting, .link = link, .number = ++link->number,
                         .answered = answered, .context = context };
  link->waiting = sent;
  if ((sent->late = evtimer_new (link->base, on_late, sent)))
    evtimer_add (sent->late, &timeout);
  write_request (link, request);
}

void
line_interrupt (struct mantis_link *link)
{
  give_up_all (link, "interrupted");
}

void
line_hang_up (struct mantis_link *link)
{
  line_interrupt (link);
  free (link);
}
