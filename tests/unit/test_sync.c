/* test_sync.c - a device's side of the engine: what becomes of its rows when things happen at the
 * wrong moment.  Nearly all of it once went wrong, and was found by the simulation.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "client_rig.h"
#include "plugin/plugin.h"

#include <check.h>
#include <mantis/resolver.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTES "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, v TEXT);"
#define SEATS "CREATE TABLE seat (id TEXT PRIMARY KEY NOT NULL, v TEXT, code TEXT UNIQUE);"

enum { DAY = 24 * 60 * 60 * 1000 };

#define NOTE(id) "SELECT v FROM note WHERE id = '" id "'"
#define SEAT(id) "SELECT v FROM seat WHERE id = '" id "'"

/* The application's last write was made an hour ago: any conflict is lost. */
static void
backdate (int node)
{
  sql (node, "UPDATE __sync_log SET time = time - 3600000 "
             "WHERE seq = (SELECT max (seq) FROM __sync_log)");
}

/* A is live, and all have the row 'k'. */
static void
start_with_k (const char *tables, const char *insert)
{
  rig_start (tables);
  sql (SERVER, insert);
  node_start (A);
  cycle (A);
}

static void
no_conflicts (void)
{
  is (SERVER, "0", "SELECT count(*) FROM __sync_conflicts");
  is (A, "0", "SELECT count(*) FROM __sync_conflicts");
}

/* The server's note k stands, and what A made of it is kept there. */
static void
theirs_stands (void)
{
  is (SERVER, "theirs", NOTE ("k"));
  is (A, "theirs", NOTE ("k"));
  is (A, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%mine%'");
}

/* SQLite's documentation advises this for ALTER; triggers go. */
static void
rebuild_notes (int node, const char *change)
{
  sql (node, "CREATE TABLE keep AS SELECT * FROM note; DROP TABLE note; " NOTES
             "INSERT INTO note SELECT * FROM keep; DROP TABLE keep");
  sql (node, change);
}

/* ---- What an edit was made on ---- */

START_TEST (an_edit_of_a_row_that_was_under_way_is_made_on_what_came_of_it)
{
  rig_start ("CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, v TEXT, n INTEGER)");
  sql (SERVER, "CREATE TRIGGER number AFTER INSERT ON note BEGIN "
               "UPDATE note SET n = 7 WHERE id = NEW.id; END");
  node_start (A);
  cycle (A);
  sql (A, "INSERT INTO note VALUES ('k', 'one', 1)");
  request (A, TALK);
  sql (A, "UPDATE note SET v = 'two'");
  backdate (A);
  serve (A, TALK);
  answer (A, TALK);   /* the server has made something else of it */
  exchange (A, PULL); /* and tells so once more: it is skipped, the row is dirty */
  cycle (A);
  is (SERVER, "two", NOTE ("k"));
  no_conflicts ();
}
END_TEST

START_TEST (an_edit_of_a_row_from_the_middle_of_the_feed_is_made_on_what_was_shown)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (SERVER, "UPDATE note SET v = 'two'");
  sql (SERVER, "UPDATE note SET v = 'three'");
  rig_server.limits.page_rows = 1;
  exchange (A, PULL);
  is (A, "three", NOTE ("k"));
  sql (A, "UPDATE note SET v = 'mine'");
  backdate (A);
  exchange (A, TALK);
  is (SERVER, "mine", NOTE ("k"));
  no_conflicts ();
}
END_TEST

START_TEST (an_edit_that_did_not_see_what_was_skipped_does_not_overwrite_it)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (A, "UPDATE note SET v = 'mine'");
  request (A, TALK);
  serve (A, TALK);
  sql (SERVER, "UPDATE note SET v = 'theirs'");
  exchange (A, PULL); /* the cursor passes it, the row is under way */
  is (A, "mine", NOTE ("k"));
  sql (A, "UPDATE note SET v = 'mine too'");
  backdate (A);
  answer (A, TALK);
  cycle (A);
  theirs_stands ();
}
END_TEST

/* The row from the server is kept out by one of ours: an edit of its key was not made on it. */
START_TEST (what_could_not_be_stored_was_not_seen)
{
  start_with_k (SEATS, "INSERT INTO seat VALUES ('k', 'one', 'c0')");
  sql (SERVER, "UPDATE seat SET v = 'two', code = 'c1'");
  sql (SERVER, "UPDATE seat SET v = 'theirs'");
  rig_server.limits.page_rows = 1;
  sql (A, "INSERT INTO seat VALUES ('n', 'ours', 'c1')");
  exchange (A, PULL);
  is (A, "one", SEAT ("k"));
  sql (A, "UPDATE seat SET v = 'mine' WHERE id = 'k'");
  backdate (A);
  cycle (A);
  is (SERVER, "theirs", SEAT ("k"));
  is (A, "theirs", SEAT ("k"));
}
END_TEST

START_TEST (what_an_answer_brought_and_could_not_be_stored_was_not_seen)
{
  start_with_k (SEATS, "INSERT INTO seat VALUES ('k', 'one', 'c0')");
  sql (SERVER, "UPDATE seat SET v = 'theirs', code = 'c1'");
  sql (A, "UPDATE seat SET v = 'mine'");
  backdate (A);
  request (A, TALK);
  sql (A, "INSERT INTO seat VALUES ('n', 'ours', 'c1')");
  serve (A, TALK);
  answer (A, TALK);
  is (A, "mine", SEAT ("k"));
  sql (A, "UPDATE seat SET v = 'again' WHERE id = 'k'");
  backdate (A);
  cycle (A);
  is (SERVER, "theirs", SEAT ("k"));
  is (A, "theirs", SEAT ("k"));
}
END_TEST

/* ---- What goes into a batch ---- */

/* Sent with the first part, the rest of its log would look like a later edit on an old base. */
START_TEST (a_row_that_the_log_goes_on_about_goes_with_the_last_part)
{
  rig_start (NOTES);
  rig_settings.batch_rows = rig_settings.whole_rows = 2;
  node_start (A);
  cycle (A);
  sql (A, "INSERT INTO note VALUES ('k1', 'a'), ('k2', 'b'), ('k3', 'c'), ('k4', 'd')");
  sql (A, "UPDATE note SET v = 'z' WHERE id = 'k1'");
  ck_assert_ptr_null (strstr (request (A, TALK), "k1"));
  serve (A, TALK);
  answer (A, TALK);
  cycle (A);
  is (SERVER, "zbcd", "SELECT group_concat (v, '') FROM (SELECT v FROM note ORDER BY id)");
}
END_TEST

/* Two rows that swap a unique value, refused in two parts, come due half a second apart. */
START_TEST (rows_of_two_parts_that_need_each_other_go_together)
{
  rig_start (SEATS);
  sql (SERVER, "INSERT INTO seat VALUES ('x', 'one', 'c1'), ('y', 'two', 'c2')");
  node_start (A);
  cycle (A);
  node_stop (A);
  rig_settings.batch_rows = rig_settings.whole_rows = 2;
  node_start (A);
  sql (A, "UPDATE seat SET code = NULL WHERE id = 'x'; UPDATE seat SET code = 'c1' WHERE id = 'y'; "
          "INSERT INTO seat VALUES ('f', '', 'c3'), ('g', '', 'c4'); "
          "UPDATE seat SET code = 'c2' WHERE id = 'x'; INSERT INTO seat VALUES ('h', '', 'c5')");
  for (int i = 0; i < 24; i++) {
    exchange (A, TALK);
    rig_shift += 500;
  }
  cycle (A);
  is (SERVER, "x c2, y c1",
      "SELECT group_concat (id || ' ' || code, ', ') FROM (SELECT * FROM seat WHERE id IN ('x', "
      "'y') "
      "ORDER BY id)");
  is (A, "0", "SELECT count(*) FROM __sync_pending");
  no_conflicts ();
}
END_TEST

START_TEST (what_replace_might_have_removed_and_did_not_is_no_change)
{
  start_with_k (SEATS, "INSERT INTO seat VALUES ('k', 'one', 'c')");
  sql (A, "ALTER TABLE seat ADD COLUMN x");
  cycle (A);
  sql (A, "INSERT OR IGNORE INTO seat VALUES ('n', 'two', 'c', 1)");
  cycle (A); /* the table is paused: what waits leaves the log */
  is (A, "0", "SELECT count(*) FROM __sync_pending");
  sql (SERVER, "DELETE FROM seat; ALTER TABLE seat ADD COLUMN x");
  cycle (A);
  is (A, NULL, SEAT ("k"));
  no_conflicts ();
}
END_TEST

/* A device with rows from before it met its server, of which REPLACE might have removed one while the server's
 * are on their way. */
static void
start_spared (const char *theirs, const char *ours)
{
  rig_start (SEATS);
  sql (SERVER, theirs);
  sql (A, ours);
  node_start (A);
  exchange (A, TALK);
  exchange (A, TALK);
  request (A, PULL);
  sql (A, "INSERT OR IGNORE INTO seat VALUES ('n', '', 'spared')");
  is (A, "E", "SELECT op FROM __sync_log WHERE op <> 'M'");
  serve (A, PULL);
  answer (A, PULL);
  cycle (A);
}

START_TEST (what_replace_might_have_removed_was_here_before_the_server)
{
  start_spared ("INSERT INTO seat VALUES ('k', 'theirs', 'c')",
                "INSERT INTO seat VALUES ('k', 'ours', 'spared')");
  is (SERVER, "theirs", SEAT ("k"));
  is (A, "theirs", SEAT ("k"));
  is (SERVER, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%ours%'");
}
END_TEST

/* The log is looked through before the table is loaded to its end. */
START_TEST (what_replace_might_have_removed_is_no_younger_for_that)
{
  rig_start (SEATS);
  sql (SERVER, "INSERT INTO seat VALUES ('a', '', 'a'), ('k', 'theirs', 'c'), ('z', '', 'z')");
  sql (A, "INSERT INTO seat VALUES ('a', 'ours', 'spared')");
  rig_settings.batch_rows = rig_server.limits.page_rows = 1;
  node_start (A);
  exchange (A, TALK);
  exchange (A, TALK);
  exchange (A, PULL);
  is (A, "1", "SELECT count(*) FROM __sync_pending");
  sql (A, "INSERT OR IGNORE INTO seat VALUES ('n', '', 'spared')");
  exchange (A, TALK);
  is (A, "first", "SELECT phase FROM __sync_state WHERE tbl = 'seat'");
  cycle (A);
  is (SERVER, "", SEAT ("a"));
  is (SERVER, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%ours%'");
}
END_TEST

START_TEST (what_replace_might_have_removed_arrives)
{
  start_spared ("INSERT INTO seat VALUES ('a', 'theirs', 'c')",
                "INSERT INTO seat VALUES ('k', 'ours', 'spared')");
  is (SERVER, "ours", SEAT ("k"));
  no_conflicts ();
}
END_TEST

START_TEST (a_scan_sees_what_replace_might_have_removed)
{
  start_with_k (SEATS, "INSERT INTO seat VALUES ('k', 'one', 'c')");
  sql_unseen (A, "UPDATE seat SET v = 'unseen'; INSERT INTO seat VALUES ('new', 'unseen', 'x')");
  scan (A);
  sql (A, "INSERT OR IGNORE INTO seat VALUES ('n', '', 'c'), ('n', '', 'x')");
  exchange (A, PULL);
  cycle (A);
  is (SERVER, "unseen", SEAT ("k"));
  is (SERVER, "unseen", SEAT ("new"));
  no_conflicts ();
}
END_TEST

START_TEST (a_table_that_is_paused_is_not_pushed)
{
  rig_start (NOTES SEATS);
  node_start (A);
  cycle (A);
  sql (A, "ALTER TABLE seat ADD COLUMN x");
  cycle (A);
  sql (A, "INSERT INTO note VALUES ('k', 'one'); INSERT INTO seat VALUES ('k', 'one', 'c', 1)");
  cycle (A);
  is (A, "0", "SELECT last_push FROM __sync_state WHERE tbl = 'seat'");
  is (A, "1", "SELECT last_push > 0 FROM __sync_state WHERE tbl = 'note'");
  is (SERVER, NULL, SEAT ("k"));
}
END_TEST

/* ---- Crashes and lost answers ---- */

START_TEST (an_answer_that_was_lost_with_the_process_is_asked_for)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (A, "UPDATE note SET v = 'two'");
  request (A, TALK);
  serve (A, TALK);
  node_stop (A);
  sql (A, "UPDATE note SET v = 'three'");
  backdate (A);
  node_start (A);
  exchange (A, TALK);
  request (A, TALK);
  lose (A, TALK); /* and so is the question */
  cycle (A);
  is (SERVER, "three", NOTE ("k"));
  no_conflicts ();
}
END_TEST

/* The batch names its part of the log, in which there is also what was not sent. */
START_TEST (after_a_crash_what_was_set_aside_is_told_from_what_was_sent)
{
  rig_start (NOTES SEATS);
  node_start (A);
  cycle (A);
  sql (A, "ALTER TABLE seat ADD COLUMN x");
  exchange (A, TALK); /* hello: the table is paused */
  sql (A, "INSERT INTO note VALUES ('k', 'one'); INSERT INTO seat VALUES ('k', 'one', 'c', 1)");
  while (!strstr (request (A, TALK), "changes")) {
    serve (A, TALK);
    answer (A, TALK);
  }
  serve (A, TALK);
  node_stop (A);
  node_start (A);
  cycle (A);
  sql (SERVER, "ALTER TABLE seat ADD COLUMN x");
  cycle (A);
  is (SERVER, "one", NOTE ("k"));
  is (SERVER, "one", SEAT ("k"));
}
END_TEST

START_TEST (a_page_that_was_overtaken_takes_nothing_back)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (SERVER, "UPDATE note SET v = 'theirs'");
  backdate (SERVER);
  request (A, PULL);
  serve (A, PULL);
  sql (A, "UPDATE note SET v = 'mine'");
  exchange (A, TALK);
  answer (A, PULL);
  is (A, "mine", NOTE ("k"));
  cycle (A);
  is (A, "mine", NOTE ("k"));
  is (SERVER, "mine", NOTE ("k"));
}
END_TEST

START_TEST (a_copy_of_a_file_sees_what_the_other_one_sends)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  node_copy (A, B);
  node_start (A);
  node_start (B);
  cycle (B); /* both go by one id */
  sql (A, "UPDATE note SET v = 'two'");
  cycle (A);
  cycle (B);
  is (B, "two", NOTE ("k"));
  is (SERVER, "2", "SELECT count(*) FROM __sync_nodes");
}
END_TEST

/* ---- Who waits, and for how long ---- */

static enum mantis_decision
decide_nothing (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
                struct mantis_arena *arena, struct mantis_error *error)
{
  (void)self, (void)conflict, (void)merged, (void)arena, (void)error;
  return 0;
}

static struct instance *
undecided (void *context, const char *table)
{
  static const struct mantis_resolver ops = {.size = sizeof ops, .decide = decide_nothing};
  static struct instance policy = {.name = "undecided", .parallel = true, .ops = &ops};

  (void)context, (void)table;
  return &policy;
}

/* A's edit of k is the later one, but the policy could not say so: `retry'. */
static void
start_with_a_retry (void)
{
  struct instance *(*able) (void *, const char *);

  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  able = rig_server.policy;
  rig_server.policy = undecided;
  sql (SERVER, "UPDATE note SET v = 'theirs'");
  backdate (SERVER);
  sql (A, "UPDATE note SET v = 'mine'");
  exchange (A, TALK);
  rig_server.policy = able;
}

START_TEST (what_could_not_be_decided_waits_a_second)
{
  start_with_a_retry ();
  cycle (A);
  is (SERVER, "theirs", NOTE ("k"));
  is (A, "mine", NOTE ("k"));
  rig_shift += 1000;
  cycle (A);
  is (SERVER, "mine", NOTE ("k"));
}
END_TEST

START_TEST (a_clock_that_was_set_back_delays_no_retry)
{
  start_with_a_retry ();
  rig_shift -= DAY;
  cycle (A);
  is (A, "0",
      "SELECT count(*) FROM __sync_pending"); /* decided: by that clock it was early, and lost */
  is (SERVER, "1", "SELECT count(*) FROM __sync_conflicts");
}
END_TEST

START_TEST (a_clock_that_was_set_back_delays_no_held_row)
{
  start_with_k (SEATS, "INSERT INTO seat VALUES ('k', 'one', 'c0')");
  sql (A, "INSERT INTO seat VALUES ('n', 'ours', 'c1')");
  sql (SERVER, "INSERT INTO seat VALUES ('m', 'theirs', 'c1')");
  exchange (A, PULL);
  is (A, NULL, SEAT ("m"));
  ck_assert (!strstr (request (A, PULL), "\"keys\""));
  lose (A, PULL);
  rig_shift -= DAY;
  ck_assert (strstr (request (A, PULL), "[\"m\"]"));
}
END_TEST

/* m is refused for the value that n has here.  It comes as soon as n is another, whoever made it so. */
START_TEST (what_a_unique_value_kept_out_comes_when_it_is_free)
{
  start_with_k (SEATS, "INSERT INTO seat VALUES ('k', 'one', 'c0')");
  sql (A, "INSERT INTO seat VALUES ('n', 'ours', 'c1')");
  sql (SERVER, "INSERT INTO seat VALUES ('m', 'theirs', 'c1')");
  exchange (A, PULL);
  is (A, NULL, SEAT ("m"));
  cycle (A); /* ours is rejected, and goes */
  is (A, "theirs", SEAT ("m"));
  sql (A, "INSERT INTO seat VALUES ('n', 'ours', 'c2')");
  sql (SERVER, "UPDATE seat SET code = 'c2' WHERE id = 'm'");
  exchange (A, PULL);
  is (A, "c1", "SELECT code FROM seat WHERE id = 'm'");
  sql (A, "UPDATE seat SET code = 'c3' WHERE id = 'n'");
  cycle (A); /* ours is applied there */
  is (A, "c2", "SELECT code FROM seat WHERE id = 'm'");
  sql (A, "CREATE UNIQUE INDEX ours ON seat (v)");
  sql (SERVER, "INSERT INTO seat VALUES ('o', 'theirs', 'c4')");
  cycle (A);
  is (A, NULL, SEAT ("o"));
  sql (SERVER, "UPDATE seat SET v = 'other' WHERE id = 'm'");
  cycle (A); /* another page brings it */
  is (A, "theirs", SEAT ("o"));
}
END_TEST

START_TEST (what_is_too_large_for_the_server_waits)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (A, "UPDATE note SET v = 'large'");
  request (A, TALK);
  refuse (A, TALK, 413);
  cycle (A);
  is (SERVER, "one", NOTE ("k"));
  rig_shift += 2000;
  cycle (A);
  is (SERVER, "large", NOTE ("k"));
}
END_TEST

/* The server's table got another column while k's edit was on its way: it waits for the columns, not for a time. */
START_TEST (what_meant_another_shape_goes_once_the_shapes_agree)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (A, "UPDATE note SET v = 'mine'");
  request (A, TALK);
  sql (SERVER, "ALTER TABLE note ADD COLUMN x");
  serve (A, TALK);
  answer (A, TALK);
  cycle (A);
  is (SERVER, "one", NOTE ("k"));
  ck_assert (status_says (A, "\"state\":\"paused\""));
  sql (A, "ALTER TABLE note ADD COLUMN x");
  cycle (A);
  is (SERVER, "mine", NOTE ("k"));
  no_conflicts ();
}
END_TEST

/* ---- A server that was restored ---- */

static void
back_up (void)
{
  node_copy (SERVER, B);
  node_start (SERVER);
}

static void
restore (void)
{
  node_copy (B, SERVER);
  node_start (SERVER);
}

/* Its log ends where the device's does: the cursor shows nothing. */
START_TEST (what_a_restored_server_lacks_is_offered_again)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  back_up ();
  sql (A, "INSERT INTO note VALUES ('n', 'two')");
  exchange (A, TALK);
  is (SERVER, "two", NOTE ("n"));
  restore ();
  cycle (A);
  is (SERVER, "two", NOTE ("n"));
  is (A, "one", NOTE ("k"));
}
END_TEST

START_TEST (what_came_from_a_server_before_it_was_restored_is_kept)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  back_up ();
  sql (SERVER, "UPDATE note SET v = 'two'");
  sql (A, "UPDATE note SET v = 'mine'");
  backdate (A);
  exchange (A, TALK);
  is (A, "two", NOTE ("k"));
  restore ();
  cycle (A);
  is (SERVER, "one", NOTE ("k"));
  is (A, "one", NOTE ("k"));
  is (A, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%two%'");
}
END_TEST

/* The next edit is made on nothing that the server knows; one of before the backup is. */
START_TEST (edits_on_what_a_restored_server_still_has_win)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  back_up ();
  sql (A, "INSERT INTO note VALUES ('n', 'two')");
  exchange (A, TALK);
  restore ();
  sql (A, "UPDATE note SET v = 'later' WHERE id = 'k'");
  backdate (A);
  cycle (A);
  is (SERVER, "later", NOTE ("k"));
  is (SERVER, "two", NOTE ("n"));
}
END_TEST

/* Its new history has come past the device's cursor: the numbers say nothing. */
START_TEST (an_edit_of_a_lost_version_overwrites_nothing_of_a_restored_server)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  back_up ();
  sql (SERVER, "UPDATE note SET v = 'lost'");
  exchange (A, PULL);
  is (A, "lost", NOTE ("k"));
  restore ();
  sql (SERVER, "UPDATE note SET v = 'theirs'");
  sql (A, "UPDATE note SET v = 'mine'");
  backdate (A);
  cycle (A);
  theirs_stands ();
}
END_TEST

/* It has got the row, though its cursor is one that the server never had. */
START_TEST (a_deletion_of_a_row_that_a_restored_server_still_has_wins)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  back_up ();
  sql (SERVER, "INSERT INTO note VALUES ('n', 'lost')");
  exchange (A, PULL);
  sql (A, "DELETE FROM note WHERE id = 'k'");
  restore ();
  sql (SERVER, "INSERT INTO note VALUES ('m', 'theirs')");
  cycle (A);
  is (SERVER, NULL, NOTE ("k"));
  is (A, NULL, NOTE ("k"));
  is (SERVER, "lost", NOTE ("n"));
}
END_TEST

/* Nobody has seen what another program made of it since: times decide. */
START_TEST (an_older_deletion_overwrites_nothing_of_a_restored_server)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  back_up ();
  sql (SERVER, "INSERT INTO note VALUES ('n', 'lost')");
  exchange (A, PULL);
  sql (A, "DELETE FROM note WHERE id = 'k'");
  backdate (A);
  restore ();
  sql (SERVER, "UPDATE note SET v = 'theirs'");
  cycle (A);
  is (SERVER, "theirs", NOTE ("k"));
  is (A, "theirs", NOTE ("k"));
  is (A, "1", "SELECT count(*) FROM __sync_conflicts WHERE tbl = 'note' AND loser IS NULL");
}
END_TEST

/* Its log would end as the one that the device knows: with the device's own change, under the same number. */
START_TEST (a_batch_is_not_sent_again_to_a_server_that_was_restored_since)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  back_up ();
  sql (SERVER, "UPDATE note SET v = 'lost'");
  sql (A, "INSERT INTO note VALUES ('n', 'mine')");
  request (A, TALK);
  serve (A, TALK);
  lose (A, TALK);
  exchange (A, PULL);
  is (A, "lost", NOTE ("k"));
  restore ();
  sql (SERVER, "UPDATE note SET v = 'theirs'");
  cycle (A);
  is (A, "theirs", NOTE ("k"));
  is (SERVER, "theirs", NOTE ("k"));
  is (SERVER, "mine", NOTE ("n"));
  is (A, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%lost%'");
}
END_TEST

/* The cursor is one that it knows; a row that came with the page is newer. */
START_TEST (a_row_that_was_newer_than_the_cursor_is_not_one_of_a_restored_server)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (SERVER, "UPDATE note SET v = 'two'");
  back_up ();
  sql (SERVER, "INSERT INTO note VALUES ('n', 'lost'); UPDATE note SET v = 'lost' WHERE id = 'k'");
  rig_server.limits.page_rows = 1;
  exchange (A, PULL);
  is (A, "lost", NOTE ("k"));
  restore ();
  sql (SERVER, "INSERT INTO note VALUES ('m', 'new'); UPDATE note SET v = 'theirs' WHERE id = 'k'");
  sql (A, "UPDATE note SET v = 'mine' WHERE id = 'k'");
  backdate (A);
  cycle (A);
  theirs_stands ();
}
END_TEST

/* ---- First contact ---- */

/* V27: a row that no message can carry is passed over, told, and comes once it is small; nothing of it is lost,
 * and it holds up nobody. */
START_TEST (a_row_too_large_for_a_message_holds_up_nobody)
{
  rig_start (NOTES);
  rig_settings.answer_bytes = 20000;
  node_start (A);
  node_start (B);
  cycle (A);
  cycle (B);
  sql (A, "INSERT INTO note VALUES ('n', 'one')");
  cycle (A);
  cycle (B);
  sql (SERVER, "UPDATE note SET v = printf('%.*c', 30000, 'x') WHERE id = 'n'; INSERT INTO note "
               "VALUES ('o', 'other')");
  cycle (A);
  is (A, "other", NOTE ("o"));
  is (A, "one", NOTE ("n"));
  ck_assert (status_says (A, "\"what\":\"held\",\"table\":\"note\",\"key\":[\"n\"]"));
  ck_assert (status_says (A, "\"caught_up\":true"));
  is (A, "1", "SELECT count(*) FROM __sync_held WHERE next_try > 0");
  /* A comparison of the table does not take it for one that the server lacks, nor for one edited here. */
  scan (A);
  cycle (A);
  is (A, "one", NOTE ("n"));
  is (A, "0", "SELECT count(*) FROM __sync_pending");
  /* Asked for again, it is still too large; then it shrinks. */
  rig_shift += 601 * 1000;
  cycle (A);
  is (A, "1", "SELECT count(*) FROM __sync_held");
  sql (SERVER, "UPDATE note SET v = 'small' WHERE id = 'n'");
  cycle (A);
  is (A, "small", NOTE ("n"));
  is (A, "0", "SELECT count(*) FROM __sync_held");
  ck_assert (status_says (A, "\"stuck\":[]"));
  no_conflicts ();
}
END_TEST

/* The same at first contact, and once there is room. */
START_TEST (a_load_passes_over_what_is_too_large)
{
  rig_start (NOTES);
  sql (SERVER, "INSERT INTO note VALUES ('a', 's'), ('b', printf('%.*c', 30000, 'x')), ('c', 's')");
  rig_settings.answer_bytes = 20000;
  rig_settings.batch_rows = 1;
  node_start (A);
  cycle (A);
  is (A, "a c", "SELECT group_concat(id, ' ') FROM note");
  ck_assert (status_says (A, "\"key\":[\"b\"]"));
  node_stop (A);
  rig_settings.answer_bytes = 0;
  node_start (A);
  cycle (A);
  is (A, "30000", "SELECT length(v) FROM note WHERE id = 'b'");
  is (A, "0", "SELECT count(*) FROM __sync_held");
  no_conflicts ();
}
END_TEST

START_TEST (what_is_too_large_overwrites_nothing_that_was_here_first)
{
  rig_start (NOTES);
  sql (SERVER, "INSERT INTO note VALUES ('a', 's'), ('b', printf('%.*c', 30000, 'x')), ('c', 's')");
  sql (A, "INSERT INTO note VALUES ('b', 'ours')");
  rig_settings.answer_bytes = 20000;
  rig_settings.batch_rows = 1;
  node_start (A);
  cycle (A);
  is (A, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%ours%'");
}
END_TEST

/* Rows a to f on the server, pages of one row, of which A has taken the first. */
static void
start_loading (void)
{
  rig_start (NOTES);
  sql (SERVER, "INSERT INTO note VALUES ('a', 's'), ('b', 's'), ('c', 's'), ('d', 's'), ('e', 's'),"
               "('f', 's')");
  rig_settings.batch_rows = 1;
  rig_server.limits.page_rows = 1;
}

START_TEST (rows_that_were_here_first_wait_for_their_page)
{
  start_loading ();
  sql (A, "INSERT INTO note VALUES ('f', 'here first')");
  node_start (A);
  exchange (A, TALK);
  exchange (A, TALK);
  sql (SERVER, "UPDATE note SET v = 'two' WHERE id = 'f'");
  exchange (A, PULL);
  is (A, "here first", NOTE ("f"));
  cycle (A);
  is (A, "two", NOTE ("f"));
  is (A, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%here first%'");
}
END_TEST

START_TEST (what_the_load_found_to_be_ours_is_sent_at_once)
{
  rig_start (NOTES);
  sql (A, "INSERT INTO note VALUES ('f', 'here first')");
  node_start (A);
  exchange (A, TALK);
  exchange (A, TALK);
  exchange (A, PULL);
  ck_assert (status_says (A, "\"caught_up\":false"));
  exchange (A, TALK);
  is (SERVER, "here first", NOTE ("f"));
}
END_TEST

/* The load begins anew when the table's columns fit again; meanwhile the server's changes passed by. */
START_TEST (a_row_of_the_feed_that_went_while_its_load_was_paused_is_none_of_ours)
{
  start_loading ();
  node_start (A);
  exchange (A, TALK);
  exchange (A, TALK);
  sql (SERVER, "INSERT INTO note VALUES ('g', 'of the feed')");
  exchange (A, PULL);
  is (A, "of the feed", NOTE ("g"));
  sql (A, "ALTER TABLE note ADD COLUMN x");
  cycle (A);
  sql (SERVER, "DELETE FROM note WHERE id = 'g'");
  cycle (A);
  sql (SERVER, "ALTER TABLE note ADD COLUMN x");
  cycle (A);
  is (A, NULL, NOTE ("g"));
  is (A, "6", "SELECT count(*) FROM note");
  no_conflicts ();
}
END_TEST

START_TEST (a_load_that_was_paused_begins_anew)
{
  start_loading ();
  node_start (A);
  exchange (A, TALK);
  exchange (A, TALK);
  exchange (A, PULL);
  is (A, "s", NOTE ("a"));
  sql (A, "ALTER TABLE note ADD COLUMN x");
  cycle (A);
  sql (SERVER, "DELETE FROM note WHERE id = 'a'");
  cycle (A); /* passes by */
  sql (SERVER, "ALTER TABLE note ADD COLUMN x");
  cycle (A);
  is (A, NULL, NOTE ("a"));
  is (SERVER, NULL, NOTE ("a"));
}
END_TEST

/* ---- Lost capture ---- */

START_TEST (a_scan_does_not_pass_over_what_is_under_way)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (A, "UPDATE note SET v = 'sent'");
  request (A, TALK);
  sql_unseen (A, "UPDATE note SET v = 'unseen'");
  scan (A);
  exchange (A, PULL);
  serve (A, TALK);
  answer (A, TALK);
  cycle (A);
  is (SERVER, "unseen", NOTE ("k"));
}
END_TEST

START_TEST (an_answer_does_not_overwrite_what_was_written_unseen)
{
  rig_start ("CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, v TEXT, n INTEGER)");
  sql (SERVER, "CREATE TRIGGER number AFTER INSERT ON note BEGIN "
               "UPDATE note SET n = 7 WHERE id = NEW.id; END");
  node_start (A);
  cycle (A);
  sql (A, "INSERT INTO note VALUES ('k', 'one', 1)");
  request (A, TALK);
  sql_unseen (A, "UPDATE note SET v = 'unseen'");
  scan (A);
  serve (A, TALK);
  answer (A, TALK);
  cycle (A);
  is (A, "one", NOTE ("k"));
  is (A, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%unseen%'");
}
END_TEST

/* It differs from the server's at an equal cursor, and yet nobody wrote it here. */
START_TEST (a_scan_takes_no_row_that_could_not_be_stored_for_one_of_ours)
{
  start_with_k (SEATS, "INSERT INTO seat VALUES ('k', 'one', 'c0')");
  sql (A, "INSERT INTO seat VALUES ('n', 'ours', 'c1'), ('o', 'ours', 'c2')");
  sql (SERVER,
       "UPDATE seat SET v = 'theirs', code = 'c1'; INSERT INTO seat VALUES ('m', 'new', 'c2')");
  exchange (A, PULL);
  is (A, NULL, SEAT ("m"));
  scan (A);
  exchange (A, PULL);
  cycle (A);
  rig_shift += 60000; /* then it is asked for again */
  cycle (A);
  is (SERVER, "theirs", SEAT ("k"));
  is (SERVER, "new", SEAT ("m"));
  is (SERVER, "0", "SELECT count(*) FROM __sync_conflicts WHERE key = '[\"m\"]'");
  is (A, "theirs", SEAT ("k"));
  is (A, "new", SEAT ("m"));
}
END_TEST

/* What differs may be the server's doing as well as ours: neither is overwritten silently. */
START_TEST (a_table_that_loses_its_triggers_before_it_is_live_meets_the_server_anew)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  rebuild_notes (SERVER, "UPDATE note SET v = 'theirs'");
  exchange (A, PULL);
  exchange (A, TALK); /* hello: the server's capture was lost, the table is to be compared */
  is (A, "repair", "SELECT phase FROM __sync_state WHERE tbl = 'note'");
  node_stop (A);
  rebuild_notes (A, "UPDATE note SET v = 'unseen'");
  node_start (A);
  cycle (A);
  is (A, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%unseen%'");
  is (A, "theirs", NOTE ("k"));
}
END_TEST

/* Paused before it was compared: what the server made of it meanwhile passed by.  That k came from the server once
 * says nothing of what it holds now. */
START_TEST (a_scan_that_is_paused_overwrites_nothing)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (SERVER, "UPDATE note SET v = 'theirs'");
  sql (A, "UPDATE note SET v = 'mine'");
  backdate (A);
  exchange (A, TALK);
  is (A, "theirs", NOTE ("k"));
  sql_unseen (A, "UPDATE note SET v = 'unseen'");
  scan (A);
  sql (A, "ALTER TABLE note ADD COLUMN x");
  cycle (A);
  sql (SERVER, "ALTER TABLE note ADD COLUMN x");
  cycle (A);
  is (A, "theirs", NOTE ("k"));
  is (A, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%unseen%'");
}
END_TEST

START_TEST (a_load_begins_anew_when_the_server_lost_its_triggers)
{
  start_loading ();
  node_start (A);
  exchange (A, TALK);
  exchange (A, TALK);
  exchange (A, PULL);
  is (A, "s", NOTE ("a"));
  rebuild_notes (SERVER, "UPDATE note SET v = 'unseen' WHERE id = 'a'");
  cycle (A);
  is (A, "unseen", NOTE ("a"));
}
END_TEST

START_TEST (what_was_written_unseen_on_the_server_is_kept)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (A, "UPDATE note SET v = 'mine'");
  rebuild_notes (SERVER, "UPDATE note SET v = 'unseen'");
  exchange (A, TALK);
  is (SERVER, "mine", NOTE ("k"));
  is (SERVER, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%unseen%'");
  cycle (A);
  sql (A, "UPDATE note SET v = 'more'");
  cycle (A); /* made on what the server has now */
  is (SERVER, "1", "SELECT count(*) FROM __sync_conflicts");
}
END_TEST

START_TEST (an_edit_that_waited_for_the_comparison_knew_nothing_of_it)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  rebuild_notes (SERVER, "UPDATE note SET v = 'unseen'");
  exchange (A, PULL); /* it hears that the server's triggers were lost */
  sql (A, "UPDATE note SET v = 'mine'");
  cycle (A);
  is (A, "1", "SELECT v IN ('mine', 'unseen') FROM note");
  is (SERVER, "1",
      "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%unseen%' OR loser LIKE '%mine%'");
}
END_TEST

/* A server whose triggers were lost compares its rows with what was made on those before: here, on the newest. */
START_TEST (an_edit_of_the_newest_row_that_waited_for_the_comparison_was_made_on_it)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (SERVER, "UPDATE note SET v = 'two'");
  cycle (A);
  rebuild_notes (SERVER, "UPDATE note SET v = 'unseen'");
  exchange (A, PULL);
  exchange (A, TALK);
  is (A, "repair", "SELECT phase FROM __sync_state WHERE tbl = 'note'");
  sql (A, "UPDATE note SET v = 'mine'");
  backdate (A);
  cycle (A);
  is (SERVER, "mine", NOTE ("k"));
  is (SERVER, "1", "SELECT count(*) FROM __sync_conflicts WHERE loser LIKE '%unseen%'");
}
END_TEST

/* It loses its triggers before a scan is through, so both meet anew; the edit was made on the server's row all the same. */
START_TEST (an_edit_during_a_scan_that_begins_anew_was_made_on_the_newest_row)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (SERVER, "UPDATE note SET v = 'two'");
  cycle (A);
  scan (A);
  rebuild_notes (SERVER, "DELETE FROM note WHERE id = 'none'");
  sql (A, "UPDATE note SET v = 'mine'");
  backdate (A);
  cycle (A);
  is (SERVER, "mine", NOTE ("k"));
  is (A, "mine", NOTE ("k"));
}
END_TEST

START_TEST (an_edit_during_a_scan_that_begins_anew_was_made_on_what_an_answer_brought)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  sql (SERVER, "UPDATE note SET v = 'theirs'");
  sql (A, "UPDATE note SET v = 'lost'");
  backdate (A);
  exchange (A, TALK);
  is (A, "theirs", NOTE ("k"));
  scan (A);
  sql (A, "UPDATE note SET v = 'mine'");
  backdate (A);
  rebuild_notes (SERVER, "DELETE FROM note WHERE id = 'none'");
  cycle (A);
  is (SERVER, "mine", NOTE ("k"));
  is (A, "mine", NOTE ("k"));
}
END_TEST

START_TEST (who_has_compared_since_makes_no_conflicts)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  rebuild_notes (SERVER, "UPDATE note SET v = 'unseen'");
  cycle (A);
  sql (A, "UPDATE note SET v = 'mine'");
  cycle (A);
  is (SERVER, "mine", NOTE ("k"));
  no_conflicts ();
}
END_TEST

START_TEST (a_table_that_was_left_out_for_a_while_deletes_nothing)
{
  start_with_k (NOTES SEATS, "INSERT INTO note VALUES ('k', 'one')");
  node_stop (A);
  rig_patterns = (const char *const[]){"seat", NULL};
  node_start (A);
  sql (SERVER, "INSERT INTO note VALUES ('n', 'two')");
  cycle (A);
  node_stop (A);
  rig_patterns = NULL;
  node_start (A);
  cycle (A);
  is (SERVER, "2", "SELECT count(*) FROM note");
  is (A, "2", "SELECT count(*) FROM note");
}
END_TEST

/* ---- A log that waits long ---- */

static void
start_folding (void)
{
  rig_start (NOTES);
  rig_settings.fold_entries = 10;
  sql (SERVER, "INSERT INTO note VALUES ('k', 'one')");
  node_start (A);
  cycle (A);
}

static void
fold_log (int node)
{
  for (int i = 0; i < 3; i++)
    watch (node);
}

/* C8: it holds no more than three entries a row, and what is sent is as without. */
START_TEST (a_log_that_cannot_be_sent_is_folded)
{
  start_folding ();
  request (A, PULL);
  lose (A, PULL); /* nothing can be sent */
  sql (A, "INSERT INTO note VALUES ('new', '1')");
  for (int i = 0; i < 8; i++)
    sql (A, "UPDATE note SET v = v || '.'");
  is (A, "17", "SELECT count(*) FROM __sync_log WHERE op <> 'M'");
  fold_log (A);
  is (A, "I,U,U,U",
      "SELECT group_concat (op) FROM (SELECT op FROM __sync_log WHERE op <> 'M' ORDER BY seq)");
  ck_assert (status_says (A, "\"entries\":4,"));
  ck_assert (status_says (A, "\"waiting\":2,"));
  sql (SERVER, "UPDATE note SET v = 'theirs' WHERE id = 'k'");
  cycle (A);
  is (SERVER, "1........", NOTE ("new"));
  is (SERVER, "1", "SELECT count(*) FROM __sync_conflicts"); /* 'k': made on 'one' */
}
END_TEST

/* What a batch under way tells is known by the numbers of its entries. */
START_TEST (what_is_under_way_is_not_folded)
{
  start_folding ();
  for (int i = 0; i < 5; i++)
    sql (A, "UPDATE note SET v = v || 'a'");
  request (A, TALK);
  serve (A, TALK);
  lose (A, TALK);
  for (int i = 0; i < 9; i++)
    sql (A, "UPDATE note SET v = v || 'b'");
  fold_log (A);
  is (A, "7", "SELECT count(*) FROM __sync_log WHERE op = 'U'");
  node_stop (A);
  node_start (A);
  cycle (A);
  is (SERVER, "oneaaaaabbbbbbbbb", NOTE ("k"));
  no_conflicts ();
}
END_TEST

START_TEST (a_log_that_is_being_sent_is_left_alone)
{
  start_folding ();
  for (int i = 0; i < 12; i++)
    sql (A, "UPDATE note SET v = v || 'a'");
  fold_log (A);
  is (A, "12", "SELECT count(*) FROM __sync_log WHERE op = 'U'");
}
END_TEST

/* A device that was off: its log is sent as soon as the hello is answered, and what would leave it goes with that. */
START_TEST (a_log_is_left_alone_while_its_hello_is_under_way)
{
  start_folding ();
  node_stop (A);
  for (int i = 0; i < 12; i++)
    sql (A, "UPDATE note SET v = v || 'a'");
  node_start (A);
  request (A, TALK);
  fold_log (A);
  is (A, "12", "SELECT count(*) FROM __sync_log WHERE op = 'U'");
  lose (A, TALK); /* nobody is there */
  fold_log (A);
  is (A, "2", "SELECT count(*) FROM __sync_log WHERE op = 'U'");
}
END_TEST

/* A device that was never given a token asks for nothing, so nothing fails. */
START_TEST (a_log_of_who_may_not_send_is_folded)
{
  start_folding ();
  node_stop (A);
  for (int i = 0; i < 12; i++)
    sql (A, "UPDATE note SET v = v || 'a'");
  node_start (A);
  rig_sends = false;
  fold_log (A);
  is (A, "2", "SELECT count(*) FROM __sync_log WHERE op = 'U'");
}
END_TEST

/* ---- Clocks ---- */

/* Rule 1 of docs/conflicts.md: the time that a change is sent with. */
START_TEST (a_clock_that_is_off_by_less_than_two_seconds_counts_as_right)
{
  static const int ahead[] = {0, 1700, -1700, 2500, -2500, 3600000};
  char text[160];

  rig_start (NOTES);
  node_start (A);
  cycle (A);
  sql (A, "INSERT INTO note VALUES ('k', 'one')");
  sql (A, "UPDATE __sync_log SET time = 1700000000000 WHERE op = 'I'");
  request (A, PULL);
  refuse (A, PULL, 409); /* "say hello" */
  ck_assert_ptr_nonnull (strstr (request (A, TALK), "protocol"));
  rig_shift = -ahead[_i];
  serve (A, TALK);
  rig_shift = 0;
  answer (A, TALK);
  cycle (A);
  snprintf (text, sizeof text,
            "SELECT abs (1700000000000 - %d - __updated_at) < 400 FROM __sync_row_note", ahead[_i]);
  if (abs (ahead[_i]) < 2000)
    is (SERVER, "1700000000000", "SELECT __updated_at FROM __sync_row_note");
  else
    is (SERVER, "1", text);
  ck_assert (status_says (A, "\"clock_ahead\":0,") == (abs (ahead[_i]) < 2000));
}
END_TEST

/* ---- Schema ---- */

START_TEST (a_hello_of_before_the_schema_changed_counts_for_nothing)
{
  rig_start (NOTES);
  node_start (A);
  request (A, TALK);
  sql (A, "ALTER TABLE note ADD COLUMN x");
  serve (A, TALK);
  answer (A, TALK);
  ck_assert_ptr_nonnull (strstr (request (A, TALK), "protocol"));
}
END_TEST

/* ---- The next part is collected while one is under way ---- */

/* Six rows wait, two travel at a time, and the first part is on its way. */
static void
start_with_parts (void)
{
  start_with_k (NOTES, "INSERT INTO note VALUES ('k', 'one')");
  node_stop (A);
  rig_settings.whole_rows = 2;
  node_start (A);
  sql (A, "UPDATE note SET v = 'edited' WHERE id = 'k'");
  sql (A, "INSERT INTO note VALUES ('a', '1'), ('b', '1'), ('c', '1'), ('d', '1'), ('e', '1')");
  exchange (A, TALK); /* hello */
  ck_assert_ptr_nonnull (strstr (request (A, TALK), "edited"));
  ck_assert (look_ahead (A));
  ck_assert (!look_ahead (A));
}

START_TEST (the_next_part_is_ready_when_it_is_asked_for)
{
  start_with_parts ();
  sql (A, "UPDATE note SET v = 'late' WHERE id = 'b'"); /* the second part was read before */
  serve (A, TALK);
  answer (A, TALK);
  ck_assert_ptr_nonnull (strstr (request (A, TALK), "\"b\",\"1\""));
  serve (A, TALK);
  answer (A, TALK);
  is (SERVER, "1", NOTE ("b"));
  cycle (A);
  is (SERVER, "late", NOTE ("b"));
  is (SERVER, "6", "SELECT count(*) FROM note");
  is (SERVER, "0", "SELECT count(*) FROM __sync_conflicts");
}
END_TEST

/* The scan leaves a row that waits in the log to the push: that has to read it as it is now. */
START_TEST (a_scan_makes_it_worthless)
{
  start_with_parts ();
  sql_unseen (A, "UPDATE note SET v = 'unseen' WHERE id = 'b'");
  scan (A);
  serve (A, TALK);
  answer (A, TALK);
  exchange (A, PULL);
  cycle (A);
  is (SERVER, "unseen", NOTE ("b"));
  is (A, "unseen", NOTE ("b"));
}
END_TEST

START_TEST (an_exception_makes_it_worthless)
{
  start_with_parts ();
  sql (SERVER, "UPDATE note SET v = 'theirs, later' WHERE id = 'k'");
  sql (
      SERVER,
      "UPDATE __sync_log SET time = time + 3600000 WHERE seq = (SELECT max (seq) FROM __sync_log)");
  sql (A, "UPDATE note SET v = 'late' WHERE id = 'b'");
  serve (A, TALK);
  answer (A, TALK);
  ck_assert_ptr_null (strstr (request (A, TALK), "\"b\",\"1\""));
  serve (A, TALK);
  answer (A, TALK);
  cycle (A);
  is (SERVER, "theirs, later", NOTE ("k"));
  is (A, "theirs, later", NOTE ("k"));
  is (SERVER, "6", "SELECT count(*) FROM note");
}
END_TEST

START_TEST (the_log_is_trimmed_while_it_is_under_way)
{
  start_with_parts ();
  serve (A, TALK);
  answer (A, TALK);
  is (A, "6", "SELECT count(*) FROM __sync_log WHERE tbl = 1");
  request (A, TALK);
  ck_assert (look_ahead (A));
  is (A, "4", "SELECT count(*) FROM __sync_log WHERE tbl = 1");
  serve (A, TALK);
  answer (A, TALK);
  node_stop (A); /* before it was trimmed again */
  node_start (A);
  cycle (A);
  is (SERVER, "6", "SELECT count(*) FROM note");
  is (A, "1", "SELECT count(*) FROM __sync_log"); /* its last entry stays */
}
END_TEST

START_TEST (a_lost_batch_takes_it_along)
{
  start_with_parts ();
  lose (A, TALK);
  node_stop (A);
  node_start (A);
  cycle (A);
  is (SERVER, "edited", NOTE ("k"));
  is (SERVER, "6", "SELECT count(*) FROM note");
}
END_TEST

/* A row of the part that is ready comes from the server meanwhile: it is held, and the edit is a conflict. */
START_TEST (what_it_holds_is_not_overwritten)
{
  start_with_parts ();
  sql (SERVER, "INSERT INTO note VALUES ('b', 'theirs')");
  exchange (A, PULL);
  is (A, "1", NOTE ("b"));
  serve (A, TALK);
  answer (A, TALK);
  cycle (A);
  is (SERVER, "1", "SELECT count(*) FROM __sync_conflicts WHERE key = '[\"b\"]'");
  is (SERVER, "6", "SELECT count(*) FROM note");
}
END_TEST

static Suite *
sync_suite (void)
{
  Suite *suite = suite_create ("sync");
  TCase *tests = tcase_create ("device");

  tcase_add_checked_fixture (tests, NULL, rig_stop);
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, an_edit_of_a_row_that_was_under_way_is_made_on_what_came_of_it);
  tcase_add_test (tests, an_edit_of_a_row_from_the_middle_of_the_feed_is_made_on_what_was_shown);
  tcase_add_test (tests, an_edit_that_did_not_see_what_was_skipped_does_not_overwrite_it);
  tcase_add_test (tests, what_could_not_be_stored_was_not_seen);
  tcase_add_test (tests, what_an_answer_brought_and_could_not_be_stored_was_not_seen);
  tcase_add_test (tests, a_row_that_the_log_goes_on_about_goes_with_the_last_part);
  tcase_add_test (tests, rows_of_two_parts_that_need_each_other_go_together);
  tcase_add_test (tests, what_replace_might_have_removed_and_did_not_is_no_change);
  tcase_add_test (tests, what_replace_might_have_removed_was_here_before_the_server);
  tcase_add_test (tests, what_replace_might_have_removed_is_no_younger_for_that);
  tcase_add_test (tests, what_replace_might_have_removed_arrives);
  tcase_add_test (tests, a_scan_sees_what_replace_might_have_removed);
  tcase_add_test (tests, a_table_that_is_paused_is_not_pushed);
  tcase_add_test (tests, an_answer_that_was_lost_with_the_process_is_asked_for);
  tcase_add_test (tests, after_a_crash_what_was_set_aside_is_told_from_what_was_sent);
  tcase_add_test (tests, a_page_that_was_overtaken_takes_nothing_back);
  tcase_add_test (tests, a_copy_of_a_file_sees_what_the_other_one_sends);
  tcase_add_test (tests, what_could_not_be_decided_waits_a_second);
  tcase_add_test (tests, a_clock_that_was_set_back_delays_no_retry);
  tcase_add_test (tests, a_clock_that_was_set_back_delays_no_held_row);
  tcase_add_test (tests, what_a_unique_value_kept_out_comes_when_it_is_free);
  tcase_add_test (tests, what_meant_another_shape_goes_once_the_shapes_agree);
  tcase_add_test (tests, what_is_too_large_for_the_server_waits);
  tcase_add_test (tests, what_a_restored_server_lacks_is_offered_again);
  tcase_add_test (tests, what_came_from_a_server_before_it_was_restored_is_kept);
  tcase_add_test (tests, edits_on_what_a_restored_server_still_has_win);
  tcase_add_test (tests, an_edit_of_a_lost_version_overwrites_nothing_of_a_restored_server);
  tcase_add_test (tests, a_deletion_of_a_row_that_a_restored_server_still_has_wins);
  tcase_add_test (tests, an_older_deletion_overwrites_nothing_of_a_restored_server);
  tcase_add_test (tests, a_batch_is_not_sent_again_to_a_server_that_was_restored_since);
  tcase_add_test (tests, a_row_that_was_newer_than_the_cursor_is_not_one_of_a_restored_server);
  tcase_add_test (tests, a_row_too_large_for_a_message_holds_up_nobody);
  tcase_add_test (tests, a_load_passes_over_what_is_too_large);
  tcase_add_test (tests, what_is_too_large_overwrites_nothing_that_was_here_first);
  tcase_add_test (tests, rows_that_were_here_first_wait_for_their_page);
  tcase_add_test (tests, what_the_load_found_to_be_ours_is_sent_at_once);
  tcase_add_test (tests, a_row_of_the_feed_that_went_while_its_load_was_paused_is_none_of_ours);
  tcase_add_test (tests, a_load_that_was_paused_begins_anew);
  tcase_add_test (tests, a_scan_does_not_pass_over_what_is_under_way);
  tcase_add_test (tests, an_answer_does_not_overwrite_what_was_written_unseen);
  tcase_add_test (tests, a_scan_takes_no_row_that_could_not_be_stored_for_one_of_ours);
  tcase_add_test (tests, a_table_that_loses_its_triggers_before_it_is_live_meets_the_server_anew);
  tcase_add_test (tests, a_scan_that_is_paused_overwrites_nothing);
  tcase_add_test (tests, a_load_begins_anew_when_the_server_lost_its_triggers);
  tcase_add_test (tests, what_was_written_unseen_on_the_server_is_kept);
  tcase_add_test (tests, an_edit_that_waited_for_the_comparison_knew_nothing_of_it);
  tcase_add_test (tests, an_edit_of_the_newest_row_that_waited_for_the_comparison_was_made_on_it);
  tcase_add_test (tests, an_edit_during_a_scan_that_begins_anew_was_made_on_the_newest_row);
  tcase_add_test (tests, an_edit_during_a_scan_that_begins_anew_was_made_on_what_an_answer_brought);
  tcase_add_test (tests, who_has_compared_since_makes_no_conflicts);
  tcase_add_test (tests, a_table_that_was_left_out_for_a_while_deletes_nothing);
  tcase_add_test (tests, a_log_that_cannot_be_sent_is_folded);
  tcase_add_test (tests, what_is_under_way_is_not_folded);
  tcase_add_test (tests, a_log_that_is_being_sent_is_left_alone);
  tcase_add_test (tests, a_log_is_left_alone_while_its_hello_is_under_way);
  tcase_add_test (tests, a_log_of_who_may_not_send_is_folded);
  tcase_add_loop_test (tests, a_clock_that_is_off_by_less_than_two_seconds_counts_as_right, 0, 6);
  tcase_add_test (tests, a_hello_of_before_the_schema_changed_counts_for_nothing);
  tcase_add_test (tests, the_next_part_is_ready_when_it_is_asked_for);
  tcase_add_test (tests, a_scan_makes_it_worthless);
  tcase_add_test (tests, an_exception_makes_it_worthless);
  tcase_add_test (tests, the_log_is_trimmed_while_it_is_under_way);
  tcase_add_test (tests, a_lost_batch_takes_it_along);
  tcase_add_test (tests, what_it_holds_is_not_overwritten);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (sync_suite ());
  int failures;

  srunner_run_all (runner, CK_NORMAL);
  failures = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
