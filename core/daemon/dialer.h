/* dialer.h - the client of core/sync on real threads, sockets and clocks.
 *
 * The client, its store and all that is called on them belong to one worker.  A turn is one visit
 * there: give it what has happened, ask what it wants to send, and when to come again.  Sending is
 * done on the loop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_DIALER_H
#define MANTIS_DAEMON_DIALER_H

#include "daemon/notice.h"
#include "daemon/token.h"
#include "daemon/way.h"
#include "plugin/plugin.h"
#include "run/worker.h"
#include "sync/client.h"

struct dialer;

struct dialer_settings {
  struct client_settings client;
  const char *token_file;
};

/* Called on the loop when STATE or WHY changes.  WHY: as of dialer_obstacle(), or what went wrong last; NULL: nothing. */
typedef void (*dialer_watcher) (void *context, enum mantis_state state, const char *why);

/* DIAL: instances of transports, the preferred one first; ends with NULL.  The client uses session 0
 * of STORES, which is open.  What REMOTE points to outlives the dialer. */
enum mantis_status dialer_new (struct dialer **dialer, const struct dialer_settings *settings,
                               struct loop *loop, struct instance *const *dial, struct stores *stores,
                               const struct mantis_remote *remote, struct mantis_error *error);
/* Hang up, finish the turn in hand.  NULL is fine. */
void dialer_free (struct dialer *dialer);

void dialer_watch (struct dialer *dialer, dialer_watcher watcher, void *context);
void dialer_start (struct dialer *dialer);
/* After SIGHUP. */
void dialer_set (struct dialer *dialer, const struct dialer_settings *settings);
/* Something was committed; RENEWED: the database is another one now. */
void dialer_news (struct dialer *dialer, bool renewed);
/* Begin a cycle now. */
void dialer_hurry (struct dialer *dialer);

/* ---- Waiting for a whole exchange ------------------------------------------------------------ */
struct waiter {
  struct waiter *next;
  uint64_t since;
  /* On the loop, once.  WHY: why there was none, NULL when all is exchanged. */
  void (*done) (struct waiter *waiter, const char *why);
};

/* Begin a cycle now, and tell WAITER how it ended. */
void dialer_wait (struct dialer *dialer, struct waiter *waiter);
void dialer_forget (struct dialer *dialer, struct waiter *waiter);

/* ---- Questions, on the client's thread ------------------------------------------------------- */
struct question {
  struct task task; /* done.run is the asker's */
  struct dialer *dialer;
  /* CLIENT and STORE are NULL when the database cannot be opened now, for the reason in ERROR. */
  void (*ask) (struct question *question, struct client *client, struct store *store,
               struct mantis_error *error);
};

/* False: there is no room. */
bool dialer_ask (struct dialer *dialer, struct question *question);

/* Why nothing is exchanged although it should be, for people; NULL: nothing is wrong here. */
const char *dialer_obstacle (const struct dialer *dialer);
/* The transport in use.  *WHY: it is not the preferred one, for this reason; NULL: it is. */
const char *dialer_transport (const struct dialer *dialer, const char **why);

#endif
