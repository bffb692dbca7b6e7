/* service.h - the core that the transport laws play: it takes what arrives, and answers as it is told.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_LAW_SERVICE_H
#define MANTIS_LAW_SERVICE_H

#include "plugin_test.h"

#include <mantis/transport.h>

enum { MOST_CALLS = 64 };

/* When the core answers: within submit(), in the next turn of the loop, or when it is told to. */
enum play { AT_ONCE, SOON, HELD };

struct call {               /* as it arrived */
  mantis_answered answered; /* NULL: answered */
  void *context;
  bool cancelled;
  char message[32], node[80], epoch[80], revisions[200], bearer[200];
  char *body;
  size_t length;
};

struct core {
  enum play play;
  int status;       /* of answers from now on; their body is that of the request, or this one */
  const char *body; /* NULL: that of the request */
  const char *type;
  int64_t retry_after;
  struct call calls[MOST_CALLS];
  size_t count, cancelled;
  void *taker; /* the plugin's own struct, where it takes connections over from --listener */
};
extern struct core core;
extern struct event_base *base;
#define SERVICE ((struct mantis_service *)&core)

void core_start (void);
void core_answer (size_t index);

/* Turn the loop until HOLDS, which is told WHAT; too long breaks the law. */
void turn_until (bool (*holds) (void), const char *what);
/* Turn it for a moment. */
void turn (void);

#endif
