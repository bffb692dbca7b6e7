/* rest_rig.h - a world for the transport "rest": a core that the test plays itself, and peers that
 * speak HTTP byte by byte.  All of it on one event loop in one thread, so that a test waits for
 * events.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef REST_RIG_H
#define REST_RIG_H

#include <mantis/transport.h>

#include <check.h>
#include <signal.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "rest_options.h"

extern const struct mantis_plugin rest_plugin;

/* ---- The core -------------------------------------------------------------------------------- */

enum { MOST = 64, MOST_ANSWERS = 256, GUARD_SECONDS = 20 };

enum play { AT_ONCE, SOON, HELD }; /* when the core answers */

struct held {
  mantis_answered answered; /* NULL: answered */
  void *context;
  const struct mantis_request *request;
};

static struct {
  enum play play;
  bool cancel_answers;
  struct mantis_answer answer;
  size_t submitted, cancelled;
  struct held held[MOST];
  struct mantis_request last; /* texts below */
  char message[32], argument[4096], node[64], epoch[64], revisions[64], bearer[64], peer[64];
  char *body;
  size_t length;
  struct event *soon;
} core;

static struct event_base *base;
static void *options;
static struct mantis_listener *listener;
static uint16_t port;

#define OPS ((const struct mantis_transport *)rest_plugin.ops)
#define SERVICE ((struct mantis_service *)&core)

static const char *
keep (char *room, size_t size, const char *text)
{
  snprintf (room, size, "%s", text ? text : "");
  return text ? room : NULL;
}

static inline void
core_answer (size_t index)
{
  struct held held = core.held[index];

  core.held[index].answered = NULL;
  if (held.answered)
    held.answered (held.context, &core.answer);
}

static inline void
core_answer_all (void)
{
  for (size_t i = 0; i < MOST; i++)
    core_answer (i);
}

static void
on_soon (evutil_socket_t fd, short what, void *context)
{
  (void)fd, (void)what, (void)context;
  core_answer_all ();
}

static void
remember (const struct mantis_request *request)
{
  core.last = *request;
  core.last.message = keep (core.message, sizeof core.message, request->message);
  core.last.argument = keep (core.argument, sizeof core.argument, request->argument);
  core.last.node = keep (core.node, sizeof core.node, request->node);
  core.last.epoch = keep (core.epoch, sizeof core.epoch, request->epoch);
  core.last.revisions = keep (core.revisions, sizeof core.revisions, request->revisions);
  core.last.credentials.bearer =
      keep (core.bearer, sizeof core.bearer, request->credentials.bearer);
  core.last.credentials.peer = keep (core.peer, sizeof core.peer, request->credentials.peer);
  core.body = realloc (core.body, request->length + 1);
  memcpy (core.body, request->body, request->length);
  core.body[core.length = request->length] = '\0';
}

uint64_t
mantis_service_submit (struct mantis_service *service, const struct mantis_request *request,
                       mantis_answered answered, void *context)
{
  size_t slot = core.submitted++ % MOST;

  ck_assert_ptr_eq (service, SERVICE);
  remember (request);
  if (core.play == AT_ONCE) {
    answered (context, &core.answer);
    return slot + 1;
  }
  ck_assert_ptr_null (core.held[slot].answered);
  core.held[slot] = (struct held){answered, context, request};
  if (core.play == SOON)
    event_active (core.soon, EV_TIMEOUT, 1);
  return slot + 1;
}

void
mantis_service_cancel (struct mantis_service *service, uint64_t ticket)
{
  ck_assert_ptr_eq (service, SERVICE);
  core.cancelled++;
  if (core.cancel_answers)
    core_answer (ticket - 1);
}

/* No other transport here: tests/daemon/14-ws.sh has one. */
const struct mantis_transport *
mantis_service_taker (struct mantis_service *service, const char *protocol, void **self)
{
  (void)service, (void)protocol, (void)self;
  return NULL;
}

static inline void
core_says (int status, const char *body)
{
  core.answer = (struct mantis_answer){.size = sizeof core.answer,
                                       .status = status,
                                       .type = "application/json",
                                       .body = body,
                                       .length = strlen (body)};
}

/* ---- Time ------------------------------------------------------------------------------------ */

static void
on_guard (evutil_socket_t fd, short what, void *context)
{
  (void)fd, (void)what, (void)context;
  ck_abort_msg ("what was waited for did not happen");
}

/* Run the loop until CONDITION, an expression, holds. */
#define WAIT_FOR(condition)                                                                        \
  do {                                                                                             \
    struct event *guard_ = evtimer_new (base, on_guard, NULL);                                     \
    struct timeval limit_ = {.tv_sec = GUARD_SECONDS};                                             \
    event_add (guard_, &limit_);                                                                   \
    while (!(condition))                                                                           \
      event_base_loop (base, EVLOOP_ONCE);                                                         \
    event_free (guard_);                                                                           \
  } while (0)

/* ---- The world ------------------------------------------------------------------------------- */

static inline void
set_option (const char *name, const char *value)
{
  option_set (&rest_plugin, options, name, value);
}

static void
world_open (void)
{
  struct mantis_error error;

  base = event_base_new ();
  options = options_new (&rest_plugin);
  core.soon = evtimer_new (base, on_soon, NULL);
  core.cancel_answers = true;
  core_says (200, "{}");
  signal (SIGPIPE, SIG_IGN); /* as the core does */
  ck_assert_int_eq (rest_plugin.start (options, &error), MANTIS_OK);
}

static void
world_listen (void)
{
  struct mantis_error error = {.text = ""};

  if (OPS->listen (options, base, SERVICE, &listener, &error) != MANTIS_OK)
    ck_abort_msg ("%s", error.text);
  port = (uint16_t)atoi (strrchr (OPS->address (listener), ':') + 1);
}

static void
world_close (void)
{
  if (listener)
    OPS->close (listener);
  listener = NULL;
  core_answer_all ();
  event_free (core.soon);
  event_base_loop (base, EVLOOP_NONBLOCK);
  event_base_free (base);
  rest_plugin.stop (options);
  free (options);
  free (core.body);
  memset (&core, 0, sizeof core);
}

/* ---- A peer: sends bytes, takes answers apart ------------------------------------------------ */

struct peer {
  struct bufferevent *bev;
  struct mantis_buf got;
  size_t parsed; /* bytes of got that are whole answers */
  size_t count;  /* answers */
  int status[MOST_ANSWERS];
  char head[2048];  /* of the last answer */
  const char *body; /* likewise */
  size_t length;
  bool bodiless; /* we sent HEAD */
  bool closed;
};

static inline const char *
header_of (const struct peer *peer, const char *name)
{
  static char value[512];
  const char *line = peer->head;

  while ((line = strstr (line, "\r\n"))) {
    line += 2;
    if (strncasecmp (line, name, strlen (name)) == 0 && line[strlen (name)] == ':') {
      snprintf (value, sizeof value, "%.*s", (int)strcspn (line + strlen (name) + 2, "\r"),
                line + strlen (name) + 2);
      return value;
    }
  }
  return NULL;
}

static bool
next_answer (struct peer *peer)
{
  const char *from = peer->got.bytes + peer->parsed, *end, *length;
  size_t head, body;

  if (peer->parsed >= peer->got.length || !(end = strstr (from, "\r\n\r\n")))
    return false;
  head = (size_t)(end - from) + 4;
  ck_assert_uint_lt (head, sizeof peer->head);
  snprintf (peer->head, sizeof peer->head, "%.*s", (int)head - 2, from);
  length = header_of (peer, "Content-Length");
  body = length && !peer->bodiless ? (size_t)atoll (length) : 0;
  if (peer->got.length - peer->parsed < head + body)
    return false;
  ck_assert_int_eq (strncmp (from, "HTTP/1.1 ", 9), 0);
  ck_assert_uint_lt (peer->count, MOST_ANSWERS);
  peer->status[peer->count++] = atoi (from + 9);
  peer->body = from + head;
  peer->length = body;
  peer->parsed += head + body;
  return true;
}

static void
peer_read (struct bufferevent *bev, void *context)
{
  struct peer *peer = context;
  struct evbuffer *input = bufferevent_get_input (bev);
  size_t length = evbuffer_get_length (input);

  mantis_buf_add (&peer->got, evbuffer_pullup (input, -1), length);
  evbuffer_drain (input, length);
  while (next_answer (peer))
    ;
}

static void
peer_event (struct bufferevent *bev, short what, void *context)
{
  (void)bev;
  if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
    ((struct peer *)context)->closed = true;
}

static inline struct peer *
peer_open (void)
{
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons (port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
  struct peer *peer = calloc (1, sizeof *peer);

  peer->bev = bufferevent_socket_new (base, -1, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb (peer->bev, peer_read, NULL, peer_event, peer);
  bufferevent_enable (peer->bev, EV_READ | EV_WRITE);
  ck_assert_int_eq (
      bufferevent_socket_connect (peer->bev, (struct sockaddr *)&address, sizeof address), 0);
  return peer;
}

static inline void
peer_send (struct peer *peer, const char *bytes, size_t length)
{
  bufferevent_write (peer->bev, bytes, length);
}

static inline void
peer_say (struct peer *peer, const char *text)
{
  peer_send (peer, text, strlen (text));
}

static inline void
peer_close (struct peer *peer)
{
  bufferevent_free (peer->bev);
  mantis_buf_free (&peer->got);
  free (peer);
}

/* The status of the one answer to BYTES; 0: closed without one. */
static inline int
status_of (struct peer *peer, const char *bytes, size_t length)
{
  size_t before = peer->count;

  peer_send (peer, bytes, length);
  WAIT_FOR (peer->count > before || peer->closed);
  return peer->count > before ? peer->status[peer->count - 1] : 0;
}

/* Likewise, on a connection of its own. */
static inline int
ask (const char *text)
{
  struct peer *peer = peer_open ();
  int status = status_of (peer, text, strlen (text));

  peer_close (peer);
  return status;
}

#define AUTH "Host: h\r\nAuthorization: Bearer t0ken\r\n"
#define POST(fields, body_length, body)                                                            \
  "POST /sync/push HTTP/1.1\r\n" AUTH fields "Content-Length: " #body_length "\r\n\r\n" body
#define GET(path) "GET " path " HTTP/1.1\r\n" AUTH "\r\n"

#endif
