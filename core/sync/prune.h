/* prune.h - a server's log does not grow for ever: what is older than the retention leaves it.
 *
 * The version of each row stays.  What goes is what came before it, and the memory of deletions: a client whose
 * cursor is older reconciles (protocol.md, "pruned"), and an edit from before of a row that is gone is an edit
 * against a deletion.  How old an entry is, only the server's clock says: an entry has the time of its writer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_PRUNE_H
#define MANTIS_PRUNE_H

#include "sync/store.h"

/* In a transaction of a server: deletions before revision *REV are forgotten, and were made at *TIME at the latest
 * (milliseconds since 1970; may be NULL). */
enum mantis_status prune_floor (struct store *store, int64_t *rev, int64_t *time,
                                struct mantis_error *error);

/* Milliseconds between calls of prune_step() that have nothing left to do. */
int64_t prune_interval (int64_t retention);

/* Outside of transactions: note how far the log is, and remove a part of what is older than RETENTION, in
 * milliseconds.  *MORE: there is more of it. */
enum mantis_status prune_step (struct store *store, int64_t retention, bool *more,
                               struct mantis_error *error);

/* Outside of transactions: remove conflicts that were written down, and decided, longer ago than RETENTION; those that
 * are open stay.  A part of them, behind number *AFTER, which is 0 at first and set for the next call; *MORE: there are more
 * to be looked at. */
enum mantis_status prune_conflicts (struct store *store, int64_t retention, int64_t *after,
                                    bool *more, struct mantis_error *error);

#endif
