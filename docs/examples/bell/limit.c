/* limit - nobody orders more than so many pieces; who wants more gets that many, or nothing.
 *
 * An example of a hook that is kept outside Mantis's tree: docs/write-a-hook.md explains it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/hook.h>

#include <string.h>

struct limit {
  const char *column;
  int64_t most;
  bool cut;
};

static const struct mantis_option options[] = {
  MANTIS_TEXT_OPTION (struct limit, column, "qty", "the column that counts the pieces"),
  MANTIS_INTEGER_OPTION (struct limit, most, "100", 1, 1000000, "pieces that may be ordered at once"),
  MANTIS_BOOL (struct limit, cut, "false", "an order of more becomes one of that many"),
  { .name = NULL },
};

/* The place of the column in TABLE; column_count: it has none. */
static size_t
place_of (const struct limit *limit, const struct mantis_table *table)
{
  size_t i = 0;

  while (i < table->column_count && strcmp (table->columns[i].name, limit->column) != 0)
    i++;
  return i;
}

static void
look_at (const struct limit *limit, const struct mantis_event *event, size_t which)
{
  const struct mantis_change *change = &event->changes[which];
  const struct mantis_table *table = change->table;
  size_t place = place_of (limit, table);
  struct mantis_value *row;

  if (change->deleted || place == table->column_count || change->row[place].type != MANTIS_INTEGER
      || change->row[place].as.integer <= limit->most)
    return;
  if (!limit->cut || !event->principal) { /* a client cannot change what it is told */
    event->refusals[which] = mantis_arena_printf (event->arena, "more than %lld pieces", (long long) limit->most);
    return;
  }
  row = mantis_arena_alloc (event->arena, table->column_count * sizeof *row);
  if (!row)
    return; /* Mantis sees that the arena is used up, and refuses the push */
  row[place] = (struct mantis_value) { .type = MANTIS_INTEGER, .as.integer = limit->most };
  event->rows[which] = row;
}

static enum mantis_status
happens (void *self, const struct mantis_event *event, struct mantis_error *error)
{
  (void) error;
  for (size_t i = 0; i < event->change_count; i++)
    look_at (self, event, i);
  return MANTIS_OK;
}

static const struct mantis_hook ops = {
  .size = sizeof ops, .moments = 1u << MANTIS_BEFORE_PUSH, .happens = happens
};

MANTIS_HOOK_PLUGIN (limit, &ops, .summary = "nobody orders more than so many pieces",
                    .version = "1.0", .self_size = sizeof (struct limit), .options = options,
                    .threads = MANTIS_PARALLEL);
