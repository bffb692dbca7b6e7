/* status.c - the message "status" of a server: its tables, its clients, how far each has come.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"
#include "sync/problem.h"
#include "sync/prune.h"
#include "wire/json.h"

#include <stdio.h>
#include <string.h>

/* Why nobody syncs TABLE, NULL: it is synced.  In what a filter does not fit is nothing for a device. */
static const char *
refusal_of (const struct store *store, const struct mantis_table *table, bool local)
{
  const char *unfit = filters_unfit (store, table);

  return table->refusal ? table->refusal : unfit && !local ? UNFIT : unfit;
}

static void
add_tables (struct server *server, struct store *store, bool local, struct mantis_buf *buf)
{
  mantis_buf_text (buf, ",\"tables\":[");
  for (size_t i = 0; i < store->schema->count; i++) {
    const struct mantis_table *table = store->schema->tables[i].table;
    mantis_buf_text (buf, i ? ",{\"table\":" : "{\"table\":");
    mantis_buf_json (buf, table->name, strlen (table->name));
    const char *refusal = refusal_of (store, table, local);
    json_add_text (buf, "state", refusal ? "refused" : "live");
    json_add_text (buf, "reason", refusal);
    if (!refusal)
      json_add_text (buf, "policy", server->policy (server->policy_context, table->name)->name);
    mantis_buf_char (buf, '}');
  }
  mantis_buf_char (buf, ']');
}

static void
add_nodes (struct server *server, const mantis_row *rows, size_t count, int64_t head, int64_t floor,
           struct mantis_buf *buf)
{
  mantis_buf_text (buf, ",\"nodes\":[");
  for (size_t i = 0; i < count; i++) {
    mantis_buf_text (buf, i ? "," : "");
    node_add (server, rows[i], head, floor, buf);
  }
  mantis_buf_char (buf, ']');
}

/* Where the database is, who Mantis is there and what he lacks is nothing for a device. */
#define TROUBLE "the server's database has a problem, which mantisctl status says on that machine"

/* ---- Problems -------------------------------------------------------------------------------- */

/* A table in which writes went unseen is healed when all devices compare theirs with it: a hello tells them so.
 * One that has been away for longer than the retention compares all its tables anyway. */
static void
add_incident (struct server *server, const struct mantis_value *state, const mantis_row *nodes,
              size_t count, struct mantis_buf *buf)
{
  const int64_t oldest = mantis_now () - server->retention;
  char next[120];
  size_t all = 0, behind = 0;

  if (state[STATE_HAPPENED].type != MANTIS_TEXT)
    return;
  for (size_t i = 0; i < count; i++) {
    int64_t at = value_as_integer (&nodes[i][NODE_SEEN_AT]), rev, pulled_at = 0;
    heard_find (&server->heard, value_as_text (&nodes[i][NODE_ID]), &rev, &pulled_at);
    if (value_as_integer (&nodes[i][NODE_DISABLED]) || (at < oldest && pulled_at < oldest))
      continue;
    all++;
    behind +=
        value_as_integer (&nodes[i][NODE_GENERATION]) < value_as_integer (&state[STATE_GENERATION]);
  }
  if (!behind)
    return;
  snprintf (next, sizeof next,
            "it is captured again; %zu of %zu devices %s yet to be told to compare it", behind, all,
            behind == 1 ? "has" : "have");
  problem_add (buf, value_as_text (&state[STATE_TBL]), value_as_text (&state[STATE_HAPPENED]),
               value_as_integer (&state[STATE_HAPPENED_AT]), next);
}

static enum mantis_status
add_problems (struct server *server, struct store *store, const mantis_row *nodes, size_t count,
              bool local, struct mantis_arena *arena, struct mantis_buf *buf,
              struct mantis_error *error)
{
  const mantis_row *states;
  size_t state_count = 0;
  enum mantis_status status = store_all (store, &table_state, arena, &states, &state_count, error);

  mantis_buf_text (buf, ",\"problems\":[");
  problem_add_trouble (buf, store->ops, store->self, local ? NULL : TROUBLE);
  for (size_t i = 0; i < state_count && status == MANTIS_OK; i++)
    if (store_table (store, value_as_text (&states[i][STATE_TBL])))
      add_incident (server, states[i], nodes, count, buf);
  mantis_buf_char (buf, ']');
  return status;
}

/* ---- The message ----------------------------------------------------------------------------- */

/* What is in the database; in a read transaction. */
static enum mantis_status
add_all (struct server *server, struct store *store, bool local, struct mantis_arena *arena,
         struct mantis_buf *buf, struct mantis_error *error)
{
  int64_t head = 0, floor = 0, conflicts = 0;
  const mantis_row *nodes;
  size_t count = 0;
  enum mantis_status status = store->ops->log_head (store->session, &head, error);

  if (status == MANTIS_OK)
    status = prune_floor (store, &floor, NULL, error);
  if (status == MANTIS_OK)
    status = store_meta_integer (store, "conflicts", 0, &conflicts, error);
  if (status == MANTIS_OK)
    status = store_all (store, &table_nodes, arena, &nodes, &count, error);
  if (status != MANTIS_OK)
    return status;
  mantis_buf_printf (buf, ",\"head\":%lld,\"floor\":%lld,\"conflicts\":%lld", (long long)head,
                     (long long)floor, (long long)conflicts);
  add_tables (server, store, local, buf);
  add_nodes (server, nodes, count, head, floor, buf);
  return add_problems (server, store, nodes, count, local, arena, buf, error);
}

/* While the database cannot be used: why. */
static void
add_why (const struct mantis_storage *ops, void *self, bool local, const struct mantis_error *why,
         struct mantis_buf *buf)
{
  mantis_buf_text (buf, ",\"nodes\":[],\"problems\":[");
  problem_add_trouble (buf, ops, self, local ? NULL : TROUBLE);
  if (buf->length && buf->bytes[buf->length - 1] == '[')
    problem_add (buf, NULL, local ? why->text : TROUBLE, mantis_now (), NULL);
  mantis_buf_char (buf, ']');
}

void
status_without (struct server *server, const struct mantis_storage *ops, void *self,
                const struct mantis_error *why, struct reply *reply)
{
  mantis_buf_printf (&reply->body,
                     "{\"mode\":\"server\",\"since\":%lld,\"clock\":%lld,\"tables\":[]",
                     (long long)server->started, (long long)mantis_now ());
  add_why (ops, self, true, why, &reply->body);
  mantis_buf_char (&reply->body, '}');
  reply_done (reply);
}

void
handle_status (struct server *server, struct store *store, const struct mantis_request *request,
               const struct mantis_principal *principal, struct reply *reply)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (server->limits.body_bytes);
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  enum mantis_status status = arena ? store_begin (store, MANTIS_READ, &error) : MANTIS_FAILED;

  (void)request;
  mantis_buf_printf (&reply->body,
                     "{\"mode\":\"server\",\"node\":\"%s\",\"epoch\":\"%s\","
                     "\"since\":%lld,\"clock\":%lld",
                     store->node, store->epoch, (long long)server->started,
                     (long long)mantis_now ());
  if (status == MANTIS_OK)
    status = add_all (server, store, principal->local, arena, &reply->body, &error);
  else if (store->schema) {
    add_tables (server, store, principal->local, &reply->body);
    add_why (store->ops, store->self, principal->local, &error, &reply->body);
    status = MANTIS_OK;
  }
  mantis_buf_char (&reply->body, '}');
  if (status != MANTIS_OK)
    reply_error (reply, &error);
  else
    reply_done (reply);
}
