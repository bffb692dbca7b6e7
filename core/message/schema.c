/* schema.c - the message "schema": the shape of every synced table.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"
#include "sync/filter.h"
#include "wire/describe.h"

#include <string.h>

static enum mantis_status
add_tables (const struct viewer *viewer, struct mantis_arena *arena, struct mantis_buf *buf,
            struct mantis_error *error)
{
  const struct mantis_schema *schema = viewer->store->schema;
  const char *comma = "";

  for (size_t i = 0; i < schema->count; i++) {
    const struct mantis_table *table = schema->tables[i].table;
    if (table->refusal || filters_unfit (viewer->store, table))
      continue;
    if (!(table = viewer_table (viewer, table, arena)))
      return mantis_fail (error, MANTIS_FULL, "no memory for the answer");
    mantis_buf_text (buf, comma);
    table_encode (buf, table);
    comma = ",";
  }
  return MANTIS_OK;
}

void
handle_schema (struct server *server, struct store *store, const struct mantis_request *request,
               const struct mantis_principal *principal, struct reply *reply)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (server->limits.body_bytes);
  CLEANUP_LENDING struct lending lending;
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  enum mantis_status status =
      arena ? store_begin_fresh (store, MANTIS_READ, &error) : MANTIS_FAILED;
  const char *comma = "";
  struct viewer viewer;

  lending_begin (&lending, store);
  viewer = viewer_of (&lending, principal, request->node ? request->node : "");
  mantis_buf_text (&reply->body, "{\"tables\":[");
  if (status == MANTIS_OK)
    status = add_tables (&viewer, arena, &reply->body, &error);
  if (status != MANTIS_OK) {
    reply_error (reply, &error);
    return;
  }
  mantis_buf_text (&reply->body, "],\"policies\":{");
  comma = "";
  for (size_t i = 0; i < store->schema->count; i++) {
    const struct mantis_table *table = store->schema->tables[i].table;
    const char *policy;
    if (table->refusal || filters_unfit (store, table))
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
