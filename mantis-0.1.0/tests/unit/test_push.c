/* core/sync detect, resolve, record and core/message/push.c: what becomes of a pushed changeset.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "server_rig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define LL (long long)
#define T(id, title) "{'table':'t','columns':['id','v'],'rows':[[" #id ",'" title "']]}"

static void
set_up (void)
{
  rig_start ("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);"
             "CREATE TABLE old (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO old VALUES (1, "
             "'before Mantis')");
}

/* One row of t; BASE 0: a new one. */
static int
change (const struct caller *caller, const char *row, int64_t base, int64_t time)
{
  return push (
      caller, 0,
      "{'table':'t','columns':['id','v'],'base':%lld,'created':%s,'updated_at':%lld,'rows':[%s]}",
      LL base, base ? "false" : "true", LL (rig_past + time), row);
}

static int
removal (const struct caller *caller, const char *key, int64_t base, int64_t time)
{
  return push (caller, 0, "{'table':'t','base':%lld,'updated_at':%lld,'deleted':[%s]}", LL base,
               LL (rig_past + time), key);
}

static const char *
fact (const char *name)
{
  const json_t *item = json_array_get (json_object_get (rig_answer, "exceptions"), 0);

  return json_string_value (json_object_get (item, name));
}

/* ---- No conflict ---- */

START_TEST (a_new_row_is_applied)
{
  ck_assert_int_eq (push (&node_a, 1, T (1, "milk")), 200);
  ck_assert_int_eq (outcomes ("applied"), 1);
  ck_assert_uint_eq (json_array_size (json_object_get (rig_answer, "exceptions")), 0);
  ck_assert (rig_reply.committed);
  is ("milk", "SELECT v FROM t WHERE id = 1");
  is (NODE_A, "SELECT origin FROM __sync_log ORDER BY seq DESC LIMIT 1");
  is (NODE_A, "SELECT __origin FROM __sync_row_t WHERE id = 1");
  ck_assert_int_eq (rig_server.counters.outcomes[OUTCOME_APPLIED], 1);
}
END_TEST

/* K10: equal rows on both sides are no conflict, and make no revision. */
START_TEST (an_equal_row_is_the_same)
{
  int64_t before;

  push (&node_a, 1, T (1, "milk"));
  before = head ();
  ck_assert_int_eq (push (&node_b, 1, T (1, "milk")), 200);
  ck_assert_int_eq (outcomes ("same"), 1);
  push (&node_b, 2, "{'table':'old','columns':['id','v'],'rows':[[1,'before Mantis']]}");
  ck_assert_int_eq (outcomes ("same"), 1);
  push (&node_b, 3, "{'table':'t','columns':['id'],'rows':[[1]]}"); /* says nothing of v */
  ck_assert_int_eq (outcomes ("same"), 1);
  ck_assert_int_eq (head (), before);
  is ("0", "SELECT count(*) FROM __sync_conflicts");
}
END_TEST

/* V31, V12: what is stored alike but is not alike is no equal row. */
START_TEST (equal_means_type_and_bits)
{
  sql ("CREATE TABLE any (id INTEGER PRIMARY KEY, v); INSERT INTO any VALUES (1, 1), (2, '1'), (3, "
       "x'31'), (4, NULL)");
  push (&node_a, 1, "{'table':'any','columns':['id','v'],'rows':[[1,1.0],[2,1],[3,'1'],[4,'']]}");
  ck_assert_int_eq (outcomes ("same"), 0);
  push (&node_a, 2,
        "{'table':'any','columns':['id','v'],'base':%lld,'rows':[[1,1.0],[2,1],[3,'1'],[4,'']]}",
        LL head ());
  is ("real integer text text", "SELECT group_concat(typeof(v), ' ') FROM any ORDER BY id");
}
END_TEST

/* Guarantee 8, D17: made on the current version it wins, whatever its clock says, and is later. */
START_TEST (a_later_write_wins_by_its_base)
{
  push (&node_a, 1, T (1, "first"));
  ck_assert_int_eq (change (&node_b, "[1,'second']", head (), -1000000), 200);
  ck_assert_int_eq (outcomes ("applied"), 1);
  is ("second", "SELECT v FROM t");
  is ("1", "SELECT max(time) > min(time) FROM __sync_log WHERE op <> 'M'");
  is ("0", "SELECT count(*) FROM __sync_conflicts");
}
END_TEST

/* D2: a node follows up on what was stored verbatim from it, though it has not heard of it yet. */
START_TEST (a_node_follows_up_on_itself)
{
  push (&node_a, 1, T (1, "first"));
  ck_assert_int_eq (change (&node_a, "[1,'second']", 0, 0), 200);
  ck_assert_int_eq (outcomes ("applied"), 1);
  is ("second", "SELECT v FROM t");
}
END_TEST

/* Two calls of curl by one subject are not one node. */
START_TEST (a_caller_without_node_has_no_past)
{
  push (&curl, 0, T (1, "first"));
  ck_assert_int_eq (change (&curl, "[1,'second']", 0, 0), 200);
  ck_assert_str_eq (outcome_of ("t", "[1]"), "superseded");
  is ("first", "SELECT v FROM t");
}
END_TEST

/* D14: a version above the base that the author had, too. */
START_TEST (a_version_seen_besides_counts)
{
  int64_t base;

  push (&node_a, 1, T (1, "first"));
  base = head ();
  push (&node_a, 2, T (2, "other"));
  push (&node_a, 3, "{'table':'t','columns':['id','v'],'rows':[[1,'second']]}");
  push (&node_b, 1,
        "{'table':'t','columns':['id','v'],'base':%lld,'seen':%lld,'updated_at':5,'rows':[[1,'"
        "third']]}",
        LL base, LL head ());
  ck_assert_int_eq (outcomes ("applied"), 1);
  is ("third", "SELECT v FROM t WHERE id = 1");
}
END_TEST

/* Rows from before Mantis have the version of the floor. */
START_TEST (old_rows_have_a_version)
{
  push (&node_a, 1,
        "{'table':'old','columns':['id','v'],'base':1,'updated_at':7,'rows':[[1,'edited']]}");
  ck_assert_int_eq (outcomes ("applied"), 1);
  is ("edited", "SELECT v FROM old");
  push (&node_b, 1,
        "{'table':'old','columns':['id','v'],'base':1,'updated_at':7,'rows':[[1,'late']]}");
  ck_assert_str_eq (outcome_of ("old", "[1]"), "superseded");
}
END_TEST

/* ---- Conflicts ---- */

/* K7, K12: the loser learns the row that stands; its own is kept. */
START_TEST (the_earlier_is_superseded)
{
  change (&node_a, "[1,'theirs']", 0, 2000);
  ck_assert_int_eq (change (&node_b, "[1,'mine']", 0, 1000), 200);
  ck_assert_str_eq (outcome_of ("t", "[1]"), "superseded");
  ck_assert_str_eq (fact ("decided_by"), "timestamp");
  ck_assert_str_eq (fact ("origin"), NODE_A);
  const json_t *item = exception_of ("t", "[1]");
  ck_assert_str_eq (json_string_value (json_object_get (json_object_get (item, "row"), "v")),
                    "theirs");
  ck_assert_int_eq (json_integer_value (json_object_get (item, "rev")), head ());
  ck_assert_int_eq (json_integer_value (json_object_get (item, "updated_at")), rig_past + 2000);
  is ("theirs", "SELECT v FROM t");
  is ("superseded " NODE_B " {\"id\":1,\"v\":\"mine\"} {\"id\":1,\"v\":\"theirs\"}",
      "SELECT outcome || ' ' || node || ' ' || loser || ' ' || winner FROM __sync_conflicts");
  ck_assert_int_eq (rig_server.counters.conflicts, 1);
}
END_TEST

START_TEST (the_later_beats_and_keeps)
{
  change (&node_a, "[1,'theirs']", 0, 1000);
  ck_assert_int_eq (change (&node_b, "[1,'mine']", 0, 2000), 200);
  ck_assert_int_eq (outcomes ("applied"), 1);
  is ("mine", "SELECT v FROM t");
  is ("beaten " NODE_A " {\"id\":1,\"v\":\"theirs\"} {\"id\":1,\"v\":\"mine\"} closed",
      "SELECT outcome || ' ' || node || ' ' || loser || ' ' || winner || ' ' || state FROM "
      "__sync_conflicts");
}
END_TEST

/* K3: at equal times the greater node wins, in whatever order they arrive. */
START_TEST (equal_times_are_decided_by_the_node)
{
  const struct caller *first = _i ? &node_a : &node_b, *second = _i ? &node_b : &node_a;

  change (first, _i ? "[1,'a']" : "[1,'b']", 0, 1000);
  change (second, _i ? "[1,'b']" : "[1,'a']", 0, 1000);
  is ("b", "SELECT v FROM t");
  is ("1", "SELECT count(*) FROM __sync_conflicts");
}
END_TEST

/* K1: a clock far ahead counts as now, and the next edit elsewhere wins. */
START_TEST (no_clock_wins_for_ever)
{
  int64_t year_2099 = INT64_C (4070908800000);

  push (&node_a, 1, "{'table':'t','columns':['id','v'],'updated_at':%lld,'rows':[[1,'future']]}",
        LL year_2099);
  ck_assert_int_eq (number_of ("SELECT max(time) > 4000000000000 FROM __sync_log"), 0);
  while (mantis_now () <= number_of ("SELECT max(time) FROM __sync_log"))
    ; /* the millisecond ends */
  push (&node_b, 1, "{'table':'t','columns':['id','v'],'updated_at':%lld,'rows':[[1,'now']]}",
        LL mantis_now ());
  is ("now", "SELECT v FROM t");
}
END_TEST

/* K6: deletion against edit, both orders, both times. */
START_TEST (deletion_against_edit)
{
  int64_t base;
  bool deletion_first = _i & 1, deletion_later = _i & 2;

  push (&node_c, 1, T (1, "first"));
  sql ("UPDATE __sync_log SET time = 1 WHERE op <> 'M'"); /* long ago */
  base = head ();
  if (deletion_first)
    removal (&node_a, "[1]", base, deletion_later ? 2000 : 1000);
  ck_assert_int_eq (change (&node_b, "[1,'edited']", base, deletion_later ? 1000 : 2000), 200);
  if (!deletion_first)
    removal (&node_a, "[1]", base, deletion_later ? 2000 : 1000);
  is (deletion_later ? NULL : "edited", "SELECT v FROM t");
  is ("1", "SELECT count(*) FROM __sync_conflicts");
  is ("1", "SELECT count(*) FROM __sync_conflicts WHERE (loser IS NULL) + (winner IS NULL) = 1");
}
END_TEST

/* D11: who never had the row did not mean it. */
START_TEST (an_unseen_row_is_not_deleted)
{
  change (&node_a, "[1,'theirs']", 0, 1000);
  removal (&node_b, "[1]", 0, 2000);
  ck_assert_str_eq (outcome_of ("t", "[1]"), "superseded");
  push (&node_b, 0, "{'table':'t','base':%lld,'created':true,'updated_at':%lld,'deleted':[[1]]}",
        LL head () - 1, LL mantis_now ());
  ck_assert_str_eq (outcome_of ("t", "[1]"), "superseded");
  is ("theirs", "SELECT v FROM t");
  removal (&node_b, "[1]", head (), 0); /* now it has */
  ck_assert_int_eq (outcomes ("applied"), 1);
  is ("0", "SELECT count(*) FROM t");
}
END_TEST

/* R20: deleting what is not there, again and again. */
START_TEST (unknown_rows_are_deleted_without_error)
{
  for (int i = 1; i <= 3; i++) {
    ck_assert_int_eq (push (&node_a, i, "{'table':'t','deleted':[[7]]}"), 200);
    ck_assert_uint_eq (json_array_size (json_object_get (rig_answer, "exceptions")), 0);
  }
  is ("0", "SELECT count(*) FROM __sync_conflicts");
}
END_TEST

/* R19: insert, delete, insert again. */
START_TEST (a_key_may_come_again)
{
  push (&node_a, 1, T (1, "first"));
  push (&node_a, 2, "{'table':'t','base':%lld,'deleted':[[1]]}", LL head ());
  is ("0", "SELECT count(*) FROM t");
  push (&node_a, 3, T (1, "again"));
  is ("again", "SELECT v FROM t");
  push (&node_b, 1, "{'table':'t','base':%lld,'deleted':[[1]]}", LL head ());
  is ("0", "SELECT count(*) FROM t");
  push (&node_b, 2, T (1, "thrice"));
  is ("thrice", "SELECT v FROM t");
}
END_TEST

/* ---- Policies ---- */

static int decision;
static int asked;

static enum mantis_decision
as_told (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
         struct mantis_arena *arena, struct mantis_error *error)
{
  (void)self, (void)arena;
  asked++;
  ck_assert_ptr_nonnull (conflict->local->origin);
  if (decision == MANTIS_MERGE)
    merged[1] = (struct mantis_value){.type = MANTIS_TEXT, .length = 4, .as.bytes = "both"};
  if (decision == MANTIS_REFUSE)
    mantis_fail (error, MANTIS_REFUSED, "not after five o'clock");
  if (decision == 99)
    merged[1].type = 99;
  return decision == 99 ? MANTIS_MERGE : (enum mantis_decision)decision;
}

static void
meet (int told)
{
  rig_decide = as_told;
  decision = told;
  asked = 0;
  change (&node_a, "[1,'theirs']", 0, 1000);
}

START_TEST (a_policy_is_asked_in_conflicts_alone)
{
  meet (MANTIS_TAKE_REMOTE);
  change (&node_b, "[1,'theirs']", 0, 1000);     /* equal */
  change (&node_b, "[1,'next']", head (), 1000); /* made on it */
  change (&node_b, "[1,'more']", 0, 1000);       /* its own */
  ck_assert_int_eq (asked, 0);
  change (&node_a, "[1,'late']", 0, 1000);
  ck_assert_int_eq (asked, 1);
  is ("late", "SELECT v FROM t");
}
END_TEST

START_TEST (a_policy_merges)
{
  meet (MANTIS_MERGE);
  ck_assert_int_eq (change (&node_b, "[1,'mine']", 0, 1000), 200);
  ck_assert_str_eq (outcome_of ("t", "[1]"), "merged");
  is ("both", "SELECT v FROM t");
  is (NULL,
      "SELECT origin FROM __sync_log ORDER BY seq DESC LIMIT 1"); /* goes back to its author, too */
  ck_assert_str_eq (
      json_string_value (json_object_get (json_object_get (exception_of ("t", "[1]"), "row"), "v")),
      "both");
  is ("{\"id\":1,\"v\":\"mine\"} {\"id\":1,\"v\":\"theirs\"}",
      "SELECT loser || ' ' || winner FROM __sync_conflicts");
  change (&node_b, "[1,'mine']", 0, 1000); /* merges to what stands */
  ck_assert_str_eq (outcome_of ("t", "[1]"), "superseded");
}
END_TEST

START_TEST (a_policy_defers)
{
  meet (MANTIS_DEFER);
  change (&node_b, "[1,'mine']", 0, 1000);
  ck_assert_str_eq (outcome_of ("t", "[1]"), "deferred");
  is ("theirs", "SELECT v FROM t");
  is ("deferred open", "SELECT outcome || ' ' || state FROM __sync_conflicts");
}
END_TEST

START_TEST (a_policy_refuses)
{
  meet (MANTIS_REFUSE);
  change (&node_b, "[1,'mine'],[2,'other']", 0, 1000);
  ck_assert_str_eq (outcome_of ("t", "[1]"), "rejected");
  ck_assert_str_eq (fact ("reason"), "not after five o'clock");
  is ("theirs", "SELECT v FROM t WHERE id = 1");
  is ("other", "SELECT v FROM t WHERE id = 2");
}
END_TEST

static char line[2300];

static void
sink (enum mantis_level level, const char *text)
{
  (void)level;
  snprintf (line, sizeof line, "%s", text);
}

/* K9: no decision is no decision: nothing stored, asked again later, the rest stands. */
START_TEST (a_policy_that_says_nonsense)
{
  static const int nonsense[] = {0, -1, 77};

  log_set_sink (sink);
  for (size_t i = 0; i < COUNT_OF (nonsense); i++) {
    meet (nonsense[i]);
    ck_assert_int_eq (change (&node_b, "[1,'mine'],[2,'other']", 0, 1000), 200);
    ck_assert_str_eq (outcome_of ("t", "[1]"), "retry");
    ck_assert (strstr (line, "rig") && strstr (line, "\"t\""));
    is ("theirs", "SELECT v FROM t WHERE id = 1");
    is ("0", "SELECT count(*) FROM __sync_conflicts");
  }
  is ("other", "SELECT v FROM t WHERE id = 2");
  meet (99); /* a row of no known type */
  ck_assert_int_eq (change (&node_b, "[1,'mine'],[3,'third']", 0, 1000), 500);
  is ("0", "SELECT count(*) FROM t WHERE id = 3");
  ck_assert_ptr_null (strstr (rig_reply.body.bytes, "merged"));
  log_set_sink (NULL);
}
END_TEST

/* ---- Batches ---- */

#define BATCH(number, nonce, id)                                                                   \
  "{'number':" number ",'nonce':'" nonce "','changes':[" T (id, "x") "]}"

/* R11, R12, R32: the same again is answered the same; another under its number is a fork. */
START_TEST (a_batch_counts_once)
{
  int64_t before;
  char *answer;

  ck_assert_int_eq (ask (&node_a, "push", BATCH ("1", "n1", 1)), 200);
  answer = strdup (rig_reply.body.bytes);
  before = head ();
  sql ("DELETE FROM t");
  ck_assert_int_eq (ask (&node_a, "push", BATCH ("1", "n1", 1)), 200);
  ck_assert_str_eq (rig_reply.body.bytes, answer);
  ck_assert_int_eq (head (), before + 1); /* ours alone */
  rig_reopen ();
  ck_assert_int_eq (ask (&node_a, "push", BATCH ("1", "n1", 1)), 200);
  ck_assert_str_eq (rig_reply.body.bytes, answer);
  is ("0", "SELECT count(*) FROM t");
  free (answer);
  ck_assert_int_eq (ask (&node_a, "push", BATCH ("1", "other", 2)), 409);
  ck_assert_str_eq (json_string_value (json_object_get (rig_answer, "code")), "fork");
  ck_assert_int_eq (ask (&node_a, "push", BATCH ("2", "n2", 2)), 200);
  ck_assert_int_eq (ask (&node_a, "push", BATCH ("1", "n1", 1)), 409); /* delayed on the way */
  ck_assert_str_eq (json_string_value (json_object_get (rig_answer, "code")), "fork");
  ck_assert_int_eq (ask (&node_a, "push", BATCH ("4", "n4", 4)), 409);
  ck_assert_str_eq (json_string_value (json_object_get (rig_answer, "code")), "expected");
  is ("2", "SELECT group_concat(id) FROM t");
}
END_TEST

/* A settled batch is answered, whatever became of its tables since. */
START_TEST (a_settled_batch_needs_no_table)
{
  push (&node_a, 1, T (1, "x"));
  sql ("DROP TABLE t");
  ck_assert_int_eq (push (&node_a, 1, T (1, "x")), 200);
  ck_assert_int_eq (outcomes ("applied"), 1);
  ck_assert_int_eq (push (&node_a, 2, T (1, "x")), 400);
}
END_TEST

START_TEST (an_abandoned_batch_is_answered_or_burnt)
{
  push (&node_a, 1, T (1, "x"));
  ck_assert_int_eq (ask (&node_a, "push", "{'abandon':{'number':1,'nonce':'n1'}}"), 200);
  ck_assert_int_eq (outcomes ("applied"), 1); /* it had arrived */
  ck_assert_int_eq (ask (&node_a, "push", "{'abandon':{'number':2,'nonce':'n2'}}"), 200);
  ck_assert (json_is_true (json_object_get (rig_answer, "void")));
  ck_assert_int_eq (push (&node_a, 2, T (2, "late")), 200); /* arrives after all */
  ck_assert (json_is_true (json_object_get (rig_answer, "void")));
  is ("1", "SELECT count(*) FROM t");
  ck_assert_int_eq (push (&node_a, 3, T (3, "next")), 200);
  ck_assert_int_eq (ask (&node_a, "push", "{'abandon':{'number':2,'nonce':'n2'}}"), 409);
  ck_assert_int_eq (ask (&node_a, "push", "{'abandon':{'number':9,'nonce':'n9'}}"), 409);
}
END_TEST

START_TEST (wrong_batches_are_refused)
{
  static const char *const bad[] = {
      "{'number':1}",
      "{'nonce':'x'}",
      "{'number':-1,'nonce':'x'}",
      "{'number':'1','nonce':'x'}",
      "{'number':1.5,'nonce':'x'}",
      "{'abandon':{}}",
      "{'abandon':{'nonce':'x'}}",
      "{'abandon':[]}",
      "{'abandon':{'number':1}}",
      "{'changes':{}}",
      "{'changes':7}",
      "{'number':1,'nonce':7}",
      "{'number':1,'nonce':'0123456789012345678901234567890123456789012345678901234567890123'}",
      "[]",
      "",
      "7",
      "{"};

  for (size_t i = 0; i < COUNT_OF (bad); i++)
    ck_assert_msg (ask (&node_a, "push", "%s", bad[i]) == 400, "%s", bad[i]);
  is ("0", "SELECT count(*) FROM __sync_nodes");
  ck_assert_int_eq (ask (&node_a, "push", "{}"), 200); /* nothing is asked for */
  ck_assert_int_eq (ask (&node_a, "push", "{'number':1,'nonce':'n1','mood':[{}]}"), 200);
}
END_TEST

/* D21, O25 */
START_TEST (a_node_belongs_to_one_principal)
{
  const struct caller thief = {NODE_A, "mallory"}, odd = {"../../etc", "alice"},
                      upper = {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "alice"};
  static const char *const messages_of_nodes[] = {"push", "pull", "hello"};

  push (&node_a, 1, T (1, "x"));
  for (size_t i = 0; i < COUNT_OF (messages_of_nodes); i++) {
    ck_assert_int_eq (ask (&thief, messages_of_nodes[i], "{}"), 403);
    ck_assert_int_eq (ask (&odd, messages_of_nodes[i], "{}"), 400);
    ck_assert_int_eq (ask (&upper, messages_of_nodes[i], "{}"), 400);
  }
  ck_assert_int_eq (push (&thief, 2, T (2, "x")), 403);
  is ("1", "SELECT count(*) FROM t");
  sql ("UPDATE __sync_nodes SET disabled = 1");
  ck_assert_int_eq (push (&node_a, 2, T (2, "x")), 403);
  sql ("UPDATE __sync_nodes SET disabled = 0");
  ck_assert_int_eq (push (&node_a, 2, T (2, "x")), 200);
}
END_TEST

START_TEST (without_node_there_are_no_numbers)
{
  ck_assert_int_eq (push (&curl, 0, T (1, "x")), 200);
  is ("0", "SELECT count(*) FROM __sync_nodes");
  ck_assert_int_eq (push (&curl, 1, T (2, "x")), 400);
  is ("1", "SELECT count(*) FROM t");
}
END_TEST

/* ---- Other shapes ---- */

/* Its keys may be other columns: which rows an answer means would be a guess. */
START_TEST (another_shape_is_sent_back_to_hello)
{
  int64_t before = head ();

  static const char *const bad[] = {
      "{'table':'t','schema':'old','columns':['id','colour'],'rows':[[1,'red']]}",
      "{'table':'t','schema':'old','columns':['other'],'rows':[['k']]}",
      "{'table':'t','schema':'old','deleted':[['k','l']]}",
      "{'table':'gone','schema':'old','columns':['id'],'rows':[[1]]}"};

  for (size_t i = 0; i < COUNT_OF (bad); i++) {
    ck_assert_msg (push (&node_a, 1, T (3, "x") ",%s", bad[i]) == 409, "%s", bad[i]);
    ck_assert_str_eq (json_string_value (json_object_get (rig_answer, "code")), "schema");
    ck_assert (strstr (json_string_value (json_object_get (rig_answer, "detail")), "$.changes[1]"));
  }
  is ("0", "SELECT count(*) FROM t");
  ck_assert_int_eq (head (), before);
  ck_assert_int_eq (push (&node_a, 1, T (3, "x")), 200); /* the number is not used up */
}
END_TEST

/* Guarantee 15: what is wrong in one place is refused as a whole. */
START_TEST (wrong_changes_are_refused_as_a_whole)
{
  static const char *const bad[] = {"{'table':'nope','columns':['id'],'rows':[[1]]}",
                                    "{'table':'t','columns':['id','colour'],'rows':[[2,3]]}",
                                    "{'table':'t','columns':['id'],'rows':[[2,3]]}",
                                    "{'table':'__sync_meta','columns':['name'],'rows':[['x']]}",
                                    "{'table':'sqlite_master','columns':['name'],'rows':[['x']]}",
                                    "7"};
  int64_t before = head ();

  for (size_t i = 0; i < COUNT_OF (bad); i++) {
    ck_assert_msg (push (&node_a, 1, T (1, "x") ",%s", bad[i]) == 400, "%s", bad[i]);
    ck_assert (strstr (json_string_value (json_object_get (rig_answer, "detail")), "$.changes[1]"));
  }
  is ("0", "SELECT count(*) FROM t");
  is ("0", "SELECT count(*) FROM __sync_nodes");
  ck_assert_int_eq (head (), before);
}
END_TEST

/* Of two sayings about one row, the order would decide. */
START_TEST (twins_are_refused_as_a_whole)
{
  ck_assert_int_eq (push (&node_a, 1, T (1, "a") "," T (2, "b") "," T (1, "c")), 400);
  ck_assert (strstr (json_string_value (json_object_get (rig_answer, "detail")), "[1]"));
  ck_assert_int_eq (
      push (&node_a, 1, "{'table':'t','columns':['id'],'rows':[[1]],'deleted':[[1.0]]}"), 400);
  is ("0", "SELECT count(*) FROM t");
  ck_assert_int_eq (push (&node_a, 1, T (1, "a") ",{'table':'old','columns':['id'],'rows':[[1]]}"),
                    200);
}
END_TEST

static Suite *
push_suite (void)
{
  Suite *suite = suite_create ("push");
  TCase *tests = tcase_create ("push");

  tcase_add_checked_fixture (tests, set_up, rig_stop);
  tcase_add_test (tests, a_new_row_is_applied);
  tcase_add_test (tests, an_equal_row_is_the_same);
  tcase_add_test (tests, equal_means_type_and_bits);
  tcase_add_test (tests, a_later_write_wins_by_its_base);
  tcase_add_test (tests, a_node_follows_up_on_itself);
  tcase_add_test (tests, a_caller_without_node_has_no_past);
  tcase_add_test (tests, a_version_seen_besides_counts);
  tcase_add_test (tests, old_rows_have_a_version);
  tcase_add_test (tests, the_earlier_is_superseded);
  tcase_add_test (tests, the_later_beats_and_keeps);
  tcase_add_loop_test (tests, equal_times_are_decided_by_the_node, 0, 2);
  tcase_add_test (tests, no_clock_wins_for_ever);
  tcase_add_loop_test (tests, deletion_against_edit, 0, 4);
  tcase_add_test (tests, an_unseen_row_is_not_deleted);
  tcase_add_test (tests, unknown_rows_are_deleted_without_error);
  tcase_add_test (tests, a_key_may_come_again);
  tcase_add_test (tests, a_policy_is_asked_in_conflicts_alone);
  tcase_add_test (tests, a_policy_merges);
  tcase_add_test (tests, a_policy_defers);
  tcase_add_test (tests, a_policy_refuses);
  tcase_add_test (tests, a_policy_that_says_nonsense);
  tcase_add_test (tests, a_batch_counts_once);
  tcase_add_test (tests, a_settled_batch_needs_no_table);
  tcase_add_test (tests, an_abandoned_batch_is_answered_or_burnt);
  tcase_add_test (tests, wrong_batches_are_refused);
  tcase_add_test (tests, a_node_belongs_to_one_principal);
  tcase_add_test (tests, without_node_there_are_no_numbers);
  tcase_add_test (tests, another_shape_is_sent_back_to_hello);
  tcase_add_test (tests, wrong_changes_are_refused_as_a_whole);
  tcase_add_test (tests, twins_are_refused_as_a_whole);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (push_suite ());
  int failed;

  log_set_level (MANTIS_WARNING);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
