/* What the thread that looks at the database sees, with SQLite below.  It is stopped at once after its start, so that
 * nothing here can be seen because time has passed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "daemon/notice.h"
#include "law.h"
#include "wire/json.h"

#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static const struct engine *const engine = &engine_sqlite;
static struct mantis_error error;
static struct loop *loop;
static struct stores stores;
static struct store *store;
static void *self;
static struct position seen;
static int news;

#define OK(call) ck_assert_msg ((call) == MANTIS_OK, "%s: %s", #call, error.text)
#define WRITES(sql) ck_assert_msg (engine->write (sql), "%s", sql)

static void
setup (void)
{
  json_start ();
  log_set_level (MANTIS_ERROR);
  self = engine->make ();
  OK (engine->plugin->start (self, &error));
  OK (loop_new (&loop, &error));
  stores = (struct stores){.ops = engine->plugin->ops, .self = self, .role = MANTIS_CLIENT};
  OK (stores_init (&stores, 2, &error));
  WRITES ("CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)");
  OK (stores_get (&stores, 0, &store, NULL, &error));
  seen = (struct position){.head = 0};
  news = 0;
}

static void
teardown (void)
{
  stores_free (&stores);
  loop_free (loop);
  engine->plugin->stop (self);
  engine->discard (self);
}

static void
on_news (void *context, const struct position *position, enum noticed what)
{
  (void)context, (void)what;
  seen = *position;
  news++;
}

/* The thread's whole life. */
static void
look_once (void)
{
  struct notice *notice;

  OK (notice_new (&notice, loop, &stores, 1, NULL, on_news, NULL, &error));
  notice_free (notice);
}

START_TEST (what_was_committed_before_is_told)
{
  struct position now;

  WRITES ("INSERT INTO note VALUES (1, 'before')");
  look_once ();
  ck_assert_int_eq (news, 1);
  OK (position_read (store, &now, &error));
  ck_assert_int_gt (now.head, 0);
  ck_assert_int_eq (seen.head, now.head);
}
END_TEST

START_TEST (what_is_committed_right_after_the_start_makes_the_descriptor_speak)
{
  struct pollfd watched = {.events = POLLIN};
  char bytes[4096];

  look_once ();
  watched.fd = stores.ops->watch (self, &error);
  ck_assert_int_ge (watched.fd, 0);
  while (read (watched.fd, bytes, sizeof bytes) > 0)
    ;
  WRITES ("INSERT INTO note VALUES (1, 'right after')");
  ck_assert_int_eq (poll (&watched, 1, 0), 1);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("notice");
  TCase *tests = tcase_create ("notice");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tests, setup, teardown);
  tcase_add_test (tests, what_was_committed_before_is_told);
  tcase_add_test (tests, what_is_committed_right_after_the_start_makes_the_descriptor_speak);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
