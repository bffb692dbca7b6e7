/* feed.h - what a server tells a client: the changes after a cursor, pages of a table, rows by key.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_FEED_H
#define MANTIS_FEED_H

#include "sync/cursor.h"
#include "sync/filter.h"
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

/* What a row was before one of its entries on a page. */
struct past {
  const struct past *next;
  mantis_row row;     /* NULL: there was none, or that is UNKNOWN */
  const char *origin; /* who wrote what came then, verbatim */
  bool unknown;
};

/* Of a change in a table with filters. */
struct feed_past {
  const struct filtered *filtered; /* NULL: it has none */
  const struct past *pasts;
  bool cut;     /* the row is too large for an answer: it is in nobody's sight */
  bool evicted; /* all its entries are MANTIS_EVICT: where the row is there, it is no change */
  bool removed; /* the newest of them says that the row went */
};

struct feed_page {
  const struct mantis_change **changes; /* by table, then key; each with its rev */
  const char **origins;                 /* of each: the node that stored it verbatim, NULL: none */
  size_t count;
  struct cursor cursor; /* the place up to which the page tells */
  bool complete;        /* that is the head of the snapshot */
  int64_t head;
  struct cursor
      ahead;    /* where the snapshot's head is, unless complete: rows may be as new as that */
  size_t bytes; /* that the rows take */
  /* On a server with filters: what stood before each change, and of which tables there are entries.  Else NULL. */
  struct feed_past *pasts;
  const struct mantis_table **tables;
  size_t table_count;
};

/* The changes after REV: of each key the state as it is now; none that NODE stored verbatim itself, none of
 * tables for which SKIP says so, or that nobody may read.  What is too large goes to LARGE.  What a caller gets of
 * tables with filters, which are here with all that NODE wrote, tells sight.h. */
enum mantis_status feed_read (struct store *store, int64_t rev, size_t limit, size_t bytes,
                              const char *node,
                              bool (*skip) (void *context, const struct mantis_table *table),
                              void *context, struct mantis_arena *arena, struct large *large,
                              struct feed_page *page, struct mantis_error *error);

/* The rows of TABLE with the keys of ROWS as they are, missing ones as deletions, and so those that VIEWER does not
 * see: *COUNT of them, fewer when they
 * take *BYTES, which is what is left of them afterwards, or when some are too large. */
enum mantis_status feed_keys (const struct viewer *viewer, const struct mantis_table *table,
                              const mantis_row *rows, size_t *count, size_t *bytes,
                              struct mantis_arena *arena, struct large *large,
                              const struct mantis_change **changes, struct mantis_error *error);

/* A page of what VIEWER sees of TABLE in the order of keys, behind AFTER: LIMIT rows, or as many as take BYTES.  Where
 * rows are too large or not seen it goes on until there is one to tell, so that whoever asks comes further. */
enum mantis_status feed_table (const struct viewer *viewer, const struct mantis_table *table,
                               mantis_row after, size_t limit, size_t bytes,
                               struct mantis_arena *arena, struct large *large,
                               const struct mantis_change ***changes, size_t *count, bool *end,
                               struct mantis_error *error);

#endif
