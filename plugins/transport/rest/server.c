/* server.c - where we listen, and who may come in.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  BACKLOG = 1024,
  TURNED_AWAY = 64, /* connections beyond the limit that are told so in peace */
  PAUSE_SECONDS = 1 /* without accepting, when the process has no descriptors left */
};

/* ---- Addresses ------------------------------------------------------------------------------- */

void
address_text (const struct sockaddr *address, char *text, size_t room, bool port)
{
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
  bool is_v6 = address->sa_family == AF_INET6;
  char host[INET6_ADDRSTRLEN] = "";

  inet_ntop (address->sa_family, is_v6 ? (const void *)&v6->sin6_addr : &v4->sin_addr, host,
             sizeof host);
  if (!port)
    snprintf (text, room, "%s", host);
  else
    snprintf (text, room, is_v6 ? "[%s]:%d" : "%s:%d", host,
              ntohs (is_v6 ? v6->sin6_port : v4->sin_port));
}

static bool
is_loopback (const struct sockaddr *address)
{
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;

  if (address->sa_family == AF_INET6)
    return IN6_IS_ADDR_LOOPBACK (&v6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED (&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
  return address->sa_family == AF_INET && ntohl (v4->sin_addr.s_addr) >> 24 == 127;
}

/* Cut "host:port", "[v6]:port" or ":port" (all addresses) in two. */
static bool
cut_address (const char *address, char *host, size_t room, const char **port)
{
  const char *colon = strrchr (address, ':'), *from = address, *to = colon;

  if (!colon || !colon[1] || colon[1 + strspn (colon + 1, "0123456789")] ||
      strtoul (colon + 1, NULL, 10) > 65535)
    return false;
  if (*from == '[') {
    from++;
    if (to == address || *--to != ']')
      return false;
  } else if (memchr (from, ':', (size_t)(to - from)))
    return false;
  if ((size_t)(to - from) >= room)
    return false;
  memcpy (host, from, (size_t)(to - from));
  host[to - from] = '\0';
  *port = colon + 1;
  return true;
}

static enum mantis_status
resolve (const char *address, struct addrinfo **found, struct mantis_error *error)
{
  struct addrinfo hints = {
      .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
  char host[256];
  const char *port;
  int result;

  if (!cut_address (address, host, sizeof host, &port))
    return mantis_fail (
        error, MANTIS_INVALID,
        "rest: address \"%s\" is not HOST:PORT; write for example 127.0.0.1:8080 or "
        "[::1]:8080",
        address);
  result = getaddrinfo (*host && strcmp (host, "*") != 0 ? host : NULL, port, &hints, found);
  if (result == 0)
    return MANTIS_OK;
  return mantis_fail (error, MANTIS_INVALID, "rest: address \"%s\": %s", address,
                      result == EAI_SYSTEM ? strerror (errno) : gai_strerror (result));
}

/* ---- Accepting ------------------------------------------------------------------------------- */

/* So many come that they cannot be listened to: the word is said and not waited for. */
static void
turn_away (const struct mantis_listener *listener, evutil_socket_t fd)
{
  static const char word[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                             "Retry-After: 1\r\nContent-Length: 0\r\n\r\n";

  if (!listener->tls)
    (void)!send (fd, word, sizeof word - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  evutil_closesocket (fd);
}

static void
on_accept (struct evconnlistener *acceptor, evutil_socket_t fd, struct sockaddr *address,
           int length, void *context)
{
  struct mantis_listener *listener = context;
  size_t limit = (size_t)listener->rest->max_connections;
  bool full = listener->count >= limit && !conn_yield (listener);

  (void)acceptor, (void)length;
  if (full && listener->count >= limit + TURNED_AWAY)
    turn_away (listener, fd);
  else
    conn_open (listener, fd, address, full);
}

static void
on_pause_over (evutil_socket_t fd, short what, void *context)
{
  struct mantis_listener *listener = context;

  (void)fd, (void)what;
  if (listener->acceptor)
    evconnlistener_enable (listener->acceptor);
}

/* The backlog stays readable when no descriptor is left: without a pause we would spin. */
static void
on_accept_error (struct evconnlistener *acceptor, void *context)
{
  struct mantis_listener *listener = context;
  struct timeval pause = {.tv_sec = PAUSE_SECONDS};

  mantis_log (MANTIS_WARNING, "rest: %s: cannot accept: %s", listener->address,
              evutil_socket_error_to_string (EVUTIL_SOCKET_ERROR ()));
  evconnlistener_disable (acceptor);
  event_add (listener->pause, &pause);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void
stop_accepting (struct mantis_listener *listener)
{
  if (listener->acceptor)
    evconnlistener_free (listener->acceptor);
  listener->acceptor = NULL;
  event_del (listener->pause);
}

void
server_release (struct mantis_listener *listener)
{
  if (--listener->references)
    return;
  event_free (listener->pause);
  tls_free (listener->tls);
  free (listener);
}

static struct mantis_listener *
listener_new (const struct rest *rest, struct event_base *base, struct mantis_service *service)
{
  struct mantis_listener *listener = calloc (1, sizeof *listener);

  if (!listener)
    return NULL;
  listener->rest = rest;
  listener->base = base;
  listener->service = service;
  listener->references = 1;
  listener->idle_end = &listener->idle;
  listener->budget.limit = (size_t)rest->max_buffered_bytes;
  if (!(listener->pause = evtimer_new (base, on_pause_over, listener))) {
    free (listener);
    return NULL;
  }
  return listener;
}

static enum mantis_status
bind_first (struct mantis_listener *listener, const struct addrinfo *found,
            struct mantis_error *error)
{
  const char *address = listener->rest->address;
  struct sockaddr_storage bound;
  socklen_t length = sizeof bound;

  for (const struct addrinfo *a = found; a && !listener->acceptor; a = a->ai_next) {
    if (!listener->tls && !listener->rest->insecure && !is_loopback (a->ai_addr))
      return mantis_fail (
          error, MANTIS_INVALID,
          "rest: %s can be reached from other machines, and what travels there is not "
          "encrypted: give it a certificate (\"tls\"), listen on 127.0.0.1 behind a proxy that "
          "speaks TLS, or say \"insecure\": true",
          address);
    listener->acceptor =
        evconnlistener_new_bind (listener->base, on_accept, listener,
                                 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                 BACKLOG, a->ai_addr, (int)a->ai_addrlen);
  }
  if (!listener->acceptor)
    return mantis_fail (error, MANTIS_FAILED, "rest: cannot listen on %s: %s", address,
                        strerror (errno));
  evconnlistener_set_error_cb (listener->acceptor, on_accept_error);
  getsockname (evconnlistener_get_fd (listener->acceptor), (struct sockaddr *)&bound, &length);
  address_text ((struct sockaddr *)&bound, listener->address, sizeof listener->address, true);
  return MANTIS_OK;
}

static enum mantis_status
check_origins (const struct rest *rest, struct mantis_error *error)
{
  for (const char *const *origin = rest->allowed_origins; origin && *origin; origin++)
    if (!browser_may_list (*origin))
      return mantis_fail (error, MANTIS_INVALID,
                          "rest: allowed_origins: \"%s\" is no origin: scheme, host and port as in "
                          "\"https://app.example.org\", without a path, and no wildcards",
                          *origin);
  return MANTIS_OK;
}

static enum mantis_status
check_proxies (const struct rest *rest, struct mantis_error *error)
{
  for (const char *const *proxy = rest->trusted_proxies; proxy && *proxy; proxy++)
    if (!forward_may_trust (*proxy))
      return mantis_fail (
          error, MANTIS_INVALID,
          "rest: trusted_proxies: \"%s\" is no address and no network: write them as in"
          " \"10.1.2.3\", \"10.0.0.0/8\" or \"fd00::/8\", without names",
          *proxy);
  return MANTIS_OK;
}

enum mantis_status
server_listen (void *self, struct event_base *base, struct mantis_service *service,
               struct mantis_listener **listener, struct mantis_error *error)
{
  const struct rest *rest = self;
  struct addrinfo *found;
  enum mantis_status status = upgrade_check (rest, service, error);

  if (status == MANTIS_OK)
    status = check_origins (rest, error);
  if (status == MANTIS_OK)
    status = check_proxies (rest, error);
  if (status == MANTIS_OK)
    status = resolve (rest->address, &found, error);
  if (status != MANTIS_OK)
    return status;
  if (!(*listener = listener_new (rest, base, service)))
    status = mantis_fail (error, MANTIS_FAILED, "rest: no memory");
  else if ((status = tls_new (&rest->tls, "rest", &(*listener)->tls, error)) != MANTIS_OK ||
           (status = bind_first (*listener, found, error)) != MANTIS_OK) {
    server_release (*listener);
    *listener = NULL;
  }
  freeaddrinfo (found);
  return status;
}

enum mantis_status
server_reload (struct mantis_listener *listener, struct mantis_error *error)
{
  return listener->tls ? tls_reload (listener->tls, error) : MANTIS_OK;
}

void
server_drain (struct mantis_listener *listener)
{
  struct conn *conn, *next;

  listener->draining = true;
  stop_accepting (listener);
  for (conn = listener->conns; conn; conn = next) {
    next = conn_next (conn);
    conn_drain (conn);
  }
}

void
server_close (struct mantis_listener *listener)
{
  struct conn *conn, *next;

  listener->closed = true;
  stop_accepting (listener);
  for (conn = listener->conns; conn; conn = next) {
    next = conn_next (conn);
    conn_abandon (conn);
  }
  server_release (listener);
}

const char *
server_address (const struct mantis_listener *listener)
{
  return listener->address;
}
