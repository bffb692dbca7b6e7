/* What rows were, in MariaDB: each type, cascades, and writes that go through whatever becomes of the triggers' columns.
 * law_mysql starts the MariaDB.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "storage_rig.h"

#include <stdio.h>

static void *other; /* a second process on the same database */

static void
start_both (void)
{
  storage = engine->plugin->ops;
  self = engine->make ();
  ck_assert_ptr_nonnull (other = malloc (engine->plugin->self_size));
  memcpy (other, self, engine->plugin->self_size); /* its options */
  OK (engine->plugin->start (self, &error));
  OK (engine->plugin->start (other, &error));
  ck_assert_ptr_nonnull (arena = mantis_arena_new (0));
}

static void
stop_both (void)
{
  close_session ();
  engine->plugin->stop (other);
  free (other);
  tear_down ();
}

/* The columns whose names CONTEXT lists, or all; of each table. */
static bool
looks_at (void *context, const struct mantis_schema *tables, const struct mantis_table *table,
          bool *columns)
{
  const char *names = context;

  (void)tables;
  for (size_t i = 0; i < table->column_count; i++)
    columns[i] = strcmp (names, "all") == 0 || strstr (names, table->columns[i].name);
  return strcmp (names, "none") != 0;
}

static void
remember_in (void *process, const char *names)
{
  close_session ();
  OK (storage->open (process, MANTIS_SERVER, &session, &error));
  storage->remember (session, looks_at, (void *)(uintptr_t)names);
  attach ();
}

static void
remember (const char *names)
{
  remember_in (self, names);
}

static struct mantis_before *before;

/* "U1 child ?" and so on, for the entries after AFTER: "fresh", or the column COLUMN as it was. */
static const char *
past_text (int64_t after, const char *column)
{
  struct mantis_buf buf = MANTIS_BUF_INIT;
  char *copy;

  begin (MANTIS_READ);
  OK (storage->log_recall (session, after, INT64_MAX, 1000, arena, &entries, &before, &entry_count,
                           &error));
  commit ();
  for (size_t i = 0; i < entry_count; i++) {
    const struct mantis_table *table = entries[i].table;
    struct mantis_value value = {.type = MANTIS_NONE};
    mantis_buf_printf (&buf, "%s%c%lld %s ", i ? ", " : "", entries[i].operation,
                       (long long)entries[i].key[0].as.integer, table->name);
    for (size_t c = 0; before[i].row && c < table->column_count; c++)
      if (strcmp (table->columns[c].name, column) == 0)
        value = before[i].row[c];
    if (before[i].fresh || !before[i].row)
      mantis_buf_text (&buf, before[i].fresh ? "fresh" : "?");
    else if (value.type == MANTIS_INTEGER)
      mantis_buf_printf (&buf, "%lld", (long long)value.as.integer);
    else if (value.type == MANTIS_TEXT)
      mantis_buf_add (&buf, value.as.bytes, value.length);
    else
      mantis_buf_text (&buf, value.type == MANTIS_NULL ? "NULL" : "nothing");
  }
  copy = mantis_arena_copy (arena, buf.bytes ? buf.bytes : "", buf.length);
  mantis_buf_free (&buf);
  return copy;
}

/* ---- Types ---- */

static const char types[] =
    "CREATE TABLE t (id BIGINT PRIMARY KEY, touched INT DEFAULT 0, i1 TINYINT UNSIGNED, i8 BIGINT"
    " UNSIGNED, z INT(8) ZEROFILL, y YEAR, b BIT(12), d DOUBLE, f FLOAT, n DECIMAL(10,3), e "
    "DECIMAL(30,5),"
    " v VARCHAR(90), l VARCHAR(90) CHARACTER SET latin1, c CHAR(5), x TEXT CHARACTER SET utf16,"
    " en ENUM('red', 'it''s'), st SET('a', 'b'), j JSON, u UUID, ip INET6, da DATE, ti TIME(3), dt"
    " DATETIME(6), ts TIMESTAMP(3) NULL, t0 TIMESTAMP NULL, bi BINARY(4), vb VARBINARY(300), bl "
    "BLOB,"
    " g POINT, k VARCHAR(20) AS (concat('gen', v)) VIRTUAL)";

static const char values[] =
    "INSERT INTO t (id) VALUES (1);"
    "INSERT INTO t VALUES (2, 0, 255, 18446744073709551615, 7, 1999, b'101', 0.1, 0.1, 1.5,"
    " 123456789012345678901234.5, 'it''s \\\\ 5:\xc3\xbc \xf0\x9f\x98\x80-', '\xc3\xa4', 'ab', "
    "'\xc3\xb6', 'it''s', 'a,b', '{\"a\": 1}',"
    " '123e4567-e89b-12d3-a456-426655440001', '::1', '2024-02-29', '-01:00:00.250', '2024-02-29 "
    "23:59:59.999999',"
    " '2023-07-01 12:00:00.125', '2023-01-01 00:00:01', x'0102', x'00ff2d313a', x'', "
    "ST_GeomFromText('POINT(1 2)'), DEFAULT);"
    "INSERT INTO t VALUES (3, 0, 0, 0, 0, 0, 0, -1e308, 3e-30, -0.001, -0.5, '', '', '', '', "
    "'red', '', '[]',"
    " '00000000-0000-0000-0000-000000000000', '1.2.3.4', '0000-00-00', '838:59:59', '0000-00-00 "
    "00:00:00', 0, '2037-12-31 23:59:59', x'', x'',"
    " repeat('x', 20000), NULL, DEFAULT)";

static const char *
value_text (const struct mantis_value *value)
{
  static char text[200];

  if (value->type == MANTIS_REAL)
    snprintf (text, sizeof text, "%.17g", value->as.real);
  else if (value->type == MANTIS_INTEGER)
    snprintf (text, sizeof text, "%lld", (long long)value->as.integer);
  else
    snprintf (text, sizeof text, "'%.*s' (type %u)", value->length > 100 ? 100 : (int)value->length,
              value->length ? value->as.bytes : "", (unsigned)value->type);
  return text;
}

static void
compare_with_before (const struct mantis_table *table, mantis_row expected)
{
  long long id = expected[0].as.integer;
  size_t at = 0;

  while (at < entry_count && entries[at].key[0].as.integer != id)
    at++;
  ck_assert_msg (at < entry_count && before[at].row, "row %lld is not known", id);
  for (size_t c = 0; c < table->column_count; c++)
    if (!table->columns[c].generated && !mantis_value_equal (&before[at].row[c], &expected[c]))
      ck_abort_msg ("row %lld, column %s was %s", id, table->columns[c].name,
                    value_text (&before[at].row[c]));
}

/* In whatever time zone and mode a program writes. */
START_TEST (a_row_of_all_types_was_what_it_was)
{
  static const char *const settings[] = {
      "SET time_zone = '+00:00', sql_mode = ''",
      "SET time_zone = '-03:30', sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'",
      "SET time_zone = '+11:00', sql_mode = DEFAULT, NAMES latin1"};

  WRITES ("SET time_zone = '+02:00', sql_mode = 'ALLOW_INVALID_DATES', NAMES utf8mb4");
  WRITES (types);
  WRITES (values);
  remember ("all");
  for (size_t round = 0; round < sizeof settings / sizeof *settings; round++) {
    const struct mantis_table *table = table_of ("t");
    mantis_row rows[3];
    int64_t from;
    for (int i = 0; i < 3; i++)
      rows[i] = read_one (table, i + 1);
    from = head ();
    WRITES (settings[round]);
    WRITES ("UPDATE t SET touched = touched + 1");
    past_text (from, "v");
    ck_assert_uint_eq (entry_count, 3);
    for (int i = 0; i < 3; i++)
      compare_with_before (table, rows[i]);
  }
}
END_TEST

/* ---- Cascades ---- */

static const char family[] =
    "CREATE TABLE parent (id BIGINT PRIMARY KEY);"
    "CREATE TABLE kept (id BIGINT PRIMARY KEY, p BIGINT, title VARCHAR(20), FOREIGN KEY (p) "
    "REFERENCES parent (id)"
    " ON DELETE SET NULL ON UPDATE CASCADE);"
    "CREATE TABLE gone (id BIGINT PRIMARY KEY, p BIGINT, title MEDIUMTEXT, FOREIGN KEY (p) "
    "REFERENCES parent (id)"
    " ON DELETE CASCADE);"
    "CREATE TABLE moved (p BIGINT PRIMARY KEY, title VARCHAR(20), FOREIGN KEY (p) REFERENCES "
    "parent (id)"
    " ON DELETE CASCADE ON UPDATE CASCADE);"
    "INSERT INTO parent VALUES (1), (2); INSERT INTO kept VALUES (10, 1, 'k'), (20, 2, NULL);"
    "INSERT INTO gone VALUES (30, 1, 'g'); INSERT INTO moved VALUES (2, 'm')";

START_TEST (what_a_cascade_reaches_was_what_it_was)
{
  int64_t from;

  WRITES (family);
  remember ("title");
  from = head ();
  WRITES ("DELETE FROM parent WHERE id = 1");
  ck_assert_str_eq (past_text (from, "title"), "D30 gone g, U10 kept k, D1 parent nothing");
  from = head ();
  WRITES ("UPDATE parent SET id = 3 WHERE id = 2");
  ck_assert_str_eq (
      past_text (from, "title"),
      "U20 kept NULL, D2 moved m, U3 moved fresh, D2 parent nothing, U3 parent fresh");
}
END_TEST

/* ---- What must not fail a program's write ---- */

START_TEST (a_column_that_is_dropped_fails_no_write)
{
  int64_t from;

  WRITES (family);
  remember ("title");
  from = head ();
  WRITES ("ALTER TABLE gone DROP COLUMN title; ALTER TABLE kept DROP COLUMN title");
  WRITES ("UPDATE kept SET p = 1 WHERE id = 20; INSERT INTO kept VALUES (40, 1); DELETE FROM kept"
          " WHERE id = 10; DELETE FROM parent WHERE id = 1");
  GIVES (MANTIS_STALE, storage->begin (session, MANTIS_WRITE, &error));
  attach ();
  ck_assert_str_eq (past_text (from, "title"),
                    "U20 kept ?, I40 kept fresh, D10 kept ?, D30 gone ?, U20 kept ?, U40 kept ?,"
                    " D1 parent nothing");
}
END_TEST

START_TEST (a_value_that_is_too_long_is_not_known)
{
  int64_t from;

  WRITES (family);
  WRITES ("UPDATE gone SET title = repeat('x', 70000)");
  remember ("title");
  from = head ();
  WRITES ("UPDATE gone SET title = repeat('y', 65000); UPDATE gone SET title = repeat('z', 70000)");
  WRITES ("SET sql_mode = ''; UPDATE gone SET p = 1; UPDATE gone SET p = 2; DELETE FROM parent "
          "WHERE id = 2");
  ck_assert_str_eq (
      past_text (from, "p"),
      "U30 gone ?, U30 gone nothing, U30 gone ?, U30 gone ?, D30 gone ?, U20 kept nothing,"
      " D2 moved 2, D2 parent nothing");
}
END_TEST

/* ---- Several processes ---- */

/* While the configuration of several servers is changed, one after the other. */
START_TEST (what_another_process_asked_for_stays)
{
  char *made, *now;
  int64_t from;

  WRITES (family);
  remember ("title");
  remember_in (other, "p"); /* it starts: only what it wants */
  from = head ();
  WRITES ("UPDATE kept SET title = 'new' WHERE id = 10");
  ck_assert_str_eq (past_text (from, "p"), "U10 kept 1");
  remember ("title");
  ck_assert_int_eq (find ("kept")->watch, MANTIS_WATCHED);
  ck_assert_str_eq (past_text (from, "title"), "U10 kept ?");
  made = engine->ask ("SELECT group_concat(created ORDER BY trigger_name) FROM"
                      " information_schema.triggers WHERE trigger_schema = DATABASE()");
  remember_in (other, "p");
  remember ("title");
  remember_in (other, "none");
  now = engine->ask ("SELECT group_concat(created ORDER BY trigger_name) FROM"
                     " information_schema.triggers WHERE trigger_schema = DATABASE()");
  ck_assert_str_eq (made, now);
  free (made);
  free (now);
  remember ("title");
  from = head ();
  WRITES ("UPDATE kept SET p = NULL WHERE id = 10");
  ck_assert_str_eq (past_text (from, "title"), "U10 kept new");
  remember_in (other, "p");
  ck_assert_str_eq (past_text (from, "p"), "U10 kept 1");
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("what rows were, in MariaDB");
  TCase *all = tcase_create (engine->name);
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (all, start_both, stop_both);
  tcase_set_timeout (all, 60);
  tcase_add_test (all, a_row_of_all_types_was_what_it_was);
  tcase_add_test (all, what_a_cascade_reaches_was_what_it_was);
  tcase_add_test (all, a_column_that_is_dropped_fails_no_write);
  tcase_add_test (all, a_value_that_is_too_long_is_not_known);
  tcase_add_test (all, what_another_process_asked_for_stays);
  suite_add_tcase (suite, all);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
