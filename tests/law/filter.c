/* filter.c - the laws that every filter keeps: include/mantis/filter.h, said as a test.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "conflicts.h"

#include <mantis/filter.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const struct mantis_filter *
ops (void)
{
  return plugin->ops;
}

/* ---- Who asks -------------------------------------------------------------------------------- */

static const struct mantis_principal people[] = {
    {.size = sizeof *people, .subject = "alice", .claims = "{}"},
    {.size = sizeof *people,
     .subject = "bob",
     .claims = "{\"sub\":\"bob\",\"role\":\"clerk\",\"shop\":7}"},
    {.size = sizeof *people, .subject = "carol", .claims = "{\"role\":\"manager\",\"shop\":\"7\"}"},
    {.size = sizeof *people,
     .subject = "dave",
     .claims = "{\"roles\":[\"clerk\",\"manager\"],\"shop\":null,\"deep\":{\"a\":[1,{}]}}"},
    {.size = sizeof *people, .subject = "\xc3\xa9 \"';--", .claims = "{\"role\":\"\\u0000\\\"\"}"},
};
enum { PEOPLE = sizeof people / sizeof *people, CALLERS = PEOPLE + MOST_NAMED };

static struct mantis_caller callers[CALLERS];
static struct mantis_principal named[MOST_NAMED];
static size_t caller_count;

/* ---- What it borrows: nothing is there, or it cannot be had ---------------------------------- */

enum { MOST_LENT = 16 };
static struct mantis_table lent[MOST_LENT];
static size_t lent_count;
static void *asking; /* the use */
static bool lends, lending_fails;
static unsigned borrowed;

static enum mantis_status
lend_row (const struct mantis_lender *lender, const struct mantis_table *table, mantis_row key,
          mantis_row *row, struct mantis_error *error)
{
  (void)lender;
  borrowed++;
  *row = NULL;
  if (!lends)
    broken ("prepare() borrows a row: there are none to be had yet");
  if (table < lent || table >= lent + lent_count || !key)
    broken ("it borrows of a table that it was not given, or without a key");
  return lending_fails ? mantis_fail (error, MANTIS_FAILED, "the database is away") : MANTIS_OK;
}

/* Each table that it uses looks like the first of those here. */
static const struct mantis_table *
lend_table (const struct mantis_lender *lender, const char *name)
{
  const char *const *uses = ops ()->uses (asking);

  (void)lender;
  for (size_t i = 0; i < lent_count; i++)
    if (strcmp (lent[i].name, name) == 0)
      return &lent[i];
  for (; uses && *uses; uses++)
    if (strcmp (*uses, name) == 0 && lent_count < MOST_LENT) {
      lent[lent_count] = *lasting_table (0);
      lent[lent_count].name = *uses;
      return &lent[lent_count++];
    }
  return NULL;
}

static const struct mantis_lender lender = {
    .size = sizeof lender, .row = lend_row, .table = lend_table};

/* ---- Asking ---------------------------------------------------------------------------------- */

static bool fits[SHAPES], looks[SHAPES][4096];

static void
prepare (void *self, size_t shape, struct mantis_error *error)
{
  const struct mantis_table *table = lasting_table (shape);

  lends = false;
  doing ("prepare() of the table \"%s\"", table->name);
  memset (looks[shape], 0, sizeof looks[shape]);
  fits[shape] = !ops ()->prepare || ops ()->prepare (self, table, ops ()->uses ? &lender : NULL,
                                                     looks[shape], error) == MANTIS_OK;
  lends = true;
}

static void *
start_filter (void)
{
  void *self = start_use ();
  struct mantis_error error = {.text = "it gave no reason"}, later = {.text = ""};
  bool any = false;

  asking = self;
  caller_count = 0;
  for (size_t i = 0; i < PEOPLE; i++)
    callers[caller_count++].principal = &people[i];
  for (size_t i = 0; i < settings.claims_count; i++) {
    named[i] = (struct mantis_principal){
        .size = sizeof named[i], .subject = "erin", .claims = settings.claims[i]};
    callers[caller_count++].principal = &named[i];
  }
  for (size_t i = 0; i < caller_count; i++) {
    callers[i].size = sizeof callers[i];
    callers[i].node =
        i % 2 ? "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a" : "f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1";
    callers[i].lender = ops ()->uses ? &lender : NULL;
  }
  for (size_t shape = 0; shape < SHAPES; shape++) {
    prepare (self, shape, shape ? &later : &error);
    any |= fits[shape];
  }
  if (!any)
    skip ("its options fit none of the tables that are tried: %s (see --column)", error.text);
  return self;
}

static bool
sees (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row row)
{
  return ops ()->sees ? ops ()->sees (self, caller, table, row)
                      : ops ()->reads (self, caller->principal, table, row);
}

static bool
lets (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row before, mantis_row after, struct mantis_error *reason)
{
  return ops ()->lets ? ops ()->lets (self, caller, table, before, after, reason)
                      : ops ()->writes (self, caller->principal, table, before, after, reason);
}

/* One question: who, about what. */
struct question {
  void *self;
  size_t shape;
  const struct mantis_table *table;
  const struct mantis_caller *caller;
  const struct mantis_value *before, *after; /* of a write one may be NULL */
};

static void
each (void (*try) (const struct question *question))
{
  struct question question = {.self = start_filter ()};

  for (size_t i = 0; i < settings.rows; i++) {
    struct mantis_value *row;
    question.shape = i % SHAPES;
    if (!fits[question.shape])
      continue;
    question.table = lasting_table (question.shape);
    rows_begin (i);
    row = row_make (question.table, i % 2 ? ODD_VALUES : 0);
    question.before = row;
    question.after = row_edit (question.table, row, i % 2 ? ODD_VALUES : 0);
    question.caller = &callers[chance_below (caller_count)];
    doing ("row %zu of the table \"%s\", by %s", i, question.table->name,
           question.caller->principal->claims);
    try (&question);
  }
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void
try_all (const struct question *q)
{
  struct mantis_error reason = {.text = ""};

  sees (q->self, q->caller, q->table, q->before);
  lets (q->self, q->caller, q->table, q->before, q->after, &reason);
  lets (q->self, q->caller, q->table, NULL, q->after, &reason);
  lets (q->self, q->caller, q->table, q->before, NULL, &reason);
  for (size_t i = 0; ops ()->column && i < q->table->column_count; i++)
    ops ()->column (q->self, q->caller->principal, q->table, i);
}

static void
rows_are_judged (void)
{
  each (try_all);
}

static void
try_twice (const struct question *q)
{
  struct mantis_error reason = {.text = ""};
  bool seen = sees (q->self, q->caller, q->table, q->before),
       let = lets (q->self, q->caller, q->table, q->before, q->after, &reason);

  for (int i = 0; i < 3; i++) {
    clock_ahead += INT64_C (86400000);
    if (sees (q->self, q->caller, q->table, q->before) != seen)
      broken ("%s: a row is seen, and is not when asked again", what_is_done ());
    if (lets (q->self, q->caller, q->table, q->before, q->after, &reason) != let)
      broken ("%s: a write is let, and is not when asked again", what_is_done ());
  }
}

static void
same_answer_twice (void)
{
  each (try_twice);
}

static void
try_unseen (const struct question *q)
{
  bool seen = sees (q->self, q->caller, q->table, q->before);
  const struct mantis_value *part = row_copy (q->table, q->before, looks[q->shape]);

  if (sees (q->self, q->caller, q->table, part) != seen)
    broken ("%s: the answer is another one with the columns alone that prepare() said it looks at",
            what_is_done ());
}

static void
it_looks_where_it_says (void)
{
  if (!ops ()->prepare)
    skip ("it has no prepare(): it looks at all columns");
  each (try_unseen);
}

/* Callers with the same view get the same answers. */
static void
try_views (const struct question *q)
{
  struct mantis_buf views[2] = {MANTIS_BUF_INIT, MANTIS_BUF_INIT};
  const struct mantis_caller *other = &callers[chance_below (caller_count)];
  bool same;

  ops ()->view (q->self, q->caller, &views[0]);
  ops ()->view (q->self, other, &views[1]);
  same = views[0].length == views[1].length &&
         (!views[0].length || memcmp (views[0].bytes, views[1].bytes, views[0].length) == 0);
  mantis_buf_free (&views[0]);
  mantis_buf_free (&views[1]);
  if (!same)
    return;
  if (sees (q->self, q->caller, q->table, q->before) != sees (q->self, other, q->table, q->before))
    broken ("%s: somebody with the same view, %s, gets another answer", what_is_done (),
            other->principal->claims);
  for (size_t i = 0; ops ()->column && i < q->table->column_count; i++)
    if (ops ()->column (q->self, q->caller->principal, q->table, i) !=
        ops ()->column (q->self, other->principal, q->table, i))
      broken ("%s: somebody with the same view, %s, sees other columns", what_is_done (),
              other->principal->claims);
}

static void
views_tell_all (void)
{
  if (!ops ()->view)
    skip ("it has no view(): subject, claims and node are it");
  each (try_views);
}

static void
try_clock (const struct question *q)
{
  clock_asked = chance_asked = 0;
  try_all (q);
  if (clock_asked || chance_asked)
    broken ("%s: it asked mantis_now(), mantis_monotonic() or mantis_random()", what_is_done ());
}

static void
neither_clock_nor_chance (void)
{
  each (try_clock);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void
try_reason (const struct question *q)
{
  for (int i = 0; i < 3; i++) {
    struct mantis_error reason = {.text = ""};
    if (lets (q->self, q->caller, q->table, i == 0 ? NULL : q->before, i == 2 ? NULL : q->after,
              &reason))
      continue;
    if (!*reason.text)
      broken ("%s: a write is not let, and nobody is told why", what_is_done ());
    if (strstr (reason.text, MARK))
      broken ("%s: the reason quotes a row: %.60s", what_is_done (), reason.text);
    for (const char *c = reason.text; *c; c++)
      if ((unsigned char)*c < ' ')
        broken ("%s: the reason is not one line", what_is_done ());
  }
}

static void
refusals_have_a_reason (void)
{
  each (try_reason);
}

static void
try_untouched (const struct question *q)
{
  void *from;
  size_t size;

  conflict_memory (&from, &size);
  mprotect (from, size, PROT_READ);
  try_all (q);
  mprotect (from, size, PROT_READ | PROT_WRITE);
}

static void
what_is_shown_stays (void)
{
  each (try_untouched);
}

/* ---- Borrowing ------------------------------------------------------------------------------- */

static void
try_failing (const struct question *q)
{
  struct mantis_error reason = {.text = ""};

  lending_fails = true;
  borrowed = 0;
  if (sees (q->self, q->caller, q->table, q->before) && borrowed)
    broken ("%s: what it borrows cannot be had, and a row is seen all the same", what_is_done ());
  borrowed = 0;
  if (lets (q->self, q->caller, q->table, NULL, q->after, &reason) && borrowed)
    broken ("%s: what it borrows cannot be had, and a write is let all the same", what_is_done ());
  lending_fails = false;
}

static void
who_cannot_tell_says_no (void)
{
  if (!ops ()->uses)
    skip ("it borrows no rows");
  each (try_failing);
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct shared {
  const struct question *q;
  bool seen;
};

static void
ask_at_once (void *context)
{
  const struct shared *shared = context;
  const struct question *q = shared->q;

  for (int i = 0; i < 20; i++)
    if (sees (q->self, q->caller, q->table, q->before) != shared->seen)
      broken ("%s: in several threads the answer is another one", what_is_done ());
}

static void
try_threads (const struct question *q)
{
  struct shared shared = {.q = q, .seen = sees (q->self, q->caller, q->table, q->before)};

  in_parallel (ask_at_once, &shared);
}

static void
several_threads_may_ask (void)
{
  if (!(plugin->threads & MANTIS_PARALLEL))
    skip ("it does not declare MANTIS_PARALLEL, and is asked by one thread at a time");
  each (try_threads);
}

const struct law laws_of_filters[] = {
    {"rows_are_judged", "rows of any values may be seen, made, changed and deleted, or not",
     rows_are_judged},
    {"same_answer_each_day", "the same question gets the same answer again", same_answer_twice},
    {"it_looks_where_it_says", "what is seen depends on the columns that prepare() tells",
     it_looks_where_it_says},
    {"views_tell_all", "who has the same view() gets the same answers", views_tell_all},
    {"filters_ask_no_clock", "clock and chance are not asked", neither_clock_nor_chance},
    {"refusals_have_a_reason", "who may not write is told why, without rows",
     refusals_have_a_reason},
    {"rows_stay", "rows are read, and not written to", what_is_shown_stays},
    {"who_cannot_tell_says_no", "where a row cannot be borrowed the answer is no",
     who_cannot_tell_says_no},
    {"several_threads_may_filter", "several threads get the answers that one gets",
     several_threads_may_ask},
    {NULL, NULL, NULL},
};
