/* keep.h - behind mantis/keep.h: a session with the database, lent to a plugin for one call.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_SYNC_KEEP_H
#define MANTIS_SYNC_KEEP_H

#include "sync/store.h"

#include <mantis/keep.h>

struct mantis_keep {
  struct store *store;
  const struct mantis_table *const *tables; /* the plugin's, ends with NULL */
  /* Asked before each commit, in its transaction; NULL: nothing. */
  enum mantis_status (*committing) (struct store *store, struct mantis_error *error);
};

/* Is TABLE one that can be kept? */
enum mantis_status keep_check (const struct mantis_table *table, struct mantis_error *error);

#endif
