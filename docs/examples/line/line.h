/* line.h - messages over a Unix socket, between programs of one machine.
 *
 * A message is a few lines and a body:
 *
 *   push 7 15                    what it is; its number on this connection; bytes of the body
 *   node 3f1c...                 facts, a name and a value each; see server.c and client.c
 *                                an empty line
 *   {"changes": []}              the body
 *
 * Its answer has the status in the place of the name, "200 7 2", and the same number.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef LINE_H
#define LINE_H

#include <mantis/transport.h>

#include <event2/buffer.h>
#include <sys/un.h>

struct line { /* the options */
  const char *path;
  int64_t largest;
};

/* ---- A message, on its way (frame.c) ---- */

enum { MOST_FACTS = 16, LONGEST_HEAD = 64 * 1024 };

struct frame {
  char *head; /* all that follows but the body points into it */
  const char *word;
  uint64_t number;
  struct fact {
    const char *name, *value;
  } facts[MOST_FACTS];
  size_t count;
  char *body; /* a NUL behind LENGTH bytes */
  size_t length;
};

enum frame_state { FRAME_PART, FRAME_WHOLE, FRAME_WRONG };

/* Take the first message out of INPUT, where it is whole and its body has at most LARGEST bytes. */
enum frame_state frame_take (struct evbuffer *input, size_t largest, struct frame *frame);
const char *frame_fact (const struct frame *frame, const char *name); /* NULL: it does not say */
void frame_free (struct frame *frame);
/* FACTS ends with a NULL name; those without a value are left out. */
void frame_put (struct evbuffer *output, const char *word, uint64_t number, const struct fact *facts,
                const char *body, size_t length);

/* The address of the socket that the options name. */
enum mantis_status line_address (const struct line *line, struct sockaddr_un *address,
                                 struct mantis_error *error);

/* ---- server.c ---- */

enum mantis_status line_listen (void *self, struct event_base *base, struct mantis_service *service,
                                struct mantis_listener **listener, struct mantis_error *error);
void line_drain (struct mantis_listener *listener);
void line_close (struct mantis_listener *listener);
const char *line_listens_on (const struct mantis_listener *listener);

/* ---- client.c ---- */

enum mantis_status line_dial (void *self, struct event_base *base, const struct mantis_remote *remote,
                              struct mantis_link **link, struct mantis_error *error);
void line_send (struct mantis_link *link, const struct mantis_request *request,
                mantis_answered answered, void *context);
void line_interrupt (struct mantis_link *link);
void line_hang_up (struct mantis_link *link);

#endif
