/* moment.c - the names of the moments that hooks see.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"

#include <mantis/hook.h>

static const char *const names[] = {
    [MANTIS_BEFORE_PUSH] = "before_push",
    [MANTIS_AFTER_PUSH] = "after_push",
    [MANTIS_BEFORE_PULL] = "before_pull",
    [MANTIS_AFTER_PULL] = "after_pull",
    [MANTIS_BEFORE_APPLY] = "before_apply",
    [MANTIS_AFTER_APPLY] = "after_apply",
    [MANTIS_AFTER_CONFLICT] = "after_conflict",
    [MANTIS_BEFORE_CONFLICT] = "before_conflict",
    [MANTIS_BEFORE_CONNECT] = "before_connect",
    [MANTIS_AFTER_CONNECT] = "after_connect",
    [MANTIS_ON_ERROR] = "on_error",
};

const char *
mantis_moment_name (uint32_t moment)
{
  return moment < COUNT_OF (names) ? names[moment] : NULL;
}
