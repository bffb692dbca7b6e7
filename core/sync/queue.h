/* queue.h - what waits on a client, and under which cursor each change was made.
 *
 * The log has no index by key.  This is what answers "is this row dirty?" in memory: for each key with an
 * unsettled entry the number of its newest one, 16 bytes a key, rebuilt from the database at start.  Keys
 * go by hash: a false hit only delays.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_QUEUE_H
#define MANTIS_QUEUE_H

#include "base/map.h"
#include "sync/store.h"

struct queue_base {
  int64_t seq, rev;
};

struct queue {
  int64_t acked;            /* entries up to here are settled */
  int64_t read_to;          /* entries up to here are in newest */
  int64_t gaps;             /* numbers between the two that no entry has, as far as is known */
  bool untrimmed;           /* the log still has settled entries */
  struct map newest;        /* key -> seq of its newest unsettled entry */
  struct map evicted;       /* a set: those of newest of which all entries are MANTIS_EVICT */
  struct map pending;       /* a set: keys in __sync_pending */
  struct map held;          /* keys in __sync_held -> first_rev */
  struct map seen;          /* keys in __sync_seen -> rev; below 0: in doubt */
  struct queue_base *bases; /* __sync_bases, by seq */
  size_t base_count;
};

/* Read it all, in a transaction. */
enum mantis_status queue_load (struct queue *queue, struct store *store,
                               struct mantis_error *error);
void queue_free (struct queue *queue);

/* Take in what the application has written since, in a transaction. */
enum mantis_status queue_fold (struct queue *queue, struct store *store,
                               struct mantis_error *error);

/* Does anything wait of the key? */
bool queue_dirty (struct queue *queue, uint64_t hash);
/* Of a key whose row is there: was it written, or is all that waits that REPLACE may have removed it, which then did
 * not happen? */
bool queue_written (struct queue *queue, uint64_t hash);
/* Entries up to SEQ of the key are settled. */
void queue_clean (struct queue *queue, uint64_t hash, int64_t seq);

/* The newest revision that was in the file when entry SEQ was made; CURSOR is the present one. */
int64_t queue_base (const struct queue *queue, int64_t seq, int64_t cursor);

/* In a write transaction: the cursor moves on from REV; what is in the log was made under it or before. */
enum mantis_status queue_note_base (struct queue *queue, struct store *store, int64_t rev,
                                    struct mantis_error *error);
/* The server's history is ours only up to revision KNOWN (0: not at all): no change was made on a newer one, none is
 * held, and what came from it can no longer be told from what is ours. */
enum mantis_status queue_forget_revisions (struct queue *queue, struct store *store, int64_t known,
                                           struct mantis_error *error);
/* In a write transaction: entries up to SEQ are settled.  They leave the log now, or if LATER in the next
 * queue_trim() or queue_settle(). */
enum mantis_status queue_settle (struct queue *queue, struct store *store, int64_t seq, bool later,
                                 struct mantis_error *error);
/* In a write transaction. */
enum mantis_status queue_trim (struct queue *queue, struct store *store,
                               struct mantis_error *error);

/* Is it time?  Who waits DELAY has a time that lies further ahead only when the clock was set back since. */
static inline bool
is_due (int64_t next_try, int64_t now, int64_t delay)
{
  return next_try <= now || next_try - now > delay;
}

/* How long a change waits that was sent TRIES times in vain: a second, then twice as long each time, ten minutes
 * at most. */
int64_t retry_delay (int64_t tries);

/* ---- Rows of __sync_pending, __sync_held and __sync_seen, in a write transaction ------------- */
struct pending {
  int64_t base, time, next_try, tries;
  bool created;
  const char *reason;
};

enum mantis_status pending_get (struct queue *queue, struct store *store,
                                const struct mantis_table *table, mantis_row key,
                                struct mantis_arena *arena, struct pending *pending, bool *found,
                                struct mantis_error *error);
enum mantis_status pending_put (struct queue *queue, struct store *store,
                                const struct mantis_table *table, mantis_row key,
                                const struct pending *pending, struct mantis_error *error);
enum mantis_status pending_remove (struct queue *queue, struct store *store,
                                   const struct mantis_table *table, mantis_row key,
                                   struct mantis_error *error);
/* What was tried in vain is due now. */
enum mantis_status pending_wake (struct queue *queue, struct store *store,
                                 struct mantis_error *error);

#define HELD_EDITED "edited here, not sent yet"
enum {
  HELD_RETRY = 30 * 1000
}; /* milliseconds until a row is tried again that this database refused */

/* The state that came for KEY (revisions FIRST to LAST) was not applied, for REASON; a key that is held
 * already keeps the smallest first and the greatest last. */
enum mantis_status held_put (struct queue *queue, struct store *store,
                             const struct mantis_table *table, mantis_row key, int64_t first,
                             int64_t last, const char *reason, int64_t next_try,
                             struct mantis_error *error);
/* The own database refused CHANGE, as of revision REV; the log tells it once for each reason. */
enum mantis_status held_refused (struct queue *queue, struct store *store,
                                 const struct mantis_change *change, int64_t rev,
                                 const char *refusal, int64_t next_try, struct mantis_error *error);
/* Our own edit of KEY is settled: what was held of it is fetched now. */
enum mantis_status held_hurry (struct queue *queue, struct store *store,
                               const struct mantis_table *table, mantis_row key,
                               struct mantis_error *error);
/* What was not applied is tried again now: the own schema has changed, trouble is over, or somebody asks. */
enum mantis_status held_wake (struct queue *queue, struct store *store, struct mantis_error *error);
/* Rows of TABLE were written: one that it refused for a unique value may find that free now.  Not where many are
 * held, as it would be done again and again. */
enum mantis_status held_stir (struct queue *queue, struct store *store,
                              const struct mantis_table *table, struct mantis_error *error);
/* It was applied as of revision REV: what was skipped after that stays held. */
enum mantis_status held_remove (struct queue *queue, struct store *store,
                                const struct mantis_table *table, mantis_row key, int64_t rev,
                                struct mantis_error *error);

enum mantis_status seen_put (struct queue *queue, struct store *store,
                             const struct mantis_table *table, mantis_row key, int64_t rev,
                             struct mantis_error *error);
/* What came from the server of TABLE can no longer be told from what was written unseen: whatever the rows hold, it was
 * made on that all the same. */
enum mantis_status seen_doubt (struct queue *queue, struct store *store,
                               const struct mantis_table *table, struct mantis_error *error);
/* Nobody saw KEY being edited: what it was made on is not known. */
enum mantis_status seen_forget (struct queue *queue, struct store *store,
                                const struct mantis_table *table, mantis_row key,
                                struct mantis_error *error);
/* The revision of the row with the key HASH that was in the file besides those up to the cursor, 0: none. */
int64_t seen_rev (struct queue *queue, uint64_t hash);
/* Did that row come from the server, and was not written unseen since? */
bool seen_came (struct queue *queue, uint64_t hash);
/* The cursor has come to REV: what was seen of clean rows up to there is no news. */
enum mantis_status seen_prune (struct queue *queue, struct store *store, int64_t rev,
                               struct mantis_error *error);

#endif
