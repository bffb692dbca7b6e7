/* buf.c - the one way to build text.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *
mantis_buf_reserve (struct mantis_buf *buf, size_t length)
{
  size_t room = buf->room ? buf->room : 256;
  char *bytes;

  if (buf->failed || length > SIZE_MAX / 4 || buf->length > SIZE_MAX / 4 ||
      (buf->limit && buf->length + length > buf->limit)) {
    buf->failed = true;
    return NULL;
  }
  if (buf->length + length < buf->room)
    return buf->bytes + buf->length;
  while (room <= buf->length + length)
    room *= 2;
  if (!(bytes = realloc (buf->bytes, room))) {
    buf->failed = true;
    return NULL;
  }
  buf->bytes = bytes;
  buf->room = room;
  return bytes + buf->length;
}

void
mantis_buf_add (struct mantis_buf *buf, const void *bytes, size_t length)
{
  char *end = mantis_buf_reserve (buf, length);

  if (!end)
    return;
  if (length)
    memcpy (end, bytes, length);
  buf->length += length;
  buf->bytes[buf->length] = '\0';
}

void
mantis_buf_text (struct mantis_buf *buf, const char *text)
{
  mantis_buf_add (buf, text, strlen (text));
}

void
mantis_buf_char (struct mantis_buf *buf, char c)
{
  mantis_buf_add (buf, &c, 1);
}

void
mantis_buf_printf (struct mantis_buf *buf, const char *format, ...)
{
  char small[128], *end;
  va_list args;
  int length;

  va_start (args, format);
  length = vsnprintf (small, sizeof small, format, args);
  va_end (args);
  if (length < 0)
    buf->failed = true;
  else if ((size_t)length < sizeof small)
    mantis_buf_add (buf, small, (size_t)length);
  else if ((end = mantis_buf_reserve (buf, (size_t)length))) { /* there is always room for a NUL */
    va_start (args, format);
    vsnprintf (end, (size_t)length + 1, format, args);
    va_end (args);
    buf->length += (size_t)length;
  }
}

char *
mantis_buf_take (struct mantis_buf *buf, size_t *length)
{
  char *bytes;

  if (!buf->bytes)
    mantis_buf_text (buf, "");
  bytes = buf->failed ? NULL : buf->bytes;
  if (buf->failed)
    free (buf->bytes);
  if (length)
    *length = bytes ? buf->length : 0;
  buf->bytes = NULL;
  buf->length = buf->room = 0;
  buf->failed = false;
  return bytes;
}

void
mantis_buf_clear (struct mantis_buf *buf)
{
  buf->length = 0;
  buf->failed = false;
  if (buf->bytes)
    buf->bytes[0] = '\0';
}

void
mantis_buf_free (struct mantis_buf *buf)
{
  free (buf->bytes);
  *buf = (struct mantis_buf)MANTIS_BUF_INIT;
}

/* Length of the UTF-8 sequence at BYTES (RFC 3629: no surrogates, nothing overlong), 0 when it is none. */
static size_t
utf8_sequence (const unsigned char *bytes, size_t length)
{
  unsigned char c = bytes[0];
  size_t need = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

  if (need == 0 || need > length)
    return 0;
  for (size_t i = 1; i < need; i++)
    if ((bytes[i] & 0xc0) != 0x80)
      return 0;
  if ((c == 0xe0 && bytes[1] < 0xa0) || (c == 0xed && bytes[1] > 0x9f) ||
      (c == 0xf0 && bytes[1] < 0x90) || (c == 0xf4 && bytes[1] > 0x8f))
    return 0;
  return need;
}

static void
add_escape (struct mantis_buf *buf, unsigned char c)
{
  static const char letters[] = "\b\f\n\r\t\"\\", names[] = "bfnrt\"\\";
  const char *at = c ? strchr (letters, c) : NULL;

  if (at) {
    mantis_buf_char (buf, '\\');
    mantis_buf_char (buf, names[at - letters]);
  } else
    mantis_buf_printf (buf, "\\u%04x", c);
}

void
mantis_buf_json (struct mantis_buf *buf, const char *text, size_t length)
{
  const unsigned char *at = (const unsigned char *)text, *end = at + length, *from = at;

  mantis_buf_char (buf, '"');
  while (at < end) {
    size_t step;
    if (*at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') {
      at++;
      continue;
    }
    if (*at >= 0x80 && (step = utf8_sequence (at, (size_t)(end - at)))) {
      at += step;
      continue;
    }
    mantis_buf_add (buf, from, (size_t)(at - from));
    if (*at >= 0x80)
      mantis_buf_text (buf, "\xef\xbf\xbd");
    else
      add_escape (buf, *at);
    from = ++at;
  }
  mantis_buf_add (buf, from, (size_t)(at - from));
  mantis_buf_char (buf, '"');
}
