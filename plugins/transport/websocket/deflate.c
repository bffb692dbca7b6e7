/* deflate.c - a message made smaller, fast rather than small.  RFC 7692, 7.2.1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "frames.h"

#include <zlib.h>

enum {
  SMALLEST_WINDOW = 9,
  TAIL = 4 /* 00 00 ff ff: a receiver knows that it is there */
};

/* A window larger than the text would only be cleared for nothing. */
static int
window_for (size_t length, unsigned bits)
{
  int window = SMALLEST_WINDOW;

  while (window < (int)bits && (size_t)1 << window < length)
    window++;
  return window;
}

bool
deflate_text (struct mantis_buf *out, const char *bytes, size_t length, unsigned bits)
{
  z_stream z = {.next_in = (unsigned char *)(uintptr_t)bytes, .avail_in = (unsigned)length};
  int window = window_for (length, bits), result;
  char *room;

  if (length < COMPRESS_FROM || length > UINT32_MAX ||
      deflateInit2 (&z, Z_BEST_SPEED, Z_DEFLATED, -window, window - 7 < 9 ? window - 7 : 9,
                    Z_DEFAULT_STRATEGY) != Z_OK)
    return false;
  if (!(room = mantis_buf_reserve (out, length))) {
    deflateEnd (&z);
    return false;
  }
  z.next_out = (unsigned char *)room;
  z.avail_out = (unsigned)length;
  result = deflate (&z, Z_SYNC_FLUSH);
  deflateEnd (&z);
  if (result != Z_OK || z.avail_in || z.avail_out == 0 || length - z.avail_out < TAIL)
    return false;
  out->length += length - z.avail_out - TAIL;
  return true;
}
