/* test_sqlite_versions.c - __sync_row_TABLE tells the version of each row, to plain SQL.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite_rig.h"

#include <sqlite3.h>

static const char own[] =
    "CREATE TABLE __sync_meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE __sync_state (remote TEXT, tbl TEXT, rev INTEGER, last_pull INTEGER,"
    " PRIMARY KEY (remote, tbl)) WITHOUT ROWID;"
    "INSERT INTO __sync_meta VALUES ('node', 'me'), ('floor', 3), ('floor_time', 30);"
    "INSERT INTO __sync_state VALUES ('office', '*', 5, 50);"
    "CREATE TABLE t (id TEXT PRIMARY KEY, a UNIQUE);"
    "INSERT INTO t VALUES ('old', 1), ('older', 2)";

/* "old 5 50 me" for the row with KEY; "" when it is not shown. */
static const char *
shown (const char *key)
{
  static char answer[200];
  struct mantis_buf sql = MANTIS_BUF_INIT;
  char *text;

  mantis_buf_printf (
      &sql,
      "SELECT id || ' ' || __rev || ' ' || __updated_at || ' ' || coalesce(__origin, '-')"
      " FROM __sync_row_t WHERE id = '%s'",
      key);
  text = engine->ask (sql.bytes);
  sqlite3_snprintf (sizeof answer, answer, "%s", text ? text : "");
  free (text);
  mantis_buf_free (&sql);
  return answer;
}

static void
check_rows (void)
{
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_row_t"),
                    number ("SELECT count(*) FROM t"));
  ck_assert_int_eq (
      number ("SELECT count(*) FROM (SELECT id FROM t EXCEPT SELECT id FROM __sync_row_t)"), 0);
}

static void
apply (const char *key, bool deleted, int64_t rev)
{
  struct mantis_value row[2] = {{MANTIS_TEXT, (uint32_t)strlen (key), {.bytes = key}},
                                {MANTIS_INTEGER, 0, {.integer = rev}}};
  const struct mantis_change change = {.table = find ("t")->table,
                                       .row = row,
                                       .deleted = deleted,
                                       .updated_at = rev * 10,
                                       .rev = rev,
                                       .origin = "other"};
  const struct mantis_change *changes = &change;
  size_t done;

  OK (storage->begin (session, MANTIS_WRITE, &error));
  OK (storage->apply (session, change.table, &changes, 1, &done, &error));
  OK (storage->commit (session, &error));
}

static void
trim (void)
{
  OK (storage->begin (session, MANTIS_WRITE, &error));
  OK (storage->log_trim (session, INT64_MAX, &error));
  OK (storage->commit (session, &error));
}

START_TEST (on_a_client)
{
  WRITES (own);
  attach (MANTIS_CLIENT);
  ck_assert_str_eq (shown ("old"), "old 5 50 -");
  apply ("new", false, 7);
  apply ("older", true, 8);
  ck_assert_str_eq (shown ("new"), "new 7 70 other");
  ck_assert_str_eq (shown ("older"), "");
  check_rows ();
  WRITES ("UPDATE t SET a = 99 WHERE id = 'new'; INSERT INTO t VALUES ('mine', 100);"
          "DELETE FROM t WHERE id = 'old'");
  ck_assert_ptr_nonnull (strstr (shown ("new"), "new 7 "));
  ck_assert_ptr_nonnull (strstr (shown ("new"), " me"));
  ck_assert_ptr_nonnull (strstr (shown ("mine"), "mine 5 "));
  check_rows ();
  trim ();
  WRITES ("REPLACE INTO t VALUES ('thief', 99)"); /* the last one stays in the log */
  trim ();
  WRITES ("INSERT INTO t VALUES ('last', 101)");
  trim ();
  ck_assert_str_eq (shown ("new"), "");
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_log"), 1);
  check_rows ();
}
END_TEST

START_TEST (on_a_server)
{
  long head;

  WRITES (own);
  attach (MANTIS_SERVER);
  ck_assert_str_eq (shown ("old"), "old 3 30 -");
  apply ("new", false, 7);
  head = number ("SELECT max(seq) FROM __sync_log");
  ck_assert_ptr_nonnull (strstr (shown ("new"), " 70 other"));
  ck_assert_int_eq (number ("SELECT __rev FROM __sync_row_t WHERE id = 'new'"), head);
  WRITES ("UPDATE t SET a = 99 WHERE id = 'new'; DELETE FROM t WHERE id = 'old'");
  ck_assert_int_eq (number ("SELECT __rev FROM __sync_row_t WHERE id = 'new'"), head + 1);
  check_rows ();
  trim ();
  ck_assert_int_eq (number ("SELECT __rev FROM __sync_row_t WHERE id = 'new'"), head + 1);
  check_rows ();
}
END_TEST

/* SQLite checks every view when a table is renamed: C11 as ORMs do it. */
START_TEST (tables_can_be_rebuilt_renamed_and_dropped)
{
  WRITES (own);
  attach (MANTIS_CLIENT);
  WRITES ("CREATE TABLE new_t (id TEXT PRIMARY KEY, a UNIQUE, b); INSERT INTO new_t SELECT id, a, "
          "0 FROM t;"
          "DROP TABLE t; ALTER TABLE new_t RENAME TO t; ALTER TABLE t RENAME COLUMN a TO c;"
          "INSERT INTO t VALUES ('unseen', 4, 4); DELETE FROM t WHERE id = 'old'");
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (find ("t")->watch, MANTIS_REWATCHED);
  check_rows ();
  WRITES ("ALTER TABLE t RENAME TO u");
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_row_u"), 2);
  ck_assert_int_eq (number ("SELECT count(*) FROM sqlite_master WHERE type = 'view'"), 1);
  WRITES ("DROP TABLE u");
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (number ("SELECT count(*) FROM sqlite_master WHERE name GLOB '__sync_row_*'"
                            " OR name GLOB '__sync_versions_*'"),
                    0);
}
END_TEST

START_TEST (without_the_tables_of_the_core)
{
  WRITES ("CREATE TABLE t (a INTEGER, b TEXT, PRIMARY KEY (b, a)); INSERT INTO t VALUES (1, 'x')");
  attach (MANTIS_SERVER);
  WRITES ("ALTER TABLE t RENAME TO \"t \"\" 2\""); /* fails where a view names what is not there */
  attach (MANTIS_SERVER);
  WRITES ("INSERT INTO \"t \"\" 2\" VALUES (2, 'y')");
  ck_assert_int_eq (number ("SELECT count(b) + sum(a) FROM \"__sync_row_t \"\" 2\""), 5);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("sqlite versions");
  TCase *cases = tcase_create ("versions");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (cases, set_up, tear_down);
  tcase_set_timeout (cases, 60);
  tcase_add_test (cases, on_a_client);
  tcase_add_test (cases, on_a_server);
  tcase_add_test (cases, tables_can_be_rebuilt_renamed_and_dropped);
  tcase_add_test (cases, without_the_tables_of_the_core);
  suite_add_tcase (suite, cases);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
