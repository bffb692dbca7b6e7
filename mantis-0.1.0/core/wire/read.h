/* read.h - values read from JSON text, one after the other.
 *
 * As strict as jansson, whose value_decode() is the oracle in tests: RFC 8259, UTF-8 (RFC 3629), no lone
 * surrogates, integers of 64 bits.  An array is entered and left by the caller.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_WIRE_READ_H
#define MANTIS_WIRE_READ_H

#include <mantis/change.h>

struct reader {
  const char *at, *end;
};

/* Does C come next?  Then it is passed.  Space before it is passed in any case. */
bool read_char (struct reader *reader, char c);

/* A value of value.h.  Text goes to ARENA. */
enum mantis_status read_value (struct reader *reader, struct mantis_arena *arena,
                               struct mantis_value *value, struct mantis_error *error);

/* Any JSON, which is looked at and dropped. */
enum mantis_status read_past (struct reader *reader, struct mantis_error *error);

#endif
