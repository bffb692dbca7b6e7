/* core/wire/describe.c: a table's shape as JSON, and what a hostile one comes to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "wire/describe.h"
#include "../lib/table.h"
#include "wire_rig.h"

#include <stdlib.h>

static enum mantis_status
decode (const char *json_text, const struct mantis_table **table)
{
  json_t *json = json_loads (json_text, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
  enum mantis_status status;

  ck_assert_msg (json != NULL, "%s", json_text);
  status = table_decode (json, arena, table, &error);
  json_decref (json);
  return status;
}

static bool
same (const char *a, const char *b)
{
  return a == b || (a && b && strcmp (a, b) == 0);
}

/* C22, V25: names that have to be quoted, generated columns, keys out of order. */
START_TEST (all_of_a_table_comes_back)
{
  static const struct mantis_column columns[] = {
      {.name = "we\"ird 't\xc3\xa4"
               "ble",
       .declared = "INTEGER",
       .key_position = 2,
       .type_class = MANTIS_CLASS_INTEGER},
      {.name = "order",
       .declared = "VARCHAR(20)",
       .default_value = "'x'",
       .collation = "NOCASE",
       .key_position = 1,
       .not_null = true,
       .type_class = MANTIS_CLASS_TEXT},
      {.name = "total",
       .declared = "REAL",
       .generated = "price * 2",
       .stored = true,
       .type_class = MANTIS_CLASS_REAL},
      {.name = "price", .declared = "DECIMAL(10,2)", .type_class = MANTIS_CLASS_NUMERIC},
      {.name = "any", .declared = "", .default_value = "", .type_class = MANTIS_CLASS_ANY}};
  static const uint32_t key[] = {1, 0};
  static const char *const child[] = {"price", "any"}, *const parent[] = {"p", "a"},
                           *const one[] = {"any"};
  static const struct mantis_foreign_key foreign[] = {
      {.parent = "other",
       .columns = child,
       .parents = parent,
       .count = 2,
       .on_delete = "CASCADE",
       .on_update = "SET NULL"},
      {.parent = "self", .columns = one, .count = 1}};
  static const struct mantis_unique uniques[] = {{.columns = child, .count = 2},
                                                 {.columns = one, .count = 1},
                                                 {.columns = parent, .count = 1}};
  static const struct mantis_table table =
      TABLE_OF ("a \"table\"", columns, key, .foreign_keys = foreign, .foreign_key_count = 2,
                .uniques = uniques, .unique_count = 3, .loose_uniques = 1, /* it stays here */
                .fingerprint = "f1", .without_rowid = true, .strict = true);
  const struct mantis_table *back;

  table_encode (&buf, &table);
  ck_assert_msg (decode (buf.bytes, &back) == MANTIS_OK, "%s: %s", error.text, buf.bytes);
  ck_assert_str_eq (back->name, table.name);
  ck_assert_str_eq (back->fingerprint, "f1");
  ck_assert (back->without_rowid && back->strict && !back->autoincrement);
  ck_assert_uint_eq (back->column_count, 5);
  for (size_t i = 0; i < 5; i++) {
    const struct mantis_column *a = &columns[i], *b = &back->columns[i];
    ck_assert (same (a->name, b->name) && same (a->declared, b->declared) &&
               same (a->default_value, b->default_value));
    ck_assert (same (a->collation, b->collation) && same (a->generated, b->generated));
    ck_assert (a->type_class == b->type_class && a->key_position == b->key_position);
    ck_assert (a->not_null == b->not_null && a->stored == b->stored);
  }
  ck_assert_uint_eq (back->key_count, 2);
  ck_assert_uint_eq (back->key[0], 1);
  ck_assert_uint_eq (back->key[1], 0);
  ck_assert_uint_eq (back->foreign_key_count, 2);
  ck_assert_str_eq (back->foreign_keys[0].parent, "other");
  ck_assert_str_eq (back->foreign_keys[0].columns[1], "any");
  ck_assert_str_eq (back->foreign_keys[0].parents[1], "a");
  ck_assert_str_eq (back->foreign_keys[0].on_delete, "CASCADE");
  ck_assert_ptr_null (back->foreign_keys[1].parents);
  ck_assert_uint_eq (back->unique_count, 2);
  ck_assert_str_eq (back->columns[4].default_value, ""); /* there is one without words */
  ck_assert_str_eq (back->uniques[0].columns[0], "price");
  mantis_buf_clear (&buf);
  table_encode (&buf, back);
  table_encode (&buf, &table); /* and once more the same text */
  ck_assert_mem_eq (buf.bytes, buf.bytes + buf.length / 2, buf.length / 2);
}
END_TEST

START_TEST (classes_follow_sqlite)
{
  static const struct {
    const char *declared;
    enum mantis_class class;
  } types[] = {{"INT", MANTIS_CLASS_INTEGER},
               {"bigint unsigned", MANTIS_CLASS_INTEGER},
               {"FLOATING POINT", MANTIS_CLASS_INTEGER},
               {"CHARINT", MANTIS_CLASS_INTEGER},
               {"varchar(10)", MANTIS_CLASS_TEXT},
               {"CLOB", MANTIS_CLASS_TEXT},
               {"BLOB", MANTIS_CLASS_ANY},
               {"double precision", MANTIS_CLASS_REAL},
               {"DATETIME", MANTIS_CLASS_NUMERIC},
               {"STRING", MANTIS_CLASS_NUMERIC},
               {"BOOLEAN", MANTIS_CLASS_NUMERIC}};

  for (size_t i = 0; i < COUNT_OF (types); i++) {
    const struct mantis_table *table;
    char json_text[200];
    snprintf (json_text, sizeof json_text,
              "{\"table\":\"t\",\"columns\":[{\"name\":\"id\",\"key\":1,\"type\":\"%s\"}]}",
              types[i].declared);
    ck_assert_int_eq (decode (json_text, &table), MANTIS_OK);
    ck_assert_msg (table->columns[0].type_class == types[i].class, "%s", types[i].declared);
  }
}
END_TEST

#define ID "{\"name\":\"id\",\"key\":1}"

START_TEST (hostile_descriptions_are_refused)
{
  static const char *const bad[] = {
      "1",
      "null",
      "[]",
      "{}",
      "{\"table\":\"t\"}",
      "{\"columns\":[" ID "]}",
      "{\"table\":\"\",\"columns\":[" ID "]}",
      "{\"table\":7,\"columns\":[" ID "]}",
      "{\"table\":\"t\\u0000x\",\"columns\":[" ID "]}",
      "{\"table\":\"__sync_log\",\"columns\":[" ID "]}",
      "{\"table\":\"__SYNC_log\",\"columns\":[" ID "]}",
      "{\"table\":\"sqlite_master\",\"columns\":[" ID "]}",
      "{\"table\":\"SQLITE_x\",\"columns\":[" ID "]}",
      "{\"table\":\"t\",\"columns\":{}}",
      "{\"table\":\"t\",\"columns\":[]}",
      "{\"table\":\"t\",\"columns\":[1]}",
      "{\"table\":\"t\",\"columns\":[null]}",
      "{\"table\":\"t\",\"columns\":[{\"name\":\"id\"}]}",
      "{\"table\":\"t\",\"columns\":[{\"name\":\"\",\"key\":1}]}",
      "{\"table\":\"t\",\"columns\":[{\"key\":1}]}",
      "{\"table\":\"t\",\"columns\":[{\"name\":\"id\",\"key\":-1}]}",
      "{\"table\":\"t\",\"columns\":[{\"name\":\"id\",\"key\":4294967297}]}",
      "{\"table\":\"t\",\"columns\":[{\"name\":\"id\",\"key\":\"1\"}]}",
      "{\"table\":\"t\",\"columns\":[{\"name\":\"id\",\"key\":2}]}",
      "{\"table\":\"t\",\"columns\":[" ID ",{\"name\":\"b\",\"key\":1}]}",
      "{\"table\":\"t\",\"columns\":[" ID ",{\"name\":\"b\",\"key\":3}]}",
      "{\"table\":\"t\",\"columns\":[" ID ",{\"name\":\"id\"}]}",
      "{\"table\":\"t\",\"columns\":[" ID ",{\"name\":\"ID\"}]}",
      "{\"table\":\"t\",\"columns\":[" ID "],\"strict\":1}",
      "{\"table\":\"t\",\"columns\":[" ID "],\"uniques\":[1]}",
      "{\"table\":\"t\",\"columns\":[" ID "],\"uniques\":[[]]}",
      "{\"table\":\"t\",\"columns\":[" ID "],\"uniques\":[[7]]}",
      "{\"table\":\"t\",\"columns\":[" ID "],\"uniques\":{\"a\":1}}",
      "{\"table\":\"t\",\"columns\":[" ID "],\"uniques\":[[\"nope\"]]}",
      "{\"table\":\"t\",\"columns\":[" ID "],\"foreign_keys\":[1]}",
      "{\"table\":\"t\",\"columns\":[" ID "],\"foreign_keys\":[{}]}",
      "{\"table\":\"t\",\"columns\":[" ID "],\"foreign_keys\":[{\"columns\":[\"id\"]}]}",
      "{\"table\":\"t\",\"columns\":[" ID
      "],\"foreign_keys\":[{\"columns\":[\"nope\"],\"parent\":\"p\"}]}",
      "{\"table\":\"t\",\"columns\":[" ID
      "],\"foreign_keys\":[{\"columns\":[\"id\"],\"parent\":\"p\",\"parents\":[\"a\",\"b\"]}]}",
      "{\"table\":\"t\",\"columns\":[" ID "],\"foreign_keys\":[{\"columns\":[\"id\"],\"parent\":"
      "\"p\",\"on_delete\":\"CASCADE); DROP TABLE x\"}]}",
  };
  const struct mantis_table *table;

  for (size_t i = 0; i < COUNT_OF (bad); i++) {
    error.text[0] = '\0';
    ck_assert_msg (decode (bad[i], &table) == MANTIS_INVALID, "%s was taken", bad[i]);
    ck_assert_str_ne (error.text, "");
  }
}
END_TEST

START_TEST (size_is_bounded)
{
  const struct mantis_table *table;
  CLEANUP_ARENA struct mantis_arena *small = mantis_arena_new (300);
  json_t *json;

  mantis_buf_text (&buf, "{\"table\":\"t\",\"columns\":[" ID);
  for (int i = 0; i < 2000; i++)
    mantis_buf_printf (&buf, ",{\"name\":\"c%d\"}", i);
  mantis_buf_text (&buf, "]}");
  ck_assert_int_eq (decode (buf.bytes, &table), MANTIS_INVALID); /* V32: one column too many */
  json = json_loads ("{\"table\":\"t\",\"columns\":[" ID
                     ",{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}",
                     0, NULL);
  ck_assert_int_eq (table_decode (json, small, &table, &error), MANTIS_FULL);
  json_decref (json);
}
END_TEST

/* What it does not know it leaves out, so that versions can meet. */
START_TEST (unknown_members_are_ignored)
{
  const struct mantis_table *table;

  ck_assert_int_eq (
      decode (
          "{\"table\":\"t\",\"colour\":[1],\"columns\":[{\"name\":\"id\",\"key\":1,\"unit\":{}}]}",
          &table),
      MANTIS_OK);
  ck_assert_uint_eq (table->column_count, 1);
}
END_TEST

static Suite *
describe_suite (void)
{
  Suite *suite = suite_create ("describe");
  TCase *tests = tcase_create ("describe");

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, all_of_a_table_comes_back);
  tcase_add_test (tests, classes_follow_sqlite);
  tcase_add_test (tests, hostile_descriptions_are_refused);
  tcase_add_test (tests, size_is_bounded);
  tcase_add_test (tests, unknown_members_are_ignored);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (describe_suite ());
  int failed;

  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
