/* phase.h - how far each table of a client is with its server.
 *
 *   first   rows of both sides have not met yet: pages of the server's table come in key order; rows that
 *           only we have are queued as new
 *   live    the feed keeps it up to date
 *   repair  what the feed would have told is lost (pruned cursor, other shape, new generation): the server's
 *           rows are right but for those with an unsent edit
 *   scan    writes of our own application may have gone unseen: what differs from the server at an equal
 *           cursor is such a write, and is queued
 *
 * A table that both sides do not shape alike is paused besides, until hello finds them equal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_PHASE_H
#define MANTIS_PHASE_H

#include "sync/cursor.h"

enum phase { PHASE_FIRST, PHASE_LIVE, PHASE_REPAIR, PHASE_SCAN };

const char *phase_name (enum phase phase);

/* One synced table of a client. */
struct table_state {
  const struct mantis_table *table;
  enum phase phase;
  char *loaded; /* key up to which reconciling has come, as JSON; NULL: from the start */
  int64_t generation;
  /* newest revision that arrived while it was live: up to there it is whole; 0: it never was */
  int64_t rev;
  int64_t last_push, last_pull;
  char *paused;   /* why, or NULL */
  char *happened; /* why writes here may have gone unseen, until it was compared; or NULL */
  int64_t happened_at;
  int64_t era; /* of its rows in __sync_base, see base.h; 0: none is kept */
  int64_t
      based;    /* the era in which each row was given one; with era 0: not 0 while some are left */
  char *filled; /* key up to which rows were given one, as JSON */
  /* What the server shows of the table has this number; 0: all of it, or the rows here were loaded from several views.
   * SHOWN is as the last hello said. */
  int64_t view, shown;
  bool missing; /* the server has no such table (yet) */
  bool differs; /* its columns there are others */
  bool changed; /* has to be written down */
};

struct phases {
  struct table_state *tables;
  size_t count;
  int64_t attached;             /* of the store that they were read from */
  char remote[NODE_LENGTH + 1]; /* the server's node id, "" before the first hello */
  /* The row '*': */
  char epoch[EPOCH_LENGTH + 1]; /* "" : no cursor yet */
  int64_t rev;
  char mark[MARK_LENGTH + 1];
  int64_t last_push, last_pull;
  char *detail; /* what failed last, or NULL */
  bool changed;
};

/* Read __sync_state for the tables of STORE, in a transaction.  Pauses are kept over a new attach. */
enum mantis_status phases_load (struct phases *phases, struct store *store,
                                struct mantis_error *error);
/* Write down what changed, in a write transaction; where that fails, phases_load() again. */
enum mantis_status phases_save (struct phases *phases, struct store *store,
                                struct mantis_error *error);
void phases_free (struct phases *phases);

/* How far the feed has been followed; epoch "": not at all. */
struct cursor phases_cursor (const struct phases *phases);
struct table_state *phase_of (struct phases *phases, const struct mantis_table *table);
struct table_state *phase_named (struct phases *phases, const char *name);
void phase_set (struct table_state *state, enum phase phase);
/* What is noted of the rows of STATE's table in __sync_base is no more true. */
void phase_forget_bases (struct table_state *state);
void phase_pause (struct table_state *state, const char *reason); /* NULL: no longer */
/* Do changes of this table go up? */
static inline bool
phase_pushes (const struct table_state *state)
{
  return state->phase == PHASE_LIVE && !state->paused && !state->missing;
}
static inline bool
phase_reconciles (const struct table_state *state)
{
  return state->phase != PHASE_LIVE && !state->paused && !state->missing;
}
void replace_text (char **text, const char *with);

#endif
