/* No operations.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

BAD ("null_ops", .ops = NULL);
