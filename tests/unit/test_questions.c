/* core/sync/questions.c: resolvers that wait are asked once about each conflict, outside of the push that has it; an answer is for the
 * row that was shown.  K9.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../lib/table.h"
#include "base/base.h"
#include "sync/questions.h"
#include "wire_rig.h"

#include <stdlib.h>
#include <string.h>

static const struct mantis_column columns[] = {
    {.name = "id", .declared = "", .key_position = 1, .not_null = true},
    {.name = "body", .declared = ""}};
static const uint32_t key[] = {0};
static const struct mantis_table note = TABLE_OF ("note", columns, key);

static struct questions questions;
static struct mantis_value local[2], remote[2];
static struct mantis_change ours, theirs;
static int asked;
static enum mantis_decision says;

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *memory, struct mantis_error *why)
{
  (void)self;
  asked++;
  /* what it is shown is a copy: the session of the original may be gone */
  ck_assert (conflict->table != &note && conflict->local->row != local);
  ck_assert_str_eq (conflict->table->name, "note");
  ck_assert_str_eq (conflict->remote->origin, "tablet");
  ck_assert_mem_eq (conflict->remote->row[1].as.bytes, "theirs", 6);
  merged[1] = text (mantis_arena_strdup (memory, "merged"));
  mantis_fail (why, MANTIS_OK, "because");
  return says;
}

static const struct mantis_resolver ops = {.size = sizeof ops, .decide = decide};
static struct instance serial = {.ops = &ops, .name = "serial", .waits = true},
                       parallel = {
                           .ops = &ops, .name = "parallel", .waits = true, .parallel = true};

/* The row with key K at revision REV has BODY; the tablet has another one. */
static struct hearing
hear (struct instance *policy, const char *k, int64_t rev, const char *body)
{
  struct mantis_conflict conflict = {
      .size = sizeof conflict, .table = &note, .local = &ours, .remote = &theirs};
  struct hearing hearing;

  local[0] = remote[0] = text (k);
  local[1] = text (body);
  remote[1] = text ("theirs");
  ours = (struct mantis_change){.table = &note, .row = local, .rev = rev, .origin = "office"};
  theirs = (struct mantis_change){.table = &note, .row = remote, .origin = "tablet"};
  ck_assert_int_eq (questions_hear (&questions, policy, &conflict, arena, &hearing, &error),
                    MANTIS_OK);
  return hearing;
}

static bool
ask_one (void)
{
  struct question *question = questions_next (&questions);

  if (question)
    question_ask (&questions, question);
  return question != NULL;
}

static void
begin (void)
{
  set_up ();
  memset (&questions, 0, sizeof questions);
  pthread_mutex_init (&serial.mutex, NULL);
  asked = 0;
  says = MANTIS_MERGE;
}

static void
end (void)
{
  questions_free (&questions);
  tear_down ();
}

START_TEST (one_is_asked_once_and_its_answer_kept)
{
  struct hearing hearing = hear (&serial, "a", 7, "ours");
  uint64_t number = hearing.question;

  ck_assert_int_eq (hearing.state, ASKED_WAITS);
  ck_assert_uint_eq (hear (&serial, "a", 7, "ours").question, number);
  ck_assert (!questions_settled (&questions, number));
  ck_assert (ask_one () && !ask_one ());
  ck_assert (questions_settled (&questions, number));
  for (int i = 0; i < 2; i++) { /* a push may be made again, for other reasons */
    hearing = hear (&serial, "a", 7, "ours");
    ck_assert_int_eq (hearing.state, ASKED_ANSWERED);
    ck_assert_int_eq (hearing.decision, MANTIS_MERGE);
    ck_assert_str_eq (hearing.reason, "because");
    ck_assert_mem_eq (hearing.merged[1].as.bytes, "merged", 6);
    ck_assert_int_eq (hearing.merged[0].type, MANTIS_NONE);
  }
  ck_assert_int_eq (asked, 1);
}
END_TEST

START_TEST (another_row_is_another_question)
{
  struct hearing first = hear (&serial, "a", 7, "ours"), later;

  ck_assert (ask_one ());
  later = hear (&serial, "a", 8, "ours since");
  ck_assert_int_eq (later.state, ASKED_WAITS);
  ck_assert_uint_ne (later.question, first.question);
  ck_assert_int_eq (later.since, first.since); /* whose patience is over, it stays so */
  ck_assert_int_eq (hear (&serial, "a", 9, "ours since").state, ASKED_WAITS);
  ck_assert_uint_eq (questions.count, 1); /* nobody asks for the others any more */
  ck_assert (questions_settled (&questions, first.question));
  ck_assert (ask_one () && !ask_one ());
  ck_assert_int_eq (asked, 2);
}
END_TEST

START_TEST (no_answer_is_asked_for_again)
{
  says = 0;
  hear (&serial, "a", 7, "ours");
  ck_assert (ask_one ());
  ck_assert_int_eq (hear (&serial, "a", 7, "ours").decision, 0);
  ck_assert_int_eq (hear (&serial, "a", 7, "ours").state, ASKED_WAITS);
  ck_assert (ask_one ());
}
END_TEST

START_TEST (one_that_is_not_parallel_is_asked_one_at_a_time)
{
  struct question *thinks;

  hear (&serial, "a", 7, "ours");
  hear (&serial, "b", 7, "ours");
  hear (&parallel, "a", 7, "ours");
  hear (&parallel, "b", 7, "ours");
  ck_assert_uint_eq (questions.fresh, 4);
  thinks = questions_next (&questions);
  ck_assert (ask_one () && ask_one () && !ask_one ()); /* those of the other one */
  ck_assert_uint_eq (questions.fresh, 1);
  question_ask (&questions, thinks);
  ck_assert (ask_one () && !ask_one ());
  ck_assert_uint_eq (questions.fresh, 0);
}
END_TEST

START_TEST (so_many_and_no_more)
{
  char k[20];
  int i = 0;

  do
    snprintf (k, sizeof k, "%d", ++i);
  while (hear (&parallel, k, 7, "ours").state == ASKED_WAITS && i < 100000);
  ck_assert_uint_eq (questions.count, (size_t)i - 1);
  ck_assert_int_eq (hear (&parallel, "1", 7, "ours").state, ASKED_WAITS);
  ck_assert (ask_one ()); /* what is answered makes room */
  ck_assert_int_eq (hear (&parallel, k, 7, "ours").state, ASKED_WAITS);
  ck_assert_uint_eq (questions.count, (size_t)i - 1);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("questions");
  TCase *all = tcase_create ("questions");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (all, begin, end);
  tcase_add_test (all, one_is_asked_once_and_its_answer_kept);
  tcase_add_test (all, another_row_is_another_question);
  tcase_add_test (all, no_answer_is_asked_for_again);
  tcase_add_test (all, one_that_is_not_parallel_is_asked_one_at_a_time);
  tcase_add_test (all, so_many_and_no_more);
  suite_add_tcase (suite, all);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed > 0;
}
