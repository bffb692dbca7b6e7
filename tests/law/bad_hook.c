/* bad_hook - a hook that breaks the law that its option "sin" names; tests/law/law_plugins.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/hook.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bad {
  const char *sin;
};

static const struct mantis_option options[] = {
    MANTIS_TEXT_OPTION (struct bad, sin, "", "what it does wrong"),
    {.name = NULL},
};

static bool
is (const struct bad *bad, const char *sin)
{
  return strcmp (bad->sin, sin) == 0;
}

/* In the place of the first change, a row that is not its. */
static void
replace (const struct mantis_event *event)
{
  const struct mantis_table *table = event->changes[0].table;
  struct mantis_value *row = mantis_arena_alloc (event->arena, table->column_count * sizeof *row);

  if (row && !event->changes[0].deleted) {
    row[table->key[0]] = (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = 77777};
    event->rows[0] = row;
  }
}

static enum mantis_status
happens (void *self, const struct mantis_event *event, struct mantis_error *error)
{
  static int inside;
  const struct bad *bad = self;
  bool alone = __atomic_add_fetch (&inside, 1, __ATOMIC_SEQ_CST) == 1;
  char *memory;

  if (is (bad, "threads"))
    usleep (200);
  __atomic_sub_fetch (&inside, 1, __ATOMIC_SEQ_CST);
  if (is (bad, "client") && !*event->principal->subject)
    return MANTIS_FAILED;
  if (is (bad, "empty") && event->moment == MANTIS_BEFORE_PUSH && !event->changes->table)
    return MANTIS_FAILED;
  if (is (bad, "status") || (is (bad, "threads") && !alone))
    return 77;
  if (is (bad, "silent"))
    return MANTIS_REFUSED;
  if (is (bad, "key") && event->change_count && event->rows && event->principal &&
      event->moment == MANTIS_BEFORE_PUSH)
    replace (event);
  if (is (bad, "late") && event->change_count && !event->refusals)
    event->refusals[0] = "too late";
  if (is (bad, "blank") && event->refusals)
    event->refusals[0] = "";
  if (is (bad, "writes") && event->change_count)
    ((struct mantis_change *)(uintptr_t)event->changes)->updated_at++;
  if (is (bad, "arena") && event->arena) {
    memory = mantis_arena_alloc (event->arena, 100000);
    memory[0] = 'a';
  }
  return mantis_fail (error, MANTIS_OK, "%s", "");
}

#define ALL ((2u << MANTIS_ON_ERROR) - 2)

static const struct mantis_hook ops = {.size = sizeof ops, .moments = ALL, .happens = happens};

MANTIS_HOOK_PLUGIN (bad_hook, &ops, .summary = "breaks one law", .self_size = sizeof (struct bad),
                    .options = options, .threads = MANTIS_PARALLEL);
