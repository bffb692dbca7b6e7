/* core/wire/block.c: changesets as they travel, there and back; what is wrong is refused with its
 * place.
 *
 * jansson reads what our writer writes, so it is the writer's oracle.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "wire/block.h"
#include "wire/json.h"
#include "../lib/table.h"
#include "wire_rig.h"

#include <stdlib.h>

/* ---- Tables ---- */

static const struct mantis_column
    todo_columns[] = {{.name = "id", .declared = "INTEGER", .key_position = 1},
                      {.name = "title", .declared = "TEXT"},
                      {.name = "weight", .declared = ""},
                      {.name = "twice", .declared = "", .generated = "weight * 2"}},
    pair_columns[] = {{.name = "b", .declared = "", .key_position = 2},
                      {.name = "rev", .declared = ""}, /* C23 */
                      {.name = "a", .declared = "", .key_position = 1}};
static const uint32_t todo_key[] = {0}, pair_key[] = {2, 0};
static const struct mantis_table tables[] = {
    TABLE_OF ("todos", todo_columns, todo_key, .id = 1, .fingerprint = "f-todos"),
    TABLE_OF ("pa\"irs", pair_columns, pair_key, .id = 2, .fingerprint = "f-pairs")};

static const struct mantis_table *
find (void *context, const char *name, bool *ignore)
{
  (void)context;
  for (size_t i = 0; i < COUNT_OF (tables); i++)
    if (strcmp (tables[i].name, name) == 0)
      return &tables[i];
  *ignore = strcmp (name, "later") == 0;
  return NULL;
}

static const struct block_tables known = {.find = find};

/* The array JSON_TEXT as the member of a message. */
static enum mantis_status
decode_in (const char *json_text, struct mantis_arena *memory, struct block_changes *out)
{
  CLEANUP_FREE char *message = NULL;
  CLEANUP_LISTS struct lists lists;
  CLEANUP_JSON json_t *json = NULL;
  int length = asprintf (&message, "{\"changes\":%s}", json_text);

  ck_assert_int_gt (length, 0);
  json = lists_read (message, (size_t)length, &lists, &error);
  ck_assert_msg (json != NULL, "not JSON: %s", json_text);
  error.text[0] = '\0';
  return blocks_decode (json_object_get (json, "changes"), &lists, "$.changes", &known, 5000, "me",
                        memory, out, &error);
}

static enum mantis_status
decode (const char *json_text, struct block_changes *out)
{
  return decode_in (json_text, arena, out);
}

static void
taken (const char *json_text, struct block_changes *out)
{
  ck_assert_msg (decode (json_text, out) == MANTIS_OK, "%s: %s", json_text, error.text);
}

static void
refused (const char *json_text, const char *place)
{
  struct block_changes out;

  ck_assert_msg (decode (json_text, &out) == MANTIS_INVALID, "%s was taken", json_text);
  ck_assert_msg (strncmp (error.text, place, strlen (place)) == 0, "%s: %s", json_text, error.text);
}

/* ---- There and back ---- */

static struct mantis_change
random_change (const struct mantis_table *table, const struct mantis_change *before)
{
  struct mantis_value *row = mantis_arena_alloc (arena, table->column_count * sizeof *row);
  struct mantis_change change = {
      .table = table, .row = row, .deleted = draw () % 4 == 0, .origin = "me"};
  bool same = before && before->table == table && draw () % 4; /* share facts and columns, often */

  for (size_t i = 0; i < table->column_count; i++)
    if (table->columns[i].key_position)
      row[i] = random_value ();
    else if (!change.deleted && !table->columns[i].generated &&
             (same && !before->deleted ? before->row[i].type != MANTIS_NONE : draw () % 5))
      row[i] = random_value ();
  change.updated_at =
      same ? before->updated_at + (int64_t)(draw () % 3) - 1 : (int64_t)(draw () >> 20);
  change.rev = same ? before->rev : (int64_t)(draw () >> 2);
  change.base = same ? before->base : (int64_t)(draw () % 3 ? draw () % 100 : draw () >> 2);
  change.created = same ? before->created : draw () % 2;
  change.seen = draw () % 3 ? 0 : (int64_t)(draw () % 1000);
  if (change.updated_at < 0)
    change.updated_at = 0;
  return change;
}

static bool
same_rows (const struct mantis_change *a, const struct mantis_change *b)
{
  for (size_t i = 0; i < a->table->column_count; i++)
    if (!mantis_value_equal (&a->row[i], &b->row[i]))
      return false;
  return true;
}

static bool
same_change (const struct mantis_change *a, const struct mantis_change *b,
             enum block_content content)
{
  if (a->table != b->table || a->deleted != b->deleted || !same_rows (a, b) ||
      strcmp (b->origin, "me") != 0)
    return false;
  if (content == BLOCK_PULL)
    return a->rev == b->rev && a->updated_at == b->updated_at;
  return a->updated_at == b->updated_at && a->base == b->base && a->created == b->created &&
         a->seen == b->seen;
}

/* Within a block rows come before deletions; that is all that may move. */
START_TEST (changesets_come_back)
{
  enum block_content content = _i ? BLOCK_PULL : BLOCK_PUSH;

  for (int round = 0; round < 3000; round++) {
    struct mantis_change changes[24];
    const struct mantis_change *order[24];
    size_t count = draw () % 24;
    struct block_changes back;
    bool found[24] = {false};
    for (size_t i = 0; i < count; i++) {
      changes[i] = random_change (&tables[draw () % 3 / 2], i ? &changes[i - 1] : NULL);
      order[i] = &changes[i];
    }
    mantis_buf_clear (&buf);
    mantis_buf_char (&buf, '[');
    blocks_encode (&buf, order, count, content);
    mantis_buf_char (&buf, ']');
    taken (buf.bytes, &back);
    ck_assert_uint_eq (back.count, count);
    for (size_t i = 0; i < count; i++) {
      size_t j = 0;
      while (j < count && (found[j] || !same_change (&changes[i], &back.changes[j], content)))
        j++;
      ck_assert_msg (j < count, "change %zu of %s is not there", i, buf.bytes);
      found[j] = true;
    }
    mantis_arena_reset (arena);
  }
}
END_TEST

/* The form that protocol.md shows. */
START_TEST (a_block_says_once_what_all_share)
{
  struct mantis_value one[4] = {integer (1), text ("milk")}, two[4] = {integer (2), text ("bread")},
                      three[4] = {integer (3)};
  struct mantis_change changes[] = {
      {.table = tables, .row = one, .updated_at = 1000, .base = 41, .rev = 7},
      {.table = tables, .row = two, .updated_at = 1350, .base = 41, .rev = 7},
      {.table = tables, .row = three, .deleted = true, .updated_at = 1500, .base = 41, .rev = 8}};
  const struct mantis_change *order[] = {&changes[0], &changes[1], &changes[2]};

  blocks_encode (&buf, order, 3, BLOCK_PUSH);
  ck_assert_str_eq (buf.bytes,
                    "{\"table\":\"todos\",\"schema\":\"f-todos\",\"columns\":[\"id\",\"title\"],"
                    "\"updated_at\":1000,\"base\":41,\"meta\":[\"+updated_at\"],"
                    "\"rows\":[[1,\"milk\",0],[2,\"bread\",350]],\"deleted\":[[3,500]]}");
  mantis_buf_clear (&buf);
  blocks_encode (&buf, order, 3, BLOCK_PULL);
  ck_assert_str_eq (
      buf.bytes,
      "{\"table\":\"todos\",\"columns\":[\"id\",\"title\"],\"updated_at\":1000,\"rev\":7,"
      "\"meta\":[\"+updated_at\",\"+rev\"],"
      "\"rows\":[[1,\"milk\",0,0],[2,\"bread\",350,0]],\"deleted\":[[3,500,1]]}");
}
END_TEST

/* ---- What a person may leave out ---- */

START_TEST (meta_may_be_left_out)
{
  struct block_changes out;

  taken ("[{\"table\":\"todos\",\"columns\":[\"id\",\"title\"],\"rows\":[[1,\"milk\"]]}]", &out);
  ck_assert_uint_eq (out.count, 1);
  ck_assert_int_eq (out.changes[0].updated_at, 5000); /* now */
  ck_assert (out.changes[0].created);
  ck_assert_int_eq (out.changes[0].base, 0);
  ck_assert_str_eq (out.changes[0].origin, "me");
  ck_assert_int_eq (out.changes[0].row[2].type, MANTIS_NONE);
  taken ("[{\"table\":\"todos\",\"columns\":[\"id\"],\"base\":3,\"rows\":[[1]],\"deleted\":[[2]]}]",
         &out);
  ck_assert_uint_eq (out.count, 2);
  ck_assert (!out.changes[0].created && out.changes[0].base == 3);
  ck_assert (out.changes[1].deleted && out.changes[1].base == 3);
  taken ("[{\"table\":\"todos\",\"created\":true,\"updated_at\":9,\"columns\":[\"id\"],\"rows\":[["
         "1]]}]",
         &out);
  ck_assert (out.changes[0].created && out.changes[0].updated_at == 9);
  taken ("[{\"table\":\"todos\",\"deleted\":[[7]]}]", &out);
  ck_assert (out.count == 1 && out.changes[0].deleted && out.changes[0].row[0].as.integer == 7);
}
END_TEST

START_TEST (row_meta_beats_the_blocks)
{
  struct block_changes out;

  taken ("[{\"table\":\"todos\",\"columns\":[\"id\"],\"updated_at\":100,\"base\":5,"
         "\"meta\":[\"updated_at\",\"+base\",\"created\",\"mood\"],"
         "\"rows\":[[1,7,2,true,\"good\"],[2,8,0,0,null]],\"deleted\":[[3,9,1,1,{}]]}]",
         &out);
  ck_assert_int_eq (out.changes[0].updated_at, 7);
  ck_assert_int_eq (out.changes[0].base, 7);
  ck_assert (out.changes[0].created && !out.changes[1].created);
  ck_assert_int_eq (out.changes[2].base, 6);
  ck_assert (out.changes[2].deleted);
}
END_TEST

START_TEST (unknown_members_are_ignored)
{
  struct block_changes out;

  taken ("[{\"table\":\"todos\",\"mood\":[[[]]],\"columns\":[\"id\"],\"rows\":[[1]]},{\"table\":"
         "\"later\",\"rows\":[[1,2],7]}]",
         &out);
  ck_assert_uint_eq (out.count, 1);
  taken ("[]", &out);
  ck_assert_uint_eq (out.count, 0);
}
END_TEST

/* K21: the key stands in key order in a deletion, in the block's order in a row. */
START_TEST (keys_of_several_columns)
{
  struct block_changes out;

  taken ("[{\"table\":\"pa\\\"irs\",\"columns\":[\"rev\",\"b\",\"a\"],\"rows\":[[9,2,1]],"
         "\"deleted\":[[1,2]]}]",
         &out);
  ck_assert_int_eq (out.changes[0].row[0].as.integer, 2);
  ck_assert_int_eq (out.changes[0].row[2].as.integer, 1);
  ck_assert_int_eq (out.changes[0].row[1].as.integer, 9);
  ck_assert_int_eq (out.changes[0].rev, 0); /* a column of that name is a column */
  ck_assert_int_eq (out.changes[1].row[2].as.integer, 1);
  ck_assert_int_eq (out.changes[1].row[0].as.integer, 2);
}
END_TEST

/* ---- What is refused ---- */

START_TEST (wrong_blocks_are_refused_with_their_place)
{
  static const struct {
    const char *block, *place;
  } bad[] = {
      {"1", "$.changes[0]"},
      {"null", "$.changes[0]"},
      {"{}", "$.changes[0].table"},
      {"{\"table\":7}", "$.changes[0]"},
      {"{\"table\":\"\"}", "$.changes[0].table"},
      {"{\"table\":\"nope\"}", "$.changes[0].table"},
      {"{\"table\":\"TODOS\"}", "$.changes[0].table"},
      {"{\"table\":\"__sync_meta\"}", "$.changes[0].table"},
      {"{\"table\":\"todos\\u0000\"}", "$.changes[0]"},
      {"{\"table\":\"todos\",\"rows\":{}}", "$.changes[0]"},
      {"{\"table\":\"todos\",\"deleted\":7}", "$.changes[0]"},
      {"{\"table\":\"todos\",\"schema\":7}", "$.changes[0]"},
      {"{\"table\":\"todos\",\"columns\":\"id\"}", "$.changes[0]"},
      {"{\"table\":\"todos\",\"meta\":\"rev\"}", "$.changes[0]"},
      {"{\"table\":\"todos\",\"rows\":[[1]]}", "$.changes[0].columns"},
      {"{\"table\":\"todos\",\"columns\":[],\"rows\":[[]]}", "$.changes[0].columns"},
      {"{\"table\":\"todos\",\"columns\":[\"id\",\"nope\"],\"rows\":[[1,2]]}",
       "$.changes[0].columns[1]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\",7]}", "$.changes[0].columns[1]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\",\"id\"]}", "$.changes[0].columns[1]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\",\"title\",\"title\"]}", "$.changes[0].columns[2]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\",\"twice\"]}", "$.changes[0].columns[1]"},
      {"{\"table\":\"todos\",\"columns\":[\"title\"]}", "$.changes[0].columns"},
      {"{\"table\":\"pa\\\"irs\",\"columns\":[\"a\",\"rev\"]}", "$.changes[0].columns"},
      {"{\"table\":\"todos\",\"columns\":[\"id\"],\"rows\":[1]}", "$.changes[0].rows[0]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\"],\"rows\":[[1],[]]}", "$.changes[0].rows[1]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\"],\"rows\":[[1,2]]}", "$.changes[0].rows[0]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\"],\"rows\":[[[1]]]}", "$.changes[0].rows[0]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\"],\"rows\":[[{\"b\":\"?\"}]]}",
       "$.changes[0].rows[0]"},
      {"{\"table\":\"todos\",\"deleted\":[[1,2]]}", "$.changes[0].deleted[0]"},
      {"{\"table\":\"todos\",\"deleted\":[{}]}", "$.changes[0].deleted[0]"},
      {"{\"table\":\"todos\",\"base\":\"1\"}", "$.changes[0].base"},
      {"{\"table\":\"todos\",\"base\":1.5}", "$.changes[0].base"},
      {"{\"table\":\"todos\",\"meta\":[7]}", "$.changes[0].meta[0]"},
      {"{\"table\":\"todos\",\"meta\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
       "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}",
       "$.changes[0].meta"},
      {"{\"table\":\"todos\",\"columns\":[\"id\"],\"meta\":[\"base\"],\"rows\":[[1,\"x\"]]}",
       "$.changes[0].rows[0]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\"],\"meta\":[\"base\"],\"rows\":[[1,null]]}",
       "$.changes[0].rows[0]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\"],\"meta\":[\"base\"],\"rows\":[[1,-1]]}",
       "$.changes[0].rows[0]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\"],\"base\":9223372036854775807,\"meta\":[\"+base\"]"
       ",\"rows\":[[1,1]]}",
       "$.changes[0].rows[0]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\"],\"base\":9223372036854775807,\"rows\":[[1]]}",
       "$.changes[0].rows[0]"},
      {"{\"table\":\"todos\",\"columns\":[\"id\"],\"updated_at\":-5,\"rows\":[[1]]}",
       "$.changes[0].rows[0]"},
  };

  for (size_t i = 0; i < COUNT_OF (bad); i++) {
    char json_text[400];
    snprintf (json_text, sizeof json_text, "[%s]", bad[i].block);
    refused (json_text, bad[i].place);
  }
  refused ("[{\"table\":\"todos\"},{\"table\":\"nope\"}]", "$.changes[1].table");
}
END_TEST

/* ---- Another shape of the table ---- */

/* A block that means another shape is refused before its columns are looked at. */
START_TEST (stale_blocks_are_told_apart)
{
  struct block_changes out;

  ck_assert (
      decode ("[{\"table\":\"todos\",\"schema\":\"old\",\"columns\":[\"gone\"],\"rows\":[[1]]}]",
              &out) == MANTIS_STALE);
  ck_assert (strncmp (error.text, "$.changes[0]", 12) == 0);
  ck_assert (
      decode ("[{\"table\":\"gone\",\"schema\":\"old\",\"columns\":[\"id\"],\"rows\":[[1]]}]",
              &out) == MANTIS_STALE);
  taken ("[{\"table\":\"todos\",\"schema\":\"f-todos\",\"columns\":[\"id\"],\"rows\":[[3]]}]",
         &out);
  ck_assert_uint_eq (out.count, 1);
}
END_TEST

/* R48: any number of names that nobody knows takes no more time than reading them. */
START_TEST (many_unknown_columns_are_cheap)
{
  enum { MANY = 300000 };
  struct block_changes out;

  mantis_buf_text (&buf, "[{\"table\":\"todos\",\"columns\":[\"id\"");
  for (int i = 0; i < MANY; i++)
    mantis_buf_text (&buf, ",\"\"");
  mantis_buf_text (&buf, "]}]");
  ck_assert (decode (buf.bytes, &out) == MANTIS_INVALID);
  ck_assert (strncmp (error.text, "$.changes[0].columns[1]", 23) == 0);
}
END_TEST

START_TEST (memory_is_bounded)
{
  CLEANUP_ARENA struct mantis_arena *small = mantis_arena_new (100000);
  struct block_changes out;

  mantis_buf_text (&buf, "[{\"table\":\"todos\",\"columns\":[\"id\"],\"rows\":[[0]");
  for (int i = 0; i < 5000; i++)
    mantis_buf_text (&buf, ",[1]");
  mantis_buf_text (&buf, "]}]");
  ck_assert_int_eq (decode_in (buf.bytes, small, &out), MANTIS_FULL);
}
END_TEST

static Suite *
block_suite (void)
{
  Suite *suite = suite_create ("block");
  TCase *tests = tcase_create ("block");

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_set_timeout (tests, 60);
  tcase_add_loop_test (tests, changesets_come_back, 0, 2);
  tcase_add_test (tests, a_block_says_once_what_all_share);
  tcase_add_test (tests, meta_may_be_left_out);
  tcase_add_test (tests, row_meta_beats_the_blocks);
  tcase_add_test (tests, unknown_members_are_ignored);
  tcase_add_test (tests, keys_of_several_columns);
  tcase_add_test (tests, wrong_blocks_are_refused_with_their_place);
  tcase_add_test (tests, stale_blocks_are_told_apart);
  tcase_add_test (tests, many_unknown_columns_are_cheap);
  tcase_add_test (tests, memory_is_bounded);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (block_suite ());
  int failed;

  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
