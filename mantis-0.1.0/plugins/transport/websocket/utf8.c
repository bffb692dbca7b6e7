/* utf8.c - is it UTF-8 (RFC 3629), told as soon as it is not, however it is cut into pieces?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "frames.h"

#include <string.h>

/* How many of the bytes at AT are ASCII, by the eight. */
static size_t
skip_ascii (const char *at, size_t length)
{
  size_t done = 0;
  uint64_t eight;

  for (; done + sizeof eight <= length; done += sizeof eight) {
    memcpy (&eight, at + done, sizeof eight);
    if (eight & UINT64_C (0x8080808080808080))
      break;
  }
  return done;
}

/* The first byte of a character: surrogates, and what has a shorter form, are ruled out by the bounds of
 * the second one. */
static bool
begin_character (struct utf8 *utf8, unsigned char c)
{
  utf8->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
  utf8->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
  utf8->left = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
  return c < 0x80 || (c >= 0xc2 && c <= 0xf4);
}

bool
utf8_add (struct utf8 *utf8, const char *bytes, size_t length)
{
  size_t i = 0;

  while (i < length) {
    unsigned char c = (unsigned char)bytes[i];
    if (!utf8->left && c < 0x80)
      i += skip_ascii (bytes + i, length - i);
    if (i == length)
      break;
    c = (unsigned char)bytes[i++];
    if (!utf8->left) {
      if (!begin_character (utf8, c))
        return false;
      continue;
    }
    if (c < utf8->low || c > utf8->high)
      return false;
    utf8->low = 0x80;
    utf8->high = 0xbf;
    utf8->left--;
  }
  return true;
}
