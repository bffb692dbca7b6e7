/* seen.h - what a caller sees of a table and may do to it, and which filter says so.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_SEEN_H
#define MANTIS_DAEMON_SEEN_H

#include "sync/filter.h"

#include <jansson.h>

/* Members of an object, each with a comma before it.  A filter is told by its place among those of the table, from 0. */

/* "filters": where the configuration names them; "unfit": why nobody may do anything; "columns": for each who hides it, null: nobody. */
void seen_columns (const struct viewer *viewer, const struct mantis_table *table,
                   struct mantis_buf *buf);

/* "rows": how many there are after the key AFTER (NULL: from the first), as far as one look goes; "seen": of those;
 * "hidden_by": how many each filter hides, the first that does; "keys": of the first KEYS that are seen; "after", "end". */
enum mantis_status seen_rows (const struct viewer *viewer, const struct mantis_table *table,
                              const json_t *after, size_t keys, struct mantis_arena *arena,
                              struct mantis_buf *buf, struct mantis_error *error);

/* "row": {"there", "seen", "hidden_by", "removes", "writes": {COLUMN: why not, or null}} of the row with the key KEY.  Whether
 * a column may be written is tried with another value of it. */
enum mantis_status seen_row (const struct viewer *viewer, const struct mantis_table *table,
                             const json_t *key, struct mantis_arena *arena, struct mantis_buf *buf,
                             struct mantis_error *error);

#endif
