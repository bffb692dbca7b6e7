/* read.c - values read from JSON text, one after the other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire/read.h"
#include "base/base.h"
#include "wire/json.h"
#include "wire/value.h"

#include <math.h>
#include <string.h>

static enum mantis_status
not_json (struct mantis_error *error, const char *what)
{
  return mantis_fail (error, MANTIS_INVALID, "the body is not JSON: %s", what);
}

static void
skip_space (struct reader *reader)
{
  while (reader->at < reader->end &&
         (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\r' || *reader->at == '\t'))
    reader->at++;
}

bool
read_char (struct reader *reader, char c)
{
  skip_space (reader);
  if (reader->at == reader->end || *reader->at != c)
    return false;
  reader->at++;
  return true;
}

/* ---- Strings --------------------------------------------------------------------------------- */

/* A string as it stands between its quotes. */
struct raw {
  const char *text;
  size_t length;
  bool escapes, wide; /* there are some; there are bytes above 127 */
};

static enum mantis_status
read_raw (struct reader *reader, struct raw *raw, struct mantis_error *error)
{
  const char *at = reader->at + 1, *end = reader->end;
  unsigned char high = 0;

  *raw = (struct raw){.text = at};
  for (; at < end && *at != '"'; at++) {
    high |= (unsigned char)*at;
    if ((unsigned char)*at < 0x20)
      return not_json (error, "a control character in a string");
    if (*at == '\\') {
      raw->escapes = true;
      if (++at == end)
        break;
    }
  }
  if (at >= end)
    return not_json (error, "a string without end");
  raw->length = (size_t)(at - raw->text);
  raw->wide = high & 0x80;
  reader->at = at + 1;
  return raw->wide && !text_is_utf8 (raw->text, raw->length)
             ? not_json (error, "a string that is not UTF-8")
             : MANTIS_OK;
}

/* The four hexadecimal digits at AT, -1: they are none. */
static int32_t
hex4 (const char *at, const char *end)
{
  int32_t code = 0;

  if (end - at < 4)
    return -1;
  for (int i = 0; i < 4; i++) {
    char c = at[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0)
      return -1;
    code = code * 16 + digit;
  }
  return code;
}

static size_t
put_utf8 (char *out, uint32_t code)
{
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    out[0] = (char)(0xc0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3f));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
  }
  out[0] = (char)(0xf0 | code >> 18);
  out[1] = (char)(0x80 | (code >> 12 & 0x3f));
  out[2] = (char)(0x80 | (code >> 6 & 0x3f));
  out[3] = (char)(0x80 | (code & 0x3f));
  return 4;
}

/* \uXXXX behind its 'u', or a pair of them (RFC 8259, section 7); *AT moves behind it.  -1: no character. */
static int32_t
unescape_code (const char **at, const char *end)
{
  int32_t code = hex4 (*at, end), low;

  *at += 4;
  if (code < 0xd800 || code > 0xdfff)
    return code;
  if (code > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
    return -1;
  low = hex4 (*at + 2, end);
  *at += 6;
  return low >= 0xdc00 && low <= 0xdfff ? 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00) : -1;
}

/* The text that RAW stands for, never longer than RAW, to OUT (NULL: only look). */
static enum mantis_status
unescape (const struct raw *raw, char *out, size_t *length, struct mantis_error *error)
{
  static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  const char *at = raw->text, *end = raw->text + raw->length, *name;
  char spare[4];

  *length = 0;
  while (at < end) {
    char *to = out ? out + *length : spare;
    if (*at != '\\') {
      *to = *at++;
      ++*length;
    } else if (at[1] == 'u') {
      int32_t code;
      at += 2;
      if ((code = unescape_code (&at, end)) < 0)
        return not_json (error, "a \\u escape that is no character");
      *length += put_utf8 (to, (uint32_t)code);
    } else if (at[1] && (name = strchr (names, at[1]))) {
      *to = meant[name - names];
      ++*length;
      at += 2;
    } else
      return not_json (error, "an unknown escape in a string");
  }
  return MANTIS_OK;
}

static enum mantis_status
read_text (struct reader *reader, struct mantis_arena *arena, const char **text, size_t *length,
           struct mantis_error *error)
{
  struct raw raw;
  enum mantis_status status = read_raw (reader, &raw, error);
  char *room;

  *length = raw.length;
  if (status != MANTIS_OK)
    return status;
  *text = room = raw.escapes ? mantis_arena_alloc (arena, raw.length + 1)
                             : mantis_arena_copy (arena, raw.text, raw.length);
  if (!room)
    return mantis_fail (error, MANTIS_FULL, "the message is larger than its limit");
  return raw.escapes ? unescape (&raw, room, length, error) : MANTIS_OK;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

/* Where the number (RFC 8259, section 6) at AT ends, NULL: it is none.  *REAL: it has a fraction or an exponent. */
static const char *
number_end (const char *at, const char *end, bool *real)
{
  const char *digits;

  *real = false;
  at += at < end && *at == '-';
  for (digits = at; at < end && *at >= '0' && *at <= '9'; at++)
    ;
  if (at == digits || (*digits == '0' && at - digits > 1))
    return NULL;
  if (at < end && *at == '.') {
    *real = true;
    for (digits = ++at; at < end && *at >= '0' && *at <= '9'; at++)
      ;
    if (at == digits)
      return NULL;
  }
  if (at < end && (*at | 32) == 'e') {
    *real = true;
    at++;
    at += at < end && (*at == '+' || *at == '-');
    for (digits = at; at < end && *at >= '0' && *at <= '9'; at++)
      ;
    if (at == digits)
      return NULL;
  }
  return at;
}

static enum mantis_status
read_integer (const char *at, const char *end, struct mantis_value *value,
              struct mantis_error *error)
{
  bool negative = *at == '-';
  int64_t integer = 0;

  for (at += negative; at < end; at++)
    if (__builtin_mul_overflow (integer, 10, &integer) ||
        __builtin_sub_overflow (integer, *at - '0', &integer)) /* below zero there is one more */
      return not_json (error, "an integer of more than 64 bits");
  if (!negative && __builtin_sub_overflow (0, integer, &integer))
    return not_json (error, "an integer of more than 64 bits");
  value->type = MANTIS_INTEGER;
  value->as.integer = integer;
  return MANTIS_OK;
}

/* Digits, a point and digits, all of them together below 2^53: the quotient of two exact numbers is rightly
 * rounded (IEEE 754, section 5.4.1). */
static bool
short_real (const char *at, const char *end, double *real)
{
  static const double powers[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};
  bool negative = *at == '-';
  int64_t digits = 0;
  size_t count = 0, decimals = 0;

  for (at += negative; at < end && *at >= '0' && *at <= '9' && count < 15; at++, count++)
    digits = digits * 10 + (*at - '0');
  if (at == end || *at != '.')
    return false;
  for (at++; at < end && *at >= '0' && *at <= '9' && count < 15; at++, count++, decimals++)
    digits = digits * 10 + (*at - '0');
  if (at != end || count >= 15)
    return false;
  *real = (double)digits / powers[decimals];
  if (negative)
    *real = -*real;
  return true;
}

static enum mantis_status
read_real (const char *at, const char *end, struct mantis_value *value, struct mantis_error *error)
{
  value->type = MANTIS_REAL;
  if (end - at < 20 && short_real (at, end, &value->as.real))
    return MANTIS_OK;
  if (!json_number (at, (size_t)(end - at), &value->as.real))
    return not_json (error, "a number that is too large");
  return MANTIS_OK;
}

static enum mantis_status
read_number (struct reader *reader, struct mantis_value *value, struct mantis_error *error)
{
  const char *at = reader->at, *end;
  bool real;

  if (!(end = number_end (at, reader->end, &real)))
    return not_json (error, "a number of unknown form");
  reader->at = end;
  return real ? read_real (at, end, value, error) : read_integer (at, end, value, error);
}

/* ---- Values ---------------------------------------------------------------------------------- */

static enum mantis_status
read_word (struct reader *reader, const char *word, struct mantis_error *error)
{
  size_t length = strlen (word);

  if ((size_t)(reader->end - reader->at) < length || memcmp (reader->at, word, length) != 0)
    return not_json (error, "an unknown word");
  reader->at += length;
  return MANTIS_OK;
}

static enum mantis_status
read_tagged (struct reader *reader, struct mantis_arena *arena, struct mantis_value *value,
             struct mantis_error *error)
{
  static const char what[] = "an object that is none of {\"b\"}, {\"t\"}, {\"r\"}";
  enum mantis_status status;
  const char *tag, *text;
  size_t tag_length, length;

  reader->at++;
  skip_space (reader);
  if (reader->at == reader->end || *reader->at != '"')
    return mantis_fail (error, MANTIS_INVALID, "%s", what);
  if ((status = read_text (reader, arena, &tag, &tag_length, error)) != MANTIS_OK)
    return status;
  if (tag_length != 1 || !read_char (reader, ':'))
    return mantis_fail (error, MANTIS_INVALID, "%s", what);
  skip_space (reader);
  if (reader->at == reader->end || *reader->at != '"')
    return mantis_fail (error, MANTIS_INVALID, "%s", what);
  if ((status = read_text (reader, arena, &text, &length, error)) != MANTIS_OK)
    return status;
  if (!read_char (reader, '}'))
    return mantis_fail (error, MANTIS_INVALID, "%s", what);
  return value_untag (*tag, text, length, arena, value, error);
}

enum mantis_status
read_value (struct reader *reader, struct mantis_arena *arena, struct mantis_value *value,
            struct mantis_error *error)
{
  enum mantis_status status;
  size_t length;

  skip_space (reader);
  switch (reader->at < reader->end ? *reader->at : '\0') {
  case '"':
    status = read_text (reader, arena, &value->as.bytes, &length, error);
    value->type = MANTIS_TEXT;
    value->length = (uint32_t)length;
    return status;
  case '{':
    return read_tagged (reader, arena, value, error);
  case '[':
    return mantis_fail (error, MANTIS_INVALID, "an array where a value belongs");
  case 'n':
    value->type = MANTIS_NULL;
    return read_word (reader, "null", error);
  case 't': /* SQLite has no booleans: its own words for them */
  case 'f':
    value->type = MANTIS_INTEGER;
    value->as.integer = *reader->at == 't';
    return read_word (reader, value->as.integer ? "true" : "false", error);
  default:
    return read_number (reader, value, error);
  }
}

/* ---- What nobody asked for ------------------------------------------------------------------- */

enum { DEEPEST = 1000 };

static enum mantis_status
past_string (struct reader *reader, struct mantis_error *error)
{
  struct raw raw;
  enum mantis_status status = read_raw (reader, &raw, error);
  size_t length;

  return status == MANTIS_OK && raw.escapes ? unescape (&raw, NULL, &length, error) : status;
}

static enum mantis_status past (struct reader *reader, int depth, struct mantis_error *error);

/* The members of an array or object, behind its opening character. */
static enum mantis_status
past_members (struct reader *reader, bool named, int depth, struct mantis_error *error)
{
  char end = named ? '}' : ']';
  enum mantis_status status = MANTIS_OK;

  if (read_char (reader, end))
    return MANTIS_OK;
  do {
    skip_space (reader);
    if (named && (reader->at == reader->end || *reader->at != '"'))
      return not_json (error, "a member without a name");
    if (named)
      status = past_string (reader, error);
    if (status == MANTIS_OK && named && !read_char (reader, ':'))
      return not_json (error, "a name without a colon");
    if (status == MANTIS_OK)
      status = past (reader, depth + 1, error);
  } while (status == MANTIS_OK && read_char (reader, ','));
  return status == MANTIS_OK && !read_char (reader, end)
             ? not_json (error, "an array or object without end")
             : status;
}

static enum mantis_status
past (struct reader *reader, int depth, struct mantis_error *error)
{
  struct mantis_value value;

  skip_space (reader);
  if (depth > DEEPEST)
    return mantis_fail (error, MANTIS_INVALID, "arrays and objects nested too deeply");
  switch (reader->at < reader->end ? *reader->at : '\0') {
  case '"':
    return past_string (reader, error);
  case '{':
  case '[':
    return past_members (reader, *reader->at++ == '{', depth, error);
  default:
    return read_value (reader, NULL, &value, error);
  }
}

enum mantis_status
read_past (struct reader *reader, struct mantis_error *error)
{
  return past (reader, 0, error);
}
