/* Calls a function that nobody brings.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bad.h"

enum mantis_status bad_plugins_nobody_brings_this (void *self, struct mantis_error *error);

BAD ("undefined", .start = bad_plugins_nobody_brings_this);
