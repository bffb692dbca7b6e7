/* batch.c - the keys of a batch: what the log says behind the settled part, and what is pending.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/client_state.h"
#include "wire/key.h"

#include <stdlib.h>
#include <string.h>

enum {
  LOG_CHUNK = 4096,
  STUCK_TRIES = 3, /* after so many, nobody waits for a pending change any more */
  SOON = 4000      /* milliseconds */
};

void
batch_free (struct batch *batch)
{
  if (!batch)
    return;
  mantis_arena_free (batch->arena);
  free (batch->sent);
  map_free (&batch->index);
  mantis_buf_free (&batch->body);
  mantis_buf_free (&batch->revisions);
  free (batch);
}

struct batch *
batch_new (void)
{
  struct batch *batch = calloc (1, sizeof *batch);

  if (batch && !(batch->arena = mantis_arena_new (0))) {
    free (batch);
    return NULL;
  }
  return batch;
}

void
batch_settled (struct client *client, const struct batch *batch)
{
  for (size_t i = 0; i < batch->count; i++)
    queue_clean (&client->queue, batch->sent[i].hash, batch->to_seq);
}

struct sent *
batch_find (struct batch *batch, const struct mantis_table *table, mantis_row key)
{
  int64_t *place = map_at (&batch->index, key_hash (table, key), false);

  return place ? &batch->sent[*place - 1] : NULL;
}

struct sent *
batch_key (struct batch *batch, const struct mantis_table *table, mantis_row key, bool *added)
{
  uint64_t hash = key_hash (table, key);
  int64_t *place = map_at (&batch->index, hash, true);
  struct mantis_value *copy;

  if (!place)
    return NULL;
  *added = *place == 0;
  if (!*added)
    return &batch->sent[*place - 1];
  if (batch->count == batch->room) {
    size_t room = batch->room ? batch->room * 2 : 64;
    struct sent *sent = realloc (batch->sent, room * sizeof *sent);
    if (!sent)
      return NULL;
    batch->sent = sent;
    batch->room = room;
  }
  if (!(copy = arena_array (batch->arena, table->column_count, sizeof *copy)))
    return NULL;
  for (size_t i = 0; i < table->key_count; i++) {
    struct mantis_value *value = &copy[table->key[i]];
    *value = key[table->key[i]];
    if ((value->type == MANTIS_TEXT || value->type == MANTIS_BLOB) &&
        !(value->as.bytes = mantis_arena_copy (batch->arena, value->as.bytes, value->length)))
      return NULL;
  }
  *place = (int64_t)++batch->count;
  batch->sent[batch->count - 1] =
      (struct sent){.table = table, .key = copy, .hash = hash, .evicted = true};
  return &batch->sent[batch->count - 1];
}

/* ---- Keys from the log ----------------------------------------------------------------------- */

static enum mantis_status
take_entry (struct client *client, struct batch *batch, const struct mantis_entry *entry,
            struct mantis_arena *arena, struct mantis_error *error)
{
  mantis_row key = key_row (entry->table, entry->key, arena);
  struct sent *sent;
  bool added;

  if (!key)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  /* An entry that an earlier, later-reading batch has told about already. */
  if (!map_at (&client->queue.newest, key_hash (entry->table, key), false))
    return MANTIS_OK;
  if (!(sent = batch_key (batch, entry->table, key, &added)))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if (added) {
    sent->first_seq = entry->seq;
    sent->created = entry->operation == MANTIS_INSERT;
    sent->base = queue_base (&client->queue, entry->seq, client->phases.rev);
  }
  sent->last_seq = entry->seq;
  sent->time = entry->time - client->clock_ahead;
  sent->evicted &= entry->operation == MANTIS_EVICT;
  sent->written |= entry->operation == MANTIS_INSERT || entry->operation == MANTIS_UPDATE;
  return MANTIS_OK;
}

enum mantis_status
batch_take_log (struct client *client, struct batch *batch, int64_t upto, size_t limit, bool *whole,
                struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status =
      arena ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");
  size_t count = LOG_CHUNK;

  batch->to_seq = batch->from;
  while (status == MANTIS_OK && count == LOG_CHUNK && batch->count < limit) {
    struct mantis_entry *entries;
    mantis_arena_reset (arena);
    status = client->store->ops->log_read (client->store->session, batch->to_seq, upto, LOG_CHUNK,
                                           arena, &entries, &count, error);
    for (size_t i = 0; i < count && status == MANTIS_OK && batch->count < limit; i++) {
      batch->to_seq = entries[i].seq;
      if (entries[i].table)
        status = take_entry (client, batch, &entries[i], arena, error);
    }
  }
  *whole = batch->to_seq >= upto;
  if (count < LOG_CHUNK && batch->count < limit)
    *whole = true;
  return status;
}

/* ---- Keys that wait in __sync_pending -------------------------------------------------------- */

/* EARLY: also a row whose time is not yet, where it is to be expected.  *WHOLE becomes false when such a row stays behind for
 * now. */
static enum mantis_status
take_due (struct client *client, struct batch *batch, mantis_row row, bool early, bool room,
          bool *whole, struct mantis_error *error)
{
  int64_t next_try = value_as_integer (&row[PENDING_NEXT_TRY]);
  int64_t tries = value_as_integer (&row[PENDING_TRIES]), delay = retry_delay (tries);
  int64_t now = mantis_now ();
  bool expected = tries < STUCK_TRIES && is_due (next_try, now + SOON, delay);
  const struct table_state *state =
      phase_named (&client->phases, value_as_text (&row[PENDING_TBL]));
  struct sent *sent;
  mantis_row key;
  bool added;

  if (!state || !phase_pushes (state))
    return MANTIS_OK;
  if (key_parse (value_as_text (&row[PENDING_KEY]), state->table, batch->arena, &key, NULL) !=
      MANTIS_OK)
    return MANTIS_OK;
  if (batch_find (batch, state->table, key))
    return MANTIS_OK;
  if (map_at (&client->queue.newest, key_hash (state->table, key), false)) {
    *whole = false; /* it goes with what the log says of it */
    return MANTIS_OK;
  }
  if (!room || !(is_due (next_try, now, delay) || (early && expected))) {
    *whole &= !expected;
    return MANTIS_OK;
  }
  if (!(sent = batch_key (batch, state->table, key, &added)))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  sent->time = value_as_integer (&row[PENDING_TIME]);
  sent->base = value_as_integer (&row[PENDING_BASE]);
  sent->created = value_as_integer (&row[PENDING_CREATED]) != 0;
  sent->evicted = false;
  return MANTIS_OK;
}

/* A key of the log that waits there too is older than the log says. */
static enum mantis_status
join_pending (struct client *client, struct batch *batch, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < batch->count && client->queue.pending.count && status == MANTIS_OK; i++) {
    struct sent *sent = &batch->sent[i];
    struct pending pending;
    bool found;
    status = pending_get (&client->queue, client->store, sent->table, sent->key, batch->arena,
                          &pending, &found, error);
    if (status != MANTIS_OK || !found)
      continue;
    sent->base = pending.base;
    sent->created = pending.created;
    sent->waiting = sent->evicted ? pending.time : 0;
    sent->evicted = false;
  }
  return status;
}

static bool
any_pushes (const struct phases *phases)
{
  for (size_t i = 0; i < phases->count; i++)
    if (phase_pushes (&phases->tables[i]))
      return true;
  return false;
}

static enum mantis_status
take_pending (struct client *client, struct batch *batch, size_t limit, bool early, bool *whole,
              struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (client->store, &table_pending);
  enum mantis_status status = MANTIS_OK;
  mantis_row row;

  while (status == MANTIS_OK && (*whole || batch->count < limit) &&
         (status = walk_next (&walk, &row, error)) == MANTIS_OK && row)
    status = take_due (client, batch, row, early, batch->count < limit, whole, error);
  return status;
}

enum mantis_status
batch_take_pending (struct client *client, struct batch *batch, size_t limit, bool *whole,
                    struct mantis_error *error)
{
  enum mantis_status status = join_pending (client, batch, error);
  size_t count = batch->count;
  bool last = *whole;

  if (client->queue.pending.count == 0 || !any_pushes (&client->phases) || status != MANTIS_OK)
    return status;
  status = take_pending (client, batch, limit, false, whole, error);
  if (status != MANTIS_OK || !last || *whole || batch->count == count)
    return status;
  /* Rows that were refused in different parts may need each other, and come due one after the other: if each was sent alone, each
   * would be refused for good in the end.  So those that are still expected come along with the first one. */
  *whole = last;
  return take_pending (client, batch, limit, true, whole, error);
}
