/* Operations that do not say their size.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

static const struct mantis_resolver sizeless = {.decide = decide};

BAD ("ops_size", .ops = &sizeless);
