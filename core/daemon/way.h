/* way.h - the ways to the server: transports, the preferred one first, and which of them gets through.
 *
 * A transport that says of itself that it is unfit here (a proxy that breaks what it needs) is set
 * aside for a while, and the next one takes its messages; then it is tried again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_WAY_H
#define MANTIS_DAEMON_WAY_H

#include "plugin/plugin.h"
#include "sync/client.h"

#include <mantis/transport.h>

enum { MOST_WAYS = 2 };

struct way {
  const struct mantis_transport *ops;
  const char *name;
  struct mantis_link *links[CLIENT_SLOTS];
};

struct ways { /* begins zeroed */
  struct way list[MOST_WAYS];
  size_t count;
  size_t at;                  /* the one that is taken now */
  size_t taken[CLIENT_SLOTS]; /* by the message under way */
  int64_t again_at, pause;    /* until the first one is tried again: milliseconds, monotonic */
  char why[sizeof ((struct mantis_error *)0)->text]; /* the first one is unfit; "": it is not */
};

/* DIAL: instances of transports, ends with NULL. */
enum mantis_status ways_open (struct ways *ways, struct instance *const *dial,
                              struct event_base *base, const struct mantis_remote *remote,
                              struct mantis_error *error);
void ways_close (struct ways *ways);
void ways_send (struct ways *ways, int slot, const struct mantis_request *request,
                mantis_answered answered, void *context);
void ways_interrupt (struct ways *ways, int slot);
/* What ANSWER on SLOT says of the way that it came.  True: it was unfit; send the message again. */
bool ways_turn (struct ways *ways, int slot, const struct mantis_answer *answer);
/* Somebody may have mended the way: the first one is tried again with the next message. */
void ways_retry (struct ways *ways);
/* The transport in use. */
const char *ways_name (const struct ways *ways);

#endif
