/* guard.c - the discipline of lines and chunks, byte by byte, before http_parser sees them.
 *
 * http_parser is lenient by design, and more so as Debian builds it.  Whatever two programs could
 * read in two ways lets one of them be deceived by the other (request smuggling), so it is refused
 * here: line ends other than CRLF, control characters, folded lines, chunk sizes with anything but
 * digits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <string.h>

enum { MAX_EMPTY_BYTES = 8, MAX_EXTRA = 4096, MAX_DIGITS = 15 };

bool
is_token_char (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c && strchr ("!#$%&'*+-.^_`|~", c));
}

bool
is_token (const char *text)
{
  const char *c = text;

  while (is_token_char (*c))
    c++;
  return c > text && !*c;
}

static bool
is_control (char c)
{
  return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* ---- Header block ---------------------------------------------------------------------------- */

static enum verdict
bad_head (struct guard *guard, const char *why)
{
  guard->why = why;
  return GUARD_BAD;
}

/* A line has ended before guard->at.  True: that was the empty line which ends the block. */
static bool
end_line (struct guard *guard)
{
  bool empty = guard->at - guard->line == 2, leading = guard->line == guard->start;

  guard->line = guard->at;
  if (empty && leading) /* RFC 9112, 2.2: empty lines before the request line are skipped */
    guard->start = guard->at;
  return empty && !leading;
}

enum verdict
guard_head (struct guard *guard, const char *bytes, size_t length)
{
  while (guard->at < length) {
    char c = bytes[guard->at];

    if (guard->cr && c != '\n')
      return bad_head (guard, "a carriage return without a line feed");
    if (!guard->cr && c == '\n')
      return bad_head (guard, "a line feed without a carriage return");
    if (is_control (c) && c != '\r' && c != '\n')
      return bad_head (guard, "a control character in the header");
    if (guard->at == guard->line && (c == ' ' || c == '\t'))
      return bad_head (guard, "a line of the header begins with a blank");
    guard->at++;
    guard->cr = c == '\r';
    if (c != '\n')
      continue;
    if (end_line (guard))
      return GUARD_DONE;
    if (guard->start > MAX_EMPTY_BYTES)
      return bad_head (guard, "empty lines instead of a request");
  }
  return GUARD_MORE;
}

/* ---- Chunked body ---------------------------------------------------------------------------- */

enum {
  SIZE, /* digits of a chunk's size */
  EXTENSION_NAME,
  EXTENSION,
  SIZE_LF,
  DATA,
  DATA_CR,
  DATA_LF,
  TRAILER_START,
  TRAILER,
  TRAILER_LF,
  LAST_LF
};

static int
hex_value (char c)
{
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

static const char *
size_char (struct chunk_guard *guard, char c)
{
  int value = hex_value (c);

  if (value >= 0) {
    if (++guard->digits > MAX_DIGITS)
      return "the size of a chunk is too large";
    guard->left = guard->left * 16 + (uint64_t)value;
    return NULL;
  }
  if (guard->digits == 0 || (c != ';' && c != '\r'))
    return "the size of a chunk is not a hexadecimal number";
  guard->state = c == ';' ? EXTENSION_NAME : SIZE_LF;
  return NULL;
}

/* Text up to the end of its line, of a chunk's extension or a trailer. */
static const char *
extra_char (struct chunk_guard *guard, char c, uint32_t after)
{
  if (++guard->extra > MAX_EXTRA)
    return "too many chunk extensions or trailers";
  if (c == '\r')
    guard->state = after;
  else if (is_control (c))
    return "a control character in a chunk extension or trailer";
  return NULL;
}

static const char *
newline (struct chunk_guard *guard, char c, uint32_t after)
{
  if (c != '\n')
    return "a line of a chunked body does not end with CRLF";
  guard->state = after;
  return NULL;
}

static const char *
next_char (struct chunk_guard *guard, char c)
{
  switch (guard->state) {
  case SIZE:
    return size_char (guard, c);
  case EXTENSION_NAME:
    guard->state = EXTENSION;
    return is_token_char (c) ? extra_char (guard, c, SIZE_LF) : "a chunk extension without a name";
  case EXTENSION:
    return extra_char (guard, c, SIZE_LF);
  case SIZE_LF:
    guard->digits = 0;
    return newline (guard, c, guard->left ? DATA : TRAILER_START);
  case DATA_CR:
    guard->state = DATA_LF;
    return c == '\r' ? NULL : "a chunk is not as long as its size says";
  case DATA_LF:
    return newline (guard, c, SIZE);
  case TRAILER_START:
    guard->state = c == '\r' ? LAST_LF : TRAILER;
    return c == '\r' || is_token_char (c) ? NULL : "a trailer without a name";
  case TRAILER:
    return extra_char (guard, c, TRAILER_LF);
  case TRAILER_LF:
    return newline (guard, c, TRAILER_START);
  default:
    return newline (guard, c, LAST_LF);
  }
}

enum verdict
guard_chunks (struct chunk_guard *guard, const char *bytes, size_t length, size_t *used)
{
  size_t at = 0;

  while (at < length) {
    bool last = guard->state == LAST_LF;

    if (guard->state == DATA) {
      size_t step = guard->left < length - at ? (size_t)guard->left : length - at;
      guard->left -= step;
      at += step;
      if (guard->left == 0)
        guard->state = DATA_CR;
      continue;
    }
    if ((guard->why = next_char (guard, bytes[at]))) {
      *used = at;
      return GUARD_BAD;
    }
    at++;
    if (last) {
      *used = at;
      return GUARD_DONE;
    }
  }
  *used = at;
  return GUARD_MORE;
}
