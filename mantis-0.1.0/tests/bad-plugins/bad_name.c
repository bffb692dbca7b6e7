/* A name that nobody could write into a configuration.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

BAD ("../Bad Name", .version = "1");
