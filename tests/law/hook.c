/* hook.c - the laws that every hook keeps: include/mantis/hook.h, said as a test.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "conflicts.h"

#include <mantis/hook.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  MOST_CHANGES = 4,
  FIRST_MOMENT = MANTIS_BEFORE_PUSH,
  LAST_MOMENT = MANTIS_ON_ERROR,
  WAITING_ROWS = 20
};

static const struct mantis_hook *
ops (void)
{
  return plugin->ops;
}

/* ---- Events ---------------------------------------------------------------------------------- */

struct happening {
  struct mantis_event event;
  struct mantis_change changes[MOST_CHANGES];
  const char *refusals[MOST_CHANGES], *outcomes[MOST_CHANGES], *reasons[MOST_CHANGES],
      *deciders[MOST_CHANGES];
  mantis_row rows[MOST_CHANGES], standing[MOST_CHANGES];
};

static bool
is_one_of (uint32_t moment, uint32_t a, uint32_t b, uint32_t c)
{
  return moment == a || moment == b || moment == c;
}

static bool
asks (uint32_t moment)
{
  return is_one_of (moment, MANTIS_BEFORE_PUSH, MANTIS_BEFORE_APPLY, MANTIS_BEFORE_CONFLICT);
}

static bool
tells (uint32_t moment)
{
  return is_one_of (moment, MANTIS_AFTER_PUSH, MANTIS_AFTER_APPLY, MANTIS_AFTER_CONFLICT);
}

static const struct mantis_principal who = {
    .size = sizeof who, .subject = "alice", .claims = "{\"sub\":\"alice\",\"role\":\"clerk\"}"};

static void
add_changes (struct happening *happening, bool client)
{
  struct mantis_event *event = &happening->event;
  const struct mantis_table *table = lasting_table (chance_below (SHAPES));

  event->change_count = 1 + chance_below (MOST_CHANGES);
  if (client && event->moment == MANTIS_BEFORE_PUSH)
    event->change_count = chance_below (MOST_CHANGES);
  for (size_t i = 0; i < event->change_count; i++) {
    bool deleted = chance_below (4) == 0;
    bool columns[4096];
    struct mantis_value *row = row_make (table, ODD_VALUES);
    for (size_t k = 0; k < table->column_count; k++)
      columns[k] = table->columns[k].key_position || (!deleted && chance_below (4));
    happening->changes[i] = *change_make (table, row_copy (table, row, columns), deleted);
    happening->outcomes[i] = chance_below (2) ? "applied" : "superseded";
    happening->reasons[i] = chance_below (2) ? "the later change wins" : NULL;
    happening->deciders[i] = chance_below (2) ? "timestamp" : NULL;
    happening->standing[i] = chance_below (2) ? row : NULL;
  }
  event->changes = happening->changes;
}

/* What may happen at MOMENT, as the core would tell it. */
static void
make_happening (struct happening *happening, uint32_t moment, uint64_t number,
                struct mantis_arena *arena)
{
  struct mantis_event *event = &happening->event;
  bool client;

  rows_begin (number);
  client = chance_below (2) && moment != MANTIS_BEFORE_CONFLICT;
  *happening = (struct happening){
      .event = {.size = sizeof *event,
                .moment = moment,
                .principal = client ? NULL : &who,
                .node = client || chance_below (3) ? "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a" : NULL,
                .on_failure = (uint32_t)chance_below (2),
                .arena = arena}};
  if (asks (moment) || tells (moment))
    add_changes (happening, client);
  if (asks (moment) && event->change_count) {
    event->refusals = happening->refusals;
    event->rows = happening->rows;
  }
  if (tells (moment)) {
    event->outcomes = happening->outcomes;
    event->reasons = happening->reasons;
    event->deciders = happening->deciders;
    event->standing = moment == MANTIS_AFTER_CONFLICT ? happening->standing : NULL;
  }
  if (moment == MANTIS_ON_ERROR) {
    event->message = chance_below (2) ? "push" : NULL;
    event->error = "the database is locked";
  }
  doing ("happens() at %s, on a %s, with %zu changes", mantis_moment_name (moment),
         client ? "client" : "server", event->change_count);
}

static bool
wants (uint32_t moment)
{
  return ops ()->moments & 1u << moment;
}

static size_t
row_count (void)
{
  return plugin->threads & MANTIS_WAITS && settings.rows > WAITING_ROWS ? WAITING_ROWS
                                                                        : settings.rows;
}

/* TRY what happens at each moment that it wants. */
static void
each (size_t arena_limit,
      void (*try) (const struct happening *, enum mantis_status, const struct mantis_error *))
{
  void *self = start_use ();
  struct happening happening;

  lasting_table (0);
  for (uint64_t i = 0; i < row_count (); i++)
    for (uint32_t moment = FIRST_MOMENT; moment <= LAST_MOMENT; moment++) {
      struct mantis_arena *arena = mantis_arena_new (arena_limit);
      struct mantis_error error = {.text = ""};
      enum mantis_status status;
      if (!wants (moment) || !arena)
        continue;
      make_happening (&happening, moment, i * LAST_MOMENT + moment, arena);
      status = ops ()->happens (self, &happening.event, &error);
      try (&happening, status, &error);
      mantis_arena_free (arena);
    }
}

/* ---- The laws -------------------------------------------------------------------------------- */

static void
moments_are_known (void)
{
  uint32_t known = 0;

  for (uint32_t moment = FIRST_MOMENT; moment <= LAST_MOMENT; moment++)
    known |= 1u << moment;
  if (ops ()->moments & ~known)
    broken ("moments has bits, 0x%x, that stand for no moment: use 1u << MANTIS_AFTER_APPLY",
            ops ()->moments & ~known);
  if (!ops ()->moments)
    broken ("moments is 0: it would never be called");
}

static void
check_status (const struct happening *happening, enum mantis_status status,
              const struct mantis_error *error)
{
  (void)happening;
  if ((unsigned)status > MANTIS_FAILED)
    broken ("%s: returned %d, which is no status", what_is_done (), (int)status);
  if (status != MANTIS_OK && !*error->text)
    broken ("%s: %s, and nobody is told why", what_is_done (), status_name (status));
  for (const char *c = error->text; *c; c++)
    if ((unsigned char)*c < ' ')
      broken ("%s: the reason is not one line", what_is_done ());
}

static void
each_moment_is_borne (void)
{
  each (8 << 20, check_status);
}

static void
check_row (const struct mantis_change *change, mantis_row row)
{
  const struct mantis_table *table = change->table;

  if (change->deleted)
    broken ("%s: it puts a row in the place of a deletion", what_is_done ());
  for (size_t i = 0; i < table->column_count; i++) {
    const char *name = table->columns[i].name;
    if (row[i].type > MANTIS_BLOB || (row[i].type == MANTIS_REAL && isnan (row[i].as.real)))
      broken ("%s: the value of \"%s\" in its row is none that there is", what_is_done (), name);
    if (row[i].type != MANTIS_NONE && table->columns[i].generated)
      broken ("%s: it sets \"%s\", which is generated", what_is_done (), name);
    if (row[i].type != MANTIS_NONE && table->columns[i].key_position &&
        !mantis_value_equal (&row[i], &change->row[i]))
      broken ("%s: it changes \"%s\", which is of the key", what_is_done (), name);
  }
}

static void
check_answers (const struct happening *happening, enum mantis_status status,
               const struct mantis_error *error)
{
  (void)status, (void)error;
  for (size_t i = 0; i < MOST_CHANGES; i++) {
    const char *refusal = happening->refusals[i];
    if ((refusal || happening->rows[i]) && i >= happening->event.change_count)
      broken ("%s: it answers about a change that there is not", what_is_done ());
    if (refusal && (!*refusal || strchr (refusal, '\n')))
      broken ("%s: a refusal is empty, or not one line", what_is_done ());
    if (happening->rows[i] &&
        (!happening->event.principal || happening->event.moment == MANTIS_BEFORE_CONFLICT))
      broken ("%s: rows can be changed on a server alone, before push and apply", what_is_done ());
    if (happening->rows[i])
      check_row (&happening->changes[i], happening->rows[i]);
  }
}

static void
answers_are_sound (void)
{
  each (8 << 20, check_answers);
}

static void
an_arena_may_be_full (void)
{
  each (1, check_answers);
}

static void
what_is_shown_stays (void)
{
  void *self = start_use (), *from;
  struct happening happening;
  size_t size;

  lasting_table (0);
  for (uint64_t i = 0; i < row_count (); i++)
    for (uint32_t moment = FIRST_MOMENT; moment <= LAST_MOMENT; moment++) {
      struct mantis_arena *arena = mantis_arena_new (8 << 20);
      struct mantis_error error = {.text = ""};
      struct mantis_change before[MOST_CHANGES];
      if (!wants (moment) || !arena)
        continue;
      make_happening (&happening, moment, i * LAST_MOMENT + moment, arena);
      memcpy (before, happening.changes, sizeof before);
      conflict_memory (&from, &size);
      mprotect (from, size, PROT_READ);
      ops ()->happens (self, &happening.event, &error);
      mprotect (from, size, PROT_READ | PROT_WRITE);
      if (memcmp (before, happening.changes, sizeof before) != 0)
        broken ("%s: it wrote to the changes that it was shown", what_is_done ());
      mantis_arena_free (arena);
    }
}

static void
happen_at_once (void *self)
{
  const struct mantis_event event = {.size = sizeof event,
                                     .moment = MANTIS_ON_ERROR,
                                     .principal = &who,
                                     .message = "push",
                                     .error = "the database is locked"};
  struct mantis_event other = event;
  struct mantis_error error;

  for (int i = 0; i < 20; i++)
    for (uint32_t moment = FIRST_MOMENT; moment <= LAST_MOMENT; moment++) {
      error = (struct mantis_error){.text = ""};
      other.moment = moment;
      if (wants (moment) && !asks (moment) && !tells (moment) &&
          (unsigned)ops ()->happens (self, &other, &error) > MANTIS_FAILED)
        broken ("in several threads it returned no status");
    }
}

static void
several_threads_may_call (void)
{
  void *self = start_use ();

  if (!(plugin->threads & MANTIS_PARALLEL))
    skip ("it does not declare MANTIS_PARALLEL, and is called by one thread at a time");
  doing ("happens(), in several threads");
  in_parallel (happen_at_once, self);
}

const struct law laws_of_hooks[] = {
    {"moments_are_known", "it wants to be called at moments that there are", moments_are_known},
    {"each_moment_is_borne", "at each of them it answers with a status, and a reason if not OK",
     each_moment_is_borne},
    {"answers_are_sound", "rows and refusals that it fills in can be used", answers_are_sound},
    {"changes_stay", "changes are read, and not written to", what_is_shown_stays},
    {"an_arena_may_be_full_here", "memory may be used up", an_arena_may_be_full},
    {"several_threads_may_call", "several threads may call it", several_threads_may_call},
    {NULL, NULL, NULL},
};
