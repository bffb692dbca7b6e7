/* gzip.c - make bodies smaller, fast rather than small.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <event2/buffer.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8, PIECE = 32 * 1024 };

/* Deflate what Z has been given into OUT, piece by piece, until all of it is there. */
static bool
deflate_all (z_stream *z, struct evbuffer *out)
{
  struct evbuffer_iovec piece;
  int result;

  do {
    if (evbuffer_reserve_space (out, PIECE, &piece, 1) < 1)
      return false;
    z->next_out = piece.iov_base;
    z->avail_out = PIECE;
    result = deflate (z, Z_FINISH);
    piece.iov_len = PIECE - z->avail_out;
    if (evbuffer_commit_space (out, &piece, 1) < 0)
      return false;
  } while (result == Z_OK);
  return result == Z_STREAM_END;
}

/* Add BYTES to OUT, compressed.  False: there is no memory; OUT may hold a part. */
bool
gzip_into (struct evbuffer *out, const char *bytes, size_t length)
{
  z_stream z = {.next_in = (unsigned char *)(uintptr_t)bytes, .avail_in = (unsigned)length};
  bool done;

  if (length > UINT32_MAX || deflateInit2 (&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                                           Z_DEFAULT_STRATEGY) != Z_OK)
    return false;
  done = deflate_all (&z, out);
  deflateEnd (&z);
  return done;
}
