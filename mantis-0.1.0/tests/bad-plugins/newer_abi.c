/* Built for a Mantis that is yet to come.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

BAD ("newer_abi", .abi = MANTIS_ABI + 41);
