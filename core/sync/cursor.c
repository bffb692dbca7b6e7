/* cursor.c - a place in a server's log, in messages.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/cursor.h"

#include "wire/json.h"

#include <stdio.h>
#include <string.h>

enum mantis_status
cursor_read (const json_t *json, const char *name, struct cursor *cursor, bool *there,
             struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *member = json_get_object (json, name, &status, error);

  *there = member != NULL;
  *cursor = (struct cursor){.rev = 0};
  if (!member && status == MANTIS_OK)
    return MANTIS_OK;
  *cursor = (struct cursor){.rev = json_get_integer (member, "rev", 0, &status, error)};
  snprintf (cursor->epoch, sizeof cursor->epoch, "%s",
            json_get_text (member, "epoch", "", &status, error));
  snprintf (cursor->mark, sizeof cursor->mark, "%s",
            json_get_text (member, "mark", "", &status, error));
  return status == MANTIS_OK ? MANTIS_OK : mantis_fail_in (error, "$.%s", name);
}

void
cursor_add (struct mantis_buf *buf, const char *name, const struct cursor *cursor)
{
  mantis_buf_printf (buf, "\"%s\":{\"epoch\":\"%s\",\"rev\":%lld,\"mark\":\"%s\"}", name,
                     cursor->epoch, (long long)cursor->rev, cursor->mark);
}

bool
cursor_same (const struct cursor *a, const struct cursor *b)
{
  return a->rev == b->rev && strcmp (a->epoch, b->epoch) == 0 && strcmp (a->mark, b->mark) == 0;
}
