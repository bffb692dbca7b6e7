/* words.h - the words of check that the storage laws are written in, for mantis-plugin-test: a program that is
 * installed needs no check.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_LAW_WORDS_H
#define MANTIS_LAW_WORDS_H

#include "plugin_test.h"

#include <stdlib.h>
#include <string.h>

#define START_TEST(name) static void name (void)
#define END_TEST

#define ck_assert_msg(holds, ...)                                                                  \
  do {                                                                                             \
    if (!(holds))                                                                                  \
      broken (__VA_ARGS__);                                                                        \
  } while (0)
#define ck_assert(holds) ck_assert_msg (holds, "line %d: not so: %s", __LINE__, #holds)

static inline void
expect_int (bool holds, int line, const char *what, long long got)
{
  if (!holds)
    broken ("line %d: not so: %s; the first of the two is %lld", line, what, got);
}

static inline void
expect_text (const char *got, const char *wanted, bool same, int line, const char *what)
{
  if ((got && wanted && strcmp (got, wanted) == 0) != same)
    broken ("line %d: %s is \"%s\" %s \"%s\"", line, what, got ? got : "NULL",
            same ? "instead of" : "and must not be", wanted ? wanted : "NULL");
}

#define EXPECT_INT(a, op, b)                                                                       \
  do {                                                                                             \
    long long a_ = (long long)(a), b_ = (long long)(b);                                            \
    expect_int (a_ op b_, __LINE__, #a " " #op " " #b, a_);                                        \
  } while (0)
#define ck_assert_int_eq(a, b) EXPECT_INT (a, ==, b)
#define ck_assert_int_ne(a, b) EXPECT_INT (a, !=, b)
#define ck_assert_int_ge(a, b) EXPECT_INT (a, >=, b)
#define ck_assert_int_gt(a, b) EXPECT_INT (a, >, b)
#define ck_assert_int_le(a, b) EXPECT_INT (a, <=, b)
#define ck_assert_uint_eq(a, b) EXPECT_INT (a, ==, b)
#define ck_assert_uint_lt(a, b) EXPECT_INT (a, <, b)
#define ck_assert_ptr_eq(a, b) ck_assert ((a) == (b))
#define ck_assert_ptr_null(a) ck_assert ((a) == NULL)
#define ck_assert_ptr_nonnull(a) ck_assert ((a) != NULL)
#define ck_assert_str_eq(a, b) expect_text (a, b, true, __LINE__, #a)
#define ck_assert_str_ne(a, b) expect_text (a, b, false, __LINE__, #a)

#endif
