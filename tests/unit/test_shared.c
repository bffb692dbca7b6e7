/* core/message/shared.c: pushes that share a transaction, and what one of them does to the others: nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "server_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW(id, v)                                                                                 \
  "{'table':'t','columns':['id','v'],'created':1,'base':1,'rows':[[" #id ",'" v "']]}"

enum { MOST = 16 };

/* What is sent together; afterwards the answers. */
static struct {
  struct mantis_request request;
  struct mantis_principal principal;
  struct reply reply;
  char *body;
} sent[MOST];
static size_t count;

/* What the storage does in the test's stead. */
static const struct mantis_storage *sound;
static struct mantis_storage bent;
static enum mantis_status commit_fails; /* the next time */
static int commits;

static enum mantis_status
commit (struct mantis_session *session, struct mantis_error *error)
{
  enum mantis_status status = commit_fails;

  commit_fails = MANTIS_OK;
  commits++;
  if (status != MANTIS_OK)
    return mantis_fail (error, status, "as the test wants it");
  return sound->commit (session, error);
}

/* However long it takes: there is one transaction. */
static int64_t
stand_still (void)
{
  return INT64_C (1763800000000);
}

static void
set_up (void)
{
  clock_set (stand_still);
  rig_start ("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT CHECK (v <> 'bad'));"
             "CREATE TABLE parent (id INTEGER PRIMARY KEY);"
             "CREATE TABLE child (id INTEGER PRIMARY KEY, of INTEGER REFERENCES parent (id))");
  sound = rig_store.ops;
  bent = *sound;
  bent.commit = commit;
  rig_store.ops = &bent;
  commit_fails = MANTIS_OK;
  commits = 0;
}

static void
forget (void)
{
  for (size_t i = 0; i < count; i++) {
    mantis_buf_free (&sent[i].reply.body);
    free (sent[i].body);
  }
  count = 0;
}

static void
tear_down (void)
{
  forget ();
  rig_stop ();
  clock_set (NULL);
}

/* One more push to send.  BODY with ' for ". */
static size_t
say (const struct caller *caller, const char *body)
{
  size_t which = count++;

  sent[which].body = strdup (body);
  for (char *c = sent[which].body; *c; c++)
    if (*c == '\'')
      *c = '"';
  sent[which].principal = (struct mantis_principal){
      .size = sizeof sent[which].principal, .subject = caller->subject, .claims = "{}"};
  sent[which].request = (struct mantis_request){.size = sizeof sent[which].request,
                                                .message = "push",
                                                .node = caller->node,
                                                .body = sent[which].body,
                                                .length = strlen (sent[which].body)};
  return which;
}

static size_t
push_of (const struct caller *caller, int number, const char *block)
{
  char body[1000];

  snprintf (body, sizeof body, "{'number':%d,'nonce':'n%d','changes':[%s]}", number, number, block);
  return say (caller, body);
}

static void
go (void)
{
  struct fellow requests[MOST];

  for (size_t i = 0; i < count; i++) {
    mantis_buf_free (&sent[i].reply.body);
    requests[i] = (struct fellow){&sent[i].request, &sent[i].principal, &sent[i].reply};
  }
  commits = 0;
  message_handle_all (&rig_server, &rig_store, requests, count);
  ck_assert (!rig_store.in_transaction);
  for (size_t i = 0; i < count; i++)
    ck_assert_int_ne (sent[i].reply.status, 0);
}

static bool
says (size_t which, const char *text)
{
  char quoted[200];

  snprintf (quoted, sizeof quoted, "%s", text);
  for (char *c = quoted; *c; c++)
    if (*c == '\'')
      *c = '"';
  return strstr (sent[which].reply.body.bytes, quoted) != NULL;
}

static void
is_applied (size_t which)
{
  ck_assert_msg (sent[which].reply.status == 200 && says (which, "'applied':1") &&
                     sent[which].reply.committed,
                 "%zu: %d %s", which, sent[which].reply.status, sent[which].reply.body.bytes);
}

static void
is_problem (size_t which, int status, const char *text)
{
  ck_assert_msg (sent[which].reply.status == status && says (which, text), "%zu: %d %s", which,
                 sent[which].reply.status, sent[which].reply.body.bytes);
}

START_TEST (they_share_one_commit)
{
  push_of (&node_a, 1, ROW (1, "a"));
  push_of (&node_b, 1, ROW (2, "b"));
  push_of (&node_c, 1, ROW (3, "c"));
  push_of (&node_a, 2, ROW (4, "a again"));
  say (&curl, "{'changes':[" ROW (5, "curl") "]}");
  go ();
  for (size_t i = 0; i < count; i++)
    is_applied (i);
  ck_assert_int_eq (commits, 1);
  is ("a b c a again curl", "SELECT group_concat(v, ' ') FROM t");
  is ("2", "SELECT number FROM __sync_nodes WHERE node = '" NODE_A "'");
  is ("3", "SELECT count(DISTINCT origin) FROM __sync_log WHERE origin NOT LIKE 'subject-%'");
  ck_assert_int_eq (rig_server.counters.outcomes[OUTCOME_APPLIED], 5);
}
END_TEST

/* Rejected, malformed, out of turn, of a table that nobody knows, under another's name. */
START_TEST (what_is_wrong_with_one_harms_only_itself)
{
  const struct caller thief = {NODE_A, "mallory"};
  size_t bad, torn, early, unknown, stolen;

  push_of (&node_a, 1, ROW (1, "a"));
  bad = push_of (&node_b, 1, ROW (2, "bad") "," ROW (3, "good"));
  torn =
      say (&node_c, "{'number':1,'nonce':'x','changes':[{'table':'t','columns':['id'],'rows':[[");
  early = push_of (&node_b, 7, ROW (4, "too early"));
  unknown = push_of (&node_c, 1, "{'table':'none','columns':['id'],'rows':[[1]]}");
  stolen = push_of (&thief, 2, ROW (5, "stolen"));
  push_of (&node_c, 1, ROW (6, "c"));
  go ();
  is_applied (0);
  is_applied (count - 1);
  ck_assert (says (bad, "'applied':1,'rejected':1") && says (bad, "CHECK constraint failed"));
  is_problem (torn, 400, "");
  is_problem (early, 409, "'code':'expected'");
  is_problem (unknown, 400, "none");
  is_problem (stolen, 403, "belongs to the subject that it first called with");
  ck_assert_int_eq (commits, 1);
  is ("a good c", "SELECT group_concat(v, ' ') FROM t");
  is ("1 1 1", "SELECT group_concat(number, ' ') FROM __sync_nodes");
  is ("1", "SELECT count(*) FROM __sync_conflicts");
}
END_TEST

/* A deferred foreign key is looked at for each, not at their common commit. */
START_TEST (an_orphan_is_rejected_and_nobody_else)
{
  size_t orphan;

  push_of (&node_a, 1, "{'table':'parent','columns':['id'],'rows':[[1]]}");
  orphan = push_of (&node_b, 1, "{'table':'child','columns':['id','of'],'rows':[[1,99]]}");
  push_of (&node_c, 1, "{'table':'child','columns':['id','of'],'rows':[[2,1]]}");
  go ();
  is_applied (0);
  is_applied (2);
  ck_assert (says (orphan, "'rejected':1") && says (orphan, "FOREIGN KEY"));
  ck_assert_int_eq (commits, 1);
  is ("2", "SELECT group_concat(id) FROM child");
}
END_TEST

/* The same message twice at once, e.g. by two connections: made once, answered alike. */
START_TEST (one_that_comes_twice_is_made_once)
{
  size_t first = push_of (&node_a, 1, ROW (1, "a")), twice = push_of (&node_a, 1, ROW (1, "a"));

  go ();
  is_applied (first);
  ck_assert_str_eq (sent[first].reply.body.bytes, sent[twice].reply.body.bytes);
  is ("1", "SELECT count(*) FROM __sync_log WHERE op <> 'M'");
}
END_TEST

/* Nothing has happened: no row, no number, and no answer that speaks of either. */
START_TEST (a_commit_that_fails_fails_all)
{
  push_of (&node_a, 1, ROW (1, "a"));
  push_of (&node_a, 1, ROW (1, "a"));
  push_of (&node_b, 9, ROW (2, "early"));
  push_of (&node_c, 1, ROW (3, "c"));
  commit_fails = MANTIS_FULL;
  go ();
  for (size_t i = 0; i < count; i++)
    is_problem (i, 503, "'code':'full'");
  is ("0", "SELECT count(*) FROM t");
  is ("0", "SELECT count(*) FROM __sync_nodes");
  ck_assert_int_eq (rig_server.counters.pushes, 0);
  go ();
  is_applied (0);
  ck_assert (says (1, "'applied':1"));
  is_problem (2, 409, "'code':'expected'");
  is_applied (3);
}
END_TEST

/* Another program wrote one of the rows meanwhile: that is the matter of one of them. */
START_TEST (a_busy_commit_lets_each_go_alone)
{
  push_of (&node_a, 1, ROW (1, "a"));
  push_of (&node_b, 1, ROW (2, "b"));
  commit_fails = MANTIS_BUSY;
  go ();
  is_applied (0);
  is_applied (1);
  ck_assert_int_eq (commits, 3);
  is ("a b", "SELECT group_concat(v, ' ') FROM t");
}
END_TEST

START_TEST (a_rule_that_ends_the_transaction_ends_its_own)
{
  size_t fatal;

  sql ("CREATE TRIGGER never BEFORE INSERT ON parent BEGIN SELECT RAISE (ROLLBACK, 'gone'); END");
  push_of (&node_a, 1, ROW (1, "a"));
  fatal = push_of (&node_b, 1, "{'table':'parent','columns':['id'],'rows':[[1]]}");
  push_of (&node_c, 1, ROW (3, "c"));
  go ();
  is_applied (0);
  is_problem (fatal, 500, "");
  is_applied (2);
  is ("a c", "SELECT group_concat(v, ' ') FROM t");
  is ("1 1", "SELECT group_concat(number, ' ') FROM __sync_nodes");
}
END_TEST

static int asked, asked_after; /* how often, and how many commits there were then */

static enum mantis_decision
take_time (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
           struct mantis_arena *arena, struct mantis_error *error)
{
  (void)self, (void)conflict, (void)merged, (void)arena, (void)error;
  asked++;
  asked_after = commits;
  return MANTIS_TAKE_REMOTE;
}

/* A resolver that may wait keeps nobody else waiting; what follows from the same node keeps its turn. */
START_TEST (who_has_to_wait_goes_alone)
{
  push (&node_a, 1, ROW (1, "first"));
  asked = 0;
  rig_decide = take_time;
  rig_waits = true;
  push_of (&node_b, 1, ROW (1, "conflict"));
  push_of (&node_b, 2, ROW (2, "later"));
  push_of (&node_c, 1, ROW (3, "c"));
  go ();
  for (size_t i = 0; i < count; i++)
    is_applied (i);
  ck_assert_int_eq (asked, 1);
  ck_assert_int_eq (asked_after, 1); /* the others are durable */
  ck_assert_int_eq (commits, 3);
  is ("conflict later c", "SELECT group_concat(v, ' ') FROM t");
}
END_TEST

static Suite *
shared_suite (void)
{
  Suite *suite = suite_create ("shared");
  TCase *tests = tcase_create ("shared");

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, they_share_one_commit);
  tcase_add_test (tests, what_is_wrong_with_one_harms_only_itself);
  tcase_add_test (tests, an_orphan_is_rejected_and_nobody_else);
  tcase_add_test (tests, one_that_comes_twice_is_made_once);
  tcase_add_test (tests, a_commit_that_fails_fails_all);
  tcase_add_test (tests, a_busy_commit_lets_each_go_alone);
  tcase_add_test (tests, a_rule_that_ends_the_transaction_ends_its_own);
  tcase_add_test (tests, who_has_to_wait_goes_alone);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (shared_suite ());
  int failed;

  log_set_level (MANTIS_ERROR);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
