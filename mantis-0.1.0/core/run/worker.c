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
};

struct queue {
  struct task *first, **last;
};

struct pool {
  struct loop *loop;
  pthread_mutex_t mutex;
  pthread_cond_t more;
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
  return task;
}

/* The next task for WORKER, NULL: there will be none any more. */
static struct task *
next_task (const struct worker *worker)
{
  struct pool *pool = worker->pool;
  struct task *task = NULL;

  pthread_mutex_lock (&pool->mutex);
  for (;;) {
    if (worker->number == 0)
      task = take (&pool->writes);
    if (!task)
      task = take (&pool->shared);
    if (task || pool->closing)
      break;
    pthread_cond_wait (&pool->more, &pool->mutex);
  }
  pool->waiting -= task != NULL;
  pthread_mutex_unlock (&pool->mutex);
  return task;
}

static void *
work (void *context)
{
  const struct worker *worker = context;
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
  pthread_cond_init (&made->more, NULL);
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
  pthread_cond_broadcast (&pool->more);
  pthread_mutex_unlock (&pool->mutex);
  for (size_t i = 0; i < pool->count; i++)
    pthread_join (pool->workers[i].thread, NULL);
  pthread_cond_destroy (&pool->more);
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
    pthread_cond_broadcast (&pool->more); /* a signal might wake one that may not take it */
  }
  pthread_mutex_unlock (&pool->mutex);
  return taken;
}
