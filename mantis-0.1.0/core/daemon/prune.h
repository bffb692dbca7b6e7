/* prune.h - a server's log is pruned now and then, by a worker, part by part.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_PRUNE_H
#define MANTIS_DAEMON_PRUNE_H

#include "daemon/stores.h"
#include "run/worker.h"

struct pruning;

/* RETENTION in milliseconds; STORES: a session for each worker of POOL.  On the loop's thread. */
enum mantis_status pruning_new (struct pruning **pruning, struct loop *loop, struct pool *pool,
                                struct stores *stores, int64_t retention,
                                struct mantis_error *error);
void pruning_free (struct pruning *pruning); /* when the pool has ended; NULL is fine */

#endif
