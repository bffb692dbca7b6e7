/* value.c - one value as JSON, and back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire/value.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
text_is_utf8 (const char *bytes, size_t length)
{
  const unsigned char *at = (const unsigned char *)bytes, *end = at + length;

  while (at < end) {
    size_t more;
    if (*at < 0x80) {
      at++;
      continue;
    }
    more = *at < 0xc2 ? 0 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : *at < 0xf5 ? 3 : 0;
    if (more == 0 || (size_t)(end - at) <= more)
      return false;
    if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) ||
        (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
      return false;
    for (size_t i = 1; i <= more; i++)
      if ((at[i] & 0xc0) != 0x80)
        return false;
    at += more + 1;
  }
  return true;
}

static void
encode_tagged (struct mantis_buf *buf, char tag, const char *bytes, size_t length)
{
  size_t room = (length + 2) / 3 * 4;
  char *end;

  mantis_buf_printf (buf, "{\"%c\":\"", tag);
  if ((end = mantis_buf_reserve (buf, room + 1))) {
    int written = EVP_EncodeBlock ((unsigned char *)end, (const unsigned char *)bytes, (int)length);
    buf->length += (size_t)written;
  }
  mantis_buf_text (buf, "\"}");
}

static void
encode_integer (struct mantis_buf *buf, int64_t integer)
{
  char digits[24], *at = digits + sizeof digits;
  uint64_t rest = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;

  do
    *--at = (char)('0' + rest % 10);
  while ((rest /= 10));
  if (integer < 0)
    *--at = '-';
  mantis_buf_add (buf, at, (size_t)(digits + sizeof digits - at));
}

/* Most reals that people store have few decimals.  N / 10^k is correctly rounded (IEEE 754, section 5.4.1)
 * where both are exact, so when it gives the value back, the decimal text does too. */
static bool
encode_short_real (struct mantis_buf *buf, double real)
{
  static const double powers[] = {1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
  double size = fabs (real);

  if (!(size < 9e9) || (real == 0 && signbit (real)))
    return false;
  for (size_t k = 0; k < sizeof powers / sizeof *powers; k++) {
    double scaled = nearbyint (size * powers[k]);
    if (scaled / powers[k] == size) {
      uint64_t digits = (uint64_t)scaled, unit = (uint64_t)powers[k];
      if (real < 0)
        mantis_buf_char (buf, '-');
      encode_integer (buf, (int64_t)(digits / unit));
      mantis_buf_char (buf, '.');
      for (digits %= unit; unit > 1; digits %= unit) {
        unit /= 10;
        mantis_buf_char (buf, (char)('0' + digits / unit));
      }
      return true;
    }
  }
  return false;
}

static void
encode_real (struct mantis_buf *buf, double real)
{
  char text[40], *point;

  if (isinf (real)) {
    mantis_buf_text (buf, real > 0 ? "{\"r\":\"inf\"}" : "{\"r\":\"-inf\"}");
    return;
  }
  if (isnan (real)) { /* SQLite stores none; what cannot be is not sent as a number */
    mantis_buf_text (buf, "null");
    return;
  }
  if (encode_short_real (buf, real))
    return;
  for (int precision = 15; precision <= 17; precision++) {
    snprintf (text, sizeof text, "%.*g", precision, real);
    if (precision == 17 || strtod (text, NULL) == real)
      break;
  }
  point = text + strspn (text, "-0123456789"); /* the locale's, of one byte or more */
  mantis_buf_add (buf, text, (size_t)(point - text));
  if (*point != 'e')
    mantis_buf_char (buf, '.');
  if (*point == '\0')
    mantis_buf_char (buf, '0');
  mantis_buf_text (buf, point + strcspn (point, "e0123456789"));
}

void
value_encode (struct mantis_buf *buf, const struct mantis_value *value)
{
  switch ((enum mantis_type)value->type) {
  case MANTIS_NONE:
  case MANTIS_NULL:
    mantis_buf_add (buf, "null", 4);
    break;
  case MANTIS_INTEGER:
    encode_integer (buf, value->as.integer);
    break;
  case MANTIS_REAL:
    encode_real (buf, value->as.real);
    break;
  case MANTIS_TEXT:
    if (text_is_utf8 (value->as.bytes, value->length))
      mantis_buf_json (buf, value->as.bytes, value->length);
    else
      encode_tagged (buf, 't', value->as.bytes, value->length);
    break;
  case MANTIS_BLOB:
    encode_tagged (buf, 'b', value->as.bytes, value->length);
    break;
  }
}

static enum mantis_status
decode_base64 (const char *text, size_t length, struct mantis_arena *arena,
               struct mantis_value *value, struct mantis_error *error)
{
  size_t padding = 0;
  char *bytes;

  if (length % 4 != 0)
    return mantis_fail (error, MANTIS_INVALID,
                        "base64 text whose length is not a multiple of four");
  while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
    padding++;
  /* EVP_DecodeBlock forgives blanks at both ends and '=' anywhere: refuse them here. */
  for (size_t i = 0; i < length - padding; i++)
    if (!strchr ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", text[i]) ||
        !text[i])
      return mantis_fail (error, MANTIS_INVALID, "text that is not base64");
  if (!(bytes = mantis_arena_alloc (arena, length / 4 * 3 + 1)))
    return mantis_fail (error, MANTIS_FULL, "the message is larger than its limit");
  if (length &&
      EVP_DecodeBlock ((unsigned char *)bytes, (const unsigned char *)text, (int)length) < 0)
    return mantis_fail (error, MANTIS_INVALID, "text that is not base64");
  value->as.bytes = bytes;
  value->length = (uint32_t)(length / 4 * 3 - padding);
  if (bytes[value->length]) /* bits that belong to no byte: another text for the same bytes */
    return mantis_fail (error, MANTIS_INVALID, "base64 text that ends in stray bits");
  return MANTIS_OK;
}

enum mantis_status
value_untag (char tag, const char *text, size_t length, struct mantis_arena *arena,
             struct mantis_value *value, struct mantis_error *error)
{
  switch (tag) {
  case 'r':
    value->type = MANTIS_REAL;
    if (length == 3 && memcmp (text, "inf", 3) == 0)
      value->as.real = INFINITY;
    else if (length == 4 && memcmp (text, "-inf", 4) == 0)
      value->as.real = -INFINITY;
    else
      break;
    return MANTIS_OK;
  case 'b':
  case 't':
    value->type = tag == 'b' ? MANTIS_BLOB : MANTIS_TEXT;
    return decode_base64 (text, length, arena, value, error);
  }
  return mantis_fail (error, MANTIS_INVALID, "a tagged value of unknown form");
}

static enum mantis_status
decode_tagged (const json_t *json, struct mantis_arena *arena, struct mantis_value *value,
               struct mantis_error *error)
{
  void *member = json_object_iter ((json_t *)json);
  const char *tag = member ? json_object_iter_key (member) : "";
  const json_t *content = member ? json_object_iter_value (member) : NULL;

  if (json_object_size (json) != 1 || !json_is_string (content) || strlen (tag) != 1)
    return mantis_fail (error, MANTIS_INVALID,
                        "an object that is none of {\"b\"}, {\"t\"}, {\"r\"}");
  return value_untag (*tag, json_string_value (content), json_string_length (content), arena,
                      value, error);
}

enum mantis_status
value_decode (const json_t *json, struct mantis_arena *arena, struct mantis_value *value,
              struct mantis_error *error)
{
  switch (json_typeof (json)) {
  case JSON_NULL:
    value->type = MANTIS_NULL;
    return MANTIS_OK;
  case JSON_INTEGER:
    value->type = MANTIS_INTEGER;
    value->as.integer = json_integer_value (json);
    return MANTIS_OK;
  case JSON_REAL:
    value->type = MANTIS_REAL;
    value->as.real = json_real_value (json);
    return MANTIS_OK;
  case JSON_STRING:
    value->type = MANTIS_TEXT;
    value->length = (uint32_t)json_string_length (json);
    value->as.bytes = mantis_arena_copy (arena, json_string_value (json), value->length);
    return value->as.bytes
               ? MANTIS_OK
               : mantis_fail (error, MANTIS_FULL, "the message is larger than its limit");
  case JSON_OBJECT:
    return decode_tagged (json, arena, value, error);
  case JSON_TRUE:
  case JSON_FALSE: /* SQLite has no booleans: its own words for them */
    value->type = MANTIS_INTEGER;
    value->as.integer = json_is_true (json);
    return MANTIS_OK;
  case JSON_ARRAY:
    break;
  }
  return mantis_fail (error, MANTIS_INVALID, "an array where a value belongs");
}
