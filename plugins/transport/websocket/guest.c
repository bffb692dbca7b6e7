/* guest.c - a connection's life: from the listener, through pings, to the leave, and back to it.
 *
 * What the peer does not take is bounded: while it waits nothing more is read, and so nothing more
 * is answered than the few messages in hand.  The listener's write timeout ends it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "websocket.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>

enum {
  ROOM_IN = 64 * 1024, /* waits to be read */
  LEAVE_MS = 2000,     /* for the peer's close frame */
  SLOWEST = 4096       /* bytes a second for which a message is given as much time again */
};

/* ---- End ------------------------------------------------------------------------------------- */

static void
guest_free (struct mantis_guest *guest)
{
  frames_free (&guest->frames);
  free ((char *)(uintptr_t)guest->credentials.bearer);
  free ((char *)(uintptr_t)guest->credentials.cookie);
  free ((char *)(uintptr_t)guest->credentials.certificate_subject);
  free ((char *)(uintptr_t)guest->credentials.peer);
  free (guest->node);
  free (guest);
}

/* The connection goes back to the listener, or where GONE nothing of it is left. */
static void
give_back (struct mantis_guest *guest, bool gone)
{
  struct bufferevent *connection = guest->connection;

  guest->connection = NULL;
  event_del (&guest->timer);
  mantis_service_depart (guest->service, guest->attendance);
  bufferevent_setcb (connection, NULL, NULL, NULL, NULL);
  if (gone)
    bufferevent_free (connection);
  guest->busy++;
  call_cancel_all (guest);
  guest->busy--;
  guest->left (guest->context, gone ? NULL : connection);
}

/* ---- Time ------------------------------------------------------------------------------------ */

static int64_t
message_deadline (const struct mantis_guest *guest)
{
  return guest->began + guest->websocket->message_timeout;
}

/* What came fast before is no credit: else a peer could hold its share of the budget for an hour. */
static void
begin_wait (struct mantis_guest *guest)
{
  guest->began = mantis_monotonic () / 1000;
  guest->had = guest->frames.received;
}

static bool
is_too_slow (struct mantis_guest *guest, int64_t now)
{
  uint64_t least = (uint64_t)guest->websocket->message_timeout * SLOWEST / 1000;

  if (!guest->coming || message_deadline (guest) > now)
    return false;
  if (guest->frames.received - guest->had < least)
    return true;
  begin_wait (guest);
  return false;
}

static void
set_timer (struct mantis_guest *guest)
{
  int64_t now = mantis_monotonic () / 1000, after = guest->next_ping - now;
  struct timeval wait;

  if (guest->coming && message_deadline (guest) - now < after)
    after = message_deadline (guest) - now;
  if (guest->expires && guest->expires - mantis_now () < after)
    after = guest->expires - mantis_now ();
  after = after < 0 ? 0 : after + 1;
  wait = (struct timeval){.tv_sec = after / 1000, .tv_usec = after % 1000 * 1000};
  event_add (&guest->timer, &wait);
}

void
guest_leave (struct mantis_guest *guest, uint16_t code, const char *why)
{
  struct timeval wait = {.tv_sec = LEAVE_MS / 1000};

  if (guest->leaving)
    return;
  guest->leaving = true;
  mantis_log (MANTIS_DEBUG, "websocket: %s: %d %s", guest->credentials.peer, code, why);
  frames_close (&guest->frames, code, why);
  event_add (&guest->timer, &wait);
}

/* True: the peer has gone. */
static bool
ping (struct mantis_guest *guest, int64_t now)
{
  guest->next_ping = now + guest->websocket->ping_interval;
  if (frames_are_full (&guest->frames)) /* its pong may wait unread; the write timeout is at work */
    return false;
  if (!guest->frames.heard)
    return true;
  guest->frames.heard = false;
  frames_ping (&guest->frames);
  return false;
}

static void
on_timer (evutil_socket_t fd, short what, void *context)
{
  struct mantis_guest *guest = context;
  int64_t now = mantis_monotonic () / 1000;

  (void)fd, (void)what;
  if (guest->leaving) {
    give_back (guest, false);
    guest_settle (guest);
    return;
  }
  if (guest->expires && guest->expires <= mantis_now ())
    guest_leave (guest, CLOSE_UNAUTHORIZED, "the credentials have expired");
  else if (is_too_slow (guest, now))
    guest_leave (guest, WSLAY_CODE_POLICY_VIOLATION, "the message came too slowly");
  else if (guest->next_ping <= now && ping (guest, now)) {
    mantis_log (MANTIS_DEBUG, "websocket: %s is silent: dropped", guest->credentials.peer);
    give_back (guest, true);
  }
  guest_settle (guest);
}

/* ---- Events ---------------------------------------------------------------------------------- */

/* Not by a watermark: beneath TLS that would leave bytes behind of which no socket tells. */
static void
mind_room (struct mantis_guest *guest)
{
  if (!guest->eof && evbuffer_get_length (bufferevent_get_input (guest->connection)) < ROOM_IN)
    bufferevent_enable (guest->connection, EV_READ);
  else
    bufferevent_disable (guest->connection, EV_READ);
}

void
guest_settle (struct mantis_guest *guest)
{
  if (guest->busy)
    return;
  if (guest->connection && guest->going && !guest->count)
    guest_leave (guest, WSLAY_CODE_GOING_AWAY, "the server stops");
  if (guest->connection) {
    if (guest->frames.failed)
      give_back (guest, true);
    else if (guest->frames.ended || guest->eof)
      give_back (guest, false);
    else {
      mind_room (guest);
      if (!guest->leaving)
        set_timer (guest);
    }
  }
  if (!guest->connection && !guest->count && !guest->busy)
    guest_free (guest);
}

/* What has come, whole. */
static void
on_arrived (void *context, enum wslay_opcode opcode)
{
  struct mantis_guest *guest = context;
  static const struct envelope none;

  if (opcode == WSLAY_TEXT_FRAME || opcode == WSLAY_BINARY_FRAME)
    guest->coming = false;
  if (opcode == WSLAY_TEXT_FRAME)
    call_begin (guest);
  else if (opcode == WSLAY_BINARY_FRAME)
    call_refuse (guest, &none, 400, "a message is a text, not binary");
}

/* Do what can be done with the bytes that are there. */
static void
guest_run (struct mantis_guest *guest)
{
  struct wrong wrong;

  guest->busy++;
  wrong = frames_run (&guest->frames);
  if (wrong.code)
    guest_leave (guest, wrong.code, wrong.why);
  guest->busy--;
  if (guest->frames.coming && !guest->coming)
    begin_wait (guest);
  guest->coming = guest->frames.coming;
  guest_settle (guest);
}

static void
on_bytes (struct bufferevent *connection, void *context)
{
  (void)connection;
  guest_run (context);
}

static void
on_event (struct bufferevent *connection, short what, void *context)
{
  struct mantis_guest *guest = context;

  (void)connection;
  if (what & BEV_EVENT_EOF) { /* bytes may lie ahead of it */
    guest->eof = true;
    guest_run (guest);
  } else {
    give_back (guest, true);
    guest_settle (guest);
  }
}

/* Its node, its user or its key was taken back. */
static void
on_ended (void *context, int status, const char *why)
{
  struct mantis_guest *guest = context;

  (void)why; /* the peer's own request to connect again is told all of it */
  if (status == 403)
    guest_leave (guest, CLOSE_FORBIDDEN, "disabled");
  else
    guest_leave (guest, CLOSE_UNAUTHORIZED, "the credentials are not accepted any more");
  guest_settle (guest);
}

/* ---- Begin ----------------------------------------------------------------------------------- */

static bool
copy (const char **to, const char *from)
{
  return !from || (*to = strdup (from));
}

static bool
copy_texts (struct mantis_guest *guest, const struct mantis_handover *handover)
{
  const struct mantis_credentials *credentials = handover->credentials;
  const char *node = NULL;

  guest->credentials = (struct mantis_credentials){.size = sizeof guest->credentials};
  if (!copy (&guest->credentials.bearer, credentials->bearer) ||
      !copy (&guest->credentials.cookie, credentials->cookie) ||
      !copy (&guest->credentials.certificate_subject, credentials->certificate_subject) ||
      !copy (&guest->credentials.peer, credentials->peer) || !copy (&node, handover->node))
    return false;
  guest->node = (char *)(uintptr_t)node;
  return true;
}

/* The listener has a word in it. */
static size_t
limit_of (const struct websocket *websocket, const struct mantis_handover *handover)
{
  int64_t limit = websocket->max_message_bytes;

  return (size_t)(handover->limit && handover->limit < limit ? handover->limit : limit);
}

static bool
attend (struct mantis_guest *guest)
{
  const struct mantis_attendance attendance = {.size = sizeof attendance,
                                               .credentials = &guest->credentials,
                                               .node = guest->node,
                                               .ended = on_ended,
                                               .context = guest};

  guest->attendance = mantis_service_attend (guest->service, &attendance);
  return guest->attendance != 0;
}

struct mantis_guest *
guest_adopt (void *self, const struct mantis_handover *handover)
{
  struct mantis_guest *guest = calloc (1, sizeof *guest);

  if (!guest)
    return NULL;
  guest->websocket = self;
  guest->service = handover->service;
  guest->frames = (struct frames){.input = bufferevent_get_input (handover->connection),
                                  .output = bufferevent_get_output (handover->connection),
                                  .arrived = on_arrived,
                                  .context = guest,
                                  .message.limit = limit_of (self, handover),
                                  .message.budget = &guest->websocket->budget,
                                  .deflate = memo_read (handover->memo),
                                  .plain = handover->plain,
                                  .socket = bufferevent_getfd (handover->connection),
                                  .heard = true};
  if (!copy_texts (guest, handover) || !attend (guest)) {
    guest_free (guest);
    return NULL;
  }
  guest->connection = handover->connection;
  guest->expires = handover->expires;
  guest->left = handover->left;
  guest->context = handover->context;
  guest->next_ping = mantis_monotonic () / 1000 + guest->websocket->ping_interval;
  evtimer_assign (&guest->timer, handover->base, on_timer, guest);
  set_timer (guest);
  bufferevent_setcb (guest->connection, on_bytes, on_bytes, on_event, guest);
  bufferevent_enable (guest->connection, EV_READ | EV_WRITE);
  bufferevent_trigger (guest->connection, EV_READ, BEV_OPT_DEFER_CALLBACKS); /* what came early */
  return guest;
}

void
guest_dismiss (struct mantis_guest *guest, bool now)
{
  guest->going = true;
  if (now)
    give_back (guest, true);
  guest_settle (guest);
}
