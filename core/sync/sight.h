/* sight.h - what of a page of changes one caller gets.
 *
 * A page is read once for all that ask the same.  Of a table with filters it tells besides what each key was before:
 * so whoever held the row hears that it is gone, and nobody else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_SIGHT_H
#define MANTIS_SIGHT_H

#include "sync/feed.h"

enum verdict { VERDICT_NOTHING, VERDICT_ROW, VERDICT_GONE };

struct sight {
  unsigned char *verdicts; /* of each change of the page */
  size_t count;            /* that are told */
  bool *compares;          /* of each table with filters: the viewer has to compare it */
  size_t compare_count;    /* so many */
  uint64_t hash;           /* the same for those that get the same */
};

/* What VIEWER gets of PAGE; NODE: without what that one wrote verbatim, NULL: with all. */
enum mantis_status sight_look (const struct feed_page *page, const struct viewer *viewer,
                               const char *node, struct mantis_arena *arena, struct sight *sight,
                               struct mantis_error *error);
/* The changes that SIGHT tells, sight->count of them. */
enum mantis_status sight_take (const struct feed_page *page, const struct viewer *viewer,
                               const struct sight *sight, struct mantis_arena *arena,
                               const struct mantis_change ***changes, struct mantis_error *error);
/* ,"compare":[...]: names of the tables that have to be compared; nothing where there are none. */
void sight_add_compares (const struct sight *sight, const struct store *store,
                         struct mantis_buf *buf);

#endif
