/* look.c - what mantisctl replay asks of a server: it looks, and changes nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "wire/describe.h"

#include <string.h>

bool
order_is_look (const char *message)
{
  return strcmp (message, "replay") == 0;
}

/* What it takes to decide a recorded conflict anew, beside its record. */
static void
add_tables (const struct store *store, struct mantis_buf *buf)
{
  const char *comma = "";

  mantis_buf_printf (buf, "{\"node\":\"%s\",\"tables\":[", store->node);
  for (size_t i = 0; i < store->schema->count; i++) {
    const struct mantis_table *table = store->schema->tables[i].table;
    if (table->refusal)
      continue;
    mantis_buf_text (buf, comma);
    table_encode (buf, table);
    comma = ",";
  }
  mantis_buf_text (buf, "],\"page\":");
}

enum mantis_status
order_look (struct store *store, const char *argument, struct mantis_buf *buf,
            struct mantis_error *error)
{
  enum mantis_status status;

  add_tables (store, buf);
  status = conflicts_list (store, argument, buf, error);
  mantis_buf_char (buf, '}');
  return status;
}
