/* filter.h - which rows and columns a caller may read and write: the chain of filters of each table.
 *
 * A session with the database has instances of its own, so that no two threads ask one, and prepares them whenever
 * it attaches.  Where a filter cannot tell, or does not fit its table, the answer is no.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_SYNC_FILTER_H
#define MANTIS_SYNC_FILTER_H

#include "base/map.h"
#include "plugin/plugin.h"
#include "sync/store.h"

#include <mantis/filter.h>

/* Where a configuration names a filter. */
struct filter_source {
  const char *file, *path;
  const char *use; /* as JSON: these, its plugin and its options */
};

/* The filters that a configuration names for one table. */
struct filter_chain {
  struct instance *const *instances;
  const struct filter_source *const *sources; /* of each; NULL: there is no configuration */
  size_t count;                               /* 0: everybody sees and writes all of it */
  uint64_t settings;                          /* another number for other settings */
};
typedef struct filter_chain (*filter_lookup) (void *context, const char *table);

/* A table with filters, as of the last attach. */
struct filtered {
  const struct mantis_table *table;
  struct filter_chain chain;
  uint64_t settings;                   /* of its chain, and of the columns that are remembered */
  const char *unfit;                   /* why nobody reads or writes it; NULL: it fits */
  const struct filter_source *culprit; /* of that; NULL: not known */
  bool hides;                          /* some filter knows columns */
  const char **uses; /* names of tables that rows are borrowed of, ends with NULL */
};

struct filters; /* of one store */

/* NULL: no memory.  To be freed after the store is closed. */
struct filters *filters_new (filter_lookup lookup, void *context);
void filters_free (struct filters *filters);

/* Around a storage's attach(): before, so that it asks which columns are remembered, and after it has given the
 * schema. */
void filters_before_attach (struct store *store);
enum mantis_status filters_after_attach (struct store *store, struct mantis_error *error);

/* In a transaction: would FILTERS, which no store has yet, fit the tables?  MANTIS_INVALID: not all, and nothing is closed.
 * A table that is closed already, and would have the same filters, is not asked for. */
enum mantis_status filters_try (struct filters *filters, const struct store *store,
                                struct mantis_error *error);

/* What a device is told of that: the rest may speak of the configuration. */
#define UNFIT "the server's filters do not fit this table: an administrator has to mend them"
/* Why nobody reads or writes TABLE, NULL: that depends. */
const char *filters_unfit (const struct store *store, const struct mantis_table *table);

/* The tables with filters: how many, the one at PLACE (NULL: no more), the place of one, and that of TABLE, which is
 * NULL where it has none. */
size_t filters_count (const struct store *store);
const struct filtered *filters_at (const struct store *store, size_t place);
size_t filters_place (const struct store *store, const struct filtered *filtered);
const struct filtered *filters_on (const struct store *store, const struct mantis_table *table);
/* Another number where callers who stay as they are may see something else; 0: nobody is kept from anything. */
int64_t filters_number (const struct store *store);

/* ---- Who asks -------------------------------------------------------------------------------- */

/* Rows of other tables that filters borrow, within one transaction; all viewers there may share it. */
struct lending {
  struct mantis_lender lender;
  struct store *store;
  const struct filtered *borrower;
  struct mantis_arena *arena;
  struct map rows; /* hash of table and key -> struct lent * */
};
void lending_begin (struct lending *lending, struct store *store);
/* What was written since is seen from here on. */
void lending_renew (struct lending *lending);
void lending_end (struct lending *lending);
#define CLEANUP_LENDING __attribute__ ((cleanup (lending_end)))

struct viewer {
  struct store *store;
  struct mantis_caller caller;
  struct lending *lending;
};
/* PRINCIPAL and NODE are borrowed. */
struct viewer viewer_of (struct lending *lending, const struct mantis_principal *principal,
                         const char *node);

/* The filters of TABLE for VIEWER; NULL: it sees and writes all. */
const struct filtered *viewer_filtered (const struct viewer *viewer,
                                        const struct mantis_table *table);
/* Callers with the same number see the same.  Never 0 where there are filters. */
int64_t viewer_view (const struct viewer *viewer);
int64_t filter_view (const struct filtered *filtered, const struct viewer *viewer);
/* Viewers with the same number are shown the same columns. */
uint64_t viewer_hidden (const struct viewer *viewer);

/* FILTERED may be NULL in all of these. */
bool filter_sees (const struct filtered *filtered, const struct viewer *viewer, mantis_row row);
bool filter_hides (const struct filtered *filtered, const struct viewer *viewer, size_t column);
/* The place in the chain of the first filter that says no; 0 where there is no chain, and its length where none does (and the table may
 * be unfit). */
size_t filter_refuser (const struct filtered *filtered, const struct viewer *viewer, mantis_row row);
size_t filter_hider (const struct filtered *filtered, const struct viewer *viewer, size_t column);
/* May VIEWER turn BEFORE (NULL: no such row), which it may see, into AFTER (NULL: deleted)?  When not, REASON and
 * who says so. */
bool filter_lets (const struct filtered *filtered, const struct viewer *viewer, mantis_row before,
                  mantis_row after, const char **by, struct mantis_error *reason);

/* ROW without the columns that VIEWER does not see: itself where there are none; NULL: no memory. */
mantis_row filter_blank (const struct filtered *filtered, const struct viewer *viewer,
                         mantis_row row, struct mantis_arena *arena);
/* TABLE as VIEWER sees it; NULL: no memory. */
const struct mantis_table *viewer_table (const struct viewer *viewer,
                                         const struct mantis_table *table,
                                         struct mantis_arena *arena);

#endif
