/* test_where_escape.c - what an expression of filter/where must not be able to do: reach a file, a table, a function that is not
 * on the list, more time or memory than it is given; nor can what devices write into rows, or what stands in tokens.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "where_rig.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static struct mantis_error error;
static char folder[64];

static void
begin (void)
{
  strcpy (folder, "/tmp/mantis-where-XXXXXX");
  ck_assert_ptr_nonnull (mkdtemp (folder));
  ck_assert_int_eq (chdir (folder), 0);
}

/* Nothing was made. */
static void
end (void)
{
  ck_assert_int_eq (chdir ("/"), 0);
  ck_assert_msg (rmdir (folder) == 0, "there is something in %s", folder);
}

static void
refused (const char *expression)
{
  void *self = rig_open (expression, NULL, rig_all_tables, NULL, &error);

  ck_assert_msg (!self, "%s is taken", expression);
  ck_assert_msg (*error.text, "%s: no reason is given", expression);
  ck_assert_ptr_null (rig_open ("true", expression, rig_all_tables, NULL, &error));
}

/* The processor's time of this thread, in seconds: load beside it does not count. */
static double
seconds (void)
{
  struct rusage usage;

  getrusage (RUSAGE_THREAD, &usage);
  return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
         (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

/* EXPRESSION is taken, is no for ROW, and says so within its limits. */
static void
is_no (const char *expression, const char *claims, mantis_row row)
{
  void *self = rig_open (expression, NULL, rig_all_tables, NULL, &error);
  struct rusage before, after;
  double began = seconds ();

  ck_assert_msg (self != NULL, "%s: %s", expression, error.text);
  getrusage (RUSAGE_SELF, &before);
  ck_assert_msg (!rig_ops ()->sees (self, rig_caller ("ann", claims), &rig_todos, row), "%s is yes",
                 expression);
  getrusage (RUSAGE_SELF, &after);
  ck_assert_msg (seconds () - began < 20, "%s takes %f s", expression, seconds () - began);
  ck_assert_msg (after.ru_maxrss - before.ru_maxrss < 64 * 1024, "%s takes %ld kB", expression,
                 after.ru_maxrss - before.ru_maxrss);
  rig_free (self);
}

START_TEST (functions_that_reach_out)
{
  static const char *const expressions[] = {
      "load_extension('./evil.so')",
      "load_extension('./evil.so', 'entry') is null",
      "readfile('/etc/passwd') is not null",
      "writefile('made', 'x')",
      "edit('x')",
      "fts3_tokenizer('simple')",
      "sqlite_version() > ''",
      "sqlite_compileoption_used('x')",
      "sqlite_source_id() > ''",
      "sqlite_log(1, 'x') is null",
      "last_insert_rowid() = 0",
      "changes() = 0",
      "random() > 0",
      "randomblob(1000000000) is null",
      "zeroblob(1000000000) is null",
      "printf('%999999999d', 1) > ''",
      "format('%.*c', 999999999, 'x') > ''",
      "date('now') > due",
      "datetime(body) > ''",
      "julianday('now') > 0",
      "strftime('%s', 'now') > 0",
      "unixepoch() > 0",
      "current_timestamp > ''",
      "current_date > ''",
      "current_time > ''",
      "group_concat(owner) = 'x'",
      "json_group_array(owner) = 'x'",
      "row_number() over () = 1",
      "rank() over (order by qty) = 1",
      "sum(qty) over () > 0",
      "owner regexp '.*'",
      "owner match 'x'",
      "likelihood(qty, 0.5)",
      "subtype(owner)",
      "raise(ignore)",
      "soundex(owner) = 'x'",
      "\"load_extension\"('x')",
      "LOAD_EXTENSION('x')",
      "[load_extension]('x')",
  };

  for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++)
    refused (expressions[i]);
}
END_TEST

START_TEST (tables_that_are_not_lent)
{
  static const char *const expressions[] = {
      "exists (select 1 from sqlite_master)",
      "exists (select 1 from sqlite_schema)",
      "exists (select 1 from main.sqlite_master)",
      "exists (select 1 from sqlite_temp_master)",
      "exists (select 1 from temp.sqlite_master)",
      "exists (select name from sqlite_schema limit 1)",
      "exists (select 1 from pragma_database_list)",
      "exists (select 1 from pragma_table_list)",
      "exists (select 1 from pragma_compile_options)",
      "exists (select * from pragma_table_info('todos'))",
      "exists (select * from pragma_journal_mode)",
      "exists (select 1 from pragma_function_list)",
      "exists (select 1 from generate_series(1, 1000000000))",
      "exists (select 1 from json_tree('[1]'))",
      "exists (select 1 from dbstat)",
      "exists (select 1 from sqlite_dbpage)",
      "exists (select 1 from sqlite_stmt)",
      "exists (select 1 from bytecode('select 1'))",
      "exists (select 1 from fsdir('/'))",
      "exists (select 1 from users)",
      "exists (select 1 from __sync_log)",
      "owner in sqlite_master",
      "owner in pragma_module_list",
      "owner in users",
      "exists (select 1 from members join sqlite_master where list = id and user = :sub)",
  };

  for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++)
    refused (expressions[i]);
}
END_TEST

START_TEST (what_is_no_expression)
{
  static const char *const expressions[] = {
      "1) --",
      "1) -- (",
      "1) /*",
      "1 /*",
      "1 -- 2",
      "1 /* 2 */",
      "1) from sqlite_master where (1",
      "1) then 1 else 0 end; attach 'made' as a; select (case when (1",
      "1); select (1",
      "1; select 1",
      "1;",
      ";",
      "1)",
      "(1",
      ")(",
      "'a",
      "\"a",
      "[a",
      "`a",
      "'a' || 'b",
      "x'6",
      "1 then 1 else 0 end from sqlite_master --",
      "1 limit 1",
      "attach 'made' as a",
      "pragma user_version = 1",
      "delete from todos",
      "(delete from todos)",
      "(insert into todos values (1) returning 1)",
      "(update todos set qty = 1)",
      "exists (delete from todos returning 1)",
      "(pragma user_version)",
      "create table made (x)",
      "vacuum into 'made'",
      "explain select 1",
      "(select 1 union select 2)",
      "(select 1 union all select 2)",
      "(select 1 intersect select 2)",
      "(values (1), (2) except values (1))",
      "(with a as (select 1) select * from a)",
      "(with recursive a(n) as (select 1 union all select n + 1 from a) select max(n) from a)",
      "(WITH/**/a as (select 1) select 1)",
      "(select count(*) from json_each('[1]') group by value)",
      "(select value from json_each('[1]') order by value)",
      "1, 2",
      "*",
      "todos.*",
      "",
      " ",
      "\x01",
      "1 \x7f 1",
      "?",
      "?1 = 1",
      "@sub",
      "$sub",
      "$sub(x)",
      "#1",
      ":",
      ": sub",
      ":sub('",
      ":sub(')",
      ":sub(x)",
      ":sub::x(')",
      ":sub$('",
      ":a:b",
      "\xef\xbb\xbf) --",
  };

  for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++)
    refused (expressions[i]);
}
END_TEST

/* Larger than anybody writes. */
static void
refused_many (const char *before, const char *again, int times, const char *middle,
              const char *after)
{
  struct mantis_buf buf = MANTIS_BUF_INIT;

  mantis_buf_text (&buf, before);
  for (int i = 0; i < times; i++)
    mantis_buf_text (&buf, again);
  mantis_buf_text (&buf, middle);
  for (int i = 0; i < times; i++)
    mantis_buf_text (&buf, after);
  refused (buf.bytes);
  mantis_buf_free (&buf);
}

START_TEST (expressions_without_measure)
{
  refused_many ("", "(", 1000, "1", ")");
  refused_many ("", "not ", 1500, "1", "");
  refused_many ("", "-", 5000, "1", "");
  refused_many ("", "- ", 3000, "1", "");
  refused_many ("1", " + 1", 1500, "", "");
  refused_many ("", "(select ", 500, "1", ")");
  refused_many ("", "exists (select 1 where ", 300, "1", ")");
  refused_many ("", "case when ", 300, "1", " then 1 end");
  refused_many ("abs(", "abs(", 500, "1)", ")");
  refused_many ("'", "x", 8000, "' > ''", "");
  refused_many ("char(1", ", 1", 100, ") > ''", "");
  refused_many ("(select count(*) from json_each('[]') a0", ", json_each('[]')", 80, ") = 0", "");
}
END_TEST

START_TEST (too_many_parameters)
{
  struct mantis_buf buf = MANTIS_BUF_INIT;

  for (int i = 0; i < 101; i++)
    mantis_buf_printf (&buf, "%s:p%d", i ? "||" : "", i);
  refused (buf.bytes);
  mantis_buf_free (&buf);
}
END_TEST

/* ---- What devices and tokens can do --------------------------------------------------------------- */

static const char *
repeated (const char *before, const char *again, size_t length, const char *after)
{
  static char text[200000];
  size_t at = strlen (before), step = strlen (again);

  ck_assert_uint_lt (length, sizeof text - 1000);
  strcpy (text, before);
  for (; at + step <= length; at += step)
    memcpy (text + at, again, step);
  strcpy (text + at, after);
  return text;
}

/* The row with TEXT as its body and as its owner. */
static mantis_row
row_with (const char *text)
{
  static struct mantis_value row[TODO_COLUMNS];

  memcpy (row, rig_row, sizeof row);
  row[BODY] = row[OWNER] = (struct mantis_value){
      .type = MANTIS_TEXT, .length = (uint32_t)strlen (text), .as.bytes = text};
  return row;
}

/* Each of these would be yes, or take minutes, with no limit. */
START_TEST (rows_without_measure)
{
  is_no ("length(body) > 0", "{}", row_with (repeated ("", "x", 70000, "")));
  is_no ("length(body || owner) > 0", "{}", row_with (repeated ("", "x", 60000, "")));
  is_no ("length(replace(body, 'x', owner)) > 0", "{}", row_with (repeated ("", "x", 1000, "")));
  is_no ("length(hex(body)) > 0", "{}", row_with (repeated ("", "x", 60000, "")));
  is_no ("length(quote(body)) > 0", "{}", row_with (repeated ("", "'", 60000, "")));
  is_no ("('x' like body) + 1", "{}", row_with (repeated ("", "%a", 10000, "")));
  is_no ("body like '%a%a%a%a%a%a%a%a%a%a%a%a%a%b'", "{}",
         row_with (repeated ("", "a", 60000, "")));
  is_no ("body glob '*a*a*a*a*a*a*a*a*a*a*a*a*a*b'", "{}",
         row_with (repeated ("", "a", 60000, "")));
  is_no ("instr(body, substr(owner, 30000) || 'b')", "{}",
         row_with (repeated ("", "a", 60000, "")));
  is_no ("body glob '*[a-z][a-z][a-z][a-z][a-z][a-z]*[0-9]'", "{}",
         row_with (repeated ("", "a", 60000, "")));
}
END_TEST

START_TEST (rows_that_multiply)
{
  mantis_row row = row_with (repeated ("[1", ",1", 60000, "]"));

  is_no ("(select count(*) from json_each(body) a, json_each(owner) b) > 0", "{}", row);
  is_no ("(select count(*) from json_each(body) a, json_each(owner) b where a.value > b.value) = 0",
         "{}", row);
  is_no ("(select sum(length(a.value || b.value || todos.body)) from json_each(body) a, "
         "json_each(owner) b) > 0",
         "{}", row);
  is_no ("(1 in (select a.value || todos.body || b.key from json_each(body) a, json_each(owner) "
         "b)) + 1",
         "{}", row);
  is_no ("(select count(distinct todos.body || a.key || b.key) from json_each(body) a, "
         "json_each(owner) b) > 0",
         "{}", row);
}
END_TEST

START_TEST (json_without_measure)
{
  is_no ("json_valid(body)", "{}", row_with (repeated ("", "[", 60000, "")));
  is_no ("coalesce(json_extract(body, '$[0]'), 1)", "{}", row_with (repeated ("", "[", 60000, "")));
  is_no ("exists (select 1 from json_each(body))", "{}",
         row_with (repeated ("", "{\"a\":", 60000, "")));
  is_no ("coalesce(json_extract('[1]', body), 1)", "{}", row_with (repeated ("$", "[", 60000, "")));
}
END_TEST

START_TEST (claims_without_measure)
{
  is_no (":deep is not null", repeated ("{\"deep\": ", "[", 60000, "}"), rig_row);
  is_no ("owner in (select value from json_each(:many))",
         repeated ("{\"many\": [1", ",1", 60000, "]}"), rig_row);
  is_no (
      "(select count(*) from json_each(:many) a, json_each(:many) b where a.value > b.value) = 0",
      repeated ("{\"many\": [1", ",1", 60000, "]}"), rig_row);
  is_no (":long > ''", repeated ("{\"long\": \"", "x", 70000, "\"}"), rig_row);
}
END_TEST

/* Few steps, each over much. */
START_TEST (a_row_that_is_read_again_and_again)
{
  mantis_row row = row_with (repeated ("", "a", 60000, ""));

  is_no ("(select sum(instr(todos.body, value || 'b')) from "
         "json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,"
         "18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40]')) = 0",
         "{}", row);
}
END_TEST

/* Whatever happened, the next question is answered. */
START_TEST (after_an_escape_all_is_as_before)
{
  void *self = rig_open ("owner = 'ann' or (select count(*) from json_each(body) a, "
                         "json_each(owner) b) > 0",
                         NULL, rig_all_tables, NULL, &error);
  mantis_row bad = row_with (repeated ("[1", ",1", 60000, "]"));

  ck_assert_msg (self != NULL, "%s", error.text);
  for (int i = 0; i < 3; i++) {
    ck_assert (!rig_ops ()->sees (self, rig_caller ("ann", "{}"), &rig_todos, bad));
    ck_assert (rig_ops ()->sees (self, rig_caller ("ann", "{}"), &rig_todos, rig_row));
  }
  rig_free (self);
}
END_TEST

/* A table and columns with names that would be SQL. */
START_TEST (names_are_data)
{
  static const struct mantis_column columns[] = {
      {.name = "id\" --", .type_class = MANTIS_CLASS_INTEGER, .key_position = 1},
      {.name = "select", .type_class = MANTIS_CLASS_TEXT, .collation = "BINARY"},
      {.name = "); drop", .type_class = MANTIS_CLASS_ANY},
  };
  static const uint32_t key[] = {0};
  static const struct mantis_table odd = TABLE_OF ("a\"b' (c", columns, key);
  const struct mantis_value row[] = {INTEGER_VALUE (1), TEXT_VALUE ("x"), NULL_VALUE};
  void *self = rig_open ("true", NULL, NULL, NULL, &error);
  bool looks[3] = {false};

  rig_free (self);
  self = calloc (1, plugin_where.self_size);
  rig_set (self, "read",
           "\"a\"\"b' (c\".\"id\"\" --\" = 1 and \"select\" = 'x' and [); drop] is null");
  ck_assert_int_eq (plugin_where.start (self, &error), MANTIS_OK);
  ck_assert_msg (rig_ops ()->prepare (self, &odd, NULL, looks, &error) == MANTIS_OK, "%s",
                 error.text);
  ck_assert (looks[0] && looks[1] && looks[2]);
  ck_assert (rig_ops ()->sees (self, rig_caller ("ann", "{}"), &odd, row));
  rig_free (self);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("where_escape");
  TCase *tests = tcase_create ("escape");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tests, begin, end);
  tcase_add_test (tests, functions_that_reach_out);
  tcase_add_test (tests, tables_that_are_not_lent);
  tcase_add_test (tests, what_is_no_expression);
  tcase_add_test (tests, expressions_without_measure);
  tcase_add_test (tests, too_many_parameters);
  tcase_add_test (tests, rows_without_measure);
  tcase_add_test (tests, rows_that_multiply);
  tcase_add_test (tests, json_without_measure);
  tcase_add_test (tests, claims_without_measure);
  tcase_add_test (tests, a_row_that_is_read_again_and_again);
  tcase_add_test (tests, after_an_escape_all_is_as_before);
  tcase_add_test (tests, names_are_data);
  tcase_set_timeout (tests, 300);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
