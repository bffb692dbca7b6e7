/* The event loop's inbox, and the bounded pool of workers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "run/worker.h"

#include <check.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct loop *loop;
static struct mantis_error error;

static void
setup (void)
{
  ck_assert_msg (loop_new (&loop, &error) == MANTIS_OK, "%s", error.text);
}

static void
teardown (void)
{
  loop_free (loop);
}

/* ---- The loop ---------------------------------------------------------------------------------
 */
enum { POSTERS = 4, POSTS = 5000 };

struct numbered {
  struct call call;
  int poster, number;
};

static struct numbered posts[POSTERS][POSTS];
static int next_number[POSTERS], arrived;
static pthread_t loop_thread;

static void
on_post (struct call *call)
{
  const struct numbered *post = (const struct numbered *)call;

  ck_assert (pthread_equal (pthread_self (), loop_thread));
  ck_assert_int_eq (post->number, next_number[post->poster]);
  next_number[post->poster]++;
  if (++arrived == POSTERS * POSTS)
    loop_stop (loop);
}

static void *
poster (void *context)
{
  int which = (int)(intptr_t)context;

  for (int i = 0; i < POSTS; i++) {
    posts[which][i] = (struct numbered){{.run = on_post}, which, i};
    loop_post (loop, &posts[which][i].call);
  }
  return NULL;
}

START_TEST (calls_of_all_threads_arrive_in_their_order)
{
  pthread_t threads[POSTERS];

  loop_thread = pthread_self ();
  for (intptr_t i = 0; i < POSTERS; i++)
    pthread_create (&threads[i], NULL, poster, (void *)i);
  loop_run (loop);
  for (int i = 0; i < POSTERS; i++) {
    pthread_join (threads[i], NULL);
    ck_assert_int_eq (next_number[i], POSTS);
  }
}
END_TEST

START_TEST (a_stop_before_the_run_counts)
{
  loop_stop (loop);
  loop_run (loop); /* would never return */
  loop_stop (loop);
  loop_run (loop);
}
END_TEST

static void
post_again (struct call *call)
{
  if (++arrived < 3)
    loop_post (loop, call);
  else
    loop_stop (loop);
}

START_TEST (a_call_may_post_itself)
{
  struct call call = {.run = post_again};

  arrived = 0;
  loop_post (loop, &call);
  loop_run (loop);
  ck_assert_int_eq (arrived, 3);
}
END_TEST

START_TEST (what_is_left_is_called_at_the_end)
{
  struct loop *other;
  struct call call = {.run = post_again};

  arrived = 10;
  ck_assert (loop_new (&other, &error) == MANTIS_OK);
  loop_post (other, &call);
  loop_free (other);
  ck_assert_int_eq (arrived, 11);
}
END_TEST

static void
on_timer (evutil_socket_t fd, short what, void *context)
{
  (void)fd, (void)what;
  ++*(int *)context;
  loop_stop (loop);
}

START_TEST (a_timer_fires_once_or_never)
{
  int first = 0, second = 0;
  struct event *soon = evtimer_new (loop_base (loop), on_timer, &first);
  struct event *never = evtimer_new (loop_base (loop), on_timer, &second);

  loop_timer (never, 1);
  loop_timer (never, -1);
  loop_timer (soon, 2);
  loop_run (loop);
  ck_assert_int_eq (first, 1);
  ck_assert_int_eq (second, 0);
  event_free (soon);
  event_free (never);
}
END_TEST

/* ---- Workers ----------------------------------------------------------------------------------
 */
static sem_t begun, go_on;
static atomic_int worked, seen_workers;
static int done;

static void
wait_work (struct task *task, size_t worker)
{
  (void)task;
  sem_post (&begun);
  sem_wait (&go_on);
  seen_workers |= 1 << worker;
  worked++;
}

static void
on_done (struct call *call)
{
  (void)call;
  ck_assert (pthread_equal (pthread_self (), loop_thread));
  done++;
  loop_stop (loop);
}

static void
start_counting (void)
{
  loop_thread = pthread_self ();
  sem_init (&begun, 0, 0);
  sem_init (&go_on, 0, 0);
  worked = seen_workers = done = 0;
}

START_TEST (a_full_queue_takes_no_more)
{
  struct task tasks[4];
  struct pool *pool;

  start_counting ();
  for (int i = 0; i < 4; i++)
    tasks[i] = (struct task){.work = wait_work, .done.run = on_done};
  ck_assert (pool_new (&pool, loop, "test", 1, 2, &error) == MANTIS_OK);
  ck_assert (pool_submit (pool, &tasks[0]));
  sem_wait (&begun); /* the worker has it: the queue is empty */
  ck_assert (pool_submit (pool, &tasks[1]));
  ck_assert (pool_submit (pool, &tasks[2]));
  ck_assert (!pool_submit (pool, &tasks[3]));
  sem_post (&go_on);
  sem_wait (&begun);
  ck_assert (pool_submit (pool, &tasks[3]));
  for (int i = 0; i < 3; i++)
    sem_post (&go_on);
  while (done < 4)
    loop_run (loop);
  ck_assert_int_eq (worked, 4);
  pool_free (pool);
}
END_TEST

START_TEST (workers_have_numbers_of_their_own)
{
  enum { WORKERS = 3 };
  struct task tasks[WORKERS];
  struct pool *pool;

  start_counting ();
  ck_assert (pool_new (&pool, loop, "test", WORKERS, WORKERS, &error) == MANTIS_OK);
  for (int i = 0; i < WORKERS; i++) {
    tasks[i] = (struct task){.work = wait_work, .done.run = on_done};
    ck_assert (pool_submit (pool, &tasks[i]));
  }
  for (int i = 0; i < WORKERS; i++)
    sem_wait (&begun); /* all at once */
  for (int i = 0; i < WORKERS; i++)
    sem_post (&go_on);
  while (done < WORKERS)
    loop_run (loop);
  ck_assert_int_eq (seen_workers, 7);
  pool_free (pool);
}
END_TEST

/* O21: what was taken is finished, and its end is told. */
START_TEST (the_end_finishes_what_is_queued)
{
  struct task tasks[3];
  struct pool *pool;

  start_counting ();
  ck_assert (pool_new (&pool, loop, "test", 1, 3, &error) == MANTIS_OK);
  for (int i = 0; i < 3; i++) {
    tasks[i] = (struct task){.work = wait_work, .done.run = on_done};
    ck_assert (pool_submit (pool, &tasks[i]));
    sem_post (&go_on);
  }
  pool_free (pool);
  ck_assert_int_eq (worked, 3);
  loop_flush (loop);
  ck_assert_int_eq (done, 3);
}
END_TEST

/* ---- Rounds ---- */

struct test_round {
  struct round round;
  int works, after; /* WORKS: calls of work(), AFTER: of which tasks were done before */
  int ends;
};

static void
round_work (struct round *round, size_t worker)
{
  struct test_round *mine = (struct test_round *)round;

  __atomic_add_fetch (&mine->works, 1 << (8 * worker), __ATOMIC_SEQ_CST);
  __atomic_add_fetch (&mine->after, worked, __ATOMIC_SEQ_CST);
}

static void
round_done (struct call *call)
{
  ((struct test_round *)call)->ends++;
  on_done (call);
}

/* Each worker does its part once, and who has a task in hand does not before that is done. */
START_TEST (a_round_comes_to_each_worker_between_two_tasks)
{
  enum { WORKERS = 3 };
  struct test_round round = {.round = {.work = round_work, .done.run = round_done}};
  struct task tasks[2];
  struct pool *pool;

  start_counting ();
  ck_assert (pool_new (&pool, loop, "test", WORKERS, 2, &error) == MANTIS_OK);
  for (int i = 0; i < 2; i++) {
    tasks[i] = (struct task){.work = wait_work, .done.run = on_done};
    ck_assert (pool_submit (pool, &tasks[i]));
    sem_wait (&begun);
  }
  pool_go_round (pool, &round.round);
  while (__atomic_load_n (&round.works, __ATOMIC_SEQ_CST) == 0)
    sched_yield (); /* the idle one */
  sem_post (&go_on);
  while (done < 1)
    loop_run (loop);
  ck_assert_int_ne (__atomic_load_n (&round.works, __ATOMIC_SEQ_CST), 0x010101);
  ck_assert_int_eq (round.ends, 0);
  sem_post (&go_on);
  while (done < 3)
    loop_run (loop);
  ck_assert_int_eq (round.works, 0x010101);
  ck_assert_int_ge (round.after, 1 + 2);
  pool_go_round (pool, &round.round);
  pool_free (pool);
  loop_flush (loop);
  ck_assert_int_eq (round.works, 0x020202);
  ck_assert_int_eq (round.ends, 2);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("run");
  TCase *loops = tcase_create ("loop"), *workers = tcase_create ("worker");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (loops, setup, teardown);
  tcase_add_test (loops, calls_of_all_threads_arrive_in_their_order);
  tcase_add_test (loops, a_stop_before_the_run_counts);
  tcase_add_test (loops, a_call_may_post_itself);
  tcase_add_test (loops, what_is_left_is_called_at_the_end);
  tcase_add_test (loops, a_timer_fires_once_or_never);
  suite_add_tcase (suite, loops);
  tcase_add_checked_fixture (workers, setup, teardown);
  tcase_add_test (workers, a_full_queue_takes_no_more);
  tcase_add_test (workers, workers_have_numbers_of_their_own);
  tcase_add_test (workers, the_end_finishes_what_is_queued);
  tcase_add_test (workers, a_round_comes_to_each_worker_between_two_tasks);
  suite_add_tcase (suite, workers);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
