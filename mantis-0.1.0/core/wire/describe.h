/* describe.h - a table's shape as JSON, and back: what "schema" answers and a client offers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_WIRE_DESCRIBE_H
#define MANTIS_WIRE_DESCRIBE_H

#include <jansson.h>
#include <mantis/change.h>

void table_encode (struct mantis_buf *buf, const struct mantis_table *table);

/* A description for storage->create(), in ARENA. */
enum mantis_status table_decode (const json_t *json, struct mantis_arena *arena,
                                 const struct mantis_table **table, struct mantis_error *error);

#endif
