/* server.c - the side that listens: a peer is a connection, a call is a message of it that the core has in hand.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "line.h"

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_PEERS = 64, MOST_CALLS = 16 /* of one peer */, SILENCE = 120 /* seconds */, WHO = 40 };

struct mantis_listener {
  const struct line *line;
  struct mantis_service *service;
  struct evconnlistener *socket;
  struct peer *peers;
  size_t peer_count;
  char address[sizeof (struct sockaddr_un)];
};

struct peer {
  struct peer *next, **at;
  struct mantis_listener *listener;
  struct bufferevent *connection;
  struct call *calls;
  size_t call_count;
  char who[WHO];
};

struct call {
  struct call *next, **at;
  struct peer *peer; /* NULL: it has gone, and nobody waits for the answer */
  struct frame frame;
  struct mantis_request request;
  uint64_t ticket;
  bool submitting, answered;
};

/* ---- Calls ---- */

static void
call_free (struct call *call)
{
  frame_free (&call->frame);
  free (call);
}

static void
call_leaves (struct call *call)
{
  if ((*call->at = call->next))
    call->next->at = call->at;
  call->peer->call_count--;
  call->peer = NULL;
}

static void
answer_call (void *context, const struct mantis_answer *answer)
{
  struct call *call = context;
  char status[16], retry[32];
  const struct fact facts[] = { { "type", answer->type },
                                { "retry-after", answer->retry_after ? retry : NULL },
                                { NULL, NULL } };

  if (call->peer) {
    snprintf (status, sizeof status, "%d", answer->status);
    snprintf (retry, sizeof retry, "%lld", (long long) answer->retry_after);
    frame_put (bufferevent_get_output (call->peer->connection), status, call->frame.number, facts,
               answer->body, answer->length);
    bufferevent_enable (call->peer->connection, EV_READ);
    call_leaves (call);
  }
  call->answered = true;
  if (!call->submitting)
    call_free (call);
}

/* Hand over what has arrived.  It may be answered before the core returns. */
static void
submit (struct call *call)
{
  const struct frame *frame = &call->frame;

  call->request = (struct mantis_request){
    .size = sizeof call->request,
    .message = frame->word,
    .argument = frame_fact (frame, "argument"),
    .node = frame_fact (frame, "node"),
    .epoch = frame_fact (frame, "epoch"),
    .revisions = frame_fact (frame, "revisions"),
    .credentials = { .size = sizeof call->request.credentials,
                     .bearer = frame_fact (frame, "token"),
                     .peer = call->peer->who },
    .body = frame->body,
    .length = frame->length,
  };
  call->submitting = true;
  call->ticket = mantis_service_submit (call->peer->listener->service, &call->request, answer_call, call);
  call->submitting = false;
  if (call->answered)
    call_free (call);
}

static bool
new_call (struct peer *peer, struct frame *frame)
{
  struct call *call = calloc (1, sizeof *call);

  if (!call) {
    frame_free (frame);
    return false;
  }
  call->frame = *frame;
  call->peer = peer;
  call->at = &peer->calls;
  if ((call->next = peer->calls))
    call->next->at = &call->next;
  peer->calls = call;
  peer->call_count++;
  submit (call);
  return true;
}

/* ---- Peers ---- */

static void
peer_free (struct peer *peer)
{
  struct mantis_service *service = peer->listener->service;

  if ((*peer->at = peer->next))
    peer->next->at = peer->at;
  peer->listener->peer_count--;
  while (peer->calls) {
    struct call *call = peer->calls;
    call_leaves (call);
    mantis_service_cancel (service, call->ticket); /* CALL may be free now */
  }
  bufferevent_free (peer->connection);
  free (peer);
}

/* No more is read from who does not wait for answers. */
static void
on_read (struct bufferevent *connection, void *context)
{
  struct peer *peer = context;
  enum frame_state state = FRAME_WHOLE;
  struct frame frame;

  while (peer->call_count < MOST_CALLS && state == FRAME_WHOLE) {
    state = frame_take (bufferevent_get_input (connection), (size_t) peer->listener->line->largest, &frame);
    if (state == FRAME_WRONG || (state == FRAME_WHOLE && !new_call (peer, &frame))) {
      peer_free (peer);
      return;
    }
  }
  if (peer->call_count == MOST_CALLS)
    bufferevent_disable (connection, EV_READ);
}

/* What lay there unread while there were too many calls. */
static void
on_written (struct bufferevent *connection, void *context)
{
  on_read (connection, context);
}

static void
on_event (struct bufferevent *connection, short what, void *context)
{
  struct peer *peer = context;

  (void) connection;
  if (what & BEV_EVENT_TIMEOUT && what & BEV_EVENT_READING && peer->calls) /* it waits for an answer */
    bufferevent_enable (connection, EV_READ);
  else if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
    peer_free (peer);
}

static void
on_accept (struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *address, int length,
           void *context)
{
  struct mantis_listener *listener = context;
  struct peer *peer = listener->peer_count < MOST_PEERS ? calloc (1, sizeof *peer) : NULL;
  struct timeval silence = { .tv_sec = SILENCE };
  struct ucred from = { .uid = (uid_t) -1 };
  socklen_t size = sizeof from;

  (void) address, (void) length;
  if (peer)
    peer->connection
        = bufferevent_socket_new (evconnlistener_get_base (socket), fd, BEV_OPT_CLOSE_ON_FREE);
  if (!peer || !peer->connection) {
    free (peer);
    evutil_closesocket (fd);
    return;
  }
  getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &from, &size);
  snprintf (peer->who, sizeof peer->who, "user %u of this machine", (unsigned) from.uid);
  peer->listener = listener;
  peer->at = &listener->peers;
  if ((peer->next = listener->peers))
    peer->next->at = &peer->next;
  listener->peers = peer;
  listener->peer_count++;
  bufferevent_setcb (peer->connection, on_read, on_written, on_event, peer);
  bufferevent_setwatermark (peer->connection, EV_READ, 0, (size_t) listener->line->largest + LONGEST_HEAD);
  bufferevent_set_timeouts (peer->connection, &silence, &silence);
  bufferevent_enable (peer->connection, EV_READ | EV_WRITE);
}

/* ---- The listener ---- */

/* A socket that nobody listens on is of a server that was killed. */
static enum mantis_status
make_way (const struct sockaddr_un *address, struct mantis_error *error)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool taken = fd >= 0 && connect (fd, (const struct sockaddr *) address, sizeof *address) == 0;
  struct stat found;

  if (fd >= 0)
    close (fd);
  if (taken)
    return mantis_fail (error, MANTIS_INVALID, "another server listens on %s", address->sun_path);
  if (lstat (address->sun_path, &found) == 0 && S_ISSOCK (found.st_mode))
    unlink (address->sun_path);
  return MANTIS_OK;
}

enum mantis_status
line_listen (void *self, struct event_base *base, struct mantis_service *service,
             struct mantis_listener **made, struct mantis_error *error)
{
  struct mantis_listener *listener;
  struct sockaddr_un address;
  enum mantis_status status = line_address (self, &address, error);

  if (status == MANTIS_OK)
    status = make_way (&address, error);
  if (status != MANTIS_OK)
    return status;
  if (!(listener = calloc (1, sizeof *listener)))
    return mantis_fail (error, MANTIS_FAILED, "no memory to listen");
  listener->line = self;
  listener->service = service;
  memcpy (listener->address, address.sun_path, sizeof address.sun_path);
  listener->socket = evconnlistener_new_bind (base, on_accept, listener,
                                              LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1,
                                              (struct sockaddr *) &address, sizeof address);
  if (!listener->socket) {
    free (listener);
    return mantis_fail (error, MANTIS_INVALID, "cannot listen on %s: %s", address.sun_path,
                        evutil_socket_error_to_string (EVUTIL_SOCKET_ERROR ()));
  }
  chmod (address.sun_path, 0660);
  *made = listener;
  return MANTIS_OK;
}

void
line_drain (struct mantis_listener *listener)
{
  evconnlistener_disable (listener->socket);
}

void
line_close (struct mantis_listener *listener)
{
  while (listener->peers)
    peer_free (listener->peers);
  evconnlistener_free (listener->socket);
  unlink (listener->address);
  free (listener);
}

const char *
line_listens_on (const struct mantis_listener *listener)
{
  return listener->address;
}
