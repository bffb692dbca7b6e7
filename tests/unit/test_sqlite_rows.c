/* test_sqlite_rows.c - what applying does, and does not do, to SQLite's own kinds of tables.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../lib/table.h"
#include "sqlite_rig.h"

#include <stdio.h>

static struct mantis_arena *arena;

static void
set_up_rows (void)
{
  set_up ();
  arena = mantis_arena_new (0);
}

static void
tear_down_rows (void)
{
  mantis_arena_free (arena);
  tear_down ();
}

/* A value from text: "12" an integer, "1.5" a real, "-" NULL, "*" not carried, else text. */
static struct mantis_value
value_of (const char *text)
{
  struct mantis_value value = {.type = MANTIS_TEXT};
  char *end;

  if (strcmp (text, "-") == 0 || strcmp (text, "*") == 0)
    return (struct mantis_value){.type = *text == '-' ? MANTIS_NULL : MANTIS_NONE};
  value.as.integer = strtoll (text, &end, 10);
  value.type = MANTIS_INTEGER;
  if (*text && !*end)
    return value;
  value.as.real = strtod (text, &end);
  value.type = MANTIS_REAL;
  if (*text && !*end)
    return value;
  value.type = MANTIS_TEXT;
  value.length = (uint32_t)strlen (text);
  value.as.bytes = text;
  return value;
}

/* Up to 8 columns, in the order of the table. */
static const struct mantis_change *
change (const char *table, bool deleted, const char *const *texts)
{
  struct mantis_value *row = mantis_arena_alloc (arena, 8 * sizeof *row);
  struct mantis_change *made = mantis_arena_alloc (arena, sizeof *made);

  for (size_t i = 0; i < 8 && texts[i]; i++)
    row[i] = value_of (texts[i]);
  *made = (struct mantis_change){.table = find (table)->table,
                                 .row = row,
                                 .deleted = deleted,
                                 .updated_at = 1000,
                                 .origin = "tablet"};
  return made;
}
#define ROW(...) ((const char *const[]){__VA_ARGS__, NULL})

static enum mantis_status
apply (const struct mantis_change *one)
{
  size_t done;
  enum mantis_status status;

  OK (storage->begin (session, MANTIS_WRITE, &error));
  status = storage->apply (session, one->table, &one, 1, &done, &error);
  if (status == MANTIS_OK || status == MANTIS_REFUSED)
    OK (storage->commit (session, &error));
  else
    storage->rollback (session);
  return status;
}
#define APPLIES(...) ck_assert_msg (apply (change (__VA_ARGS__)) == MANTIS_OK, "%s", error.text)
#define REFUSES(...) ck_assert_int_eq (apply (change (__VA_ARGS__)), MANTIS_REFUSED)

/* ---- Kinds of tables ---- */

START_TEST (generated_columns) /* V25 */
{
  WRITES ("CREATE TABLE t (a AS (x || '!'), id INTEGER PRIMARY KEY, x, b AS (lower(x)) STORED)");
  attach (MANTIS_SERVER);
  ck_assert_str_eq (find ("t")->table->columns[0].generated, "x || '!'");
  ck_assert_str_eq (find ("t")->table->columns[3].generated, "lower(x)");
  ck_assert (find ("t")->table->columns[3].stored && !find ("t")->table->columns[0].stored);
  ck_assert (!find ("t")->table->plain);
  APPLIES ("t", false, ROW ("*", "1", "MILK", "*"));
  ck_assert_int_eq (number ("SELECT count(*) FROM t WHERE a = 'MILK!' AND b = 'milk'"), 1);
  APPLIES ("t", false, ROW ("*", "1", "BREAD", "*"));
  ck_assert_int_eq (number ("SELECT count(*) FROM t WHERE a = 'BREAD!'"), 1);
  ck_assert_int_eq (
      number ("SELECT count(*) FROM __sync_log WHERE origin = 'tablet' AND time = 1000"), 2);
}
END_TEST

/* A peer that made them from their columns would forbid rows that are allowed here. */
START_TEST (uniques_that_forbid_less_come_last)
{
  const struct mantis_table *table;

  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b UNIQUE, c);"
          "CREATE UNIQUE INDEX a1 ON t (a) WHERE c = 1; CREATE UNIQUE INDEX a2 ON t (a, lower(b));"
          "CREATE UNIQUE INDEX z ON t (c, a); CREATE UNIQUE INDEX a3 ON t (upper(c))");
  attach (MANTIS_SERVER);
  table = find ("t")->table;
  ck_assert_uint_eq (table->unique_count, 4);
  ck_assert_uint_eq (table->loose_uniques, 2);
  ck_assert_str_eq (table->uniques[0].columns[0], "b");
  ck_assert_uint_eq (table->uniques[1].count, 2);
  ck_assert_str_eq (table->uniques[2].columns[0], "a");
}
END_TEST

/* Others stand where a column is not made, for want of words for it. */
START_TEST (what_names_a_column_that_is_not_made)
{
  static const char *const gone[] = {"g"}, *const kept[] = {"a"}, *const parents[] = {"id"};
  static const struct mantis_column columns[] = {
      {.name = "id", .declared = "INT", .key_position = 1, .not_null = true},
      {.name = "a", .declared = "INT", .default_value = ""},
      {.name = "g", .declared = "INT", .generated = ""}};
  static const uint32_t key[] = {0};
  static const struct mantis_unique uniques[] = {{gone, 1}, {kept, 1}};
  static const struct mantis_foreign_key foreign[] = {
      {.parent = "t", .columns = gone, .parents = parents, .count = 1},
      {.parent = "t", .columns = kept, .parents = parents, .count = 1}};
  static const struct mantis_table table =
      TABLE_OF ("made", columns, key, .uniques = uniques, .unique_count = 2,
                .foreign_keys = foreign, .foreign_key_count = 2);

  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  attach (MANTIS_CLIENT);
  OK (storage->begin (session, MANTIS_WRITE, &error));
  OK (storage->create (session, &table, &error));
  OK (storage->commit (session, &error));
  attach (MANTIS_CLIENT);
  ck_assert_uint_eq (find ("made")->table->column_count, 2);
  ck_assert_ptr_null (find ("made")->table->columns[1].default_value);
  ck_assert_uint_eq (find ("made")->table->unique_count, 1);
  ck_assert_uint_eq (find ("made")->table->foreign_key_count, 1);
}
END_TEST

START_TEST (strict_tables_and_tables_without_rowid) /* C16, K21, V14 */
{
  WRITES ("CREATE TABLE s (id INT PRIMARY KEY, a ANY, r REAL) STRICT;"
          "CREATE TABLE w (b INTEGER, a TEXT, n, PRIMARY KEY (a, b)) WITHOUT ROWID");
  attach (MANTIS_SERVER);
  ck_assert (find ("s")->table->strict && find ("w")->table->without_rowid);
  ck_assert_uint_eq (find ("s")->table->columns[1].type_class, MANTIS_CLASS_ANY);
  APPLIES ("s", false, ROW ("1", "x", "1.5"));
  APPLIES ("s", false, ROW ("1", "5", "-"));
  REFUSES ("s", false, ROW ("2", "x", "abc"));
  REFUSES ("s", false, ROW ("-", "x", "1.5")); /* C17 */
  APPLIES ("w", false, ROW ("1", "x", "1"));
  APPLIES ("w", false, ROW ("2", "x", "2"));
  APPLIES ("w", false, ROW ("1", "y", "3"));
  APPLIES ("w", true, ROW ("1", "x", "*"));
  ck_assert_int_eq (number ("SELECT sum(n) FROM w"), 5);
}
END_TEST

START_TEST (a_table_that_replaces_by_itself) /* K17 */
{
  WRITES (
      "CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, a UNIQUE ON CONFLICT REPLACE,"
      " b NOT NULL ON CONFLICT IGNORE)");
  WRITES ("INSERT INTO t VALUES (1, 'x', 1)");
  attach (MANTIS_SERVER);
  REFUSES ("t", false, ROW ("2", "x", "2"));
  REFUSES ("t", false, ROW ("2", "x", "*"));
  REFUSES ("t", false, ROW ("3", "y", "-"));
  APPLIES ("t", false, ROW ("1", "z", "*"));
  ck_assert_int_eq (number ("SELECT count(*) FROM t WHERE id = 1 AND a = 'z' AND b = 1"), 1);
}
END_TEST

START_TEST (children_stay_when_a_parent_is_updated) /* K17 */
{
  WRITES ("CREATE TABLE p (id INTEGER PRIMARY KEY, a);"
          "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p (id) ON DELETE CASCADE);"
          "INSERT INTO p VALUES (1, 1); INSERT INTO c VALUES (1, 1), (2, 1)");
  attach (MANTIS_SERVER);
  APPLIES ("p", false, ROW ("1", "2"));
  ck_assert_int_eq (number ("SELECT count(*) FROM c"), 2);
}
END_TEST

/* ---- Triggers of a server's database ---- */

START_TEST (what_a_trigger_derives_is_the_servers_own) /* R15, D4 */
{
  WRITES ("CREATE TABLE lines (id INTEGER PRIMARY KEY, item, n INTEGER);"
          "CREATE TABLE stock (item INTEGER PRIMARY KEY, n INTEGER);"
          "INSERT INTO stock VALUES (7, 10);"
          "CREATE TRIGGER take AFTER INSERT ON lines BEGIN"
          " UPDATE stock SET n = n - NEW.n WHERE item = NEW.item; END;"
          "CREATE TRIGGER never BEFORE INSERT ON lines WHEN NEW.n < 0 BEGIN"
          " SELECT RAISE (ABORT, 'less than nothing'); END");
  attach (MANTIS_SERVER);
  APPLIES ("lines", false, ROW ("1", "7", "3"));
  ck_assert_int_eq (number ("SELECT n FROM stock"), 7);
  ck_assert_int_eq (
      number ("SELECT count(*) FROM __sync_log WHERE origin = 'tablet' AND time = 1000"), 1);
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_log WHERE k0 = 7 AND origin IS NULL"), 1);
  APPLIES ("lines", false, ROW ("1", "7", "2")); /* an update is no second insert */
  ck_assert_int_eq (number ("SELECT n FROM stock"), 7);
  REFUSES ("lines", false, ROW ("2", "7", "-1"));
  ck_assert_ptr_nonnull (strstr (error.text, "less than nothing"));
}
END_TEST

START_TEST (a_trigger_that_rolls_back_is_no_refused_row)
{
  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a);"
          "CREATE TRIGGER never BEFORE INSERT ON t BEGIN SELECT RAISE (ROLLBACK, 'all gone'); END");
  attach (MANTIS_SERVER);
  ck_assert_int_eq (apply (change ("t", false, ROW ("1", "1"))), MANTIS_FAILED);
  ck_assert_int_eq (number ("SELECT count(*) FROM t"), 0);
  OK (storage->begin (session, MANTIS_WRITE, &error)); /* the session is still good */
  OK (storage->commit (session, &error));
}
END_TEST

/* ---- Parking ---- */

START_TEST (a_rotation_with_all_kinds_of_unique_columns) /* K18 */
{
  static const char *const names[] = {"a", "b", "c"};
  const struct mantis_change *changes[3];
  size_t done;

  WRITES ("CREATE TABLE t (id TEXT PRIMARY KEY, i INTEGER NOT NULL UNIQUE, r REAL NOT NULL UNIQUE,"
          " s TEXT NOT NULL UNIQUE, x UNIQUE, n TEXT, m INTEGER NOT NULL, UNIQUE (n, m))");
  WRITES ("INSERT INTO t VALUES ('a', 1, 1.5, 'sa', 1, 'na', 1), ('b', 2, 2.5, 'sb', 2, 'nb', 1),"
          " ('c', 3, 3.5, 'sc', 3, 'nc', 1)");
  attach (MANTIS_SERVER);
  changes[0] = change ("t", false, ROW ("a", "2", "2.5", "sb", "2", "nb", "1"));
  changes[1] = change ("t", false, ROW ("b", "3", "3.5", "sc", "3", "nc", "1"));
  changes[2] = change ("t", false, ROW ("c", "1", "1.5", "sa", "1", "na", "*"));
  OK (storage->begin (session, MANTIS_WRITE, &error));
  OK (storage->park (session, find ("t")->table, changes, 3, &error));
  OK (storage->apply (session, find ("t")->table, changes, 3, &done, &error));
  OK (storage->commit (session, &error));
  for (int i = 0; i < 3; i++) {
    char sql[100];
    snprintf (sql, sizeof sql,
              "SELECT count(*) FROM t WHERE id = '%s' AND i = %d AND r = %d.5 AND m = 1", names[i],
              (i + 1) % 3 + 1, (i + 1) % 3 + 1);
    ck_assert_int_eq (number (sql), 1);
  }
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_log WHERE op = 'U'"),
                    3); /* parking is not logged */
}
END_TEST

START_TEST (parking_spares_what_is_not_set_again)
{
  const struct mantis_change *changes[1];

  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, b UNIQUE); INSERT INTO t VALUES (1, "
          "2, 3)");
  attach (MANTIS_SERVER);
  changes[0] = change ("t", false, ROW ("1", "*", "5"));
  OK (storage->begin (session, MANTIS_WRITE, &error));
  OK (storage->park (session, find ("t")->table, changes, 1, &error));
  OK (storage->commit (session, &error));
  ck_assert_int_eq (number ("SELECT a FROM t WHERE b IS NULL"), 2);
}
END_TEST

/* ---- Tables of a peer: O26 ---- */

static const uint32_t first[] = {0};

static enum mantis_status
create (const char *declared, const char *default_value, const char *generated)
{
  const struct mantis_column columns[] = {
      {.name = "i\"d", .declared = "TEXT", .key_position = 1, .not_null = true},
      {.name = "a'); DROP TABLE t; --", .declared = declared, .default_value = default_value},
      {.name = "g", .declared = "", .generated = generated, .stored = true},
  };
  const struct mantis_table table = {.size = sizeof table,
                                     .name = "n\"ew",
                                     .columns = columns,
                                     .column_count = generated ? 3 : 2,
                                     .key = first,
                                     .key_count = 1,
                                     .fingerprint = ""};
  enum mantis_status status;

  OK (storage->begin (session, MANTIS_WRITE, &error));
  status = storage->create (session, &table, &error);
  if (status)
    storage->rollback (session);
  else
    OK (storage->commit (session, &error));
  return status;
}

START_TEST (a_peer_brings_no_sql)
{
  static const char *const types[] = {"INTEGER REFERENCES t (id)",
                                      "INT); DROP TABLE t; --",
                                      "TEXT DEFAULT 1",
                                      "TEXT CHECK (0)",
                                      "INT, x INT",
                                      "A(1)(2)",
                                      "(1)",
                                      "\"x",
                                      "TEXT -- ",
                                      "TEXT /*",
                                      "x'"};
  static const char *const good[] = {"", "VARCHAR(20)", "DECIMAL(10, 2)", "UNSIGNED BIG INT"};
  static const char *const defaults[] = {"1); DROP TABLE t; --",
                                         "load_extension('x')",
                                         "(SELECT 1)",
                                         "'a",
                                         "1) CHECK (0",
                                         "a.b",
                                         "[x]",
                                         "1 -- ",
                                         "1/**/",
                                         "writefile('x', 'y')",
                                         "\"x\"",
                                         "1; 2"};

  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  attach (MANTIS_CLIENT);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    ck_assert_msg (create (types[i], NULL, NULL) == MANTIS_INVALID, "%s", types[i]);
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    ck_assert_msg (create (good[i], NULL, NULL) == MANTIS_OK, "%s: %s", good[i], error.text);
    WRITES ("DROP TABLE \"n\"\"ew\"");
    attach (MANTIS_CLIENT);
  }
  for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) { /* made without it */
    ck_assert_msg (create ("", defaults[i], defaults[i]) == MANTIS_OK, "%s: %s", defaults[i],
                   error.text);
    attach (MANTIS_CLIENT);
    ck_assert_uint_eq (find ("n\"ew")->table->column_count, 2);
    ck_assert_ptr_null (find ("n\"ew")->table->columns[1].default_value);
    WRITES ("DROP TABLE \"n\"\"ew\"");
    attach (MANTIS_CLIENT);
  }
  ck_assert_int_eq (create ("TEXT", "strftime('%Y', 'now') || -1.5e3", "upper(\"i\"\"d\") || 'x'"),
                    MANTIS_OK);
  WRITES ("INSERT INTO \"n\"\"ew\" (\"i\"\"d\") VALUES ('k')");
  ck_assert_int_eq (number ("SELECT count(*) FROM \"n\"\"ew\" WHERE g = 'Kx'"), 1);
  ck_assert_int_eq (number ("SELECT count(*) FROM t"), 0);
}
END_TEST

/* ---- The file ---- */

START_TEST (a_replaced_file_is_lost) /* O5 */
{
  char *path, *moved;
  bool changed;

  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)");
  attach (MANTIS_SERVER);
  path = engine->ask ("SELECT file FROM pragma_database_list");
  moved = mantis_arena_printf (arena, "%s-moved", path);
  ck_assert_str_eq (storage->place (self), path);
  ck_assert_int_eq (rename (path, moved), 0);
  ck_assert_int_eq (storage->look (session, &changed, &error), MANTIS_LOST);
  ck_assert_int_eq (storage->begin (session, MANTIS_WRITE, &error), MANTIS_LOST);
  fclose (fopen (path, "w"));
  ck_assert_int_eq (storage->look (session, &changed, &error), MANTIS_LOST);
  ck_assert_int_eq (rename (moved, path), 0);
  OK (storage->look (session, &changed, &error));
  free (path);
}
END_TEST

START_TEST (a_file_that_is_no_database)
{
  FILE *file = fopen (storage->place (self), "w");

  fputs ("this is a letter to my bank, and it is longer than a hundred bytes so that it fills the "
         "header"
         " of a database",
         file);
  fclose (file);
  ck_assert_int_eq (storage->open (self, MANTIS_CLIENT, &session, &error), MANTIS_FAILED);
  ck_assert_ptr_null (session);
  ck_assert_ptr_nonnull (strstr (error.text, "not a database"));
}
END_TEST

START_TEST (attaching_again_writes_nothing)
{
  bool changed;
  struct mantis_session *other;

  WRITES (
      "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE); CREATE TABLE u (id TEXT PRIMARY KEY)");
  attach (MANTIS_SERVER);
  OK (storage->open (self, MANTIS_SERVER, &other, &error));
  OK (storage->look (other, &changed, &error));
  attach (MANTIS_SERVER);
  OK (storage->look (other, &changed, &error));
  ck_assert (!changed);
  storage->close (other);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("sqlite rows");
  TCase *cases = tcase_create ("rows");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (cases, set_up_rows, tear_down_rows);
  tcase_set_timeout (cases, 60);
  tcase_add_test (cases, generated_columns);
  tcase_add_test (cases, uniques_that_forbid_less_come_last);
  tcase_add_test (cases, what_names_a_column_that_is_not_made);
  tcase_add_test (cases, strict_tables_and_tables_without_rowid);
  tcase_add_test (cases, a_table_that_replaces_by_itself);
  tcase_add_test (cases, children_stay_when_a_parent_is_updated);
  tcase_add_test (cases, what_a_trigger_derives_is_the_servers_own);
  tcase_add_test (cases, a_trigger_that_rolls_back_is_no_refused_row);
  tcase_add_test (cases, a_rotation_with_all_kinds_of_unique_columns);
  tcase_add_test (cases, parking_spares_what_is_not_set_again);
  tcase_add_test (cases, a_peer_brings_no_sql);
  tcase_add_test (cases, a_replaced_file_is_lost);
  tcase_add_test (cases, a_file_that_is_no_database);
  tcase_add_test (cases, attaching_again_writes_nothing);
  suite_add_tcase (suite, cases);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
