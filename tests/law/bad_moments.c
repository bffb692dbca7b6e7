/* bad_moments - a hook that gives a moment where a bit is wanted; tests/law/law_plugins.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/hook.h>

static const struct mantis_option options[] = {
    MANTIS_OPTION (
        struct { const char *sin; }, sin, MANTIS_OPTION_TEXT, "", "not looked at"),
    {.name = NULL},
};

static enum mantis_status
happens (void *self, const struct mantis_event *event, struct mantis_error *error)
{
  (void)self, (void)event, (void)error;
  return MANTIS_OK;
}

static const struct mantis_hook ops = {
    .size = sizeof ops, .moments = MANTIS_BEFORE_PUSH, .happens = happens};

MANTIS_HOOK_PLUGIN (bad_moments, &ops, .summary = "is never called", .self_size = sizeof (char *),
                    .options = options);
