/* client.h - what the files of the client's side share.
 *
 * link.c keeps the messages that wait for an answer, cable.c leads their connection, hail.c shakes
 * hands, letter.c sends messages, hear.c makes answers of what comes.
 *
 * The links of one server share one connection.  An answer may make the core send, interrupt or hang
 * up from within: nothing is freed as long as a call of ours is on the stack (cable->busy).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_WEBSOCKET_CLIENT_H
#define MANTIS_WEBSOCKET_CLIENT_H

#include "../tls/tls.h"
#include "websocket.h"

struct hail;

enum { CHUNK = 16 * 1024 }; /* bytes that are sent, or read, at once */

enum cable_state {
  CABLE_DOWN,     /* no connection, and nobody needs one */
  CABLE_DIALLING, /* libcurl makes it */
  CABLE_HAILING,  /* the handshake is under way */
  CABLE_UP,
  CABLE_LEAVING, /* a close frame is on its way; what is sent now takes the next connection */
};

struct mantis_link {
  struct cable *cable;
};

/* A message that waits for its answer. */
struct ask {
  struct mantis_link *link;
  struct ask *next, **self; /* in the cable's list, in the order of send() */
  struct letter *letter;    /* on its way; NULL: not yet, or the server has all of it */
  uint64_t id;
  int64_t deadline; /* milliseconds of mantis_monotonic() */
  int64_t timeout;
  mantis_answered answered;
  void *context;
  char type[LONGEST_TYPE + 1];
  char *token, *node, *argument; /* NULL: none */
  const char *body;              /* the sender's, until it is answered */
  size_t length;
  bool given; /* to this connection */
  bool heard; /* its answer is there */
};

/* A message on its way. */
struct letter {
  struct cable *cable;
  struct ask *ask; /* NULL: nobody waits */
  struct letter *next, **self;
  struct mantis_buf head; /* what stands before the body */
  const char *body;
  size_t length, taken; /* of it */
  bool begun;           /* a part of the message is sent */
};

struct cable {
  struct websocket *websocket;
  struct cable *next, **self; /* in websocket->cables */
  struct event_base *base;
  struct multi multi;
  struct reach *reach;
  size_t links;
  unsigned busy; /* calls of ours on the stack */
  struct ask *first, **last;
  uint64_t next_id;
  struct letter *letters, **last_letter; /* in the order in which they go */

  enum cable_state state;
  CURL *easy;
  char detail[CURL_ERROR_SIZE];
  struct event timer, readable, writable;
  struct hail *hail;
  struct frames frames;
  struct budget budget;
  struct evbuffer *in, *out;
  char chunk[CHUNK]; /* of OUT: TLS wants the same bytes at the same place when it is asked again */
  size_t chunk_at, chunk_length;
  char *node, *token; /* that the handshake named; NULL: none */
  bool coming;        /* a message has begun, at BEGAN */
  bool proved;        /* that frames get through, on this connection */
  bool refused;       /* what it was opened with does not serve any more */
  bool eof;
  bool clogged;     /* not read from, as what came before waits for answers to pings to be taken */
  bool cut;         /* half a message was sent, and nothing can follow it */
  int closed;       /* the code of the server's close frame; 0: there was none */
  char reason[128]; /* of it */
  int64_t up_at, deadline, next_ping, began;
  unsigned short_lives; /* connections that were cut soon, one after the other */
  char failure[sizeof ((struct mantis_error *)0)->text];
};

/* ---- Messages (link.c) ----------------------------------------------------------------------- */
enum mantis_status link_dial (void *self, struct event_base *base,
                              const struct mantis_remote *remote, struct mantis_link **link,
                              struct mantis_error *error);
void link_send (struct mantis_link *link, const struct mantis_request *request,
                mantis_answered answered, void *context);
void link_interrupt (struct mantis_link *link);
void link_hang_up (struct mantis_link *link);

/* ASK has its answer: it is freed. */
void ask_end (struct ask *ask, const struct mantis_answer *answer);
/* All of CABLE that wait now, or only those that this connection was GIVEN. */
void asks_end (struct cable *cable, bool given, const struct mantis_answer *answer);
struct ask *ask_of (const struct cable *cable, uint64_t id);

/* ---- The connection (cable.c) ---------------------------------------------------------------- */
bool cable_begin (struct cable *cable);
void cable_free (struct cable *cable);
/* Something is to be done: not from here, but by the loop. */
void cable_wake (struct cable *cable);
/* Make the connection that waiting messages need, send what waits, set the timer. */
void cable_settle (struct cable *cable);
/* Say why we go, in a close frame; who waits is given ANSWER. */
void cable_leave (struct cable *cable, uint16_t code, const char *why,
                  const struct mantis_answer *answer);
/* As cable_leave(), for what the server did wrong: another transport may fare better. */
void cable_blame (struct cable *cable, uint16_t code, const char *what);
/* At once, and without a word. */
void cable_drop (struct cable *cable, const struct mantis_answer *answer);

/* ---- Handshake (hail.c) ---------------------------------------------------------------------- */
enum hail_verdict { HAIL_MORE, HAIL_WELCOME, HAIL_REFUSED };

/* Write the request into cable->out.  False: cable->failure. */
bool hail_begin (struct cable *cable, const struct ask *ask);
/* Bytes of the answer; *USED of them belong to it.  LENGTH 0: it has ended.  WELCOME: *DEFLATE is what was agreed.  REFUSED: ANSWER is for
 * those that wait, and borrows from CABLE until cable_drop(). */
enum hail_verdict hail_feed (struct cable *cable, const char *bytes, size_t length, size_t *used,
                             struct deflate *deflate, struct mantis_answer *answer);
void hail_free (struct hail *hail); /* NULL is fine */

/* ---- Sending (letter.c) ---------------------------------------------------------------------- */

/* ASK is to be sent.  False: no memory. */
bool letter_post (struct cable *cable, struct ask *ask);
/* ASK does not wait any more, though it may be on its way, or with the server. */
void letter_recall (struct cable *cable, struct ask *ask);
/* As far as there is room. */
void letters_send (struct cable *cable);
void letter_free (struct letter *letter);

/* ---- Hearing (hear.c) ------------------------------------------------------------------------ */
void hear_begin (struct cable *cable, struct deflate deflate);
/* What cable->in holds. */
void hear (struct cable *cable);

#endif
