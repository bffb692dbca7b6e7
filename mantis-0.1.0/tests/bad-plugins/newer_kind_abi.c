/* Built for resolvers of a Mantis that is yet to come.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

BAD ("newer_kind_abi", .kind_abi = MANTIS_RESOLVER_ABI + 41);
