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

/* What problems ask of the nodes: their rows hold what they were answered last, which may be large. */
struct met {
  struct mantis_arena *arena;
  struct met_node {
    const char *id;
    int64_t seen_at, generation;
    bool disabled;
  } * nodes;
  size_t count, room;
};

static bool
meet (struct met *met, mantis_row row)
{
  struct met_node *more;

  if (met->count == met->room) {
    met->room = met->room ? met->room * 2 : 64;
    if (!(more = arena_array (met->arena, met->room, sizeof *more)))
      return false;
    if (met->count)
      memcpy (more, met->nodes, met->count * sizeof *more);
    met->nodes = more;
  }
  met->nodes[met->count] =
      (struct met_node){.id = mantis_arena_strdup (met->arena, value_as_text (&row[NODE_ID])),
                        .seen_at = value_as_integer (&row[NODE_SEEN_AT]),
                        .generation = value_as_integer (&row[NODE_GENERATION]),
                        .disabled = value_as_integer (&row[NODE_DISABLED])};
  return met->nodes[met->count++].id;
}

static enum mantis_status
add_nodes (struct server *server, struct store *store, int64_t head, int64_t floor, struct met *met,
           struct mantis_buf *buf, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (store, &table_nodes);
  enum mantis_status status;
  mantis_row row;

  mantis_buf_text (buf, ",\"nodes\":[");
  while ((status = walk_next (&walk, &row, error)) == MANTIS_OK && row) {
    mantis_buf_text (buf, met->count ? "," : "");
    node_add (server, row, head, floor, buf);
    if (!meet (met, row))
      return mantis_fail (error, MANTIS_FULL, "no memory for the list of nodes");
  }
  mantis_buf_char (buf, ']');
  return status;
}

/* Where the database is, who Mantis is there and what he lacks is nothing for a device. */
#define TROUBLE "the server's database has a problem, which mantisctl status says on that machine"

/* ---- Problems -------------------------------------------------------------------------------- */

/* A table in which writes went unseen is healed when all devices compare theirs with it: a hello tells them so.
 * One that has been away for longer than the retention compares all its tables anyway. */
static void
add_incident (struct server *server, const struct mantis_value *state, const struct met *met,
              struct mantis_buf *buf)
{
  const int64_t oldest = mantis_now () - server->retention;
  char next[120];
  size_t all = 0, behind = 0;

  if (state[STATE_HAPPENED].type != MANTIS_TEXT)
    return;
  for (size_t i = 0; i < met->count; i++) {
    const struct met_node *node = &met->nodes[i];
    int64_t rev, pulled_at = 0;
    heard_find (&server->heard, node->id, &rev, &pulled_at);
    if (node->disabled || (node->seen_at < oldest && pulled_at < oldest))
      continue;
    all++;
    behind += node->generation < value_as_integer (&state[STATE_GENERATION]);
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
add_problems (struct server *server, struct store *store, const struct met *met, bool local,
              struct mantis_buf *buf, struct mantis_error *error)
{
  const mantis_row *states;
  size_t state_count = 0;
  enum mantis_status status =
      store_all (store, &table_state, met->arena, &states, &state_count, error);

  mantis_buf_text (buf, ",\"problems\":[");
  problem_add_trouble (buf, store->ops, store->self, local ? NULL : TROUBLE);
  for (size_t i = 0; i < state_count && status == MANTIS_OK; i++)
    if (store_table (store, value_as_text (&states[i][STATE_TBL])))
      add_incident (server, states[i], met, buf);
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
  struct met met = {.arena = arena};
  enum mantis_status status = store->ops->log_head (store->session, &head, error);

  if (status == MANTIS_OK)
    status = prune_floor (store, &floor, NULL, error);
  if (status == MANTIS_OK)
    status = store_meta_integer (store, "conflicts", 0, &conflicts, error);
  if (status != MANTIS_OK)
    return status;
  mantis_buf_printf (buf, ",\"head\":%lld,\"floor\":%lld,\"conflicts\":%lld", (long long)head,
                     (long long)floor, (long long)conflicts);
  add_tables (server, store, local, buf);
  status = add_nodes (server, store, head, floor, &met, buf, error);
  return status == MANTIS_OK ? add_problems (server, store, &met, local, buf, error) : status;
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
