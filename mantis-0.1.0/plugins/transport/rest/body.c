/* body.c - the body of a request, as it grows.
 *
 * Memory follows what has arrived, never what was announced, and is counted against the listener's
 * budget before it is taken: many large bodies at once are turned away, not stored.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { FIRST_ROOM = 1024, GZIP_WINDOW = 15 + 16 /* zlib's way to say: the gzip format */ };

enum body_status
body_begin (struct body *body, bool compressed)
{
  if (!compressed)
    return BODY_OK;
  if (!(body->inflate = calloc (1, sizeof *body->inflate)))
    return BODY_NO_ROOM;
  if (inflateInit2 (body->inflate, GZIP_WINDOW) == Z_OK)
    return BODY_OK;
  free (body->inflate);
  body->inflate = NULL;
  return BODY_NO_ROOM;
}

/* Room for LENGTH more bytes and a NUL.  One byte above the limit may be had, so that it can be
 * seen to be passed. */
static enum body_status
make_room (struct body *body, size_t length)
{
  size_t need = body->length + length + 1, most = body->limit + 2;
  size_t room = body->room ? body->room : FIRST_ROOM;
  char *bytes;

  if (need <= body->room)
    return BODY_OK;
  if (need > most)
    return BODY_TOO_LARGE;
  while (room < need)
    room *= 2;
  if (room > most)
    room = most;
  if (room - body->room > body->budget->limit - body->budget->used ||
      !(bytes = realloc (body->bytes, room)))
    return BODY_NO_ROOM;
  body->budget->used += room - body->room;
  body->bytes = bytes;
  body->room = room;
  return BODY_OK;
}

static enum body_status
inflate_more (struct body *body, const char *bytes, size_t length)
{
  z_stream *z = body->inflate;
  enum body_status status;
  int result;

  z->next_in = (unsigned char *)(uintptr_t)bytes;
  z->avail_in = (unsigned)length;
  do {
    if (body->ended && z->avail_in) { /* RFC 1952: members may follow each other */
      inflateReset (z);
      body->ended = false;
    }
    if (body->length > body->limit)
      return BODY_TOO_LARGE;
    if (body->room < body->length + 2 && (status = make_room (body, 1)))
      return status;
    z->next_out = (unsigned char *)body->bytes + body->length;
    z->avail_out = (unsigned)(body->room - body->length - 1);
    result = inflate (z, Z_NO_FLUSH);
    body->length = body->room - 1 - z->avail_out;
    if (result == Z_STREAM_END)
      body->ended = true;
    else if (result != Z_OK && result != Z_BUF_ERROR)
      return result == Z_MEM_ERROR ? BODY_NO_ROOM : BODY_CORRUPT;
  } while (z->avail_in || z->avail_out == 0);
  return body->length > body->limit ? BODY_TOO_LARGE : BODY_OK;
}

enum body_status
body_add (struct body *body, const char *bytes, size_t length)
{
  enum body_status status;

  if (length == 0)
    return BODY_OK;
  if (body->inflate)
    return inflate_more (body, bytes, length);
  if (length > body->limit - body->length)
    return BODY_TOO_LARGE;
  if ((status = make_room (body, length)))
    return status;
  memcpy (body->bytes + body->length, bytes, length);
  body->length += length;
  return BODY_OK;
}

static void
end_inflate (struct body *body)
{
  if (body->inflate) {
    inflateEnd (body->inflate);
    free (body->inflate);
    body->inflate = NULL;
  }
}

enum body_status
body_end (struct body *body)
{
  bool whole = !body->inflate || body->ended;

  end_inflate (body);
  if (body->bytes)
    body->bytes[body->length] = '\0';
  return whole ? BODY_OK : BODY_CORRUPT;
}

void
body_free (struct body *body)
{
  end_inflate (body);
  free (body->bytes);
  if (body->budget)
    body->budget->used -= body->room;
  body->bytes = NULL;
  body->length = body->room = 0;
}
