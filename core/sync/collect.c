/* collect.c - one read snapshot: each row that waits is read once, as it is now.
 *
 * The entries of the log are folded by key: ten updates of a row travel once.  The base of a change is the
 * cursor under which its key was first written to since it was last settled.  A backlog that fits the size
 * limits goes as a whole; a larger one in parts of that size: in random key order a server writes nearly the
 * same pages for a small part as for a large one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/base.h"
#include "sync/conflict.h"
#include "wire/block.h"
#include "wire/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  READ_CHUNK = 16, /* rows in memory before their size is looked at: each may have megabytes */
};

/* ---- Rows ------------------------------------------------------------------------------------ */

struct rows {
  struct mantis_arena *arena;
  struct mantis_change *changes;
  const struct mantis_change **order; /* by table, by key */
  size_t count, bytes;
  bool based; /* some are of tables that keep bases */
};

/* In the order of keys each page of an index is read once here, and written once on the server. */
static int
compare_sent (const void *a, const void *b)
{
  const struct sent *left = *(const struct sent *const *)a, *right = *(const struct sent *const *)b;

  if (left->table != right->table)
    return left->table->id < right->table->id ? -1 : 1;
  return key_compare (left->table, left->key, right->key);
}

/* The log goes on about this key behind the part that the batch takes: were it sent now, what is left there would
 * later look like an edit under the old cursor. */
static bool
comes_later (struct client *client, const struct batch *batch, const struct sent *sent)
{
  int64_t *newest = map_at (&client->queue.newest, sent->hash, false);

  return newest && *newest > batch->to_seq;
}

/* The row as it is sent, in the words of __sync_base. */
static enum mantis_status
keep_image (struct client *client, struct batch *batch, struct sent *sent, mantis_row found,
            struct mantis_error *error)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;

  sent->based = phase_of (&client->phases, sent->table)->era != 0;
  if (!sent->based || !found)
    return MANTIS_OK;
  row_encode (&buf, sent->table, found);
  sent->image = buf.failed ? NULL : mantis_arena_strdup (batch->arena, buf.bytes);
  return sent->image ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");
}

static enum mantis_status
take_row (struct client *client, struct batch *batch, struct rows *rows, struct sent *sent,
          mantis_row found, mantis_row base, struct mantis_error *error)
{
  const struct mantis_table *table = sent->table;
  struct mantis_change *change = &rows->changes[rows->count];
  int64_t *held = map_at (&client->queue.held, sent->hash, false);

  if (sent->evicted && found) {
    sent->dropped = true;
    return MANTIS_OK;
  }
  if (held && *held - 1 <= sent->base) { /* what was skipped was not in the file */
    sent->base = *held - 1;
    batch->earlier = true;
  }
  sent->seen = seen_rev (&client->queue, sent->hash);
  if (sent->waiting && found)
    sent->time = sent->waiting;
  *change = (struct mantis_change){.table = table,
                                   .row = found ? found : sent->key,
                                   .deleted = !found,
                                   .created = sent->created,
                                   .updated_at = sent->time > 0 ? sent->time : 1,
                                   .base = sent->base > 0 ? sent->base : 0,
                                   .seen = sent->seen,
                                   .was = base_difference (table, base, found, rows->arena)};
  rows->bytes +=
      row_bytes (table, change->row) + (change->was ? row_bytes (table, change->was) : 0);
  rows->order[rows->count++] = change;
  return keep_image (client, batch, sent, found, error);
}

/* Read the rows of the batch, in the order in which they are sent, until they are more than BYTES. */
static enum mantis_status
read_rows (struct client *client, struct batch *batch, struct rows *rows, size_t bytes,
           struct mantis_error *error)
{
  struct sent **order = arena_array (rows->arena, batch->count, sizeof *order);
  mantis_row keys[READ_CHUNK], found[READ_CHUNK], bases[READ_CHUNK];
  enum mantis_status status = MANTIS_OK;

  rows->changes = arena_array (rows->arena, batch->count, sizeof *rows->changes);
  rows->order = arena_array (rows->arena, batch->count, sizeof *rows->order);
  if (!order || !rows->changes || !rows->order)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  for (size_t i = 0; i < batch->count; i++)
    order[i] = &batch->sent[i];
  qsort (order, batch->count, sizeof (void *), compare_sent);
  for (size_t from = 0, count; from < batch->count && status == MANTIS_OK; from += count) {
    const struct mantis_table *table = order[from]->table;
    const struct table_state *state = phase_of (&client->phases, table);
    for (count = 0;
         count < READ_CHUNK && from + count < batch->count && order[from + count]->table == table;
         count++)
      keys[count] = order[from + count]->key;
    if (!state || !phase_pushes (state))
      continue;
    status = client->store->ops->read (client->store->session, table, keys, count, rows->arena,
                                       found, error);
    if (status == MANTIS_OK)
      status = base_read (client, table, keys, count, rows->arena, bases, error);
    rows->based |= state->era != 0;
    for (size_t i = 0; i < count && status == MANTIS_OK; i++)
      if (key_has_null (table, order[from + i]->key))
        order[from + i]->dropped = true;
      else if (comes_later (client, batch, order[from + i])) {
        order[from + i]->later = true;
        order[from + i]->dropped = order[from + i]->evicted;
      } else
        status = take_row (client, batch, rows, order[from + i], found[i], bases[i], error);
    if (rows->bytes > bytes && rows->count > 1)
      return MANTIS_OK;
  }
  return status;
}

enum mantis_status
batch_tell_history (const struct client *client, struct mantis_buf *body, size_t length,
                    struct mantis_error *error)
{
  const struct cursor cursor = phases_cursor (&client->phases);

  body->length = length;
  if (*cursor.epoch) {
    mantis_buf_char (body, ',');
    cursor_add (body, "cursor", &cursor);
    ahead_add (client, body);
  }
  mantis_buf_char (body, '}');
  return body->failed ? mantis_fail (error, MANTIS_FAILED, "out of memory") : MANTIS_OK;
}

static void
encode_batch (struct client *client, struct batch *batch, const struct rows *rows)
{
  const struct mantis_table *last = NULL;

  mantis_buf_text (&batch->body, "{\"changes\":[");
  blocks_encode (&batch->body, rows->order, rows->count, BLOCK_PUSH);
  batch->changes = rows->count;
  for (size_t i = 0; i < rows->count; i++)
    if (rows->order[i]->table != last) {
      last = rows->order[i]->table;
      add_revision (&batch->revisions, phase_of (&client->phases, last));
    }
}

/* The batch becomes the one that is under way; batch_tell_history() ends its message.
 * Of a row that was skipped when its table was compared, the server may have lost sight since the very revision that is
 * its base: who comes from an earlier generation is not taken to know it. */
static enum mantis_status
seal_batch (struct client *client, struct batch *batch, struct mantis_error *error)
{
  mantis_buf_printf (
      &batch->body, "],\"number\":%lld,\"nonce\":\"%s\",\"whole\":%s,\"generation\":%lld",
      (long long)client->flight.number, client->flight.nonce, batch->whole ? "true" : "false",
      (long long)client->generation - batch->earlier);
  client->batch = batch;
  client->partly |= !batch->whole;
  return batch->body.failed ? mantis_fail (error, MANTIS_FAILED, "out of memory") : MANTIS_OK;
}

/* ---- The batch ------------------------------------------------------------------------------- */

/* As many rows as BYTES have room for, going by those that were read; fewer than those. */
static size_t
fitting (const struct rows *rows, size_t bytes)
{
  size_t count = bytes / (rows->bytes / rows->count + 1);

  count = count < rows->count / 2 ? count : rows->count / 2;
  return count ? count : 1;
}

/* In a read transaction: the largest batch that fits, of the log behind FROM. */
static enum mantis_status
gather (struct client *client, int64_t from, struct batch **out, struct rows *rows,
        struct mantis_error *error)
{
  size_t limit = client->row_limit ? client->row_limit : client->push.whole;
  size_t bytes = client->settings.whole_bytes;
  enum mantis_status status = MANTIS_OK;

  while (status == MANTIS_OK) {
    struct batch *batch = batch_new ();
    batch_free (*out);
    if (!(*out = batch))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    mantis_arena_reset (rows->arena);
    rows->count = rows->bytes = 0;
    batch->from = from;
    batch->q = client->queue.read_to;
    batch->attached = client->store->attached;
    status = batch_take_log (client, batch, batch->q, limit, &batch->whole, error);
    if (status == MANTIS_OK)
      status = batch_take_pending (client, batch, limit, &batch->whole, error);
    if (status == MANTIS_OK)
      status = read_rows (client, batch, rows, bytes, error);
    if (status != MANTIS_OK || rows->bytes <= bytes || rows->count <= 1)
      break;
    limit = fitting (rows, bytes);
  }
  return status;
}

/* A row whose key holds NULL is told apart by nothing: it stays here, and that is written down, once.  That it goes,
 * for one that has a key, is no news. */
static enum mantis_status
keep_keyless (struct client *client, const struct sent *sent, struct mantis_error *error)
{
  struct conflict conflict = {
      .table = sent->table,
      .key = sent->key,
      .outcome = "rejected",
      .reason = "a row with NULL in its primary key cannot be synced: give it a key",
      .node = client->store->node,
      .loser = sent->key,
      .loser_time = sent->time,
      .decided_by = "mantis"};
  int64_t *told = map_at (&client->keyless, sent->hash, true);

  if (!told)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if (!sent->written || *told)
    return MANTIS_OK;
  *told = 1;
  mantis_log (MANTIS_WARNING, "table \"%s\": %s", sent->table->name, conflict.reason);
  return conflict_keep (client->store, &conflict, error);
}

/* Was the row of SENT, of which the log says only that REPLACE may have removed it, spared?  Once it has left the
 * log it would count as changed, or what waits of it as younger than it is. */
static enum mantis_status
was_spared (struct client *client, struct batch *batch, const struct sent *sent, bool *spared,
            struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  mantis_row key = sent->key, row = NULL;

  if (sent->evicted || sent->waiting)
    status = client->store->ops->read (client->store->session, sent->table, &key, 1, batch->arena,
                                       &row, error);
  *spared = row != NULL;
  return status;
}

/* In a write transaction: changes of tables that are not pushed now leave the log for __sync_pending. */
static enum mantis_status
set_aside (struct client *client, struct batch *batch, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < batch->count && status == MANTIS_OK; i++) {
    struct sent *sent = &batch->sent[i];
    const struct table_state *state = phase_of (&client->phases, sent->table);
    struct pending pending = {.base = sent->base,
                              .created = sent->created,
                              .time = sent->time,
                              .reason = sent->later ? "goes with a later part of the backlog"
                                                    : "the table is not live yet"};
    bool found = false, spared = false;
    if (sent->dropped && key_has_null (sent->table, sent->key))
      status = keep_keyless (client, sent, error);
    if (sent->dropped || (!sent->later && state && phase_pushes (state)))
      continue;
    if (status == MANTIS_OK)
      status = was_spared (client, batch, sent, &spared, error);
    if (status == MANTIS_OK && !spared)
      status = pending_get (&client->queue, client->store, sent->table, sent->key, batch->arena,
                            &pending, &found, error);
    if (found)
      pending.time = sent->time;
    if (status == MANTIS_OK && !spared)
      status = pending_put (&client->queue, client->store, sent->table, sent->key, &pending, error);
    sent->dropped = true;
  }
  return status;
}

/* Pending changes that the batch under way tells carry its number, so that after a restart they are known
 * from those that were set aside. */
static char *
sent_mark (const struct client *client, struct mantis_arena *arena)
{
  return mantis_arena_printf (arena, "sent in batch %lld", (long long)client->flight.number);
}

static enum mantis_status
mark_pending (struct client *client, struct batch *batch, struct mantis_error *error)
{
  const char *mark = sent_mark (client, batch->arena);
  enum mantis_status status =
      mark ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");

  for (size_t i = 0; i < batch->count && client->queue.pending.count && status == MANTIS_OK; i++) {
    struct sent *sent = &batch->sent[i];
    struct pending pending;
    bool found = false;
    if (!sent->dropped)
      status = pending_get (&client->queue, client->store, sent->table, sent->key, batch->arena,
                            &pending, &found, error);
    if (status != MANTIS_OK || !found)
      continue;
    pending.reason = mark;
    status = pending_put (&client->queue, client->store, sent->table, sent->key, &pending, error);
  }
  return status;
}

static enum mantis_status
note_flight (struct client *client, struct batch *batch, struct mantis_error *error)
{
  enum mantis_status status;
  char text[160];

  client->flight =
      (struct flight){.number = client->number + 1, .to_seq = batch->to_seq, .q = batch->q};
  random_hex (client->flight.nonce, NONCE_LENGTH);
  snprintf (text, sizeof text, "{\"number\":%lld,\"nonce\":\"%s\",\"to_seq\":%lld,\"q\":%lld}",
            (long long)client->flight.number, client->flight.nonce, (long long)batch->to_seq,
            (long long)batch->q);
  status = store_put_meta_text (client->store, "in_flight", text, error);
  if (status == MANTIS_OK)
    status = base_send (client, batch, error);
  return status == MANTIS_OK ? mark_pending (client, batch, error) : status;
}

static enum mantis_status
note (struct client *client, struct batch *batch, bool sends, struct mantis_error *error)
{
  int64_t attached = client->store->attached;
  enum mantis_status status = client_begin (client, MANTIS_WRITE, error);

  if (status == MANTIS_OK && attached != client->store->attached)
    status = mantis_fail (error, MANTIS_STALE, "the schema changed while a batch was collected");
  if (status == MANTIS_OK)
    status = set_aside (client, batch, error);
  if (status == MANTIS_OK)
    status = sends ? note_flight (client, batch, error)
                   : queue_settle (&client->queue, client->store, batch->to_seq, false, error);
  return client_end (client, status, error);
}

/* Is there anything that the log or the pending changes could give? */
static bool
something_waits (const struct client *client)
{
  return client->queue.read_to > client->queue.acked || client->queue.pending.count > 0;
}

/* Trouble is over, or somebody asks: what one of the two did not take is tried again before its time. */
static enum mantis_status
wake_all (struct client *client, struct mantis_error *error)
{
  enum mantis_status status = client_begin (client, MANTIS_WRITE, error);

  if (status == MANTIS_OK)
    status = pending_wake (&client->queue, client->store, error);
  if (status == MANTIS_OK)
    status = held_wake (&client->queue, client->store, error);
  return client_end (client, status, error);
}

void
drop_ahead (struct client *client)
{
  batch_free (client->ahead);
  client->ahead = NULL;
}

/* Is what was collected ahead still what would be collected now? */
static bool
ahead_is_next (const struct client *client)
{
  return client->ahead && client->ahead->from == client->queue.acked &&
         client->ahead->attached == client->store->attached && !client->queue.pending.count;
}

static enum mantis_status
send_ahead (struct client *client, struct mantis_error *error)
{
  struct batch *batch = client->ahead;
  enum mantis_status status;

  client->ahead = NULL;
  if ((status = note (client, batch, true, error)) != MANTIS_OK) {
    batch_free (batch);
    return status;
  }
  return seal_batch (client, batch, error);
}

static bool
wants_next (const struct client *client)
{
  const struct batch *batch = client->batch;

  return client->greeted && client->flight.number && batch && !batch->looked && !batch->whole &&
         !client->row_limit && !client->queue.pending.count &&
         client->queue.read_to - batch->to_seq >= (int64_t)client->push.whole;
}

static bool
wants_trim (const struct client *client)
{
  return client->queue.untrimmed && client->batch && !client->batch->trimmed;
}

bool
client_looks_ahead (const struct client *client)
{
  return client->slots[CLIENT_TALK].busy && (wants_next (client) || wants_trim (client));
}

static enum mantis_status
collect_ahead (struct client *client, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct rows rows = {.arena = arena};
  struct batch *batch = NULL;
  enum mantis_status status = arena ? client_begin (client, MANTIS_READ, error)
                                    : mantis_fail (error, MANTIS_FAILED, "out of memory");
  bool goes = false;

  if (status == MANTIS_OK)
    status = queue_fold (&client->queue, client->store, error);
  if (status == MANTIS_OK && client->batch) { /* its tables may have been read anew */
    client->batch->looked = true;
    status = gather (client, client->batch->to_seq, &batch, &rows, error);
    /* What the answer to this one says may be the base of the next. */
    goes = status == MANTIS_OK && rows.count > 0 && rows.count == batch->count && !rows.based;
  }
  status = client_end (client, status, error);
  if (status == MANTIS_OK && goes) {
    encode_batch (client, batch, &rows);
    client->ahead = batch;
    return status;
  }
  batch_free (batch);
  return status;
}

static enum mantis_status
trim (struct client *client, struct mantis_error *error)
{
  enum mantis_status status;

  client->batch->trimmed = true;
  status = client_begin (client, MANTIS_WRITE, error);
  if (status == MANTIS_OK && client->queue.untrimmed)
    status = queue_trim (&client->queue, client->store, error);
  return client_end (client, status, error);
}

void
client_look_ahead (struct client *client)
{
  struct mantis_error error;
  enum mantis_status status = MANTIS_OK;

  if (!client_looks_ahead (client))
    return;
  if (wants_next (client))
    status = collect_ahead (client, &error);
  if (status == MANTIS_OK && wants_trim (client))
    status = trim (client, &error);
  if (status != MANTIS_OK)
    mantis_log (MANTIS_DEBUG, "%s", error.text); /* it will be tried again in its turn */
}

enum mantis_status
collect (struct client *client, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct rows rows = {.arena = arena};
  struct batch *batch = NULL;
  enum mantis_status status =
      arena ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");

  if (ahead_is_next (client))
    return send_ahead (client, error);
  drop_ahead (client);
  if (status == MANTIS_OK && client->wakes &&
      (client->queue.pending.count || client->queue.held.count))
    status = wake_all (client, error);
  client->wakes &= status != MANTIS_OK;
  if (status == MANTIS_OK)
    status = client_begin (client, MANTIS_READ, error);
  if (status == MANTIS_OK)
    status = queue_fold (&client->queue, client->store, error);
  if (status == MANTIS_OK && something_waits (client))
    status = gather (client, client->queue.acked, &batch, &rows, error);
  status = client_end (client, status, error);
  if (status == MANTIS_OK && batch && (rows.count || batch->to_seq > client->queue.acked))
    status = note (client, batch, rows.count > 0, error);
  if (status == MANTIS_OK && batch && rows.count) {
    encode_batch (client, batch, &rows);
    return seal_batch (client, batch, error);
  }
  if (status == MANTIS_OK && batch)
    batch_settled (client, batch);
  batch_free (batch);
  return status;
}

/* Of the keys of the log those that were set aside were not sent; of the pending ones, the marked were. */
static enum mantis_status
find_marked (struct client *client, struct batch *batch, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (client->store, &table_pending);
  const char *mark = sent_mark (client, batch->arena);
  enum mantis_status status;
  mantis_row row;

  if (!mark)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  while ((status = walk_next (&walk, &row, error)) == MANTIS_OK && row) {
    const struct table_state *state =
        phase_named (&client->phases, value_as_text (&row[PENDING_TBL]));
    bool marked = strcmp (value_as_text (&row[PENDING_REASON]), mark) == 0, added;
    struct sent *sent;
    mantis_row key;
    if (!state || key_parse (value_as_text (&row[PENDING_KEY]), state->table, batch->arena, &key,
                             NULL) != MANTIS_OK)
      continue;
    sent = batch_find (batch, state->table, key);
    if (!sent && !marked)
      continue;
    if (!sent && !(sent = batch_key (batch, state->table, key, &added)))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    sent->dropped = !marked;
    sent->base = value_as_integer (&row[PENDING_BASE]);
    sent->created = value_as_integer (&row[PENDING_CREATED]) != 0;
    if (!sent->time)
      sent->time = value_as_integer (&row[PENDING_TIME]);
    sent->evicted = false;
  }
  return status;
}

enum mantis_status
collect_again (struct client *client, struct mantis_error *error)
{
  struct batch *batch = batch_new ();
  enum mantis_status status;
  bool whole;

  if (!batch)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  batch->from = client->queue.acked;
  batch->q = client->flight.q;
  status = batch_take_log (client, batch, client->flight.to_seq, SIZE_MAX, &whole, error);
  batch->to_seq = client->flight.to_seq;
  if (status == MANTIS_OK && client->queue.pending.count)
    status = find_marked (client, batch, error);
  if (status == MANTIS_OK)
    client->batch = batch;
  else
    batch_free (batch);
  return status;
}
