/* store.h - one session with the database, and what every part of the engine does with it.
 *
 * A store belongs to one thread at a time.  store_begin() attaches again when the schema has changed, so
 * that all that follows in the transaction works on tables as they are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_STORE_H
#define MANTIS_STORE_H

#include "model/internal.h"
#include "sync/report.h"

#include <jansson.h>

enum { NODE_LENGTH = 32, EPOCH_LENGTH = 16 };

struct hooks;
struct filters;

struct store {
  const struct mantis_storage *ops;
  void *self;
  enum mantis_role role;
  const char *const *patterns;            /* tables to sync, NULL: all */
  const struct mantis_table *const *kept; /* of plugins, ends with NULL; NULL: none */
  struct mantis_session *session;
  const struct mantis_schema *schema; /* as of the last attach */
  int64_t attached; /* counts attaches: what is derived from the schema goes with it */
  char node[NODE_LENGTH + 1];
  char epoch[EPOCH_LENGTH + 1]; /* server */
  int64_t floor, floor_time;    /* server: version of rows without an entry */
  int64_t generation;           /* server: counts changes of tables that clients have to hear of */
  int64_t
      begins; /* counts transactions: what was looked up in one need not be looked up again in it */
  struct {
    int64_t begins, pruned, pruned_time; /* see prune.h */
  } floors;
  struct {
    int64_t begins, until;
    const struct mantis_table *table;
  } unwatched; /* of detect.c */
  bool in_transaction;
  bool stale;              /* the schema has changed, and attaching again has not succeeded yet */
  int64_t begun_at;        /* monotonic microseconds */
  int64_t took;            /* milliseconds that the last committed transaction was open */
  struct hooks *hooks;     /* of the node; NULL: none */
  struct reports *reports; /* of the present transaction; NULL: nobody listens */
  struct filters *filters; /* server, the caller's: see filter.h; NULL: all is everybody's */
  json_t *hidden;          /* client: see hidden.h; NULL: none are */
};

/* Open a session and attach. */
enum mantis_status store_open (struct store *store, const struct mantis_storage *ops, void *self,
                               enum mantis_role role, const char *const *patterns,
                               struct mantis_error *error);
/* The same, with the tables KEPT (ends with NULL) made besides Mantis's own. */
enum mantis_status store_open_keeping (struct store *store, const struct mantis_storage *ops,
                                       void *self, enum mantis_role role,
                                       const char *const *patterns,
                                       const struct mantis_table *const *kept,
                                       struct mantis_error *error);
/* The same, with FILTERS (NULL: none). */
enum mantis_status store_open_filtered (struct store *store, const struct mantis_storage *ops,
                                        void *self, enum mantis_role role,
                                        const char *const *patterns,
                                        const struct mantis_table *const *kept,
                                        struct filters *filters, struct mantis_error *error);
/* The same, to look and change nothing: in a write transaction that store_close() rolls back, with all that attaching
 * did.  (Where the engine's schema is not transactional, what was missing of the capture is put back all the same.) */
enum mantis_status store_look (struct store *store, const struct mantis_storage *ops, void *self,
                               enum mantis_role role, const char *const *patterns,
                               const struct mantis_table *const *kept, struct filters *filters,
                               struct mantis_error *error);
void store_close (struct store *store);

enum mantis_status store_begin (struct store *store, enum mantis_mode mode,
                                struct mantis_error *error);
/* Of a server: and where another session has found another schema, or lost capture, this one has taken that in.  For
 * answers that tell of tables: with the number of how these are, they would tell how they were. */
enum mantis_status store_begin_fresh (struct store *store, enum mantis_mode mode,
                                      struct mantis_error *error);
enum mantis_status store_commit (struct store *store, struct mantis_error *error);
/* The end of a read transaction that has told somebody about the log: a storage may have given numbers in it,
 * and they stand from here on. */
enum mantis_status store_end (struct store *store, struct mantis_error *error);
void store_rollback (struct store *store); /* does nothing outside a transaction */

/* The table NAME, watched or not; NULL when there is none. */
const struct mantis_attached *store_table (const struct store *store, const char *name);

/* One row of one of Mantis's own tables, by the key set in KEY; *ROW is NULL when there is none. */
enum mantis_status store_get (struct store *store, const struct mantis_table *table, mantis_row key,
                              struct mantis_arena *arena, mantis_row *row,
                              struct mantis_error *error);
enum mantis_status store_put (struct store *store, const struct mantis_table *table, mantis_row row,
                              struct mantis_error *error);
enum mantis_status store_delete (struct store *store, const struct mantis_table *table,
                                 mantis_row key, struct mantis_error *error);
/* All rows of one of Mantis's own tables, in key order. */
enum mantis_status store_all (struct store *store, const struct mantis_table *table,
                              struct mantis_arena *arena, const mantis_row **rows, size_t *count,
                              struct mantis_error *error);

/* The same for a table that may be large: row by row, in little memory.  Rows may be removed meanwhile. */
struct walk {
  struct store *store;
  const struct mantis_table *table;
  struct mantis_arena
      *arenas[2]; /* of the last chunk, and of the one before: its last row is the bound */
  const mantis_row *rows;
  size_t count, next;
  bool end;
};
static inline struct walk
walk_of (struct store *store, const struct mantis_table *table)
{
  return (struct walk){.store = store, .table = table};
}
/* *ROW, valid until the next call, is NULL after the last one. */
enum mantis_status walk_next (struct walk *walk, mantis_row *row, struct mantis_error *error);
void walk_end (struct walk *walk);
#define CLEANUP_WALK __attribute__ ((cleanup (walk_end)))

/* A fact of __sync_meta; absent: NULL, FALLBACK. */
enum mantis_status store_meta_text (struct store *store, const char *name,
                                    struct mantis_arena *arena, const char **value,
                                    struct mantis_error *error);
enum mantis_status store_meta_integer (struct store *store, const char *name, int64_t fallback,
                                       int64_t *value, struct mantis_error *error);
/* The same of two at most, in one go; of one that is absent the value stays. */
enum mantis_status store_meta_integers (struct store *store, const char *const *names,
                                        int64_t *values, size_t count, struct mantis_error *error);
/* VALUE NULL: forget it. */
enum mantis_status store_put_meta_text (struct store *store, const char *name, const char *value,
                                        struct mantis_error *error);
enum mantis_status store_put_meta_integer (struct store *store, const char *name, int64_t value,
                                           struct mantis_error *error);

/* ---- Values of rows that Mantis makes itself ------------------------------------------------- */
static inline struct mantis_value
value_integer (int64_t integer)
{
  return (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = integer};
}
struct mantis_value value_text (const char *text); /* borrowed; NULL gives NULL */
static inline int64_t
value_as_integer (const struct mantis_value *value)
{
  return value->type == MANTIS_INTEGER ? value->as.integer : 0;
}
const char *value_as_text (const struct mantis_value *value); /* "" when it is not text */

#endif
