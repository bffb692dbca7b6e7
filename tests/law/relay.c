/* relay.c - what stands between the two sides of a transport.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "relay.h"
#include "service.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct relay relay;

union place {
  struct sockaddr any;
  struct sockaddr_un file;
  struct sockaddr_in port;
};
static union place server;

/* "/path/of/a.socket" or "127.0.0.1:8080": how long it is as an address, 0: it is none. */
static socklen_t
locate (const char *address, union place *place)
{
  const char *colon = strrchr (address, ':');
  char host[64] = "";

  *place = (union place){.any.sa_family = AF_UNSPEC};
  if (address[0] == '/' && strlen (address) < sizeof place->file.sun_path) {
    place->file.sun_family = AF_UNIX;
    strcpy (place->file.sun_path, address);
    return sizeof place->file;
  }
  if (!colon || (size_t)(colon - address) >= sizeof host)
    return 0;
  memcpy (host, address, (size_t)(colon - address));
  place->port.sin_family = AF_INET;
  place->port.sin_port = htons ((uint16_t)atoi (colon + 1));
  return inet_pton (AF_INET, host, &place->port.sin_addr) == 1 ? sizeof place->port : 0;
}

static socklen_t
length_of (const union place *place)
{
  return place->any.sa_family == AF_UNIX ? sizeof place->file : sizeof place->port;
}

int
knock (const char *address)
{
  union place place;
  socklen_t length = locate (address, &place);
  int fd = length ? socket (place.any.sa_family, SOCK_STREAM, 0) : -1;

  if (fd >= 0 && connect (fd, &place.any, length) == 0)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

/* ---- Connections ----------------------------------------------------------------------------- */

struct pair {
  struct bufferevent *client, *server;
};
static struct pair *stuck;

static void
end (struct pair *pair)
{
  if (stuck == pair)
    stuck = NULL;
  bufferevent_free (pair->client);
  bufferevent_free (pair->server);
  free (pair);
}

static void
on_written (struct bufferevent *side, void *context)
{
  (void)side;
  end (context);
}

static void
on_gone (struct bufferevent *side, short what, void *context)
{
  (void)side;
  if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
    end (context);
}

/* When the last has gone to SIDE. */
static void
end_after (struct pair *pair, struct bufferevent *side)
{
  bufferevent_disable (pair->client, EV_READ);
  bufferevent_disable (pair->server, EV_READ);
  if (evbuffer_get_length (bufferevent_get_output (side)) == 0)
    end (pair);
  else
    bufferevent_setcb (side, NULL, on_written, on_gone, pair);
}

/* How many of them go on. */
static size_t
do_harm (char *bytes, size_t length)
{
  size_t times = relay.harm == ALTERED ? 1 + chance_below (3) : length;

  if (relay.harm == CUT || relay.harm == STUCK)
    return chance_below (length);
  while (times-- > 0)
    bytes[relay.harm == ALTERED ? chance_below (length) : times] = (char)chance ();
  return length;
}

static void
on_read (struct bufferevent *from, void *context)
{
  struct pair *pair = context;
  bool upward = from == pair->client;
  struct bufferevent *to = upward ? pair->server : pair->client;
  struct evbuffer *input = bufferevent_get_input (from);
  size_t length = evbuffer_get_length (input);

  relay.carried++;
  if (relay.harm == UNHARMED || relay.upward != upward || length == 0) {
    bufferevent_write_buffer (to, input);
    return;
  }
  bufferevent_write (to, evbuffer_pullup (input, -1),
                     do_harm ((char *)evbuffer_pullup (input, -1), length));
  evbuffer_drain (input, length);
  if (relay.harm == STUCK) {
    bufferevent_disable (from, EV_READ);
    stuck = pair;
  } else
    end_after (pair, to);
}

void
relay_calm (void)
{
  relay.harm = UNHARMED;
  if (stuck)
    end (stuck);
  for (int i = 0; i < 3; i++) /* let both sides see what ended */
    event_base_loop (base, EVLOOP_NONBLOCK);
}

static void
on_event (struct bufferevent *side, short what, void *context)
{
  struct pair *pair = context;

  if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
    end_after (pair, side == pair->client ? pair->server : pair->client);
}

static struct bufferevent *
side_of (struct pair *pair, int fd)
{
  struct bufferevent *side = bufferevent_socket_new (base, fd, BEV_OPT_CLOSE_ON_FREE);

  if (!side)
    skip ("no memory for a connection");
  bufferevent_setcb (side, on_read, NULL, on_event, pair);
  bufferevent_enable (side, EV_READ | EV_WRITE);
  return side;
}

static void
on_accept (struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
           int length, void *context)
{
  struct pair *pair = calloc (1, sizeof *pair);

  (void)listener, (void)address, (void)length, (void)context;
  if (!pair)
    skip ("no memory for a connection");
  pair->client = side_of (pair, fd);
  pair->server = side_of (pair, -1);
  if (bufferevent_socket_connect (pair->server, &server.any, (int)length_of (&server)))
    end (pair);
}

bool
relay_start (char *address, size_t size)
{
  union place place;
  socklen_t length = locate (address, &place);
  struct evconnlistener *listener;
  char moved[sizeof place.file.sun_path];

  if (!length)
    return false;
  server = place;
  if (place.any.sa_family == AF_UNIX) { /* who dials knows it by its name only */
    snprintf (moved, sizeof moved, "%.*s.far", (int)sizeof moved - 5, address);
    if (rename (address, moved))
      return false;
    strcpy (server.file.sun_path, moved);
  } else
    place.port.sin_port = 0;
  listener = evconnlistener_new_bind (base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, -1, &place.any,
                                      (int)length);
  if (!listener || getsockname (evconnlistener_get_fd (listener), &place.any, &length))
    return false;
  if (place.any.sa_family == AF_INET)
    snprintf (address, size, "127.0.0.1:%d", ntohs (place.port.sin_port));
  return true;
}
