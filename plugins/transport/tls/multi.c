/* multi.c - libcurl on the event loop: it says which sockets and which moment it waits for, libevent
 * waits for them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tls.h"

#include <event2/event.h>

enum { KEPT_CONNECTIONS = 4 };

static void
on_ready (evutil_socket_t fd, short what, void *context)
{
  struct multi *multi = context;
  int mask = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
  int running;

  curl_multi_socket_action (multi->handle, fd, mask, &running);
  multi->moved (multi->context);
}

static void
on_timer (evutil_socket_t fd, short what, void *context)
{
  struct multi *multi = context;
  int running;

  (void)fd, (void)what;
  curl_multi_socket_action (multi->handle, CURL_SOCKET_TIMEOUT, 0, &running);
  multi->moved (multi->context);
}

static int
watch_socket (CURL *easy, curl_socket_t socket, int what, void *context, void *watched)
{
  struct multi *multi = context;
  struct event *event = watched;
  short events = EV_PERSIST;

  (void)easy;
  if (event)
    event_free (event);
  curl_multi_assign (multi->handle, socket, NULL);
  if (what == CURL_POLL_REMOVE)
    return 0;
  if (what & CURL_POLL_IN)
    events |= EV_READ;
  if (what & CURL_POLL_OUT)
    events |= EV_WRITE;
  if (!(event = event_new (multi->base, socket, events, on_ready, multi)))
    return -1;
  event_add (event, NULL);
  curl_multi_assign (multi->handle, socket, event);
  return 0;
}

static int
watch_clock (CURLM *handle, long milliseconds, void *context)
{
  struct multi *multi = context;
  struct timeval after = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};

  (void)handle;
  if (milliseconds < 0)
    event_del (multi->timer);
  else
    event_add (multi->timer, &after);
  return 0;
}

bool
multi_begin (struct multi *multi, struct event_base *base, void (*moved) (void *context),
             void *context)
{
  multi->base = base;
  multi->moved = moved;
  multi->context = context;
  multi->timer = evtimer_new (base, on_timer, multi);
  if (!multi->timer || !(multi->handle = curl_multi_init ()))
    return false;
  curl_multi_setopt (multi->handle, CURLMOPT_SOCKETFUNCTION, watch_socket);
  curl_multi_setopt (multi->handle, CURLMOPT_SOCKETDATA, multi);
  curl_multi_setopt (multi->handle, CURLMOPT_TIMERFUNCTION, watch_clock);
  curl_multi_setopt (multi->handle, CURLMOPT_TIMERDATA, multi);
  curl_multi_setopt (multi->handle, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
  return true;
}

void
multi_end (struct multi *multi)
{
  if (multi->handle)
    curl_multi_cleanup (multi->handle);
  if (multi->timer)
    event_free (multi->timer);
}
