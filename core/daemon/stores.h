/* stores.h - a session with the database for each worker, opened when it is first needed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_STORES_H
#define MANTIS_DAEMON_STORES_H

#include "daemon/filters.h"
#include "sync/store.h"

#include <stdatomic.h>

struct stores {
  const struct mantis_storage *ops;
  void *self;
  enum mantis_role role;
  const char *const *patterns;
  struct hooks *hooks;     /* NULL: none */
  struct reports *reports; /* of a client, which has one session that writes; or NULL */
  const struct mantis_table *const *kept; /* of plugins; NULL: none */
  atomic_llong round;                     /* grows when all sessions have to be opened again */
  atomic_bool opened; /* some session has been: the database is there, or it is lost, and not made anew */
  size_t count;
  struct {
    struct store store;
    long long round;
    struct filtering *filtering; /* its filters, the thread's that it belongs to; NULL: none */
    _Atomic (struct filtering *) coming; /* those that it gets next; NULL: nothing new */
  } * list;
};

/* COUNT sessions, none of them open yet. */
enum mantis_status stores_init (struct stores *stores, size_t count, struct mantis_error *error);
void stores_free (struct stores *stores); /* when no thread uses them any more */

/* The session numbered NUMBER, on the thread that it belongs to.  *FRESH, unless it is NULL, tells
 * whether it was opened by this call.  Where the database is a file that once was there, it is not
 * made again. */
enum mantis_status stores_get (struct stores *stores, size_t number, struct store **store,
                               bool *fresh, struct mantis_error *error);

/* From any thread: the session numbered NUMBER gets other filters, which it takes; it is opened again with them, when it
 * is asked for next.  Whoever works with it goes on with those of before. */
void stores_refilter (struct stores *stores, size_t number, struct filtering *filtering);
/* Not when it is asked for next, but now; on its thread.  What it had is freed. */
void stores_turn (struct stores *stores, size_t number);
/* What it has then; NULL: nobody is kept from anything. */
struct filters *stores_filters (struct stores *stores, size_t number);

/* From any thread: the database was replaced or the connection lost. */
void stores_renew (struct stores *stores);

#endif
