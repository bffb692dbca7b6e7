/* frames.c - bytes become messages, and messages bytes.
 *
 * wslay reads and writes frames: lengths, opcodes, masks.  What frames mean together is here: fragments,
 * control frames between them, close frames, compression.  (wslay's upper half does that, too, but takes
 * the memory that a frame announces, checks text before it is inflated, and a close frame's reason
 * wrongly where it comes in pieces.)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "frames.h"

#include <event2/buffer.h>
#include <string.h>
#include <sys/socket.h>

enum {
  ROOM_OUT = 64 * 1024, /* waits to be taken: no more is read */
  ROOM_CLIENT =
      4 * ROOM_OUT /* of which it fills a part with what it sends unasked: else a server that
                                does not read until it has sent would wait for ever */
};

static const struct wrong fine;

static struct wrong
breach (const char *why)
{
  return (struct wrong){WSLAY_CODE_PROTOCOL_ERROR, why};
}

/* ---- wslay's context ------------------------------------------------------------------------- */

bool
frames_are_full (const struct frames *frames)
{
  return evbuffer_get_length (frames->output) > (frames->client ? ROOM_CLIENT : ROOM_OUT);
}

static ssize_t
on_recv (uint8_t *bytes, size_t length, int flags, void *context)
{
  struct frames *frames = context;
  int got = evbuffer_remove (frames->input, bytes, length);

  (void)flags;
  if (got <= 0)
    return -1;
  frames->heard = true;
  frames->inside += (size_t)got;
  return got;
}

/* To the socket at once, how much of it: to wait until it can be written to would cost three calls of the system for
 * each answer.  What it does not take, or says of the connection, comes out when it is written to again. */
static size_t
send_now (const struct frames *frames, struct iovec *parts, size_t count)
{
  const struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
  ssize_t sent = sendmsg (frames->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

  return sent > 0 ? (size_t)sent : 0;
}

/* What SENT leaves of PARTS waits. */
static bool
send_later (const struct frames *frames, const struct iovec *parts, size_t count, size_t sent)
{
  for (size_t i = 0; i < count; i++) {
    size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
    sent -= skip;
    if (skip < parts[i].iov_len &&
        evbuffer_add (frames->output, (const char *)parts[i].iov_base + skip,
                      parts[i].iov_len - skip) != 0)
      return false;
  }
  return true;
}

/* The head of a frame is kept until its content is there, too. */
static ssize_t
on_send (const uint8_t *bytes, size_t length, int flags, void *context)
{
  struct frames *frames = context;
  struct iovec parts[2] = {{frames->head, frames->head_length}, {(void *)(uintptr_t)bytes, length}};
  size_t sent = 0;

  if (flags & WSLAY_MSG_MORE && frames->head_length + length <= sizeof frames->head) {
    memcpy (frames->head + frames->head_length, bytes, length);
    frames->head_length += (uint8_t)length;
    return (ssize_t)length;
  }
  frames->head_length = 0;
  if (frames->plain && evbuffer_get_length (frames->output) == 0)
    sent = send_now (frames, parts, 2);
  return send_later (frames, parts, 2, sent) ? (ssize_t)length : -1;
}

static int
on_mask (uint8_t *mask, size_t length, void *context)
{
  (void)context;
  mantis_random (mask, length);
  return 0;
}

static bool
have_context (struct frames *frames)
{
  static const struct wslay_frame_callbacks callbacks = {
      .recv_callback = on_recv, .send_callback = on_send, .genmask_callback = on_mask};

  return frames->wslay || wslay_frame_context_init (&frames->wslay, &callbacks, frames) == 0;
}

/* Most of the time a connection is idle. */
static void
drop_context (struct frames *frames)
{
  if (!frames->wslay || frames->inside || frames->in_frame)
    return;
  wslay_frame_context_free (frames->wslay);
  frames->wslay = NULL;
}

/* ---- Out ------------------------------------------------------------------------------------- */

static void
send_fragment (struct frames *frames, enum wslay_opcode opcode, bool last, bool compressed,
               const void *bytes, size_t length)
{
  struct wslay_frame_iocb frame = {.fin = last,
                                   .rsv = compressed ? WSLAY_RSV1_BIT : WSLAY_RSV_NONE,
                                   .opcode = opcode,
                                   .mask = frames->client,
                                   .payload_length = length,
                                   .data = bytes,
                                   .data_length = length};

  if (frames->closing)
    return;
  if (!have_context (frames) || wslay_frame_send (frames->wslay, &frame) != (ssize_t)length)
    frames->failed = frames->closing = true;
  drop_context (frames);
}

static void
send_frame (struct frames *frames, enum wslay_opcode opcode, bool compressed, const void *bytes,
            size_t length)
{
  send_fragment (frames, opcode, true, compressed, bytes, length);
}

void
frames_send_part (struct frames *frames, bool first, bool last, const char *bytes, size_t length)
{
  send_fragment (frames, first ? WSLAY_TEXT_FRAME : WSLAY_CONTINUATION_FRAME, last, false, bytes,
                 length);
}

void
frames_send_text (struct frames *frames, const char *text, size_t length)
{
  struct mantis_buf smaller = MANTIS_BUF_INIT;

  if (frames->deflate.out && deflate_text (&smaller, text, length, frames->deflate.out))
    send_frame (frames, WSLAY_TEXT_FRAME, true, smaller.bytes, smaller.length);
  else
    send_frame (frames, WSLAY_TEXT_FRAME, false, text, length);
  mantis_buf_free (&smaller);
}

void
frames_send_packed (struct frames *frames, const char *bytes, size_t length)
{
  send_frame (frames, WSLAY_TEXT_FRAME, true, bytes, length);
}

void
frames_ping (struct frames *frames)
{
  send_frame (frames, WSLAY_PING, false, NULL, 0);
}

void
frames_close (struct frames *frames, uint16_t code, const char *why)
{
  size_t length = strlen (why);
  char bytes[LONGEST_CONTROL];

  if (length > sizeof bytes - 2)
    length = sizeof bytes - 2;
  bytes[0] = (char)(code >> 8);
  bytes[1] = (char)(code & 0xff);
  memcpy (bytes + 2, why, length);
  send_frame (frames, WSLAY_CONNECTION_CLOSE, false, bytes, length + 2);
  frames->closing = true;
  message_forget (&frames->message); /* nothing more counts */
}

/* ---- Control frames -------------------------------------------------------------------------- */

/* RFC 6455, 7.4, and IANA's registry: may it stand in a frame? */
static bool
is_close_code (unsigned code)
{
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

static struct wrong
end_close (struct frames *frames)
{
  const unsigned char *bytes = (const unsigned char *)frames->control;
  size_t length = frames->control_length;
  struct utf8 utf8 = {0};

  if (length == 1 || (length && !is_close_code ((unsigned)(bytes[0] << 8 | bytes[1]))))
    return breach ("a close frame without a code");
  if (length && (!utf8_add (&utf8, frames->control + 2, length - 2) || !utf8_is_whole (&utf8)))
    return (struct wrong){WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, "a reason that is not UTF-8"};
  frames->ended = true;
  send_frame (frames, WSLAY_CONNECTION_CLOSE, false, bytes, length);
  frames->closing = true;
  frames->arrived (frames->context, WSLAY_CONNECTION_CLOSE);
  return fine;
}

static struct wrong
end_control (struct frames *frames, enum wslay_opcode opcode)
{
  if (opcode == WSLAY_CONNECTION_CLOSE)
    return end_close (frames);
  if (opcode == WSLAY_PING)
    send_frame (frames, WSLAY_PONG, false, frames->control, frames->control_length);
  frames->arrived (frames->context, opcode);
  return fine;
}

/* ---- Frames of messages ---------------------------------------------------------------------- */

static struct wrong
begin_message (struct frames *frames, const struct wslay_frame_iocb *frame)
{
  frames->coming = true;
  frames->received = 0;
  frames->binary = frame->opcode == WSLAY_BINARY_FRAME;
  if (frames->closing)
    return fine;
  return message_begin (&frames->message, frame->rsv && !frames->binary);
}

static struct wrong
end_message (struct frames *frames)
{
  struct wrong wrong = fine;

  frames->coming = false;
  if (frames->closing)
    return fine;
  if (!frames->binary)
    wrong = message_end (&frames->message);
  if (wrong.code)
    return wrong;
  frames->arrived (frames->context, frames->binary ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME);
  message_forget (&frames->message);
  return fine;
}

/* ---- In -------------------------------------------------------------------------------------- */

/* Bytes that stand ahead of a payload: wslay takes the shortest form of its length only. */
static size_t
size_of_head (const struct wslay_frame_iocb *frame)
{
  return 2u + (frame->mask ? 4u : 0u) +
         (frame->payload_length > UINT16_MAX ? 8u
          : frame->payload_length > 125      ? 2u
                                             : 0u);
}

/* That it is too large would be seen when it has come; it is better told before. */
static struct wrong
weigh_frame (const struct frames *frames, uint64_t length)
{
  const struct message *message = &frames->message;

  if (frames->closing || message->inflate || length <= message->limit - message->length)
    return fine;
  return (struct wrong){WSLAY_CODE_MESSAGE_TOO_BIG, "larger than max_message_bytes"};
}

static struct wrong
begin_frame (struct frames *frames, const struct wslay_frame_iocb *frame)
{
  bool first = frame->opcode == WSLAY_TEXT_FRAME || frame->opcode == WSLAY_BINARY_FRAME;

  frames->in_frame = true;
  frames->left = frame->payload_length;
  frames->inside -= size_of_head (frame);
  if (frame->mask == frames->client)
    return breach (frames->client ? "a server masks nothing" : "a client masks its frames");
  if (frame->rsv && (frame->rsv != WSLAY_RSV1_BIT || !first || !frames->deflate.in))
    return breach ("a reserved bit");
  if (wslay_is_ctrl_frame (frame->opcode)) {
    frames->control_length = 0;
    return frame->opcode > WSLAY_PONG ? breach ("an unknown opcode") : fine;
  }
  if (!first && (frame->opcode != WSLAY_CONTINUATION_FRAME || !frames->coming))
    return breach (frame->opcode ? "an unknown opcode" : "a fragment of no message");
  if (first && frames->coming)
    return breach ("a message within another one");
  if (first) {
    struct wrong wrong = begin_message (frames, frame);
    if (wrong.code)
      return wrong;
  }
  return weigh_frame (frames, frame->payload_length);
}

static struct wrong
add_bytes (struct frames *frames, const struct wslay_frame_iocb *frame)
{
  const char *bytes = (const char *)frame->data;
  struct message *message = &frames->message;

  if (wslay_is_ctrl_frame (frame->opcode)) {
    memcpy (frames->control + frames->control_length, bytes, frame->data_length);
    frames->control_length += (uint8_t)frame->data_length;
    return fine;
  }
  frames->received += frame->data_length;
  if (frames->closing)
    return fine;
  if (!frames->binary)
    return message_add (message, bytes, frame->data_length);
  message->length += frame->data_length; /* counts, but is not kept */
  return fine;
}

/* What wslay has read of a frame, which may be all of it. */
static struct wrong
take_piece (struct frames *frames, const struct wslay_frame_iocb *frame)
{
  struct wrong wrong = fine;

  if (!frames->in_frame)
    wrong = begin_frame (frames, frame);
  frames->left -= frame->data_length;
  frames->inside -= frame->data_length;
  if (!wrong.code && frame->data_length)
    wrong = add_bytes (frames, frame);
  if (wrong.code || frames->left)
    return wrong;
  frames->in_frame = false;
  if (wslay_is_ctrl_frame (frame->opcode))
    return end_control (frames, frame->opcode);
  return frame->fin ? end_message (frames) : fine;
}

struct wrong
frames_run (struct frames *frames)
{
  struct wrong wrong = fine;

  while (!wrong.code && !frames->ended && !frames->failed && !frames_are_full (frames) &&
         (frames->inside || evbuffer_get_length (frames->input))) {
    struct wslay_frame_iocb frame = {.fin = 0};
    ssize_t result;
    if ((frames->failed = !have_context (frames)))
      break;
    if ((result = wslay_frame_recv (frames->wslay, &frame)) >= 0)
      wrong = take_piece (frames, &frame);
    else if (result != WSLAY_ERR_WANT_READ)
      wrong = breach ("this is no frame");
    else
      break;
  }
  if (wrong.code)
    frames->ended = true;
  drop_context (frames);
  return wrong;
}

void
frames_free (struct frames *frames)
{
  message_forget (&frames->message);
  if (frames->wslay)
    wslay_frame_context_free (frames->wslay);
}
