/* units.c - sizes and durations as people write them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/units.h"

#include "base/base.h"

#include <mantis/plugin.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unit {
  const char *name;
  int64_t factor;
};

/* The first row is what a number without a unit means; then from the largest. */
static const struct unit size_units[] = {
    {"", 1}, {"G", 1024 * 1024 * 1024}, {"M", 1024 * 1024}, {"k", 1024}};
static const struct unit duration_units[] = {{"", 1000},   {"d", 86400000}, {"h", 3600000},
                                             {"m", 60000}, {"s", 1000},     {"ms", 1}};

static bool
parse (const char *text, const struct unit *units, size_t count, int64_t *number)
{
  long long value;
  char *end;

  if (!isdigit ((unsigned char)*text))
    return false;
  errno = 0;
  value = strtoll (text, &end, 10);
  if (errno)
    return false;
  for (size_t i = 0; i < count; i++)
    if (strcmp (end, units[i].name) == 0)
      return !__builtin_mul_overflow (value, units[i].factor, number);
  return false;
}

bool
size_from_text (const char *text, int64_t *bytes)
{
  return parse (text, size_units, COUNT_OF (size_units), bytes);
}

bool
duration_from_text (const char *text, int64_t *milliseconds)
{
  return parse (text, duration_units, COUNT_OF (duration_units), milliseconds);
}

bool
duration_from_seconds (double seconds, int64_t *milliseconds)
{
  if (!(seconds >= 0 && seconds < 9e15))
    return false;
  *milliseconds = (int64_t)(seconds * 1000 + 0.5);
  return true;
}

static void
print (struct mantis_buf *buf, const struct unit *units, size_t count, int64_t number)
{
  size_t i = 1;

  while (i < count && (number == 0 || number % units[i].factor))
    i++;
  if (i == count) /* zero, or an odd number of the smallest unit */
    mantis_buf_printf (buf, "%lld", (long long)number);
  else
    mantis_buf_printf (buf, "%lld%s", (long long)(number / units[i].factor), units[i].name);
}

void
size_print (struct mantis_buf *buf, int64_t bytes)
{
  print (buf, size_units, COUNT_OF (size_units), bytes);
}

void
duration_print (struct mantis_buf *buf, int64_t milliseconds)
{
  print (buf, duration_units, COUNT_OF (duration_units), milliseconds);
}

static void
print_one (struct mantis_buf *buf, uint32_t type, int64_t number)
{
  if (type == MANTIS_OPTION_SIZE)
    size_print (buf, number);
  else if (type == MANTIS_OPTION_DURATION)
    duration_print (buf, number);
  else
    mantis_buf_printf (buf, "%lld", (long long)number);
}

void
range_print (struct mantis_buf *buf, uint32_t type, int64_t minimum, int64_t maximum)
{
  if (maximum == INT64_MAX) {
    mantis_buf_text (buf, "at least ");
    print_one (buf, type, minimum);
    return;
  }
  print_one (buf, type, minimum);
  mantis_buf_text (buf, " to ");
  print_one (buf, type, maximum);
}
