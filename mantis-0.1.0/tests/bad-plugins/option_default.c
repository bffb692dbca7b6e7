/* An option whose own default would be refused.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

struct self {
  int64_t wait;
};

static const struct mantis_option options[] = {
    MANTIS_DURATION (struct self, wait, "soon", 0, 0, "how long"),
    {.name = NULL},
};

BAD ("option_default", .self_size = sizeof (struct self), .options = options);
