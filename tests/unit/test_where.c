/* test_where.c - what an expression of filter/where means: the same as in SQLite, for each caller.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "where_rig.h"

#include <check.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>

static struct mantis_error error;

static void *
opened (const char *read, const char *write)
{
  void *self = rig_open (read, write, rig_all_tables, NULL, &error);

  ck_assert_msg (self != NULL, "%s: %s", read ? read : write, error.text);
  return self;
}

/* Does EXPRESSION allow ROW for SUBJECT with CLAIMS? */
static bool
allows (const char *expression, const char *subject, const char *claims, mantis_row row)
{
  void *self = opened (expression, NULL);
  bool yes = rig_ops ()->sees (self, rig_caller (subject, claims), &rig_todos, row);

  rig_free (self);
  return yes;
}

static void
refuses (const char *expression, const char *why)
{
  void *self = rig_open (expression, NULL, rig_all_tables, NULL, &error);

  ck_assert_msg (!self, "%s is taken", expression);
  ck_assert_msg (strstr (error.text, why) != NULL, "%s: %s", expression, error.text);
}

/* ---- SQLite's meaning ---------------------------------------------------------------------------- */

static void
bind (sqlite3_stmt *statement, int at, const struct mantis_value *value)
{
  switch (value->type) {
  case MANTIS_INTEGER:
    sqlite3_bind_int64 (statement, at, value->as.integer);
    break;
  case MANTIS_REAL:
    sqlite3_bind_double (statement, at, value->as.real);
    break;
  case MANTIS_TEXT:
    sqlite3_bind_text (statement, at, value->as.bytes, (int)value->length, SQLITE_STATIC);
    break;
  case MANTIS_BLOB:
    sqlite3_bind_blob (statement, at, value->length ? value->as.bytes : "", (int)value->length,
                       SQLITE_STATIC);
    break;
  default:
    sqlite3_bind_null (statement, at);
  }
}

/* A table like it in a database of SQLite's own, with ROW. */
static sqlite3 *
table_with (mantis_row row)
{
  sqlite3 *db;
  sqlite3_stmt *insert;

  ck_assert_int_eq (sqlite3_open (":memory:", &db), SQLITE_OK);
  ck_assert_int_eq (sqlite3_exec (db,
                                  "CREATE TABLE todos (id TEXT PRIMARY KEY, list TEXT, owner TEXT, "
                                  "status VARCHAR(10) COLLATE NOCASE, qty INTEGER, price "
                                  "DECIMAL(10,2), weight DOUBLE, body, \"order\" INTEGER)",
                                  NULL, NULL, NULL),
                    SQLITE_OK);
  ck_assert_int_eq (sqlite3_prepare_v2 (db, "INSERT INTO todos VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                        -1, &insert, NULL),
                    SQLITE_OK);
  for (int i = 0; i < TOTAL; i++)
    bind (insert, i + 1, &row[i]);
  ck_assert_int_eq (sqlite3_step (insert), SQLITE_DONE);
  sqlite3_finalize (insert);
  return db;
}

static bool
sqlite_allows (const char *expression, mantis_row row)
{
  sqlite3 *db = table_with (row);
  sqlite3_stmt *select;
  char *sql = sqlite3_mprintf ("SELECT 1 FROM todos WHERE (%s)", expression);
  bool yes;

  ck_assert_msg (sqlite3_prepare_v2 (db, sql, -1, &select, NULL) == SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg (db));
  bind (select, sqlite3_bind_parameter_index (select, ":sub"),
        &(struct mantis_value)TEXT_VALUE ("ann"));
  yes = sqlite3_step (select) == SQLITE_ROW;
  sqlite3_finalize (select);
  sqlite3_free (sql);
  sqlite3_close (db);
  return yes;
}

static const char *const meanings[] = {
    "owner = :sub",
    "owner = :sub and status = 'active'",
    "OWNER == :sub AND \"Status\" = 'ACTIVE'",
    "todos.owner = :sub",
    "status in ('ACTIVE', 'new')",
    "status like 'act%'",
    "owner = 'ANN'",
    "qty = '5'",
    "qty = ' 5 '",
    "qty = '5.0'",
    "'5' = qty",
    "qty = 5.0",
    "qty > '10'",
    "price = '2.50'",
    "price = 2.5",
    "weight = '0.5'",
    "weight < 1",
    "body = 5",
    "body = '5'",
    "body like '%ROSES'",
    "body glob '*roses'",
    "id = 1",
    "id > 1",
    "owner",
    "qty",
    "qty - 5",
    "null",
    "owner = null",
    "owner is null",
    "not owner = 'bob'",
    "\"order\" between 1 and 3",
    "[order] = 3",
    "`order` = 3",
    "case when qty > 3 then owner = 'ann' else 0 end",
    "(1)",
    "true",
    "false",
    "1 = 1 or qty / 0",
    "qty / 0 is null",
    "qty + 9223372036854775807 > 0",
    "typeof(qty) = 'integer'",
    "typeof(price) = 'real'",
    "length(body) = 15",
    "upper(owner) = 'ANN'",
    "coalesce(nullif(owner, 'ann'), 'x') = 'x'",
    "substr(body, 1, 5) || '' = 'Water'",
    "cast(qty as text) = '5'",
    "owner collate nocase = 'ANN'",
    "'it''s' = 'it''s' and ')' <> '(' and '--' = '--'",
    "(select owner) = 'ann'",
    "exists (select 1 from json_each('[1, 5]') where value = qty)",
    "qty in (select value from json_each('[4, 5]'))",
    "json_extract('{\"a\": [5]}', '$.a[0]') = qty",
    "'{\"a\": 5}' ->> '$.a' = qty",
    "abs(-qty) = 5 and min(qty, 3) = 3 and max(qty, 3) = 5",
    "hex(owner) = '616E6E'",
    "body = x'576174657220746865'",
};

static const struct mantis_value odd_row[] = {
    TEXT_VALUE ("1"),    NULL_VALUE,
    NULL_VALUE,          TEXT_VALUE (""),
    TEXT_VALUE ("five"), INTEGER_VALUE (2),
    NULL_VALUE,          BLOB_VALUE ("Water the"),
    INTEGER_VALUE (-1),  {.type = MANTIS_NONE},
};

START_TEST (an_expression_means_what_it_means_in_sqlite)
{
  static const mantis_row rows[] = {rig_row, odd_row};

  for (size_t r = 0; r < 2; r++)
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
      ck_assert_msg (allows (meanings[i], "ann", "{}", rows[r]) ==
                         sqlite_allows (meanings[i], rows[r]),
                     "row %zu: %s", r, meanings[i]);
}
END_TEST

/* ---- Who asks ------------------------------------------------------------------------------------ */

START_TEST (claims_are_values)
{
  static const struct {
    const char *expression, *claims;
    bool yes;
  } cases[] = {
      {":shop = 'north'", "{\"shop\": \"north\"}", true},
      {":shop = 'north'", "{\"shop\": \"south\"}", false},
      {":shop = 'north'", "{}", false},
      {":shop is null", "{}", true},
      {":shop is null", "{\"shop\": null}", true},
      {":shop = qty", "{\"shop\": 5}", true},
      {":shop = qty", "{\"shop\": \"5\"}", true},
      {":shop = price", "{\"shop\": 2.5}", true},
      {"typeof(:shop) = 'integer'", "{\"shop\": 9007199254740993}", true},
      {":shop = 9007199254740993", "{\"shop\": 9007199254740993}", true},
      {":admin", "{\"admin\": true}", true},
      {":admin", "{\"admin\": false}", false},
      {"owner in (select value from json_each(:who))", "{\"who\": [\"bob\", \"ann\"]}", true},
      {"owner in (select value from json_each(:who))", "{\"who\": [\"bob\"]}", false},
      {"owner in (select value from json_each(:who))", "{\"who\": []}", false},
      {"owner in (select value from json_each(:who))", "{}", false},
      {"owner in (select value from json_each(:who))", "{\"who\": \"ann\"}", false}, /* no JSON */
      {":address ->> '$.city' = 'Ulm'", "{\"address\": {\"city\": \"Ulm\"}}", true},
      {"owner = :sub", "{\"sub\": \"bob\"}", true}, /* the subject, whatever a claim says */
      {":node = 'till-1'", "{\"node\": \"x\"}", true},
      {":shop = 'a''b'", "{\"shop\": \"a'b\"}", true},
      {":shop = 'x'", "no JSON", false},
      {"owner = 'ann' or :shop = 'x'", "no JSON", true},
      {":zwölf = 12", "{\"zwölf\": 12}", true},
  };

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    ck_assert_msg (allows (cases[i].expression, "ann", cases[i].claims, rig_row) == cases[i].yes,
                   "%s with %s", cases[i].expression, cases[i].claims);
}
END_TEST

START_TEST (a_value_is_data)
{
  static const char *const subjects[] = {"x' or '1'='1", "'ann'",  "owner",
                                         ":sub",         "ann'--", "\"ann\""};

  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
    ck_assert_msg (!allows ("owner = :sub", subjects[i], "{}", rig_row), "%s", subjects[i]);
}
END_TEST

START_TEST (each_caller_gets_its_own_answer)
{
  void *self = opened ("owner = :sub and :shop = 'n'", NULL);
  static const struct {
    const char *subject, *claims;
    bool yes;
  } callers[] = {
      {"ann", "{\"shop\": \"n\"}", true},
      {"bob", "{\"shop\": \"n\"}", false},
      {"ann", "{\"shop\": \"n\"}", true},
      {"ann", "{\"shop\": \"s\"}", false},
      {"ann", "{}", false},
      {"ann", "{\"shop\": \"n\"}", true},
      {"an", "n{\"shop\": \"n\"}", false},
      {"ann", "{\"shop\": \"n\"}", true},
  };

  for (size_t i = 0; i < sizeof callers / sizeof *callers; i++)
    ck_assert_msg (rig_ops ()->sees (self, rig_caller (callers[i].subject, callers[i].claims),
                                     &rig_todos, rig_row) == callers[i].yes,
                   "caller %zu", i);
  rig_free (self);
}
END_TEST

/* More of them than are remembered at once, and in turn with one who is. */
START_TEST (many_callers_get_their_own_answers)
{
  void *self = opened ("owner = :sub and :shop = 'n'", "owner = :sub and :shop in ('n', 'w')");
  char claims[700], filling[500];

  memset (filling, 'x', sizeof filling);
  for (int i = 0; i < 6000; i++) {
    bool ours = i % 7 == 0;
    snprintf (claims, sizeof claims, "{\"shop\": \"%s\", \"number\": %d, \"filling\": \"%.400s\"}",
              ours    ? "n"
              : i % 2 ? "w"
                      : "s",
              i % 3000, filling);
    ck_assert (rig_ops ()->sees (self, rig_caller ("ann", claims), &rig_todos, rig_row) == ours);
    ck_assert (rig_ops ()->lets (self, rig_caller ("ann", claims), &rig_todos, rig_row, NULL,
                                 &error) == (ours || i % 2));
    ck_assert (
        rig_ops ()->sees (self, rig_caller ("ann", "{\"shop\": \"n\"}"), &rig_todos, rig_row));
  }
  rig_free (self);
}
END_TEST

static const char *
view_of (void *self, const char *subject, const char *claims)
{
  static char texts[2][1000];
  static unsigned turn;
  struct mantis_buf buf = MANTIS_BUF_INIT;

  turn = !turn;
  rig_ops ()->view (self, rig_caller (subject, claims), &buf);
  snprintf (texts[turn], sizeof texts[turn], "%s", buf.bytes ? buf.bytes : "");
  mantis_buf_free (&buf);
  return texts[turn];
}

/* What the expression does not look at changes nothing: a new token has a new "exp". */
START_TEST (a_view_is_what_the_expression_looks_at)
{
  void *self = opened ("list = :list or :admin or owner = :sub", ":other = 1");

  ck_assert_str_eq (view_of (self, "ann", "{\"list\": [1, {\"b\": 1, \"a\": 2}], \"exp\": 1}"),
                    "list=[1,{\"a\":2,\"b\":1}]\nadmin=null\nsub=\"ann\"\n");
  ck_assert_str_eq (view_of (self, "ann", "{\"admin\": true, \"exp\": 1}"),
                    view_of (self, "ann", "{\"exp\": 2, \"admin\": true, \"other\": 5}"));
  ck_assert_str_ne (view_of (self, "ann", "{\"list\": \"a\\nadmin=true\"}"),
                    view_of (self, "ann", "{\"list\": \"a\", \"admin\": true}"));
  rig_free (self);
}
END_TEST

/* ---- Writing ------------------------------------------------------------------------------------- */

static bool
lets (void *self, const char *shop, mantis_row before, mantis_row after)
{
  char claims[100];

  snprintf (claims, sizeof claims, "{\"shop\": \"%s\"}", shop);
  error.text[0] = '\0';
  return rig_ops ()->lets (self, rig_caller ("ann", claims), &rig_todos, before, after, &error);
}

START_TEST (a_write_has_to_hold_before_and_after)
{
  void *self = opened ("status = 'active'", "list = :shop");
  struct mantis_value moved[TODO_COLUMNS], done[TODO_COLUMNS];

  memcpy (moved, rig_row, sizeof moved);
  memcpy (done, rig_row, sizeof done);
  moved[LIST] = (struct mantis_value)TEXT_VALUE ("kitchen");
  done[STATUS] = (struct mantis_value)TEXT_VALUE ("done");
  ck_assert (lets (self, "garden", NULL, rig_row));
  ck_assert (lets (self, "garden", rig_row, done)); /* out of what it may read */
  ck_assert (lets (self, "garden", rig_row, NULL));
  ck_assert (!lets (self, "garden", rig_row, moved));
  ck_assert_str_eq (error.text, "this would become a row of \"todos\" that you may not write");
  ck_assert (!lets (self, "kitchen", rig_row, moved));
  ck_assert_str_eq (error.text, "this row of \"todos\" is not one that you may write");
  ck_assert (!lets (self, "kitchen", NULL, rig_row));
  ck_assert (!lets (self, "kitchen", rig_row, NULL));
  rig_free (self);
}
END_TEST

START_TEST (what_may_be_read_may_be_written_if_nothing_is_said)
{
  void *self = opened ("list = :shop", NULL);

  ck_assert (lets (self, "garden", rig_row, rig_row));
  ck_assert (!lets (self, "kitchen", NULL, rig_row));
  rig_free (self);
  self = opened (NULL, "list = :shop");
  ck_assert (rig_ops ()->sees (self, rig_caller ("x", "{}"), &rig_todos, rig_row));
  ck_assert_str_eq (view_of (self, "x", "{}"), "");
  ck_assert (lets (self, "garden", rig_row, rig_row));
  ck_assert (!lets (self, "kitchen", NULL, rig_row));
  rig_free (self);
}
END_TEST

/* ---- Columns ------------------------------------------------------------------------------------- */

START_TEST (it_tells_which_columns_it_looks_at)
{
  bool looks[TODO_COLUMNS] = {false};
  void *self = rig_open ("owner = :sub and (status = 'x' or exists (select 1 from members m where "
                         "m.list = todos.list and m.user = :sub))",
                         "qty = 1", rig_all_tables, looks, &error);

  ck_assert_msg (self != NULL, "%s", error.text);
  for (int i = 0; i < TODO_COLUMNS; i++)
    ck_assert_msg (looks[i] == (i == LIST || i == OWNER || i == STATUS), "column %d", i);
  rig_free (self);
}
END_TEST

/* As when it is asked what a device held: the other columns are not there. */
START_TEST (what_is_not_carried_is_not_known)
{
  struct mantis_value row[TODO_COLUMNS] = {{.type = MANTIS_NONE}};

  row[OWNER] = rig_row[OWNER];
  ck_assert (allows ("owner = :sub", "ann", "{}", row));
  ck_assert (!allows ("owner = :sub and qty is null", "ann", "{}", row));
  ck_assert (!allows ("qty is null", "ann", "{}", row));
  ck_assert (!allows ("not qty = 5", "ann", "{}", row));
}
END_TEST

START_TEST (a_table_of_another_shape_is_not_answered_for)
{
  void *self = opened ("owner = :sub", NULL);
  struct mantis_table other = rig_todos;

  other.fingerprint = "another";
  ck_assert (!rig_ops ()->sees (self, rig_caller ("ann", "{}"), &other, rig_row));
  other.name = "unheard_of";
  ck_assert (!rig_ops ()->sees (self, rig_caller ("ann", "{}"), &other, rig_row));
  other = rig_todos;
  other.fingerprint = "another";
  ck_assert_int_eq (
      rig_ops ()->prepare (self, &other, &rig_lender, (bool[TODO_COLUMNS]){false}, &error),
      MANTIS_OK);
  ck_assert (rig_ops ()->sees (self, rig_caller ("ann", "{}"), &other, rig_row));
  ck_assert (!rig_ops ()->sees (self, rig_caller ("ann", "{}"), &rig_todos, rig_row));
  rig_free (self);
}
END_TEST

/* ---- Lent tables --------------------------------------------------------------------------------- */

#define MEMBER                                                                                     \
  "exists (select 1 from members where members.list = todos.list and members.user = :sub"

START_TEST (rows_of_other_tables_are_lent)
{
  static const struct {
    const char *expression, *subject;
    bool yes;
  } cases[] = {
      {MEMBER ")", "ann", true},
      {MEMBER ")", "ANN", true}, /* the column's collation */
      {MEMBER ")", "bob", true},
      {MEMBER ")", "carl", false},
      {MEMBER " and role = 'admin')", "ann", true},
      {MEMBER " and role = 'admin')", "bob", false},
      {"not " MEMBER ")", "carl", true},
      {"(select role from members where list = todos.list and user = :sub) is null", "bob", true},
      {"exists (select 1 from members where (list, user) = ('kitchen', :sub))", "carl", true},
      {"exists (select 1 from members where list in ('x', 'kitchen') and user = :sub)", "carl",
       true},
      {"exists (select 1 from prices where prices.qty = todos.qty and prices.price = todos.price)",
       "x", true},
      {"exists (select 1 from prices where qty = '5')", "x", true},
      {"exists (select 1 from prices where qty = 5.0)", "x", true},
      {"exists (select 1 from prices where qty = 5.5)", "x", false},
      {"exists (select 1 from prices where qty = null)", "x", false},
      {"exists (select 1 from todos other where other.id = todos.owner)", "x", false},
      {"exists (select 1 from todos other where other.id = 't' || 1)", "x", true},
      {"exists (select 1 from members m join prices p on p.qty = todos.qty where m.list = "
       "todos.list and m.user = :sub)",
       "ann", true},
  };

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    ck_assert_msg (allows (cases[i].expression, cases[i].subject, "{}", rig_row) == cases[i].yes,
                   "%s for %s", cases[i].expression, cases[i].subject);
}
END_TEST

START_TEST (nothing_lent_is_no)
{
  void *self = opened (MEMBER ")", NULL);
  struct mantis_caller caller = *rig_caller ("ann", "{}");

  ck_assert (rig_ops ()->sees (self, &caller, &rig_todos, rig_row));
  rig_lends = MANTIS_LOST;
  ck_assert (!rig_ops ()->sees (self, &caller, &rig_todos, rig_row));
  rig_lends = MANTIS_OK;
  ck_assert (rig_ops ()->sees (self, &caller, &rig_todos, rig_row));
  caller.lender = NULL;
  ck_assert (!rig_ops ()->sees (self, &caller, &rig_todos, rig_row));
  rig_free (self);
  self = opened ("not " MEMBER ")", NULL);
  ck_assert (!rig_ops ()->sees (self, &caller, &rig_todos, rig_row));
  rig_free (self);
}
END_TEST

START_TEST (a_lent_table_is_asked_by_its_key)
{
  static const char *const scans[] = {
      "exists (select 1 from members)",
      "(select count(*) from members) > 0",
      "exists (select 1 from members where user = :sub)",
      "exists (select 1 from members where list = todos.list)",
      "exists (select 1 from members where list = todos.list and user > :sub)",
      "exists (select 1 from members where list = todos.list and user like :sub)",
      "exists (select 1 from members where list = todos.list or user = :sub)",
      "exists (select 1 from members where list = todos.list collate nocase and user = :sub)",
      "owner in (select user from members)",
      "exists (select 1 from members a, members b where a.list = b.list and a.user = b.user)",
  };

  for (size_t i = 0; i < sizeof scans / sizeof *scans; i++)
    refuses (scans[i], "at members");
  refuses (scans[0], "its whole primary key, so compare each of these with = and without another "
                     "collation: list, user");
}
END_TEST

/* ---- What is wrong, and where -------------------------------------------------------------------- */

START_TEST (an_expression_is_refused_with_the_place)
{
  refuses ("owner = :sub and statsu = 'x'", "\"read\", character 18, at statsu = 'x'");
  refuses ("statsu = 'x'", "no such column: statsu");
  refuses ("members.list = list", "no such column: members.list");
  refuses ("owner = \"ann\"", "no such column: ann");
  refuses ("owner = :sub and", "syntax error");
  refuses ("owner = = 1", "syntax error");
  refuses ("owner = shout(1)", "no such function: shout");
  refuses ("total > 5", "\"read\", character 1, at total > 5: a generated column does not travel");
  refuses ("rowid = 1", "does not travel");
  refuses ("todos.oid = 1", "does not travel");
  refuses ("", "\"read\" is empty");
  refuses ("  \n ", "\"read\" is empty");
  refuses ("owner, qty", "row value misused");
  refuses ("owner = 'x", "character 9, at 'x: this quote has no end");
  refuses ("(owner = 1", "a parenthesis is not closed");
  refuses ("owner = ?", "character 9, at ?: parameters are written :name");
  refuses ("owner = ?1", "parameters are written :name");
  refuses ("owner = @sub", "parameters are written :name");
  refuses ("owner = $sub", "parameters are written :name");
  refuses ("owner = : sub", "a parameter is a colon and a name");
  ck_assert_ptr_null (rig_open (NULL, NULL, NULL, NULL, &error));
  ck_assert_str_eq (
      error.text, "neither \"read\" nor \"write\" is given: say which rows may be read or written");
  ck_assert_ptr_null (rig_open ("true", "statsu", NULL, NULL, &error));
  ck_assert_msg (strncmp (error.text, "\"write\", character 1", 20) == 0, "%s", error.text);
  ck_assert_ptr_null (
      rig_open ("true", NULL, (const char *const[]){"nothing", NULL}, NULL, &error));
  ck_assert_str_eq (error.text,
                    "\"uses\" names \"nothing\", and no table that is synced is called so");
  ck_assert_ptr_null (rig_open (MEMBER ")", NULL, NULL, NULL, &error));
  ck_assert_str_eq (error.text,
                    "\"read\", character 23, at members where member: this table is not "
                    "among \"uses\"");
}
END_TEST

/* ---- Threads ------------------------------------------------------------------------------------- */

static void *shared;

static void *
ask_often (void *subject)
{
  struct mantis_principal principal = {
      .size = sizeof principal, .subject = subject, .claims = "{\"shop\": 1}"};
  struct mantis_caller caller = {
      .size = sizeof caller, .principal = &principal, .lender = &rig_lender};
  bool yes = strcmp (subject, "ann") == 0;

  for (int i = 0; i < 2000; i++)
    if (rig_ops ()->sees (shared, &caller, &rig_todos, rig_row) != yes)
      return subject;
  return NULL;
}

START_TEST (several_threads_ask_at_once)
{
  pthread_t threads[4];
  void *failed;

  shared = opened ("owner = :sub and :shop = 1", NULL);
  for (int i = 0; i < 4; i++)
    pthread_create (&threads[i], NULL, ask_often, i % 2 ? "ann" : "bob");
  for (int i = 0; i < 4; i++) {
    pthread_join (threads[i], &failed);
    ck_assert_ptr_null (failed);
  }
  rig_free (shared);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("where");
  TCase *tests = tcase_create ("expressions");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_test (tests, an_expression_means_what_it_means_in_sqlite);
  tcase_add_test (tests, claims_are_values);
  tcase_add_test (tests, a_value_is_data);
  tcase_add_test (tests, each_caller_gets_its_own_answer);
  tcase_add_test (tests, many_callers_get_their_own_answers);
  tcase_add_test (tests, a_view_is_what_the_expression_looks_at);
  tcase_add_test (tests, a_write_has_to_hold_before_and_after);
  tcase_add_test (tests, what_may_be_read_may_be_written_if_nothing_is_said);
  tcase_add_test (tests, it_tells_which_columns_it_looks_at);
  tcase_add_test (tests, what_is_not_carried_is_not_known);
  tcase_add_test (tests, a_table_of_another_shape_is_not_answered_for);
  tcase_add_test (tests, rows_of_other_tables_are_lent);
  tcase_add_test (tests, nothing_lent_is_no);
  tcase_add_test (tests, a_lent_table_is_asked_by_its_key);
  tcase_add_test (tests, an_expression_is_refused_with_the_place);
  tcase_add_test (tests, several_threads_ask_at_once);
  tcase_set_timeout (tests, 60);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
