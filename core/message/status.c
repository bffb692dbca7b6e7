/* status.c - the message "status" of a server: its tables, its clients, how far each has come.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"
#include "wire/json.h"

#include <string.h>

static void
add_tables (struct server *server, struct store *store, struct mantis_buf *buf)
{
  mantis_buf_text (buf, ",\"tables\":[");
  for (size_t i = 0; i < store->schema->count; i++) {
    const struct mantis_table *table = store->schema->tables[i].table;
    mantis_buf_text (buf, i ? ",{\"table\":" : "{\"table\":");
    mantis_buf_json (buf, table->name, strlen (table->name));
    json_add_text (buf, "state", table->refusal ? "refused" : "live");
    json_add_text (buf, "reason", table->refusal);
    if (!table->refusal)
      json_add_text (buf, "policy", server->policy (server->policy_context, table->name)->name);
    mantis_buf_char (buf, '}');
  }
  mantis_buf_char (buf, ']');
}

static enum mantis_status
add_nodes (struct server *server, struct store *store, int64_t head, struct mantis_arena *arena,
           struct mantis_buf *buf, struct mantis_error *error)
{
  enum mantis_status status;
  const mantis_row *rows;
  size_t count = 0;

  status = store_all (store, &table_nodes, arena, &rows, &count, error);
  mantis_buf_text (buf, ",\"nodes\":[");
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    const char *node = value_as_text (&rows[i][NODE_ID]);
    int64_t rev = value_as_integer (&rows[i][NODE_REV]);
    int64_t at = value_as_integer (&rows[i][NODE_SEEN_AT]), pulled_at = 0;
    heard_find (&server->heard, node, &rev, &pulled_at);
    mantis_buf_printf (buf, "%s{\"node\":\"%s\"", i ? "," : "", node);
    json_add_text (buf, "subject", value_as_text (&rows[i][NODE_SUBJECT]));
    mantis_buf_printf (buf, ",\"batches\":%lld,\"seen_at\":%lld,\"behind\":%lld}",
                       (long long)value_as_integer (&rows[i][NODE_NUMBER]),
                       (long long)(pulled_at > at ? pulled_at : at),
                       (long long)(rev < head ? head - rev : 0));
  }
  mantis_buf_char (buf, ']');
  return status;
}

void
handle_status (struct server *server, struct store *store, const struct mantis_request *request,
               const struct mantis_principal *principal, struct reply *reply)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (server->limits.body_bytes);
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  enum mantis_status status = arena ? store_begin (store, MANTIS_READ, &error) : MANTIS_FAILED;
  int64_t head = 0, conflicts = 0;

  (void)request, (void)principal;
  if (status == MANTIS_OK)
    status = store->ops->log_head (store->session, &head, &error);
  if (status == MANTIS_OK)
    status = store_meta_integer (store, "conflicts", 0, &conflicts, &error);
  mantis_buf_printf (
      &reply->body,
      "{\"mode\":\"server\",\"node\":\"%s\",\"epoch\":\"%s\",\"head\":%lld,\"floor\":%lld,"
      "\"conflicts\":%lld,\"since\":%lld,\"clock\":%lld",
      store->node, store->epoch, (long long)head, (long long)store->floor, (long long)conflicts,
      (long long)server->started, (long long)mantis_now ());
  if (status == MANTIS_OK) {
    add_tables (server, store, &reply->body);
    status = add_nodes (server, store, head, arena, &reply->body, &error);
  }
  mantis_buf_char (&reply->body, '}');
  if (status != MANTIS_OK)
    reply_error (reply, &error);
  else
    reply_done (reply);
}
