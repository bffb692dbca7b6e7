/* created.c - when was a table made?
 *
 * The nodes of a cluster do not say the same of one table, and none knows what another would say.  So each is
 * remembered for itself: NODE=STAMP;NODE=STAMP, two hashes of eight digits; mostly there is one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <string.h>

enum { NODE = 9, STAMP = NODE + 8, LONGEST = 255 };

/* What the node of NOW said when it was asked before; NULL: it was not. */
static const char *
said_before (const char *list, const char *now)
{
  while (list && strncmp (list, now, NODE) != 0)
    if ((list = strchr (list, ';')))
      list++;
  return list;
}

bool
created_differs (const char *list, const char *now)
{
  const char *before = said_before (list, now);

  return before && strncmp (before, now, STAMP) != 0;
}

const char *
created_join (const char *list, const char *now, struct mantis_arena *arena)
{
  AUTO_BUF struct mantis_buf longer = MANTIS_BUF_INIT;
  size_t length = strlen (list);

  if (created_differs (list, now) || length < STAMP || list[NODE - 1] != '=')
    return now; /* what has changed on one node has changed on all */
  if (said_before (list, now))
    return list;
  if (length + 1 + STAMP > LONGEST)
    return now;
  mantis_buf_printf (&longer, "%s;%s", list, now);
  return longer.failed ? NULL : mantis_arena_copy (arena, longer.bytes, longer.length);
}
