/* core/sync/hooks.c, hooked.c, core/message/ask.c: who is called when, and what counts of what they say.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "server_rig.h"
#include "sync/hooks.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define T(id, title) "{'table':'t','columns':['id','v'],'rows':[[" #id ",'" title "']]}"

struct fake; /* a hook, which does what a test wants */
typedef enum mantis_status (*doing) (struct fake *fake, const struct mantis_event *event,
                                     struct mantis_error *error);
struct fake {
  doing does;
  int calls;
};

enum { FAKES = 3 };
static struct fake fakes[FAKES];
static struct hook list[FAKES];
static struct hooks hooks;
static int stopped;
static char seen[2000]; /* what was noted */

static enum mantis_status
happens (void *self, const struct mantis_event *event, struct mantis_error *error)
{
  struct fake *fake = *(struct fake **)self;

  fake->calls++;
  ck_assert_int_eq (rig_store.in_transaction, event->moment == MANTIS_BEFORE_CONFLICT);
  return fake->does (fake, event, error);
}

static void
stop (void *self)
{
  (void)self;
  stopped++;
}

static const struct mantis_hook ops = {
    .size = sizeof ops, .moments = UINT32_MAX, .happens = happens};
static const struct mantis_plugin plugin = {.name = "fake", .stop = stop};

/* Hook number I calls DOES at these MOMENTS, once it is in place. */
static void
hook (size_t i, doing does, uint32_t moments)
{
  static const char *const names[] = {"first", "second", "third"};
  struct mantis_arena *arena = mantis_arena_new (0);
  struct instance *instance = mantis_arena_alloc (arena, sizeof *instance);
  struct fake **self = mantis_arena_alloc (arena, sizeof *self);

  *self = &fakes[i];
  fakes[i] = (struct fake){.does = does};
  *instance = (struct instance){
      .plugin = &plugin, .ops = &ops, .self = self, .name = names[i], .arena = arena};
  pthread_mutex_init (&instance->mutex, NULL);
  list[i] = (struct hook){.instance = instance, .moments = moments};
}

static void
place (size_t count)
{
  struct mantis_error error;

  ck_assert_int_eq (hooks_set (&hooks, list, count, &error), MANTIS_OK);
}

static void
only (doing does, uint32_t moments)
{
  hook (0, does, moments);
  place (1);
}

static void
set_up (void)
{
  rig_start ("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w TEXT DEFAULT 'w');"
             "CREATE TABLE other (id INTEGER PRIMARY KEY, v TEXT)");
  hooks_init (&hooks);
  rig_store.hooks = &hooks;
  stopped = 0;
  *seen = '\0';
}

static void
tear_down (void)
{
  hooks_free (&hooks);
  rig_stop ();
}

static void
note (const char *text)
{
  snprintf (seen + strlen (seen), sizeof seen - strlen (seen), "%s ", text);
}

static bool
says (const struct mantis_value *value, const char *text)
{
  return value->type == MANTIS_TEXT && strcmp (value->as.bytes, text) == 0;
}

static mantis_row
row_with (const struct mantis_event *event, size_t column, const char *text)
{
  struct mantis_value *row = mantis_arena_alloc (event->arena, 3 * sizeof *row);

  row[column] = (struct mantis_value){
      .type = MANTIS_TEXT, .length = (uint32_t)strlen (text), .as.bytes = text};
  return row;
}

/* ---- What hooks do ---- */
static enum mantis_status
refuse_bad (struct fake *fake, const struct mantis_event *event, struct mantis_error *error)
{
  (void)fake, (void)error;
  for (size_t i = 0; i < event->change_count; i++)
    if (says (&event->changes[i].row[1], "bad"))
      event->refusals[i] = "not for us";
  return MANTIS_OK;
}

static enum mantis_status
make_cheap (struct fake *fake, const struct mantis_event *event, struct mantis_error *error)
{
  (void)fake, (void)error;
  for (size_t i = 0; i < event->change_count; i++)
    if (says (&event->changes[i].row[1], "dear"))
      event->rows[i] = row_with (event, 1, "cheap");
  return MANTIS_OK;
}

static enum mantis_status
look (struct fake *fake, const struct mantis_event *event, struct mantis_error *error)
{
  (void)fake, (void)error;
  note (mantis_moment_name (event->moment));
  for (size_t i = 0; i < event->change_count; i++) {
    note (event->changes[i].table->name);
    note (event->changes[i].row[1].type == MANTIS_TEXT ? event->changes[i].row[1].as.bytes : "-");
    if (event->outcomes)
      note (event->outcomes[i]);
    if (event->standing)
      note (event->standing[i] ? event->standing[i][1].as.bytes : "none");
  }
  if (event->error)
    note (event->error);
  return MANTIS_OK;
}

static enum mantis_status
refuse_all (struct fake *fake, const struct mantis_event *event, struct mantis_error *error)
{
  (void)fake, (void)event;
  return mantis_fail (error, MANTIS_DENIED, "closed");
}

static enum mantis_status
break_down (struct fake *fake, const struct mantis_event *event, struct mantis_error *error)
{
  (void)fake;
  if (event->refusals)
    event->refusals[0] = "that does not count";
  return mantis_fail (error, MANTIS_FAILED, "broken");
}

static enum mantis_status
change_key (struct fake *fake, const struct mantis_event *event, struct mantis_error *error)
{
  (void)fake, (void)error;
  event->rows[0] = row_with (event, 0, "another key");
  return MANTIS_OK;
}

static enum mantis_status
change_anything (struct fake *fake, const struct mantis_event *event, struct mantis_error *error)
{
  (void)fake, (void)error;
  event->rows[0] = row_with (event, 1, "changed");
  return MANTIS_OK;
}

/* ---- Before ---- */
START_TEST (a_row_is_refused)
{
  only (refuse_bad, 1u << (_i ? MANTIS_BEFORE_APPLY : MANTIS_BEFORE_PUSH));
  ck_assert_int_eq (push (&node_a, 1, T (1, "good") "," T (2, "bad")), 200);
  ck_assert_str_eq (outcome_of ("t", "[2]"), "rejected");
  ck_assert_str_eq (json_string_value (json_object_get (exception_of ("t", "[2]"), "reason")),
                    "not for us");
  is ("good", "SELECT group_concat(v) FROM t");
  is ("rejected first not for us {\"id\":2,\"v\":\"bad\"}",
      "SELECT outcome || ' ' || decided_by || ' ' || reason || ' ' || loser FROM __sync_conflicts");
}
END_TEST

/* Its author gets it, and what other columns hold stays. */
START_TEST (a_row_is_changed)
{
  only (make_cheap, 1u << MANTIS_BEFORE_PUSH);
  ck_assert_int_eq (push (&node_a, 1, T (1, "dear")), 200);
  ck_assert_str_eq (outcome_of ("t", "[1]"), "merged");
  is ("cheap w", "SELECT v || ' ' || w FROM t");
  is (NULL, "SELECT origin FROM __sync_log ORDER BY seq DESC LIMIT 1");
  is ("0", "SELECT count(*) FROM __sync_conflicts");
  /* What stands already is news to who sent something else. */
  ck_assert_int_eq (push (&node_b, 1, T (1, "dear")), 200);
  ck_assert_str_eq (outcome_of ("t", "[1]"), "merged");
  ck_assert_str_eq (
      json_string_value (json_object_get (json_object_get (exception_of ("t", "[1]"), "row"), "v")),
      "cheap");
}
END_TEST

START_TEST (what_cannot_be_changed)
{
  only (_i ? change_key : change_anything, 1u << MANTIS_BEFORE_PUSH);
  ck_assert_int_eq (push (&node_a, 1, _i ? T (1, "a") : "{'table':'t','base':0,'deleted':[[1]]}"),
                    503);
  is (NULL, "SELECT v FROM t");
  hook (0, _i ? change_key : change_anything, 1u << MANTIS_BEFORE_PUSH);
  list[0].on_failure = MANTIS_FAILURE_IGNORED;
  place (1);
  ck_assert_int_eq (push (&node_a, 1, _i ? T (1, "a") : "{'table':'t','base':0,'deleted':[[1]]}"),
                    200);
  is (_i ? "a" : NULL, "SELECT v FROM t");
}
END_TEST

START_TEST (in_their_order)
{
  hook (0, make_cheap, 1u << MANTIS_BEFORE_PUSH);
  hook (1, refuse_bad, 1u << MANTIS_BEFORE_PUSH);
  hook (2, look, 1u << MANTIS_BEFORE_PUSH);
  place (3);
  ck_assert_int_eq (push (&node_a, 1, T (1, "dear") "," T (2, "bad") "," T (3, "good")), 200);
  ck_assert_str_eq (seen, "before_push t cheap t good ");
}
END_TEST

START_TEST (of_their_tables)
{
  static const char *const tables[] = {"o*", "nothing", NULL};

  hook (0, look, 1u << MANTIS_BEFORE_PUSH | 1u << MANTIS_AFTER_APPLY);
  list[0].tables = tables;
  place (1);
  ck_assert_int_eq (push (&node_a, 1, T (1, "a")), 200);
  ck_assert_int_eq (fakes[0].calls, 0);
  ck_assert_int_eq (
      push (&node_a, 2, T (2, "b") ",{'table':'other','columns':['id','v'],'rows':[[1,'x']]}"),
      200);
  ck_assert_str_eq (seen, "before_push other x after_apply other x applied ");
}
END_TEST

START_TEST (all_of_it_is_refused)
{
  only (refuse_all, 1u << MANTIS_BEFORE_PUSH);
  ck_assert_int_eq (push (&node_a, 1, T (1, "a")), 403);
  ck_assert_ptr_nonnull (
      strstr (json_string_value (json_object_get (rig_answer, "detail")), "closed"));
  is (NULL, "SELECT v FROM t");
  place (0);
  ck_assert_int_eq (push (&node_a, 1, T (1, "a")), 200);
  is ("a", "SELECT v FROM t");
}
END_TEST

START_TEST (a_failure_counts_as_configured)
{
  only (break_down, 1u << MANTIS_BEFORE_PUSH);
  ck_assert_int_eq (push (&node_a, 1, T (1, "a")), 503);
  is (NULL, "SELECT v FROM t");
  hook (0, break_down, 1u << MANTIS_BEFORE_PUSH | 1u << MANTIS_AFTER_PUSH);
  list[0].on_failure = MANTIS_FAILURE_IGNORED;
  place (1);
  ck_assert_int_eq (push (&node_a, 1, T (1, "a")), 200);
  is ("a", "SELECT v FROM t");
}
END_TEST

START_TEST (pulls_and_hellos_are_refused)
{
  only (refuse_all, 1u << MANTIS_BEFORE_PULL | 1u << MANTIS_BEFORE_CONNECT);
  ck_assert_int_eq (ask (&node_a, "pull", "{}"), 403);
  ck_assert_int_eq (ask (&node_a, "hello", "{}"), 403);
  ck_assert_int_eq (ask (&node_a, "schema", "{}"), 200);
  only (look, UINT32_MAX);
  ck_assert_int_eq (ask (&node_a, "pull", "{}"), 200);
  ck_assert_int_eq (ask (&node_a, "hello", "{}"), 200);
  ck_assert_str_eq (seen, "before_pull after_pull before_connect after_connect ");
}
END_TEST

static enum mantis_decision
never (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
       struct mantis_arena *arena, struct mantis_error *error)
{
  (void)self, (void)conflict, (void)merged, (void)arena, (void)error;
  ck_abort_msg ("the policy is asked about what a hook has refused");
}

START_TEST (before_a_conflict)
{
  push (&node_a, 1, T (1, "good"));
  only (refuse_bad, 1u << MANTIS_BEFORE_CONFLICT);
  rig_decide = never;
  ck_assert_int_eq (push (&node_b, 1, T (1, "bad") "," T (2, "bad")), 200);
  ck_assert_str_eq (outcome_of ("t", "[1]"), "rejected");
  ck_assert_str_eq (outcome_of ("t", "[2]"), "applied"); /* no conflict */
  is ("good", "SELECT v FROM t WHERE id = 1");
  is ("first", "SELECT decided_by FROM __sync_conflicts");
  rig_decide = NULL;
}
END_TEST

static enum mantis_status
fill_in (struct fake *fake, const struct mantis_event *event, struct mantis_error *error)
{
  (void)fake, (void)error;
  for (size_t i = 0; i < event->change_count; i++)
    event->rows[i] = row_with (event, 2, "filled in");
  return MANTIS_OK;
}

static bool
sees_all (const struct mantis_caller *caller, const struct mantis_value *value)
{
  (void)caller, (void)value;
  return true;
}

/* A column that its author may neither write nor see is written by a hook, and not told. */
START_TEST (a_hidden_column_is_filled_in)
{
  tear_down ();
  rig_filter = (struct rig_filter){.table = "t", .looks = "v", .sees = sees_all, .hides = "w"};
  set_up ();
  only (fill_in, 1u << MANTIS_BEFORE_PUSH);
  ck_assert_int_eq (push (&node_a, 1, T (1, "a")), 200);
  is ("filled in", "SELECT w FROM t");
  ck_assert_msg (!strstr (rig_reply.body.bytes, "filled in"), "%s", rig_reply.body.bytes);
  push (&node_a, 2, "{'table':'t','columns':['id','v','w'],'rows':[[2,'b','mine']]}");
  ck_assert_str_eq (outcome_of ("t", "[2]"), "rejected");
}
END_TEST

/* ---- After ---- */
START_TEST (what_they_are_told)
{
  push (&node_a, 1, T (1, "later"));
  only (look, 1u << MANTIS_AFTER_PUSH | 1u << MANTIS_AFTER_APPLY | 1u << MANTIS_AFTER_CONFLICT |
                  1u << MANTIS_ON_ERROR);
  ck_assert_int_eq (
      push (
          &node_b, 1,
          "{'table':'t','columns':['id','v'],'updated_at':1000,'rows':[[1,'earlier'],[2,'new']]}"),
      200);
  ck_assert_str_eq (seen, "after_push t earlier superseded t new applied after_apply t new applied "
                          "after_conflict t earlier superseded later ");
  *seen = '\0';
  ck_assert_int_eq (
      push (
          &node_b, 1,
          "{'table':'t','columns':['id','v'],'updated_at':1000,'rows':[[1,'earlier'],[2,'new']]}"),
      200); /* it has lost the answer */
  ck_assert_str_eq (seen, "");
  ck_assert_int_eq (push (&node_b, 2, "{'table':'none'}"), 400);
  ck_assert_ptr_nonnull (strstr (seen, "on_error"));
  ck_assert_ptr_nonnull (strstr (seen, "none"));
}
END_TEST

/* ---- Others in their place ---- */
static enum mantis_status
go_away (struct fake *fake, const struct mantis_event *event, struct mantis_error *error)
{
  (void)fake, (void)event;
  ck_assert_int_eq (hooks_set (&hooks, NULL, 0, error), MANTIS_OK);
  ck_assert_int_eq (stopped, 0);
  return MANTIS_OK;
}

START_TEST (replaced_while_called)
{
  only (go_away, 1u << MANTIS_BEFORE_PUSH);
  ck_assert_int_eq (push (&node_a, 1, T (1, "a")), 200);
  ck_assert_int_eq (push (&node_a, 2, T (2, "a")), 200);
  ck_assert_int_eq (fakes[0].calls, 1);
  hooks_free (&hooks); /* waits for those that leave */
  ck_assert_int_eq (stopped, 1);
  hooks_init (&hooks);
}
END_TEST

/* ---- Without a message ---- */

/* What a hook sets counts, in a later merge, as changed by the author of the change. */
START_TEST (what_was_there_before)
{
  const struct mantis_table *table = store_table (&rig_store, "t")->table;
  struct mantis_value row[3] = {{.type = MANTIS_INTEGER, .as.integer = 1},
                                {.type = MANTIS_TEXT, .length = 4, .as.bytes = "dear"},
                                {.type = MANTIS_TEXT, .length = 1, .as.bytes = "w"}};
  const struct mantis_value was[3] = {[2] = {.type = MANTIS_NULL}};
  struct mantis_change change = {.table = table, .row = row, .was = was};
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct hook_question question = {
      .moment = MANTIS_BEFORE_PUSH, .changes = &change, .count = 1, .arena = arena};
  const struct mantis_principal principal = {.size = sizeof principal, .subject = "a"};
  struct mantis_error error;

  only (make_cheap, 1u << MANTIS_BEFORE_PUSH);
  question.caller.principal = &principal;
  ck_assert_int_eq (hooks_ask (&hooks, &question, &error), MANTIS_OK);
  ck_assert (says (&change.row[1], "cheap") && says (&change.was[1], "dear"));
  ck_assert_uint_eq (change.was[2].type, MANTIS_NULL);
  ck_assert_str_eq (question.changed_by[0], "first");
  /* On a client nothing can be changed. */
  question = (struct hook_question){
      .moment = MANTIS_BEFORE_APPLY, .changes = &change, .count = 1, .arena = arena};
  change = (struct mantis_change){.table = table, .row = row};
  only (make_cheap, 1u << MANTIS_BEFORE_APPLY);
  ck_assert_int_eq (hooks_ask (&hooks, &question, &error), MANTIS_BUSY);
  ck_assert (says (&change.row[1], "dear"));
}
END_TEST

static Suite *
suite (void)
{
  Suite *made = suite_create ("hooks");
  TCase *tcase = tcase_create ("all");

  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_set_timeout (tcase, 60);
  tcase_add_loop_test (tcase, a_row_is_refused, 0, 2);
  tcase_add_test (tcase, a_row_is_changed);
  tcase_add_loop_test (tcase, what_cannot_be_changed, 0, 2);
  tcase_add_test (tcase, in_their_order);
  tcase_add_test (tcase, of_their_tables);
  tcase_add_test (tcase, all_of_it_is_refused);
  tcase_add_test (tcase, a_failure_counts_as_configured);
  tcase_add_test (tcase, pulls_and_hellos_are_refused);
  tcase_add_test (tcase, before_a_conflict);
  tcase_add_test (tcase, a_hidden_column_is_filled_in);
  tcase_add_test (tcase, what_they_are_told);
  tcase_add_test (tcase, replaced_while_called);
  tcase_add_test (tcase, what_was_there_before);
  suite_add_tcase (made, tcase);
  return made;
}

int
main (void)
{
  SRunner *runner = srunner_create (suite ());
  int failed;

  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
