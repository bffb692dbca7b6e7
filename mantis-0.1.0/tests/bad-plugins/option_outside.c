/* An option that would be written behind the end of the plugin's struct.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

struct self {
  int64_t one, two;
};

static const struct mantis_option options[] = {
    MANTIS_INTEGER_OPTION (struct self, two, "0", 0, 0, "the second"),
    {.name = NULL},
};

BAD ("option_outside", .self_size = sizeof (int64_t), .options = options);
