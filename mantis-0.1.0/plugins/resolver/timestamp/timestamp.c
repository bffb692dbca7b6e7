/* timestamp - the later change wins; at equal times the greater origin, on every node.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/resolver.h>

struct timestamp {
  bool deletes_win;
};

static const struct mantis_option options[] = {
    MANTIS_BOOL (struct timestamp, deletes_win, "false", "a deletion beats any edit, later or not"),
    {.name = NULL},
};

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  const struct timestamp *t = self;
  const struct mantis_change *local = conflict->local, *remote = conflict->remote;

  (void)merged, (void)arena;
  if (t->deletes_win && local->deleted != remote->deleted) {
    mantis_fail (error, MANTIS_OK, "a deletion wins");
    return local->deleted ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE;
  }
  mantis_fail (error, MANTIS_OK,
               local->updated_at == remote->updated_at
                   ? "both at the same time: the greater node id wins"
                   : "the later change wins");
  return mantis_change_order (local, remote) < 0 ? MANTIS_TAKE_REMOTE : MANTIS_KEEP_LOCAL;
}

static const struct mantis_resolver ops = {.size = sizeof ops, .decide = decide};

MANTIS_RESOLVER_PLUGIN (timestamp, &ops, .summary = "the later change wins",
                        .self_size = sizeof (struct timestamp), .options = options,
                        .threads = MANTIS_PARALLEL);
