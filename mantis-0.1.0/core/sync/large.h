/* large.h - rows of a server that no message can carry: they are left out of what is told, and named.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_LARGE_H
#define MANTIS_LARGE_H

#include "sync/store.h"

struct large {
  size_t limit;           /* of a row as JSON, bytes; 0: none */
  struct mantis_buf told; /* {"table":..,"key":[..],"rev":N,"bytes":N}, separated by commas */
};

/* Did the storage leave out what is not ROW's key?  See limit_rows() in mantis/storage.h. */
bool row_is_cut (const struct mantis_table *table, mantis_row row);
/* Bytes of ROW's values, about. */
size_t row_bytes (const struct mantis_table *table, mantis_row row);

/* Is ROW too large to be sent?  *BYTES is what it takes, about. */
bool large_is (const struct large *large, const struct mantis_table *table, mantis_row row,
               size_t *bytes);
/* In a transaction of STORE: name ROW; REV is that of its current version, 0: look it up. */
enum mantis_status large_tell (struct large *large, struct store *store,
                               const struct mantis_table *table, mantis_row row, int64_t rev,
                               size_t bytes, struct mantis_error *error);

#endif
