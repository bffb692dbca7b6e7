/* loop.h - one thread that waits for everything: sockets, clocks, and what other threads hand over.
 *
 * Only the loop's thread calls libevent.  Other threads leave a call in the inbox; all that lie
 * there when the loop wakes up are made in one go, in the order in which they came.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_LOOP_H
#define MANTIS_LOOP_H

#include <mantis/host.h>

struct event;
struct event_base;
struct loop;

/* Lives inside what it is about, so that handing over never fails. */
struct call {
  struct call *next;
  void (*run) (struct call *call);
};

enum mantis_status loop_new (struct loop **loop, struct mantis_error *error);
void loop_free (struct loop *loop); /* makes the calls that are left; NULL is fine */

struct event_base *loop_base (struct loop *loop);

/* Until loop_stop().  May be called again. */
void loop_run (struct loop *loop);
/* From any thread or signal handler: let the present loop_run() return, or the next one at once. */
void loop_stop (struct loop *loop);

/* From any thread: CALL->run (CALL) on the loop's thread, soon.  Not again before that. */
void loop_post (struct loop *loop, struct call *call);
/* On the loop's thread: make the calls that lie in the inbox now. */
void loop_flush (struct loop *loop);

/* Let TIMER (of evtimer_new()) fire once, after so many milliseconds; negative: never. */
void loop_timer (struct event *timer, int64_t milliseconds);

#endif
