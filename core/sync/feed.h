/* feed.h - what a server tells a client: the changes after a cursor, pages of a table, rows by key.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_FEED_H
#define MANTIS_FEED_H

#include "sync/cursor.h"
#include "sync/large.h"

/* A place in a server's history.  The mark is derived from the log's entry at REV: a history that was
 * restored and went on differently has other entries there. */
enum cursor_state {
  CURSOR_KNOWN,
  CURSOR_PRUNED, /* what came after it is not all there any more */
  CURSOR_FOREIGN /* of another history: the server was restored, or it is another server */
};

/* All of these work inside a transaction of the caller. */
enum mantis_status feed_head (struct store *store, struct cursor *head, struct mantis_error *error);
enum mantis_status feed_check (struct store *store, const struct cursor *cursor,
                               enum cursor_state *state, struct mantis_error *error);

struct feed_page {
  const struct mantis_change **changes; /* by table, then key; each with its rev */
  const char **origins;                 /* of each: the node that stored it verbatim, NULL: none */
  size_t count;
  struct cursor cursor; /* the place up to which the page tells */
  bool complete;        /* that is the head of the snapshot */
  int64_t head;
  struct cursor ahead; /* where the snapshot's head is, unless complete: rows may be as new as that */
  size_t bytes; /* that the rows take */
};

/* The changes after REV: of each key the state as it is now; none that NODE stored verbatim itself, none of
 * tables for which SKIP says so.  What is too large goes to LARGE. */
enum mantis_status feed_read (struct store *store, int64_t rev, size_t limit, size_t bytes,
                              const char *node,
                              bool (*skip) (void *context, const struct mantis_table *table),
                              void *context, struct mantis_arena *arena, struct large *large,
                              struct feed_page *page, struct mantis_error *error);

/* The rows of TABLE with the keys of ROWS as they are, missing ones as deletions: *COUNT of them, fewer when they
 * take *BYTES, which is what is left of them afterwards, or when some are too large. */
enum mantis_status feed_keys (struct store *store, const struct mantis_table *table,
                              const mantis_row *rows, size_t *count, size_t *bytes,
                              struct mantis_arena *arena, struct large *large,
                              const struct mantis_change **changes, struct mantis_error *error);

/* A page of TABLE in the order of keys, behind AFTER: LIMIT rows, or as many as take BYTES.  Where rows are too
 * large it goes on until there is one that is not, so that whoever asks comes further. */
enum mantis_status feed_table (struct store *store, const struct mantis_table *table,
                               mantis_row after, size_t limit, size_t bytes,
                               struct mantis_arena *arena, struct large *large,
                               const struct mantis_change ***changes, size_t *count, bool *end,
                               struct mantis_error *error);

#endif
