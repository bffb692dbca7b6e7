/* conflict.h - what lost is kept: rows of __sync_conflicts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_CONFLICT_H
#define MANTIS_CONFLICT_H

#include "sync/store.h"
#include "wire/block.h"

#include <jansson.h>

struct conflict {
  const struct mantis_table *table;
  mantis_row key;
  const char *outcome; /* superseded, merged, deferred, rejected: the change lost; beaten: it won */
  const char *reason;
  const char *node; /* whose version lost, NULL: the database's own side */
  mantis_row loser; /* NULL: a deletion */
  int64_t loser_time;
  mantis_row winner; /* NULL: a deletion, or no such row */
  int64_t winner_time;
  const char *winner_origin;
  int64_t base, rev;
  mantis_row base_row;    /* that the loser was made of; NULL: not known */
  const char *stamps;     /* of the server's row, by column, as JSON; NULL: not known */
  mantis_row stands;      /* a third row; NULL: the winner stands, or no row */
  int64_t sent_time;      /* of the change, as the resolver saw it; 0: not known */
  const char *decided_by; /* name of the resolver, or "database" */
};

/* Write it down, in a write transaction; it gets the next id.  On a server one that is deferred is open: a further
 * one of the same node and row takes its place, under its id, and what that one was is a closed record of its own. */
enum mantis_status conflict_keep (struct store *store, const struct conflict *conflict,
                                  struct mantis_error *error);
/* In a write transaction: that of NODE about the row with KEY waits no more.  The record itself stays as it is. */
enum mantis_status conflict_close (struct store *store, const struct mantis_table *table,
                                   mantis_row key, const char *node, struct mantis_error *error);

/* What row_encode() writes, and back; columns that TABLE lacks are left out. */
enum mantis_status row_decode (const json_t *json, const struct mantis_table *table,
                               struct mantis_arena *arena, mantis_row *row,
                               struct mantis_error *error);

#endif
