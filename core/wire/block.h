/* block.h - changes of one table as they travel.
 *
 *   {"table": "todos", "schema": "FINGERPRINT", "columns": ["id", "title"],
 *    "base": 41, "updated_at": 1763800000000,
 *    "meta": ["+updated_at"],
 *    "rows": [[1, "milk", 0], [2, "bread", 350]],
 *    "deleted": [[3, 500]]}
 *
 * A row lists the values of "columns", then those of "meta"; a deletion lists the key's values in key order,
 * then those of "meta".  What all rows share stands once in the block: updated_at, rev, base, created, seen.
 * A meta name with '+' is added to the block's value.  Meta may be left out: a person can write a block.  A
 * row of which neither base nor created is said counts as new.  In a push the meta "was" is an object with the values
 * that the changed columns had ({"title": "mlik"}), of a deletion all of them, or null.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_WIRE_BLOCK_H
#define MANTIS_WIRE_BLOCK_H

#include "wire/lists.h"

/* {"id": 1, "title": "milk"}: the columns that ROW carries. */
void row_encode (struct mantis_buf *buf, const struct mantis_table *table, mantis_row row);

enum block_content {
  BLOCK_PUSH = 1, /* updated_at, base, created, seen and the schema's fingerprint travel */
  BLOCK_PULL = 2  /* updated_at and rev travel, where they are known */
};

/* CHANGES as blocks, separated by commas.  Runs of one table make one block. */
void blocks_encode (struct mantis_buf *buf, const struct mantis_change *const *changes,
                    size_t count, enum block_content content);

/* What a block may speak of.  A name that FIND does not know: NULL, and *IGNORE tells whether the block is
 * skipped or refused. */
struct block_tables {
  const struct mantis_table *(*find) (void *context, const char *name, bool *ignore);
  void *context;
  /* The fingerprint that the sender knows TABLE by; NULL: its own. */
  const char *(*fingerprint) (void *context, const struct mantis_table *table);
};

struct block_changes {
  struct mantis_change *changes;
  size_t count;
};

/* Decode ARRAY (JSON path PATH, for errors), whose rows are in LISTS.  A change without a time of its own gets
 * NOW, all get ORIGIN.
 * MANTIS_STALE: a block says which table it means, and that one is not, or not any more, like it. */
enum mantis_status blocks_decode (const json_t *array, struct lists *lists, const char *path,
                                  const struct block_tables *tables, int64_t now,
                                  const char *origin, struct mantis_arena *arena,
                                  struct block_changes *out, struct mantis_error *error);

#endif
