/* digest.h - checksums of key ranges: what is equal on both sides need not travel.
 *
 * The checksum of a row does not depend on the order of its columns: for each column that is not generated,
 * XXH64 of the value as JSON with XXH64 of the column's name as seed, added up; then XXH64 of that number
 * (8 bytes, little endian).  A range's is the sum of its rows', modulo 2^64.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DIGEST_H
#define MANTIS_DIGEST_H

#include "sync/filter.h"

#include <jansson.h>

/* What a client knows: its rows after some key, range by range, as the member "known" of a load request:
 *   [{"to": [17], "rows": 500, "sum": "9f86d081884c7d65"}, ...]
 * In a transaction.  Adds nothing where there are no rows. */
enum mantis_status digest_add (struct store *store, const struct mantis_table *table,
                               mantis_row after, struct mantis_buf *buf,
                               struct mantis_error *error);

/* How far KNOWN agrees with the rows here that VIEWER sees: *REACHED is the end of the last equal range (AFTER when none is). */
enum mantis_status digest_compare (const struct viewer *viewer, const struct mantis_table *table,
                                   mantis_row after, const json_t *known,
                                   struct mantis_arena *arena, mantis_row *reached,
                                   struct mantis_error *error);

#endif
