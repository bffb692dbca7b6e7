/* needs.h - which rows of a changeset refer to which others, by foreign keys.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_NEEDS_H
#define MANTIS_NEEDS_H

#include "sync/apply.h"

struct needs {
  size_t count;
  const uint32_t *first, *of; /* item I needs the items of[first[I]] ... of[first[I + 1] - 1] */
  bool *hopeless;             /* cannot stand, as far as is known */
};

/* Of ITEMS, each refused on its own: hopeless are those that need none of the others, so that no other can
 * help, and those that need a hopeless one.  Deletions are left out: they need nothing and are not hopeless. */
enum mantis_status needs_find (struct apply_item *const *items, size_t count,
                               struct mantis_arena *arena, struct needs *needs,
                               struct mantis_error *error);

/* Fill PLACES with ITEM and all that it needs, and these need; how many.  0: one of them is hopeless. */
size_t needs_all_of (const struct needs *needs, size_t item, bool *seen, uint32_t *places);

#endif
