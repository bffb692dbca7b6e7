/* problem.c - what keeps writes from being captured, or kept them, until it is healed; for the status.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/problem.h"

#include "base/base.h"
#include "wire/json.h"

void
problem_add (struct mantis_buf *buf, const char *table, const char *what, int64_t since,
             const char *next)
{
  if (buf->length && buf->bytes[buf->length - 1] == '}')
    mantis_buf_char (buf, ',');
  mantis_buf_printf (buf, "{\"since\":%lld", (long long)since);
  json_add_text (buf, "table", table);
  json_add_text (buf, "what", what);
  json_add_text (buf, "next", next);
  mantis_buf_char (buf, '}');
}

void
problem_add_trouble (struct mantis_buf *buf, const struct mantis_storage *ops, void *self,
                     const char *words)
{
  CLEANUP_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  int64_t since;

  if (ops->trouble && ops->trouble (self, &text, &since) && text.bytes)
    problem_add (buf, NULL, words ? words : text.bytes, since, NULL);
}
