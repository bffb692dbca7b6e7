/* queue.c - what waits on a client, and under which cursor each change was made.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/queue.h"
#include "base/base.h"
#include "wire/key.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4096, MOST_STIRRED = 100 };

/* ---- The log --------------------------------------------------------------------------------- */

static enum mantis_status
note_entries (struct queue *queue, const struct mantis_entry *entries, size_t count,
              struct mantis_arena *arena, struct mantis_error *error)
{
  for (size_t i = 0; i < count; i++) {
    const bool evicts = entries[i].operation == MANTIS_EVICT;
    mantis_row key;
    int64_t *newest;
    uint64_t hash;
    queue->gaps += entries[i].seq - queue->read_to - 1;
    queue->read_to = entries[i].seq;
    if (!entries[i].table)
      continue;
    if (!(key = key_row (entries[i].table, entries[i].key, arena)))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    hash = key_hash (entries[i].table, key);
    if (!(newest = map_at (&queue->newest, hash, true)) ||
        (evicts && !*newest && !map_put (&queue->evicted, hash)))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    if (!evicts)
      map_remove (&queue->evicted, hash);
    *newest = entries[i].seq;
  }
  return MANTIS_OK;
}

enum mantis_status
queue_fold (struct queue *queue, struct store *store, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status =
      arena ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");
  size_t count = CHUNK;

  while (status == MANTIS_OK && count == CHUNK) {
    struct mantis_entry *entries;
    mantis_arena_reset (arena);
    status = store->ops->log_read (store->session, queue->read_to, INT64_MAX, CHUNK, arena,
                                   &entries, &count, error);
    if (status == MANTIS_OK)
      status = note_entries (queue, entries, count, arena, error);
  }
  return status;
}

bool
queue_dirty (struct queue *queue, uint64_t hash)
{
  return map_at (&queue->newest, hash, false) || map_has (&queue->pending, hash);
}

bool
queue_written (struct queue *queue, uint64_t hash)
{
  return map_has (&queue->pending, hash) ||
         (map_at (&queue->newest, hash, false) && !map_has (&queue->evicted, hash));
}

void
queue_clean (struct queue *queue, uint64_t hash, int64_t seq)
{
  const int64_t *newest = map_at (&queue->newest, hash, false);

  if (!newest || *newest > seq)
    return;
  map_remove (&queue->newest, hash);
  map_remove (&queue->evicted, hash);
}

enum mantis_status
queue_trim (struct queue *queue, struct store *store, struct mantis_error *error)
{
  enum mantis_status status = store->ops->log_trim (store->session, queue->acked, error);

  queue->untrimmed &= status != MANTIS_OK;
  return status;
}

enum mantis_status
queue_settle (struct queue *queue, struct store *store, int64_t seq, bool later,
              struct mantis_error *error)
{
  enum mantis_status status = store_put_meta_integer (store, "acked_seq", seq, error);
  size_t kept = 0;

  for (size_t i = 0; i < queue->base_count && status == MANTIS_OK; i++) {
    struct mantis_value key[BASE_COLUMNS] = {[BASE_SEQ] = value_integer (queue->bases[i].seq)};
    if (queue->bases[i].seq > seq)
      queue->bases[kept++] = queue->bases[i];
    else
      status = store_delete (store, &table_bases, key, error);
  }
  if (status == MANTIS_OK) {
    queue->base_count = kept;
    queue->acked = seq;
    queue->untrimmed = true;
    if (seq >= queue->read_to)
      queue->gaps = 0;
  }
  return status == MANTIS_OK && !later ? queue_trim (queue, store, error) : status;
}

int64_t
retry_delay (int64_t tries)
{
  const int64_t second = 1000, longest = 600 * second;

  return tries < 10 ? second << (tries > 1 ? tries - 1 : 0) : longest;
}

/* ---- Bases ----------------------------------------------------------------------------------- */

int64_t
queue_base (const struct queue *queue, int64_t seq, int64_t cursor)
{
  for (size_t i = 0; i < queue->base_count; i++)
    if (seq <= queue->bases[i].seq)
      return queue->bases[i].rev;
  return cursor;
}

static bool
add_base (struct queue *queue, int64_t seq, int64_t rev)
{
  struct queue_base *bases = realloc (queue->bases, (queue->base_count + 1) * sizeof *bases);

  if (!bases)
    return false;
  queue->bases = bases;
  queue->bases[queue->base_count++] = (struct queue_base){.seq = seq, .rev = rev};
  return true;
}

enum mantis_status
queue_note_base (struct queue *queue, struct store *store, int64_t rev, struct mantis_error *error)
{
  struct mantis_value row[BASE_COLUMNS] = {
      [BASE_SEQ] = value_integer (queue->read_to), [BASE_REV] = value_integer (rev)};

  if (queue->read_to <= queue->acked ||
      (queue->base_count && queue->bases[queue->base_count - 1].seq >= queue->read_to))
    return MANTIS_OK; /* nothing was written since the last time that the cursor moved */
  if (!add_base (queue, queue->read_to, rev))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  return store_put (store, &table_bases, row, error);
}

/* In one of the small tables, where COLUMN is above KNOWN: that is then MOST, below 0: the row goes. */
static enum mantis_status
forget_above (struct store *store, const struct mantis_table *table, size_t column, int64_t known,
              int64_t most, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (store, table);
  enum mantis_status status = MANTIS_OK;
  struct mantis_value row[PENDING_COLUMNS];
  mantis_row found;

  while (status == MANTIS_OK && (status = walk_next (&walk, &found, error)) == MANTIS_OK && found) {
    if (value_as_integer (&found[column]) <= known)
      continue;
    memcpy (row, found, table->column_count * sizeof *row);
    row[column] = value_integer (most);
    status =
        most < 0 ? store_delete (store, table, found, error) : store_put (store, table, row, error);
  }
  return status;
}

enum mantis_status
queue_forget_revisions (struct queue *queue, struct store *store, int64_t known,
                        struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < queue->base_count && status == MANTIS_OK; i++) {
    struct mantis_value row[BASE_COLUMNS] = {
        [BASE_SEQ] = value_integer (queue->bases[i].seq), [BASE_REV] = value_integer (known)};
    if (queue->bases[i].rev <= known)
      continue;
    queue->bases[i].rev = known;
    status = store_put (store, &table_bases, row, error);
  }
  if (status == MANTIS_OK)
    status = queue_note_base (queue, store, known, error);
  if (status == MANTIS_OK)
    status = forget_above (store, &table_pending, PENDING_BASE, known, known, error);
  if (status == MANTIS_OK)
    status = forget_above (store, &table_seen, SEEN_REV, INT64_MIN, -1, error);
  if (status == MANTIS_OK)
    status = forget_above (store, &table_held, HELD_FIRST_REV, known, -1, error);
  if (status == MANTIS_OK)
    status = forget_above (store, &table_held, HELD_LAST_REV, known, known, error);
  return status == MANTIS_OK ? queue_load (queue, store, error) : status;
}

/* ---- Load ------------------------------------------------------------------------------------ */

enum { NO_VALUE = -1 };

/* The keys of one of the small tables (table name, key as JSON, ...): hash -> column VALUE, or a set of them. */
static enum mantis_status
load_keys (struct map *map, struct store *store, const struct mantis_table *table, int value,
           struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  CLEANUP_WALK struct walk walk = walk_of (store, table);
  enum mantis_status status;
  mantis_row row;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  while ((status = walk_next (&walk, &row, error)) == MANTIS_OK && row) {
    const struct mantis_attached *of = store_table (store, value_as_text (&row[0]));
    int64_t *slot = NULL;
    uint64_t hash;
    mantis_row key;
    mantis_arena_reset (arena);
    if (!of || key_parse (value_as_text (&row[1]), of->table, arena, &key, NULL) != MANTIS_OK)
      continue; /* of a table that is gone, or has another key now */
    hash = key_hash (of->table, key);
    if (value == NO_VALUE ? !map_put (map, hash) : !(slot = map_at (map, hash, true)))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    if (slot)
      *slot = value_as_integer (&row[value]);
  }
  return status;
}

static enum mantis_status
load_bases (struct queue *queue, struct store *store, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status;
  const mantis_row *rows;
  size_t count = 0;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = store_all (store, &table_bases, arena, &rows, &count, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++)
    if (!add_base (queue, value_as_integer (&rows[i][BASE_SEQ]),
                   value_as_integer (&rows[i][BASE_REV])))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
  return status;
}

enum mantis_status
queue_load (struct queue *queue, struct store *store, struct mantis_error *error)
{
  enum mantis_status status;

  queue_free (queue);
  status = store_meta_integer (store, "acked_seq", 0, &queue->acked, error);
  queue->read_to = queue->acked;
  if (status == MANTIS_OK)
    status = load_bases (queue, store, error);
  if (status == MANTIS_OK)
    status = load_keys (&queue->pending, store, &table_pending, NO_VALUE, error);
  if (status == MANTIS_OK)
    status = load_keys (&queue->held, store, &table_held, HELD_FIRST_REV, error);
  if (status == MANTIS_OK)
    status = load_keys (&queue->seen, store, &table_seen, SEEN_REV, error);
  if (status == MANTIS_OK)
    status = queue_fold (queue, store, error);
  return status;
}

void
queue_free (struct queue *queue)
{
  map_free (&queue->newest);
  map_free (&queue->evicted);
  map_free (&queue->pending);
  map_free (&queue->held);
  map_free (&queue->seen);
  free (queue->bases);
  *queue = (struct queue){0};
}

/* ---- Rows of the small tables ---------------------------------------------------------------- */

/* A row of TABLE's key columns: the name of OF and KEY as text. */
static enum mantis_status
name_key (struct mantis_value *row, const struct mantis_table *of, mantis_row key,
          struct mantis_arena *arena, struct mantis_error *error)
{
  char *text = arena ? key_text (arena, of, key) : NULL;

  if (!text)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  row[0] = value_text (of->name);
  row[1] = value_text (text);
  return MANTIS_OK;
}

static enum mantis_status
set_in (struct map *map, const struct mantis_table *of, mantis_row key, int64_t value,
        struct mantis_error *error)
{
  int64_t *slot = map_at (map, key_hash (of, key), true);

  if (!slot)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  *slot = value;
  return MANTIS_OK;
}

static enum mantis_status
remove_key (struct map *map, struct store *store, const struct mantis_table *table,
            const struct mantis_table *of, mantis_row key, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = NULL;
  struct mantis_value row[PENDING_COLUMNS] = {0};
  uint64_t hash = key_hash (of, key);
  enum mantis_status status;

  if (!map_has (map, hash))
    return MANTIS_OK;
  arena = mantis_arena_new (0);
  if ((status = name_key (row, of, key, arena, error)) == MANTIS_OK)
    status = store_delete (store, table, row, error);
  if (status == MANTIS_OK)
    map_remove (map, hash);
  return status;
}

enum mantis_status
pending_get (struct queue *queue, struct store *store, const struct mantis_table *table,
             mantis_row key, struct mantis_arena *arena, struct pending *pending, bool *found,
             struct mantis_error *error)
{
  struct mantis_value at[PENDING_COLUMNS] = {0};
  enum mantis_status status;
  mantis_row row;

  *found = false;
  if (!map_has (&queue->pending, key_hash (table, key)))
    return MANTIS_OK;
  if ((status = name_key (at, table, key, arena, error)) != MANTIS_OK ||
      (status = store_get (store, &table_pending, at, arena, &row, error)) != MANTIS_OK || !row)
    return status;
  *found = true;
  *pending = (struct pending){.base = value_as_integer (&row[PENDING_BASE]),
                              .created = value_as_integer (&row[PENDING_CREATED]) != 0,
                              .time = value_as_integer (&row[PENDING_TIME]),
                              .reason = value_as_text (&row[PENDING_REASON]),
                              .next_try = value_as_integer (&row[PENDING_NEXT_TRY]),
                              .tries = value_as_integer (&row[PENDING_TRIES])};
  return MANTIS_OK;
}

enum mantis_status
pending_put (struct queue *queue, struct store *store, const struct mantis_table *table,
             mantis_row key, const struct pending *pending, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_value row[PENDING_COLUMNS] = {
      [PENDING_BASE] = value_integer (pending->base),
      [PENDING_CREATED] = value_integer (pending->created),
      [PENDING_TIME] = value_integer (pending->time),
      [PENDING_REASON] = value_text (pending->reason),
      [PENDING_NEXT_TRY] = value_integer (pending->next_try),
      [PENDING_TRIES] = value_integer (pending->tries),
  };
  enum mantis_status status = name_key (row, table, key, arena, error);

  if (status == MANTIS_OK)
    status = store_put (store, &table_pending, row, error);
  return status == MANTIS_OK && !map_put (&queue->pending, key_hash (table, key))
             ? mantis_fail (error, MANTIS_FAILED, "out of memory")
             : status;
}

enum mantis_status
pending_remove (struct queue *queue, struct store *store, const struct mantis_table *table,
                mantis_row key, struct mantis_error *error)
{
  return remove_key (&queue->pending, store, &table_pending, table, key, error);
}

_Static_assert((int)HELD_COLUMNS <= (int)PENDING_COLUMNS, "try_now() has room for both");

/* ROW of TABLE, whose column NEXT_TRY says when it is tried again, may be tried now. */
static enum mantis_status
try_now (struct store *store, const struct mantis_table *table, mantis_row row, size_t next_try,
         struct mantis_error *error)
{
  struct mantis_value changed[PENDING_COLUMNS];

  if (value_as_integer (&row[next_try]) == 0)
    return MANTIS_OK;
  memcpy (changed, row, table->column_count * sizeof *row);
  changed[next_try] = value_integer (0);
  return store_put (store, table, changed, error);
}

enum mantis_status
pending_wake (struct queue *queue, struct store *store, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (store, &table_pending);
  enum mantis_status status = MANTIS_OK;
  mantis_row pending;

  if (queue->pending.count == 0)
    return MANTIS_OK;
  while (status == MANTIS_OK && (status = walk_next (&walk, &pending, error)) == MANTIS_OK &&
         pending)
    if (value_as_integer (&pending[PENDING_TRIES]) != 0)
      status = try_now (store, &table_pending, pending, PENDING_NEXT_TRY, error);
  return status;
}

static enum mantis_status
held_get (struct queue *queue, struct store *store, const struct mantis_table *table,
          mantis_row key, struct mantis_arena *arena, mantis_row *row, struct mantis_error *error)
{
  struct mantis_value at[HELD_COLUMNS] = {0};
  enum mantis_status status;

  *row = NULL;
  if (!map_at (&queue->held, key_hash (table, key), false))
    return MANTIS_OK;
  status = name_key (at, table, key, arena, error);
  return status == MANTIS_OK ? store_get (store, &table_held, at, arena, row, error) : status;
}

enum mantis_status
held_put (struct queue *queue, struct store *store, const struct mantis_table *table,
          mantis_row key, int64_t first, int64_t last, const char *reason, int64_t next_try,
          struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_value row[HELD_COLUMNS];
  enum mantis_status status = name_key (row, table, key, arena, error);
  mantis_row before = NULL;

  if (status == MANTIS_OK)
    status = held_get (queue, store, table, key, arena, &before, error);
  if (status != MANTIS_OK)
    return status;
  if (before && value_as_integer (&before[HELD_FIRST_REV]) < first)
    first = value_as_integer (&before[HELD_FIRST_REV]);
  if (before && value_as_integer (&before[HELD_LAST_REV]) > last)
    last = value_as_integer (&before[HELD_LAST_REV]);
  row[HELD_FIRST_REV] = value_integer (first);
  row[HELD_LAST_REV] = value_integer (last);
  row[HELD_REASON] = value_text (reason);
  row[HELD_NEXT_TRY] = value_integer (next_try);
  if ((status = store_put (store, &table_held, row, error)) != MANTIS_OK)
    return status;
  return set_in (&queue->held, table, key, first, error);
}

enum mantis_status
held_refused (struct queue *queue, struct store *store, const struct mantis_change *change,
              int64_t rev, const char *refusal, int64_t next_try, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status;
  mantis_row before;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = held_get (queue, store, change->table, change->row, arena, &before, error);
  if (status != MANTIS_OK)
    return status;
  if (!before || strcmp (value_as_text (&before[HELD_REASON]), refusal) != 0)
    mantis_log (MANTIS_WARNING, "a row of table \"%s\" from the server cannot be stored here: %s",
                change->table->name, refusal);
  return held_put (queue, store, change->table, change->row, rev, rev, refusal, next_try, error);
}

enum mantis_status
held_hurry (struct queue *queue, struct store *store, const struct mantis_table *table,
            mantis_row key, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = NULL;
  enum mantis_status status;
  mantis_row row;

  if (!map_at (&queue->held, key_hash (table, key), false))
    return MANTIS_OK;
  arena = mantis_arena_new (0);
  status = held_get (queue, store, table, key, arena, &row, error);
  return status == MANTIS_OK && row ? try_now (store, &table_held, row, HELD_NEXT_TRY, error)
                                    : status;
}

enum mantis_status
held_wake (struct queue *queue, struct store *store, struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (store, &table_held);
  enum mantis_status status = MANTIS_OK;
  mantis_row held;

  if (queue->held.count == 0)
    return MANTIS_OK;
  while (status == MANTIS_OK && (status = walk_next (&walk, &held, error)) == MANTIS_OK && held)
    status = try_now (store, &table_held, held, HELD_NEXT_TRY, error);
  return status;
}

enum mantis_status
held_stir (struct queue *queue, struct store *store, const struct mantis_table *table,
           struct mantis_error *error)
{
  CLEANUP_WALK struct walk walk = walk_of (store, &table_held);
  int64_t last = mantis_now () + HELD_RETRY; /* what is too large for a message waits longer */
  enum mantis_status status = MANTIS_OK;
  mantis_row held;

  if (queue->held.count == 0 || queue->held.count > MOST_STIRRED || table->unique_count == 0)
    return MANTIS_OK;
  while (status == MANTIS_OK && (status = walk_next (&walk, &held, error)) == MANTIS_OK && held)
    if (strcmp (value_as_text (&held[HELD_TBL]), table->name) == 0 &&
        value_as_integer (&held[HELD_NEXT_TRY]) <= last)
      status = try_now (store, &table_held, held, HELD_NEXT_TRY, error);
  return status;
}

enum mantis_status
held_remove (struct queue *queue, struct store *store, const struct mantis_table *table,
             mantis_row key, int64_t rev, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = NULL;
  enum mantis_status status;
  mantis_row row;

  if (!map_at (&queue->held, key_hash (table, key), false))
    return MANTIS_OK;
  arena = mantis_arena_new (0);
  if ((status = held_get (queue, store, table, key, arena, &row, error)) != MANTIS_OK)
    return status;
  if (row && value_as_integer (&row[HELD_LAST_REV]) >
                 rev) { /* something newer was skipped: it is fetched by key */
    struct mantis_value later[HELD_COLUMNS];
    if (value_as_integer (&row[HELD_FIRST_REV]) > rev)
      return MANTIS_OK;
    memcpy (later, row, sizeof later);
    later[HELD_FIRST_REV] = value_integer (rev + 1);
    if ((status = store_put (store, &table_held, later, error)) != MANTIS_OK)
      return status;
    return set_in (&queue->held, table, key, rev + 1, error);
  }
  return remove_key (&queue->held, store, &table_held, table, key, error);
}

enum mantis_status
seen_put (struct queue *queue, struct store *store, const struct mantis_table *table,
          mantis_row key, int64_t rev, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_value row[SEEN_COLUMNS] = {[SEEN_REV] = value_integer (rev)};
  enum mantis_status status = name_key (row, table, key, arena, error);

  if (status == MANTIS_OK)
    status = store_put (store, &table_seen, row, error);
  return status == MANTIS_OK ? set_in (&queue->seen, table, key, rev, error) : status;
}

int64_t
seen_rev (struct queue *queue, uint64_t hash)
{
  int64_t *seen = map_at (&queue->seen, hash, false);

  return !seen ? 0 : *seen < 0 ? -*seen : *seen;
}

bool
seen_came (struct queue *queue, uint64_t hash)
{
  int64_t *seen = map_at (&queue->seen, hash, false);

  return seen && *seen > 0;
}

enum mantis_status
seen_forget (struct queue *queue, struct store *store, const struct mantis_table *table,
             mantis_row key, struct mantis_error *error)
{
  return remove_key (&queue->seen, store, &table_seen, table, key, error);
}

enum mantis_status
seen_doubt (struct queue *queue, struct store *store, const struct mantis_table *table,
            struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  CLEANUP_WALK struct walk walk = walk_of (store, &table_seen);
  enum mantis_status status = MANTIS_OK;
  mantis_row row, key;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  while (status == MANTIS_OK && queue->seen.count &&
         (status = walk_next (&walk, &row, error)) == MANTIS_OK && row) {
    mantis_arena_reset (arena);
    if (strcmp (value_as_text (&row[SEEN_TBL]), table->name) == 0 &&
        value_as_integer (&row[SEEN_REV]) > 0 &&
        key_parse (value_as_text (&row[SEEN_KEY]), table, arena, &key, NULL) == MANTIS_OK)
      status = seen_put (queue, store, table, key, -value_as_integer (&row[SEEN_REV]), error);
  }
  return status;
}

enum mantis_status
seen_prune (struct queue *queue, struct store *store, int64_t rev, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = NULL;
  enum mantis_status status;
  const mantis_row *rows;
  size_t count = 0;

  if (queue->seen.count == 0)
    return MANTIS_OK;
  if (!(arena = mantis_arena_new (0)))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = store_all (store, &table_seen, arena, &rows, &count, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    const struct mantis_attached *of = store_table (store, value_as_text (&rows[i][SEEN_TBL]));
    int64_t seen = value_as_integer (&rows[i][SEEN_REV]);
    mantis_row key;
    if (seen > rev || -seen > rev)
      continue;
    if (!of ||
        key_parse (value_as_text (&rows[i][SEEN_KEY]), of->table, arena, &key, NULL) != MANTIS_OK) {
      status = store_delete (store, &table_seen, rows[i], error);
      continue;
    }
    if (queue_dirty (queue, key_hash (of->table, key)))
      continue;
    status = remove_key (&queue->seen, store, &table_seen, of->table, key, error);
  }
  return status;
}
