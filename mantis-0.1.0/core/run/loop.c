/* loop.c - one thread that waits for everything: sockets, clocks, and what other threads hand over.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct loop {
  struct event_base *base;
  struct event *wake;
  int wake_fd;
  atomic_bool stopping;
  pthread_mutex_t mutex; /* around the inbox */
  struct call *first, **last;
};

/* Nobody waits for the loop to wake up: a counter that is full wakes it as well. */
static void
wake_up (struct loop *loop)
{
  const uint64_t one = 1;

  (void)!write (loop->wake_fd, &one, sizeof one);
}

static struct call *
take_inbox (struct loop *loop)
{
  struct call *first;

  pthread_mutex_lock (&loop->mutex);
  first = loop->first;
  loop->first = NULL;
  loop->last = &loop->first;
  pthread_mutex_unlock (&loop->mutex);
  return first;
}

void
loop_flush (struct loop *loop)
{
  struct call *next;

  for (struct call *call = take_inbox (loop); call; call = next) {
    next = call->next; /* the call may free what it lives in, or be posted again */
    call->run (call);
  }
}

static void
on_wake (evutil_socket_t fd, short what, void *context)
{
  struct loop *loop = context;
  uint64_t count;

  (void)what;
  (void)!read (fd, &count, sizeof count);
  loop_flush (loop);
  if (loop->stopping)
    event_base_loopbreak (loop->base);
}

static bool
prepare (struct loop *loop)
{
  if ((loop->wake_fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
    return false;
  loop->base = event_base_new ();
  if (loop->base)
    loop->wake = event_new (loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
  return loop->wake && event_add (loop->wake, NULL) == 0;
}

enum mantis_status
loop_new (struct loop **loop, struct mantis_error *error)
{
  struct loop *made = calloc (1, sizeof *made);

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left for the event loop");
  pthread_mutex_init (&made->mutex, NULL);
  made->last = &made->first;
  if (!prepare (made)) {
    mantis_fail (error, MANTIS_FAILED, "cannot make an event loop: %s", strerror (errno));
    loop_free (made);
    return MANTIS_FAILED;
  }
  *loop = made;
  return MANTIS_OK;
}

void
loop_free (struct loop *loop)
{
  if (!loop)
    return;
  loop_flush (loop);
  if (loop->wake)
    event_free (loop->wake);
  if (loop->base)
    event_base_free (loop->base);
  if (loop->wake_fd >= 0)
    close (loop->wake_fd);
  pthread_mutex_destroy (&loop->mutex);
  free (loop);
}

struct event_base *
loop_base (struct loop *loop)
{
  return loop->base;
}

void
loop_run (struct loop *loop)
{
  while (!loop->stopping && event_base_loop (loop->base, EVLOOP_NO_EXIT_ON_EMPTY) == 0)
    ;
  loop->stopping = false;
}

void
loop_stop (struct loop *loop)
{
  loop->stopping = true;
  wake_up (loop);
}

void
loop_post (struct loop *loop, struct call *call)
{
  bool was_empty;

  call->next = NULL;
  pthread_mutex_lock (&loop->mutex);
  was_empty = !loop->first;
  *loop->last = call;
  loop->last = &call->next;
  pthread_mutex_unlock (&loop->mutex);
  if (was_empty)
    wake_up (loop);
}

void
loop_timer (struct event *timer, int64_t milliseconds)
{
  struct timeval after = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};

  if (milliseconds < 0)
    event_del (timer);
  else
    event_add (timer, &after);
}
