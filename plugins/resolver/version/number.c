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
  struct decimal b, l, r, sum = {0};
  bool fits = from_value (base, &b) && from_value (local, &l) && from_value (remote, &r);

  if (fits) {
    sum.scale = l.scale > r.scale ? l.scale : r.scale;
    sum.scale = sum.scale > b.scale ? sum.scale : b.scale;
    fits = rescale (&b, sum.scale) && rescale (&l, sum.scale) && rescale (&r, sum.scale) &&
           !__builtin_sub_overflow (r.digits, b.digits, &sum.digits) &&
           !__builtin_add_overflow (sum.digits, l.digits, &sum.digits);
  }
  if (!fits)
    return base->type == MANTIS_REAL || local->type == MANTIS_REAL || remote->type == MANTIS_REAL
               ? add_doubles (base, local, remote, result)
               : false;
  return to_value (&sum, base, local, remote, arena, result);
}

static int
compare_bytes (const struct mantis_value *a, const struct mantis_value *b)
{
  size_t shorter = a->length < b->length ? a->length : b->length;
  int order = shorter ? memcmp (a->as.bytes, b->as.bytes, shorter) : 0;

  return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* By value, where both are numbers; *ORDER may be 0. */
static bool
compare_numbers (const struct mantis_value *a, const struct mantis_value *b, int *order)
{
  struct decimal x, y;

  if (from_value (a, &x) && from_value (b, &y)) {
    int scale = x.scale > y.scale ? x.scale : y.scale;
    if (rescale (&x, scale) && rescale (&y, scale)) {
      *order = (x.digits > y.digits) - (x.digits < y.digits);
      return true;
    }
  }
  if (!is_number (a) || !is_number (b))
    return false;
  double u = a->type == MANTIS_REAL ? a->as.real : (double)a->as.integer;
  double v = b->type == MANTIS_REAL ? b->as.real : (double)b->as.integer;
  *order = (u > v) - (u < v);
  return true;
}

bool
number_order (const struct mantis_value *a, const struct mantis_value *b, int *order)
{
  if (a->type == MANTIS_NULL || b->type == MANTIS_NULL) { /* nothing is less than anything */
    *order = (a->type != MANTIS_NULL) - (b->type != MANTIS_NULL);
    return *order != 0;
  }
  if (compare_numbers (a, b, order) && *order)
    return true;
  if (a->type == MANTIS_TEXT && b->type == MANTIS_TEXT)
    *order = compare_bytes (a, b);
  else if (is_number (a) || is_number (b)) /* one number, written in two ways */
    *order = a->type < b->type ? 1 : -1;
  else
    return false;
  return *order != 0 && a->type != MANTIS_BLOB && b->type != MANTIS_BLOB;
}
