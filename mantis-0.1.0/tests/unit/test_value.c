/* core/wire/value.c: every value comes back from JSON as it went (V1, V4, V5, V8, V10, V11, V12).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "wire/json.h"
#include "wire/value.h"
#include "wire_rig.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

/* Without ck_assert(), which takes microseconds: this is asked a million times. */
static enum mantis_status
decode (const char *form, struct mantis_value *value)
{
  static char body[4200];
  int length = snprintf (body, sizeof body, "{\"v\":%s}", form);
  json_t *json = json_read (body, (size_t)length, &error);
  enum mantis_status status;

  if (!json)
    ck_abort_msg ("%s: %s", form, error.text);
  *value = (struct mantis_value){.type = MANTIS_NONE};
  status = value_decode (json_object_get (json, "v"), arena, value, &error);
  json_decref (json);
  return status;
}

static void
encode (struct mantis_value value)
{
  mantis_buf_clear (&buf);
  value_encode (&buf, &value);
  if (buf.failed)
    ck_abort ();
}

static void
comes_back (struct mantis_value value)
{
  struct mantis_value back;

  encode (value);
  if (decode (buf.bytes, &back) != MANTIS_OK)
    ck_abort_msg ("%s: %s", buf.bytes, error.text);
  if (!mantis_value_equal (&value, &back))
    ck_abort_msg ("%s", buf.bytes);
}

static void
is_written (struct mantis_value value, const char *expected)
{
  comes_back (value);
  ck_assert_str_eq (buf.bytes, expected);
}

static void
is_refused (const char *json_text)
{
  struct mantis_value value;

  ck_assert_msg (decode (json_text, &value) == MANTIS_INVALID, "%s was taken", json_text);
}

START_TEST (each_type_has_its_form)
{
  is_written ((struct mantis_value){.type = MANTIS_NULL}, "null");
  is_written (integer (0), "0");
  is_written (integer (INT64_MIN), "-9223372036854775808"); /* V1 */
  is_written (integer (INT64_MAX), "9223372036854775807");
  is_written (integer (-9007199254740993), "-9007199254740993");
  is_written (real (1), "1.0");
  is_written (real (-0.0), "-0.0"); /* V4 */
  is_written (real (0.1), "0.1");
  is_written (real (-2.5), "-2.5");
  is_written (real (1e300), "1e+300");
  is_written (real (INFINITY), "{\"r\":\"inf\"}"); /* V5 */
  is_written (real (-INFINITY), "{\"r\":\"-inf\"}");
  is_written (text (""), "\"\""); /* V30 */
  is_written (text ("null"), "\"null\"");
  is_written (text ("007"), "\"007\""); /* V12 */
  is_written (text ("{\"b\":\"AA==\"}"), "\"{\\\"b\\\":\\\"AA==\\\"}\"");
  is_written (bytes_of (MANTIS_TEXT, "a\0b", 3), "\"a\\u0000b\"");     /* V10 */
  is_written (bytes_of (MANTIS_TEXT, "a\xff", 2), "{\"t\":\"Yf8=\"}"); /* V11 */
  is_written (bytes_of (MANTIS_TEXT, "\xed\xa0\x80", 3), "{\"t\":\"7aCA\"}");
  is_written (bytes_of (MANTIS_BLOB, "", 0), "{\"b\":\"\"}"); /* V8 */
  is_written (bytes_of (MANTIS_BLOB, "\0\xff", 2), "{\"b\":\"AP8=\"}");
}
END_TEST

START_TEST (other_forms_are_taken_or_refused)
{
  static const char *const refused[] = {"[]",
                                        "[1]",
                                        "{}",
                                        "{\"b\":1}",
                                        "{\"b\":null}",
                                        "{\"x\":\"AA==\"}",
                                        "{\"bb\":\"AA==\"}",
                                        "{\"b\":\"AA==\",\"t\":\"AA==\"}",
                                        "{\"r\":\"nan\"}",
                                        "{\"r\":\"INF\"}",
                                        "{\"r\":\"\"}",
                                        "{\"\":\"\"}"};
  struct mantis_value value;

  for (size_t i = 0; i < COUNT_OF (refused); i++)
    is_refused (refused[i]);
  ck_assert_int_eq (decode ("true", &value), MANTIS_OK); /* V28: SQLite's own word for it */
  ck_assert (value.type == MANTIS_INTEGER && value.as.integer == 1);
  ck_assert_int_eq (decode ("false", &value), MANTIS_OK);
  ck_assert (value.type == MANTIS_INTEGER && value.as.integer == 0);
  ck_assert_int_eq (decode ("1E2", &value), MANTIS_OK);
  ck_assert (value.type == MANTIS_REAL && value.as.real == 100);
}
END_TEST

/* One text for each sequence of bytes, with padding and nothing else. */
START_TEST (base64_is_strict)
{
  static const char *const refused[] = {
      "A",        "AA",   "AAA",   "AA=",   "A===",       "====",
      "AA==AA==", "AA=A", " AA==", "AA== ", "AA\\n",      "AA\\n==",
      "AAA-",     "AA_A", "AB==",  "AAB=",  "AAA\\u0000", "AA==\\u0000\\u0000\\u0000\\u0000"};

  for (size_t i = 0; i < COUNT_OF (refused); i++) {
    char json_text[80];
    for (const char *tag = "bt"; *tag; tag++) {
      snprintf (json_text, sizeof json_text, "{\"%c\":\"%s\"}", *tag, refused[i]);
      is_refused (json_text);
    }
  }
}
END_TEST

START_TEST (bytes_of_every_length_come_back)
{
  unsigned char bytes[256];

  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (unsigned char)(i * 7 + 3);
  for (size_t length = 0; length <= sizeof bytes; length++) {
    comes_back (bytes_of (MANTIS_BLOB, bytes, length));
    comes_back (bytes_of (MANTIS_TEXT, bytes, length));
  }
}
END_TEST

START_TEST (any_value_comes_back)
{
  for (int i = 0; i < 50000; i++) {
    comes_back (random_value ());
    mantis_arena_reset (arena);
  }
}
END_TEST

/* The fast path for reals with few decimals writes what the C library reads back, bit for bit. */
START_TEST (short_reals_are_exact)
{
  unsigned digits = 1 + (unsigned)_i % 6;
  uint64_t unit = (uint64_t)pow (10, digits);

  for (int i = 0; i < 200000; i++) {
    char decimal[40];
    double number, back;
    snprintf (decimal, sizeof decimal, "%s%llu.%0*llu", draw () % 2 ? "-" : "",
              (unsigned long long)(draw () % 9000000000u >> draw () % 33), (int)digits,
              (unsigned long long)(draw () % unit));
    number = strtod (decimal, NULL);
    encode (real (number));
    back = strtod (buf.bytes, NULL);
    if (memcmp (&back, &number, sizeof back) != 0 || buf.length > strlen (decimal))
      ck_abort_msg ("%s became %s", decimal, buf.bytes);
  }
}
END_TEST

/* Around the limits of the fast path, and everywhere else. */
START_TEST (reals_are_exact)
{
  static const double edges[] = {9e9,
                                 8999999999.999998,
                                 9000000000.000002,
                                 4503599627370495.5,
                                 9007199254740993.0,
                                 5e-324,
                                 2.2250738585072014e-308,
                                 2.225073858507201e-308,
                                 1.7976931348623157e308,
                                 1e-6,
                                 1.5e-6,
                                 1e-7,
                                 0.1 + 0.2,
                                 1e15,
                                 1e16,
                                 1e17,
                                 123456789012345680.0};

  for (size_t i = 0; i < COUNT_OF (edges); i++) {
    comes_back (real (edges[i]));
    comes_back (real (-edges[i]));
  }
  for (int i = 0; i < 100000; i++) {
    comes_back (real (random_real ()));
    mantis_arena_reset (arena);
  }
}
END_TEST

/* Make the locale NAME in FOLDER, where the system has what that takes. */
static bool
have_locale (const char *name, const char *folder)
{
  char command[200];

  snprintf (command, sizeof command, "localedef -c -i %.5s -f UTF-8 %s/%s >/dev/null 2>&1", name,
            folder, name);
  if (system (command) == -1) /* localedef counts its warnings as failures */
    return false;
  setenv ("LOCPATH", folder, 1);
  return setlocale (LC_ALL, name);
}

/* V4: a program that embeds Mantis may have set any locale; one with a decimal point of two bytes,
 * too. */
START_TEST (locale_does_not_matter)
{
  static const char *const names[] = {"de_DE.UTF-8", "ps_AF.UTF-8"};
  char folder[] = "/tmp/mantis-locale-XXXXXX", command[80];

  ck_assert_ptr_nonnull (mkdtemp (folder));
  for (size_t i = 0; i < COUNT_OF (names); i++) {
    if (!have_locale (names[i], folder)) {
      fprintf (stderr, "skipped: locale_does_not_matter: no locale %s\n", names[i]);
      continue;
    }
    ck_assert_str_ne (localeconv ()->decimal_point, ".");
    is_written (real (0.1), "0.1");
    is_written (real (1e300), "1e+300");
    is_written (real (1.25e300), "1.25e+300");
    is_written (real (1e17), "1e+17");
    is_written (real (123456789012.0), "123456789012.0");
    for (int n = 0; n < 10000; n++)
      comes_back (real (random_real ()));
  }
  setlocale (LC_ALL, "C");
  snprintf (command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq (system (command), 0);
}
END_TEST

/* ---- Vectors of others ---- */

#define VECTORS TOP_SRCDIR "/../shared/conformance/strings-floats/"

static bool
have (const char *what, const char *path)
{
  FILE *file = fopen (path, "r");

  if (file)
    fclose (file);
  else
    fprintf (stderr, "skipped: %s: %s is not here\n", what, path);
  return file;
}

static void
try_line (const char *line)
{
  unsigned long long bits;
  char decimal[2048], json_text[2100];
  struct mantis_value value;
  double number;

  if (sscanf (line, "%*s %*s %llx %2000s", &bits, decimal) != 2)
    return;
  memcpy (&number, &bits, sizeof number);
  if (isnan (number) || isinf (number))
    return;
  comes_back (real (number));
  /* JSON is narrower than what the vectors hold: no '+', no bare point */
  snprintf (json_text, sizeof json_text, "[%s]", decimal);
  json_t *json = json_loads (json_text, 0, NULL);
  if (json && json_is_real (json_array_get (json, 0))) {
    ck_assert_int_eq (value_decode (json_array_get (json, 0), arena, &value, &error), MANTIS_OK);
    ck_assert_msg (memcmp (&value.as.real, &number, sizeof number) == 0, "%s", decimal);
  }
  json_decref (json);
}

START_TEST (doubles_of_others)
{
  static const char *const files[] = {"fxx-freetype-2-7", "fxx-google-wuffs",
                                      "fxx-lemire-fast-float", "fxx-more-test-cases",
                                      "fxx-tencent-rapidjson"};
  char command[4096], *line = NULL;
  size_t room = 0, lines = 0;

  if (system ("command -v xzcat >/dev/null") != 0) {
    fputs ("skipped: doubles_of_others: there is no xzcat\n", stderr);
    return;
  }
  for (size_t i = 0; i < COUNT_OF (files); i++) {
    snprintf (command, sizeof command, VECTORS "%s.txt.xz", files[i]);
    if (!have ("doubles_of_others", command))
      continue;
    snprintf (command, sizeof command, "xzcat '" VECTORS "%s.txt.xz'", files[i]);
    FILE *pipe = popen (command, "r");
    ck_assert_ptr_nonnull (pipe);
    for (; getline (&line, &room, pipe) > 0; lines++)
      try_line (line);
    ck_assert_int_eq (pclose (pipe), 0);
    ck_assert_uint_gt (lines, 10);
  }
  free (line);
}
END_TEST

START_TEST (strings_of_others)
{
  json_t *strings, *string;
  size_t i;

  if (!have ("strings_of_others", VECTORS "blns.json"))
    return;
  strings = json_load_file (VECTORS "blns.json", JSON_ALLOW_NUL, NULL);
  ck_assert_uint_gt (json_array_size (strings), 500);
  json_array_foreach (strings, i, string)
      comes_back (bytes_of (MANTIS_TEXT, json_string_value (string), json_string_length (string)));
  json_decref (strings);
}
END_TEST

START_TEST (utf8_is_strict)
{
  static const char *const good[] = {"",
                                     "a",
                                     "\xc2\x80",
                                     "\xdf\xbf",
                                     "\xe0\xa0\x80",
                                     "\xed\x9f\xbf",
                                     "\xee\x80\x80",
                                     "\xef\xbf\xbf",
                                     "\xf0\x90\x80\x80",
                                     "\xf4\x8f\xbf\xbf"};
  static const char *const bad[] = {"\x80",
                                    "\xc0\x80",
                                    "\xc1\xbf",
                                    "\xc2",
                                    "\xc2"
                                    "a",
                                    "\xe0\x9f\xbf",
                                    "\xed\xa0\x80",
                                    "\xed\xbf\xbf",
                                    "\xe2\x82",
                                    "\xf0\x8f\xbf\xbf",
                                    "\xf4\x90\x80\x80",
                                    "\xf5\x80\x80\x80",
                                    "\xf0\x9f\x98",
                                    "\xfe",
                                    "\xff"};

  for (size_t i = 0; i < COUNT_OF (good); i++)
    ck_assert (text_is_utf8 (good[i], strlen (good[i])));
  for (size_t i = 0; i < COUNT_OF (bad); i++)
    ck_assert_msg (!text_is_utf8 (bad[i], strlen (bad[i])), "%zu", i);
}
END_TEST

/* A message's memory is what it may take, whatever its values are. */
START_TEST (a_full_arena_is_said)
{
  static const char *const forms[] = {"\"0123456789012345678901234567890\"",
                                      "{\"b\":\"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMQ==\"}"};

  for (size_t i = 0; i < COUNT_OF (forms); i++) {
    CLEANUP_ARENA struct mantis_arena *small = mantis_arena_new (16);
    json_t *json = json_loads (forms[i], JSON_DECODE_ANY, NULL);
    struct mantis_value value;
    ck_assert_int_eq (value_decode (json, small, &value, &error), MANTIS_FULL);
    json_decref (json);
  }
}
END_TEST

static Suite *
value_suite (void)
{
  Suite *suite = suite_create ("value");
  TCase *tests = tcase_create ("value");

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, each_type_has_its_form);
  tcase_add_test (tests, other_forms_are_taken_or_refused);
  tcase_add_test (tests, base64_is_strict);
  tcase_add_test (tests, bytes_of_every_length_come_back);
  tcase_add_test (tests, any_value_comes_back);
  tcase_add_loop_test (tests, short_reals_are_exact, 0, 6);
  tcase_add_test (tests, reals_are_exact);
  tcase_add_test (tests, locale_does_not_matter);
  tcase_add_test (tests, doubles_of_others);
  tcase_add_test (tests, strings_of_others);
  tcase_add_test (tests, utf8_is_strict);
  tcase_add_test (tests, a_full_arena_is_said);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner;
  int failed;

  json_start ();
  runner = srunner_create (value_suite ());
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
