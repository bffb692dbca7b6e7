/* core/sync/stamps.c and plugins/resolver/version: which value of a column stands, whatever came between.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../lib/plugin_option.h"
#include "base/base.h"
#include "server_rig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define LL (long long)

extern const struct mantis_plugin plugin_version;

static max_align_t version[8];
static int64_t start;

static void
option (const char *name, const char *text)
{
  set_option (plugin_version.options, version, name, text, 0);
}

static enum mantis_decision
merge (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
       struct mantis_arena *arena, struct mantis_error *error)
{
  (void)self;
  return ((const struct mantis_resolver *)plugin_version.ops)
      ->decide (version, conflict, merged, arena, error);
}

static void
set_up (void)
{
  static const char *const rules[] = {"qty", "add", "top", "max", "low", "min", NULL};

  rig_start ("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, qty, top, low);"
             "INSERT INTO t VALUES (1, 'a', 'b', 10, 10, 10)");
  rig_decide = merge;
  rig_wants = ((const struct mantis_resolver *)plugin_version.ops)->wants;
  option ("second", "timestamp");
  option ("deletes", "lose");
  option ("columns", (const char *)rules);
  sql ("UPDATE t SET a = 'a'; UPDATE __sync_log SET time = 1 WHERE op <> 'M'"); /* long ago */
  start = head ();
}

/* CALLER makes the row of BASE, at TIME: COLUMN becomes VALUE, in JSON, from WAS. */
static void
edit (const struct caller *caller, int64_t base, int64_t time, const char *column,
      const char *value, const char *was)
{
  static const char *const columns[] = {"a", "b", "qty", "top", "low"};
  CLEANUP_BUF struct mantis_buf row = MANTIS_BUF_INIT;

  for (size_t i = 0; i < COUNT_OF (columns); i++)
    mantis_buf_printf (&row, ",%s",
                       strcmp (columns[i], column) == 0 ? value
                       : i == 0                         ? "'a'"
                       : i == 1                         ? "'b'"
                                                        : "10");
  ck_assert_int_eq (push (caller, 0,
                          "{'table':'t','columns':['id','a','b','qty','top','low'],'base':%lld,"
                          "'meta':['updated_at','was'],'rows':[[1%s,%lld,{'%s':%s}]]}",
                          LL base, row.bytes, LL (rig_past + time), column, was),
                    200);
}

static void
removal (const struct caller *caller, int64_t base, int64_t time)
{
  ck_assert_int_eq (push (caller, 0, "{'table':'t','base':%lld,'updated_at':%lld,'deleted':[[1]]}",
                          LL base, LL (rig_past + time)),
                    200);
}

#define SET(caller, time, column, value, was) edit (caller, start, time, column, value, was)

/* ---- The time of a column -------------------------------------------------------------------- */

START_TEST (each_column_has_its_time)
{
  SET (&node_a, 1000, "a", "'first'", "'a'");
  SET (&node_b, 3000, "b", "'third'", "'b'");
  SET (&node_c, 2000, "a", "'second'", "'a'");
  is ("second third", "SELECT a || ' ' || b FROM t");
}
END_TEST

START_TEST (of_one_value_twice_the_later_time_counts)
{
  SET (&node_a, _i ? 1000 : 3000, "a", "'x'", "'a'");
  SET (&node_b, _i ? 3000 : 1000, "a", "'x'", "'a'");
  SET (&node_c, 2000, "a", "'y'", "'a'");
  is ("x", "SELECT a FROM t");
}
END_TEST

START_TEST (at_equal_times_the_greater_node_wins)
{
  SET (_i ? &node_a : &node_b, 1000, "a", _i ? "'of a'" : "'of b'", "'a'");
  SET (_i ? &node_b : &node_a, 1000, "a", _i ? "'of b'" : "'of a'", "'a'");
  is ("of b", "SELECT a FROM t");
  SET (&node_c, 500, "b", "'b2'", "'b'");
  is ("of b b2", "SELECT a || ' ' || b FROM t");
}
END_TEST

/* K5 */
START_TEST (what_was_made_on_a_value_is_later)
{
  int64_t then;

  SET (&node_a, 5000, "a", "'x'", "'a'");
  then = head ();
  edit (&node_b, then, 1000, "a", "'y'", "'x'"); /* its clock is behind */
  is ("y", "SELECT a FROM t");
  SET (&node_c, 3000, "a", "'z'", "'a'");
  is ("y", "SELECT a FROM t");
}
END_TEST

/* K1 */
START_TEST (a_column_of_the_future_is_of_now)
{
  SET (&node_a, INT64_C (4070908800000), "a", "'2099'", "'a'");
  while (mantis_now () <= number_of ("SELECT max(time) FROM __sync_log"))
    ; /* the millisecond ends */
  SET (&node_b, mantis_now () - rig_past, "a", "'now'", "'a'");
  is ("now", "SELECT a FROM t");
}
END_TEST

START_TEST (a_program_writes_all_columns)
{
  SET (&node_a, 1000, "a", "'x'", "'a'");
  sql ("UPDATE t SET b = 'office'");
  SET (&node_b, 2000, "a", "'y'", "'a'");
  is ("x office", "SELECT a || ' ' || b FROM t");
  is ("y", "SELECT json_extract(loser, '$.a') FROM __sync_conflicts");
}
END_TEST

/* Its deletion is no change of any of them. */
START_TEST (a_row_that_comes_back_is_as_old_as_its_columns)
{
  static const char *const group[] = {"a", "b", NULL}, *const *const groups[] = {group, NULL};

  option ("groups", (const char *)groups);
  removal (&node_b, start, 2000);
  is ("0", "SELECT count(*) FROM t");
  SET (&node_a, 1000, "a", "'x'", "'a'");
  SET (&node_c, 1500, "b", "'y'", "'b'");
  is ("a y", "SELECT a || ' ' || b FROM t");
}
END_TEST

/* Another version of Mantis, or a hand, has been there. */
START_TEST (a_record_that_cannot_be_read_counts_for_nothing)
{
  static const char *const records[] = {"''", "'{'", "'[]'", "'{\"a\":7}'", "'{\"a\":[\"x\",1]}'"};
  char text[100];

  SET (&node_a, 1000, "a", "'x'", "'a'");
  SET (&node_b, 3000, "b", "'y'", "'b'");
  snprintf (text, sizeof text, "UPDATE __sync_stamps SET stamps = %s", records[_i]);
  sql (text);
  SET (&node_c, 2000, "a", "'z'", "'a'");
  is ("x y", "SELECT a || ' ' || b FROM t"); /* by the row's time */
}
END_TEST

START_TEST (a_column_that_came_since_is_as_old_as_the_row)
{
  SET (&node_a, 1000, "a", "'x'", "'a'");
  sql ("ALTER TABLE t ADD COLUMN c TEXT");
  rig_reopen ();
  ck_assert_int_eq (
      push (&node_b, 0,
            "{'table':'t','columns':['id','c'],'base':%lld,'updated_at':%lld,'rows':[[1,'c']]}",
            LL head (), LL (rig_past + 2000)),
      200);
  is ("x c", "SELECT a || ' ' || c FROM t");
}
END_TEST

/* ---- What is combined ------------------------------------------------------------------------ */

START_TEST (nothing_is_no_value)
{
  const char *column = _i & 2 ? "low" : "top";

  SET (_i & 1 ? &node_a : &node_b, 1000, column, _i & 1 ? "null" : "5", "10");
  SET (_i & 1 ? &node_b : &node_a, 1000, column, _i & 1 ? "5" : "null", "10");
  is ("5", _i & 2 ? "SELECT low FROM t" : "SELECT top FROM t");
}
END_TEST

START_TEST (one_change_made_twice_counts_twice)
{
  SET (&node_a, 1000, "qty", "7", "10");
  SET (&node_b, 1000, "qty", "7", "10");
  is ("4", "SELECT qty FROM t");
  is ("0", "SELECT count(*) FROM __sync_conflicts");
}
END_TEST

START_TEST (words_cannot_be_added)
{
  SET (_i ? &node_a : &node_b, _i ? 1000 : 2000, "qty", _i ? "'one'" : "12", "10");
  SET (_i ? &node_b : &node_a, _i ? 2000 : 1000, "qty", _i ? "12" : "'one'", "10");
  is ("12", "SELECT qty FROM t");
  is ("1", "SELECT count(*) FROM __sync_conflicts WHERE coalesce(loser, '') || coalesce(winner, "
           "'') LIKE '%one%'");
}
END_TEST

START_TEST (what_does_not_fit_is_not_stored)
{
  static const char *const values[] = {"9223372036854775807", "1e308", "{'r':'inf'}"},
                           *const others[] = {"11", "1e308", "{'r':'-inf'}"},
                           *const is_there[] = {"9223372036854775807", "1.0e+308", "Inf"};

  SET (&node_a, 2000, "qty", values[_i], "10");
  edit (&node_b, start, 1000, "qty", others[_i], _i ? "-1e308" : "10");
  is (is_there[_i], "SELECT qty FROM t");
}
END_TEST

/* Both cleared the number: they agree, and no person is asked. */
START_TEST (who_agrees_on_nothing_agrees)
{
  option ("second", "manual");
  SET (&node_a, 1000, "qty", "null", "10");
  SET (&node_b, 1000, "qty", "null", "10");
  is ("0", "SELECT count(*) FROM __sync_conflicts");
  is ("null", "SELECT typeof(qty) FROM t");
}
END_TEST

/* A column that nobody can decide about keeps the whole row as it is, and the other one whole. */
START_TEST (a_person_decides_about_the_row)
{
  option ("second", "manual");
  SET (&node_a, 1000, "a", "'x'", "'a'");
  edit (&node_b, start, 2000, "a", "'y'", "'a'");
  ck_assert_str_eq (outcome_of ("t", "[1]"), "deferred");
  is ("x", "SELECT a FROM t");
  is ("open y x",
      "SELECT state || ' ' || json_extract(loser, '$.a') || ' ' || json_extract(winner, '$.a') "
      "FROM __sync_conflicts");
}
END_TEST

static Suite *
merge_suite (void)
{
  Suite *suite = suite_create ("merge");
  TCase *tests = tcase_create ("merge");

  tcase_add_checked_fixture (tests, set_up, rig_stop);
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, each_column_has_its_time);
  tcase_add_loop_test (tests, of_one_value_twice_the_later_time_counts, 0, 2);
  tcase_add_loop_test (tests, at_equal_times_the_greater_node_wins, 0, 2);
  tcase_add_test (tests, what_was_made_on_a_value_is_later);
  tcase_add_test (tests, a_column_of_the_future_is_of_now);
  tcase_add_test (tests, a_program_writes_all_columns);
  tcase_add_test (tests, a_row_that_comes_back_is_as_old_as_its_columns);
  tcase_add_loop_test (tests, a_record_that_cannot_be_read_counts_for_nothing, 0, 5);
  tcase_add_test (tests, a_column_that_came_since_is_as_old_as_the_row);
  tcase_add_loop_test (tests, nothing_is_no_value, 0, 4);
  tcase_add_test (tests, one_change_made_twice_counts_twice);
  tcase_add_loop_test (tests, words_cannot_be_added, 0, 2);
  tcase_add_loop_test (tests, what_does_not_fit_is_not_stored, 0, 3);
  tcase_add_test (tests, who_agrees_on_nothing_agrees);
  tcase_add_test (tests, a_person_decides_about_the_row);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (merge_suite ());
  int failed;

  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
