/* mantis/filter.h - which rows and columns a principal may read and write.
 *
 * Asked on a worker thread of the server alone, for each row that travels.  The answer comes from the arguments
 * alone (no clock, no chance, no database but what the caller's lender lends): whether a device holds a row is
 * worked out again later from the row as it was.  Several filters on one table must all agree.
 *
 * A filter that cannot tell (its expression overflows, a claim is of the wrong type) says no.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_FILTER_H
#define MANTIS_FILTER_H

#include <mantis/auth.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MANTIS_FILTER_ABI 1u

/* Rows of the tables that a filter uses besides its own, for the time of one call. */
struct mantis_lender {
  size_t size;
  /* The row of TABLE, one of those that uses() names, with the primary key of KEY (a row of which only the key columns
   * are looked at).  *ROW is NULL when there is none, and lives until the call that it was lent for ends. */
  enum mantis_status (*row) (const struct mantis_lender *lender, const struct mantis_table *table,
                             mantis_row key, mantis_row *row, struct mantis_error *error);
  /* The table called NAME, NULL: it is not lent. */
  const struct mantis_table *(*table) (const struct mantis_lender *lender, const char *name);
};

/* Who wants to read or write. */
struct mantis_caller {
  size_t size;
  const struct mantis_principal *principal;
  const char *node; /* id of its node; of a caller without one, a name made of its subject */
  const struct mantis_lender *lender; /* NULL: nothing is lent, as uses() names nothing */
};

struct mantis_filter {
  size_t size; /* new callbacks go at the end */

  /* May PRINCIPAL see ROW of TABLE? */
  bool (*reads) (void *self, const struct mantis_principal *principal,
                 const struct mantis_table *table, mantis_row row);

  /* May PRINCIPAL turn BEFORE (NULL: no such row) into AFTER (NULL: deleted)?  When not, REASON. */
  bool (*writes) (void *self, const struct mantis_principal *principal,
                  const struct mantis_table *table, mantis_row before, mantis_row after,
                  struct mantis_error *reason);

  /* May PRINCIPAL see the column?  NULL: all of them. */
  bool (*column) (void *self, const struct mantis_principal *principal,
                  const struct mantis_table *table, size_t column);

  /* ---- For filters that want to know more; each may be NULL ---- */

  /* Before the first question about TABLE, and again when its shape has changed, or that of a table that uses() names;
   * never while another thread is in a call of this use.  LENDER knows those tables and lends no rows yet.  LOOKS has
   * column_count places, all false: set those of the columns that reads() or sees() looks at.  Their earlier values are
   * kept beside each change for as long as the log is, and ROW is given with them alone when it is asked what a device
   * held.  Anything but MANTIS_OK: this table does not fit (a column that there is not); nobody reads or writes it until
   * it does, and ERROR is told.  NULL: it looks at all columns. */
  enum mantis_status (*prepare) (void *self, const struct mantis_table *table,
                                 const struct mantis_lender *lender, bool *looks,
                                 struct mantis_error *error);

  /* Add to VIEW all that reads(), sees() and column() take from the caller: callers with the same view get the same
   * answers.  When it becomes another one, its device compares the table.  NULL: subject, claims and node. */
  void (*view) (void *self, const struct mantis_caller *caller, struct mantis_buf *view);

  /* Names of the tables that sees() and lets() borrow rows of, ends with NULL.  When one of them changes, the rows of
   * the filtered table are looked at again. */
  const char *const *(*uses) (void *self);

  /* Asked in the place of reads(). */
  bool (*sees) (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
                mantis_row row);

  /* Asked in the place of writes(): may the caller, who may see BEFORE, turn it (NULL: no such row) into AFTER (NULL:
   * deleted)?  When not, REASON, which the caller is told: it names a column, and no other row.  */
  bool (*lets) (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
                mantis_row before, mantis_row after, struct mantis_error *reason);
};

#define MANTIS_FILTER_PLUGIN(name, ops, ...)                                                       \
  MANTIS_PLUGIN (name, MANTIS_KIND_FILTER, MANTIS_FILTER_ABI, ops, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
