/* A hook built against the first headers: nobody pushes more than so many changes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/hook.h>

struct old_hook {
  int64_t most;
};

static const struct mantis_option options[] = {
    MANTIS_INTEGER_OPTION (struct old_hook, most, "10", 1, 1000, "changes of one push"),
    {.name = NULL},
};

static enum mantis_status
happens (void *self, const struct mantis_event *event, struct mantis_error *error)
{
  const struct old_hook *old = self;

  if (event->moment == MANTIS_BEFORE_PUSH && (int64_t)event->change_count > old->most)
    return mantis_fail (error, MANTIS_DENIED, "%zu changes of %s, the first of \"%s\"",
                        event->change_count, event->principal->subject,
                        event->changes[0].table->name);
  return MANTIS_OK;
}

static const struct mantis_hook ops = {.size = sizeof ops,
                                       .moments =
                                           1u << MANTIS_BEFORE_PUSH | 1u << MANTIS_AFTER_PUSH,
                                       .happens = happens};

MANTIS_HOOK_PLUGIN (old_hook, &ops, .summary = "as of the first headers",
                    .self_size = sizeof (struct old_hook), .options = options,
                    .threads = MANTIS_WAITS);
