/* What a server tells of tables with filters, and takes: message by message.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "server_rig.h"
#include "sync/filter.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct caller boss = {NODE_C, "boss"};
static char cursor[200];

/* The column names who sees the row; with a membership, the caller's in table m. */
static bool
owns (const struct mantis_caller *caller, const struct mantis_value *value)
{
  return value->type == MANTIS_TEXT && strcmp (value->as.bytes, caller->principal->subject) == 0;
}

static bool
not_to_bob (const struct mantis_value *before, const struct mantis_value *after)
{
  (void)before;
  return !after || after->type != MANTIS_TEXT || strcmp (after->as.bytes, "bob") != 0;
}

static bool
is_member (const struct mantis_caller *caller, const struct mantis_value *value)
{
  const struct mantis_table *members = caller->lender->table (caller->lender, "m");
  struct mantis_value key[2] = {*value, {.type = MANTIS_TEXT}};
  struct mantis_error error;
  mantis_row row;

  key[1].as.bytes = caller->principal->subject;
  key[1].length = (uint32_t)strlen (caller->principal->subject);
  ck_assert_ptr_null (caller->lender->table (caller->lender, "t"));
  return caller->lender->row (caller->lender, members, key, &row, &error) == MANTIS_OK && row;
}

static void
start_with (struct rig_filter filter)
{
  rig_filter = filter;
  rig_start (
      "CREATE TABLE t (id INTEGER PRIMARY KEY, owner TEXT, v TEXT, cost TEXT DEFAULT 'dear');"
      "CREATE TABLE m (list TEXT, user TEXT, PRIMARY KEY (list, user));"
      "INSERT INTO t VALUES (1, 'alice', 'of alice', 'c1'), (2, 'bob', 'of bob', 'c2')");
}

static void
set_up (void)
{
  start_with ((struct rig_filter){.table = "t", .looks = "owner", .sees = owns});
}

static void
take_cursor (void)
{
  char *dumped = json_dumps (json_object_get (rig_answer, "cursor"), JSON_COMPACT);

  snprintf (cursor, sizeof cursor, "%s", dumped);
  for (char *c = cursor; *c; c++)
    *c = *c == '"' ? '\'' : *c;
  free (dumped);
}

static void
now (void)
{
  ck_assert_int_eq (ask (&curl, "pull", "{}"), 200);
  take_cursor ();
}

static bool
told (const char *text)
{
  return strstr (rig_reply.body.bytes, text) != NULL;
}

/* What CALLER is told of what came after the cursor: "2" a row, "-2" gone; and the tables to compare. */
static const char *
news (const struct caller *caller, const char *more)
{
  static char text[200];
  const json_t *block, *row;
  size_t i, j;

  ck_assert_int_eq (ask (caller, "pull", "{'cursor':%s%s}", cursor, more), 200);
  *text = '\0';
  json_array_foreach (json_object_get (rig_answer, "changes"), i, block)
  {
    json_array_foreach (json_object_get (block, "rows"), j, row) sprintf (
        strchr (text, '\0'), " %lld", (long long)json_integer_value (json_array_get (row, 0)));
    json_array_foreach (json_object_get (block, "deleted"), j, row) sprintf (
        strchr (text, '\0'), " -%lld", (long long)json_integer_value (json_array_get (row, 0)));
  }
  json_array_foreach (json_object_get (rig_answer, "compare"), i, row)
      sprintf (strchr (text, '\0'), " %s", json_string_value (row));
  return *text ? text + 1 : text;
}

/* ---- Rows ---- */

/* R37, R39 */
START_TEST (rows_come_into_sight_and_leave_it)
{
  now ();
  sql ("UPDATE t SET owner = 'bob' WHERE id = 1");
  ck_assert_str_eq (news (&node_a, ""), "-1");
  ck_assert (!told ("of alice") && !told ("bob"));
  ck_assert_str_eq (news (&node_b, ""), "1");
  ck_assert_str_eq (news (&node_c, ""), "");
  sql ("UPDATE t SET owner = 'carol' WHERE id = 1; DELETE FROM t WHERE id = 2");
  ck_assert_str_eq (news (&node_a, ""), "-1");
  ck_assert_str_eq (news (&node_b, ""), "-1 -2"); /* it may have pulled in between */
  ck_assert_str_eq (news (&node_c, ""), "1");
  take_cursor ();
  sql ("INSERT INTO t (id, owner) VALUES (3, 'alice'); UPDATE t SET v = 'edited' WHERE id = 3; "
       "DELETE FROM t WHERE id = 3");
  sql ("INSERT OR REPLACE INTO t (id, owner) VALUES (1, 'bob'); UPDATE OR REPLACE t SET id = 9, "
       "owner = 'alice' WHERE id = 1");
  ck_assert_str_eq (news (&node_a, ""), "9 -3");
  ck_assert_str_eq (news (&node_c, ""), "-1");
}
END_TEST

/* A row that comes into sight and leaves it between two pages may be on the device. */
START_TEST (pages_of_a_backlog_leave_nothing_behind)
{
  char second[200];

  now ();
  sql ("UPDATE t SET v = 'x' WHERE id = 2; INSERT INTO t (id, owner) VALUES (7, 'carol')");
  sql ("UPDATE t SET owner = 'alice' WHERE id = 2");
  ck_assert_str_eq (news (&node_a, ",'limit':1"), "2"); /* as it is now */
  ck_assert (json_is_false (json_object_get (rig_answer, "complete")));
  take_cursor ();
  snprintf (second, sizeof second, "%s", cursor);
  sql ("UPDATE t SET owner = 'bob' WHERE id = 2");
  for (int pages = 0;; pages++) {
    ck_assert_int_lt (pages, 10);
    if (strstr (news (&node_a, ",'limit':1"), "-2"))
      break;
    ck_assert_str_eq (news (&node_a, ",'limit':1"), ""); /* an empty page moves the cursor */
    take_cursor ();
    ck_assert_str_ne (cursor, second);
  }
}
END_TEST

/* O25 */
START_TEST (keys_out_of_sight_are_as_good_as_none)
{
  char *first, *second;

  now ();
  ck_assert_int_eq (
      ask (&node_a, "pull", "{'cursor':%s,'keys':[{'table':'t','keys':[[2],[8]]}]}", cursor), 200);
  ck_assert (told ("\"deleted\":[[2],[8]]"));
  ck_assert_int_eq (push (&curl, 0, "{'table':'t','base':9,'columns':['id','v'],'rows':[[2,'x']]}"),
                    200);
  ck_assert_str_eq (outcome_of ("t", "[2]"), "rejected");
  first = json_dumps (exception_of ("t", "[2]"), JSON_SORT_KEYS);
  ck_assert_int_eq (push (&curl, 0, "{'table':'t','base':9,'columns':['id','v'],'rows':[[8,'x']]}"),
                    200);
  second = json_dumps (exception_of ("t", "[8]"), JSON_SORT_KEYS);
  *strstr (second, "[8]") = '[';
  strstr (second, "[8]")[1] = '2';
  ck_assert_str_eq (first, second);
  free (first);
  free (second);
  ck_assert_int_eq (push (&curl, 0, "{'table':'t','base':9,'deleted':[[2],[8]]}"), 200);
  ck_assert_int_eq (outcomes ("rejected"), 2);
  is ("of bob", "SELECT v FROM t WHERE id = 2");
  ck_assert_int_eq (ask_raw (&node_a, "conflicts", "", 0), 200);
  ck_assert_uint_eq (json_array_size (json_object_get (rig_answer, "conflicts")), 0);
}
END_TEST

/* Whoever pushed to keys at random is not told by the list of conflicts which of them somebody has. */
START_TEST (conflicts_tell_no_keys_either)
{
  const char *rows = "{'table':'t','base':9,'columns':['id','owner','v'],'rows':[[2,'carol','x'],"
                     "[8,'carol','x']]}";

  push (&node_c, 1, "%s", rows);
  ck_assert_int_eq (outcomes ("rejected"), 2);
  is ("2", "SELECT count(*) FROM __sync_conflicts");
  ask_raw (&node_c, "conflicts", "", 0);
  ck_assert_uint_eq (json_array_size (json_object_get (rig_answer, "conflicts")), 0);
  sql ("UPDATE t SET owner = 'carol' WHERE id = 2"); /* it sees that one now */
  ask_raw (&node_c, "conflicts", "", 0);
  ck_assert (told ("\"key\":[2]") && !told ("\"key\":[8]"));
}
END_TEST

/* Who new rows meet is not who was there before, out of sight. */
START_TEST (a_key_whose_unseen_row_is_gone_is_free)
{
  int64_t old = rig_past;

  sql ("INSERT INTO t (id, owner) VALUES (3, 'alice'), (4, 'bob')");
  sql ("DELETE FROM t WHERE id > 2");
  push (&curl, 0,
        "{'table':'t','created':1,'updated_at':%lld,'columns':['id','owner'],'rows':[[3,"
        "'%s'],[4,'%s'],[5,'%s']]}",
        (long long)old, curl.subject, curl.subject, curl.subject);
  ck_assert_int_eq (outcomes ("applied"), 3); /* it saw none of them */
  is ("3", "SELECT count(*) FROM t WHERE id > 2");
  now ();
  ask (&curl, "pull", "{'cursor':%s,'keys':[{'table':'t','keys':[[4],[5]]}]}", cursor);
  ck_assert (!told ("\"deleted\"") && !told ("+updated_at")); /* both have the time that was said */
  sql ("INSERT INTO t (id, owner) VALUES (6, 'alice'); DELETE FROM t WHERE id = 6");
  push (&node_a, 1,
        "{'table':'t','created':1,'updated_at':%lld,'columns':['id','owner'],'rows':[[6,"
        "'alice']]}",
        (long long)old);
  ck_assert_str_eq (outcome_of ("t", "[6]"), "superseded"); /* that deletion it may have seen */
}
END_TEST

/* A device met the server with a file that had them already. */
START_TEST (old_copies_do_not_bring_back_what_was_deleted)
{
  char *first, *second;

  sql ("INSERT INTO t (id, owner) VALUES (3, 'bob'), (4, 'alice')");
  sql ("UPDATE t SET owner = 'bob' WHERE id = 4; DELETE FROM t WHERE id > 2");
  push (&node_a, 1,
        "{'table':'t','created':1,'updated_at':1,'columns':['id','owner'],'rows':[[2,'bob'],"
        "[3,'bob'],[4,'alice'],[5,'alice']]}");
  ck_assert_int_eq (outcomes ("applied"), 1); /* a key that nobody had */
  is ("5", "SELECT group_concat(id) FROM t WHERE id > 2");
  is ("3",
      "SELECT count(*) FROM __sync_conflicts WHERE outcome = 'rejected' AND loser IS NOT NULL");
  first = json_dumps (exception_of ("t", "[2]"), JSON_SORT_KEYS);
  second = json_dumps (exception_of ("t", "[3]"), JSON_SORT_KEYS);
  strstr (second, "[3]")[1] = '2';
  ck_assert_str_eq (first, second); /* nor is the author told which of them is there */
  free (first);
  free (second);
}
END_TEST

START_TEST (a_refusal_tells_nothing_of_who_is_gone)
{
  char *first, *second;

  rig_stop ();
  start_with (
      (struct rig_filter){.table = "t", .looks = "owner", .sees = owns, .lets = not_to_bob});
  sql ("INSERT INTO t (id, owner) VALUES (4, 'carol')");
  sql ("DELETE FROM t WHERE id = 4");
  push (&node_a, 1,
        "{'table':'t','created':1,'columns':['id','owner'],'rows':[[4,'bob'],[5,'bob']]}");
  ck_assert_int_eq (outcomes ("rejected"), 2);
  first = json_dumps (exception_of ("t", "[4]"), JSON_SORT_KEYS);
  second = json_dumps (exception_of ("t", "[5]"), JSON_SORT_KEYS);
  strstr (second, "[5]")[1] = '4';
  ck_assert_str_eq (first, second);
  free (first);
  free (second);
}
END_TEST

/* The filter may look at the node: of whose it is not, that is none. */
START_TEST (nobody_asks_in_the_name_of_another_node)
{
  const struct caller thief = {NODE_A, "carol"};

  ck_assert_int_eq (ask (&node_a, "hello", "{}"), 200);
  ck_assert_int_eq (ask_raw (&node_a, "conflicts", "", 0), 200);
  ck_assert_int_eq (ask_raw (&thief, "conflicts", "", 0), 403);
  rig_administrators ((const char *const[]){"carol", NULL});
  ck_assert_int_eq (ask (&thief, "conflicts", "{'id':1,'choose':'local'}"), 403);
}
END_TEST

/* Whose key is of few, and whose time is known, would be found by trying: not in a cursor. */
START_TEST (cursors_do_not_depend_on_keys)
{
  char first[200];

  rig_filter = (struct rig_filter){.table = NULL};
  rig_reopen ();
  sql ("INSERT INTO t (id, owner) VALUES (77, 'bob')");
  now ();
  rig_filter = (struct rig_filter){.table = "t", .looks = "owner", .sees = owns};
  rig_reopen ();
  ck_assert_str_eq (news (&node_a, ""), ""); /* one from before the filter is as good */
  take_cursor ();
  snprintf (first, sizeof first, "%s", cursor);
  sql ("UPDATE __sync_log SET k0 = 78 WHERE seq = (SELECT max(seq) FROM __sync_log)");
  now ();
  ck_assert_str_eq (cursor, first);
  sql ("UPDATE __sync_log SET time = time - 1 WHERE seq = (SELECT max(seq) FROM __sync_log)");
  ck_assert_int_eq (ask (&node_a, "pull", "{'cursor':%s}", cursor), 409); /* another history */
  rig_filter = (struct rig_filter){.table = NULL};
  rig_reopen ();
  sql ("UPDATE __sync_log SET time = time + 1 WHERE seq = (SELECT max(seq) FROM __sync_log)");
  ck_assert_int_eq (ask (&node_a, "pull", "{'cursor':%s}", cursor), 200);
}
END_TEST

START_TEST (pages_of_a_table_and_checksums_are_of_what_is_seen)
{
  sql ("WITH n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 400) INSERT INTO t (id, "
       "owner) SELECT "
       "i, iif (i % 50 = 0, 'alice', 'bob') FROM n");
  now ();
  ck_assert_int_eq (ask (&node_a, "pull", "{'cursor':%s,'load':{'table':'t','limit':5}}", cursor),
                    200);
  ck_assert (told ("\"rows\":[[1,\"alice\"") && !told ("bob") && told ("[50,") && told ("[200,"));
  ck_assert_int_eq (ask (&node_c, "pull", "{'cursor':%s,'load':{'table':'t','limit':5}}", cursor),
                    200);
  ck_assert (told ("\"load\":{\"changes\":[],\"end\":true}"));
}
END_TEST

/* What a device wrote so that it does not see it any more leaves the device. */
START_TEST (own_writes_out_of_sight_are_gone)
{
  now ();
  push (&node_a, 1,
        "{'table':'t','base':999,'columns':['id','owner'],'rows':[[1,'carol'],[5,'nobody'],[6,'"
        "alice']]}");
  ck_assert_int_eq (outcomes ("rejected"), 2); /* there is no 5 and no 6 */
  push (&node_a, 2,
        "{'table':'t','created':1,'columns':['id','owner'],'rows':[[5,'nobody'],[6,'alice']]}");
  ck_assert_int_eq (outcomes ("applied"), 2);
  ck_assert_str_eq (news (&node_a, ""), "-1 -5");
  sql ("UPDATE t SET v = 'seen by nobody' WHERE id = 5");
  ck_assert_str_eq (news (&node_a, ""), "-1 -5");
  ck_assert_str_eq (news (&node_c, ""), "1");
}
END_TEST

/* The answer was lost, and the page that told of it; meanwhile the row is gone. */
START_TEST (own_writes_out_of_sight_are_gone_though_deleted_later)
{
  now ();
  push (&node_a, 1, "{'table':'t','created':1,'columns':['id','owner'],'rows':[[5,'nobody']]}");
  sql ("UPDATE t SET v = 'x' WHERE id = 1; DELETE FROM t WHERE id = 5");
  ck_assert_str_eq (news (&node_a, ",'limit':1"), "-5");
  take_cursor ();
  ck_assert_str_eq (news (&node_a, ""), "1");
  take_cursor ();
  push (&node_a, 2, "{'table':'t','created':1,'columns':['id','owner'],'rows':[[6,'alice']]}");
  push (&node_a, 3, "{'table':'t','base':999,'columns':['id','owner'],'deleted':[[6]]}");
  ck_assert_str_eq (news (&node_a, ""), "");
}
END_TEST

/* As one is sent of a row that was made anew since. */
START_TEST (a_deletion_of_a_row_out_of_sight_is_kept)
{
  push (&node_a, 1, "{'table':'t','created':1,'columns':['id','owner'],'rows':[[5,'nobody']]}");
  push (&node_a, 2, "{'table':'t','created':1,'columns':['id','owner'],'deleted':[[5],[6]]}");
  ck_assert_str_eq (outcome_of ("t", "[5]"), "rejected");
  ck_assert_int_eq (outcomes ("same"), 1);
  is ("1", "SELECT count(*) FROM __sync_conflicts WHERE outcome = 'rejected'");
}
END_TEST

START_TEST (what_may_not_be_written_is_rejected_by_name)
{
  rig_stop ();
  start_with (
      (struct rig_filter){.table = "t", .looks = "owner", .sees = owns, .lets = not_to_bob});
  push (&node_a, 1, "{'table':'t','base':999,'columns':['id','owner'],'rows':[[1,'bob']]}");
  ck_assert_str_eq (outcome_of ("t", "[1]"), "rejected");
  ck_assert_str_eq (json_string_value (json_object_get (exception_of ("t", "[1]"), "decided_by")),
                    "rig");
  ck_assert_str_eq (json_string_value (json_object_get (exception_of ("t", "[1]"), "reason")),
                    "not you");
  ck_assert (told ("\"row\":{\"id\":1,\"owner\":\"alice\""));
  push (&node_a, 2, "{'table':'t','base':999,'columns':['id','v'],'rows':[[1,'edited']]}");
  ck_assert_str_eq (outcome_of ("t", "[1]"), "applied");
}
END_TEST

/* ---- Columns ---- */

START_TEST (hidden_columns_do_not_travel)
{
  rig_stop ();
  start_with ((struct rig_filter){.table = "t", .looks = "owner", .sees = owns, .hides = "cost"});
  now ();
  sql ("UPDATE t SET owner = 'alice'");
  ck_assert_str_eq (news (&node_a, ",'load':{'table':'t'},'keys':[{'table':'t','keys':[[1]]}]"),
                    "1 2");
  ck_assert (told ("of alice") && told ("of bob") && !told ("cost") && !told ("\"c1\"") &&
             !told ("\"c2\""));
  ck_assert_int_eq (ask (&node_a, "schema", "{}"), 200);
  ck_assert (!told ("cost"));
  sql ("UPDATE t SET owner = 'boss'");
  ck_assert_str_eq (news (&boss, ""), "1 2");
  ck_assert (told ("\"c1\""));
  sql ("UPDATE t SET owner = 'alice'");
  push (&node_a, 1,
        "{'table':'t','base':999,'columns':['id','owner','cost'],'rows':[[1,'alice','free']]}");
  ck_assert_str_eq (outcome_of ("t", "[1]"), "rejected");
  ck_assert (told ("\\\"cost\\\" may not be written") && !told ("\"c1\""));
  push (&node_a, 2, "{'table':'t','base':999,'columns':['id','v'],'rows':[[1,'edited']]}");
  ck_assert_str_eq (outcome_of ("t", "[1]"), "applied");
  is ("c1", "SELECT cost FROM t WHERE id = 1");
}
END_TEST

START_TEST (a_shape_is_what_is_seen)
{
  char own[20], whole[20];

  rig_stop ();
  start_with ((struct rig_filter){.table = "t", .looks = "owner", .sees = owns, .hides = "cost"});
  ask (&node_a, "hello", "{'tables':{'t':'x'}}");
  ck_assert (told ("\"t\":{\"state\":\"paused\""));
  ask (&node_a, "schema", "{}");
  snprintf (own, sizeof own, "%s",
            json_string_value (json_object_get (
                json_array_get (json_object_get (rig_answer, "tables"), 1), "fingerprint")));
  ask (&boss, "schema", "{}");
  snprintf (whole, sizeof whole, "%s",
            json_string_value (json_object_get (
                json_array_get (json_object_get (rig_answer, "tables"), 1), "fingerprint")));
  ck_assert_str_ne (own, whole);
  ask (&node_a, "hello", "{'tables':{'t':'%s'}}", own);
  ck_assert (told ("\"t\":{\"state\":\"live\""));
  ck_assert_int_eq (
      push (&node_a, 1,
            "{'table':'t','schema':'%s','base':9,'columns':['id','v'],'rows':[[1,'x']]}", whole),
      409);
  ck_assert_int_eq (
      push (&node_a, 1,
            "{'table':'t','schema':'%s','base':9,'columns':['id','v'],'rows':[[1,'x']]}", own),
      200);
}
END_TEST

/* ---- What else decides ---- */

/* R38, R40 */
START_TEST (who_borrows_compares)
{
  int64_t view;

  rig_stop ();
  start_with ((struct rig_filter){.table = "t", .looks = "owner", .sees = is_member, .uses = "m"});
  sql ("INSERT INTO m VALUES ('alice', 'carol')");
  now ();
  ck_assert_int_eq (ask (&node_c, "pull", "{'cursor':%s,'load':{'table':'t'}}", cursor), 200);
  ck_assert (told ("of alice") && !told ("of bob"));
  view = json_integer_value (json_object_get (rig_answer, "view"));
  ck_assert_int_ne (view, 0);
  sql ("DELETE FROM m; DELETE FROM t WHERE id = 1; INSERT INTO m VALUES ('bob', 'carol')");
  ck_assert_ptr_nonnull (strstr (news (&node_c, ""), " t"));
  ck_assert_int_eq (json_integer_value (json_object_get (rig_answer, "view")), view);
  ck_assert_ptr_nonnull (strstr (news (&node_c, ",'skip':['m']"), "t"));
  ck_assert_int_eq (ask (&node_c, "pull", "{'cursor':%s,'load':{'table':'t'}}", cursor), 200);
  ck_assert (told ("of bob"));
}
END_TEST

/* What was written before anybody asked for filters tells nothing of what it was. */
START_TEST (what_is_not_known_is_compared)
{
  rig_stop ();
  start_with ((struct rig_filter){.table = NULL});
  now ();
  ck_assert_ptr_null (json_object_get (rig_answer, "view"));
  sql ("UPDATE t SET owner = 'bob' WHERE id = 1");
  rig_filter = (struct rig_filter){.table = "t", .looks = "owner", .sees = owns};
  rig_reopen ();
  ck_assert_str_eq (news (&node_a, ""), "t");
  ck_assert_str_eq (news (&node_b, ""), "1");
  take_cursor ();
  sql ("UPDATE t SET owner = 'alice' WHERE id = 1");
  ck_assert_str_eq (news (&node_b, ""), "-1");
  is (NULL, "SELECT happened FROM __sync_state WHERE tbl = 't' AND happened IS NOT NULL");
  rig_filter = (struct rig_filter){.table = NULL};
  rig_reopen ();
  is (NULL, "SELECT happened FROM __sync_state WHERE tbl = 't' AND happened IS NOT NULL");
  is ("0", "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%w0%'");
}
END_TEST

START_TEST (a_table_that_its_filter_does_not_fit_is_closed)
{
  rig_stop ();
  start_with ((struct rig_filter){.table = "t", .looks = "owner", .sees = owns, .unfit = true});
  now ();
  sql ("UPDATE t SET owner = 'bob'");
  ck_assert_str_eq (news (&node_b, ""), "");
  ck_assert_int_eq (ask (&node_b, "pull", "{'cursor':%s,'load':{'table':'t'}}", cursor), 409);
  ck_assert_int_eq (ask (&node_b, "hello", "{'tables':{'t':'x'}}"), 200);
  ck_assert (told ("\"t\":{\"state\":\"unknown\",\"reason\":"));
  ck_assert_int_eq (push (&node_b, 1, "{'table':'t','schema':'x','columns':['id'],'rows':[[3]]}"),
                    409);
  ck_assert_int_eq (push (&node_b, 1, "{'table':'t','columns':['id'],'rows':[[3]]}"), 400);
  ask (&node_b, "schema", "{}");
  ck_assert (!told ("owner"));
}
END_TEST

/* ---- Other filters ---- */

static int64_t
wait_of (const char *cursor_and_more)
{
  ck_assert_int_eq (ask (&node_a, "pull", "{'cursor':%s,'wait':3%s}", cursor, cursor_and_more),
                    200);
  return rig_reply.wait;
}

/* Whoever knows of others than those that are asked does not wait: its view may be another one. */
START_TEST (who_was_told_of_other_filters_does_not_wait)
{
  int64_t number;
  char more[60];

  now ();
  number = json_integer_value (json_object_get (rig_answer, "filters"));
  ck_assert_int_ne (number, 0);
  snprintf (more, sizeof more, ",'filters':%lld", (long long)number);
  ck_assert_int_eq (wait_of (more), 3000);
  ck_assert_int_eq (wait_of (""), 3000); /* it does not say */
  ck_assert_int_eq (wait_of (",'filters':0"), 0);
  ck_assert_int_eq (json_integer_value (json_object_get (rig_answer, "filters")), number);
  ck_assert_int_eq (ask (&node_a, "hello", "{}"), 200);
  ck_assert_int_eq (json_integer_value (json_object_get (rig_answer, "filters")), number);

  rig_filter = (struct rig_filter){.table = "t", .looks = "v", .sees = owns};
  rig_reopen ();
  ck_assert_int_eq (wait_of (more), 0);
  ck_assert_int_ne (json_integer_value (json_object_get (rig_answer, "filters")), number);
  rig_filter = (struct rig_filter){.table = NULL};
  rig_reopen ();
  ck_assert_int_eq (wait_of (more), 0);
  ck_assert_ptr_null (json_object_get (rig_answer, "filters"));
  ck_assert_int_eq (wait_of (",'filters':0"), 3000);
}
END_TEST

static struct {
  bool fits;
  const char *uses[2];
  uint64_t settings;
} tried;

static bool
reads_all (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
           mantis_row row)
{
  (void)self, (void)principal, (void)table, (void)row;
  return true;
}

static enum mantis_status
fits (void *self, const struct mantis_table *table, const struct mantis_lender *lender, bool *looks,
      struct mantis_error *error)
{
  (void)self, (void)table, (void)lender, (void)looks;
  return tried.fits ? MANTIS_OK : mantis_fail (error, MANTIS_INVALID, "too tight");
}

static const char *const *
tries_to_use (void *self)
{
  (void)self;
  return tried.uses;
}

static struct filter_chain
tried_chain (void *context, const char *table)
{
  static const struct mantis_filter ops = {
      .size = sizeof ops, .reads = reads_all, .prepare = fits, .uses = tries_to_use};
  static struct instance own = {.ops = &ops, .name = "tried", .parallel = true},
                         *const instances[] = {&own};
  static const struct filter_source source = {"f.json", "$.tables.t.filters[3]", "{}"},
                                    *const sources[] = {&source};

  (void)context;
  return (struct filter_chain){.instances = instances,
                               .sources = sources,
                               .count = strcmp (table, "t") == 0,
                               .settings = tried.settings};
}

/* What is wrong with them is told, and where; those that are asked know nothing of it. */
START_TEST (filters_are_tried_before_anybody_is_asked)
{
  struct filters *coming = filters_new (tried_chain, NULL);
  struct mantis_error error;

  now ();
  ck_assert (filters_try (coming, &rig_store, &error) == MANTIS_INVALID);
  ck_assert_str_eq (error.text, "f.json: $.tables.t.filters[3]: table \"t\": its filter \"tried\" "
                                "does not fit: too tight");
  tried.fits = true;
  ck_assert (filters_try (coming, &rig_store, &error) == MANTIS_OK);
  tried.uses[0] = "nosuch";
  ck_assert (filters_try (coming, &rig_store, &error) == MANTIS_INVALID);
  ck_assert_ptr_nonnull (strstr (error.text, "f.json: $.tables.t.filters[3]: table \"t\""));
  ck_assert_ptr_nonnull (strstr (error.text, "nosuch"));
  tried.uses[0] = "m";
  ck_assert (filters_try (coming, &rig_store, &error) == MANTIS_OK);
  sql ("UPDATE t SET owner = 'bob' WHERE id = 1");
  ck_assert_str_eq (news (&node_b, ""), "1");

  /* A table that is closed is no reason to refuse those of others, but others of its own are. */
  rig_filter.unfit = true;
  rig_reopen ();
  tried.fits = false;
  ck_assert (filters_try (coming, &rig_store, &error) == MANTIS_INVALID);
  tried.settings = 7; /* the rig's */
  ck_assert (filters_try (coming, &rig_store, &error) == MANTIS_OK);
  filters_free (coming);
}
END_TEST

static enum mantis_decision
leave_it (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
          struct mantis_arena *arena, struct mantis_error *error)
{
  (void)self, (void)conflict, (void)merged, (void)arena, (void)error;
  return MANTIS_DEFER;
}

/* What a device did not change it does not send: that is, in a conflict, as the others have it. */
START_TEST (conflicts_of_what_is_seen)
{
  rig_stop ();
  start_with ((struct rig_filter){.table = "t", .looks = "owner", .sees = owns, .hides = "cost"});
  rig_decide = leave_it;
  sql ("UPDATE t SET v = 'meanwhile'");
  push (&node_a, 1, "{'table':'t','base':1,'columns':['id','v'],'rows':[[1,'x']]}");
  push (&node_b, 1, "{'table':'t','base':1,'columns':['id','v'],'rows':[[2,'y']]}");
  push (&node_a, 2, "{'table':'t','base':1,'columns':['id','owner'],'rows':[[1,'bob']]}");
  rig_decide = NULL;
  is ("3", "SELECT count(*) FROM __sync_conflicts"); /* the last took the place of the first */
  ask_raw (&node_a, "conflicts", "", 0);
  ck_assert (told ("\"id\":3,") && told ("meanwhile") && told ("\"v\":\"x\""));
  ck_assert (!told ("\"id\":1,\"tbl\"") && !told ("\"id\":2,\"tbl\"") && !told ("c1"));

  rig_administrators ((const char *const[]){"bob", NULL});
  ck_assert_int_eq (ask (&node_b, "conflicts", "{'id':2,'choose':'merged','row':{'cost':'c2'}}"),
                    403);
  ck_assert_int_eq (ask (&node_b, "conflicts", "{'id':2,'choose':'merged','row':{'cost':'c3'}}"),
                    403);
  ck_assert_int_eq (ask (&node_b, "conflicts", "{'id':3,'choose':'loser'}"), 404);
  /* Nor does it become what somebody wrote who sees it. */
  sql ("UPDATE __sync_conflicts SET loser = json_set (loser, '$.cost', 'dear') WHERE id = 2");
  ck_assert_int_eq (ask (&node_b, "conflicts", "{'id':2,'choose':'remote'}"), 403);
  sql ("UPDATE __sync_conflicts SET loser = json_remove (loser, '$.cost') WHERE id = 2");
  ck_assert_int_eq (ask (&node_b, "conflicts", "{'id':2,'choose':'remote'}"), 200);
  is ("y", "SELECT v FROM t WHERE id = 2");
  is ("c2", "SELECT cost FROM t WHERE id = 2");
}
END_TEST

/* What a merge makes of a column depends on what it was made of: a guess must not be confirmed by that. */
static enum mantis_decision
confirm (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
         struct mantis_arena *arena, struct mantis_error *error)
{
  (void)self, (void)merged, (void)arena, (void)error;
  ck_assert_int_eq (conflict->base[2].type, MANTIS_TEXT);
  ck_assert_int_eq (conflict->base[3].type, MANTIS_NONE);
  return MANTIS_KEEP_LOCAL;
}

START_TEST (guesses_about_hidden_columns_count_for_nothing)
{
  rig_stop ();
  start_with ((struct rig_filter){.table = "t", .looks = "owner", .sees = owns, .hides = "cost"});
  rig_decide = confirm;
  rig_wants = MANTIS_WANTS_BASE;
  sql ("UPDATE t SET v = 'meanwhile' WHERE id = 1");
  push (&node_a, 1,
        "{'table':'t','base':1,'columns':['id','v'],'meta':['was'],'rows':[[1,'x',{'v':'of alice',"
        "'cost':'c1'}]]}");
  ck_assert_str_eq (outcome_of ("t", "[1]"), "superseded");
  is (NULL, "SELECT 1 FROM __sync_conflicts WHERE base_row LIKE '%%c1%%'");
  rig_decide = NULL;
  rig_wants = 0;
}
END_TEST

static Suite *
filter_suite (void)
{
  Suite *suite = suite_create ("filter");
  TCase *tcase = tcase_create ("messages");

  tcase_add_checked_fixture (tcase, set_up, rig_stop);
  tcase_add_test (tcase, rows_come_into_sight_and_leave_it);
  tcase_add_test (tcase, pages_of_a_backlog_leave_nothing_behind);
  tcase_add_test (tcase, keys_out_of_sight_are_as_good_as_none);
  tcase_add_test (tcase, conflicts_tell_no_keys_either);
  tcase_add_test (tcase, a_key_whose_unseen_row_is_gone_is_free);
  tcase_add_test (tcase, old_copies_do_not_bring_back_what_was_deleted);
  tcase_add_test (tcase, a_refusal_tells_nothing_of_who_is_gone);
  tcase_add_test (tcase, nobody_asks_in_the_name_of_another_node);
  tcase_add_test (tcase, cursors_do_not_depend_on_keys);
  tcase_add_test (tcase, pages_of_a_table_and_checksums_are_of_what_is_seen);
  tcase_add_test (tcase, own_writes_out_of_sight_are_gone);
  tcase_add_test (tcase, own_writes_out_of_sight_are_gone_though_deleted_later);
  tcase_add_test (tcase, a_deletion_of_a_row_out_of_sight_is_kept);
  tcase_add_test (tcase, what_may_not_be_written_is_rejected_by_name);
  tcase_add_test (tcase, hidden_columns_do_not_travel);
  tcase_add_test (tcase, a_shape_is_what_is_seen);
  tcase_add_test (tcase, conflicts_of_what_is_seen);
  tcase_add_test (tcase, guesses_about_hidden_columns_count_for_nothing);
  tcase_add_test (tcase, who_borrows_compares);
  tcase_add_test (tcase, what_is_not_known_is_compared);
  tcase_add_test (tcase, a_table_that_its_filter_does_not_fit_is_closed);
  tcase_add_test (tcase, who_was_told_of_other_filters_does_not_wait);
  tcase_add_test (tcase, filters_are_tried_before_anybody_is_asked);
  suite_add_tcase (suite, tcase);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (filter_suite ());
  int failed;

  log_set_level (MANTIS_ERROR + 1);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
