/* A resolver built against the first headers, as they were released (tests/abi/headers-1).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/resolver.h>

struct old_resolver {
  bool keep;
  int64_t patience;
};

static const struct mantis_option options[] = {
    MANTIS_BOOL (struct old_resolver, keep, "true", "keep what is there"),
    MANTIS_DURATION (struct old_resolver, patience, "5m", 0, 86400000, "how long to think"),
    {.name = NULL},
};

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  const struct old_resolver *old = self;

  (void)merged, (void)arena, (void)error;
  if (old->patience != 300000 || conflict->size < sizeof *conflict)
    return MANTIS_REFUSE;
  return old->keep ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE;
}

static const struct mantis_resolver ops = {.size = sizeof ops, .decide = decide};

MANTIS_RESOLVER_PLUGIN (old_resolver, &ops, .summary = "as of the first headers",
                        .self_size = sizeof (struct old_resolver), .options = options);
