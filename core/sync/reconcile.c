/* reconcile.c - the one way to come back together: a table is compared with the server's, page by page.
 *
 * Each page is a range of keys of the server's table, as of the moment to which the feed was brought in the
 * same transaction: so for what is behind us the cursor is right.  What differs is decided by the phase:
 * see phase.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/conflict.h"
#include "sync/hidden.h"
#include "sync/push.h"
#include "sync/receive.h"
#include "wire/key.h"

#include <string.h>

enum { LOCAL_ROWS = 8000, LOCAL_BYTES = 4 * 1024 * 1024 };

struct range {
  struct page_in *page;
  struct table_state *state;
  const mantis_row *local;
  size_t local_count;
  bool *matched;
  struct map index; /* key -> place in local, plus 1 */
  json_t *shown;    /* columns that were hidden from us before; or NULL */
};

struct table_state *
reconcile_next (struct phases *phases)
{
  for (size_t i = 0; i < phases->count; i++)
    if (phase_reconciles (&phases->tables[i]))
      return &phases->tables[i];
  return NULL;
}

/* What came for KEY could not be stored here, or waits to be: the row is older than the cursor says. */
static bool
is_held (const struct range *range, mantis_row key)
{
  return map_at (&range->page->client->queue.held, key_hash (range->state->table, key), false);
}

enum mantis_status
reconcile_offer (struct client *client, const struct mantis_table *table, mantis_row key,
                 bool created, struct mantis_error *error)
{
  const struct pending pending = {
      .created = created, .time = TIME_UNKNOWN, .reason = "was here before the first contact"};
  enum mantis_status status = seen_forget (&client->queue, client->store, table, key, error);

  return status == MANTIS_OK
             ? pending_put (&client->queue, client->store, table, key, &pending, error)
             : status;
}

static enum mantis_status
queue_row (struct range *range, mantis_row key, bool created, struct mantis_error *error)
{
  struct client *client = range->page->client;
  const struct mantis_table *table = range->state->table;
  struct pending pending = {.base = client->phases.rev,
                            .created = created,
                            .reason = "was written where no trigger saw it"};

  if (range->state->phase == PHASE_FIRST)
    return reconcile_offer (client, table, key, created, error);
  pending.time = is_held (range, key) ? TIME_UNKNOWN : mantis_now () - client->clock_ahead;
  return pending_put (&client->queue, client->store, table, key, &pending, error);
}

static enum mantis_status
delete_row (struct range *range, mantis_row key, struct mantis_error *error)
{
  struct mantis_change *change = mantis_arena_alloc (range->page->arena, sizeof *change);

  if (!change)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  *change = (struct mantis_change){.table = range->state->table, .row = key, .deleted = true};
  return page_add (range->page, change, error);
}

/* A row with an unsent edit: what the server made of it since the table's newest revision that came was not
 * in the file when it was edited.  It is fetched again when the row is clean, and what comes then is newer than this page,
 * though nothing may have happened on the server: else it would be asked for again at once, and again. */
static enum mantis_status
hold_row (struct range *range, mantis_row key, struct mantis_error *error)
{
  struct client *client = range->page->client;
  int64_t first = range->state->rev + 1, last = range->page->rev;

  return held_put (&client->queue, client->store, range->state->table, key, first,
                   last < first ? last : first, HELD_EDITED, 0, error);
}

/* A row of the server, and ours of the same key (NULL: none). */
static enum mantis_status
meet (struct range *range, const struct mantis_change *theirs, mantis_row ours,
      struct mantis_error *error)
{
  struct client *client = range->page->client;
  const struct mantis_table *table = range->state->table;
  enum phase phase = range->state->phase;
  uint64_t hash = key_hash (table, theirs->row);
  bool edited = ours && phase != PHASE_REPAIR ? queue_written (&client->queue, hash)
                                              : queue_dirty (&client->queue, hash);

  /* In the other phases a row without an unsent edit becomes the server's as a whole. */
  if (ours && range->shown && (edited || phase == PHASE_FIRST)) {
    enum mantis_status status =
        shown_take_over (client->store, range->shown, theirs, edited, client->phases.rev,
                         range->page->arena, &ours, error);
    if (status != MANTIS_OK)
      return status;
  }
  if (map_at (&range->page->incoming, hash, false))
    return MANTIS_OK; /* the page's changes speak of it already */
  if (ours && rows_agree (table, theirs->row, ours))
    return MANTIS_OK;
  if (edited)
    return phase == PHASE_SCAN ? MANTIS_OK : hold_row (range, theirs->row, error);
  if (phase == PHASE_REPAIR ||
      (phase == PHASE_FIRST && (!ours || seen_came (&client->queue, hash))))
    return page_add (range->page, theirs, error);
  if (!ours && is_held (range, theirs->row))
    return MANTIS_OK; /* as in reconcile_overwrite() */
  return queue_row (range, theirs->row, false, error);
}

/* A row of ours that the server does not have. */
static enum mantis_status
miss (struct range *range, mantis_row ours, struct mantis_error *error)
{
  const struct mantis_table *table = range->state->table;
  struct queue *queue = &range->page->client->queue;
  enum phase phase = range->state->phase;
  uint64_t hash = key_hash (table, ours);

  if (map_at (&range->page->incoming, hash, false) || key_has_null (table, ours))
    return MANTIS_OK;
  if (phase != PHASE_REPAIR && queue_written (queue, hash))
    return MANTIS_OK;
  if (phase == PHASE_REPAIR || (phase == PHASE_FIRST && seen_came (queue, hash)))
    return queue_dirty (queue, hash) ? hold_row (range, ours, error)
                                     : delete_row (range, ours, error);
  return queue_row (range, ours, true, error);
}

/* Our rows up to UPTO (NULL: the end).  Where these are very many, only the first of them: *END is false. */
static enum mantis_status
read_local (struct range *range, mantis_row upto, bool *end, struct mantis_error *error)
{
  struct store *store = range->page->client->store;
  struct mantis_arena *arena = range->page->arena;
  const struct mantis_table *table = range->state->table;
  enum mantis_status status = MANTIS_OK;
  mantis_row after = NULL;

  if (range->state->loaded)
    status = key_parse (range->state->loaded, table, arena, &after, error);
  if (status == MANTIS_OK)
    status = store->ops->scan (store->session, table, after, upto, LOCAL_ROWS, LOCAL_BYTES, arena,
                               &range->local, &range->local_count, end, error);
  if (status != MANTIS_OK)
    return status;
  if (!(range->matched = arena_array (arena, range->local_count, sizeof *range->matched)))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  for (size_t i = 0; i < range->local_count; i++) {
    int64_t *place = map_at (&range->index, key_hash (table, range->local[i]), true);
    if (!place)
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    *place = (int64_t)i + 1;
  }
  return MANTIS_OK;
}

static enum mantis_status
compare_range (struct range *range, const struct mantis_change *rows, size_t count, mantis_row last,
               struct mantis_error *error)
{
  const struct mantis_table *table = range->state->table;
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    int64_t *place = map_at (&range->index, key_hash (table, rows[i].row), false);
    if (last && key_compare (table, rows[i].row, last) > 0)
      break; /* beyond what was read of ours: next time */
    if (place)
      range->matched[*place - 1] = true;
    status = meet (range, &rows[i], place ? range->local[*place - 1] : NULL, error);
  }
  for (size_t i = 0; i < range->local_count && status == MANTIS_OK; i++)
    if (!range->matched[i])
      status = miss (range, range->local[i], error);
  return status;
}

/* The range is done: remember where, or that the table is live. */
static enum mantis_status
advance (struct range *range, mantis_row last, bool end, struct mantis_error *error)
{
  struct table_state *state = range->state;
  char *text;

  if (end) {
    bool again = state->phase != PHASE_SCAN && state->view != state->shown;
    mantis_log (MANTIS_INFO, "table \"%s\": %s", state->table->name,
                state->phase == PHASE_FIRST ? "loaded" : "compared with the server");
    state->view = state->shown;
    phase_set (state, again ? PHASE_REPAIR : PHASE_LIVE);
    range->page->client->noticed = true; /* what waited for this may be sent */
    if (range->page->rev > state->rev)
      state->rev = range->page->rev;
    return range->shown && !again
               ? shown_forget (range->page->client->store, state->table->name, error)
               : MANTIS_OK;
  }
  if (!(text = key_text (range->page->arena, state->table, last)))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  replace_text (&state->loaded, text);
  state->changed = true;
  return MANTIS_OK;
}

enum mantis_status
reconcile_page (struct page_in *page, struct table_state *state, const struct mantis_change *rows,
                size_t count, bool end, struct mantis_error *error)
{
  struct range range = {.page = page, .state = state};
  mantis_row upto = end || !count ? NULL : rows[count - 1].row, last = NULL;
  bool local_end;
  enum mantis_status status =
      shown_read (page->client->store, state->table->name, &range.shown, error);

  if (status == MANTIS_OK)
    status = read_local (&range, upto, &local_end, error);
  if (status == MANTIS_OK && !local_end && range.local_count)
    last = range.local[range.local_count - 1];
  if (status == MANTIS_OK)
    status = compare_range (&range, rows, count, last, error);
  if (status == MANTIS_OK)
    status = advance (&range, last ? last : upto, end && !last, error);
  map_free (&range.index);
  json_decref (range.shown);
  return status;
}

enum mantis_status
reconcile_overwrite (struct page_in *page, const struct mantis_change *change,
                     struct mantis_error *error)
{
  struct client *client = page->client;
  mantis_row key = change->row, ours = NULL;
  enum mantis_status status = client->store->ops->read (client->store->session, change->table, &key,
                                                        1, page->arena, &ours, error);
  struct conflict conflict = {.table = change->table,
                              .key = change->row,
                              .outcome = "superseded",
                              .reason = "changed on the server while writes here went unseen",
                              .node = client->store->node,
                              .loser = ours,
                              .winner = change->deleted ? NULL : change->row,
                              .base = client->phases.rev,
                              .rev = change->rev,
                              .decided_by = "mantis"};

  if (status != MANTIS_OK ||
      (change->deleted ? !ours : ours && rows_agree (change->table, change->row, ours)))
    return status;
  if (!ours && map_at (&client->queue.held, key_hash (change->table, key), false))
    return MANTIS_OK; /* nobody deleted it here: it never got in */
  return conflict_keep (client->store, &conflict, error);
}

enum mantis_status
reconcile_is_ours (struct page_in *page, const struct table_state *state,
                   const struct mantis_change *change, bool *ours, struct mantis_error *error)
{
  struct client *client = page->client;
  const struct mantis_storage *ops = client->store->ops;
  struct mantis_session *session = client->store->session;
  mantis_row key = change->row, row = NULL, after = NULL;
  enum mantis_status status = MANTIS_OK;
  const mantis_row *rows;
  size_t count = 0;
  bool end;

  *ours = false;
  if (seen_came (&client->queue, key_hash (change->table, key)))
    return MANTIS_OK;
  if ((status = ops->read (session, change->table, &key, 1, page->arena, &row, error)) !=
          MANTIS_OK ||
      !row)
    return status;
  *ours = true;
  if (!state->loaded)
    return MANTIS_OK;
  /* The row exists, so it lies behind what is loaded when anything does; only the storage knows the order. */
  if ((status = key_parse (state->loaded, change->table, page->arena, &after, error)) != MANTIS_OK)
    return status;
  status = ops->scan (session, change->table, after, key, 1, SIZE_MAX, page->arena, &rows, &count,
                      &end, error);
  *ours = count > 0;
  return status;
}
