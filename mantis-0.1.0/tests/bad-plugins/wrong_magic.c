/* The descriptor is not one of Mantis.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

BAD ("wrong_magic", .magic = 0x12345678);
