/* frames.h - RFC 6455 from the 101 on, for either side of a connection.
 *
 * frames.c reads and sends frames, message.c holds the message that is coming, utf8.c says whether it is
 * text, deflate.c makes messages smaller and larger, extension.c agrees with the peer that it may.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_WEBSOCKET_FRAMES_H
#define MANTIS_WEBSOCKET_FRAMES_H

#include <mantis/host.h>

#include <wslay/wslay.h>

struct evbuffer;
struct z_stream_s;

/* Codes of a close frame that are not in wslay.h: IANA's registry. */
enum {
  CLOSE_RESTART = 1012,
  CLOSE_TRY_AGAIN = 1013,
  CLOSE_UNAUTHORIZED = 3000,
  CLOSE_FORBIDDEN = 3003
};

/* ---- UTF-8 (utf8.c) -------------------------------------------------------------------------- */
struct utf8 {        /* begins zeroed */
  uint8_t left;      /* bytes that the present character still needs */
  uint8_t low, high; /* what the next one may be */
};

/* The next LENGTH bytes of a text.  False: it is none. */
bool utf8_add (struct utf8 *utf8, const char *bytes, size_t length);
static inline bool
utf8_is_whole (const struct utf8 *utf8)
{
  return utf8->left == 0;
}

/* ---- permessage-deflate, RFC 7692 (extension.c, deflate.c) ----------------------------------- */

/* Nothing is kept from one message to the next, on either side: an idle connection has no stream. */
struct deflate {
  uint8_t out; /* bits of the window with which we compress; 0: we do not */
  bool in;     /* compressed messages may come */
};

enum {
  LONGEST_AGREEMENT = 128,
  COMPRESS_FROM = 1024 /* bytes: a shorter message is not worth it */
};

/* A server: which of the offers in FIELD (Sec-WebSocket-Extensions, NULL: none) does it take?  AGREED
 * is the field's value for the answer, "" for none.  False: FIELD is not written as RFC 6455 says. */
bool extension_choose (const char *field, struct deflate *deflate, char agreed[LONGEST_AGREEMENT]);
/* A client: what it offers, and what the server made of that.  False: the server must not do so. */
extern const char extension_offer[];
bool extension_agreed (const char *field, struct deflate *deflate);

/* OUT becomes BYTES, compressed with a window of BITS.  False: that is not smaller, or there is no memory. */
bool deflate_text (struct mantis_buf *out, const char *bytes, size_t length, unsigned bits);

/* ---- The message that is coming (message.c) -------------------------------------------------- */
struct budget { /* of all messages that are in hand */
  size_t used, limit;
};

struct message {
  char *text; /* grows with what has come, never by what is announced */
  size_t length, room, limit;
  struct budget *budget;
  struct z_stream_s *inflate; /* NULL: it is not compressed */
  struct utf8 utf8;
};

/* What is wrong, as the code of a close frame and words.  0: nothing. */
struct wrong {
  uint16_t code;
  const char *why;
};

struct wrong message_begin (struct message *message, bool compressed);
struct wrong message_add (struct message *message, const char *bytes, size_t length);
struct wrong message_end (struct message *message);
void message_forget (struct message *message);
/* The text becomes the caller's, and so do *ROOM bytes of the budget. */
char *message_take (struct message *message, size_t *room);

/* ---- Frames (frames.c) ----------------------------------------------------------------------- */
enum { LONGEST_CONTROL = 125, LONGEST_HEAD = 14 };

struct frames {
  struct evbuffer *input, *output; /* of the connection */
  /* A message has come: a text (in MESSAGE), a binary one (which nobody keeps), a ping, a pong, or a
   * close frame.  The last two need no answer, the ones before got theirs. */
  void (*arrived) (void *context, enum wslay_opcode opcode);
  void *context;
  struct message message;
  struct deflate deflate;
  bool client;       /* this side is: it masks what it sends */
  bool plain;        /* no TLS: while nothing waits in OUTPUT, bytes go to SOCKET at once */
  int socket;
  bool coming;       /* a message has begun and not ended */
  uint64_t received; /* bytes of it, as they travel */
  bool heard;        /* bytes have come; whoever asks sets it back */
  bool closing; /* we have sent a close frame: nothing follows it, and messages are not looked at */
  bool ended;   /* no more is read: the peer has sent a close frame, or what is no frame */
  bool failed;  /* no memory: half a frame may be on its way, and the connection is of no use */
  /* The rest is of frames.c alone. */
  wslay_frame_context_ptr wslay; /* 4 kB: NULL while nothing is in it */
  size_t inside;                 /* bytes that wslay was given and has not told of */
  uint64_t left;                 /* of the present frame */
  bool in_frame, binary;
  uint8_t control_length, head_length;
  char head[LONGEST_HEAD]; /* of a frame that is being sent */
  char control[LONGEST_CONTROL];
};

/* Read what is there.  What is wrong with it is for the caller to say, with frames_close(). */
struct wrong frames_run (struct frames *frames);
/* Does so much wait to be taken by the peer that no more is read? */
bool frames_are_full (const struct frames *frames);
/* After a close frame these do nothing. */
void frames_send_text (struct frames *frames, const char *text, size_t length);
/* A text that deflate_text() has compressed as was agreed with the peer. */
void frames_send_packed (struct frames *frames, const char *bytes, size_t length);
/* A text in parts: each but the FIRST and the LAST between them, and no other text meanwhile. */
void frames_send_part (struct frames *frames, bool first, bool last, const char *bytes,
                       size_t length);
void frames_ping (struct frames *frames);
void frames_close (struct frames *frames, uint16_t code, const char *why);
void frames_free (struct frames *frames);

#endif
