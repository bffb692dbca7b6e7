/* schema.c - the message "schema": the shape of every synced table.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "message/message.h"
#include "wire/describe.h"

#include <string.h>

void
handle_schema (struct server *server, struct store *store, const struct mantis_request *request,
               const struct mantis_principal *principal, struct reply *reply)
{
  struct mantis_error error;
  const char *comma = "";

  (void)request, (void)principal;
  if (store_begin (store, MANTIS_READ, &error) != MANTIS_OK) {
    reply_error (reply, &error);
    return;
  }
  mantis_buf_text (&reply->body, "{\"tables\":[");
  for (size_t i = 0; i < store->schema->count; i++) {
    const struct mantis_table *table = store->schema->tables[i].table;
    if (table->refusal)
      continue;
    mantis_buf_text (&reply->body, comma);
    table_encode (&reply->body, table);
    comma = ",";
  }
  mantis_buf_text (&reply->body, "],\"policies\":{");
  comma = "";
  for (size_t i = 0; i < store->schema->count; i++) {
    const struct mantis_table *table = store->schema->tables[i].table;
    const char *policy;
    if (table->refusal)
      continue;
    policy = server->policy (server->policy_context, table->name)->name;
    mantis_buf_text (&reply->body, comma);
    mantis_buf_json (&reply->body, table->name, strlen (table->name));
    mantis_buf_char (&reply->body, ':');
    mantis_buf_json (&reply->body, policy, strlen (policy));
    comma = ",";
  }
  mantis_buf_text (&reply->body, "}}");
  reply_done (reply);
}
