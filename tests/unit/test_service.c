/* Who gets in, who waits, and that everybody is answered once: the server's side of a transport,
 * with SQLite below and without a socket.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "daemon/service.h"
#include "wire/json.h"

#include <check.h>
#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct mantis_plugin plugin_sqlite;

enum { WORKERS = 2, ROOM = 8 };
static char folder[] = "/tmp/mantis-service-XXXXXX";
static struct mantis_error error;
static struct loop *loop;
static struct config *config;
static struct plugins *plugins;
static struct instance *storage;
static struct stores stores;
static struct pool *pool;
static struct server server;
static struct mantis_service *service;

/* ---- Authentications that say what the test wants ---------------------------------------------
 */
static enum mantis_status verdicts[2];
static int asked[2];
static int64_t expires;

static enum mantis_status
say (void *self, const struct mantis_credentials *credentials, struct mantis_arena *arena,
     struct mantis_principal *principal, struct mantis_error *why)
{
  int which = *(int *)self;

  asked[which]++;
  if (verdicts[which] != MANTIS_OK)
    return mantis_fail (why, verdicts[which], "verdict of %d", which);
  if (!credentials->bearer)
    return mantis_fail (why, MANTIS_ABSENT, "no token");
  principal->subject = mantis_arena_strdup (arena, "alice");
  principal->claims = "{}";
  principal->expires = expires;
  return MANTIS_OK;
}

static const struct mantis_auth auth_ops = {.size = sizeof auth_ops, .authenticate = say};
static int numbers[2] = {0, 1};
static struct instance auths[2] = {
    {.ops = &auth_ops, .self = &numbers[0], .name = "first", .parallel = true},
    {.ops = &auth_ops, .self = &numbers[1], .name = "second", .parallel = true}};
static struct instance *auth_list[2] = {&auths[0], &auths[1]};

/* ---- Answers ----------------------------------------------------------------------------------
 */
struct asker {
  struct mantis_request request;
  uint64_t ticket;
  int answers, status;
  bool hang_up, prepared;
  int64_t retry_after;
  char body[2000];
};
static int wanted;

static void
on_answer (void *context, const struct mantis_answer *answer)
{
  struct asker *asker = context;

  asker->answers++;
  asker->status = answer->status;
  asker->retry_after = answer->retry_after;
  asker->hang_up = answer->hang_up;
  asker->prepared = answer->prepared;
  snprintf (asker->body, sizeof asker->body, "%s", answer->body);
  ck_assert_uint_eq (strlen (answer->body), answer->length);
  if (--wanted == 0)
    loop_stop (loop);
}

static void
submit (struct asker *asker, const char *message, const char *body, const char *bearer)
{
  *asker = (struct asker){.request = {.size = sizeof asker->request,
                                      .message = message,
                                      .body = body,
                                      .length = strlen (body),
                                      .credentials = {.bearer = bearer, .peer = "test"}}};
  wanted++;
  asker->ticket = mantis_service_submit (service, &asker->request, on_answer, asker);
  ck_assert_uint_ne (asker->ticket, 0);
}

static void
wait_for_answers (void)
{
  while (wanted > 0)
    loop_run (loop);
}

static void
ask (struct asker *asker, const char *message, const char *body, const char *bearer)
{
  submit (asker, message, body, bearer);
  wait_for_answers ();
  ck_assert_int_eq (asker->answers, 1);
}

/* What a transport makes of an answer beforehand. */
static struct {
  int calls;
  char body[2000];
  pthread_t thread;
  sem_t *begun, *goes_on; /* NULL: it does not stop */
} prepared;

static void
prepare (const struct mantis_request *request, const char *body, size_t length)
{
  (void)request;
  prepared.calls++;
  prepared.thread = pthread_self ();
  snprintf (prepared.body, sizeof prepared.body, "%.*s", (int)length, body);
  if (prepared.begun) {
    sem_post (prepared.begun);
    sem_wait (prepared.goes_on);
  }
}

static void
submit_prepared (struct asker *asker, const char *message, const char *body)
{
  *asker = (struct asker){.request = {.size = sizeof asker->request,
                                      .message = message,
                                      .body = body,
                                      .length = strlen (body),
                                      .credentials = {.bearer = "token", .peer = "test"},
                                      .prepare = prepare}};
  wanted++;
  asker->ticket = mantis_service_submit (service, &asker->request, on_answer, asker);
}

static int64_t prompt = 60000;

static void
setup (void)
{
  char text[300];
  struct service_settings settings = {.auth = auth_list,
                                      .auth_count = 2,
                                      .server = &server,
                                      .stores = &stores,
                                      .lane = 1,
                                      .prompt = prompt};
  struct store *store;

  json_start ();
  log_set_level (MANTIS_ERROR);
  ck_assert_ptr_nonnull (mkdtemp (folder));
  snprintf (text, sizeof text,
            "{\"mode\": \"server\", \"storage\": {\"plugin\": \"sqlite\", \"path\": \"%s/a.db\"},"
            " \"auth\": [{\"plugin\": \"x\"}], \"nodes\": {\"%032d\": {\"enabled\": false}}}",
            folder, 7);
  ck_assert_msg (config_parse (text, folder, 0, &config, &error) == MANTIS_OK, "%s", error.text);
  plugins = plugins_new ((const char *const[]){NULL});
  ck_assert (plugins_add_static (plugins, &plugin_sqlite, &error) == MANTIS_OK);
  ck_assert_msg (instance_new (plugins, config->storage, &storage, &error) == MANTIS_OK, "%s",
                 error.text);
  stores.ops = storage->ops;
  stores.self = storage->self;
  stores.role = MANTIS_SERVER;
  ck_assert (stores_init (&stores, WORKERS, &error) == MANTIS_OK);
  ck_assert_msg (stores_get (&stores, 0, &store, NULL, &error) == MANTIS_OK, "%s", error.text);
  ck_assert (loop_new (&loop, &error) == MANTIS_OK);
  ck_assert (pool_new (&pool, loop, "test", WORKERS, ROOM, &error) == MANTIS_OK);
  server = (struct server){
      .limits = {.page_rows = 100, .page_bytes = 100000, .body_bytes = 1000000, .wait = 20000}};
  ck_assert (access_configure (&server.access, config, &error) == MANTIS_OK);
  settings.pool = pool;
  ck_assert (service_new (&settings, loop_base (loop), &service, &error) == MANTIS_OK);
  verdicts[0] = MANTIS_ABSENT;
  verdicts[1] = MANTIS_OK;
}

static void
setup_hasty (void)
{
  prompt = 20;
  setup ();
}

static void
teardown (void)
{
  char command[100];

  pool_free (pool);
  loop_flush (loop);
  service_free (service);
  access_free (&server.access);
  stores_free (&stores);
  instance_free (storage);
  plugins_free (plugins);
  config_free (config);
  loop_free (loop);
  snprintf (command, sizeof command, "rm -r %s", folder);
  ck_assert_int_eq (system (command), 0);
}

/* ---- Sessions ---- */

/* The session is opened anew with other filters: on the database that was there, not on a new one. */
START_TEST (a_database_that_was_there_is_not_made_again)
{
  struct filtering *filtering;
  struct store *store;
  char place[100];
  bool fresh;

  snprintf (place, sizeof place, "%s/a.db", folder);
  ck_assert (filtering_new (plugins, config, NULL, &filtering, &error) == MANTIS_OK);
  stores_refilter (&stores, 0, filtering);
  ck_assert (stores_get (&stores, 0, &store, &fresh, &error) == MANTIS_OK);
  ck_assert (fresh);
  ck_assert (stores_get (&stores, 0, &store, &fresh, &error) == MANTIS_OK);
  ck_assert (!fresh);

  ck_assert_int_eq (unlink (place), 0);
  ck_assert (filtering_new (plugins, config, NULL, &filtering, &error) == MANTIS_OK);
  stores_refilter (&stores, 0, filtering);
  ck_assert (stores_get (&stores, 0, &store, &fresh, &error) == MANTIS_LOST);
  ck_assert_int_ne (access (place, F_OK), 0);
}
END_TEST

/* ---- Who gets in ------------------------------------------------------------------------------
 */

/* O24: the messages are taken from the table that dispatches them. */
START_TEST (nothing_but_health_is_open)
{
  struct asker asker;
  int open = 0;

  for (const struct message *m = messages; m->name; m++) {
    ask (&asker, m->name, "{}", NULL);
    if (asker.status != 401)
      open++;
    ck_assert_msg (
        asker.status ==
            (strcmp (m->name, "healthz") == 0 || strcmp (m->name, "readyz") == 0 ? 200
             : strcmp (m->name, "login") == 0 ? 404 /* nobody lets in here */
                                              : 401),
        "%s: %d", m->name, asker.status);
  }
  ck_assert_int_eq (open, 3);
}
END_TEST

START_TEST (authentications_are_asked_in_turn)
{
  struct asker asker;

  ask (&asker, "hello", "{}", "token");
  ck_assert_msg (asker.status == 200, "%d %s", asker.status, asker.body);
  ck_assert_int_eq (asked[0], 1);
  ck_assert_int_eq (asked[1], 1);
  verdicts[0] = MANTIS_DENIED; /* is the last word */
  ask (&asker, "hello", "{}", "token");
  ck_assert_int_eq (asker.status, 401);
  ck_assert_msg (strstr (asker.body, "verdict of 0") != NULL, "%s", asker.body);
  ck_assert_int_eq (asked[1], 1);
  verdicts[0] = MANTIS_FAILED; /* cannot tell now */
  ask (&asker, "hello", "{}", "token");
  ck_assert_int_eq (asker.status, 503);
  ck_assert (asker.retry_after > 0);
  ck_assert_ptr_null (strstr (asker.body, "verdict"));
}
END_TEST

START_TEST (a_disabled_node_is_turned_away)
{
  struct asker asker = {.answers = 0};
  char node[40];

  snprintf (node, sizeof node, "%032d", 7);
  asker.request = (struct mantis_request){.size = sizeof asker.request,
                                          .message = "hello",
                                          .node = node,
                                          .body = "{}",
                                          .length = 2,
                                          .credentials = {.bearer = "token"}};
  wanted = 1;
  mantis_service_submit (service, &asker.request, on_answer, &asker);
  wait_for_answers ();
  ck_assert_int_eq (asker.status, 403);
}
END_TEST

START_TEST (an_unknown_message_is_answered)
{
  struct asker asker;

  ask (&asker, "frobnicate", "{}", "token");
  ck_assert_int_eq (asker.status, 404);
}
END_TEST

static void
on_moment (evutil_socket_t fd, short what, void *context)
{
  (void)fd, (void)what, (void)context;
  loop_stop (loop);
}

/* Run the loop for so many times five milliseconds. */
static void
let_time_pass (int times)
{
  struct event *moment = evtimer_new (loop_base (loop), on_moment, NULL);

  for (int i = 0; i < times; i++) {
    loop_timer (moment, 5);
    loop_run (loop);
  }
  event_free (moment);
}

/* ---- A database that hangs --------------------------------------------------------------------
 */
static atomic_bool hangs;

static void
hang (struct task *task, size_t worker)
{
  (void)task, (void)worker;
  while (hangs)
    usleep (1000);
}

static void
wake_up (struct call *call)
{
  (void)call;
}

START_TEST (who_asks_whether_it_is_ready_does_not_wait_for_the_database)
{
  struct task tasks[WORKERS];
  struct asker ready, status;

  hangs = true;
  for (int i = 0; i < WORKERS; i++) {
    tasks[i] = (struct task){.work = hang, .done.run = wake_up};
    ck_assert (pool_submit (pool, &tasks[i]));
  }
  submit (&ready, "readyz", "", NULL);
  submit (&status, "status", "{}", "token");
  while (ready.answers == 0)
    let_time_pass (1);
  ck_assert_int_eq (ready.status, 503);
  ck_assert (ready.retry_after > 0);
  ck_assert_int_eq (status.answers, 0);
  hangs = false;
  wait_for_answers ();
  ck_assert_int_eq (status.status, 200);
  ck_assert_int_eq (ready.answers, 1);
}
END_TEST

/* ---- Who waits --------------------------------------------------------------------------------
 */
static char waiting[300];

/* A pull that has all there is and waits for more. */
static const char *
waiting_pull (void)
{
  struct asker asker;
  const char *from, *to;

  ask (&asker, "pull", "{}", "token");
  ck_assert_int_eq (asker.status, 200);
  from = strstr (asker.body, "{\"epoch\"");
  to = strchr (from, '}');
  snprintf (waiting, sizeof waiting, "{\"cursor\":%.*s,\"wait\":20}", (int)(to - from + 1), from);
  return waiting;
}

/* Until the workers have nothing more to do. */
static void
let_park (const struct asker *asker)
{
  let_time_pass (20);
  ck_assert_int_eq (asker->answers, 0);
}

/* R9: what is committed while a pull looks is not missed either; see `seen' in service.c. */
START_TEST (a_commit_wakes_those_who_wait)
{
  struct asker first, second;
  const char *pull = waiting_pull ();

  submit (&first, "pull", pull, "token");
  submit (&second, "pull", pull, "token");
  let_park (&first);
  service_news (service, &(struct position){.head = 1000}, false);
  let_park (&second); /* nothing for them: they wait on */
  service_news (service, &(struct position){.head = 1000}, false); /* no news at all */
  service_news (service, &(struct position){.head = 1000, .generation = 1000}, false);
  wait_for_answers (); /* other tables: any answer tells them */
  ck_assert_int_eq (first.status, 200);
  ck_assert_int_eq (second.status, 200);
  ck_assert_int_eq (first.answers + second.answers, 2);
}
END_TEST

/* What they are shown may be something else, whatever came. */
START_TEST (other_filters_are_told_to_those_who_wait)
{
  struct asker parked, working;
  const char *pull = waiting_pull ();

  server.limits.wait = 600000; /* nothing else wakes them */
  strcpy (strstr (waiting, "20}"), "600}");
  submit (&parked, "pull", pull, "token");
  let_park (&parked);
  submit (&working, "pull", pull, "token");
  service_refilter (service);
  wait_for_answers ();
  ck_assert_int_eq (parked.status, 200);
  ck_assert_int_eq (working.status, 200);
  submit (&parked, "pull", pull, "token");
  let_park (&parked); /* who comes later is answered by them anyway */
  mantis_service_cancel (service, parked.ticket);
}
END_TEST

START_TEST (who_is_gone_is_answered_once)
{
  struct asker parked, working;
  const char *pull = waiting_pull ();

  submit (&parked, "pull", pull, "token");
  let_park (&parked);
  mantis_service_cancel (service, parked.ticket);
  ck_assert_int_eq (parked.answers, 1); /* at once */
  mantis_service_cancel (service, parked.ticket);
  submit (&working, "pull", pull, "token");
  mantis_service_cancel (service, working.ticket);
  wait_for_answers ();
  mantis_service_cancel (service, working.ticket);
  mantis_service_cancel (service, 4711);
  ck_assert_int_eq (parked.answers, 1);
  ck_assert_int_eq (working.answers, 1);
}
END_TEST

START_TEST (a_principal_that_ran_out_is_asked_again)
{
  struct asker asker;
  const char *pull = waiting_pull ();

  expires = mantis_now () - 1;
  submit (&asker, "pull", pull, "token");
  let_park (&asker);
  verdicts[1] = MANTIS_DENIED;
  service_news (service, &(struct position){.head = 1000}, false);
  wait_for_answers ();
  ck_assert_int_eq (asker.status, 401);
}
END_TEST

/* ---- Who is turned away -----------------------------------------------------------------------
 */

/* What `mantisctl nodes' does. */
static void
order (const char *name, bool disabled)
{
  struct store *store;

  ck_assert (stores_get (&stores, 0, &store, NULL, &error) == MANTIS_OK);
  ck_assert_msg (nodes_order (&server, store, name, disabled, &error) == MANTIS_OK, "%s",
                 error.text);
  service_recheck (service);
}

START_TEST (who_waits_is_turned_away)
{
  struct asker asker, again;
  const char *pull = waiting_pull ();

  submit (&asker, "pull", pull, "token");
  let_park (&asker);
  order ("bob", true);
  let_park (&asker); /* somebody else */
  order ("alice", true);
  wait_for_answers ();
  ck_assert_int_eq (asker.status, 403);
  ck_assert_ptr_nonnull (strstr (asker.body, "\"disabled\""));
  ck_assert (asker.hang_up);
  ask (&again, "schema", "{}", "token");
  ck_assert_int_eq (again.status, 403);
  order ("alice", false);
  ask (&again, "schema", "{}", "token");
  ck_assert_int_eq (again.status, 200);
  ck_assert (!again.hang_up);
}
END_TEST

/* Off the loop: once, with the body that the answer has, and not for what is answered instead. */
START_TEST (answers_are_prepared_on_a_worker)
{
  static const char *const messages_of_both_kinds[] = {"hello", "pull"};
  struct asker asker;

  for (int i = 0; i < 2; i++) {
    prepared.calls = 0;
    submit_prepared (&asker, messages_of_both_kinds[i], "{}");
    wait_for_answers ();
    ck_assert_int_eq (asker.status, 200);
    ck_assert (asker.prepared);
    ck_assert_int_eq (prepared.calls, 1);
    ck_assert_str_eq (prepared.body, asker.body);
    ck_assert (!pthread_equal (prepared.thread, pthread_self ()));
  }
  ask (&asker, "hello", "{}", "token");
  ck_assert (!asker.prepared);
  asker.request.size = offsetof (struct mantis_request, prepare); /* an older plugin's */
  asker.request.prepare = prepare;
  wanted++;
  mantis_service_submit (service, &asker.request, on_answer, &asker);
  wait_for_answers ();
  ck_assert_int_eq (prepared.calls, 1);
}
END_TEST

START_TEST (who_waits_is_not_prepared_for)
{
  struct asker asker;
  const char *pull = waiting_pull ();

  prepared.calls = 0;
  submit_prepared (&asker, "pull", pull);
  let_park (&asker);
  mantis_service_cancel (service, asker.ticket);
  wait_for_answers ();
  ck_assert_int_eq (prepared.calls, 0);
  ck_assert (!asker.prepared);
}
END_TEST

START_TEST (what_was_prepared_does_not_count_for_who_is_turned_away)
{
  struct asker asker;
  sem_t begun, goes_on;

  sem_init (&begun, 0, 0);
  sem_init (&goes_on, 0, 0);
  prepared.begun = &begun;
  prepared.goes_on = &goes_on;
  submit_prepared (&asker, "hello", "{}");
  sem_wait (&begun);
  order ("alice", true);
  sem_post (&goes_on);
  wait_for_answers ();
  prepared.begun = NULL;
  ck_assert_int_eq (asker.status, 403);
  ck_assert (!asker.prepared);
}
END_TEST

START_TEST (who_waits_is_asked_for_credentials_again)
{
  struct asker asker;
  const char *pull = waiting_pull ();

  submit (&asker, "pull", pull, "token");
  let_park (&asker);
  service_recheck (service); /* still good: it waits on */
  let_park (&asker);
  verdicts[1] = MANTIS_DENIED;
  service_recheck (service);
  wait_for_answers ();
  ck_assert_int_eq (asker.status, 401);
  ck_assert (asker.hang_up);
}
END_TEST

/* ---- Connections that stay --------------------------------------------------------------------
 */
struct stay {
  struct mantis_credentials credentials;
  uint64_t ticket;
  int ended, status;
  bool departs; /* from within */
};

static void
on_ended (void *context, int status, const char *why)
{
  struct stay *stay = context;

  ck_assert_ptr_nonnull (why);
  stay->ended++;
  stay->status = status;
  if (stay->departs)
    mantis_service_depart (service, stay->ticket);
}

static void
attend (struct stay *stay, bool departs)
{
  struct mantis_attendance attendance = {.size = sizeof attendance,
                                         .credentials = &stay->credentials,
                                         .ended = on_ended,
                                         .context = stay};

  *stay = (struct stay){.credentials = {.size = sizeof stay->credentials, .bearer = "token"},
                        .departs = departs};
  stay->ticket = mantis_service_attend (service, &attendance);
  ck_assert_uint_ne (stay->ticket, 0);
}

START_TEST (a_connection_of_one_who_is_turned_away_ends)
{
  struct stay first, second, late;

  attend (&first, true);
  attend (&second, false);
  let_time_pass (20);
  order ("bob", true);
  let_time_pass (20);
  ck_assert_int_eq (first.ended + second.ended, 0);
  order ("alice", true); /* names are compared at once */
  ck_assert_int_eq (first.ended, 1);
  ck_assert_int_eq (second.ended, 1);
  ck_assert_int_eq (second.status, 403);
  attend (&late, true); /* let in a moment before */
  while (!late.ended)
    let_time_pass (1);
  ck_assert_int_eq (late.status, 403);
  service_recheck (service);
  let_time_pass (20);
  ck_assert_int_eq (second.ended, 1); /* once is enough */
  mantis_service_depart (service, second.ticket);
}
END_TEST

START_TEST (a_connection_whose_key_is_taken_back_ends)
{
  struct stay stays[3];

  for (size_t i = 0; i < COUNT_OF (stays); i++)
    attend (&stays[i], true);
  mantis_service_depart (service, stays[0].ticket); /* it is being checked just now */
  let_time_pass (20);
  verdicts[1] = MANTIS_FAILED; /* cannot tell: they stay, and are asked later */
  service_recheck (service);
  let_time_pass (20);
  ck_assert_int_eq (stays[1].ended + stays[2].ended, 0);
  verdicts[1] = MANTIS_DENIED;
  while (!stays[1].ended || !stays[2].ended)
    let_time_pass (1);
  ck_assert_int_eq (stays[1].status, 401);
  ck_assert_int_eq (stays[0].ended, 0);
  ck_assert_int_eq (stays[1].ended + stays[2].ended, 2);
  mantis_service_depart (service, stays[1].ticket); /* twice, and none */
  mantis_service_depart (service, 0);
}
END_TEST

/* R45 */
START_TEST (a_full_queue_answers_503)
{
  enum { MANY = ROOM * 20 };
  static struct asker askers[MANY];
  int refused = 0;

  for (int i = 0; i < MANY; i++)
    submit (&askers[i], "hello", "{}", "token");
  wait_for_answers ();
  for (int i = 0; i < MANY; i++) {
    ck_assert_int_eq (askers[i].answers, 1);
    ck_assert (askers[i].status == 200 || (askers[i].status == 503 && askers[i].retry_after > 0));
    refused += askers[i].status == 503;
  }
  ck_assert_int_gt (refused, 0);
  ck_assert_int_le (refused, MANY - ROOM);
}
END_TEST

static void
on_empty (void *context)
{
  ++*(int *)context;
}

START_TEST (the_end_answers_everybody)
{
  struct asker parked, late;
  const char *pull = waiting_pull ();
  int empty = 0;

  submit (&parked, "pull", pull, "token");
  let_park (&parked);
  service_drain (service, on_empty, &empty);
  ck_assert_int_eq (empty, 0);
  submit (&late, "hello", "{}", "token");
  ck_assert_int_eq (late.status, 503);
  wait_for_answers ();
  ck_assert_int_eq (parked.status, 200);
  ck_assert_int_eq (empty, 1);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("service");
  TCase *cases = tcase_create ("service"), *hasty = tcase_create ("hasty");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (cases, setup, teardown);
  tcase_set_timeout (cases, 60);
  tcase_add_test (cases, a_database_that_was_there_is_not_made_again);
  tcase_add_test (cases, nothing_but_health_is_open);
  tcase_add_test (cases, authentications_are_asked_in_turn);
  tcase_add_test (cases, a_disabled_node_is_turned_away);
  tcase_add_test (cases, an_unknown_message_is_answered);
  tcase_add_test (cases, a_commit_wakes_those_who_wait);
  tcase_add_test (cases, answers_are_prepared_on_a_worker);
  tcase_add_test (cases, who_waits_is_not_prepared_for);
  tcase_add_test (cases, what_was_prepared_does_not_count_for_who_is_turned_away);
  tcase_add_test (cases, other_filters_are_told_to_those_who_wait);
  tcase_add_test (cases, who_is_gone_is_answered_once);
  tcase_add_test (cases, a_principal_that_ran_out_is_asked_again);
  tcase_add_test (cases, who_waits_is_turned_away);
  tcase_add_test (cases, who_waits_is_asked_for_credentials_again);
  tcase_add_test (cases, a_connection_of_one_who_is_turned_away_ends);
  tcase_add_test (cases, a_connection_whose_key_is_taken_back_ends);
  tcase_add_test (cases, a_full_queue_answers_503);
  tcase_add_test (cases, the_end_answers_everybody);
  suite_add_tcase (suite, cases);
  tcase_add_checked_fixture (hasty, setup_hasty, teardown);
  tcase_add_test (hasty, who_asks_whether_it_is_ready_does_not_wait_for_the_database);
  suite_add_tcase (suite, hasty);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
