/* test_columns.c - filter/columns: what is hidden, what may not be written, and from whom.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../lib/table.h"

#include <mantis/filter.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

extern const struct mantis_plugin plugin_columns;

enum { ID, NAME, PRICE, COST, NOTE, COLUMNS };
static const struct mantis_column columns[] = {
    {.name = "id", .type_class = MANTIS_CLASS_INTEGER, .key_position = 1},
    {.name = "name", .type_class = MANTIS_CLASS_TEXT},
    {.name = "Price", .type_class = MANTIS_CLASS_REAL, .default_value = "0"},
    {.name = "cost", .type_class = MANTIS_CLASS_REAL},
    {.name = "note", .type_class = MANTIS_CLASS_TEXT, .default_value = "'it''s new'"},
};
static const uint32_t key[] = {ID};
static const struct mantis_table orders = TABLE_OF ("orders", columns, key);
static struct mantis_value row[COLUMNS] = {
    [ID] = {.type = MANTIS_INTEGER, .as.integer = 1},
    [NAME] = {.type = MANTIS_TEXT, .length = 1, .as.bytes = "n"},
    [PRICE] = {.type = MANTIS_REAL, .as.real = 5},
    [COST] = {.type = MANTIS_REAL, .as.real = 3},
    [NOTE] = {.type = MANTIS_NULL},
};
static const struct mantis_value null = {.type = MANTIS_NULL}, none = {.type = MANTIS_NONE};

static void *self;
static const struct mantis_filter *ops;
static struct mantis_error error;

static void
set (const char *name, const char *const *value)
{
  for (const struct mantis_option *o = plugin_columns.options; o->name; o++)
    if (strcmp (o->name, name) == 0)
      memcpy ((char *)self + o->offset, &value, sizeof value);
}

static enum mantis_status
prepared (void)
{
  bool looks[COLUMNS] = {false};
  enum mantis_status status = ops->prepare (self, &orders, NULL, looks, &error);

  for (size_t i = 0; i < COLUMNS; i++)
    ck_assert (!looks[i]);
  return status;
}

static void
begin (void)
{
  static const char *const hide[] = {"cost", NULL}, *const read_only[] = {"price", "note", NULL},
                           *const unless[] = {"role", "manager|owner", NULL};

  ops = plugin_columns.ops;
  self = calloc (1, plugin_columns.self_size);
  set ("hide", hide);
  set ("read_only", read_only);
  set ("unless", unless);
  ck_assert_int_eq (plugin_columns.start (self, &error), MANTIS_OK);
  ck_assert_int_eq (prepared (), MANTIS_OK);
}

static void
end (void)
{
  free (self);
}

static struct mantis_principal
who (const char *claims)
{
  return (struct mantis_principal){
      .size = sizeof (struct mantis_principal), .subject = "ann", .claims = claims};
}

static bool
shows (const char *claims, size_t column)
{
  struct mantis_principal principal = who (claims);

  ck_assert (ops->reads (self, &principal, &orders, row));
  return ops->column (self, &principal, &orders, column);
}

static bool
lets (const char *claims, mantis_row before, mantis_row after)
{
  struct mantis_principal principal = who (claims);
  struct mantis_caller caller = {.size = sizeof caller, .principal = &principal};

  error.text[0] = '\0';
  return ops->lets (self, &caller, &orders, before, after, &error);
}

/* Is ROW with VALUE in COLUMN taken, as an edit or as a new row? */
static bool
takes (const char *claims, bool edit, size_t column, struct mantis_value value)
{
  struct mantis_value after[COLUMNS];

  memcpy (after, row, sizeof after);
  if (!edit)
    after[PRICE] = after[COST] = null;
  after[column] = value;
  return lets (claims, edit ? row : NULL, after);
}

START_TEST (a_hidden_column_is_seen_by_the_exempt_alone)
{
  static const char *const exempt[] = {"{\"role\": \"manager\"}", "{\"role\": \"owner\"}",
                                       "{\"role\": [\"till\", \"manager\"]}",
                                       "{\"roles\": [\"manager\"]}", "{\"roles\": \"manager\"}"};
  static const char *const others[] = {"{}",
                                       "{\"role\": \"till\"}",
                                       "{\"role\": \"manager|owner\"}",
                                       "{\"role\": \"manage\"}",
                                       "{\"role\": {\"manager\": true}}",
                                       "{\"role\": [[\"manager\"]]}",
                                       "{\"roles\": null}",
                                       "{\"role\": true}",
                                       "no JSON",
                                       "[\"manager\"]"};

  for (size_t i = 0; i < sizeof exempt / sizeof *exempt; i++)
    ck_assert_msg (shows (exempt[i], COST), "%s", exempt[i]);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    ck_assert_msg (!shows (others[i], COST), "%s", others[i]);
    ck_assert (shows (others[i], PRICE) && shows (others[i], NAME));
  }
}
END_TEST

START_TEST (what_may_not_be_written_is_named)
{
  struct mantis_value six = {.type = MANTIS_REAL, .as.real = 6};

  ck_assert (!takes ("{}", true, PRICE, six));
  ck_assert_str_eq (error.text, "you may not write the column \"Price\" of \"orders\"");
  ck_assert (!takes ("{}", true, PRICE, null));
  ck_assert (takes ("{}", true, COST, six)); /* nobody gets so far with what he does not see, but a hook */
  ck_assert (takes ("{\"role\": \"manager\"}", true, PRICE, six));
  ck_assert (takes ("{\"role\": \"manager\"}", true, COST, six));
  ck_assert (takes ("{}", true, NAME, six));
  ck_assert (takes ("{}", true, PRICE, row[PRICE]));
  ck_assert (takes ("{}", true, PRICE, none)); /* not sent */
  ck_assert (takes ("{}", true, COST, none));
  ck_assert (lets ("{}", row, NULL));
}
END_TEST

START_TEST (a_new_row_leaves_it_out)
{
  struct mantis_value zero = {.type = MANTIS_REAL, .as.real = 0},
                      whole = {.type = MANTIS_INTEGER, .as.integer = 0},
                      one = {.type = MANTIS_INTEGER, .as.integer = 1},
                      text = {.type = MANTIS_TEXT, .length = 8, .as.bytes = "it's new"};

  ck_assert (takes ("{}", false, PRICE, none));
  ck_assert (takes ("{}", false, PRICE, null));
  ck_assert (takes ("{}", false, PRICE, zero));
  ck_assert (takes ("{}", false, PRICE, whole));
  ck_assert (!takes ("{}", false, PRICE, one));
  ck_assert (takes ("{}", false, COST, zero));
  ck_assert (takes ("{}", false, NOTE, text));
  text.length = 7;
  ck_assert (!takes ("{}", false, NOTE, text));
  text = (struct mantis_value){.type = MANTIS_TEXT, .length = 9, .as.bytes = "it's new!"};
  ck_assert (!takes ("{}", false, NOTE, text));
  ck_assert (takes ("{\"role\": \"owner\"}", false, COST, one));
}
END_TEST

static void
view_of (const char *claims, struct mantis_buf *buf)
{
  struct mantis_principal principal = who (claims);
  struct mantis_caller caller = {.size = sizeof caller, .principal = &principal};

  ops->view (self, &caller, buf);
}

START_TEST (views_differ_where_columns_do)
{
  struct mantis_buf a = MANTIS_BUF_INIT, b = MANTIS_BUF_INIT, c = MANTIS_BUF_INIT;

  view_of ("{\"role\": \"manager\", \"exp\": 1}", &a);
  view_of ("{\"roles\": [\"owner\"], \"exp\": 2}", &b);
  view_of ("{}", &c);
  ck_assert_str_eq (a.bytes, b.bytes);
  ck_assert_str_ne (a.bytes, c.bytes);
  mantis_buf_clear (&a);
  set ("hide", NULL);
  view_of ("{}", &a);
  ck_assert_uint_eq (a.length, 0);
  mantis_buf_free (&a), mantis_buf_free (&b), mantis_buf_free (&c);
}
END_TEST

START_TEST (columns_that_cannot_be_meant)
{
  static const char *const unknown[] = {"costs", NULL}, *const keys[] = {"ID", NULL};

  set ("hide", unknown);
  ck_assert_int_eq (prepared (), MANTIS_INVALID);
  ck_assert_str_eq (error.text, "\"hide\" names \"costs\", which is no column of \"orders\"");
  set ("hide", keys);
  ck_assert_int_eq (prepared (), MANTIS_INVALID);
  ck_assert_ptr_nonnull (strstr (error.text, "part of the primary key"));
  set ("hide", NULL);
  set ("read_only", keys);
  ck_assert_int_eq (prepared (), MANTIS_INVALID);
  set ("read_only", NULL);
  ck_assert_int_eq (plugin_columns.start (self, &error), MANTIS_INVALID);
}
END_TEST

/* All claims have to hold; nothing exempts where nothing is said. */
START_TEST (several_claims)
{
  static const char *const both[] = {"level", "3", "staff", "true", NULL};

  set ("unless", both);
  ck_assert (shows ("{\"level\": 3, \"staff\": true}", COST));
  ck_assert (!shows ("{\"level\": 3}", COST));
  ck_assert (!shows ("{\"level\": 4, \"staff\": true}", COST));
  set ("unless", NULL);
  ck_assert (!shows ("{\"role\": \"manager\"}", COST));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("columns");
  TCase *tests = tcase_create ("columns");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tests, begin, end);
  tcase_add_test (tests, a_hidden_column_is_seen_by_the_exempt_alone);
  tcase_add_test (tests, what_may_not_be_written_is_named);
  tcase_add_test (tests, a_new_row_leaves_it_out);
  tcase_add_test (tests, views_differ_where_columns_do);
  tcase_add_test (tests, columns_that_cannot_be_meant);
  tcase_add_test (tests, several_claims);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
