/* value.c - when are two values the same?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/change.h>

#include <string.h>

bool
mantis_value_equal (const struct mantis_value *a, const struct mantis_value *b)
{
  if (a->type != b->type)
    return false;
  switch ((enum mantis_type)a->type) {
  case MANTIS_NONE:
  case MANTIS_NULL:
    return true;
  case MANTIS_INTEGER:
    return a->as.integer == b->as.integer;
  case MANTIS_REAL: /* by bits: -0.0 is a value of its own */
    return memcmp (&a->as.real, &b->as.real, sizeof a->as.real) == 0;
  case MANTIS_TEXT:
  case MANTIS_BLOB:
    return a->length == b->length &&
           (a->length == 0 || memcmp (a->as.bytes, b->as.bytes, a->length) == 0);
  }
  return false;
}
