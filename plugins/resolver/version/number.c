/* number.c - numbers of three kinds, combined without loss.
 *
 * A REAL counts as the shortest decimal that reads back as it: 1.0 - 0.1 - 0.2 is 0.7 in any order, as the people
 * who wrote these numbers expect, which sums of doubles are not.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef __int128 wide;

enum { MOST_DIGITS = 36, MOST_SCALE = 30, TEXT_SIZE = 64 };

struct decimal { /* digits / 10^scale */
  wide digits;
  int scale;
};

static bool
rescale (struct decimal *decimal, int scale)
{
  for (; decimal->scale < scale; decimal->scale++)
    if (__builtin_mul_overflow (decimal->digits, 10, &decimal->digits))
      return false;
  return true;
}

/* Digits with a point in them, and behind them, if EXPONENT, what "%g" may write there. */
static bool
parse (const char *text, bool exponent, struct decimal *decimal)
{
  bool negative = *text == '-', point = false, any = false;
  int digits = 0;
  char *end;

  *decimal = (struct decimal){0};
  for (text += negative; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
    if (*text == '.') {
      point = true;
      continue;
    }
    any = true;
    digits += digits || *text != '0';
    if (digits > MOST_DIGITS)
      return false;
    decimal->digits = decimal->digits * 10 + (*text - '0');
    decimal->scale += point;
  }
  if (exponent && any && *text == 'e') {
    decimal->scale -= (int)strtol (text + 1, &end, 10);
    text = end;
  }
  if (!any || *text || decimal->scale > MOST_SCALE || decimal->scale < -MOST_DIGITS)
    return false;
  if (negative)
    decimal->digits = -decimal->digits;
  return rescale (decimal, 0);
}

static bool
from_real (double real, struct decimal *decimal)
{
  char text[TEXT_SIZE];

  for (int digits = 15; digits <= 17; digits++) {
    snprintf (text, sizeof text, "%.*g", digits, real);
    if (strtod (text, NULL) == real)
      break;
  }
  return isfinite (real) && parse (text, true, decimal);
}

static bool
from_value (const struct mantis_value *value, struct decimal *decimal)
{
  char text[TEXT_SIZE];

  switch (value->type) {
  case MANTIS_INTEGER:
    *decimal = (struct decimal){.digits = value->as.integer};
    return true;
  case MANTIS_REAL:
    return from_real (value->as.real, decimal);
  case MANTIS_TEXT:
    if (value->length >= sizeof text || memchr (value->as.bytes, '\0', value->length))
      return false;
    memcpy (text, value->as.bytes, value->length);
    text[value->length] = '\0';
    return parse (text, false, decimal);
  default:
    return false;
  }
}

/* As text, with all of its scale. */
static void
print (const struct decimal *decimal, char *text)
{
  bool negative = decimal->digits < 0;
  wide rest = decimal->digits;
  char backwards[TEXT_SIZE];
  int count = 0;

  for (int place = 0; rest || place <= decimal->scale; place++, rest /= 10) {
    int digit = (int)(rest % 10);
    if (place && place == decimal->scale)
      backwards[count++] = '.';
    backwards[count++] = (char)('0' + (digit < 0 ? -digit : digit));
  }
  if (negative)
    backwards[count++] = '-';
  for (int i = 0; i < count; i++)
    text[i] = backwards[count - 1 - i];
  text[count] = '\0';
}

static bool
is_number (const struct mantis_value *value)
{
  return value->type == MANTIS_INTEGER || value->type == MANTIS_REAL;
}

/* Numbers that are too large or too small for a decimal. */
static bool
add_doubles (const struct mantis_value *base, const struct mantis_value *local,
             const struct mantis_value *remote, struct mantis_value *result)
{
  const struct mantis_value *values[] = {base, local, remote};
  double as[3];

  for (int i = 0; i < 3; i++) {
    if (!is_number (values[i]))
      return false;
    as[i] = values[i]->type == MANTIS_REAL ? values[i]->as.real : (double)values[i]->as.integer;
  }
  *result = (struct mantis_value){.type = MANTIS_REAL, .as.real = as[1] + (as[2] - as[0])};
  return isfinite (result->as.real);
}

/* SUM as a value of the kind that A, B and C are. */
static bool
to_value (const struct decimal *sum, const struct mantis_value *a, const struct mantis_value *b,
          const struct mantis_value *c, struct mantis_arena *arena, struct mantis_value *result)
{
  char text[TEXT_SIZE];

  if (a->type == MANTIS_INTEGER && b->type == MANTIS_INTEGER && c->type == MANTIS_INTEGER) {
    *result = (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = (int64_t)sum->digits};
    return sum->digits >= INT64_MIN && sum->digits <= INT64_MAX;
  }
  print (sum, text);
  if (is_number (a) && is_number (b) && is_number (c)) {
    *result = (struct mantis_value){.type = MANTIS_REAL, .as.real = strtod (text, NULL)};
    return true;
  }
  *result = (struct mantis_value){.type = MANTIS_TEXT, .length = (uint32_t)strlen (text)};
  result->as.bytes = mantis_arena_strdup (arena, text);
  return result->as.bytes != NULL;
}

bool
number_add (const struct mantis_value *base, const struct mantis_value *local,
            const struct mantis_value *remote, struct mantis_arena *arena,
            struct mantis_value *result)
{
  struct mantis_value value = {.type = MANTIS_NONE};
  struct decimal b, l, r, sum = {0};
  bool fits = from_value (base, &b) && from_value (local, &l) && from_value (remote, &r);

  if (fits) {
    sum.scale = l.scale > r.scale ? l.scale : r.scale;
    sum.scale = sum.scale > b.scale ? sum.scale : b.scale;
    fits = rescale (&b, sum.scale) && rescale (&l, sum.scale) && rescale (&r, sum.scale) &&
           !__builtin_sub_overflow (r.digits, b.digits, &sum.digits) &&
           !__builtin_add_overflow (sum.digits, l.digits, &sum.digits);
  }
  if (fits)
    fits = to_value (&sum, base, local, remote, arena, &value);
  else if (base->type == MANTIS_REAL || local->type == MANTIS_REAL || remote->type == MANTIS_REAL)
    fits = add_doubles (base, local, remote, &value);
  if (fits)
    *result = value;
  return fits;
}

/* ---- Order ------------------------------------------------------------------------------------ */

struct place { /* of a value among all others */
  enum { NOTHING, NUMBER, WORDS, BYTES } rank;
  double about;           /* of a number: the nearest double */
  bool exact;             /* DECIMAL is set */
  struct decimal decimal; /* of a number */
};

static struct place
place_of (const struct mantis_value *value)
{
  struct place place = {.rank = value->type == MANTIS_NULL   ? NOTHING
                                : value->type == MANTIS_BLOB ? BYTES
                                : value->type == MANTIS_TEXT ? WORDS
                                                             : NUMBER};
  char text[TEXT_SIZE];

  place.exact = from_value (value, &place.decimal);
  if (value->type == MANTIS_REAL)
    place.about = value->as.real;
  else if (place.exact) {
    place.rank = NUMBER;
    print (&place.decimal, text);
    place.about = strtod (text, NULL);
  }
  return place;
}

static int
compare_bytes (const struct mantis_value *a, const struct mantis_value *b)
{
  size_t shorter = a->length < b->length ? a->length : b->length;
  int order = shorter ? memcmp (a->as.bytes, b->as.bytes, shorter) : 0;

  return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* What is equal as doubles differs in magnitude by too little for an overflow. */
static int
compare_decimals (struct decimal x, struct decimal y)
{
  if (!rescale (&x, y.scale) || !rescale (&y, x.scale))
    return 0;
  return (x.digits > y.digits) - (x.digits < y.digits);
}

int
number_order (const struct mantis_value *a, const struct mantis_value *b)
{
  struct place x = place_of (a), y = place_of (b);
  int order;

  if (x.rank != y.rank)
    return x.rank < y.rank ? -1 : 1;
  if (x.rank == NUMBER) {
    if (x.about < y.about || x.about > y.about)
      return x.about < y.about ? -1 : 1;
    if (x.exact != y.exact)
      return x.exact ? -1 : 1;
    if (x.exact && (order = compare_decimals (x.decimal, y.decimal)))
      return order;
    if (a->type != b->type) /* one number, written in two ways */
      return a->type < b->type ? 1 : -1;
    if (a->type == MANTIS_REAL)
      return (signbit (b->as.real) != 0) - (signbit (a->as.real) != 0);
    if (a->type == MANTIS_INTEGER)
      return 0;
  }
  return x.rank == NOTHING ? 0 : compare_bytes (a, b);
}
