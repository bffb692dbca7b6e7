/* mantis/filter.h - which rows and columns a principal may read and write.
 *
 * Asked on a worker thread of the server, for each row that travels.  The answer comes from the arguments
 * alone.  Several filters on one table must all agree.
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

struct mantis_filter {
  size_t size;

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
};

#define MANTIS_FILTER_PLUGIN(name, ops, ...)                                                       \
  MANTIS_PLUGIN (name, MANTIS_KIND_FILTER, MANTIS_FILTER_ABI, ops, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
