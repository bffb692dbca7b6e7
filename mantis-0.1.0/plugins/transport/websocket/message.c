/* message.c - a message as it comes: within its limit and the budget, inflated, and text.
 *
 * Memory follows what has arrived, and what that inflates to, never what was announced.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "frames.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
  FIRST_ROOM = 1024,
  STREAM_ROOM = 48 * 1024 /* what zlib takes for a stream: 32 kB of window, and 10 kB */
};

static const struct wrong fine,
    too_large = {WSLAY_CODE_MESSAGE_TOO_BIG, "larger than max_message_bytes"},
    too_many = {CLOSE_TRY_AGAIN, "too many large messages at once"},
    not_text = {WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, "not UTF-8"},
    not_deflated = {WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, "the compressed message is damaged"};

/* ---- Room ------------------------------------------------------------------------------------ */

static bool
take_budget (struct message *message, size_t bytes)
{
  if (bytes > message->budget->limit - message->budget->used)
    return false;
  message->budget->used += bytes;
  return true;
}

/* Room for LENGTH more bytes, which are within the limit. */
static bool
make_room (struct message *message, size_t length)
{
  size_t room = message->room ? message->room : FIRST_ROOM, need = message->length + length;
  char *text;

  if (need <= message->room)
    return true;
  while (room < need)
    room *= 2;
  if (room > message->limit)
    room = message->limit;
  if (!take_budget (message, room - message->room))
    return false;
  if (!(text = realloc (message->text, room))) {
    message->budget->used -= room - message->room;
    return false;
  }
  message->text = text;
  message->room = room;
  return true;
}

/* ---- Inflating ------------------------------------------------------------------------------- */

static bool
begin_inflate (struct message *message)
{
  z_stream *z;

  if (!take_budget (message, STREAM_ROOM))
    return false;
  if ((z = calloc (1, sizeof *z)) && inflateInit2 (z, -MAX_WBITS) == Z_OK) {
    message->inflate = z;
    return true;
  }
  free (z);
  message->budget->used -= STREAM_ROOM;
  return false;
}

static void
end_inflate (struct message *message)
{
  if (!message->inflate)
    return;
  inflateEnd (message->inflate);
  free (message->inflate);
  message->inflate = NULL;
  message->budget->used -= STREAM_ROOM;
}

/* Into the room that is there, and one byte where there is none: is it too large? */
static int
inflate_piece (struct message *message)
{
  z_stream *z = message->inflate;
  char beyond;
  int result;

  if (message->length < message->limit) {
    z->next_out = (unsigned char *)message->text + message->length;
    z->avail_out = (unsigned)(message->room - message->length);
    result = inflate (z, Z_SYNC_FLUSH);
    message->length = message->room - z->avail_out;
  } else {
    z->next_out = (unsigned char *)&beyond;
    z->avail_out = 1;
    result = inflate (z, Z_SYNC_FLUSH);
    message->length += 1 - z->avail_out;
  }
  return result == Z_BUF_ERROR && z->avail_in == 0 ? Z_OK : result; /* there was nothing to do */
}

static struct wrong
inflate_more (struct message *message, const char *bytes, size_t length)
{
  z_stream *z = message->inflate;
  int result;

  z->next_in = (unsigned char *)(uintptr_t)bytes;
  z->avail_in = (unsigned)length;
  do {
    if (message->length < message->limit && message->room == message->length &&
        !make_room (message, 1))
      return too_many;
    result = inflate_piece (message);
    if (message->length > message->limit)
      return too_large;
    if (result == Z_STREAM_END) /* RFC 7692, 7.2.3.4: another block may follow a last one */
      result = inflateReset (z);
    if (result != Z_OK)
      return result == Z_MEM_ERROR ? too_many : not_deflated;
  } while (z->avail_in || z->avail_out == 0);
  return fine;
}

/* ---- A message ------------------------------------------------------------------------------- */

struct wrong
message_begin (struct message *message, bool compressed)
{
  message->length = 0;
  message->utf8 = (struct utf8){0};
  return !compressed || begin_inflate (message) ? fine : too_many;
}

struct wrong
message_add (struct message *message, const char *bytes, size_t length)
{
  size_t before = message->length;
  struct wrong wrong = fine;

  if (message->inflate)
    wrong = inflate_more (message, bytes, length);
  else if (length > message->limit - message->length)
    return too_large;
  else if (!make_room (message, length))
    return too_many;
  else if (length) {
    memcpy (message->text + message->length, bytes, length);
    message->length += length;
  }
  if (!wrong.code && message->length > before &&
      !utf8_add (&message->utf8, message->text + before, message->length - before))
    return not_text;
  return wrong;
}

/* RFC 7692, 7.2.2: what a sender leaves out at the end of a message.  Whole is one that ends there with a
 * block. */
static struct wrong
end_block (struct message *message)
{
  static const char tail[] = {0, 0, (char)0xff, (char)0xff};
  enum { BETWEEN_BLOCKS = 128 }; /* zlib.h, of data_type */
  struct wrong wrong = message_add (message, tail, sizeof tail);

  return wrong.code || message->inflate->data_type & BETWEEN_BLOCKS ? wrong : not_deflated;
}

struct wrong
message_end (struct message *message)
{
  struct wrong wrong = message->inflate ? end_block (message) : fine;

  end_inflate (message);
  return wrong.code || utf8_is_whole (&message->utf8) ? wrong : not_text;
}

void
message_forget (struct message *message)
{
  end_inflate (message);
  free (message->text);
  message->budget->used -= message->room;
  message->text = NULL;
  message->room = message->length = 0;
}

char *
message_take (struct message *message, size_t *room)
{
  char *text = message->text;

  *room = message->room;
  message->text = NULL;
  message->room = message->length = 0;
  return text;
}
