/* plugins/resolver/version/number.c: sums and orders that do not depend on who comes first.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "number.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mantis_arena *arena;

static void
set_up (void)
{
  arena = mantis_arena_new (0);
}

static void
tear_down (void)
{
  mantis_arena_free (arena);
}

/* ---- Values: "NULL", "x00ff", "'text", "1.5r", "7" ---- */

static struct mantis_value
value (const char *text)
{
  size_t length = strlen (text);

  if (strcmp (text, "NULL") == 0)
    return (struct mantis_value){.type = MANTIS_NULL};
  if (*text == '\'' || *text == 'x')
    return (struct mantis_value){.type = *text == 'x' ? MANTIS_BLOB : MANTIS_TEXT,
                                 .length = (uint32_t)length - 1,
                                 .as.bytes = text + 1};
  if (text[length - 1] == 'r')
    return (struct mantis_value){.type = MANTIS_REAL, .as.real = strtod (text, NULL)};
  return (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = strtoll (text, NULL, 10)};
}

/* In the same notation. */
static const char *
words (const struct mantis_value *v)
{
  switch (v->type) {
  case MANTIS_INTEGER:
    return mantis_arena_printf (arena, "%lld", (long long)v->as.integer);
  case MANTIS_REAL:
    return mantis_arena_printf (arena, "%.17gr", v->as.real);
  case MANTIS_TEXT:
    return mantis_arena_printf (arena, "'%.*s", (int)v->length, v->as.bytes);
  default:
    return v->type == MANTIS_NULL ? "NULL" : "x";
  }
}

/* ---- add ---- */

static const struct {
  const char *base, *local, *remote, *sum; /* NULL: none */
} sums[] = {
    {"10", "9", "8", "7"},
    {"-5", "-6", "5", "4"},
    /* 64 bits, also on the way */
    {"0", "9223372036854775806", "1", "9223372036854775807"},
    {"0", "9223372036854775807", "1", NULL},
    {"0", "-9223372036854775808", "-1", NULL},
    {"9223372036854775807", "-9223372036854775808", "9223372036854775807", "-9223372036854775808"},
    {"-9223372036854775808", "-1", "-9223372036854775807", "0"},
    {"-9223372036854775808", "9223372036854775807", "0", NULL},
    /* doubles count as the decimals that stand for them */
    {"1r", "0.9r", "0.8r", "0.7r"},
    {"0.1r", "0.2r", "0.3r", "0.4r"},
    {"0r", "1e15r", "0.1r", "1000000000000000.1r"},
    {"0r", "5e-324r", "5e-324r", "1e-323r"},
    {"0r", "1e300r", "1e300r", "2e300r"},
    {"0r", "1.7e308r", "1.7e308r", NULL}, /* infinite */
    {"infr", "1r", "2r", NULL},           /* no number at all */
    {"0r", "infr", "1r", NULL},
    {"0r", "infr", "-infr", NULL},
    {"1e-10r", "1r", "2r", "2.9999999999r"},
    {"0r", "-0r", "-0r", "0r"},
    {"1r", "-1r", "1r", "-1r"},
    {"2r", "1r", "1r", "0r"},
    /* text, with all of its decimals */
    {"'1.50", "'1.00", "'1.25", "'0.75"},
    {"'0.00", "'0.10", "'-0.10", "'0.00"},
    {"'10", "'9.5", "'9.25", "'8.75"},
    {"'0", "'-0.05", "'0", "'-0.05"},
    {"'99999999999999999999999999999999999", "'99999999999999999999999999999999999",
     "'99999999999999999999999999999999998", "'99999999999999999999999999999999998"},
    {"'0", "'9999999999999999999999999999999999999", "'1", NULL}, /* 37 digits */
    {"'0.0000000000000000000000000000001", "'1", "'1", NULL},     /* 31 decimals */
    {"'000000000000000000000000000000000000000000001", "'2", "'2", "'3"},
    /* of several kinds */
    {"10", "9.5r", "9", "8.5r"},
    {"10", "'9.50", "9", "'8.50"},
    {"1.5r", "'1.25", "1", "'0.75"},
    {"9223372036854775807", "'9223372036854775810", "9223372036854775806", "'9223372036854775809"},
    {"1e300r", "'1", "1", NULL},
    /* no numbers */
    {"1", "NULL", "2", NULL},
    {"NULL", "1", "2", NULL},
    {"1", "2", "NULL", NULL},
    {"1", "'two", "3", NULL},
    {"1", "'", "3", NULL},
    {"1", "'.", "3", NULL},
    {"1", "'-", "3", NULL},
    {"1", "'1e3", "3", NULL},
    {"1", "' 1", "3", NULL},
    {"1", "'1.2.3", "3", NULL},
    {"1", "'+1", "3", NULL},
    {"1", "'2026-01-01", "3", NULL},
    {"1", "x31", "3", NULL},
};

START_TEST (differences_are_added)
{
  struct mantis_value base = value (sums[_i].base), local = value (sums[_i].local),
                      remote = value (sums[_i].remote), sum = {0}, turned = {0};
  bool added = number_add (&base, &local, &remote, arena, &sum);

  ck_assert_msg (added == (sums[_i].sum != NULL), "%s + %s - %s is %s", sums[_i].local,
                 sums[_i].remote, sums[_i].base, added ? words (&sum) : "no number");
  ck_assert_int_eq (number_add (&base, &remote, &local, arena, &turned), added);
  if (added) {
    struct mantis_value expected = value (sums[_i].sum);
    ck_assert_msg (mantis_value_equal (&sum, &expected), "%s, not %s", words (&sum), sums[_i].sum);
    ck_assert (mantis_value_equal (&turned, &expected));
  } else
    ck_assert (sum.type == MANTIS_NONE && turned.type == MANTIS_NONE); /* nobody takes it for one */
}
END_TEST

/* A byte of zero ends no number. */
START_TEST (text_is_a_number_whole)
{
  struct mantis_value one = value ("1"), sum,
                      odd = {.type = MANTIS_TEXT,
                             .length = 3,
                             .as.bytes = "1\0"
                                         "2"};

  ck_assert (!number_add (&one, &odd, &one, arena, &sum));
  odd.length = 65;
  odd.as.bytes = "00000000000000000000000000000000000000000000000000000000000000001";
  ck_assert (!number_add (&one, &odd, &one, arena, &sum));
}
END_TEST

/* Amounts as people use them: of KIND 0 INTEGER, 1 REAL, 2 TEXT, 3 any of them. */
static struct mantis_value
amount (int kind)
{
  long whole = rand () % 20000 - 10000, part = rand () % 1000;
  bool large = kind == 0 && rand () % 3 == 0; /* beside a REAL it would be rounded */
  char text[40];
  double real;

  if (kind == 3)
    kind = rand () % 3;
  if (kind == 0)
    return (struct mantis_value){.type = MANTIS_INTEGER,
                                 .as.integer = large ? whole * 100000000000 : whole};
  snprintf (text, sizeof text, "%s%ld.%0*ld", rand () % 2 ? "-" : "", labs (whole),
            kind == 2 ? 3 + rand () % 3 : 3, part);
  sscanf (text, "%lf", &real);
  if (kind == 1)
    return (struct mantis_value){.type = MANTIS_REAL, .as.real = real};
  return (struct mantis_value){.type = MANTIS_TEXT,
                               .length = (uint32_t)strlen (text),
                               .as.bytes = mantis_arena_strdup (arena, text)};
}

/* Changes of one row arrive in the order of PLACES: what stands in the end. */
static struct mantis_value
in_order (const struct mantis_value *base, const struct mantis_value *changes, const size_t *places,
          size_t count)
{
  struct mantis_value stands = changes[places[0]];

  for (size_t i = 1; i < count; i++)
    ck_assert (number_add (base, &stands, &changes[places[i]], arena, &stands));
  return stands;
}

START_TEST (sums_are_the_same_in_any_order)
{
  enum { COUNT = 5 };
  struct mantis_value base, changes[COUNT], first, other;
  size_t places[COUNT];

  srand (_i + 1);
  for (int round = 0; round < 500; round++) {
    base = amount (_i);
    for (size_t i = 0; i < COUNT; i++) {
      changes[i] = amount (_i);
      places[i] = i;
    }
    first = in_order (&base, changes, places, COUNT);
    for (int turn = 0; turn < 10; turn++) {
      size_t a = (size_t)rand () % COUNT, b = (size_t)rand () % COUNT, kept = places[a];
      places[a] = places[b];
      places[b] = kept;
      other = in_order (&base, changes, places, COUNT);
      ck_assert_msg (mantis_value_equal (&first, &other), "round %d: %s and %s", round,
                     words (&first), words (&other));
    }
  }
}
END_TEST

/* ---- max, min ---- */

/* Each less than the next. */
static const char *const ascending[] = {"NULL",
                                        "-infr",
                                        "-1e300r",
                                        "'-99999999999999999999",
                                        "-9223372036854775808",
                                        "-1",
                                        "'-0.5",
                                        "-1e-40r",
                                        "'-0",
                                        "'0",
                                        "-0r",
                                        "0r",
                                        "0",
                                        "5e-324r",
                                        "1e-40r",
                                        "0.4r",
                                        "'0.5",
                                        "'1",
                                        "'1.0",
                                        "1r",
                                        "1",
                                        "'9",
                                        "'10",
                                        "'9007199254740992",
                                        "9007199254740992r",
                                        "9007199254740993",
                                        "9223372036854775807",
                                        "'9223372036854775808",
                                        "'9223372036854775809",
                                        "9223372036854775808r", /* counts as ...6000 */
                                        "1e300r",
                                        "infr",
                                        "'",
                                        "' 1",
                                        "'+1",
                                        "'1e3",
                                        "'2026-01-01 00:00:00",
                                        "'2026-01-01 00:00:00.5",
                                        "'5x",
                                        "'abc",
                                        "x",
                                        "x0",
                                        "x1"};

START_TEST (all_values_have_one_order)
{
  struct mantis_value a = value (ascending[_i]);

  for (int i = 0; i < (int)COUNT_OF (ascending); i++) {
    struct mantis_value b = value (ascending[i]);
    int order = number_order (&a, &b);
    ck_assert_msg ((order > 0) - (order < 0) == (_i > i) - (_i < i), "%s and %s: %d", ascending[_i],
                   ascending[i], order);
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("number");
  TCase *tests = tcase_create ("number");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_loop_test (tests, differences_are_added, 0, COUNT_OF (sums));
  tcase_add_test (tests, text_is_a_number_whole);
  tcase_add_loop_test (tests, sums_are_the_same_in_any_order, 0, 4);
  tcase_add_loop_test (tests, all_values_have_one_order, 0, COUNT_OF (ascending));
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
