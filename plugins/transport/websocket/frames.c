/* frames.c - wslay's events become messages.
 *
 * wslay reads and checks frames: masks, lengths, opcodes, the order of fragments, UTF-8, codes of
 * close frames; it answers pings and close frames.  It is told to keep no message itself, as it
 * would take the memory that a frame announces: ours grows with what has arrived.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "websocket.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 1024 };

/* No more is read: what follows has no place. */
static void
give_up (struct mantis_guest *guest, uint16_t code, const char *why)
{
  guest_leave (guest, code, why);
  wslay_event_shutdown_read (guest->frames);
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static ssize_t
on_recv (wslay_event_context_ptr frames, uint8_t *bytes, size_t length, int flags, void *context)
{
  struct mantis_guest *guest = context;
  int got = 0;

  (void)flags;
  if (!guest_is_full (guest))
    got = evbuffer_remove (bufferevent_get_input (guest->connection), bytes, length);
  if (got > 0) {
    guest->heard = true;
    return got;
  }
  wslay_event_set_error (frames, WSLAY_ERR_WOULDBLOCK);
  return -1;
}

static ssize_t
on_send (wslay_event_context_ptr frames, const uint8_t *bytes, size_t length, int flags,
         void *context)
{
  struct mantis_guest *guest = context;

  (void)flags;
  if (evbuffer_add (bufferevent_get_output (guest->connection), bytes, length) == 0)
    return (ssize_t)length;
  wslay_event_set_error (frames, WSLAY_ERR_CALLBACK_FAILURE);
  return -1;
}

/* ---- Messages -------------------------------------------------------------------------------- */

/* Room for LENGTH more bytes. */
static bool
make_room (struct mantis_guest *guest, size_t length)
{
  struct websocket *websocket = guest->websocket;
  size_t room = guest->room ? guest->room : FIRST_ROOM, need = guest->length + length;
  char *text;

  if (need <= guest->room)
    return true;
  while (room < need)
    room *= 2;
  if (room > (size_t)websocket->max_message_bytes)
    room = (size_t)websocket->max_message_bytes;
  if (websocket->buffered + (room - guest->room) > (size_t)websocket->max_buffered_bytes ||
      !(text = realloc (guest->text, room)))
    return false;
  websocket->buffered += room - guest->room;
  guest->text = text;
  guest->room = room;
  return true;
}

static void
on_frame (wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_start_arg *frame,
          void *context)
{
  struct mantis_guest *guest = context;

  (void)frames;
  guest->control = wslay_is_ctrl_frame (frame->opcode);
  if (guest->control || guest->leaving)
    return;
  if (!guest->coming) {
    guest->coming = true;
    guest->began = mantis_monotonic () / 1000;
    guest->length = 0;
  }
  if (frame->payload_length > (uint64_t)guest->websocket->max_message_bytes - guest->length)
    give_up (guest, WSLAY_CODE_MESSAGE_TOO_BIG, "larger than max_message_bytes of this server");
}

static void
on_chunk (wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_chunk_arg *chunk,
          void *context)
{
  struct mantis_guest *guest = context;

  (void)frames;
  if (guest->control || guest->leaving || chunk->data_length == 0)
    return;
  if (!make_room (guest, chunk->data_length)) {
    give_up (guest, CLOSE_TRY_AGAIN, "too many large messages at once");
    return;
  }
  memcpy (guest->text + guest->length, chunk->data, chunk->data_length);
  guest->length += chunk->data_length;
}

static void
on_message (wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *message,
            void *context)
{
  struct mantis_guest *guest = context;
  static const struct envelope none;

  if (message->opcode == WSLAY_PING) /* before a close frame that may follow, which ends all */
    wslay_event_send (frames);
  if (wslay_is_ctrl_frame (message->opcode))
    return;
  guest->coming = false;
  if (guest->leaving)
    ;
  else if (message->opcode == WSLAY_BINARY_FRAME)
    call_refuse (guest, &none, 400, "a message is a text, not binary");
  else
    call_begin (guest);
  guest_forget_text (guest);
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_recv,
    .send_callback = on_send,
    .on_frame_recv_start_callback = on_frame,
    .on_frame_recv_chunk_callback = on_chunk,
    .on_msg_recv_callback = on_message,
};

bool
frames_begin (struct mantis_guest *guest)
{
  if (wslay_event_context_server_init (&guest->frames, &callbacks, guest) != 0)
    return false;
  wslay_event_config_set_no_buffering (guest->frames, 1);
  wslay_event_config_set_max_recv_msg_length (guest->frames, UINT64_MAX / 2); /* ours counts */
  return true;
}
