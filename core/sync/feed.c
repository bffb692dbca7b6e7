/* feed.c - what a server tells a client.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/feed.h"
#include "base/base.h"
#include "base/map.h"
#include "sync/prune.h"
#include "wire/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  FIRST_CHUNK = 64,
  LARGEST_CHUNK = 2048,
  ENTRIES_A_ROW = 4, /* that are read at most, for each row that a page may have */
  MOST_SEEN = 20000  /* rows of a table that one page is looked for among, once it has some */
};

/* ---- Cursor ---------------------------------------------------------------------------------- */

/* KEYED: of the row's key, too.  Where there are filters a mark is given to who may not see that row, and whoever
 * knows the rest (there are not many milliseconds) would find the key by trying: it is left out. */
static void
make_mark (const struct mantis_entry *entry, bool keyed, char *mark)
{
  uint64_t hash = hash_bytes (&entry->seq, sizeof entry->seq, 0);

  hash = hash_bytes (&entry->time, sizeof entry->time, hash);
  hash = hash_bytes (&entry->operation, 1, hash);
  if (entry->origin)
    hash = hash_bytes (entry->origin, strlen (entry->origin), hash);
  for (size_t i = 0; keyed && entry->table && i < entry->table->key_count; i++) {
    const struct mantis_value *value = &entry->key[i];
    if (value->type == MANTIS_TEXT || value->type == MANTIS_BLOB)
      hash = hash_bytes (value->as.bytes, value->length, hash);
    else if (value->type != MANTIS_NULL)
      hash = hash_bytes (&value->as, sizeof value->as, hash);
  }
  snprintf (mark, MARK_LENGTH + 1, "%016llx", (unsigned long long)hash);
}

/* The entry at REV, NULL when there is none. */
static enum mantis_status
entry_at (struct store *store, int64_t rev, struct mantis_arena *arena, struct mantis_entry **entry,
          struct mantis_error *error)
{
  enum mantis_status status;
  size_t count = 0;

  status = store->ops->log_read (store->session, rev - 1, rev, 1, arena, entry, &count, error);
  if (count == 0)
    *entry = NULL;
  return status;
}

static enum mantis_status
cursor_at (struct store *store, int64_t rev, struct cursor *cursor, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_entry *entry;
  enum mantis_status status;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if ((status = entry_at (store, rev, arena, &entry, error)) != MANTIS_OK)
    return status;
  if (!entry)
    return mantis_fail (error, MANTIS_FAILED, "__sync_log has no entry %lld", (long long)rev);
  memcpy (cursor->epoch, store->epoch, sizeof cursor->epoch);
  cursor->rev = rev;
  make_mark (entry, !filters_count (store), cursor->mark);
  return MANTIS_OK;
}

enum mantis_status
feed_head (struct store *store, struct cursor *head, struct mantis_error *error)
{
  int64_t seq;
  enum mantis_status status = store->ops->log_head (store->session, &seq, error);

  return status == MANTIS_OK ? cursor_at (store, seq, head, error) : status;
}

/* Does MARK stand for ENTRY?  It may have been given before there were filters, or while there were some. */
static bool
is_marked (const struct mantis_entry *entry, const char *mark)
{
  char ours[MARK_LENGTH + 1];

  /* Of a table that has been dropped or renamed since, the key cannot be read any more: that is no other history. */
  if (!entry->table && entry->operation != MANTIS_START)
    return true;
  for (int keyed = 0; keyed < 2; keyed++) {
    make_mark (entry, keyed, ours);
    if (strcmp (ours, mark) == 0)
      return true;
  }
  return false;
}

enum mantis_status
feed_check (struct store *store, const struct cursor *cursor, enum cursor_state *state,
            struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_entry *entry;
  enum mantis_status status;
  int64_t pruned;

  *state = CURSOR_FOREIGN;
  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if (strcmp (cursor->epoch, store->epoch) != 0 || cursor->rev < 1)
    return MANTIS_OK;
  if ((status = prune_floor (store, &pruned, NULL, error)) != MANTIS_OK ||
      (status = entry_at (store, cursor->rev, arena, &entry, error)) != MANTIS_OK)
    return status;
  if (entry ? is_marked (entry, cursor->mark) : cursor->rev < pruned)
    *state = cursor->rev < pruned ? CURSOR_PRUNED : CURSOR_KNOWN;
  return MANTIS_OK;
}

/* ---- Changes --------------------------------------------------------------------------------- */

/* One key of a page, with its newest entry there. */
struct touched {
  const struct mantis_table *table;
  mantis_row key;
  int64_t rev, written; /* of its newest entry, and of its newest but for MANTIS_EVICT, 0: none */
  int64_t time;         /* of the newest */
  bool removed;         /* likewise: it says that the row went */
  const char *origin;
  const struct filtered *filtered; /* NULL: nobody is kept from it */
  const struct past *pasts;
};

struct page {
  struct store *store;
  struct mantis_arena *arena;
  const char *node;
  struct large *large;
  struct touched *touched;
  size_t count;
  struct map index; /* key hash -> place in touched, plus 1 */
  struct feed_page *out;
};

static bool
same_past (const struct mantis_table *table, const struct past *a, const struct past *b)
{
  if (a->unknown != b->unknown || !a->row != !b->row || !a->origin != !b->origin ||
      (a->origin && strcmp (a->origin, b->origin) != 0))
    return false;
  for (size_t i = 0; a->row && i < table->column_count; i++)
    if (!mantis_value_equal (&a->row[i], &b->row[i]))
      return false;
  return true;
}

/* The states of a row between the cursor and now, each once where they follow each other. */
static enum mantis_status
note_past (struct page *page, struct touched *touched, const struct mantis_entry *entry,
           const struct mantis_before *before, struct mantis_error *error)
{
  const struct past past = {.next = touched->pasts,
                            .row = before->row,
                            .origin = entry->origin,
                            .unknown = !before->row && !before->fresh};
  struct past *made;

  if (touched->pasts && same_past (touched->table, touched->pasts, &past))
    return MANTIS_OK;
  if (!(made = mantis_arena_alloc (page->arena, sizeof *made)))
    return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
  *made = past;
  touched->pasts = made;
  return MANTIS_OK;
}

/* Tables that the page has entries of. */
static enum mantis_status
note_table (struct page *page, const struct mantis_table *table, struct mantis_error *error)
{
  struct feed_page *out = page->out;

  for (size_t i = 0; i < out->table_count; i++)
    if (out->tables[i] == table)
      return MANTIS_OK;
  if (out->table_count % 16 == 0) {
    const struct mantis_table **more =
        arena_array (page->arena, out->table_count + 16, sizeof *more);
    if (!more)
      return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
    if (out->table_count)
      memcpy (more, out->tables, out->table_count * sizeof *more);
    out->tables = more;
  }
  out->tables[out->table_count++] = table;
  return MANTIS_OK;
}

/* BEFORE: what the row was, NULL where nobody asks. */
static enum mantis_status
touch (struct page *page, const struct mantis_entry *entry, const struct mantis_before *before,
       struct mantis_error *error)
{
  mantis_row key = key_row (entry->table, entry->key, page->arena);
  struct touched *touched;
  int64_t *place;

  if (key && key_has_null (entry->table, key)) /* nobody could tell this row apart */
    return MANTIS_OK;
  if (!key || !(place = map_at (&page->index, key_hash (entry->table, key), true)))
    return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
  touched = *place ? &page->touched[*place - 1] : NULL;
  if (!touched || touched->table != entry->table || !key_equal (entry->table, touched->key, key)) {
    *place = (int64_t)page->count + 1;
    touched = &page->touched[page->count++];
    *touched = (struct touched){.table = entry->table,
                                .key = key,
                                .filtered = before ? filters_on (page->store, entry->table) : NULL};
  }
  touched->rev = entry->seq;
  touched->time = entry->time;
  touched->removed = entry->operation == MANTIS_DELETE || entry->operation == MANTIS_EVICT;
  touched->origin = entry->origin;
  if (entry->operation != MANTIS_EVICT)
    touched->written = entry->seq;
  return touched->filtered ? note_past (page, touched, entry, before, error) : MANTIS_OK;
}

static int
compare_touched (const void *a, const void *b)
{
  const struct touched *left = a, *right = b;

  if (left->table != right->table)
    return left->table->id < right->table->id ? -1 : 1;
  return key_compare (left->table, left->key, right->key);
}

/* Read the rows of TOUCHED, COUNT of them, of one table, and append them to CHANGES. */
static enum mantis_status
read_run (struct page *page, const struct touched *touched, size_t count, struct feed_page *out,
          size_t *bytes, struct mantis_error *error)
{
  const struct mantis_table *table = touched->table;
  struct mantis_change *changes = arena_array (page->arena, count, sizeof *changes);
  mantis_row *rows = arena_array (page->arena, count, sizeof *rows);
  mantis_row *found = arena_array (page->arena, count, sizeof *found);
  enum mantis_status status;
  size_t size;

  if (!changes || !rows || !found)
    return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
  for (size_t i = 0; i < count; i++)
    rows[i] = touched[i].key;
  status =
      page->store->ops->read (page->store->session, table, rows, count, page->arena, found, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    const struct filtered *filtered = touched[i].filtered;
    bool large, evicted = found[i] && !touched[i].written;
    /* An eviction of a row that is there did not happen: it is no version of it. */
    if (evicted && !filtered)
      continue;
    changes[i] =
        (struct mantis_change){.table = table,
                               .row = found[i] ? found[i] : rows[i],
                               .deleted = !found[i],
                               .updated_at = touched[i].time,
                               .rev = found[i] && !evicted ? touched[i].written : touched[i].rev};
    large = found[i] && large_is (page->large, table, found[i], &size);
    if (filtered)
      out->pasts[out->count] = (struct feed_past){
          .filtered = filtered, .pasts = touched[i].pasts, .cut = large, .evicted = evicted,
          .removed = touched[i].removed};
    if (large && !filtered)
      status = large_tell (page->large, page->store, table, found[i], changes[i].rev, size, error);
    else {
      out->origins[out->count] = touched[i].origin;
      out->changes[out->count++] = &changes[i];
    }
    /* What a storage left out takes no room. */
    *bytes += found[i] && row_is_cut (table, found[i]) ? 0 : row_bytes (table, changes[i].row);
  }
  return status;
}

/* The page's keys, read table by table. */
static enum mantis_status
read_rows (struct page *page, struct feed_page *out, size_t *bytes, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  size_t kept = 0;

  for (size_t i = 0; i < page->count; i++)
    if (!page->node || !page->touched[i].origin || page->touched[i].filtered ||
        strcmp (page->touched[i].origin, page->node) != 0)
      page->touched[kept++] = page->touched[i];
  qsort (page->touched, kept, sizeof *page->touched, compare_touched);
  for (size_t from = 0, to; from < kept && status == MANTIS_OK; from = to) {
    for (to = from; to < kept && page->touched[to].table == page->touched[from].table; to++)
      ;
    status = read_run (page, page->touched + from, to - from, out, bytes, error);
  }
  return status;
}

/* Entries that a page takes next, each of them a row at most: few at first, as many as the bytes allow once it is known
 * how large rows are. */
static size_t
next_chunk (size_t limit, size_t bytes, size_t rows_seen, size_t bytes_seen)
{
  size_t chunk = FIRST_CHUNK;

  if (rows_seen)
    chunk = (bytes > bytes_seen ? bytes - bytes_seen : 0) / (bytes_seen / rows_seen + 1);
  if (chunk > LARGEST_CHUNK)
    chunk = LARGEST_CHUNK;
  return chunk < limit ? chunk : limit;
}

static enum mantis_status
read_chunk (struct page *page, int64_t after, int64_t head, size_t chunk,
            bool (*skip) (void *context, const struct mantis_table *table), void *context,
            int64_t *last, size_t *taken, struct mantis_error *error)
{
  const struct mantis_storage *ops = page->store->ops;
  bool recall = page->store->filters != NULL;
  struct mantis_entry *entries;
  struct mantis_before *before = NULL;
  enum mantis_status status = recall
                                  ? ops->log_recall (page->store->session, after, head, chunk,
                                                     page->arena, &entries, &before, taken, error)
                                  : ops->log_read (page->store->session, after, head, chunk,
                                                   page->arena, &entries, taken, error);

  for (size_t i = 0; i < *taken && status == MANTIS_OK; i++) {
    const struct mantis_table *table = entries[i].table;
    *last = entries[i].seq;
    if (table && recall)
      status = note_table (page, table, error);
    if (table && status == MANTIS_OK && !(skip && skip (context, table)) &&
        !filters_unfit (page->store, table))
      status = touch (page, &entries[i], recall ? &before[i] : NULL, error);
  }
  return status;
}

/* Rows are read as they are now, which may be newer than the end of a page that is not the last: whoever edits
 * such a row has seen that version. */
static enum mantis_status
tell_versions (struct store *store, struct feed_page *page, struct mantis_arena *arena,
               struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t from = 0, to; from < page->count && status == MANTIS_OK; from = to) {
    const struct mantis_table *table = page->changes[from]->table;
    mantis_row *rows = arena_array (arena, page->count - from, sizeof *rows);
    struct mantis_version *versions;
    for (to = from; rows && to < page->count && page->changes[to]->table == table; to++)
      rows[to - from] = page->changes[to]->row;
    if (!rows || !(versions = arena_array (arena, to - from, sizeof *versions)))
      return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
    status = store->ops->versions (store->session, table, rows, to - from, arena, versions, error);
    for (size_t i = from; i < to && status == MANTIS_OK; i++)
      if (versions[i - from].rev > page->changes[i]->rev) {
        struct mantis_change *change = mantis_arena_alloc (arena, sizeof *change);
        if (!change)
          return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
        *change = *page->changes[i];
        change->rev = versions[i - from].rev;
        change->updated_at = versions[i - from].updated_at;
        page->changes[i] = change;
      }
  }
  return status;
}

/* Entries after *LAST, CHUNK of them, and their rows.  *TOO_LARGE: they are far beyond BYTES, and nothing was
 * taken; a single entry is never too large. */
static enum mantis_status
take_chunk (struct page *page, struct feed_page *out, size_t chunk, size_t bytes,
            bool (*skip) (void *context, const struct mantis_table *table), void *context,
            int64_t *last, size_t *taken, size_t *bytes_seen, bool *too_large,
            struct mantis_error *error)
{
  struct arena_mark mark = arena_mark (page->arena);
  const struct feed_page before = *out;
  size_t bytes_before = *bytes_seen, told_before = page->large->told.length;
  int64_t from = *last;
  enum mantis_status status;

  /* Keys of earlier chunks are read; seen again they are sent again, which is harmless. */
  page->count = 0;
  map_free (&page->index);
  status = read_chunk (page, from, out->head, chunk, skip, context, last, taken, error);
  if (status == MANTIS_OK && *taken == 0)
    *last = out->head;
  if (status == MANTIS_OK)
    status = read_rows (page, out, bytes_seen, error);
  *too_large = chunk > 1 && (mantis_arena_exhausted (page->arena) || *bytes_seen > 2 * bytes);
  if (!*too_large)
    return status;
  arena_rewind (page->arena, mark);
  *out = before;
  *bytes_seen = bytes_before;
  page->large->told.length = told_before;
  *last = from;
  *taken = 0;
  return MANTIS_OK;
}

enum mantis_status
feed_read (struct store *store, int64_t rev, size_t limit, size_t bytes, const char *node,
           bool (*skip) (void *context, const struct mantis_table *table), void *context,
           struct mantis_arena *arena, struct large *large, struct feed_page *out,
           struct mantis_error *error)
{
  struct page page = {.store = store, .arena = arena, .node = node, .large = large, .out = out};
  size_t entries = 0, enough, bytes_seen = 0, taken, chunk, most = LARGEST_CHUNK;
  bool too_large;
  int64_t last = rev;
  enum mantis_status status;

  *out = (struct feed_page){.complete = false};
  if ((status = store->ops->log_head (store->session, &out->head, error)) != MANTIS_OK)
    return status;
  if ((int64_t)limit > out->head - rev)
    limit = (size_t)(out->head > rev ? out->head - rev : 0);
  page.touched = arena_array (arena, limit, sizeof *page.touched);
  out->changes = arena_array (arena, limit, sizeof *out->changes);
  out->origins = arena_array (arena, limit, sizeof *out->origins);
  if (store->filters && !(out->pasts = arena_array (arena, limit, sizeof *out->pasts)))
    return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
  if (!page.touched || !out->changes || !out->origins)
    return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
  /* What the caller wrote itself is passed over, and takes no room from what others wrote at one moment. */
  enough = limit * ENTRIES_A_ROW;
  while (status == MANTIS_OK && last < out->head && out->count < limit && entries < enough &&
         bytes_seen < bytes) {
    chunk = next_chunk (limit - out->count, bytes, out->count, bytes_seen);
    chunk = chunk < most ? chunk : most;
    if (chunk == 0)
      break;
    status = take_chunk (&page, out, chunk, bytes, skip, context, &last, &taken, &bytes_seen,
                         &too_large, error);
    if (too_large && last > rev)
      break;
    most = too_large ? (chunk + 7) / 8 : LARGEST_CHUNK;
    entries += taken;
  }
  map_free (&page.index);
  out->complete = last >= out->head;
  out->bytes = bytes_seen;
  if (status == MANTIS_OK && !out->complete)
    status = tell_versions (store, out, arena, error);
  if (status == MANTIS_OK && !out->complete)
    status = cursor_at (store, out->head, &out->ahead, error);
  return status == MANTIS_OK
             ? cursor_at (store, out->complete ? out->head : last, &out->cursor, error)
             : status;
}

/* What a row by key is told as: of a row that is not there, and of one that VIEWER does not see, the same. */
static enum mantis_status
key_change (const struct viewer *viewer, const struct filtered *filtered, mantis_row key,
            mantis_row found, const struct mantis_version *version, struct mantis_arena *arena,
            struct mantis_change *change, struct mantis_error *error)
{
  const struct store *store = viewer->store;
  bool known = !filtered || found; /* what becomes of rows out of sight is nobody's business */

  *change =
      (struct mantis_change){.row = found ? filter_blank (filtered, viewer, found, arena) : key,
                             .deleted = !found,
                             .updated_at = known ? version->updated_at : store->floor_time,
                             .rev = known && version->rev ? version->rev : store->floor};
  return change->row ? MANTIS_OK
                     : mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
}

enum mantis_status
feed_keys (const struct viewer *viewer, const struct mantis_table *table, const mantis_row *rows,
           size_t *count, size_t *bytes, struct mantis_arena *arena, struct large *large,
           const struct mantis_change **changes, struct mantis_error *error)
{
  struct store *store = viewer->store;
  const struct filtered *filtered = viewer_filtered (viewer, table);
  struct mantis_change *made = arena_array (arena, *count, sizeof *made);
  struct mantis_version *versions = arena_array (arena, *count, sizeof *versions);
  mantis_row *found = arena_array (arena, *count, sizeof *found);
  enum mantis_status status = MANTIS_OK;
  size_t told = 0, kept = 0, size;

  if (!made || !versions || !found)
    return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
  for (size_t left = *bytes; told < *count && left && status == MANTIS_OK; told++) {
    status = store->ops->read (store->session, table, rows + told, 1, arena, found + told, error);
    if (status == MANTIS_OK && found[told] && filtered &&
        (large_is (large, table, found[told], &size) ||
         !filter_sees (filtered, viewer, found[told])))
      found[told] = NULL;
    size = status == MANTIS_OK && found[told] && !row_is_cut (table, found[told])
               ? row_bytes (table, found[told])
               : 0;
    left = size < left ? left - size : 0;
    *bytes = left;
  }
  if (status == MANTIS_OK)
    status = store->ops->versions (store->session, table, rows, told, arena, versions, error);
  for (size_t i = 0; i < told && status == MANTIS_OK; i++) {
    status = key_change (viewer, filtered, rows[i], found[i], &versions[i], arena, &made[i], error);
    made[i].table = table;
    if (status == MANTIS_OK && found[i] && large_is (large, table, found[i], &size))
      status = large_tell (large, store, table, found[i], made[i].rev, size, error);
    else
      changes[kept++] = &made[i];
  }
  *count = kept;
  return status;
}

/* ---- Pages of a table ------------------------------------------------------------------------ */

/* A page as it grows. */
struct table_page {
  const struct viewer *viewer;
  const struct mantis_table *table;
  const struct filtered *filtered;
  struct mantis_arena *arena;
  struct large *large;
  const struct mantis_change **changes;
  size_t count, room;
  size_t looked; /* bytes of all rows that were looked at since some were found */
};

static enum mantis_status
tell_row (struct table_page *page, mantis_row row, struct mantis_error *error)
{
  struct mantis_change *made;
  size_t bytes;
  bool large = large_is (page->large, page->table, row, &bytes);

  page->looked += bytes;
  if (page->filtered && (large || !filter_sees (page->filtered, page->viewer, row)))
    return MANTIS_OK;
  if (large)
    return large_tell (page->large, page->viewer->store, page->table, row, 0, bytes, error);
  if (page->count == page->room) {
    size_t room = page->room ? page->room * 2 : 256;
    const struct mantis_change **more = arena_array (page->arena, room, sizeof *more);
    if (more && page->count)
      memcpy (more, page->changes, page->count * sizeof *more);
    if (!more)
      return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
    page->changes = more;
    page->room = room;
  }
  if (!(made = mantis_arena_alloc (page->arena, sizeof *made)) ||
      !(row = filter_blank (page->filtered, page->viewer, row, page->arena)))
    return mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
  *made = (struct mantis_change){.table = page->table, .row = row};
  page->changes[page->count++] = made;
  return MANTIS_OK;
}

/* One scan behind *AFTER, of LIMIT rows or BYTES at most; *AFTER is where it came to, *READ rows on. */
static enum mantis_status
scan_on (struct table_page *page, mantis_row *after, size_t limit, size_t bytes, size_t *read,
         bool *end, struct mantis_error *error)
{
  CLEANUP_BUF struct mantis_buf key = MANTIS_BUF_INIT;
  const struct store *store = page->viewer->store;
  struct arena_mark mark = arena_mark (page->arena);
  size_t before = page->count;
  const mantis_row *rows;
  enum mantis_status status = store->ops->scan (store->session, page->table, *after, NULL, limit,
                                                bytes, page->arena, &rows, read, end, error);

  for (size_t i = 0; i < *read && status == MANTIS_OK; i++)
    status = tell_row (page, rows[i], error);
  if (status != MANTIS_OK || *end || !*read)
    return status;
  if (page->count > before) {
    *after = rows[*read - 1];
    return MANTIS_OK;
  }
  key_encode (&key, page->table,
              rows[*read - 1]); /* nothing of it is told: its memory is free again */
  arena_rewind (page->arena, mark);
  return key.failed ? mantis_fail (error, MANTIS_FAILED, "out of memory")
                    : key_parse (key.bytes, page->table, page->arena, after, error);
}

enum mantis_status
feed_table (const struct viewer *viewer, const struct mantis_table *table, mantis_row after,
            size_t limit, size_t bytes, struct mantis_arena *arena, struct large *large,
            const struct mantis_change ***changes, size_t *count, bool *end,
            struct mantis_error *error)
{
  struct table_page page = {.viewer = viewer,
                            .table = table,
                            .filtered = viewer_filtered (viewer, table),
                            .arena = arena,
                            .large = large};
  enum mantis_status status = MANTIS_OK;
  size_t read, seen = 0;

  for (*end = false; status == MANTIS_OK && !*end; seen += read) {
    /* Where few rows are in sight, one answer looks at more of them. */
    if (page.count &&
        (!page.filtered || seen >= MOST_SEEN || page.count >= limit || page.looked >= bytes))
      break;
    page.looked = page.count ? page.looked : 0;
    status = scan_on (&page, &after, limit - page.count, bytes - page.looked, &read, end, error);
    if (status != MANTIS_OK || !read)
      break;
  }
  *changes = page.changes;
  *count = page.count;
  return status;
}
