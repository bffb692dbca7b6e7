/* worker.c - threads for what may take a while, and a bounded queue before them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/worker.h"

#include "run/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* jansson goes down 2048 levels of a message by calling itself. */
enum { STACK = 1024 * 1024 };

struct worker {
  struct pool *pool;
  size_t number;
  pthread_t thread;
  pthread_cond_t more;
  bool idle;           /* it waits, and nobody has called it */
  struct round *round; /* what it does before the next task; NULL: nothing */
};

struct queue {
  struct task *first, **last;
};

struct pool {
  struct loop *loop;
  pthread_mutex_t mutex;
  struct queue shared, writes;
  size_t waiting, room;
  bool closing;
  char name[16];
  size_t count; /* of the threads that run */
  struct worker workers[];
};

static struct task *
take (struct queue *queue)
{
  struct task *task = queue->first;

  if (task && !(queue->first = task->next))
    queue->last = &queue->first;
  if (task)
    task->next = NULL;
  return task;
}

/* The tasks that go along with TASK; how many, itself included. */
static size_t
take_along (struct queue *queue, struct task *task)
{
  size_t count = 1;

  for (struct task *last = task;
       task->joins && queue->first && task->joins (task, queue->first, count); count++)
    last = last->next = take (queue);
  return count;
}

/* What WORKER does between two tasks, without the pool's mutex, which is held before and after. */
static void
do_round (struct worker *worker)
{
  struct pool *pool = worker->pool;
  struct round *round = worker->round;

  worker->round = NULL;
  pthread_mutex_unlock (&pool->mutex);
  round->work (round, worker->number);
  pthread_mutex_lock (&pool->mutex);
  if (--round->left == 0)
    loop_post (pool->loop, &round->done);
}

/* The next task for WORKER with those that go along, NULL: there will be none any more. */
static struct task *
next_task (struct worker *worker)
{
  struct pool *pool = worker->pool;
  struct task *task = NULL;

  pthread_mutex_lock (&pool->mutex);
  for (;;) {
    while (worker->round)
      do_round (worker);
    if (worker->number == 0 && (task = take (&pool->writes)))
      pool->waiting -= take_along (&pool->writes, task);
    else if ((task = take (&pool->shared)))
      pool->waiting--;
    if (task || pool->closing)
      break;
    worker->idle = true;
    pthread_cond_wait (&worker->more, &pool->mutex);
    worker->idle = false;
  }
  pthread_mutex_unlock (&pool->mutex);
  return task;
}

/* Somebody who may take TASK, and has nothing to do.  The first of them: so no more sessions are opened, and no
 * more caches filled, than are needed. */
static void
call_somebody (struct pool *pool, const struct task *task)
{
  struct worker *worker = NULL;

  if (task->writes)
    worker = &pool->workers[0];
  for (size_t i = 1; i <= pool->count && !worker; i++) /* the one that writes last */
    if (pool->workers[i % pool->count].idle)
      worker = &pool->workers[i % pool->count];
  if (!worker)
    return; /* who is done with something else looks here again */
  worker->idle = false;
  pthread_cond_signal (&worker->more);
}

static void *
work (void *context)
{
  struct worker *worker = context;
  struct task *task;

  pthread_setname_np (pthread_self (), worker->pool->name);
  while ((task = next_task (worker))) {
    task->work (task, worker->number);
    loop_post (worker->pool->loop, &task->done);
  }
  return NULL;
}

static int
start (struct pool *pool, size_t count)
{
  int result = 0;

  while (pool->count < count && result == 0) {
    struct worker *worker = &pool->workers[pool->count];
    *worker = (struct worker){.pool = pool, .number = pool->count};
    pthread_cond_init (&worker->more, NULL);
    result = thread_start (&worker->thread, STACK, work, worker);
    pool->count += result == 0;
  }
  return result;
}

enum mantis_status
pool_new (struct pool **pool, struct loop *loop, const char *name, size_t workers, size_t room,
          struct mantis_error *error)
{
  struct pool *made = calloc (1, sizeof *made + workers * sizeof *made->workers);
  int result;

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left for %zu workers", workers);
  made->loop = loop;
  made->room = room;
  made->shared.last = &made->shared.first;
  made->writes.last = &made->writes.first;
  strncpy (made->name, name, sizeof made->name - 1);
  pthread_mutex_init (&made->mutex, NULL);
  if ((result = start (made, workers)) != 0) {
    pool_free (made);
    return mantis_fail (error, MANTIS_FAILED, "cannot start %zu workers: %s", workers,
                        strerror (result));
  }
  *pool = made;
  return MANTIS_OK;
}

void
pool_free (struct pool *pool)
{
  if (!pool)
    return;
  pthread_mutex_lock (&pool->mutex);
  pool->closing = true;
  for (size_t i = 0; i < pool->count; i++)
    pthread_cond_signal (&pool->workers[i].more);
  pthread_mutex_unlock (&pool->mutex);
  for (size_t i = 0; i < pool->count; i++) {
    pthread_join (pool->workers[i].thread, NULL);
    pthread_cond_destroy (&pool->workers[i].more);
  }
  pthread_mutex_destroy (&pool->mutex);
  free (pool);
}

bool
pool_submit (struct pool *pool, struct task *task)
{
  struct queue *queue = task->writes ? &pool->writes : &pool->shared;
  bool taken;

  task->next = NULL;
  pthread_mutex_lock (&pool->mutex);
  taken = pool->waiting < pool->room && !pool->closing;
  if (taken) {
    pool->waiting++;
    *queue->last = task;
    queue->last = &task->next;
    call_somebody (pool, task);
  }
  pthread_mutex_unlock (&pool->mutex);
  return taken;
}

void
pool_go_round (struct pool *pool, struct round *round)
{
  pthread_mutex_lock (&pool->mutex);
  round->left = pool->count;
  for (size_t i = 0; i < pool->count; i++) {
    struct worker *worker = &pool->workers[i];
    worker->round = round;
    worker->idle = false;
    pthread_cond_signal (&worker->more);
  }
  pthread_mutex_unlock (&pool->mutex);
}
