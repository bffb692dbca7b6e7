/* core/message/pull.c: those that ask the same are answered together, and each as if it were alone.
 *
 * The oracle is message_handle(), one after the other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "server_rig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 40 };

static const struct caller mallory = {NODE_A, "mallory"}, nobody = {"no id", "bob"},
                           unheard = {"dddddddddddddddddddddddddddddddd", "erin"};
static char cursor[200];
static struct reply replies[MANY], alone[MANY], later[MANY];

static void
set_up (void)
{
  rig_start ("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);"
             "CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT);"
             "INSERT INTO t VALUES (1, 'before Mantis')");
}

/* Each caller sees other rows, and so has a view of its own. */
static bool
is_for (const struct mantis_caller *caller, const struct mantis_value *value)
{
  const char *subject = caller->principal->subject;

  return value->type == MANTIS_TEXT && strncmp (value->as.bytes, "not for ", 8) != 0
             ? true
             : value->type == MANTIS_TEXT && strcmp (value->as.bytes + 8, subject) != 0;
}

static void
set_up_filtered (void)
{
  rig_filter = (struct rig_filter){.table = "t", .looks = "v", .sees = is_for};
  set_up ();
}

static void
start (void)
{
  char *dumped;

  ck_assert_int_eq (ask (&curl, "pull", "{}"), 200);
  dumped = json_dumps (json_object_get (rig_answer, "cursor"), JSON_COMPACT);
  snprintf (cursor, sizeof cursor, "%s", dumped);
  free (dumped);
}

/* All but the clock, which goes on. */
static void
same_answer (const struct reply *a, const struct reply *b)
{
  json_t *left = json_loadb (a->body.bytes, a->body.length, 0, NULL);
  json_t *right = json_loadb (b->body.bytes, b->body.length, 0, NULL);

  ck_assert_int_eq (a->status, b->status);
  ck_assert_int_eq (a->wait, b->wait);
  ck_assert_str_eq (a->type, b->type);
  json_object_del (left, "clock");
  json_object_del (right, "clock");
  ck_assert_msg (left && json_equal (left, right), "together: %s\nalone: %s", a->body.bytes,
                 b->body.bytes);
  json_decref (left);
  json_decref (right);
}

static void
forget (struct reply *reply)
{
  mantis_buf_free (&reply->body);
  *reply = (struct reply){.body = MANTIS_BUF_INIT};
}

static struct cursor
place_of (const char *text)
{
  char body[300];
  struct cursor place;
  bool there;
  json_t *json;

  snprintf (body, sizeof body, "{\"cursor\":%s}", text);
  json = json_loads (body, 0, NULL);
  ck_assert_int_eq (cursor_read (json, "cursor", &place, &there, NULL), MANTIS_OK);
  json_decref (json);
  return place;
}

/* As if it had waited since SINCE, and nothing was for it up to LOOKED. */
static void
has_waited (struct reply *reply, const struct cursor *since, const struct cursor *looked)
{
  forget (reply);
  reply->looked = *looked;
  reply->since = since->rev;
}

static int passed; /* of the last compare() */

/* Had they waited at their cursor: who would have to wait goes on waiting, the others are told the same. */
static void
compare_waiting (struct fellow *fellows, size_t count)
{
  struct cursor place = place_of (cursor);

  for (size_t i = 0; i < count; i++)
    has_waited (fellows[i].reply, &place, &place);
  if (count)
    message_handle_all (&rig_server, &rig_store, fellows, count);
  ck_assert (!rig_store.in_transaction);
  for (size_t i = 0; i < count; i++) {
    const struct reply *reply = fellows[i].reply, *expected = &alone[reply - later];
    if (reply->again)
      continue;
    if (reply->body.length) {
      same_answer (reply, expected);
      continue;
    }
    ck_assert_int_gt (reply->wait, 0);
    ck_assert_int_gt (expected->wait, 0);
    ck_assert_int_eq (reply->looked.rev, head ());
    passed++;
  }
}

/* From the cursor on, with MORE members: what COUNT CALLERS are told together is what each is told alone.  How many
 * are told to ask again. */
static int
compare (const struct caller *const *callers, size_t count, const char *more)
{
  struct mantis_principal principals[MANY];
  struct mantis_request requests[MANY];
  struct fellow fellows[MANY];
  char body[1000];
  int again = 0;
  size_t waiting = 0;

  passed = 0;
  snprintf (body, sizeof body, "{\"cursor\":%s%s%s}", cursor, *more ? "," : "", more);
  for (char *c = body; *c; c++)
    *c = *c == '\'' ? '"' : *c;
  for (size_t i = 0; i < count; i++) {
    principals[i] = (struct mantis_principal){
        .size = sizeof *principals, .subject = callers[i]->subject, .claims = "{}"};
    requests[i] = (struct mantis_request){.size = sizeof *requests,
                                          .message = "pull",
                                          .node = callers[i]->node,
                                          .body = body,
                                          .length = strlen (body)};
    fellows[i] = (struct fellow){&requests[i], &principals[i], &replies[i]};
    forget (&replies[i]);
    forget (&alone[i]);
    ck_assert (message_same (&requests[0], &requests[i]));
    message_handle (&rig_server, &rig_store, &requests[i], &principals[i], &alone[i]);
  }
  message_handle_all (&rig_server, &rig_store, fellows, count);
  ck_assert (!rig_store.in_transaction);
  for (size_t i = 0; i < count; i++)
    if (replies[i].again) {
      ck_assert_uint_gt (i, 0); /* somebody comes through each time */
      ck_assert_int_eq (replies[i].status, 0);
      again++;
    } else
      same_answer (&replies[i], &alone[i]);
  for (size_t i = 0; i < count; i++)
    if (alone[i].status == 200)
      fellows[waiting++] = (struct fellow){&requests[i], &principals[i], &later[i]};
  if (strstr (more, "'wait'") && !strstr (more, "'load'"))
    compare_waiting (fellows, waiting);
  return again;
}

#define ALL(more)                                                                                  \
  ck_assert_int_eq (compare ((const struct caller *const[]){&node_a, &node_b, &node_c, &curl,      \
                                                            &mallory, &nobody, &unheard, &node_b}, \
                             8, more),                                                             \
                    0)

static bool
says (size_t i, const char *text)
{
  return strstr (replies[i].body.bytes, text) != NULL;
}

/* ---- */

START_TEST (own_changes_do_not_come_back)
{
  start ();
  push (&node_a, 1, "{'table':'t','columns':['id','v'],'rows':[[2,'of a'],[3,'of a']]}");
  push (&node_b, 1, "{'table':'u','columns':['id','v'],'rows':[[4,'of b']]}");
  sql ("INSERT INTO t VALUES (5, 'of the server')");
  push (&node_a, 2, "{'table':'t','columns':['id','v'],'rows':[[5,'a again']],'base':99}");
  ALL ("'wait':25");
  ck_assert (!says (0, "of a") && says (0, "of b"));
  ck_assert (says (1, "of a") && !says (1, "of b"));
  ck_assert (says (2, "of a") && says (2, "of b"));
  ck_assert (says (3, "of a") && says (3, "of b"));
  ck_assert_int_eq (replies[4].status, 403);
  ck_assert_int_eq (replies[5].status, 400);
  ck_assert (says (6, "of a"));
}
END_TEST

/* Who has nothing but its own waits, while the others are answered. */
START_TEST (who_has_no_news_waits)
{
  start ();
  push (&node_a, 1, "{'table':'t','columns':['id','v'],'rows':[[2,'of a']]}");
  ALL ("'wait':25");
  ck_assert_int_gt (replies[0].wait, 0);
  ck_assert_int_eq (replies[1].wait, 0);
  start ();
  ALL ("'wait':25");
  ck_assert_int_gt (replies[1].wait, 0);
  /* many of its own are a page all the same, or they were read each time */
  for (int i = 2; i < 520; i++)
    ck_assert_int_eq (
        push (&node_a, i, "{'table':'t','columns':['id','v'],'rows':[[%d,'of a']]}", i + 100), 200);
  ALL ("'wait':25");
  ck_assert_int_eq (replies[0].wait, 0);
}
END_TEST

/* Who waits is handed in again, with what was looked at in vain: that is not read once more. */
START_TEST (what_was_looked_at_is_not_looked_at_again)
{
  struct mantis_principal principal = {
      .size = sizeof principal, .subject = node_a.subject, .claims = "{}"};
  struct mantis_request request = {.size = sizeof request, .message = "pull", .node = node_a.node};
  struct reply reply = {.body = MANTIS_BUF_INIT};
  struct fellow fellow = {&request, &principal, &reply};
  struct cursor looked;
  char body[300];
  bool there;

  start ();
  snprintf (body, sizeof body, "{\"cursor\":%s,\"wait\":25}", cursor);
  request.body = body;
  request.length = strlen (body);
  push (&node_a, 1, "{'table':'t','columns':['id','v'],'rows':[[2,'of a']]}");
  message_handle_all (&rig_server, &rig_store, &fellow, 1);
  ck_assert_int_gt (reply.wait, 0);
  ck_assert_int_eq (reply.looked.rev, head ());
  forget (&reply);

  sql ("INSERT INTO t VALUES (5, 'looked at')");
  ck_assert_int_eq (ask (&curl, "pull", "{}"), 200);
  ck_assert_int_eq (cursor_read (rig_answer, "cursor", &looked, &there, NULL), MANTIS_OK);
  sql ("INSERT INTO t VALUES (6, 'new')");
  reply.looked = looked;
  message_handle_all (&rig_server, &rig_store, &fellow, 1);
  ck_assert_int_eq (reply.wait, 0);
  ck_assert (strstr (reply.body.bytes, "new") && !strstr (reply.body.bytes, "looked at"));
  forget (&reply);

  reply.looked = looked;
  memset (reply.looked.mark, '0',
          MARK_LENGTH); /* the server's history has become another one meanwhile */
  message_handle_all (&rig_server, &rig_store, &fellow, 1);
  ck_assert_int_eq (reply.status, 409);
  forget (&reply);
}
END_TEST

/* Where there is a limit, what is left out takes no room. */
START_TEST (limits_hold_for_each)
{
  start ();
  for (int i = 1; i <= 30; i++) {
    push (&node_a, i, "{'table':'t','columns':['id','v'],'rows':[[%d,'of a']]}", i + 10);
    push (i % 3 ? &node_b : &node_c, i % 3 ? i - i / 3 : i / 3,
          "{'table':'u','columns':['id','v'],'rows':[[%d,'of others']]}", i);
    ALL ("'limit':7");
  }
  ALL ("'limit':1");
  ALL ("'limit':60");
  ALL ("'bytes':100");
  ALL ("'skip':['t']");
  ALL ("'takes':200");
}
END_TEST

START_TEST (pages_and_keys_are_the_same)
{
  start ();
  sql ("WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30) INSERT INTO u SELECT "
       "i, 'row' FROM n");
  push (&node_a, 1, "{'table':'t','columns':['id','v'],'rows':[[2,'of a']]}");
  ALL ("'load':{'table':'u','limit':10},'keys':[{'table':'t','keys':[[1],[2],[9]]}]");
  ALL ("'load':{'table':'u','after':[10]},'limit':3");
  ALL ("'load':{'table':'gone'}");
  ck_assert_int_eq (replies[0].status, 409);
  ALL ("'keys':[{'table':'t','keys':'x'}]");
  ck_assert_int_eq (replies[0].status, 400);
  ck_assert_int_eq (replies[4].status, 403);
}
END_TEST

START_TEST (each_gets_what_it_sees)
{
  start ();
  sql ("INSERT INTO t VALUES (2, 'not for alice'), (3, 'not for bob'), (4, 'for all')");
  ALL ("'wait':25");
  ck_assert (says (1, "not for alice") && !says (1, "not for bob") && says (1, "for all"));
  ck_assert (says (2, "not for alice") && says (2, "not for bob"));
  start ();
  push (&node_c, 1,
        "{'table':'t','columns':['id','v'],'rows':[[3,'for all'],[4,'not for alice']],'base':999}");
  ALL ("'wait':25");
  ck_assert (!says (0, "not for") && says (0, "\"deleted\":[[4"));
  ck_assert_int_gt (replies[2].wait, 0);
  ck_assert_int_eq (passed, 1);
  start ();
  sql (
      "UPDATE t SET v = 'not for carol' WHERE id = 1; UPDATE t SET v = 'not for bob' WHERE id = 4");
  sql ("DELETE FROM t WHERE id = 2; INSERT INTO u VALUES (1, 'for all')");
  ALL ("'wait':25");
  ALL ("'limit':1");
  ALL ("'load':{'table':'t'},'keys':[{'table':'t','keys':[[1],[2],[4],[9]]}]");
}
END_TEST

START_TEST (rows_that_are_too_large_are_told_to_each)
{
  start ();
  push (&node_a, 1, "{'table':'t','columns':['id','v'],'rows':[[2,'%0200d']]}", 1);
  sql ("INSERT INTO u VALUES (1, 'small'), (2, hex (zeroblob (300)))");
  ALL ("'takes':200,'wait':25");
  ck_assert (says (1, "too_large"));
}
END_TEST

START_TEST (cursors_are_checked_for_all)
{
  char kept[sizeof cursor];

  push (&node_a, 1, "{'table':'t','columns':['id','v'],'rows':[[2,'of a']]}");
  start ();
  memcpy (kept, cursor, sizeof kept);
  memset (strstr (cursor, "mark\":\"") + 7, '0', 16);
  ALL ("");
  ck_assert_int_eq (replies[0].status, 409);
  ck_assert_int_eq (replies[4].status, 403);
  memcpy (cursor, kept, sizeof kept);
  sql ("INSERT INTO t VALUES (8, ''), (9, '');"
       "DELETE FROM __sync_log WHERE seq < (SELECT max(seq) FROM __sync_log);"
       "INSERT INTO __sync_meta SELECT 'pruned', max(seq) FROM __sync_log");
  rig_reopen ();
  ALL ("");
  ck_assert_int_eq (replies[0].status, 410);
  strcpy (cursor, "null");
  ALL ("'wait':25");
  ck_assert_int_eq (replies[1].status, 200);
}
END_TEST

/* Who is disabled hears it with the next change, however many wait beside it. */
START_TEST (a_disabled_node_is_told_so)
{
  start ();
  push (&node_a, 1, "{'table':'t','columns':['id','v'],'rows':[[2,'of a']]}");
  push (&node_b, 1, "{'table':'t','columns':['id','v'],'rows':[[3,'of b']]}");
  sql ("UPDATE __sync_nodes SET disabled = 1 WHERE node = '" NODE_B "'");
  ALL ("'wait':25");
  ck_assert_int_eq (replies[0].status, 200);
  ck_assert_int_eq (replies[1].status, 403);
}
END_TEST

/* Who waits at other cursors than others is looked at with them, and answered by itself. */
START_TEST (who_waits_is_passed_over)
{
  const char *subjects[] = {"alice", "bob", "carol"}, *nodes[] = {NODE_A, NODE_B, NODE_C};
  struct mantis_principal principals[3];
  struct mantis_request requests[3];
  struct fellow fellows[3];
  struct cursor first, last;
  char bodies[3][300];

  start ();
  first = place_of (cursor);
  for (int i = 0; i < 2; i++)
    snprintf (bodies[2 * i], sizeof *bodies, "{\"cursor\":%s,\"wait\":25}", cursor);
  sql ("INSERT INTO t VALUES (2, 'looked at')");
  start ();
  last = place_of (cursor);
  snprintf (bodies[1], sizeof *bodies, "{\"cursor\":%s,\"wait\":25}", cursor);
  sql ("INSERT INTO t VALUES (3, 'not for bob')");
  for (int i = 0; i < 3; i++) {
    principals[i] = (struct mantis_principal){
        .size = sizeof *principals, .subject = subjects[i], .claims = "{}"};
    requests[i] = (struct mantis_request){.size = sizeof *requests,
                                          .message = "pull",
                                          .node = nodes[i],
                                          .body = bodies[i],
                                          .length = strlen (bodies[i])};
    fellows[i] = (struct fellow){&requests[i], &principals[i], &replies[i]};
    has_waited (&replies[i], i == 1 ? &last : &first, &last);
    ck_assert (message_joins (&requests[0], &replies[0], &requests[i], &replies[i]));
  }
  replies[0].looked = first;
  ck_assert (!message_joins (&requests[0], &replies[0], &requests[2], &replies[2]));
  replies[0].looked = last;
  message_handle_all (&rig_server, &rig_store, fellows, 3);
  ck_assert_uint_eq (replies[1].body.length, 0);
  ck_assert_int_gt (replies[1].wait, 0);
  ck_assert_int_eq (replies[1].looked.rev, head ());
  for (int i = 0; i < 3; i += 2)
    ck_assert (says (i, "not for bob") && !says (i, "looked at") && replies[i].status == 200);

  /* What is seen next comes with a cursor behind what was passed over. */
  sql ("INSERT INTO t VALUES (4, 'not for alice')");
  fellows[0] = (struct fellow){&requests[1], &principals[1], &replies[1]};
  message_handle_all (&rig_server, &rig_store, fellows, 1);
  ck_assert (says (1, "not for alice") && !says (1, "not for bob"));
  start ();
  ck_assert (says (1, cursor));

  /* Its time is over. */
  has_waited (&replies[1], &last, &last);
  replies[1].at_once = true;
  sql ("DELETE FROM t WHERE id = 4; UPDATE t SET v = 'not for bob!' WHERE id = 3");
  message_handle_all (&rig_server, &rig_store, fellows, 1);
  ck_assert_int_eq (replies[1].status, 200);
  ck_assert (says (1, "\"changes\":["));
  for (int i = 0; i < 3; i++)
    forget (&replies[i]);
}
END_TEST

/* A large page is not held once for each of many: the rest ask again. */
START_TEST (copies_of_a_page_are_bounded)
{
  const struct caller *callers[MANY];
  int again;

  start ();
  rig_server.limits.page_bytes = 8 << 20;
  sql ("WITH n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
       "INSERT INTO t SELECT i, hex (zeroblob (500)) FROM n");
  for (size_t i = 0; i < MANY; i++)
    callers[i] = i % 2 ? &curl : &unheard;
  again = compare (callers, MANY, "'wait':25");
  ck_assert_int_gt (again, MANY / 2);
  ck_assert_int_lt (again, MANY - 4);
  ck_assert_int_eq (compare (callers, 1, "'wait':25"), 0);
}
END_TEST

/* What lies ready for a thousand that may not take it is little for each; who does take it asks for more. */
START_TEST (a_crowd_is_told_in_small_pages)
{
  const struct caller *callers[] = {&node_a, &node_b};

  start ();
  rig_server.limits.page_bytes = 8 << 20;
  sql ("WITH n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
       "INSERT INTO t SELECT i, hex (zeroblob (500)) FROM n");
  compare (callers, 2, "'wait':25");
  ck_assert (says (0, "\"complete\":true"));
  rig_server.crowd = 1000;
  compare (callers, 2, "'wait':25");
  ck_assert (says (0, "\"complete\":false"));
  ck_assert_uint_lt (replies[0].body.length, 100000);
  compare (callers, 2, "'load':{'table':'t'},'wait':25");
  ck_assert (says (0, "\"complete\":true"));
}
END_TEST

/* Nodes, changes and limits by chance. */
START_TEST (together_is_as_alone)
{
  const struct caller *nodes[] = {&node_a, &node_b, &node_c};
  int numbers[3] = {0};
  char more[100];

  srandom ((unsigned)_i);
  start ();
  for (int i = 0; i < 40; i++) {
    long who = random () % 4, id = random () % 20;
    if (who == 3)
      sql (random () % 2 ? "DELETE FROM t WHERE id % 5 = 1" : "UPDATE u SET v = v || '+'");
    else
      push (nodes[who], ++numbers[who],
            random () % 3 ? "{'table':'%s','columns':['id','v'],'rows':[[%ld,'%ld']],'base':999}"
                          : "{'table':'%s','deleted':[[%ld]],'base':999}",
            random () % 2 ? "t" : "u", id, random () % 1000);
    if (random () % 4)
      continue;
    snprintf (more, sizeof more, "'wait':25,'limit':%ld", 1 + random () % 50);
    ALL (more);
    if (random () % 3 == 0)
      start ();
  }
}
END_TEST

static TCase *
all_tests (const char *name, void (*begin) (void))
{
  TCase *tests = tcase_create (name);

  tcase_add_checked_fixture (tests, begin, rig_stop);
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, own_changes_do_not_come_back);
  tcase_add_test (tests, who_has_no_news_waits);
  tcase_add_test (tests, what_was_looked_at_is_not_looked_at_again);
  tcase_add_test (tests, limits_hold_for_each);
  tcase_add_test (tests, pages_and_keys_are_the_same);
  tcase_add_test (tests, rows_that_are_too_large_are_told_to_each);
  tcase_add_test (tests, cursors_are_checked_for_all);
  tcase_add_test (tests, a_disabled_node_is_told_so);
  tcase_add_test (tests, copies_of_a_page_are_bounded);
  tcase_add_test (tests, a_crowd_is_told_in_small_pages);
  tcase_add_loop_test (tests, together_is_as_alone, 1, 21);
  return tests;
}

static Suite *
together_suite (void)
{
  Suite *suite = suite_create ("together");
  TCase *filtered = all_tests ("pulls with a filter", set_up_filtered);

  suite_add_tcase (suite, all_tests ("pulls", set_up));
  tcase_add_test (filtered, each_gets_what_it_sees);
  tcase_add_test (filtered, who_waits_is_passed_over);
  suite_add_tcase (suite, filtered);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (together_suite ());
  int failed;

  log_set_level (MANTIS_WARNING);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
