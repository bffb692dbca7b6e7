/* conn.c - a connection's life: TLS, header, body, wait for the core, write; again, or close.
 *
 * One request at a time: while it is answered nothing more is read than a small buffer holds, so
 * that a peer that sends faster than it is served, or does not take its answers, fills its own
 * memory and not ours.  Each state has a deadline.
 *
 * A connection whose peer has gone stays until the core has answered what it was given.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum stage {
  STAGE_SHAKE, /* TLS is not there yet */
  STAGE_HEAD,  /* between requests, or in a header */
  STAGE_BODY,  /* the header was good, the body is coming */
  STAGE_WAIT,  /* the core has the request */
  STAGE_WRITE, /* the peer takes the answer */
  STAGE_GUEST, /* another transport has the connection */
  STAGE_LINGER /* closed for writing: what still comes is thrown away, so that the answer is not */
};

enum { LINGER_MILLISECONDS = 2000, PIPELINE_ROOM = 4096 };
static const size_t ALL = SIZE_MAX; /* of what comes is read */

struct conn {
  struct mantis_listener *listener;
  struct conn *next, **link;
  struct conn *next_idle, **idle; /* kept for another request; NULL: it is not */
  struct bufferevent *bev;        /* NULL: the peer has gone */
  struct event timer;
  enum stage stage;
  struct guard guard;
  struct request *request;              /* NULL between requests */
  uint64_t ticket;                      /* 0 while the core does not have the request */
  int64_t began;                        /* the stage, in microseconds of mantis_monotonic() */
  uint64_t last_progress;               /* request->received when the timer was set */
  bool eof;                             /* the peer sends no more */
  bool close;                           /* after the present answer */
  bool cancelled;                       /* the core knows that the peer has gone */
  bool submitting, answered;            /* the core may answer before submit() returns */
  bool written;                         /* the answer is in the output buffer */
  bool upgrade;                         /* ... and it changes the protocol */
  int64_t expires;                      /* then: the credentials that it was for */
  const struct mantis_transport *taker; /* at STAGE_GUEST; BEV is NULL then */
  struct mantis_guest *guest;
  bool turn_away; /* there are too many */
  size_t room;    /* when so much lies there unread, no more is read */
  char *subject;  /* of the peer's certificate; NULL: none */
  int64_t subject_expires;
  char peer[INET6_ADDRSTRLEN];
};

/* ---- Kept for another request ---------------------------------------------------------------- */

static void
idle_begin (struct conn *conn)
{
  conn->next_idle = NULL;
  conn->idle = conn->listener->idle_end;
  *conn->idle = conn;
  conn->listener->idle_end = &conn->next_idle;
}

static void
idle_end (struct conn *conn)
{
  if (!conn->idle)
    return;
  *conn->idle = conn->next_idle;
  if (conn->next_idle)
    conn->next_idle->idle = conn->idle;
  else
    conn->listener->idle_end = conn->idle;
  conn->idle = NULL;
}

/* ---- End ------------------------------------------------------------------------------------- */

static void
conn_free (struct conn *conn)
{
  struct mantis_listener *listener = conn->listener;

  idle_end (conn);
  *conn->link = conn->next;
  if (conn->next)
    conn->next->link = conn->link;
  listener->count--;
  event_del (&conn->timer);
  if (conn->bev)
    bufferevent_free (conn->bev);
  request_free (conn->request);
  free (conn->subject);
  free (conn);
  server_release (listener);
}

/* The peer has gone, or sends no more and so will not wait for long. */
static void
cancel (struct conn *conn)
{
  uint64_t ticket = conn->ticket;

  if (!ticket || conn->cancelled)
    return;
  conn->cancelled = true;
  mantis_service_cancel (conn->listener->service, ticket);
}

/* Hang up.  While the core has the request only the socket goes, and the rest with the answer. */
static void
conn_close (struct conn *conn)
{
  if (!conn->ticket && !conn->submitting) {
    conn_free (conn);
    return;
  }
  event_del (&conn->timer);
  if (conn->bev)
    bufferevent_free (conn->bev);
  conn->bev = NULL;
  cancel (conn);
}

/* ---- Stages ---------------------------------------------------------------------------------- */

static void
set_timer (struct conn *conn, int64_t milliseconds)
{
  struct timeval after = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};

  event_add (&conn->timer, &after);
}

/* Not by a watermark: beneath TLS that would leave bytes behind of which no socket tells. */
static void
mind_room (struct conn *conn)
{
  if (!conn->eof && evbuffer_get_length (bufferevent_get_input (conn->bev)) < conn->room)
    bufferevent_enable (conn->bev, EV_READ);
  else
    bufferevent_disable (conn->bev, EV_READ);
}

static void
enter (struct conn *conn, enum stage stage, size_t room, int64_t milliseconds)
{
  idle_end (conn);
  conn->stage = stage;
  conn->began = mantis_monotonic ();
  conn->last_progress = 0;
  conn->room = room;
  mind_room (conn);
  if (milliseconds)
    set_timer (conn, milliseconds);
  else
    event_del (&conn->timer);
}

static void
enter_head (struct conn *conn)
{
  const struct rest *rest = conn->listener->rest;

  memset (&conn->guard, 0, sizeof conn->guard);
  enter (conn, STAGE_HEAD, ALL, rest->idle_timeout);
}

static void
enter_linger (struct conn *conn)
{
  tls_goodbye (conn->bev);
  shutdown (bufferevent_getfd (conn->bev), SHUT_WR);
  enter (conn, STAGE_LINGER, ALL, LINGER_MILLISECONDS);
}

/* ---- Answers --------------------------------------------------------------------------------- */

static struct manner
manner_of (struct conn *conn)
{
  const struct request *request = conn->request;

  conn->close |= conn->listener->draining || !request || request->close;
  return (struct manner){.close = conn->close,
                         .head_only = request && request->head_only,
                         .gzip = request && request->takes_gzip,
                         .origin = request && request->listed ? request->origin : NULL};
}

static void
enter_write (struct conn *conn, bool written)
{
  const struct rest *rest = conn->listener->rest;
  struct evbuffer *input = bufferevent_get_input (conn->bev);
  size_t length = evbuffer_get_length (bufferevent_get_output (conn->bev));

  request_free (conn->request);
  conn->request = NULL;
  if (!written) { /* no memory for an answer: better none than half of one */
    conn_close (conn);
    return;
  }
  if (conn->close) /* nobody will read it, and a full buffer would stop us from seeing the end */
    evbuffer_drain (input, evbuffer_get_length (input));
  enter (conn, STAGE_WRITE, conn->close ? ALL : PIPELINE_ROOM,
         rest->body_timeout + (int64_t)(length / SLOWEST) * 1000);
}

/* The transport's own word.  What is left of the request is not read as another one. */
static void
conn_refuse (struct conn *conn, const struct refusal *refusal)
{
  struct manner manner = manner_of (conn);

  if (refusal->status == 204 || refusal->status == 405)
    manner.allow = refusal->allow;
  manner.fields = refusal->fields;
  mantis_log (MANTIS_DEBUG, "rest: %s: %d %s", conn->peer, refusal->status,
              refusal->detail ? refusal->detail : "");
  enter_write (conn, response_refuse (bufferevent_get_output (conn->bev), refusal, &manner));
}

static void hand_over (struct conn *conn);

static void
finish_answer (struct conn *conn)
{
  if (!conn->bev || conn->listener->closed)
    conn_free (conn);
  else if (conn->upgrade && conn->written)
    hand_over (conn);
  else
    enter_write (conn, conn->written);
}

static void
on_answered (void *context, const struct mantis_answer *answer)
{
  struct conn *conn = context;

  conn->ticket = 0;
  conn->answered = true;
  if (conn->bev && !conn->listener->closed) {
    conn->close |=
        answer->hang_up || answer->elsewhere; /* a balancer chooses when it is made anew */
    struct manner manner = manner_of (conn);
    if (answer->size > offsetof (struct mantis_answer, prepared) && answer->prepared)
      manner.packed = conn->request->packed;
    mantis_log (MANTIS_DEBUG, "rest: %s: %s %d, %zu bytes", conn->peer,
                conn->request->message.message, answer->status, answer->length);
    conn->upgrade = conn->request->taker && answer->status == 200;
    conn->expires = answer->expires;
    conn->written = conn->upgrade
                        ? upgrade_write (bufferevent_get_output (conn->bev), conn->request)
                        : response_write (bufferevent_get_output (conn->bev), answer, &manner);
  }
  if (!conn->submitting)
    finish_answer (conn);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static void
submit (struct conn *conn)
{
  struct request *request = conn->request;
  uint64_t ticket;

  request->message = (struct mantis_request){
      .size = sizeof request->message,
      .message = request->route->message,
      .argument = request->argument,
      .node = request->node,
      .epoch = request->epoch,
      .revisions = request->revisions,
      .credentials = {.size = sizeof request->message.credentials,
                      .bearer = request->bearer,
                      .cookie = request->cookie,
                      .peer = request->caller ? request->caller : conn->peer,
                      .certificate_subject = request->certificate_subject},
      .body = request->body.bytes ? request->body.bytes : "",
      .length = request->body.length,
      .prepare = request->takes_gzip && !request->head_only ? response_prepare : NULL,
  };
  request_lighten (request);
  enter (conn, STAGE_WAIT, PIPELINE_ROOM, 0);
  conn->answered = false;
  conn->submitting = true;
  ticket = mantis_service_submit (conn->listener->service, &request->message, on_answered, conn);
  conn->submitting = false;
  if (conn->answered) {
    finish_answer (conn);
    return;
  }
  conn->ticket = ticket;
  conn->cancelled = false;
  if (conn->eof)
    cancel (conn);
}

/* The next piece of the body.  True: come again at once. */
static bool
read_body (struct conn *conn)
{
  struct evbuffer *input = bufferevent_get_input (conn->bev);
  size_t length = evbuffer_get_contiguous_space (input), used;
  const char *bytes = length ? (const char *)evbuffer_pullup (input, (ev_ssize_t)length) : "";
  struct refusal refusal = {.status = 0};

  if (!request_feed (conn->request, bytes, length, &used, &refusal)) {
    conn_refuse (conn, &refusal);
    return false;
  }
  evbuffer_drain (input, used);
  if (conn->request->complete) {
    if (upgrade_is (conn->request->route) &&
        !upgrade_weigh (conn->request, conn->listener->service, &refusal))
      conn_refuse (conn, &refusal);
    else
      submit (conn);
    return false;
  }
  if (evbuffer_get_length (input))
    return true;
  if (conn->eof)
    conn_close (conn);
  return false;
}

static bool
begin_request (struct conn *conn, const char *bytes, size_t length)
{
  const struct rest *rest = conn->listener->rest;
  struct evbuffer *input = bufferevent_get_input (conn->bev);
  struct refusal refusal = {.status = 0};
  bool good;

  if (!(conn->request = calloc (1, sizeof *conn->request + length + 1))) {
    conn_close (conn);
    return false;
  }
  conn->request->body.budget = &conn->listener->budget;
  if (conn->subject && mantis_now () < conn->subject_expires)
    conn->request->certificate_subject = conn->subject;
  good = request_parse (conn->request, bytes, length, rest, &refusal);
  evbuffer_drain (input, conn->guard.at);
  if (!good) {
    conn_refuse (conn, &refusal);
    return false;
  }
  conn->request->caller = forward_caller (conn->request, rest, conn->peer);
  if (conn->request->expects && evbuffer_get_length (input) == 0)
    bufferevent_write (conn->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
  enter (conn, STAGE_BODY, ALL,
         rest->header_timeout < rest->body_timeout ? rest->header_timeout : rest->body_timeout);
  return true;
}

/* The header as far as it is there.  True: its body comes next. */
static bool
read_head (struct conn *conn)
{
  struct evbuffer *input = bufferevent_get_input (conn->bev);
  size_t length = evbuffer_get_length (input);
  size_t limit = (size_t)conn->listener->rest->max_header_bytes;
  size_t seen = length < limit ? length : limit;
  const char *bytes = seen ? (const char *)evbuffer_pullup (input, (ev_ssize_t)seen) : NULL;
  struct guard *guard = &conn->guard;
  bool first = guard->at == 0;
  struct refusal refusal = {.status = 400};

  if (length)
    idle_end (conn);
  switch (bytes ? guard_head (guard, bytes, seen) : GUARD_MORE) {
  case GUARD_DONE:
    return begin_request (conn, bytes + guard->start, guard->at - guard->start);
  case GUARD_BAD:
    refusal.detail = guard->why;
    break;
  case GUARD_MORE:
    if (length < limit) {
      if (conn->eof)
        conn_close (conn);
      else if (first && length)
        set_timer (conn, conn->listener->rest->header_timeout);
      return false;
    }
    refusal.status = guard->line == guard->start ? 414 : 431;
    refusal.detail = "the header is larger than max_header_bytes of this server";
  }
  conn_refuse (conn, &refusal);
  return false;
}

/* Do what can be done with the bytes that are there. */
static void
conn_run (struct conn *conn)
{
  if (conn->stage == STAGE_HEAD && !read_head (conn))
    return;
  while (read_body (conn))
    ;
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void
on_read (struct bufferevent *bev, void *context)
{
  struct conn *conn = context;
  struct evbuffer *input = bufferevent_get_input (bev);

  if (conn->stage == STAGE_HEAD || conn->stage == STAGE_BODY)
    conn_run (conn);
  else if (conn->stage == STAGE_LINGER || (conn->stage == STAGE_WRITE && conn->close))
    evbuffer_drain (input, evbuffer_get_length (input));
  else
    mind_room (conn);
}

static void
on_write (struct bufferevent *bev, void *context)
{
  struct conn *conn = context;

  if (conn->stage != STAGE_WRITE || evbuffer_get_length (bufferevent_get_output (bev)))
    return;
  if (conn->close && conn->eof)
    conn_close (conn);
  else if (conn->close)
    enter_linger (conn);
  else {
    enter_head (conn);
    idle_begin (conn);
    conn_run (conn);
  }
}

static void on_event (struct bufferevent *bev, short what, void *context);

/* The first request, for which the peer has the time of a header. */
static void
begin (struct conn *conn)
{
  enter_head (conn);
  set_timer (conn, conn->listener->rest->header_timeout);
  if (conn->turn_away)
    conn_refuse (conn, &(struct refusal){.status = 503, .detail = "too many connections"});
}

/* The peer can read why only if we take what it has sent meanwhile. */
static void
shake_failed (struct conn *conn)
{
  char why[200];
  bool known = tls_failure (conn->bev, why, sizeof why);

  mantis_log (known ? MANTIS_INFO : MANTIS_DEBUG, "rest: no TLS with %s: %s", conn->peer, why);
  conn->bev = tls_strip (conn->bev, conn->listener->base);
  if (!conn->bev) {
    conn_close (conn);
    return;
  }
  conn->close = true;
  bufferevent_setcb (conn->bev, on_read, NULL, on_event, conn);
  enter_linger (conn);
}

/* Bytes may lie ahead of the end of which TLS tells first: they are looked at, then it. */
static void
on_end (struct conn *conn)
{
  conn->eof = true;
  if (conn->stage == STAGE_WAIT)
    cancel (conn);
  else if (conn->stage == STAGE_HEAD || conn->stage == STAGE_BODY)
    bufferevent_trigger (conn->bev, EV_READ, BEV_OPT_DEFER_CALLBACKS);
  else if (conn->stage == STAGE_LINGER)
    conn_close (conn);
}

static void
on_event (struct bufferevent *bev, short what, void *context)
{
  struct conn *conn = context;

  if (what & BEV_EVENT_CONNECTED) {
    conn->subject = tls_subject (bev, &conn->subject_expires);
    begin (conn);
  } else if (conn->stage == STAGE_SHAKE && !(what & BEV_EVENT_TIMEOUT))
    shake_failed (conn);
  else if (what & BEV_EVENT_EOF)
    on_end (conn);
  else
    conn_close (conn);
}

/* ---- Another transport has the connection ----------------------------------------------------- */

static void
on_left (void *context, struct bufferevent *connection)
{
  struct conn *conn = context;

  conn->guest = NULL;
  if (!(conn->bev = connection)) {
    conn_free (conn);
    return;
  }
  conn->close = true;
  bufferevent_setcb (conn->bev, on_read, on_write, on_event, conn);
  if (evbuffer_get_length (bufferevent_get_output (conn->bev)))
    enter_write (conn, true);
  else
    enter_linger (conn);
}

static void
hand_over (struct conn *conn)
{
  const struct request *request = conn->request;
  const struct mantis_credentials *credentials = &request->message.credentials;
  struct mantis_handover handover = {.size = sizeof handover,
                                     .base = conn->listener->base,
                                     .service = conn->listener->service,
                                     .connection = conn->bev,
                                     .credentials = credentials,
                                     .node = request->node,
                                     .expires = conn->expires,
                                     .left = on_left,
                                     .context = conn,
                                     .memo = request->verdict.memo,
                                     .limit = conn->listener->rest->max_body_bytes,
                                     .plain = !conn->listener->tls};

  if (credentials->certificate_subject &&
      (!handover.expires || conn->subject_expires < handover.expires))
    handover.expires = conn->subject_expires;
  event_del (&conn->timer);
  conn->taker = request->taker;
  if (!(conn->guest = conn->taker->adopt (request->taker_self, &handover))) {
    conn_close (conn);
    return;
  }
  conn->stage = STAGE_GUEST;
  conn->bev = NULL;
  request_free (conn->request);
  conn->request = NULL;
  if (conn->listener->draining)
    conn->taker->dismiss (conn->guest, false);
}

/* ---- Time ------------------------------------------------------------------------------------- */

static void
on_body_timer (struct conn *conn)
{
  const struct rest *rest = conn->listener->rest;
  uint64_t received = conn->request->received;
  int64_t spent = (mantis_monotonic () - conn->began) / 1000;
  int64_t left = rest->body_timeout + (int64_t)(received / SLOWEST) * 1000 - spent;

  if (left <= 0 || received - conn->last_progress < LEAST_PROGRESS) {
    conn->request->close = true;
    conn_refuse (conn, &(struct refusal){.status = 408, .detail = "the body came too slowly"});
    return;
  }
  conn->last_progress = received;
  set_timer (conn, left < rest->header_timeout ? left : rest->header_timeout);
}

static void
on_timer (evutil_socket_t fd, short what, void *context)
{
  struct conn *conn = context;

  (void)fd, (void)what;
  if (conn->stage == STAGE_BODY)
    on_body_timer (conn);
  else if (conn->stage == STAGE_HEAD && conn->guard.at)
    conn_refuse (conn, &(struct refusal){.status = 408, .detail = "the header came too slowly"});
  else {
    tls_goodbye (conn->bev);
    conn_close (conn);
  }
}

/* ---- Begin ----------------------------------------------------------------------------------- */

static void
link_conn (struct conn *conn, struct mantis_listener *listener)
{
  conn->listener = listener;
  conn->next = listener->conns;
  conn->link = &listener->conns;
  if (conn->next)
    conn->next->link = &conn->next;
  listener->conns = conn;
  listener->count++;
  listener->references++;
}

void
conn_open (struct mantis_listener *listener, evutil_socket_t fd, const struct sockaddr *address,
           bool turn_away)
{
  const struct rest *rest = listener->rest;
  struct timeval write_timeout = {.tv_sec = rest->write_timeout / 1000,
                                  .tv_usec = rest->write_timeout % 1000 * 1000};
  struct conn *conn = calloc (1, sizeof *conn);
  int on = 1;

  if (conn && listener->tls)
    conn->bev = tls_accept (listener->tls, listener->base, fd);
  else if (conn)
    conn->bev = bufferevent_socket_new (listener->base, fd, BEV_OPT_CLOSE_ON_FREE);
  if (!conn || !conn->bev) {
    free (conn);
    evutil_closesocket (fd);
    return;
  }
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  address_text (address, conn->peer, sizeof conn->peer, false);
  link_conn (conn, listener);
  evtimer_assign (&conn->timer, listener->base, on_timer, conn);
  bufferevent_setcb (conn->bev, on_read, on_write, on_event, conn);
  bufferevent_set_timeouts (conn->bev, NULL, &write_timeout);
  bufferevent_set_max_single_read (conn->bev, READ_AT_ONCE);
  conn->turn_away = turn_away;
  bufferevent_enable (conn->bev, EV_READ | EV_WRITE);
  if (listener->tls)
    enter (conn, STAGE_SHAKE, ALL, rest->header_timeout);
  else
    begin (conn);
}

struct conn *
conn_next (struct conn *conn)
{
  return conn->next;
}

bool
conn_yield (struct mantis_listener *listener)
{
  struct conn *oldest = listener->idle;

  if (!oldest)
    return false;
  tls_goodbye (oldest->bev);
  conn_close (oldest);
  return true;
}

/* Idle ones go, the others finish what they have in hand. */
void
conn_drain (struct conn *conn)
{
  if (conn->guest)
    conn->taker->dismiss (conn->guest, false);
  else if (conn->stage == STAGE_SHAKE || (conn->stage == STAGE_HEAD && conn->guard.at == 0)) {
    tls_goodbye (conn->bev);
    conn_close (conn);
  }
}

void
conn_abandon (struct conn *conn)
{
  if (conn->guest)
    conn->taker->dismiss (conn->guest, true);
  else
    conn_close (conn);
}
