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
 *
 * APPLY_ALL: all together.  MANTIS_REFUSED: the database does not take one, or not all of them together; the
 * transaction has to be rolled back, and done again with APPLY_EACH.  That is the common case made cheap: a
 * savepoint costs a copy of every page that is written to.
 * APPLY_EACH: where one is refused, row by row, parents before children and again while that helps, so that just
 * those stay refused which cannot stand.  On return each item is done or has a refusal, in ARENA.
 * Any status but MANTIS_OK: the caller rolls back. */
enum apply_mode { APPLY_ALL, APPLY_EACH };

enum mantis_status apply_changes (struct store *store, enum apply_mode mode,
                                  struct apply_item *items, size_t count,
                                  struct mantis_arena *arena, struct mantis_error *error);

#endif
