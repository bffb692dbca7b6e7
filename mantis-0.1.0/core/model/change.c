/* change.c - who comes later?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/change.h>

#include <string.h>

int
mantis_change_order (const struct mantis_change *a, const struct mantis_change *b)
{
  if (a->updated_at != b->updated_at)
    return a->updated_at < b->updated_at ? -1 : 1;
  return strcmp (a->origin ? a->origin : "", b->origin ? b->origin : "");
}
