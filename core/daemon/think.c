/* think.c - resolvers that wait are asked on threads of their own, apart from the workers.
 *
 * The threads are there from the first question on.  All of this file but think() runs on the loop's thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/visit.h"

#include <stdlib.h>

enum { THINKERS = 4 /* questions that are asked at once */ };

struct thinker {
  struct task task;
  struct thinking *thinking;
  struct question *question; /* NULL: it has none */
};

struct thinking {
  struct mantis_service *service;
  struct pool *pool;
  struct thinker thinkers[THINKERS];
};

static struct questions *
questions_of (const struct thinking *thinking)
{
  return &thinking->service->set.server->questions;
}

static void
think (struct task *task, size_t worker)
{
  struct thinker *thinker = (struct thinker *)task;

  (void)worker;
  question_ask (questions_of (thinker->thinking), thinker->question);
}

static void
on_answer (struct call *call)
{
  struct thinker *thinker = (struct thinker *)call;
  struct thinking *thinking = thinker->thinking;
  struct visit *next;

  thinker->question = NULL;
  for (struct visit *visit = thinking->service->asking; visit; visit = next) {
    next = visit->next;
    if (questions_settled (questions_of (thinking), visit->asks))
      visit_again (visit);
  }
  thinking_begin (thinking);
}

void
thinking_begin (struct thinking *thinking)
{
  struct mantis_error error;

  if (thinking->service->draining)
    return;
  if (!thinking->pool && pool_new (&thinking->pool, thinking->service->set.loop, "resolver",
                                   THINKERS, THINKERS, &error) != MANTIS_OK) {
    mantis_log (MANTIS_ERROR, "resolvers that wait cannot be asked: %s", error.text);
    return;
  }
  for (size_t i = 0; i < THINKERS; i++) {
    struct thinker *thinker = &thinking->thinkers[i];
    if (thinker->question)
      continue;
    if (!(thinker->question = questions_next (questions_of (thinking))))
      return;
    thinker->task = (struct task){.work = think, .done.run = on_answer};
    pool_submit (thinking->pool, &thinker->task); /* there is room for each */
  }
}

struct thinking *
thinking_new (struct mantis_service *service)
{
  struct thinking *made = calloc (1, sizeof *made);

  if (!made)
    return NULL;
  made->service = service;
  for (size_t i = 0; i < THINKERS; i++)
    made->thinkers[i].thinking = made;
  questions_of (made)->attended = true;
  return made;
}

void
thinking_stop (struct thinking *thinking)
{
  pool_free (thinking->pool);
  thinking->pool = NULL;
}

void
thinking_free (struct thinking *thinking)
{
  if (!thinking)
    return;
  thinking_stop (thinking);
  free (thinking);
}
