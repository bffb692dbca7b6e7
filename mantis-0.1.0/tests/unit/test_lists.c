/* core/wire/lists.c and read.c: rows are read from a message's text just as jansson would read them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "wire/json.h"
#include "wire/lists.h"
#include "wire/read.h"
#include "wire/value.h"
#include "wire_rig.h"

#include <stdlib.h>

/* ---- Values ---- */

static bool
same_value (const struct mantis_value *a, const struct mantis_value *b)
{
  if (a->type != b->type)
    return false;
  if (a->type == MANTIS_TEXT || a->type == MANTIS_BLOB)
    return a->length == b->length && memcmp (a->as.bytes, b->as.bytes, a->length) == 0;
  return a->type == MANTIS_NULL || memcmp (&a->as, &b->as, sizeof a->as) == 0; /* -0.0 is not 0.0 */
}

/* What jansson makes of the value TEXT. */
static enum mantis_status
by_jansson (const char *text, size_t length, struct mantis_value *value)
{
  struct mantis_buf message = MANTIS_BUF_INIT;
  enum mantis_status status = MANTIS_INVALID;
  json_t *json;

  mantis_buf_text (&message, "{\"v\":");
  mantis_buf_add (&message, text, length);
  mantis_buf_char (&message, '}');
  json = json_read (message.bytes, message.length, &error);
  if (json && json_object_size (json) == 1)
    status = value_decode (json_object_get (json, "v"), arena, value, &error);
  json_decref (json);
  mantis_buf_free (&message);
  return status;
}

static enum mantis_status
by_reader (const char *text, size_t length, struct mantis_value *value)
{
  struct reader reader = {text, text + length};
  enum mantis_status status = read_value (&reader, arena, value, &error);

  if (status == MANTIS_OK && (read_char (&reader, ' ') || reader.at != reader.end))
    return MANTIS_INVALID;
  return status;
}

static void
agree (const char *text, size_t length)
{
  struct mantis_value theirs = {0}, ours = {0};
  enum mantis_status expected = by_jansson (text, length, &theirs);

  ck_assert_msg (by_reader (text, length, &ours) == expected, "%.*s: %s", (int)length, text,
                 expected ? "taken" : error.text);
  if (expected == MANTIS_OK)
    ck_assert_msg (same_value (&theirs, &ours), "%.*s: another value", (int)length, text);
}

static const char *const texts[] = {
    "null",
    "true",
    "false",
    "nul",
    "True",
    "nulll",
    "0",
    "-0",
    "-0.0",
    "00",
    "01",
    "-",
    "+1",
    "1.",
    ".5",
    "1.5",
    "-1.5",
    "1e5",
    "1E+5",
    "1e-5",
    "1e",
    "1e+",
    "0.1",
    "123456789012345.5",
    "12345678901234.5",
    "1234567.8901234",
    "0.30000000000000004",
    "5e-324",
    "1e400",
    "-1e400",
    "1e-400",
    "1.7976931348623157e308",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999999",
    "0x10",
    "1 2",
    "NaN",
    "Infinity",
    "\"\"",
    "\"a\"",
    "\"a",
    "a\"",
    "\"\\\"\"",
    "\"\\\\\"",
    "\"\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0041\"",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ud83dx\"",
    "\"\\ud83d\\u0041\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\x41\"",
    "\"\\",
    "\"\\u",
    "\"\xc3\xa9\"",
    "\"\xc3\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xff\"",
    "\"\x01\"",
    "\"\t\"",
    "\"\\uFFFF\\u00e9\"",
    "{\"b\":\"\"}",
    "{\"b\":\"AAEC\"}",
    "{\"b\":\"AAE\"}",
    "{\"t\":\"/w==\"}",
    "{\"r\":\"inf\"}",
    "{\"r\":\"-inf\"}",
    "{\"r\":\"nan\"}",
    "{\"r\":1}",
    "{}",
    "{\"x\":\"AAEC\"}",
    "{ \"b\" : \"AAEC\" }",
    "{\"\\u0062\":\"AAEC\"}",
    "{\"b\":\"AAEC\"",
    "{\"b\"}",
    "{\"b\":\"AAEC\",}",
    "{\"b\":\"AAEC\",\"t\":\"\"}",
    "[]",
    "[1]",
    "",
    " ",
    "]",
    "}",
    ",",
    "\"b\":1",
    "{b:1}",
    "tru",
    "n",
    "-a",
    "1.5.5",
    "99999999999999999e9", /* its digits and an 'e' are more than 64 bits */
    "1e5.5",
};

START_TEST (values_are_read_as_jansson_reads_them)
{
  for (size_t i = 0; i < COUNT_OF (texts); i++)
    agree (texts[i], strlen (texts[i]));
}
END_TEST

/* Bytes changed, cut out and put in, in what was a value. */
START_TEST (damaged_values_are_read_as_jansson_reads_them)
{
  static const char bytes[] = "\"\\{}[]:,0129.eE+-utrfn bAx\xc3\xa9\x01";
  char text[64];

  for (int i = 0; i < 20000; i++) {
    const char *from = texts[draw () % COUNT_OF (texts)];
    size_t length = strlen (from);
    memcpy (text, from, length);
    for (int n = (int)(draw () % 3) + 1; n && length && length < sizeof text - 1; n--) {
      size_t at = draw () % length;
      switch (draw () % 3) {
      case 0:
        text[at] = bytes[draw () % (sizeof bytes - 1)];
        break;
      case 1:
        memmove (text + at, text + at + 1, --length - at);
        break;
      default:
        memmove (text + at + 1, text + at, length++ - at);
        text[at] = bytes[draw () % (sizeof bytes - 1)];
      }
    }
    if (!memchr (text, '\0', length) && !memchr (text, '}', length)) /* it might end our frame */
      agree (text, length);
    mantis_arena_reset (arena);
  }
}
END_TEST

/* What nobody asked for is passed just when it is JSON. */
START_TEST (anything_is_passed)
{
  static const char *const good[] = {"1", "[]", "{}", "[1,[2,{\"a\":[null,\"\\u0041\"]}]]",
                                     " { \"a\" : 1 , \"a\" : { } } "};
  static const char *const bad[] = {"[",          "[1,]", "[1 2]", "{\"a\"}",   "{\"a\":}", "{a:1}",
                                    "{\"a\":1,}", "[}",   "{]",    "[\"\\q\"]", "[01]"};

  for (size_t i = 0; i < COUNT_OF (good); i++) {
    struct reader reader = {good[i], good[i] + strlen (good[i])};
    ck_assert_msg (read_past (&reader, &error) == MANTIS_OK, "%s: %s", good[i], error.text);
  }
  for (size_t i = 0; i < COUNT_OF (bad); i++) {
    struct reader reader = {bad[i], bad[i] + strlen (bad[i])};
    ck_assert_msg (read_past (&reader, &error) == MANTIS_INVALID, "%s", bad[i]);
  }
}
END_TEST

START_TEST (nesting_has_an_end)
{
  struct mantis_buf deep = MANTIS_BUF_INIT;
  struct reader reader;

  for (int i = 0; i < 100000; i++)
    mantis_buf_char (&deep, '[');
  reader = (struct reader){deep.bytes, deep.bytes + deep.length};
  ck_assert_int_eq (read_past (&reader, &error), MANTIS_INVALID);
  mantis_buf_free (&deep);
}
END_TEST

/* ---- Lists ---- */

/* The tree with its lists put back. */
static json_t *
whole (json_t *json, struct lists *lists)
{
  const char *name;
  json_t *member;
  size_t i;

  if (json_is_array (json))
    json_array_foreach (json, i, member)
        json_array_set_new (json, i, whole (json_incref (member), lists));
  else if (json_is_object (json))
    json_object_foreach (json, name, member)
    {
      bool named = strcmp (name, "rows") == 0 || strcmp (name, "deleted") == 0;
      const struct list *list = named && json_is_array (member) ? lists_take (lists, member) : NULL;
      json_object_set_new (json, name,
                           list ? json_loadb (list->text, list->length, JSON_ALLOW_NUL, NULL)
                                : whole (json_incref (member), lists));
    }
  return json;
}

static void
comes_back (const char *text)
{
  CLEANUP_LISTS struct lists lists;
  CLEANUP_JSON json_t *json = lists_read (text, strlen (text), &lists, &error);
  CLEANUP_JSON json_t *expected = json_read (text, strlen (text), NULL);

  ck_assert_msg (json != NULL, "%s: %s", text, error.text);
  whole (json, &lists);
  ck_assert_msg (json_equal (json, expected), "%s: not the same", text);
}

START_TEST (a_message_is_the_same_with_its_lists)
{
  comes_back ("{}");
  comes_back ("{\"rows\":[]}");
  comes_back (
      "{\"a\":1,\"rows\" : [[1,\"]\"],[\"\\\"]\"]] , \"b\":[{\"deleted\":[[1]],\"rows\":[[2]]}]}");
  comes_back ("{\"rows\":5,\"deleted\":null,\"x\":\"rows\"}");
  comes_back ("{\"x\":[\"rows\",[1]],\"y\":{\"rows\":{\"deleted\":[{\"rows\":[1]}]}}}");
  comes_back ("{\"a\\\"rows\":[1,2],\"\\\"rows\":[3,4]}");
}
END_TEST

START_TEST (lists_are_counted_and_taken_once)
{
  const char *text = "{\"rows\":[[1,2],[3,4],[{\"b\":\"\"},5]],\"row\\u0073x\":[0]}";
  CLEANUP_LISTS struct lists lists;
  CLEANUP_JSON json_t *json = lists_read (text, strlen (text), &lists, &error);
  const json_t *rows = json_object_get (json, "rows");

  ck_assert_uint_eq (lists.count, 1);
  ck_assert_uint_eq (lists_count (&lists, rows), 3);
  ck_assert_ptr_nonnull (lists_take (&lists, rows));
  ck_assert_ptr_null (lists_take (&lists, rows));
  ck_assert_ptr_null (lists_take (&lists, json_object_get (json, "rowsx")));
  lists_again (&lists);
  ck_assert_ptr_nonnull (lists_take (&lists, rows));
}
END_TEST

/* Many names for one list ("[0]" under names with an escape): memory is taken for it once. */
START_TEST (a_list_counts_once)
{
  const char *text = "{\"rows\":[[1],[2]],\"x\":{\"row\\u0073\":[0]}}";
  CLEANUP_LISTS struct lists lists;
  CLEANUP_JSON json_t *json = lists_read (text, strlen (text), &lists, &error);

  ck_assert_uint_eq (lists_count (&lists, json_object_get (json, "rows")), 2);
  ck_assert_uint_eq (lists_count (&lists, json_object_get (json_object_get (json, "x"), "rows")),
                     0);
}
END_TEST

/* Were each of them looked through to the end, this would take minutes. */
START_TEST (lists_without_end_are_looked_at_once)
{
  struct mantis_buf many = MANTIS_BUF_INIT;
  struct lists lists;

  mantis_buf_char (&many, '{');
  for (int i = 0; i < 1000000; i++)
    mantis_buf_text (&many, "\"rows\":[");
  ck_assert_ptr_null (lists_read (many.bytes, many.length, &lists, &error));
  lists_free (&lists);
  mantis_buf_free (&many);
}
END_TEST

START_TEST (what_nobody_takes_is_json_too)
{
  static const char *const bad[] = {"{\"x\":{\"rows\":[1,]}}", "{\"x\":{\"rows\":[}]}}",
                                    "{\"rows\":[01]}"};

  for (size_t i = 0; i < COUNT_OF (bad); i++) {
    CLEANUP_LISTS struct lists lists;
    CLEANUP_JSON json_t *json = lists_read (bad[i], strlen (bad[i]), &lists, &error);
    ck_assert_msg (!json || lists_check (&lists, &error) == MANTIS_INVALID, "%s was taken", bad[i]);
  }
}
END_TEST

/* Whatever is done to a message, it is taken just when jansson takes it. */
START_TEST (damaged_messages_are_refused)
{
  static const char text[] = "{\"changes\":[{\"table\":\"t\",\"rows\":[[1,\"a\\\"]\"],[2,{\"b\":"
                             "\"AA==\"}]],\"deleted\" : [[3]]}],\"x\":\"rows\"}";
  static const char bytes[] = "\"\\{}[]:, 1a";
  char copy[sizeof text];

  for (int i = 0; i < 20000; i++) {
    memcpy (copy, text, sizeof text);
    for (int n = (int)(draw () % 3); n >= 0; n--)
      copy[draw () % (sizeof text - 1)] = bytes[draw () % (sizeof bytes - 1)];
    CLEANUP_LISTS struct lists lists;
    CLEANUP_JSON json_t *expected = json_read (copy, sizeof text - 1, NULL);
    CLEANUP_JSON json_t *json = lists_read (copy, sizeof text - 1, &lists, &error);
    bool taken = json && lists_check (&lists, &error) == MANTIS_OK;
    ck_assert_msg (taken == (expected != NULL), "%s: %s", copy, taken ? "taken" : error.text);
    if (taken)
      ck_assert_msg (json_equal (whole (json, &lists), expected), "%s: another message", copy);
  }
}
END_TEST

static Suite *
lists_suite (void)
{
  Suite *suite = suite_create ("lists");
  TCase *tests = tcase_create ("lists");

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, values_are_read_as_jansson_reads_them);
  tcase_add_test (tests, damaged_values_are_read_as_jansson_reads_them);
  tcase_add_test (tests, anything_is_passed);
  tcase_add_test (tests, nesting_has_an_end);
  tcase_add_test (tests, a_message_is_the_same_with_its_lists);
  tcase_add_test (tests, lists_are_counted_and_taken_once);
  tcase_add_test (tests, a_list_counts_once);
  tcase_add_test (tests, lists_without_end_are_looked_at_once);
  tcase_add_test (tests, what_nobody_takes_is_json_too);
  tcase_add_test (tests, damaged_messages_are_refused);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (lists_suite ());
  int failed;

  json_start ();
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
