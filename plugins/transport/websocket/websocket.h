/* websocket.h - what the files of this plugin share.
 *
 * handshake.c weighs a request, guest.c leads a connection, envelope.c reads what a message says of
 * itself, call.c has it answered.  What is RFC 6455's, from the 101 on, is in frames.h; the client's
 * side in client.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_WEBSOCKET_H
#define MANTIS_WEBSOCKET_H

#include "frames.h"

#include <mantis/transport.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#define SUBPROTOCOL "mantis.v1"

/* ---- Options (websocket.c) ------------------------------------------------------------------- */
struct websocket {
  int64_t max_message_bytes, max_buffered_bytes, max_requests;
  int64_t ping_interval, message_timeout;
  bool compress;
  struct budget budget;
  int64_t connect_timeout, max_answer_bytes;
  struct cable *cables; /* the connections of clients */
  bool warned;          /* of what a server's address and files are like */
};

/* ---- Handshake (handshake.c) ----------------------------------------------------------------- */
void handshake_weigh (void *self, const struct mantis_offer *offer, struct mantis_verdict *verdict);
/* What was agreed, as the verdict keeps it. */
static inline struct deflate
memo_read (uint64_t memo)
{
  return (struct deflate){.out = (uint8_t)(memo & 0xff), .in = memo >> 8 & 1};
}
static inline uint64_t
memo_write (struct deflate deflate)
{
  return deflate.out | (deflate.in ? UINT64_C (1) << 8 : 0);
}

enum { LONGEST_DIGEST = 64 };

/* What the server answers to KEY, in TEXT.  False: there is no SHA-1. */
bool handshake_digest (const char *key, char *text, size_t room);
/* Is WORD a member of the comma separated LIST (NULL: an empty one), in whatever case? */
bool handshake_list_has (const char *list, const char *word);

/* ---- What stands around a message (envelope.c) ----------------------------------------------- */
enum { LONGEST_TYPE = 32, LONGEST_ID = 64, LONGEST_NODE = 64, LONGEST_ARGUMENT = 2000 };

struct envelope {
  char type[LONGEST_TYPE + 1];
  char id[LONGEST_ID + 1]; /* as it stands, to be repeated in the answer; "": none */
  char node[LONGEST_NODE + 1];
  char argument[LONGEST_ARGUMENT + 1];
  const char *body; /* in the text that was read; "": none */
  size_t length;
  int status, retry_after; /* of an answer; 0: none */
};

/* Read TEXT of LENGTH bytes.  NULL: it is one; else what is wrong with it. */
const char *envelope_read (const char *text, size_t length, struct envelope *envelope);

/* ---- A connection (guest.c, call.c) ---------------------------------------------------------- */
struct call { /* a message that the core has */
  struct mantis_guest *guest;
  struct call *next, **self;
  struct envelope envelope;
  struct mantis_request request;
  char *text; /* the body points into it */
  size_t room;
  uint64_t ticket;
  bool submitting, answered;
  struct mantis_buf packed; /* the answer that is expected, compressed; empty: it is not */
};

struct mantis_guest {
  struct websocket *websocket;
  struct mantis_service *service;
  struct bufferevent *connection; /* NULL: it has gone back, or its peer has gone */
  struct frames frames;
  struct event timer;
  struct call *calls;
  size_t count;  /* of them */
  unsigned busy; /* calls of ours on the stack: it is not freed within one */
  bool coming;   /* a message is: since BEGAN, when HAD bytes of it had come */
  uint64_t had;
  bool eof;
  bool going;               /* takes leave when nothing is in hand */
  bool leaving;             /* we have sent a close frame */
  int64_t began, next_ping; /* milliseconds of mantis_monotonic() */
  int64_t expires;          /* since 1970; 0: never */
  uint64_t attendance;      /* ticket */
  void (*left) (void *context, struct bufferevent *connection);
  void *context;
  struct mantis_credentials credentials; /* texts of our own */
  char *node;
};

struct mantis_guest *guest_adopt (void *self, const struct mantis_handover *handover);
void guest_dismiss (struct mantis_guest *guest, bool now);
/* Send what waits, and look what became of the connection.  GUEST may be gone afterwards. */
void guest_settle (struct mantis_guest *guest);
/* Say why we go; the peer answers, and then it is over. */
void guest_leave (struct mantis_guest *guest, uint16_t code, const char *why);

/* The message in guest->frames, whole: have it answered. */
void call_begin (struct mantis_guest *guest);
void call_refuse (struct mantis_guest *guest, const struct envelope *envelope, int status,
                  const char *detail);
/* The peer has gone: the core need not hurry. */
void call_cancel_all (struct mantis_guest *guest);

#endif
