/* Sound, but it cannot start.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  (void)self;
  return mantis_fail (error, MANTIS_FAILED, "there is no fuel");
}

BAD ("start_fails", .start = start);
