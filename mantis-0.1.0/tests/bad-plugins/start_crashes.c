/* Sound, but it takes the process with it when it starts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

#include <stdlib.h>

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  (void)self, (void)error;
  abort ();
}

BAD ("start_crashes", .start = start);
