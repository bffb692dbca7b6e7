/* manual - a program decides, or a person.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "manual.h"

static const struct mantis_option options[] = {
    MANTIS_LIST (struct manual, command, NULL,
                 "the program that decides, and its arguments; none: a person does"),
    MANTIS_FILE (struct manual, folder, ".", "the folder that it runs in"),
    MANTIS_DURATION (struct manual, time_limit, "10", 10, 3600 * 1000,
                     "how long it may take; then it is killed, and a person decides"),
    MANTIS_SIZE (struct manual, answer_bytes, "16M", 1024, 1024 * 1024 * 1024,
                 "of its answer, at most"),
    {.name = NULL},
};

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  const struct manual *manual = self;

  if (manual->command && (!manual->command[0] || !*manual->command[0]))
    return mantis_fail (error, MANTIS_INVALID, "\"command\" names no program");
  return MANTIS_OK;
}

static bool
waits (void *self)
{
  const struct manual *manual = self;

  return manual->command != NULL;
}

static void
hurry (void *self)
{
  struct manual *manual = self;

  atomic_store (&manual->hurry, true);
}

static enum mantis_decision
ask_program (struct manual *manual, const struct mantis_conflict *conflict,
             struct mantis_value *merged, struct mantis_arena *arena, struct mantis_error *error)
{
  struct mantis_buf input = MANTIS_BUF_INIT, output = {.limit = (size_t)manual->answer_bytes};
  enum mantis_decision decision = MANTIS_DEFER;
  enum mantis_status status = MANTIS_OK;

  letter_write (conflict, &input);
  if (input.failed)
    status = mantis_fail (error, MANTIS_FAILED, "no memory left for the conflict");
  if (status == MANTIS_OK)
    status = run_program (manual, &input, &output, error);
  if (status == MANTIS_OK)
    status = letter_read (output.bytes ? output.bytes : "", output.length, conflict, merged, arena,
                          &decision, error);
  mantis_buf_free (&input);
  mantis_buf_free (&output);
  if (status == MANTIS_OK)
    return decision;
  if (atomic_load (&manual->hurry))
    return 0; /* it is asked again by the next of us */
  mantis_fail_in (error, "a person decides, as %s did not", manual->command[0]);
  mantis_log (MANTIS_WARNING, "resolver \"manual\", a row of table \"%s\": %s",
              conflict->table->name, error->text);
  return MANTIS_DEFER;
}

/* Both sides made the same of it: nobody has to choose.  (With a base that is asked about, too: amounts may add up.) */
static bool
is_same (const struct mantis_conflict *conflict)
{
  const struct mantis_change *local = conflict->local, *remote = conflict->remote;

  for (size_t i = 0; i < conflict->table->column_count && !local->deleted && !remote->deleted; i++)
    if (remote->row[i].type != MANTIS_NONE && !mantis_value_equal (&local->row[i], &remote->row[i]))
      return false;
  return local->deleted == remote->deleted;
}

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  struct manual *manual = self;

  if (is_same (conflict))
    return MANTIS_JOIN;
  if (manual->command)
    return ask_program (manual, conflict, merged, arena, error);
  mantis_fail (error, MANTIS_OK, "a person decides");
  return MANTIS_DEFER;
}

static const struct mantis_resolver ops = {.size = sizeof ops,
                                           .decide = decide,
                                           .wants = MANTIS_WANTS_BASE,
                                           .hurry = hurry,
                                           .waits = waits};

MANTIS_RESOLVER_PLUGIN (manual, &ops, .summary = "a person decides, or a program",
                        .self_size = sizeof (struct manual), .options = options, .start = start,
                        .threads = MANTIS_PARALLEL | MANTIS_WAITS);
