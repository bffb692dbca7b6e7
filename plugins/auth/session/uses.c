/* uses.c - which sessions were used and do not say so yet.
 *
 * A request only reads; what it has to say for itself is written down now and then, for many at once.  What has no
 * place here is noted by a later request.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 8, DIGITS = 8 };

void
uses_note (struct uses *uses, const char *hash, int64_t at)
{
  char digits[DIGITS + 1];
  size_t place;

  snprintf (digits, sizeof digits, "%s", hash);
  place = strtoul (digits, NULL, 16);
  for (size_t i = 0; i < TRIES; i++) {
    struct use *use = &uses->list[(place + i) % USES];
    if (*use->hash && strcmp (use->hash, hash) != 0)
      continue;
    snprintf (use->hash, sizeof use->hash, "%s", hash);
    use->at = at;
    return;
  }
}

bool
uses_take (struct uses *uses, struct use *use)
{
  for (size_t i = 0; i < USES; i++)
    if (*uses->list[i].hash) {
      *use = uses->list[i];
      uses->list[i] = (struct use){.at = 0};
      return true;
    }
  return false;
}
