/* nearest.c - which known name did somebody mean?  Edits are counted as of Damerau and Levenshtein
 * (optimal string alignment): a letter added, left out, changed, or swapped with its neighbour.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/options.h"

#include <string.h>

enum { LONGEST = 64 };

static size_t
least (size_t a, size_t b)
{
  return a < b ? a : b;
}

static size_t
edits (const char *a, size_t a_length, const char *b, size_t b_length)
{
  size_t rows[3][LONGEST + 1], *before = rows[0], *last = rows[1], *now = rows[2];

  for (size_t j = 0; j <= b_length; j++)
    last[j] = j;
  for (size_t i = 1; i <= a_length; i++) {
    size_t *spare = before;
    now[0] = i;
    for (size_t j = 1; j <= b_length; j++) {
      bool same = a[i - 1] == b[j - 1];
      now[j] = least (least (last[j], now[j - 1]) + 1, last[j - 1] + !same);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = least (now[j], before[j - 2] + 1);
    }
    before = last;
    last = now;
    now = spare;
  }
  return last[b_length];
}

void
nearest_begin (struct nearest *nearest, const char *wanted)
{
  *nearest = (struct nearest){.wanted = wanted};
}

void
nearest_try (struct nearest *nearest, const char *name, size_t length)
{
  size_t wanted = strlen (nearest->wanted), distance;

  if (wanted == 0 || wanted > LONGEST || length > LONGEST)
    return;
  distance = edits (nearest->wanted, wanted, name, length);
  if (distance > 1 + wanted / 4 || distance >= length)
    return; /* a guess that far off confuses more than it helps */
  if (!nearest->name || distance < nearest->distance) {
    nearest->name = name;
    nearest->length = length;
    nearest->distance = distance;
  }
}

const char *
nearest_hint (const struct nearest *nearest, struct mantis_arena *arena)
{
  const char *hint = NULL;

  if (nearest->name)
    hint = mantis_arena_printf (arena, ", did you mean \"%.*s\"?", (int)nearest->length,
                                nearest->name);
  return hint ? hint : "";
}
