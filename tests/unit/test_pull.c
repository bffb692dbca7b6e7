/* core/sync/feed.c, core/message/pull.c, hello.c: what a server tells, page by page.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "server_rig.h"
#include "sync/capture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char cursor[200]; /* of the last page, as JSON with ' for " */

static void
set_up (void)
{
  rig_start ("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);"
             "CREATE TABLE pair (b TEXT, v TEXT, a INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID;"
             "INSERT INTO t VALUES (1, 'before Mantis')");
}

static const json_t *
member (const char *name)
{
  return json_object_get (rig_answer, name);
}

/* From the last cursor on, with MORE members. */
static int
pull (const struct caller *caller, const char *more)
{
  int status = ask (caller, "pull", "{'cursor':%s%s%s}", cursor, *more ? "," : "", more);

  if (status == 200) {
    char *dumped = json_dumps (member ("cursor"), JSON_COMPACT);
    snprintf (cursor, sizeof cursor, "%s", dumped);
    free (dumped);
  }
  return status;
}

/* The cursor of now. */
static void
start (void)
{
  strcpy (cursor, "null");
  ck_assert_int_eq (pull (&node_a, ""), 200);
  ck_assert (json_is_true (member ("complete")));
}

/* How many rows of TABLE's LIST ("rows", "deleted") there are in BLOCKS; with ID, how many of that
 * first value. */
static int
count_in (const json_t *blocks, const char *table, const char *list, int id)
{
  const json_t *block, *row;
  int count = 0;
  size_t i, j;

  json_array_foreach (
      blocks, i, block) if (strcmp (json_string_value (json_object_get (block, "table")), table) ==
                            0) json_array_foreach (json_object_get (block, list), j, row) count +=
      id == 0 || json_integer_value (json_array_get (row, 0)) == id;
  return count;
}

static int
rows (void)
{
  return count_in (member ("changes"), "t", "rows", 0);
}

static bool
complete (void)
{
  return json_is_true (member ("complete"));
}

/* COUNT rows from FROM on, each an entry of its own. */
static void
insert (int from, int count)
{
  char text[200];

  snprintf (text, sizeof text,
            "INSERT INTO t WITH n (i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
            "SELECT i, 'row' FROM n",
            from, from + count - 1);
  if (count)
    sql (text);
}

/* ---- Pages ---- */

/* R8: N = size - 1, size, size + 1, 0. */
START_TEST (pages_of_every_size_come_to_all)
{
  for (int count = 0; count <= 12; count++) {
    int seen = 0, pages = 0;
    sql ("DELETE FROM t");
    start ();
    insert (100, count);
    do {
      ck_assert_int_eq (pull (&node_a, "'limit':5"), 200);
      ck_assert_int_le (rows (), 5);
      seen += rows ();
      pages++;
    } while (!complete ());
    ck_assert_int_eq (seen, count);
    ck_assert_int_eq (pages, count <= 5 ? 1 : (count + 4) / 5);
    ck_assert_int_eq (json_integer_value (json_object_get (member ("cursor"), "rev")), head ());
    ck_assert_int_eq (pull (&node_a, "'limit':5"), 200); /* silence */
    ck_assert_int_eq (rows (), 0);
  }
}
END_TEST

/* R7: a thousand rows of one moment, pages of seven. */
START_TEST (rows_of_one_moment_are_paged)
{
  bool seen[1101] = {false};
  int count = 0;

  start ();
  insert (100, 1000);
  do {
    const json_t *block, *row;
    size_t i, j;
    ck_assert_int_eq (pull (&node_a, "'limit':7"), 200);
    json_array_foreach (member ("changes"), i, block)
        json_array_foreach (json_object_get (block, "rows"), j, row)
    {
      int id = (int)json_integer_value (json_array_get (row, 0));
      ck_assert (!seen[id]);
      seen[id] = true;
      count++;
    }
  } while (!complete ());
  ck_assert_int_eq (count, 1000);
}
END_TEST

/* A page has as many bytes as were asked for, about; at least one row. */
START_TEST (pages_have_a_size_in_bytes)
{
  int seen = 0, pages = 0;

  start ();
  sql ("INSERT INTO t WITH n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 399) "
       "SELECT i, printf('%.*c', 1000, 'x') FROM n");
  do {
    ck_assert_int_eq (pull (&node_a, "'bytes':20000"), 200);
    ck_assert_int_gt (rows (), 0);
    ck_assert_uint_le (rig_reply.body.length,
                       45000); /* twice that, until it is known how large rows are */
    seen += rows ();
    pages++;
  } while (!complete ());
  ck_assert_int_eq (seen, 300);
  ck_assert_int_ge (pages, 5);
  sql ("INSERT INTO t VALUES (1000, printf('%.*c', 100000, 'x'))");
  ck_assert_int_eq (pull (&node_a, "'bytes':10"), 200);
  ck_assert_int_eq (rows (), 1);
}
END_TEST

/* R18: of each key only what it is now. */
START_TEST (a_key_travels_as_it_is_now)
{
  start ();
  sql ("INSERT INTO t VALUES (2, 'a'); UPDATE t SET v = 'b' WHERE id = 2; UPDATE t SET v = 'c' "
       "WHERE id = 2;"
       "INSERT INTO t VALUES (3, 'short-lived'); DELETE FROM t WHERE id = 3; DELETE FROM t WHERE "
       "id = 1");
  ck_assert_int_eq (pull (&node_a, ""), 200);
  ck_assert_int_eq (rows (), 1);
  ck_assert_int_eq (count_in (member ("changes"), "t", "rows", 2), 1);
  ck_assert_int_eq (count_in (member ("changes"), "t", "deleted", 0), 2);
  ck_assert (strstr (rig_reply.body.bytes, "\"c\"") && !strstr (rig_reply.body.bytes, "\"b\""));
}
END_TEST

/* R13, R14: own changes do not come back; those of others, and what the database made of them, do.
 */
START_TEST (own_changes_are_skipped)
{
  start ();
  push (&node_a, 1, "{'table':'t','columns':['id','v'],'rows':[[2,'a'],[3,'a']]}");
  push (&node_b, 1, "{'table':'t','columns':['id','v'],'rows':[[4,'b']]}");
  push (&node_b, 2, "{'table':'t','columns':['id','v'],'base':%lld,'rows':[[3,'b']]}",
        (long long)head ());
  sql ("INSERT INTO t VALUES (5, 'office')");
  ck_assert_int_eq (pull (&node_a, ""), 200);
  ck_assert_int_eq (rows (), 3);
  ck_assert_int_eq (count_in (member ("changes"), "t", "rows", 2), 0);
  start ();
  push (&node_a, 2, "{'table':'t','columns':['id','v'],'rows':[[6,'a']]}");
  ck_assert_int_eq (ask (&curl, "pull", "{'cursor':%s}", cursor), 200); /* has no own */
  ck_assert_int_eq (rows (), 1);
  /* over entries that are read one by one, too: the newest decides */
  sql ("UPDATE t SET v = 'x' WHERE id = 6");
  ck_assert_int_eq (pull (&node_a, "'limit':1"), 200);
  ck_assert_int_eq (rows (), 1);
  ck_assert (complete ());
}
END_TEST

/* R24: or a transaction of others that would fit would be cut. */
START_TEST (own_changes_take_no_room)
{
  start ();
  push (&node_a, 1,
        "{'table':'t','columns':['id','v'],'rows':[[11,'a'],[12,'a'],[13,'a'],[14,'a'],[15,'a'],"
        "[16,'a'],[17,'a'],[18,'a']]}");
  sql ("INSERT INTO t VALUES (21, 'x'), (22, 'x'), (23, 'x'), (24, 'x'), (25, 'x')");
  ck_assert_int_eq (pull (&node_a, "'limit':5"), 200);
  ck_assert_int_eq (rows (), 5);
  ck_assert (complete ());
  start ();
  sql ("UPDATE t SET v = 'y' WHERE id > 20; INSERT INTO t VALUES (26, 'y')");
  ck_assert_int_eq (pull (&node_a, "'limit':5"), 200);
  ck_assert_int_eq (rows (), 5);
  ck_assert (!complete ());
}
END_TEST

/* C2: what REPLACE only might have removed is no change. */
START_TEST (what_did_not_happen_does_not_travel)
{
  sql ("CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT UNIQUE); INSERT INTO u VALUES (1, 'a'), (2, "
       "'b')");
  start ();
  sql ("INSERT OR IGNORE INTO u VALUES (3, 'a')");
  ck_assert_int_eq (pull (&node_a, ""), 200);
  ck_assert_uint_eq (json_array_size (member ("changes")), 0);
  sql ("REPLACE INTO u VALUES (3, 'a')"); /* C1 */
  ck_assert_int_eq (pull (&node_a, ""), 200);
  ck_assert_int_eq (count_in (member ("changes"), "u", "rows", 3), 1);
  ck_assert_int_eq (count_in (member ("changes"), "u", "deleted", 1), 1);
}
END_TEST

START_TEST (tables_may_be_skipped)
{
  start ();
  sql ("INSERT INTO t VALUES (2, 'a'); INSERT INTO pair VALUES ('b', 'v', 7)");
  ck_assert_int_eq (pull (&node_a, "'skip':['t','unknown',7]"), 200);
  ck_assert_int_eq (rows (), 0);
  ck_assert_uint_eq (json_array_size (member ("changes")), 1);
  ck_assert_int_eq (json_integer_value (json_object_get (member ("cursor"), "rev")), head ());
}
END_TEST

/* ---- Keys and loads ---- */

START_TEST (rows_are_had_by_key)
{
  sql ("INSERT INTO pair VALUES ('x', 'v1', 1), ('y', 'v2', 1), ('x', 'v3', 2)");
  start ();
  ck_assert_int_eq (pull (&node_a, "'keys':[{'table':'pair','keys':[[1,'y'],[2,'x'],[2,'y']]},{'"
                                   "table':'t','keys':[]},{'table':'t','keys':[[1],[9]]}]"),
                    200);
  ck_assert_int_eq (count_in (member ("keys"), "pair", "rows", 0), 2);
  ck_assert_int_eq (count_in (member ("keys"), "pair", "deleted", 2), 1);
  ck_assert_int_eq (count_in (member ("keys"), "t", "rows", 1), 1);
  ck_assert_int_eq (count_in (member ("keys"), "t", "deleted", 9), 1);
  ck_assert (strstr (rig_reply.body.bytes, "v2") && !strstr (rig_reply.body.bytes, "v1"));
}
END_TEST

/* What does not fit is asked for again; one row always fits. */
START_TEST (keys_have_a_size_in_bytes)
{
  sql ("INSERT INTO t VALUES (11, printf('%.*c', 9000, 'x')), (12, printf('%.*c', 9000, 'x')), "
       "(13, 'x')");
  start ();
  ck_assert_int_eq (pull (&node_a, "'bytes':10,'keys':[{'table':'t','keys':[[11],[12],[13]]}]"),
                    200);
  ck_assert_int_eq (count_in (member ("keys"), "t", "rows", 0), 1);
  ck_assert_int_eq (
      pull (&node_a, "'bytes':9500,'keys':[{'table':'t','keys':[[11]]},{'table':'t','keys':[[12],"
                     "[13]]}]"),
      200);
  ck_assert_int_eq (count_in (member ("keys"), "t", "rows", 0), 2);
  ck_assert_int_eq (count_in (member ("keys"), "t", "deleted", 0), 0);
}
END_TEST

/* V27: what no answer can carry is named, wherever it would have come; all else comes. */
static void
told_large (int id)
{
  const json_t *told = member ("too_large"), *row = json_array_get (told, 0);

  ck_assert_uint_eq (json_array_size (told), 1);
  ck_assert_str_eq (json_string_value (json_object_get (row, "table")), "t");
  ck_assert_int_eq (json_integer_value (json_array_get (json_object_get (row, "key"), 0)), id);
  ck_assert_int_ge (json_integer_value (json_object_get (row, "bytes")), 15000);
  ck_assert_int_eq (json_integer_value (json_object_get (row, "rev")), head () - 1);
  ck_assert_uint_lt (rig_reply.body.length, 20000);
}

static void
rows_around (const char *large)
{
  char text[300];
  int seen = 0, told = 0;

  snprintf (text, sizeof text, "INSERT INTO t VALUES (11, 'x'), (12, %s), (13, 'x')", large);
  sql ("DELETE FROM t");
  start ();
  sql (text);
  do { /* of what is read before it is known how long its JSON is, few fit into a page */
    ck_assert_int_eq (pull (&node_a, "'takes':20000"), 200);
    seen += rows ();
    if (member ("too_large")) {
      told_large (12);
      told++;
    }
  } while (!complete ());
  ck_assert_int_eq (seen, 2);
  ck_assert_int_eq (told, 1);
  ck_assert_int_eq (
      pull (&node_a, "'takes':20000,'keys':[{'table':'t','keys':[[11],[13],[14],[12]]}]"), 200);
  ck_assert_int_eq (count_in (member ("keys"), "t", "rows", 0), 2);
  ck_assert_int_eq (count_in (member ("keys"), "t", "deleted", 0), 1);
  told_large (12);
  ck_assert_int_eq (pull (&node_a, "'takes':20000,'load':{'table':'t','limit':2}"), 200);
  ck_assert_int_eq (count_in (json_object_get (member ("load"), "changes"), "t", "rows", 0), 1);
  told_large (12);
  /* A page has a row, or is the last: behind 11 there is 12 alone. */
  ck_assert_int_eq (pull (&node_a, "'takes':20000,'load':{'table':'t','after':[11],'limit':1}"),
                    200);
  ck_assert_int_eq (count_in (json_object_get (member ("load"), "changes"), "t", "rows", 13), 1);
  told_large (12);
  /* It came to fit. */
  ck_assert_int_eq (pull (&node_a, "'takes':200000,'keys':[{'table':'t','keys':[[12]]}]"), 200);
  ck_assert_int_eq (count_in (member ("keys"), "t", "rows", 12), 1);
  ck_assert_ptr_null (member ("too_large"));
}

START_TEST (what_no_answer_can_carry_is_named)
{
  rows_around ("printf('%.*c', 16000, 'x')");    /* the storage leaves it out */
  rows_around ("CAST(zeroblob(14000) AS BLOB)"); /* too large as JSON only */
  rows_around ("replace(hex(zeroblob(2000)), '0', char(7))");
  rows_around ("replace(hex(zeroblob(4000)), '0', '\"')");
}
END_TEST

static void
load_all (const char *table, int limit, int expected)
{
  char more[300] = "", *after = NULL;
  int seen = 0, pages = 0;
  bool end;

  do {
    const json_t *load, *block, *row = NULL;
    snprintf (more, sizeof more, "'load':{'table':'%s','limit':%d%s%s}", table, limit,
              after ? ",'after':" : "", after ? after : "");
    ck_assert_int_eq (pull (&node_a, more), 200);
    load = member ("load");
    block = json_array_get (json_object_get (load, "changes"), 0);
    row = json_array_get (json_object_get (block, "rows"),
                          json_array_size (json_object_get (block, "rows")) - 1);
    seen += count_in (json_object_get (load, "changes"), table, "rows", 0);
    end = json_is_true (json_object_get (load, "end"));
    free (after);
    after = NULL;
    if (row && strcmp (table, "t") == 0)
      ck_assert_int_ge (
          asprintf (&after, "[%lld]", (long long)json_integer_value (json_array_get (row, 0))), 0);
    else if (row) /* (b, v, a): the key is (a, b) */
      ck_assert_int_ge (asprintf (&after, "[%lld,'%s']",
                                  (long long)json_integer_value (json_array_get (row, 2)),
                                  json_string_value (json_array_get (row, 0))),
                        0);
    ck_assert_int_lt (++pages, 100);
  } while (!end);
  free (after);
  ck_assert_int_eq (seen, expected);
}

/* R8 again, O12: rows from before Mantis are there. */
START_TEST (a_table_is_loaded_page_by_page)
{
  start ();
  load_all ("t", 3, 1);
  for (int count = 0; count <= 7; count++) {
    sql ("DELETE FROM t; DELETE FROM pair; INSERT INTO t VALUES (-5, 'x')");
    insert (100, count);
    sql ("INSERT INTO pair SELECT id % 2, v, id / 2 FROM t");
    start ();
    load_all ("t", 3, count + 1);
    load_all ("pair", 3, count + 1);
  }
}
END_TEST

/* D9: a page of a table comes with a complete page of changes only, both of one moment. */
START_TEST (a_load_waits_for_a_complete_page)
{
  start ();
  insert (100, 3);
  ck_assert_int_eq (pull (&node_a, "'limit':2,'load':{'table':'t'}"), 200);
  ck_assert (!complete ());
  ck_assert_ptr_null (member ("load"));
  ck_assert_int_eq (pull (&node_a, "'limit':2,'load':{'table':'t'}"), 200);
  ck_assert (complete ());
  ck_assert_int_eq (count_in (json_object_get (member ("load"), "changes"), "t", "rows", 0), 4);
}
END_TEST

/* ---- Cursors ---- */

static void
refused_cursor (const char *text, int status, const char *code)
{
  ck_assert_msg (ask (&node_a, "pull", "{'cursor':%s}", text) == status, "%s: %d", text,
                 rig_reply.status);
  ck_assert_str_eq (json_string_value (member ("code")), code);
}

/* D7: of another history, or of what is not kept any more. */
START_TEST (cursors_are_checked)
{
  char text[300], epoch[40], mark[40];
  long long rev;

  start ();
  snprintf (epoch, sizeof epoch, "%s",
            json_string_value (json_object_get (member ("cursor"), "epoch")));
  snprintf (mark, sizeof mark, "%s",
            json_string_value (json_object_get (member ("cursor"), "mark")));
  rev = json_integer_value (json_object_get (member ("cursor"), "rev"));
  insert (100, 3);
  snprintf (text, sizeof text, "{'epoch':'0123456789abcdef','rev':%lld,'mark':'%s'}", rev, mark);
  refused_cursor (text, 409, "foreign");
  snprintf (text, sizeof text, "{'epoch':'%s','rev':%lld,'mark':'0000000000000000'}", epoch, rev);
  refused_cursor (text, 409, "foreign");
  snprintf (text, sizeof text, "{'epoch':'%s','rev':%lld,'mark':'%s'}", epoch, rev + 1, mark);
  refused_cursor (text, 409, "foreign");
  snprintf (text, sizeof text, "{'epoch':'%s','rev':9223372036854775807,'mark':'%s'}", epoch, mark);
  refused_cursor (text, 409, "foreign");
  snprintf (text, sizeof text, "{'epoch':'%s','rev':-9223372036854775808,'mark':'%s'}", epoch,
            mark);
  refused_cursor (text, 409, "foreign");
  refused_cursor ("{}", 409, "foreign");
  /* what came after it is pruned */
  sql ("DELETE FROM __sync_log WHERE seq < (SELECT max(seq) FROM __sync_log);"
       "INSERT INTO __sync_meta SELECT 'pruned', max(seq) FROM __sync_log");
  rig_reopen ();
  refused_cursor (cursor, 410, "pruned");
}
END_TEST

/* A server restored from a backup goes on otherwise: the entry at the cursor is another one. */
START_TEST (a_restored_server_is_noticed)
{
  start ();
  push (&node_b, 1, "{'table':'t','columns':['id','v'],'rows':[[2,'lost']]}");
  ck_assert_int_eq (pull (&node_a, ""), 200);
  sql ("DELETE FROM t WHERE id = 2; DELETE FROM __sync_log WHERE seq > 1; INSERT INTO t VALUES (8, "
       "'other'), (9, 'other')");
  ck_assert_int_eq (ask (&node_a, "pull", "{'cursor':%s}", cursor), 409);
}
END_TEST

/* Two servers on one database give no generation twice, and pass none over. */
static enum mantis_status (*attach) (struct mantis_session *session, const char *const *patterns,
                                     const struct mantis_schema **schema,
                                     struct mantis_error *error);

static enum mantis_status
attach_second (struct mantis_session *session, const char *const *patterns,
               const struct mantis_schema **schema, struct mantis_error *error)
{
  ck_assert (store_put_meta_integer (&rig_store, "generation", 41, error) == MANTIS_OK);
  return attach (session, patterns, schema, error);
}

START_TEST (another_server_comes_first)
{
  static struct mantis_storage ops;
  struct mantis_error error;

  start ();
  ops = *rig_store.ops;
  attach = ops.attach;
  ops.attach = attach_second;
  rig_store.ops = &ops;
  ck_assert_int_eq (pull (&node_a, ""), 200);
  sql ("CREATE TABLE later (id INTEGER PRIMARY KEY)");
  ck_assert_int_eq (pull (&node_a, ""), 200);
  ck_assert_int_eq (json_integer_value (json_object_get (rig_answer, "generation")), 42);
  is ("42", "SELECT value FROM __sync_meta WHERE name = 'generation'");
  sql ("UPDATE __sync_meta SET value = 50 WHERE name = 'generation'");
  ck_assert (store_begin (&rig_store, MANTIS_WRITE, &error) == MANTIS_OK);
  ck_assert (capture_new_generation (&rig_store, NULL, &error) == MANTIS_OK);
  ck_assert (store_commit (&rig_store, &error) == MANTIS_OK);
  is ("51", "SELECT value FROM __sync_meta WHERE name = 'generation'");
}
END_TEST

/* O27: a storage's own words name hosts and users. */
static bool
trouble (void *self, struct mantis_buf *text, int64_t *since)
{
  (void)self;
  mantis_buf_text (text, "user 'mantis'@'secret.host' was dropped");
  *since = 77;
  return true;
}

START_TEST (devices_are_not_told_of_the_database)
{
  const struct mantis_principal local = {
      .size = sizeof local, .subject = "mantisctl", .claims = "{}", .local = true};
  const struct mantis_request request = {.size = sizeof request, .message = "status", .body = ""};
  static struct mantis_storage ops;
  struct reply reply;

  start ();
  ops = *rig_store.ops;
  ops.trouble = trouble;
  rig_store.ops = &ops;
  ck_assert_int_eq (ask (&node_a, "status", "{}"), 200);
  ck_assert_ptr_nonnull (strstr (rig_reply.body.bytes, "\"since\":77"));
  ck_assert_ptr_null (strstr (rig_reply.body.bytes, "secret.host"));
  message_handle (&rig_server, &rig_store, &request, &local, &reply);
  ck_assert_ptr_nonnull (strstr (reply.body.bytes, "'mantis'@'secret.host' was dropped"));
  mantis_buf_free (&reply.body);
}
END_TEST

/* What each node was answered last is kept, to be answered again; the status has room for none of it. */
START_TEST (a_status_does_not_grow_with_answers)
{
  start ();
  sql ("WITH n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 50) INSERT INTO "
       "__sync_nodes (node, subject, number, answer, seen_at) SELECT "
       "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' "
       "|| i, 'alice', 1, hex (zeroblob (100000)), 0 FROM n");
  rig_server.limits.body_bytes = 2 * 1024 * 1024;
  ck_assert_int_eq (ask (&node_b, "status", "{}"), 200);
  ck_assert_uint_eq (json_array_size (json_object_get (rig_answer, "nodes")), 41);
}
END_TEST

/* Nor where it is, whatever is the matter. */
START_TEST (problems_do_not_name_the_database)
{
  static const enum mantis_status all[] = {MANTIS_BUSY, MANTIS_FULL, MANTIS_STALE, MANTIS_LOST,
                                           MANTIS_FAILED};
  struct reply reply = {.body = MANTIS_BUF_INIT};
  struct mantis_error why;

  for (size_t i = 0; i < COUNT_OF (all); i++) {
    mantis_fail (&why, all[i], "mysql://secret.host/shop: cannot use the database: (%zu)", i);
    reply_error (&reply, &why);
    ck_assert_int_eq (reply.status, all[i] == MANTIS_FAILED ? 500 : 503);
    ck_assert_ptr_null (strstr (reply.body.bytes, "secret.host"));
  }
  mantis_buf_free (&reply.body);
}
END_TEST

START_TEST (a_locked_database_is_not_named)
{
  start ();
  sql ("BEGIN IMMEDIATE");
  ck_assert_int_eq (ask (&node_a, "hello", "{'protocol':1}"), 503);
  ck_assert_ptr_null (strstr (rig_reply.body.bytes, "law.db"));
  sql ("ROLLBACK");
  ck_assert_int_eq (ask (&node_a, "hello", "{'protocol':1}"), 200);
}
END_TEST

START_TEST (waiting_is_told)
{
  start ();
  ck_assert_int_eq (pull (&node_a, ""), 200);
  ck_assert_int_eq (rig_reply.wait, 0);
  ck_assert_int_eq (pull (&node_a, "'wait':3"), 200);
  ck_assert_int_eq (rig_reply.wait, 3000);
  ck_assert_int_eq (pull (&node_a, "'wait':9999999999999"), 200);
  ck_assert_int_eq (rig_reply.wait, rig_server.limits.wait);
  ck_assert_int_eq (pull (&node_a, "'wait':-3"), 200);
  ck_assert_int_eq (rig_reply.wait, 0);
  ck_assert_int_eq (pull (&node_a, "'wait':3,'load':{'table':'t'}"), 200);
  ck_assert_int_eq (rig_reply.wait, 0);
  push (&node_a, 1, "{'table':'t','columns':['id','v'],'rows':[[2,'own']]}");
  ck_assert_int_eq (ask (&node_a, "pull", "{'cursor':%s,'wait':3}", cursor),
                    200); /* its own is no news */
  ck_assert_int_eq (rig_reply.wait, 3000);
  ck_assert_int_eq (ask (&node_b, "pull", "{'cursor':%s,'wait':3}", cursor), 200);
  ck_assert_int_eq (rig_reply.wait, 0);
}
END_TEST

START_TEST (wrong_pulls_are_refused)
{
  static const char *const bad[] = {"'limit':'5'",
                                    "'cursor':7",
                                    "'cursor':{'rev':'1'}",
                                    "'cursor':{'epoch':1}",
                                    "'skip':'t'",
                                    "'keys':{}",
                                    "'keys':[7]",
                                    "'keys':[{'keys':[[1]]}]",
                                    "'keys':[{'table':'t','keys':[1]}]",
                                    "'keys':[{'table':'t','keys':[[1,2]]}]",
                                    "'keys':[{'table':'t','keys':7}]",
                                    "'load':7",
                                    "'load':{}",
                                    "'load':{'table':'t','after':1}",
                                    "'load':{'table':'t','after':[]}",
                                    "'load':{'table':'t','after':[[]]}",
                                    "'load':{'table':'t','limit':'x'}",
                                    "'wait':true",
                                    "'load':{'table':'t','known':7}"};

  for (size_t i = 0; i < COUNT_OF (bad); i++)
    ck_assert_msg (ask (&node_a, "pull", "{%s}", bad[i]) == 400, "%s: %d", bad[i],
                   rig_reply.status);
  ck_assert_int_eq (ask (&node_a, "pull", "{'limit':-7,'bytes':0,'mood':[],'skip':null}"), 200);
}
END_TEST

/* It may have been dropped since hello: what is 400 would be repeated for ever. */
START_TEST (a_table_that_is_not_there_is_outdated)
{
  static const char *const asked[] = {"'keys':[{'table':'nope'}]",
                                      "'keys':[{'table':'__sync_meta','keys':[['node']]}]",
                                      "'load':{'table':'nope'}", "'load':{'table':'__sync_nodes'}"};

  for (size_t i = 0; i < COUNT_OF (asked); i++) {
    ck_assert_msg (ask (&node_a, "pull", "{%s}", asked[i]) == 409, "%s: %d", asked[i],
                   rig_reply.status);
    ck_assert_str_eq (json_string_value (json_object_get (rig_answer, "code")), "schema");
  }
}
END_TEST

/* ---- hello ---- */

static const char *
verdict (const char *more)
{
  ck_assert_msg (ask (&node_a, "hello", "{'protocol':1%s%s}", *more ? "," : "", more) == 200, "%s",
                 rig_reply.body.bytes);
  return json_string_value (member ("verdict"));
}

static const char *
state_of (const char *table)
{
  return json_string_value (json_object_get (json_object_get (member ("tables"), table), "state"));
}

/* R32, R33: a file that went back in time, or was copied. */
START_TEST (both_sides_compare_their_last_batch)
{
  ck_assert_str_eq (verdict (""), "ok");
  ck_assert_str_eq (verdict ("'number':1,'nonce':'n1'"), "fork"); /* never heard of */
  push (&node_a, 1, "{'table':'t','columns':['id'],'rows':[[2]]}");
  ck_assert_str_eq (verdict ("'number':1,'nonce':'n1'"), "ok");
  ck_assert_str_eq (verdict ("'number':0,'in_flight':{'number':1,'nonce':'n1'}"), "ok");
  ck_assert_str_eq (verdict ("'number':0,'in_flight':{'number':1,'nonce':'other'}"), "fork");
  ck_assert_str_eq (verdict ("'number':1,'nonce':'other'"), "fork");
  ck_assert_str_eq (verdict (""), "fork");
  ck_assert_str_eq (verdict ("'number':7,'nonce':'n7'"), "fork");
  push (&node_a, 2, "{'table':'t','columns':['id'],'rows':[[3]]}");
  ck_assert_str_eq (verdict ("'number':1,'nonce':'n1'"), "fork");
  ck_assert_str_eq (verdict ("'number':1,'nonce':'n1','in_flight':{'number':2,'nonce':'n2'}"),
                    "ok");
}
END_TEST

START_TEST (hello_tells_about_tables)
{
  char more[200];

  ck_assert_str_eq (verdict ("'tables':{'t':'other','nope':'x','pair':7}"), "ok");
  ck_assert_str_eq (state_of ("t"), "paused");
  ck_assert_str_eq (state_of ("nope"), "unknown");
  ck_assert_str_eq (state_of ("pair"), "missing");
  ck_assert_str_eq (
      json_string_value (json_object_get (json_object_get (member ("tables"), "t"), "policy")),
      "timestamp");
  ck_assert_int_eq (ask (&node_a, "schema", "{}"), 200);
  const json_t *table, *tables = member ("tables");
  size_t i;
  json_array_foreach (
      tables, i, table) if (strcmp (json_string_value (json_object_get (table, "table")), "t") == 0)
      snprintf (more, sizeof more, "'tables':{'t':'%s'}",
                json_string_value (json_object_get (table, "fingerprint")));
  verdict (more);
  ck_assert_str_eq (state_of ("t"), "live");
}
END_TEST

START_TEST (hello_checks_the_cursor)
{
  char more[300];

  verdict ("");
  ck_assert_str_eq (json_string_value (member ("cursor")), "none");
  start ();
  snprintf (more, sizeof more, "'cursor':%s", cursor);
  verdict (more);
  ck_assert_str_eq (json_string_value (member ("cursor")), "known");
  verdict ("'cursor':{'epoch':'x','rev':1,'mark':''}");
  ck_assert_str_eq (json_string_value (member ("cursor")), "foreign");
}
END_TEST

START_TEST (wrong_hellos_are_refused)
{
  static const char *const bad[] = {"'protocol':2", "'protocol':'1'", "'number':'7'",
                                    "'nonce':7",    "'in_flight':7",  "'cursor':[]",
                                    "'tables':[]",  "'offer':{}",     "'in_flight':{'number':'1'}"};

  for (size_t i = 0; i < COUNT_OF (bad); i++)
    ck_assert_msg (ask (&node_a, "hello", "{%s}", bad[i]) == 400, "%s", bad[i]);
}
END_TEST

/* O26: tables are made only where that is allowed, and only of what is harmless. */
START_TEST (offered_tables_are_made_where_allowed)
{
  static const char offer[] = "'offer':[{'table':'new','columns':[{'name':'id','type':'INTEGER','"
                              "key':1},{'name':'v','type':'TEXT'}]}]";
  static const char *const bad[] = {"{'table':'x','columns':[]}", "7",
                                    "{'table':'__sync_x','columns':[{'name':'id','key':1}]}"};
  static const char hostile[] =
      "'offer':[{'table':'x','columns':[{'name':'id','key':1,'type':'INT); DROP TABLE t; --'}]},"
      "{'table':'y','columns':[{'name':'id','key':1,'type':'INT'}]}]";
  char more[400];

  verdict (offer);
  ck_assert_ptr_null (state_of ("new"));
  is ("0", "SELECT count(*) FROM sqlite_master WHERE name = 'new'");
  rig_server.create_tables = true;
  for (size_t i = 0; i < COUNT_OF (bad); i++) {
    snprintf (more, sizeof more, "{'protocol':1,'offer':[%s]}", bad[i]);
    ck_assert_msg (ask (&node_a, "hello", "%s", more) == 400, "%s: %d", more, rig_reply.status);
  }
  verdict (hostile); /* stops no other */
  ck_assert_ptr_null (state_of ("x"));
  ck_assert_str_eq (state_of ("y"), "missing");
  is ("0", "SELECT count(*) FROM sqlite_master WHERE name = 'x'");
  verdict (offer);
  ck_assert_str_eq (state_of ("new"), "missing");
  ck_assert_int_eq (push (&node_a, 1, "{'table':'new','columns':['id','v'],'rows':[[1,'x']]}"),
                    200);
  is ("x", "SELECT v FROM new");
  is ("before Mantis", "SELECT v FROM t");
}
END_TEST

/* O24: the route table says who needs credentials. */
START_TEST (without_credentials_only_health_is_told)
{
  for (const struct message *message = messages; message->name; message++) {
    struct mantis_request request = {.size = sizeof request, .message = message->name, .body = ""};
    bool login = strcmp (message->name, "login") == 0; /* its credentials would be in the body */
    struct reply reply;
    message_handle (&rig_server, &rig_store, &request, NULL, &reply);
    ck_assert_int_eq (reply.status, login ? 400 : message->open ? 200 : 401);
    ck_assert_int_eq (message->open, login || strcmp (message->name, "healthz") == 0 ||
                                         strcmp (message->name, "readyz") == 0);
    mantis_buf_free (&reply.body);
  }
  ck_assert_int_eq (ask (&node_a, "nonsense", "{}"), 404);
}
END_TEST

static Suite *
pull_suite (void)
{
  Suite *suite = suite_create ("pull");
  TCase *tests = tcase_create ("pull");

  tcase_add_checked_fixture (tests, set_up, rig_stop);
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, pages_of_every_size_come_to_all);
  tcase_add_test (tests, rows_of_one_moment_are_paged);
  tcase_add_test (tests, pages_have_a_size_in_bytes);
  tcase_add_test (tests, a_key_travels_as_it_is_now);
  tcase_add_test (tests, own_changes_are_skipped);
  tcase_add_test (tests, own_changes_take_no_room);
  tcase_add_test (tests, what_did_not_happen_does_not_travel);
  tcase_add_test (tests, tables_may_be_skipped);
  tcase_add_test (tests, rows_are_had_by_key);
  tcase_add_test (tests, keys_have_a_size_in_bytes);
  tcase_add_test (tests, what_no_answer_can_carry_is_named);
  tcase_add_test (tests, a_table_is_loaded_page_by_page);
  tcase_add_test (tests, a_load_waits_for_a_complete_page);
  tcase_add_test (tests, cursors_are_checked);
  tcase_add_test (tests, a_restored_server_is_noticed);
  tcase_add_test (tests, another_server_comes_first);
  tcase_add_test (tests, devices_are_not_told_of_the_database);
  tcase_add_test (tests, a_status_does_not_grow_with_answers);
  tcase_add_test (tests, problems_do_not_name_the_database);
  tcase_add_test (tests, a_locked_database_is_not_named);
  tcase_add_test (tests, waiting_is_told);
  tcase_add_test (tests, wrong_pulls_are_refused);
  tcase_add_test (tests, a_table_that_is_not_there_is_outdated);
  tcase_add_test (tests, both_sides_compare_their_last_batch);
  tcase_add_test (tests, hello_tells_about_tables);
  tcase_add_test (tests, hello_checks_the_cursor);
  tcase_add_test (tests, wrong_hellos_are_refused);
  tcase_add_test (tests, offered_tables_are_made_where_allowed);
  tcase_add_test (tests, without_credentials_only_health_is_told);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (pull_suite ());
  int failed;

  log_set_level (MANTIS_WARNING);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
