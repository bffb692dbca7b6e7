/* client.c - a client's life, its transactions and its status.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/problem.h"
#include "sync/receive.h"
#include "base/base.h"
#include "wire/json.h"
#include "wire/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- State ----------------------------------------------------------------------------------- */

static enum mantis_status
load_flight (struct client *client, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status;
  const char *text, *nonce;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if ((status = store_meta_integer (client->store, "number", 0, &client->number, error)) !=
          MANTIS_OK ||
      (status = store_meta_text (client->store, "nonce", arena, &nonce, error)) != MANTIS_OK ||
      (status = store_meta_text (client->store, "in_flight", arena, &text, error)) != MANTIS_OK)
    return status;
  snprintf (client->nonce, sizeof client->nonce, "%s", nonce ? nonce : "");
  client->flight = (struct flight){0};
  if (text) {
    CLEANUP_JSON json_t *json = json_read (text, strlen (text), error);
    client->flight.number = json_get_integer (json, "number", 0, &status, error);
    client->flight.to_seq = json_get_integer (json, "to_seq", 0, &status, error);
    client->flight.q = json_get_integer (json, "q", 0, &status, error);
    snprintf (client->flight.nonce, sizeof client->flight.nonce, "%s",
              json_get_text (json, "nonce", "", &status, error));
  }
  return status;
}

/* In a transaction. */
static enum mantis_status
load_state (struct client *client, struct mantis_error *error)
{
  enum mantis_status status = phases_load (&client->phases, client->store, error);

  if (status == MANTIS_OK)
    status = queue_load (&client->queue, client->store, error);
  if (status == MANTIS_OK)
    status = load_flight (client, error);
  if (status == MANTIS_OK)
    status = ahead_load (client, error);
  /* A batch in memory may speak of tables as they were; its keys are found again when its answer comes. */
  batch_free (client->batch);
  client->batch = NULL;
  drop_ahead (client);
  client->loaded = status == MANTIS_OK;
  backlog_forget (client);
  return status;
}

enum mantis_status
client_reload (struct client *client, struct mantis_error *error)
{
  enum mantis_status status = store_begin (client->store, MANTIS_READ, error);

  client->loaded = false;
  if (status == MANTIS_OK)
    status = load_state (client, error);
  store_rollback (client->store);
  return status;
}

enum mantis_status
client_begin (struct client *client, enum mantis_mode mode, struct mantis_error *error)
{
  enum mantis_status status = store_begin (client->store, mode, error);

  if (status != MANTIS_OK)
    return status;
  if (client->told != client->store->attached)
    client->greeted = false; /* other tables than the server was told of */
  if (client->loaded && client->phases.attached == client->store->attached)
    return status;
  return load_state (client, error);
}

enum mantis_status
client_end (struct client *client, enum mantis_status status, struct mantis_error *error)
{
  if (status == MANTIS_OK)
    status = store_commit (client->store, error);
  if (status == MANTIS_OK)
    return status;
  store_rollback (client->store);
  client->loaded = false; /* read again at the next transaction */
  return status;
}

void
client_set_trouble (struct client *client, const char *text)
{
  if (text && (!client->trouble || strcmp (client->trouble, text) != 0))
    mantis_log (MANTIS_WARNING, "%s: %s", client->settings.remote_name, text);
  else if (!text && client->trouble)
    mantis_log (MANTIS_INFO, "%s: all is well again", client->settings.remote_name);
  replace_text (&client->trouble, text);
}

const char *
client_trouble (const struct client *client)
{
  return client->trouble;
}

/* ---- Life ------------------------------------------------------------------------------------ */

void
client_set (struct client *client, const struct client_settings *settings)
{
  client->settings = *settings;
  pace_reset (client);
  client->wish_told = false;
}

enum mantis_status
client_new (const struct client_settings *settings, struct store *store, struct client **out,
            struct mantis_error *error)
{
  struct client *client = calloc (1, sizeof *client);
  enum mantis_status status;

  if (!client)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  client->store = store;
  client->noticed = true;
  client_set (client, settings);
  if ((status = client_reload (client, error)) != MANTIS_OK) {
    client_free (client);
    return status;
  }
  *out = client;
  return MANTIS_OK;
}

void
client_free (struct client *client)
{
  if (!client)
    return;
  batch_free (client->batch);
  drop_ahead (client);
  phases_free (&client->phases);
  queue_free (&client->queue);
  map_free (&client->keyless);
  for (int i = 0; i < CLIENT_SLOTS; i++) {
    mantis_buf_free (&client->slots[i].body);
    mantis_buf_free (&client->slots[i].revisions);
  }
  backlog_forget (client);
  free (client->trouble);
  free (client->asked_table);
  free (client->asked_after);
  free (client);
}

enum mantis_status
client_scan (struct client *client, const char *table, struct mantis_error *error)
{
  enum mantis_status status = client_begin (client, MANTIS_WRITE, error);
  bool found = false;

  for (size_t i = 0; i < client->phases.count && status == MANTIS_OK; i++) {
    struct table_state *state = &client->phases.tables[i];
    if (table && strcmp (table, state->table->name) != 0)
      continue;
    found = true;
    if (state->phase == PHASE_LIVE)
      phase_set (state, PHASE_SCAN);
  }
  if (status == MANTIS_OK && table && !found)
    status = mantis_fail (error, MANTIS_ABSENT, "there is no table \"%.80s\" to sync", table);
  if (status == MANTIS_OK)
    status = phases_save (&client->phases, client->store, error);
  status = client_end (client, status, error);
  if (status == MANTIS_OK) {
    drop_ahead (
        client); /* its rows may have been written unseen since, and the scan passes by what waits */
    client->caught_up = false;
    client->partly = true;
    client_hurry (client);
  }
  return status;
}

/* ---- Status ---------------------------------------------------------------------------------- */

struct waiting {
  size_t rows;
  int64_t oldest;
};

/* Rows of TABLE that are not with the server yet: what the log and the pending changes hold. */
static enum mantis_status
count_log (struct client *client, struct waiting *waiting, struct mantis_error *error)
{
  struct store *store = client->store;
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct map seen = {0};
  int64_t after = client->queue.acked;
  enum mantis_status status =
      arena ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");
  size_t count = 1;

  while (status == MANTIS_OK && count) {
    struct mantis_entry *entries;
    mantis_arena_reset (arena);
    status = store->ops->log_read (store->session, after, INT64_MAX, 4096, arena, &entries, &count,
                                   error);
    for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
      struct table_state *state =
          entries[i].table ? phase_of (&client->phases, entries[i].table) : NULL;
      mantis_row key;
      uint64_t hash;
      after = entries[i].seq;
      if (!state || !(key = key_row (state->table, entries[i].key, arena)))
        continue;
      hash = key_hash (state->table, key);
      if (map_at (&seen, hash, false) || map_has (&client->queue.pending, hash) ||
          !map_at (&client->queue.newest, hash, false))
        continue;
      map_at (&seen, hash, true);
      struct waiting *of = &waiting[state - client->phases.tables];
      of->rows++;
      if (!of->oldest || entries[i].time < of->oldest)
        of->oldest = entries[i].time;
    }
  }
  map_free (&seen);
  return status;
}

static enum mantis_status
count_pending (struct client *client, struct waiting *waiting, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (client->store, &table_pending);
  enum mantis_status status;
  mantis_row row;

  while ((status = walk_next (&walk, &row, error)) == MANTIS_OK && row) {
    struct table_state *state = phase_named (&client->phases, value_as_text (&row[PENDING_TBL]));
    int64_t time = value_as_integer (&row[PENDING_TIME]);
    struct waiting *of;
    if (!state)
      continue;
    of = &waiting[state - client->phases.tables];
    of->rows++;
    if (time > 1 && (!of->oldest || time < of->oldest))
      of->oldest = time;
  }
  return status;
}

static enum mantis_status
add_table (struct client *client, const struct table_state *state, const struct waiting *waiting,
           struct mantis_buf *buf, struct mantis_error *error)
{
  struct unmet unmet;
  enum mantis_status status = unmet_count (client, state, &unmet, error);

  mantis_buf_text (buf, "{\"table\":");
  mantis_buf_json (buf, state->table->name, strlen (state->table->name));
  json_add_text (buf, "state", state->paused ? "paused" : phase_name (state->phase));
  json_add_text (buf, "reason", state->paused);
  mantis_buf_printf (
      buf, ",\"waiting\":%zu,\"oldest\":%lld,\"rev\":%lld,\"last_push\":%lld,\"last_pull\":%lld",
      waiting->rows, (long long)waiting->oldest, (long long)state->rev, (long long)state->last_push,
      (long long)state->last_pull);
  if (unmet.rows)
    mantis_buf_printf (buf, ",\"uncompared\":%zu,\"uncompared_more\":%s", unmet.rows,
                       unmet.more ? "true" : "false");
  mantis_buf_char (buf, '}');
  return status;
}

static void
add_refused (struct client *client, struct mantis_buf *buf)
{
  for (size_t i = 0; i < client->store->schema->count; i++) {
    const struct mantis_table *table = client->store->schema->tables[i].table;
    if (!table->refusal)
      continue;
    if (buf->bytes[buf->length - 1] != '[')
      mantis_buf_char (buf, ',');
    mantis_buf_text (buf, "{\"table\":");
    mantis_buf_json (buf, table->name, strlen (table->name));
    json_add_text (buf, "state", "refused");
    json_add_text (buf, "reason", table->refusal);
    mantis_buf_char (buf, '}');
  }
}

/* Tables in which writes may have gone unseen, until they have been compared. */
static void
add_problems (struct client *client, struct mantis_buf *buf)
{
  mantis_buf_text (buf, ",\"problems\":[");
  problem_add_trouble (buf, client->store->ops, client->store->self, NULL);
  for (size_t i = 0; i < client->phases.count; i++) {
    const struct table_state *state = &client->phases.tables[i];
    if (state->happened)
      problem_add (buf, state->table->name, state->happened, state->happened_at,
                   state->paused ? "it is captured again, and will be compared with the server when"
                                   " it is no longer paused"
                                 : "it is captured again, and will be compared with the server");
  }
  mantis_buf_char (buf, ']');
}

enum mantis_status
client_status (struct client *client, struct mantis_buf *buf, struct mantis_error *error)
{
  const struct phases *phases = &client->phases;
  CLEANUP_FREE struct waiting *waiting = NULL;
  enum mantis_status status = client_begin (client, MANTIS_READ, error);
  int64_t conflicts = 0;
  size_t total = 0;

  waiting = calloc (phases->count + 1, sizeof *waiting);
  if (status == MANTIS_OK && !waiting)
    status = mantis_fail (error, MANTIS_FAILED, "out of memory");
  if (status == MANTIS_OK)
    status = queue_fold (&client->queue, client->store, error);
  if (status == MANTIS_OK)
    status = count_log (client, waiting, error);
  if (status == MANTIS_OK)
    status = count_pending (client, waiting, error);
  if (status == MANTIS_OK)
    status = store_meta_integer (client->store, "conflicts", 0, &conflicts, error);
  for (size_t i = 0; i < phases->count && status == MANTIS_OK; i++)
    total += waiting[i].rows;
  mantis_buf_printf (buf, "{\"mode\":\"client\",\"node\":\"%s\"", client->store->node);
  json_add_text (buf, "remote", client->settings.remote_name);
  json_add_text (buf, "server", phases->remote);
  mantis_buf_printf (
      buf,
      ",\"enabled\":%s,\"disabled\":%s,\"caught_up\":%s,\"in_parts\":%s,\"rev\":%lld,\"waiting\":%"
      "zu,\"held\":%zu,"
      "\"conflicts\":%lld,\"last_push\":%lld,\"last_pull\":%lld,\"clock_ahead\":%lld",
      client->settings.enabled ? "true" : "false", client->disabled ? "true" : "false",
      client_idle (client) ? "true" : "false", client->partly ? "true" : "false",
      (long long)phases->rev, total, client->queue.held.count, (long long)conflicts,
      (long long)phases->last_push, (long long)phases->last_pull, (long long)client->clock_ahead);
  json_add_text (buf, "trouble", client->trouble);
  if (status == MANTIS_OK)
    status = backlog_add (client, buf, error);
  mantis_buf_text (buf, ",\"tables\":[");
  for (size_t i = 0; i < phases->count && status == MANTIS_OK; i++) {
    mantis_buf_text (buf, i ? "," : "");
    status = add_table (client, &phases->tables[i], &waiting[i], buf, error);
  }
  if (status == MANTIS_OK)
    add_refused (client, buf);
  mantis_buf_char (buf, ']');
  add_problems (client, buf);
  if (status == MANTIS_OK)
    status = stuck_add (client, buf, error);
  mantis_buf_char (buf, '}');
  return client_end (client, status, error);
}
