/* core/wire/key.c: keys as text, as hashes, in the order of SQLite (C16, K21, V31).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "wire/key.h"
#include "../lib/table.h"
#include "wire_rig.h"

#include <sqlite3.h>
#include <stdlib.h>

/* The key is (b, a): not in the order of the columns. */
static const struct mantis_column columns[] = {{.name = "a", .declared = "", .key_position = 2},
                                               {.name = "x", .declared = ""},
                                               {.name = "b", .declared = "", .key_position = 1}};
static const uint32_t both[] = {2, 0}, first[] = {2};
static const struct mantis_table pair = TABLE_OF ("pair", columns, both),
                                 single = TABLE_OF ("single", columns, first);

static mantis_row
row_of (struct mantis_value b, struct mantis_value a)
{
  struct mantis_value *row = mantis_arena_alloc (arena, 3 * sizeof *row);

  row[2] = b;
  row[0] = a;
  return row;
}

START_TEST (text_is_readable)
{
  struct mantis_value key[] = {integer (7), text ("n")};

  ck_assert_str_eq (key_text (arena, &pair, row_of (integer (42), text ("b"))), "[42,\"b\"]");
  ck_assert_str_eq (key_text (arena, &pair, key_row (&pair, key, arena)), "[7,\"n\"]");
  ck_assert_str_eq (key_text (arena, &single, row_of (text ("n1"), text (""))), "[\"n1\"]");
}
END_TEST

START_TEST (text_comes_back)
{
  for (int i = 0; i < 20000; i++) {
    mantis_row row = row_of (random_value (), random_value ()), back;
    const char *said = key_text (arena, &pair, row);
    ck_assert_msg (key_parse (said, &pair, arena, &back, &error) == MANTIS_OK, "%s: %s", said,
                   error.text);
    ck_assert (mantis_value_equal (&row[0], &back[0]) && mantis_value_equal (&row[2], &back[2]));
    ck_assert_int_eq (back[1].type, MANTIS_NONE);
    ck_assert (key_equal (&pair, row, back));
    ck_assert (key_hash (&pair, row) == key_hash (&pair, back));
    ck_assert_int_eq (key_compare (&pair, row, back), 0);
    mantis_arena_reset (arena);
  }
}
END_TEST

START_TEST (what_is_no_key_is_refused)
{
  static const char *const bad[] = {
      "", "7", "[", "[]", "[1]", "[1,2,3]", "{\"a\":1}", "[1,[2]]", "[1,{\"b\":\"x\"}]", "[1,2] x"};
  mantis_row row;

  for (size_t i = 0; i < COUNT_OF (bad); i++) {
    ck_assert_msg (key_parse (bad[i], &pair, arena, &row, &error) == MANTIS_INVALID, "%s", bad[i]);
    ck_assert (strstr (error.text, "pair"));
  }
}
END_TEST

/* As in SQLite's unique indexes. */
START_TEST (numbers_are_one_key_by_value)
{
  struct {
    struct mantis_value a, b;
    bool same;
  } pairs[] = {{integer (1), real (1), true},
               {integer (0), real (-0.0), true},
               {real (0.0), real (-0.0), true},
               {integer (INT64_MIN), real (-9223372036854775808.0), true},
               {integer (INT64_MAX), real (9223372036854775808.0), false},
               {integer (INT64_C (9223372036854774784)), real (9223372036854774784.0), true},
               {integer (9007199254740993), real (9007199254740992.0), false},
               {real (INFINITY), real (-INFINITY), false},
               {integer (1), text ("1"), false},
               {text ("a"), bytes_of (MANTIS_BLOB, "a", 1), false},
               {text ("a"), bytes_of (MANTIS_TEXT, "a\0", 2), false}};

  for (size_t i = 0; i < COUNT_OF (pairs); i++) {
    mantis_row a = row_of (pairs[i].a, text ("")), b = row_of (pairs[i].b, text (""));
    ck_assert_msg (key_equal (&single, a, b) == pairs[i].same, "%zu", i);
    ck_assert_msg ((key_hash (&single, a) == key_hash (&single, b)) == pairs[i].same, "%zu", i);
    ck_assert_msg ((key_compare (&single, a, b) == 0) == pairs[i].same, "%zu", i);
  }
}
END_TEST

/* K21: all columns of the key, each in its place, and the table. */
START_TEST (every_column_counts)
{
  mantis_row one = row_of (integer (1), integer (2)), two = row_of (integer (2), integer (1)),
             three = row_of (integer (1), integer (3));

  ck_assert (!key_equal (&pair, one, two) && !key_equal (&pair, one, three));
  ck_assert (key_hash (&pair, one) != key_hash (&pair, two));
  ck_assert (key_hash (&pair, one) != key_hash (&pair, three));
  ck_assert (key_hash (&pair, row_of (text ("ab"), text ("c"))) !=
             key_hash (&pair, row_of (text ("a"), text ("bc"))));
  ck_assert (key_hash (&single, one) == key_hash (&single, three));
  ck_assert (key_compare (&pair, one, three) < 0 && key_compare (&pair, two, three) > 0);
  ck_assert (
      key_has_null (&pair, row_of (integer (1), (struct mantis_value){.type = MANTIS_NULL})));
  ck_assert (!key_has_null (&pair, one));
}
END_TEST

/* ---- Beside SQLite ---- */

enum { VALUES = 3000 };

static void
bind (sqlite3_stmt *insert, int at, const struct mantis_value *value)
{
  switch (value->type) {
  case MANTIS_INTEGER:
    sqlite3_bind_int64 (insert, at, value->as.integer);
    break;
  case MANTIS_REAL:
    sqlite3_bind_double (insert, at, value->as.real);
    break;
  case MANTIS_TEXT:
    sqlite3_bind_text (insert, at, value->as.bytes, (int)value->length, SQLITE_STATIC);
    break;
  case MANTIS_BLOB:
    sqlite3_bind_blob (insert, at, value->as.bytes, (int)value->length, SQLITE_STATIC);
    break;
  default:
    sqlite3_bind_null (insert, at);
  }
}

/* Numbers that lie close to each other, of both types. */
static struct mantis_value
close_number (void)
{
  static const double places[] = {0, 1, 9007199254740992.0, 4611686018427387904.0,
                                  9223372036854775807.0};
  double place = places[draw () % COUNT_OF (places)] * (draw () % 2 ? 1 : -1);
  int64_t off = (int64_t)(draw () % 7) - 3, whole;

  if (draw () % 2)
    return real (place + (double)off / 2);
  whole = place >= 9223372036854775807.0    ? INT64_MAX
          : place <= -9223372036854775807.0 ? INT64_MIN
                                            : (int64_t)place;
  return integer (whole > 0 ? whole - (off < 0 ? -off : off) : whole + (off < 0 ? -off : off));
}

START_TEST (order_is_that_of_sqlite)
{
  struct mantis_value *values = mantis_arena_alloc (arena, VALUES * sizeof *values);
  sqlite3_stmt *insert, *sorted;
  mantis_row before = NULL;
  sqlite3 *db;
  int rank_before = 0, count = 0;

  ck_assert_int_eq (sqlite3_open (":memory:", &db), SQLITE_OK);
  ck_assert_int_eq (
      sqlite3_exec (db, "CREATE TABLE t (n INTEGER PRIMARY KEY, v); BEGIN", NULL, NULL, NULL),
      SQLITE_OK);
  sqlite3_prepare_v2 (db, "INSERT INTO t VALUES (?1, ?2)", -1, &insert, NULL);
  for (int i = 0; i < VALUES; i++) {
    values[i] = draw () % 2 ? random_value () : close_number ();
    sqlite3_bind_int (insert, 1, i);
    bind (insert, 2, &values[i]);
    ck_assert_int_eq (sqlite3_step (insert), SQLITE_DONE);
    sqlite3_reset (insert);
  }
  ck_assert_int_eq (
      sqlite3_prepare_v2 (db, "SELECT n, dense_rank() OVER (ORDER BY v) FROM t ORDER BY v", -1,
                          &sorted, NULL),
      SQLITE_OK);
  for (; sqlite3_step (sorted) == SQLITE_ROW; count++) {
    mantis_row row = row_of (values[sqlite3_column_int (sorted, 0)], integer (0));
    int rank = sqlite3_column_int (sorted, 1);
    if (before) {
      int order = key_compare (&single, before, row), back = key_compare (&single, row, before);
      ck_assert_msg (rank == rank_before ? order == 0 && back == 0 : order < 0 && back > 0,
                     "%s, %s", key_text (arena, &single, before), key_text (arena, &single, row));
      if (row[2].type != MANTIS_NULL)
        ck_assert (key_equal (&single, before, row) == (rank == rank_before));
      if (rank == rank_before)
        ck_assert (key_hash (&single, before) == key_hash (&single, row));
    }
    before = row;
    rank_before = rank;
  }
  ck_assert_int_eq (count, VALUES);
  sqlite3_finalize (insert);
  sqlite3_finalize (sorted);
  sqlite3_close (db);
}
END_TEST

static Suite *
key_suite (void)
{
  Suite *suite = suite_create ("key");
  TCase *tests = tcase_create ("key");

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, text_is_readable);
  tcase_add_test (tests, text_comes_back);
  tcase_add_test (tests, what_is_no_key_is_refused);
  tcase_add_test (tests, numbers_are_one_key_by_value);
  tcase_add_test (tests, every_column_counts);
  tcase_add_test (tests, order_is_that_of_sqlite);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (key_suite ());
  int failed;

  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
