/* worker.h - threads for what may take a while, and a bounded queue before them.
 *
 * A worker has a number, so that each can have a session of its own with the database.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_WORKER_H
#define MANTIS_WORKER_H

#include "run/loop.h"

struct pool;

/* What each worker does once, between two tasks.  When done.run() is called on the loop, all have: nobody works any more
 * on what was handed over before, and what came of that lies in the inbox no more. */
struct round {
  struct call done;
  void (*work) (struct round *round, size_t worker);
  size_t left; /* the pool's: workers that have not come to it */
};

/* Lives inside what it is about.  work() runs on a worker, then done.run() on the loop; in between
 * nobody else touches what belongs to the task. */
struct task {
  struct call done;
  struct task *next;
  void (*work) (struct task *task, size_t worker);
  bool writes; /* for worker 0: one session does all the writing, and its cache stays good */
  /* May NEXT, which waits behind it, go to the worker along with this one and COUNT - 1 others?  They are one
   * list then, by next, for one work() and one done.run() of the first.  NULL: it goes alone. */
  bool (*joins) (const struct task *task, const struct task *next, size_t count);
};

/* WORKERS threads named NAME (15 bytes at most); ROOM tasks may wait. */
enum mantis_status pool_new (struct pool **pool, struct loop *loop, const char *name,
                             size_t workers, size_t room, struct mantis_error *error);
/* Finishes what is queued, then waits for the threads; what is done lies in the loop's inbox.  NULL
 * is fine. */
void pool_free (struct pool *pool);

/* On the loop's thread, and not again before ROUND is done. */
void pool_go_round (struct pool *pool, struct round *round);

/* On the loop's thread.  False: the queue is full, try again later. */
bool pool_submit (struct pool *pool, struct task *task);

#endif
