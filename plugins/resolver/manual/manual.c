/* manual - a person decides.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/resolver.h>

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  (void)self, (void)conflict, (void)merged, (void)arena;
  mantis_fail (error, MANTIS_OK, "a person decides");
  return MANTIS_DEFER;
}

static const struct mantis_resolver ops = {
    .size = sizeof ops, .decide = decide, .wants = MANTIS_WANTS_BASE};

MANTIS_RESOLVER_PLUGIN (manual, &ops, .summary = "a person decides", .threads = MANTIS_PARALLEL);
