/* A kind that this Mantis does not know.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

BAD ("unknown_kind", .kind = 77);
