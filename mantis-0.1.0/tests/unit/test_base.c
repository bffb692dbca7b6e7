/* core/base: arena, text, map, errors, log, fault points.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "base/fault.h"
#include "base/map.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static uint64_t chance = 88172645463325252u;

static uint64_t
draw (void) /* xorshift64*, https://arxiv.org/abs/1402.6246 */
{
  uint64_t mixed;

  chance ^= chance << 13;
  chance ^= chance >> 7;
  chance ^= chance << 17;
  mixed = chance * 0x2545f4914f6cdd1d;
  return mixed >> 32 | mixed << 32; /* the low bits alone are related to each other */
}

/* ck_assert() takes microseconds: too long for what is asked a million times. */
#define MUST(condition)                                                                            \
  do {                                                                                             \
    if (!(condition))                                                                              \
      ck_abort_msg ("%s", #condition);                                                             \
  } while (0)

/* ---- Arena ---- */

START_TEST (arena_gives_zeroed_aligned_memory)
{
  struct mantis_arena *arena = mantis_arena_new (0);

  for (size_t size = 1; size < 300000; size = size * 2 + 1) {
    unsigned char *bytes = mantis_arena_alloc (arena, size);
    ck_assert_ptr_nonnull (bytes);
    ck_assert_uint_eq ((uintptr_t)bytes % _Alignof(max_align_t), 0);
    ck_assert (bytes[0] == 0 && memcmp (bytes, bytes + 1, size - 1) == 0);
    memset (bytes, 0xff, size); /* so that reuse would show */
    ck_assert_str_eq (mantis_arena_strdup (arena, "odd"), "odd");
  }
  mantis_arena_free (arena);
}
END_TEST

START_TEST (arena_keeps_its_limit)
{
  struct mantis_arena *arena = mantis_arena_new (1000);

  ck_assert_ptr_nonnull (mantis_arena_alloc (arena, 900));
  ck_assert (!mantis_arena_exhausted (arena));
  ck_assert_ptr_null (mantis_arena_alloc (arena, 200));
  ck_assert (mantis_arena_exhausted (arena));
  ck_assert_ptr_null (mantis_arena_alloc (arena, 1)); /* sticks, until */
  mantis_arena_reset (arena);
  ck_assert (!mantis_arena_exhausted (arena));
  ck_assert_uint_eq (mantis_arena_used (arena), 0);
  ck_assert_ptr_nonnull (mantis_arena_copy (arena, "x", 1));
  ck_assert_ptr_null (mantis_arena_alloc (arena, SIZE_MAX));
  mantis_arena_reset (arena);
  ck_assert_ptr_null (mantis_arena_copy (arena, "", SIZE_MAX));
  ck_assert_ptr_null (arena_array (arena, SIZE_MAX / 2, 16));
  mantis_arena_free (arena);
}
END_TEST

/* A limit that a thousand small things can step over is none. */
START_TEST (arena_counts_what_small_things_take)
{
  struct mantis_arena *arena = mantis_arena_new (1000);
  int count = 0;

  while (mantis_arena_alloc (arena, 1))
    count++;
  ck_assert_int_le (count, 1000 / (int)_Alignof(max_align_t));
  mantis_arena_free (arena);
}
END_TEST

START_TEST (arena_copies_text)
{
  struct mantis_arena *arena = mantis_arena_new (0);
  char *copy = mantis_arena_copy (arena, "a\0b", 3);

  ck_assert_mem_eq (copy, "a\0b", 4);
  ck_assert_ptr_null (mantis_arena_strdup (arena, NULL));
  ck_assert_str_eq (mantis_arena_copy (arena, NULL, 0), "");
  ck_assert_str_eq (mantis_arena_printf (arena, "%d-%s", 7, "x"), "7-x");
  mantis_arena_free (arena);
  mantis_arena_free (NULL);
}
END_TEST

/* ---- Text ---- */

START_TEST (buf_builds_text)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;
  char expected[4096] = "";
  size_t length;
  char *taken;

  for (int i = 0; i < 100; i++) {
    char piece[60];
    snprintf (piece, sizeof piece, "%d,%*d;", i, i % 30, i);
    mantis_buf_printf (&buf, "%d,%*d;", i, i % 30, i);
    strcat (expected, piece);
  }
  mantis_buf_char (&buf, '!');
  mantis_buf_text (&buf, "end");
  strcat (expected, "!end");
  ck_assert_str_eq (buf.bytes, expected);
  taken = mantis_buf_take (&buf, &length);
  ck_assert_uint_eq (length, strlen (expected));
  ck_assert_ptr_null (buf.bytes);
  free (taken);
  taken = mantis_buf_take (&buf, NULL);
  ck_assert_str_eq (taken, ""); /* an empty one, too, is the caller's */
  free (taken);
}
END_TEST

START_TEST (buf_prints_long_texts)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;
  char text[3000];

  for (size_t length = 0; length < sizeof text; length += 1 + length / 9) {
    memset (text, 'x', length);
    text[length] = '\0';
    mantis_buf_clear (&buf);
    mantis_buf_text (&buf, "<");
    mantis_buf_printf (&buf, "%s>", text);
    ck_assert_uint_eq (buf.length, length + 2);
    ck_assert_uint_eq (strlen (buf.bytes), length + 2);
  }
}
END_TEST

START_TEST (buf_error_sticks)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;

  buf.limit = 10;
  mantis_buf_printf (&buf, "%s", "0123456789"); /* what fits, fits */
  ck_assert (!buf.failed);
  ck_assert_str_eq (buf.bytes, "0123456789");
  mantis_buf_char (&buf, 'x');
  ck_assert (buf.failed);
  mantis_buf_text (&buf, "");
  ck_assert_uint_eq (buf.length, 10);
  ck_assert_ptr_null (mantis_buf_reserve (&buf, 0));
  ck_assert_ptr_null (mantis_buf_take (&buf, NULL));
  ck_assert (!buf.failed); /* empty again */
  ck_assert_ptr_null (mantis_buf_reserve (&buf, SIZE_MAX));
}
END_TEST

static void
is_json (const char *text, size_t length, const char *expected, size_t expected_length)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;
  json_t *json;

  mantis_buf_json (&buf, text, length);
  json = json_loadb (buf.bytes, buf.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
  ck_assert_msg (json != NULL, "%s", buf.bytes);
  ck_assert_uint_eq (json_string_length (json), expected_length);
  ck_assert_mem_eq (json_string_value (json), expected, expected_length);
  json_decref (json);
}

/* V10, V11: NUL, controls, quotes; what is not UTF-8 becomes U+FFFD. */
START_TEST (buf_escapes_json)
{
  static const char *const broken[] = {
      "\x80",         "\xc0\xaf",     "\xed\xa0\x80", "\xf5\x80\x80\x80",
      "\xe0\x80\xaf", "\xf0\x80\x80", "\xc3",         "\xf4\x90\x80\x80"};
  char all[128];

  for (size_t i = 0; i < sizeof all; i++)
    all[i] = (char)i;
  is_json (all, sizeof all, all, sizeof all);
  is_json ("", 0, "", 0);
  is_json ("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", 13,
           "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", 13);
  for (size_t i = 0; i < COUNT_OF (broken); i++) {
    char text[40] = "", expected[40] = "";
    size_t length = strlen (broken[i]);
    strcat (strcat (strcat (text, "a"), broken[i]), "b");
    strcat (expected, "a");
    for (size_t n = 0; n < length; n++)
      strcat (expected, "\xef\xbf\xbd");
    strcat (expected, "b");
    is_json (text, length + 2, expected, strlen (expected));
  }
}
END_TEST

START_TEST (buf_json_of_any_bytes_is_json)
{
  for (int round = 0; round < 20000; round++) {
    CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;
    unsigned char bytes[12];
    size_t length = draw () % sizeof bytes;
    json_t *json;
    for (size_t i = 0; i < length; i++)
      bytes[i] = (unsigned char)(draw () % 3 ? 0x80 | draw () : draw ());
    mantis_buf_json (&buf, (const char *)bytes, length);
    json = json_loadb (buf.bytes, buf.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    ck_assert_msg (json != NULL, "%s", buf.bytes);
    json_decref (json);
  }
}
END_TEST

/* ---- Percent ---- */

START_TEST (percent_goes_and_comes)
{
  static const struct {
    const char *coded, *text;
  } both[] = {{"", ""},
              {"notes-1_a.b~c", "notes-1_a.b~c"},
              {"a%20b%26c%3Dd%2B%25", "a b&c=d+%"},
              {"%C3%A0", "\xc3\xa0"},
              {"%22%01%7F", "\"\x01\x7f"}};
  static const char *const broken[] = {"%", "a%2", "%g0", "%0g", "%00", "%%20"};

  for (size_t i = 0; i < COUNT_OF (both); i++) {
    CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;
    mantis_buf_text (&buf, "");
    percent_encode (&buf, both[i].text);
    ck_assert_str_eq (buf.bytes, both[i].coded);
    ck_assert (percent_decode (buf.bytes));
    ck_assert_str_eq (buf.bytes, both[i].text);
  }
  for (size_t i = 0; i < COUNT_OF (broken); i++) {
    CLEANUP_FREE char *text = strdup (broken[i]);
    ck_assert_msg (!percent_decode (text), "%s", broken[i]);
  }
  {
    char form[] = "a+%2b%c3%A0";
    ck_assert (percent_decode (form));
    ck_assert_str_eq (form, "a +\xc3\xa0");
  }
}
END_TEST

/* ---- Map ---- */

enum { KEYS = 512 };

/* Against an array: keys that lie close together, so that removal has to move others back. */
START_TEST (a_set_is_like_a_map)
{
  struct map map = {0}, set = {0};

  for (int round = 0; round < 300000; round++) {
    uint64_t hash = draw () % 50000;
    if (draw () % 3) {
      MUST (map_at (&map, hash, true));
      MUST (map_put (&set, hash));
    } else {
      map_remove (&map, hash);
      map_remove (&set, hash);
    }
    MUST (map.count == set.count);
    hash = draw () % 50000;
    MUST (map_has (&set, hash) == (map_at (&map, hash, false) != NULL));
  }
  map_free (&map);
  map_free (&set);
  ck_assert (!map_has (&set, 1));
}
END_TEST

/* As they are behind the multiplier, the highest there are: all belong at the end. */
START_TEST (entries_that_crowd_at_the_end_find_room)
{
  struct map set = {0};
  uint64_t inverse = map_multiplier; /* modulo 2^64, by Newton's iteration */

  for (int bits = 3; bits < 64; bits *= 2)
    inverse *= 2 - map_multiplier * inverse;
  for (uint64_t i = 0; i < 3000; i++)
    MUST (map_put (&set, (UINT64_MAX - i) * inverse));
  for (uint64_t i = 0; i < 3000; i++)
    MUST (map_has (&set, (UINT64_MAX - i) * inverse));
  ck_assert_uint_eq (set.count, 3000);
  map_free (&set);
}
END_TEST

START_TEST (map_is_like_its_model)
{
  struct map map = {0};
  int64_t model[KEYS] = {0};
  bool there[KEYS] = {false};
  size_t count = 0;

  for (int round = 0; round < 200000; round++) {
    size_t key = draw () % (round / 20000 % 2 ? 40 : KEYS);
    uint64_t hash = key % 3 ? key + 1 : key << 40; /* 0 among them, which counts as 1 */
    int64_t *value;
    if (draw () % 2) {
      MUST ((value = map_at (&map, hash, true)));
      MUST (*value == model[key]);
      count += !there[key];
      there[key] = true;
      *value = model[key] = (int64_t)draw ();
    } else {
      map_remove (&map, hash);
      count -= there[key];
      there[key] = false;
      model[key] = 0;
    }
    key = draw () % KEYS;
    value = map_at (&map, key % 3 ? key + 1 : key << 40, false);
    MUST ((value != NULL) == there[key]);
    MUST (!value || *value == model[key]);
    MUST (map.count == count);
  }
  map_free (&map);
  ck_assert_ptr_null (map_at (&map, 1, false));
  map_remove (&map, 1);
}
END_TEST

/* ---- Errors, log, chance, fault points ---- */

START_TEST (errors_are_put_together_from_inside)
{
  struct mantis_error error = {.status = MANTIS_OK};
  char longer[2000];

  ck_assert_int_eq (mantis_fail (NULL, MANTIS_FULL, "nobody reads this"), MANTIS_FULL);
  ck_assert_int_eq (mantis_fail (&error, MANTIS_BUSY, "row %d", 7), MANTIS_BUSY);
  ck_assert_int_eq (mantis_fail_in (&error, "table \"%s\"", "notes"), MANTIS_BUSY);
  ck_assert_str_eq (error.text, "table \"notes\": row 7");
  mantis_fail (&error, MANTIS_FAILED, "again: %s", error.text); /* of itself */
  ck_assert_str_eq (error.text, "again: table \"notes\": row 7");
  memset (longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  mantis_fail_in (&error, "%s", "where");
  mantis_fail_in (&error, "%s", longer);
  ck_assert_uint_eq (strlen (error.text), sizeof error.text - 1);
  mantis_fail (&error, MANTIS_FAILED, "%s", longer);
  mantis_fail_in (&error, "where");
  ck_assert_uint_le (strlen (error.text), sizeof error.text - 1);
  ck_assert (strncmp (error.text, "where: xxx", 10) == 0);
}
END_TEST

static char last_line[3000];

static void
sink (enum mantis_level level, const char *line)
{
  (void)level;
  snprintf (last_line, sizeof last_line, "%s", line);
}

/* O27: nothing that a peer sent begins a line of its own or reaches the terminal. */
START_TEST (log_lines_are_single_and_printable)
{
  log_set_sink (sink);
  mantis_log (MANTIS_INFO, "a\nb\x1b[31m\x7f");
  ck_assert_str_eq (last_line, "a?b?[31m?");
  mantis_log (MANTIS_DEBUG, "not asked for");
  ck_assert_str_eq (last_line, "a?b?[31m?");
  log_set_level (MANTIS_DEBUG);
  mantis_log (MANTIS_DEBUG, "asked for");
  ck_assert_str_eq (last_line, "asked for");
  log_set_sink (NULL);
}
END_TEST

START_TEST (flags_the_last_counts)
{
  ck_assert_ptr_null (mantis_flag ("pause.here"));
  flag_set ("pause.here", "1");
  flag_set ("pause.here", "2");
  ck_assert_str_eq (mantis_flag ("pause.here"), "2");
  ck_assert_ptr_null (mantis_flag ("pause"));
}
END_TEST

/* Without -D a fault point does nothing; without --enable-testing it cannot. */
START_TEST (fault_points_are_off)
{
#ifndef MANTIS_TESTING
  flag_set ("die", "1");
  flag_set ("die.here", "1");
#endif
  FAULT_POINT ("here");
  FAULT_POINT ("there");
}
END_TEST

static int64_t
noon (void)
{
  return 43200000;
}

static void
sevens (void *bytes, size_t length)
{
  memset (bytes, 7, length);
}

START_TEST (clock_and_chance_can_be_given)
{
  char text[9];

  clock_set (noon);
  random_set (sevens);
  ck_assert_int_eq (mantis_now (), 43200000);
  ck_assert_int_eq (mantis_monotonic (), INT64_C (43200000000));
  random_hex (text, 8);
  ck_assert_str_eq (text, "77777777");
  clock_set (NULL);
  random_set (NULL);
  ck_assert_int_gt (mantis_now (), INT64_C (1700000000000));
  random_hex (text, 8);
  ck_assert_uint_eq (strspn (text, "0123456789abcdef"), 8);
}
END_TEST

static Suite *
base_suite (void)
{
  Suite *suite = suite_create ("base");
  TCase *tests = tcase_create ("base");

  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, arena_gives_zeroed_aligned_memory);
  tcase_add_test (tests, arena_keeps_its_limit);
  tcase_add_test (tests, arena_counts_what_small_things_take);
  tcase_add_test (tests, arena_copies_text);
  tcase_add_test (tests, buf_builds_text);
  tcase_add_test (tests, buf_prints_long_texts);
  tcase_add_test (tests, buf_error_sticks);
  tcase_add_test (tests, buf_escapes_json);
  tcase_add_test (tests, buf_json_of_any_bytes_is_json);
  tcase_add_test (tests, percent_goes_and_comes);
  tcase_add_test (tests, map_is_like_its_model);
  tcase_add_test (tests, a_set_is_like_a_map);
  tcase_add_test (tests, entries_that_crowd_at_the_end_find_room);
  tcase_add_test (tests, errors_are_put_together_from_inside);
  tcase_add_test (tests, log_lines_are_single_and_printable);
  tcase_add_test (tests, flags_the_last_counts);
  tcase_add_test (tests, fault_points_are_off);
  tcase_add_test (tests, clock_and_chance_can_be_given);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (base_suite ());
  int failed;

  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
