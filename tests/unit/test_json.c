/* core/wire/json.c: what is read as a message, and what that may cost (R48).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "wire/json.h"

#include <check.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mantis_error error;

static bool
reads (const char *body, size_t length)
{
  json_t *json;

  error.text[0] = '\0';
  json = json_read (body, length, &error);
  json_decref (json);
  return json;
}

static void
is_refused (const char *body, size_t length, const char *because)
{
  ck_assert_msg (!reads (body, length), "%.100s was taken", body);
  ck_assert_int_eq (error.status, MANTIS_INVALID);
  ck_assert_msg (strstr (error.text, because) != NULL, "%s: %s", because, error.text);
}

START_TEST (objects_are_read)
{
  ck_assert (reads ("{}", 2));
  ck_assert (reads (" {\"a\": [1, 2.5, \"x\\u0000y\"]}\n", 28));
  ck_assert (reads ("{\"a\":1} and more", 7)); /* no further than length */
}
END_TEST

START_TEST (all_else_is_refused)
{
  static const char *const bad[] = {"",
                                    " ",
                                    "[]",
                                    "1",
                                    "null",
                                    "\"{}\"",
                                    "{",
                                    "{}}",
                                    "{} x",
                                    "{'a':1}",
                                    "{\"a\":01}",
                                    "{\"a\":1,}",
                                    "{\"a\":NaN}",
                                    "{\"a\":1e999}",
                                    "{\"a\":9223372036854775808}",
                                    "\xef\xbb\xbf{}",
                                    "{\"a\":\"\xff\"}",
                                    "{\"a\":\"\\ud800\"}",
                                    "{\"a\":\"\n\"}"};

  for (size_t i = 0; i < COUNT_OF (bad); i++)
    is_refused (bad[i], strlen (bad[i]), "the body is not");
  is_refused ("{\n \"a\": x}", 10, "line 2");
}
END_TEST

/* jansson alone takes a NUL byte after the document for its end, whatever follows. */
START_TEST (nul_is_refused_everywhere)
{
  const char body[] = "{\"a\": [1, \"x\"]}  ";

  ck_assert (reads (body, sizeof body - 1));
  for (size_t at = 0; at < sizeof body; at++) {
    char with[sizeof body + 4];
    memcpy (with, body, at);
    with[at] = '\0';
    memcpy (with + at + 1, body + at, sizeof body - 1 - at);
    is_refused (with, sizeof body, "NUL");
  }
  is_refused ("{\"a\":123\0}", 10, "NUL");
}
END_TEST

START_TEST (nesting_has_an_end)
{
  enum { DEEP = 100000 };
  char *body = malloc (2 * DEEP + 8);

  memcpy (body, "{\"a\":", 5);
  memset (body + 5, '[', DEEP);
  memset (body + 5 + DEEP, ']', DEEP);
  body[5 + 2 * DEEP] = '}';
  is_refused (body, 2 * DEEP + 6, "depth");
  free (body);
}
END_TEST

static size_t
in_use (void)
{
  return mallinfo2 ().uordblks + mallinfo2 ().hblkhd;
}

/* A body of tiny values takes a hundred times its length as a tree: not here. */
static void
stays_in_budget (const char *piece, size_t length)
{
  char *body = malloc (length + 100);
  size_t at = (size_t)sprintf (body, "{\"a\":["), before, step = strlen (piece);

  for (; at + step < length; at += step)
    memcpy (body + at, piece, step);
  at += (size_t)sprintf (body + at, "1]}");
  before = in_use ();
  json_t *json = json_read (body, at, &error);
  if (json)
    ck_assert_uint_le (in_use () - before, 17 * at + 1200000);
  json_decref (json);
  ck_assert_uint_le (in_use (), before + 65536); /* all of it is given back */
  free (body);
}

START_TEST (memory_is_bounded)
{
  stays_in_budget ("[],", 3000000);
  stays_in_budget ("{},", 3000000);
  stays_in_budget ("[[[]]],", 3000000);
  stays_in_budget ("1,", 3000000);
  stays_in_budget ("\"\",", 3000000);
  stays_in_budget ("{\"a\":{}},", 3000000);
  stays_in_budget ("[1,\"milk\",1763800000000],", 3000000);
}
END_TEST

START_TEST (a_tree_out_of_proportion_is_refused)
{
  enum { LENGTH = 3000000 };
  char *body = malloc (LENGTH + 10);
  size_t at = (size_t)sprintf (body, "{\"a\":[");

  for (; at < LENGTH; at += 3)
    memcpy (body + at, "[],", 3);
  at += (size_t)sprintf (body + at, "1]}");
  ck_assert (!reads (body, at));
  ck_assert_msg (strstr (error.text, "more members or elements"), "%s", error.text);
  ck_assert (!reads ("{", 1) && strstr (error.text, "not JSON"));
  ck_assert (reads ("{}", 2)); /* the next one has a budget of its own */
  free (body);
}
END_TEST

/* What jansson gave before or gives to others is free()'s. */
START_TEST (memory_is_mallocs_own)
{
  json_t *json = json_pack ("{s:i}", "a", 1);
  char *dump = json_dumps (json, 0);

  ck_assert_str_eq (dump, "{\"a\": 1}");
  free (dump);
  json_decref (json);
}
END_TEST

/* RFC 8259 leaves it open; JSONTestSuite wants such documents read. */
START_TEST (of_twins_the_last_counts)
{
  CLEANUP_JSON json_t *json = json_read ("{\"a\":1,\"a\":2}", 13, &error);

  ck_assert_int_eq (json_integer_value (json_object_get (json, "a")), 2);
}
END_TEST

START_TEST (members_say_where_they_are)
{
  CLEANUP_JSON json_t *json = json_loads (
      "{\"n\":7,\"s\":\"x\",\"z\":\"x\\u0000y\",\"t\":true,\"nil\":null,\"a\":[],\"o\":{}}",
      JSON_ALLOW_NUL, NULL);
  enum mantis_status status = MANTIS_OK;

  ck_assert_int_eq (json_get_integer (json, "n", 1, &status, &error), 7);
  ck_assert_int_eq (json_get_integer (json, "none", 1, &status, &error), 1);
  ck_assert_int_eq (json_get_integer (json, "nil", 1, &status, &error), 1);
  ck_assert_str_eq (json_get_text (json, "s", "", &status, &error), "x");
  ck_assert (json_get_bool (json, "t", false, &status, &error));
  ck_assert_ptr_nonnull (json_get_array (json, "a", &status, &error));
  ck_assert_ptr_nonnull (json_get_object (json, "o", &status, &error));
  ck_assert_int_eq (json_get_integer (NULL, "n", 3, &status, &error), 3);
  ck_assert_int_eq (status, MANTIS_OK);
  ck_assert_int_eq (json_get_integer (json, "s", 5, &status, &error), 5);
  ck_assert_int_eq (status, MANTIS_INVALID);
  ck_assert_str_eq (error.text, "$.s: an integer belongs here");
  json_get_array (json, "n", &status, &error); /* the first fault stays */
  ck_assert_str_eq (error.text, "$.s: an integer belongs here");
  status = MANTIS_OK;
  ck_assert_str_eq (json_get_text (json, "z", "none", &status, &error), "none");
  ck_assert_int_eq (status, MANTIS_INVALID);
}
END_TEST

START_TEST (only_a_text_of_an_array_is_one)
{
  static const char body[] = "{\"a\": [1, null, \"one\", \"\"], \"b\": \"one\"}";
  CLEANUP_JSON json_t *json = json_read (body, strlen (body), NULL);
  const json_t *a = json_object_get (json, "a");

  ck_assert (json_has_text (a, "one") && json_has_text (a, ""));
  ck_assert (!json_has_text (a, "on") && !json_has_text (a, "1") && !json_has_text (a, "null"));
  ck_assert (!json_has_text (json_object_get (json, "b"), "one"));
  ck_assert (!json_has_text (json_object_get (json, "c"), "one"));
}
END_TEST

/* ---- JSONTestSuite ---- */

#define SUITE TOP_SRCDIR "/../shared/conformance/json-test-suite/JSONTestSuite-data.tar.xz"

static char *
read_file (const char *path, size_t *length)
{
  FILE *file = fopen (path, "rb");
  char *bytes = NULL;

  *length = 0;
  for (size_t room = 0, got = 1; file && got; *length += got) {
    if (*length == room)
      bytes = realloc (bytes, room = room * 2 + 65536);
    got = fread (bytes + *length, 1, room - *length, file);
  }
  if (file)
    fclose (file);
  return bytes;
}

/* Each case as the value of a member, as our documents are objects. */
static void
try_case (const char *path, int *tried)
{
  const char *name = strrchr (path, '/') ? strrchr (path, '/') + 1 : path;
  size_t length;
  char *bytes = read_file (path, &length), *body = malloc (length + 16);
  bool taken;

  ck_assert (bytes && body);
  memcpy (body, "{\"a\":", 5);
  memcpy (body + 5, bytes, length);
  body[5 + length] = '}';
  taken = reads (body, length + 6);
  if (*name == 'n') { /* both ways: some are broken only as a whole document */
    ck_assert_msg (!reads (bytes, length), "%s was taken", name);
    ck_assert_msg (!taken || strstr (name, "trailing") || strstr (name, "close"), "%s was taken",
                   name);
  }
  if (*name == 'y' && strcmp (name, "y_object_escaped_null_in_key.json") != 0)
    ck_assert_msg (taken, "%s: %s", name, error.text);
  ++*tried;
  free (bytes);
  free (body);
}

START_TEST (the_suite_of_others)
{
  char folder[] = "/tmp/mantis-json-XXXXXX", command[4096], path[4096];
  FILE *list;
  int tried = 0;

  if ((list = fopen (SUITE, "r")) == NULL || system ("command -v xz >/dev/null") != 0) {
    fputs ("skipped: the_suite_of_others: " SUITE " is not here\n", stderr);
    return;
  }
  fclose (list);
  ck_assert_ptr_nonnull (mkdtemp (folder));
  snprintf (command, sizeof command, "tar -xJf '" SUITE "' -C %s && find %s -name '[nyi]_*.json'",
            folder, folder);
  list = popen (command, "r");
  while (fgets (path, sizeof path, list)) {
    path[strcspn (path, "\n")] = '\0';
    try_case (path, &tried);
  }
  ck_assert_int_eq (pclose (list), 0);
  ck_assert_int_gt (tried, 300);
  snprintf (command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq (system (command), 0);
}
END_TEST

static Suite *
json_suite (void)
{
  Suite *suite = suite_create ("json");
  TCase *tests = tcase_create ("json");

  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, objects_are_read);
  tcase_add_test (tests, all_else_is_refused);
  tcase_add_test (tests, nul_is_refused_everywhere);
  tcase_add_test (tests, nesting_has_an_end);
  tcase_add_test (tests, memory_is_bounded);
  tcase_add_test (tests, a_tree_out_of_proportion_is_refused);
  tcase_add_test (tests, memory_is_mallocs_own);
  tcase_add_test (tests, of_twins_the_last_counts);
  tcase_add_test (tests, members_say_where_they_are);
  tcase_add_test (tests, only_a_text_of_an_array_is_one);
  tcase_add_test (tests, the_suite_of_others);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner;
  int failed;

  json_start ();
  runner = srunner_create (json_suite ());
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
