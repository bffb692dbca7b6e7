/* builtin.h - plugins that are linked in: of libmantis_static.a, not of libmantis.so.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_BUILTIN_H
#define MANTIS_BUILTIN_H

#include <mantis/plugin.h>

/* Ends with NULL.  Itself NULL where there are none. */
extern const struct mantis_plugin *const mantis_builtin[] __attribute__ ((weak));

#endif
