/* problem.h - what keeps writes from being captured, or kept them, until it is healed; for the status.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_PROBLEM_H
#define MANTIS_PROBLEM_H

#include "sync/store.h"

/* One more in the array that BUF ends with.  TABLE: NULL where it is about all of them.  WHAT happened, SINCE when
 * (milliseconds since 1970), what comes NEXT (NULL: WHAT says it). */
void problem_add (struct mantis_buf *buf, const char *table, const char *what, int64_t since,
                  const char *next);
/* What the storage itself cannot heal; in WORDS, where its own (NULL) are not for who asks. */
void problem_add_trouble (struct mantis_buf *buf, const struct mantis_storage *ops, void *self,
                          const char *words);

#endif
