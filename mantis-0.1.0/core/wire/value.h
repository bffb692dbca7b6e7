/* value.h - one value as JSON, and back.
 *
 *   NULL     null
 *   INTEGER  a JSON number without '.' and exponent
 *   REAL     a JSON number with one; infinities {"r": "inf"} and {"r": "-inf"}
 *   TEXT     a JSON string; text that is not UTF-8 {"t": "BASE64"}
 *   BLOB     {"b": "BASE64"}
 *
 * Base64 of RFC 4648, section 4, with padding.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_WIRE_VALUE_H
#define MANTIS_WIRE_VALUE_H

#include <jansson.h>
#include <mantis/change.h>

void value_encode (struct mantis_buf *buf, const struct mantis_value *value);

/* Text goes to ARENA.  MANTIS_INVALID when JSON has no such form. */
enum mantis_status value_decode (const json_t *json, struct mantis_arena *arena,
                                 struct mantis_value *value, struct mantis_error *error);

/* What the object {"TAG": "TEXT"} means. */
enum mantis_status value_untag (char tag, const char *text, size_t length,
                                struct mantis_arena *arena, struct mantis_value *value,
                                struct mantis_error *error);

/* BYTES, LENGTH of them, as UTF-8 without exception (RFC 3629)? */
bool text_is_utf8 (const char *bytes, size_t length);

#endif
