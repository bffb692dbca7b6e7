/* check.c - what the engine would take without saying that it is not the same: it is refused here.
 *
 * What a column cannot hold is mostly refused by the engine itself, in its strict mode.  But some values it
 * makes into others without a word: 5 is the year 2005 to it, '2' the second label of an ENUM.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <math.h>
#include <string.h>

/* ---- Numbers ---- */

static bool
is_number_text (const struct mantis_value *value, size_t *decimals)
{
  const char *text = value->as.bytes;
  size_t at = value->length && (*text == '-'), digits = 0;
  bool point = false;

  *decimals = 0;
  for (; at < value->length; at++) {
    if (text[at] == '.' && !point)
      point = true;
    else if (text[at] >= '0' && text[at] <= '9') {
      digits++;
      *decimals = point ? *decimals + 1 : 0;
    } else
      return false;
  }
  while (*decimals && text[--at] == '0')
    --*decimals;
  return digits > 0;
}

static const char *
integer_obstacle (const struct column_facts *facts, const struct mantis_value *value)
{
  if (value->type == MANTIS_TEXT && facts->is_unsigned && facts->bits == 64 && value->length > 18 &&
      value->as.bytes[0] != '-' && is_integer (value->as.bytes, value->length))
    return NULL;
  if (value->type != MANTIS_INTEGER)
    return "it holds integers";
  if (facts->kind == KIND_YEAR && value->as.integer != 0 &&
      (value->as.integer < 1901 || value->as.integer > 2155))
    return "it holds years from 1901 to 2155, and 0";
  return facts->is_unsigned && value->as.integer < 0 ? "it is unsigned" : NULL;
}

static const char *
exact_obstacle (const struct column_facts *facts, const struct mantis_value *value)
{
  size_t decimals;

  if (value->type == MANTIS_INTEGER)
    return NULL;
  if (value->type != MANTIS_TEXT || !is_number_text (value, &decimals))
    return "it holds decimal numbers";
  return decimals > facts->decimals ? "it has fewer decimals" : NULL;
}

/* DECIMAL, and numbers that are rounded to so many decimals: DOUBLE(10,2). */
static const char *
decimals_obstacle (const struct column_facts *facts, const struct mantis_value *value)
{
  AUTO_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  double real = value->as.real, rounded;

  add_decimal (&text, facts->decimals, real);
  if (text.failed)
    return "there is no memory";
  rounded = parse_real (text.bytes);
  if (facts->kind == KIND_FLOAT ? (float)rounded == (float)real : rounded == real)
    return NULL;
  return "it has fewer decimals";
}

static const char *
real_obstacle (const struct column_facts *facts, const struct mantis_value *value)
{
  if (value->type == MANTIS_INTEGER)
    return NULL;
  if (value->type != MANTIS_REAL)
    return "it holds numbers";
  if (!isfinite (value->as.real))
    return "it has no infinite numbers";
  if (facts->kind == KIND_DECIMAL && fabs (value->as.real) >= 1e15)
    return "it has fewer digits";
  return facts->kind == KIND_DECIMAL || facts->scaled ? decimals_obstacle (facts, value) : NULL;
}

/* ---- Dates and times ---- */

/* Does TEXT begin with what PATTERN says: 9 a digit, 8 a digit or nothing, T a "T" or a blank?  How long
 * that is; 0: it does not. */
static size_t
matches (const char *text, const char *end, const char *pattern)
{
  const char *from = text;

  for (; *pattern; pattern++) {
    bool digit = text < end && *text >= '0' && *text <= '9';
    if (*pattern == '8' && !digit)
      continue;
    if (text == end || (*pattern == '9' || *pattern == '8' ? !digit
                        : *pattern == 'T'                  ? *text != 'T' && *text != ' '
                                                           : *text != *pattern))
      return 0;
    text++;
  }
  return (size_t)(text - from);
}

/* ":59.123": what may follow hours and minutes. */
static bool
ends_well (const char *text, const char *end)
{
  if (text == end)
    return true;
  if (!matches (text, end, ":99"))
    return false;
  text += 3;
  if (text < end && *text++ != '.')
    return false;
  while (text < end && *text >= '0' && *text <= '9')
    text++;
  return text == end;
}

/* Digits of a second's fraction, without zeros at the end. */
static size_t
fraction_digits (const struct mantis_value *value)
{
  const char *point = memchr (value->as.bytes, '.', value->length);
  size_t digits = point ? (size_t)(value->as.bytes + value->length - point) - 1 : 0;

  while (digits && point[digits] == '0')
    digits--;
  return digits;
}

/* The engine takes much as a date, and a time for a date: only the usual form says what is meant. */
static const char *
time_obstacle (const struct column_facts *facts, const struct mantis_value *value)
{
  const char *text = value->as.bytes, *end = text + value->length;
  bool negative;
  size_t length;

  switch (facts->kind) {
  case KIND_DATE:
    if (value->type != MANTIS_TEXT || matches (text, end, "9999-99-99") != value->length)
      return "it holds dates, as text: YYYY-MM-DD";
    return NULL;
  case KIND_TIME:
    negative = value->type == MANTIS_TEXT && text < end && *text == '-';
    if (value->type != MANTIS_TEXT || !(length = matches (text + negative, end, "988:99")) ||
        !ends_well (text + negative + length, end))
      return "it holds times, as text: HH:MM:SS";
    break;
  default:
    if (value->type != MANTIS_TEXT || !(length = matches (text, end, "9999-99-99")) ||
        (length < value->length &&
         (!(length = matches (text, end, "9999-99-99T99:99")) || !ends_well (text + length, end))))
      return "it holds dates and times, as text: YYYY-MM-DD HH:MM:SS";
  }
  return fraction_digits (value) > facts->decimals ? "it holds fewer parts of a second" : NULL;
}

/* ---- Text ---- */

static size_t
count_characters (const struct mantis_value *value)
{
  size_t count = 0;

  for (size_t i = 0; i < value->length; i++)
    count += (value->as.bytes[i] & 0xc0) != 0x80;
  return count;
}

/* Of a number that is no label the engine makes the label with that number. */
static bool
is_no_label (const struct column_facts *facts, const struct mantis_value *value)
{
  AUTO_BUF struct mantis_buf quoted = MANTIS_BUF_INIT;
  const char *at = facts->labels;

  if (value->length == 0)
    return false;
  for (size_t i = 0; i < value->length; i++)
    if (!strchr ("0123456789+- \t", value->as.bytes[i]) || !value->as.bytes[i])
      return false;
  mantis_buf_printf (&quoted, "'%.*s'", (int)value->length, value->as.bytes);
  while (!quoted.failed && (at = strstr (at, quoted.bytes))) {
    if ((at[-1] == '(' || at[-1] == ',') && (at[quoted.length] == ',' || at[quoted.length] == ')'))
      return false;
    at++;
  }
  return true;
}

static const char *
text_obstacle (const struct column_facts *facts, const struct mantis_value *value)
{
  size_t size;

  if (value->type != MANTIS_TEXT)
    return "it holds text";
  if (facts->labels)
    return is_no_label (facts, value) ? "it has no such value" : NULL;
  if (facts->fixed || !facts->length || !value->length || value->as.bytes[value->length - 1] != ' ')
    return NULL;
  /* Blanks beyond its length are cut off without a word. */
  size = facts->in_bytes && !facts->narrow ? value->length : count_characters (value);
  return size > (size_t)facts->length ? "the text is too long, blanks at its end included" : NULL;
}

/* ---- All kinds ---- */

static const char *
obstacle (const struct column_facts *facts, const struct mantis_value *value)
{
  switch (facts->kind) {
  case KIND_ANY:
    return NULL;
  case KIND_NONE:
    return "its type cannot be synced";
  case KIND_TEXT:
    return text_obstacle (facts, value);
  case KIND_BYTES:
    return value->type == MANTIS_BLOB ? NULL : "it holds bytes";
  case KIND_GEOMETRY:
    return value->type == MANTIS_BLOB && is_geometry (value->as.bytes, value->length)
               ? NULL
               : "it holds geometries: an SRID of four bytes and well-known binary";
  case KIND_DATE:
  case KIND_TIME:
  case KIND_DATETIME:
  case KIND_TIMESTAMP:
    return time_obstacle (facts, value);
  case KIND_INTEGER:
  case KIND_YEAR:
  case KIND_BIT:
    return integer_obstacle (facts, value);
  case KIND_EXACT:
    return exact_obstacle (facts, value);
  default:
    return real_obstacle (facts, value);
  }
}

enum mantis_status
check_value (const struct mantis_table *table, size_t at, const struct column_facts *facts,
             const struct mantis_value *value, struct mantis_error *error)
{
  const char *why;

  if (value->type == MANTIS_NONE || value->type == MANTIS_NULL)
    return MANTIS_OK;
  if (!(why = obstacle (facts, value)))
    return MANTIS_OK;
  return mantis_fail (error, MANTIS_REFUSED, "column '%s' cannot hold the value as it is: %s",
                      table->columns[at].name, why);
}
