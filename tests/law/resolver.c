/* resolver.c - the laws that every resolver keeps: include/mantis/resolver.h, said as a test.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "conflicts.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, WAITING_ROWS = 20, MOST_MERGED = 1024, ARENA_LIMIT = 8 << 20 };

static const struct mantis_resolver *
ops (void)
{
  return plugin->ops;
}

/* One that waits for somebody is asked less often. */
static size_t
row_count (void)
{
  return plugin->threads & MANTIS_WAITS && settings.rows > WAITING_ROWS ? WAITING_ROWS
                                                                        : settings.rows;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

struct answer {
  const struct mantis_conflict *conflict;
  enum mantis_decision decision;
  struct mantis_value *merged;
  struct mantis_error reason;
  struct mantis_arena *arena;
};

/* MERGED, all MANTIS_NONE, with nothing behind its end that may be written to. */
static struct mantis_value *
guarded (size_t count)
{
  size_t size = (count * sizeof (struct mantis_value) + PAGE - 1) / PAGE * PAGE;
  char *pages =
      mmap (NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (pages == MAP_FAILED)
    skip ("no memory for merged rows");
  mprotect (pages + size, PAGE, PROT_NONE);
  return (struct mantis_value *)(void *)(pages + size) - count;
}

static void
ask (void *self, const struct mantis_conflict *conflict, size_t arena_limit, struct answer *answer)
{
  *answer = (struct answer){.conflict = conflict,
                            .merged = guarded (conflict->table->column_count),
                            .arena = mantis_arena_new (arena_limit)};
  answer->decision =
      ops ()->decide (self, conflict, answer->merged, answer->arena, &answer->reason);
}

static void
forget (struct answer *answer)
{
  size_t count = answer->conflict->table->column_count;
  size_t size = (count * sizeof (struct mantis_value) + PAGE - 1) / PAGE * PAGE;

  munmap ((char *)(answer->merged + count) - size, size + PAGE);
  mantis_arena_free (answer->arena);
}

/* TRY each conflict of those that MAY be, with its answer. */
static void
each (unsigned may, void (*try) (void *self, const struct answer *answer))
{
  void *self = start_use ();

  for (size_t i = 0; i < row_count (); i++) {
    struct answer answer;
    const struct mantis_conflict *conflict = conflict_make (i, may, ops ()->wants);
    doing ("decide() about %s", conflict_words ());
    ask (self, conflict, ARENA_LIMIT, &answer);
    try (self, &answer);
    forget (&answer);
  }
}

static bool
has_merged (const struct answer *answer)
{
  return answer->decision == MANTIS_MERGE || answer->decision == MANTIS_JOIN;
}

/* ---- Decisions ------------------------------------------------------------------------------- */

static void
check_decision (void *self, const struct answer *answer)
{
  (void)self;
  if (answer->decision < MANTIS_KEEP_LOCAL || answer->decision > MANTIS_JOIN)
    broken ("%s: returned %d, which is none of the six decisions", conflict_words (),
            (int)answer->decision);
}

static void
edits_are_decided (void)
{
  each (NO_STAMPS, check_decision);
}

static void
deletions_are_decided (void)
{
  each (LOCAL_DELETED | REMOTE_DELETED | NO_STAMPS, check_decision);
}

static void
an_unknown_base_is_borne (void)
{
  each (NO_BASE, check_decision);
}

static void
gaps_are_borne (void)
{
  each (GAPS | NO_STAMPS, check_decision);
}

static void
odd_values_are_borne (void)
{
  each (ODD_VALUES, check_decision);
}

static void
all_of_it_together (void)
{
  each (EVERYTHING, check_decision);
}

/* ---- The same again -------------------------------------------------------------------------- */

static bool
same_merged (const struct answer *a, const struct answer *b, size_t *column)
{
  for (*column = 0; *column < a->conflict->table->column_count; ++*column)
    if (!mantis_value_equal (&a->merged[*column], &b->merged[*column]))
      return false;
  return true;
}

static void
compare (const struct answer *first, const struct answer *again, const char *when)
{
  size_t column;

  if (first->decision != again->decision)
    broken ("%s: decision %d, and %s %d", conflict_words (), (int)first->decision, when,
            (int)again->decision);
  if (has_merged (first) && !same_merged (first, again, &column))
    broken ("%s: another merged value in the column \"%s\" %s", conflict_words (),
            first->conflict->table->columns[column].name, when);
}

static void
ask_again (void *self, const struct answer *first)
{
  struct answer again;

  for (int i = 0; i < 3; i++) {
    ask (self, first->conflict, ARENA_LIMIT, &again);
    compare (first, &again, "asked again");
    forget (&again);
  }
}

static void
same_answer_twice (void)
{
  each (EVERYTHING, ask_again);
}

/* A recorded conflict, tomorrow: another use, after other conflicts, in another order, at another time. */
static void
same_answer_tomorrow (void)
{
  void *today = start_use (), *tomorrow;
  size_t count = row_count ();
  enum mantis_decision *decisions = calloc (count + 1, sizeof *decisions);
  struct mantis_error error = {0};
  struct answer answer;

  for (size_t i = 0; i < count; i++) {
    const struct mantis_conflict *conflict = conflict_make (i, EVERYTHING, ops ()->wants);
    doing ("decide() about %s", conflict_words ());
    ask (today, conflict, ARENA_LIMIT, &answer);
    decisions[i] = answer.decision;
    forget (&answer);
  }
  if (try_start (&tomorrow, &error) != MANTIS_OK) {
    stop_uses ();
    tomorrow = start_use ();
  }
  clock_ahead = INT64_C (36) * 3600000;
  for (size_t i = count; i-- > 0;) {
    const struct mantis_conflict *conflict = conflict_make (i, EVERYTHING, ops ()->wants);
    doing ("decide() about %s, tomorrow", conflict_words ());
    ask (tomorrow, conflict, ARENA_LIMIT, &answer);
    if (answer.decision != decisions[i])
      broken ("%s: decision %d, and %d when asked in another order, a day later", conflict_words (),
              (int)decisions[i], (int)answer.decision);
    forget (&answer);
  }
  free (decisions);
}

static void
neither_clock_nor_chance (void)
{
  void *self = start_use ();
  struct answer answer;

  for (size_t i = 0; i < row_count (); i++) {
    const struct mantis_conflict *conflict = conflict_make (i, EVERYTHING, ops ()->wants);
    doing ("decide() about %s", conflict_words ());
    clock_asked = chance_asked = 0;
    ask (self, conflict, ARENA_LIMIT, &answer);
    if (!(plugin->threads & MANTIS_WAITS) && clock_asked)
      broken ("%s: it asked mantis_now() or mantis_monotonic()", conflict_words ());
    if (chance_asked)
      broken ("%s: it asked mantis_random()", conflict_words ());
    forget (&answer);
  }
}

/* ---- What it was shown ----------------------------------------------------------------------- */

static void
on_fault (int number, siginfo_t *info, void *context)
{
  void *from;
  size_t size;
  char *at = info->si_addr;

  (void)context;
  conflict_memory (&from, &size);
  if (from && at >= (char *)from && at < (char *)from + size)
    broken ("%s: it wrote to what it was shown", conflict_words ());
  signal (number, SIG_DFL);
}

static void
what_is_shown_stays (void)
{
  static char stack[65536];
  const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  void *self = start_use (), *from;
  size_t size;

  sigaltstack (&other, NULL);
  sigaction (SIGSEGV, &action, NULL);
  sigaction (SIGBUS, &action, NULL);
  for (size_t i = 0; i < row_count (); i++) {
    const struct mantis_conflict *conflict = conflict_make (i, EVERYTHING, ops ()->wants);
    struct answer answer;
    conflict_memory (&from, &size);
    doing ("decide() about %s", conflict_words ());
    mprotect (from, size, PROT_READ);
    ask (self, conflict, ARENA_LIMIT, &answer);
    mprotect (from, size, PROT_READ | PROT_WRITE);
    forget (&answer);
  }
}

/* ---- What it merged -------------------------------------------------------------------------- */

static bool
is_bytes (const struct mantis_value *value)
{
  return value->type == MANTIS_TEXT || value->type == MANTIS_BLOB;
}

static void
check_value (const struct mantis_conflict *conflict, size_t column,
             const struct mantis_value *value)
{
  const char *name = conflict->table->columns[column].name;

  if (value->type > MANTIS_BLOB)
    broken ("%s: the merged value of \"%s\" has type %u, of which there is none", conflict_words (),
            name, value->type);
  if (value->type == MANTIS_REAL && isnan (value->as.real))
    broken ("%s: the merged value of \"%s\" is NaN, which no column can hold", conflict_words (),
            name);
  if (is_bytes (value) && value->length && !value->as.bytes)
    broken ("%s: the merged text of \"%s\" has %u bytes at NULL", conflict_words (), name,
            value->length);
}

static void
check_merged (void *self, const struct answer *answer)
{
  const struct mantis_conflict *conflict = answer->conflict;

  (void)self;
  for (size_t i = 0; has_merged (answer) && i < conflict->table->column_count; i++) {
    const struct mantis_value *value = &answer->merged[i];
    check_value (conflict, i, value);
    if (value->type == MANTIS_NONE)
      continue;
    if (conflict->table->columns[i].generated)
      broken ("%s: it set \"%s\", which is generated", conflict_words (),
              conflict->table->columns[i].name);
    if (conflict->table->columns[i].key_position &&
        !mantis_value_equal (value, &conflict->local->row[i]))
      broken ("%s: it changed \"%s\", which is of the key", conflict_words (),
              conflict->table->columns[i].name);
  }
}

static void
merged_values_are_sound (void)
{
  each (EVERYTHING, check_merged);
}

/* Every byte of what it merged, in one number; reading them all is part of the law. */
static uint64_t
sum_of (const struct answer *answer)
{
  uint64_t sum = 0;

  for (size_t i = 0; i < answer->conflict->table->column_count; i++) {
    const struct mantis_value *value = &answer->merged[i];
    sum = sum * 31 + value->type;
    for (size_t k = 0; is_bytes (value) && k < value->length; k++)
      sum = sum * 31 + (unsigned char)value->as.bytes[k];
  }
  return sum;
}

/* What lay on the stack of a call that is over. */
static void __attribute__ ((noinline)) overwrite_stack (void)
{
  volatile char bytes[32768];

  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = 0x5a;
}

static void
check_merged_again (void *self, const struct answer *answer)
{
  uint64_t before;
  struct answer other;

  if (!has_merged (answer))
    return;
  before = sum_of (answer);
  ask (self, answer->conflict, ARENA_LIMIT, &other);
  memset (other.merged, 0, sizeof *other.merged);
  forget (&other);
  overwrite_stack ();
  if (sum_of (answer) != before)
    broken ("%s: a merged text lies neither in the conflict's rows nor in the arena, and is gone",
            conflict_words ());
}

static void
merged_values_live (void)
{
  each (EVERYTHING, check_merged_again);
}

/* ---- Why ------------------------------------------------------------------------------------- */

static void
check_reason (void *self, const struct answer *answer)
{
  const char *text = answer->reason.text;

  (void)self;
  if (!memchr (text, '\0', sizeof answer->reason.text))
    broken ("%s: the reason in error->text does not end", conflict_words ());
  for (const char *c = text; *c; c++)
    if ((unsigned char)*c < ' ')
      broken ("%s: the reason is not one line", conflict_words ());
  if (strstr (text, MARK))
    broken ("%s: the reason quotes a row: it is kept and logged, and a row is nobody's business",
            conflict_words ());
}

static void
the_reason_can_be_shown (void)
{
  each (EVERYTHING, check_reason);
}

/* ---- Memory and threads ---------------------------------------------------------------------- */

static void
an_arena_may_be_full (void)
{
  void *self = start_use ();
  struct answer answer;

  for (size_t i = 0; i < row_count (); i++) {
    const struct mantis_conflict *conflict = conflict_make (i, EVERYTHING, ops ()->wants);
    doing ("decide(), with an arena that is full, about %s", conflict_words ());
    ask (self, conflict, 1, &answer);
    check_merged (self, &answer);
    forget (&answer);
  }
}

struct shared {
  void *self;
  const struct mantis_conflict *conflict;
  const struct answer *alone;
};

static void
ask_at_once (void *context)
{
  const struct shared *shared = context;
  struct answer answer;

  for (int i = 0; i < 10; i++) {
    ask (shared->self, shared->conflict, ARENA_LIMIT, &answer);
    compare (shared->alone, &answer, "in several threads");
    forget (&answer);
  }
}

static void
several_threads_may_ask (void)
{
  struct shared shared = {.self = start_use ()};
  struct answer alone;

  if (!(plugin->threads & MANTIS_PARALLEL))
    skip ("it does not declare MANTIS_PARALLEL, and is asked by one thread at a time");
  for (size_t i = 0; i < row_count () / 4 + 1; i++) {
    shared.conflict = conflict_make (i, EVERYTHING, ops ()->wants);
    shared.alone = &alone;
    doing ("decide(), in several threads, about %s", conflict_words ());
    ask (shared.self, shared.conflict, ARENA_LIMIT, &alone);
    in_parallel (ask_at_once, &shared);
    forget (&alone);
  }
}

const struct law laws_of_resolvers[] = {
    {"edits_are_decided", "two edits of one row get one of the six decisions", edits_are_decided},
    {"deletions_are_decided", "so does a deletion on either side, of which only the key is set",
     deletions_are_decided},
    {"an_unknown_base_is_borne", "the base may be NULL: what both were made from is not known",
     an_unknown_base_is_borne},
    {"gaps_are_borne", "a column may be MANTIS_NONE: its author did not send it", gaps_are_borne},
    {"odd_values_are_borne", "any type may stand in any column, whatever it declares",
     odd_values_are_borne},
    {"all_of_it_together", "all of this may come together, in narrow and wide tables",
     all_of_it_together},
    {"same_answer_twice", "the same conflict gets the same answer twice", same_answer_twice},
    {"same_answer_tomorrow", "and from another use, in another order, a day later",
     same_answer_tomorrow},
    {"neither_clock_nor_chance", "clock and chance are not asked", neither_clock_nor_chance},
    {"what_is_shown_stays", "the conflict is read, and not written to", what_is_shown_stays},
    {"merged_values_are_sound", "merged values have a type that there is; keys stay",
     merged_values_are_sound},
    {"merged_values_live", "merged texts lie in the rows, in the arena, or are constants",
     merged_values_live},
    {"the_reason_can_be_shown", "the reason is one line, and quotes no row",
     the_reason_can_be_shown},
    {"an_arena_may_be_full", "memory may be used up", an_arena_may_be_full},
    {"several_threads_may_ask", "several threads get the answers that one gets",
     several_threads_may_ask},
    {NULL, NULL, NULL},
};
