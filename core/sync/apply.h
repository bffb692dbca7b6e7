/* apply.h - make many rows as changes say; one bad row blocks nobody.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_APPLY_H
#define MANTIS_APPLY_H

#include "sync/store.h"

struct apply_item {
  const struct mantis_change *change;
  bool done;
  const char *refusal; /* the database's reason, where it would not take the row */
};

/* In a write transaction: apply the changes of ITEMS that are not refused yet, of any tables, in any order.
 * First all together; where the database refuses one, row by row, parents before children and again while
 * that helps, so that just those stay refused which cannot stand.  On return each item is done or has a
 * refusal, in ARENA.  Any status but MANTIS_OK: the caller rolls back. */
enum mantis_status apply_changes (struct store *store, struct apply_item *items, size_t count,
                                  struct mantis_arena *arena, struct mantis_error *error);

#endif
