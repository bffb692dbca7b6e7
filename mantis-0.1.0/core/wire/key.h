/* key.h - a row's primary key: as text, as a hash, as a row.
 *
 * The text is a JSON array of the key's values in key order, lossless and readable: ["n1"], [42, "b"].
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_WIRE_KEY_H
#define MANTIS_WIRE_KEY_H

#include <jansson.h>
#include <mantis/change.h>

void key_encode (struct mantis_buf *buf, const struct mantis_table *table, mantis_row row);
/* The same, in ARENA; NULL when that is exhausted. */
char *key_text (struct mantis_arena *arena, const struct mantis_table *table, mantis_row row);

/* A row of TABLE with the key that JSON (an array) or TEXT says, all else MANTIS_NONE. */
enum mantis_status key_decode (const json_t *json, const struct mantis_table *table,
                               struct mantis_arena *arena, mantis_row *row,
                               struct mantis_error *error);
enum mantis_status key_parse (const char *text, const struct mantis_table *table,
                              struct mantis_arena *arena, mantis_row *row,
                              struct mantis_error *error);

/* A row with the given KEY values (key_count of them, borrowed). */
mantis_row key_row (const struct mantis_table *table, const struct mantis_value *key,
                    struct mantis_arena *arena);

/* Equal keys have equal hashes.  As for SQLite's unique indexes, 1 and 1.0 are one key. */
uint64_t value_hash (const struct mantis_value *value, uint64_t seed);
uint64_t key_hash (const struct mantis_table *table, mantis_row row);
bool key_equal (const struct mantis_table *table, mantis_row a, mantis_row b);
/* < 0: A comes first in SQLite's BINARY order (NULL, numbers, text, blobs). */
int key_compare (const struct mantis_table *table, mantis_row a, mantis_row b);
bool key_has_null (const struct mantis_table *table, mantis_row row);

#endif
