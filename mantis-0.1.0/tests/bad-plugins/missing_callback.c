/* A resolver that cannot decide.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

static const struct mantis_resolver mute = {.size = sizeof mute, .decide = NULL};

BAD ("missing_callback", .ops = &mute);
