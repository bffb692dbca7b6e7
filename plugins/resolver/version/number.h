/* number.h - numbers of three kinds, combined without loss: INTEGER, REAL, and TEXT that is a decimal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_VERSION_NUMBER_H
#define MANTIS_VERSION_NUMBER_H

#include <mantis/change.h>

/* LOCAL plus what REMOTE is more than BASE, in *RESULT.  False: one of them is no number, or the result does not
 * fit; *RESULT is as it was. */
bool number_add (const struct mantis_value *base, const struct mantis_value *local,
                 const struct mantis_value *remote, struct mantis_arena *arena,
                 struct mantis_value *result);

/* < 0 when A is the smaller one, 0 for the same value alone: NULL, numbers (also as TEXT) by value, other TEXT, BLOBs. */
int number_order (const struct mantis_value *a, const struct mantis_value *b);

#endif
