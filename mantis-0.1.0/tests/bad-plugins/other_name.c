/* The file has one name, the plugin another.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

BAD ("another", .version = "1");
