/* A descriptor of this ABI that is longer than the ABI has it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

BAD ("larger", .size = sizeof (struct mantis_plugin) + 8);
