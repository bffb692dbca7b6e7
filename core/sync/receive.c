/* receive.c - a page from the server: hold or apply, and move the cursor, in one transaction.
 *
 * What the application wrote since is taken in first: a row with an unsent edit is never overwritten.  Its
 * key is held instead, and fetched again once the row is clean.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/receive.h"
#include "base/base.h"
#include "sync/base.h"
#include "sync/digest.h"
#include "wire/block.h"
#include "wire/json.h"
#include "wire/key.h"

#include <stdio.h>
#include <string.h>

enum {
  KEYS_A_PULL = 500,
  LARGE_RETRY =
      600 *
      1000 /* a row that no message can carry is told when it changes; limits may change, too */
};

#define TOO_LARGE                                                                                  \
  "the row is larger than an answer of the server may be (64 MB of JSON, or max_answer_bytes "     \
  "here)"

/* ---- The request ----------------------------------------------------------------------------- */

static void
add_skipped (struct client *client, struct mantis_buf *buf)
{
  const char *before = ",\"skip\":[";

  for (size_t i = 0; i < client->phases.count; i++)
    if (client->phases.tables[i].paused) {
      const char *name = client->phases.tables[i].table->name;
      mantis_buf_text (buf, before);
      mantis_buf_json (buf, name, strlen (name));
      before = ",";
    }
  if (*before == ',' && before[1] == '\0')
    mantis_buf_char (buf, ']');
}

/* Keys that are held and may come now, grouped by table as __sync_held is. */
static enum mantis_status
add_held (struct client *client, struct mantis_buf *buf, size_t *added, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status =
      arena ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");
  const char *before = ",\"keys\":[", *table = "";
  int64_t now = mantis_now ();
  const mantis_row *rows;
  size_t count = 0;

  if (status == MANTIS_OK)
    status = store_all (client->store, &table_held, arena, &rows, &count, error);
  for (size_t i = 0; i < count && status == MANTIS_OK && *added < KEYS_A_PULL; i++) {
    const struct table_state *state =
        phase_named (&client->phases, value_as_text (&rows[i][HELD_TBL]));
    mantis_row key;
    if (!state || state->paused ||
        !is_due (value_as_integer (&rows[i][HELD_NEXT_TRY]), now, LARGE_RETRY) ||
        key_parse (value_as_text (&rows[i][HELD_KEY]), state->table, arena, &key, NULL) !=
            MANTIS_OK ||
        queue_dirty (&client->queue, key_hash (state->table, key)))
      continue;
    if (strcmp (table, state->table->name) != 0) {
      mantis_buf_printf (buf, "%s%s{\"table\":", *table ? "]}" : "", *table ? "," : before);
      mantis_buf_json (buf, state->table->name, strlen (state->table->name));
      mantis_buf_text (buf, ",\"keys\":[");
      table = state->table->name;
    } else
      mantis_buf_char (buf, ',');
    mantis_buf_text (buf, value_as_text (&rows[i][HELD_KEY]));
    ++*added;
  }
  if (*added)
    mantis_buf_text (buf, "]}]");
  return status;
}

/* Is the page that came the one that STATE goes on with? */
static bool
was_asked (const struct client *client, const struct table_state *state)
{
  return client->asked_table && strcmp (client->asked_table, state->table->name) == 0 &&
         (client->asked_after ? state->loaded && strcmp (client->asked_after, state->loaded) == 0
                              : !state->loaded);
}

static enum mantis_status
add_load (struct client *client, const struct table_state *state, struct mantis_buf *buf,
          struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status = MANTIS_OK;
  mantis_row after = NULL;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  mantis_buf_text (buf, ",\"load\":{\"table\":");
  mantis_buf_json (buf, state->table->name, strlen (state->table->name));
  if (state->loaded)
    mantis_buf_printf (buf, ",\"after\":%s", state->loaded);
  mantis_buf_printf (buf, ",\"limit\":%zu", client->pull.part);
  if (state->loaded)
    status = key_parse (state->loaded, state->table, arena, &after, error);
  if (status == MANTIS_OK)
    status = digest_add (client->store, state->table, after, buf, error);
  mantis_buf_char (buf, '}');
  return status;
}

enum mantis_status
pull_request (struct client *client, struct mantis_buf *buf, bool *waits,
              struct mantis_error *error)
{
  const struct table_state *load;
  struct cursor cursor;
  size_t rows = client->partly ? client->pull.part : client->pull.whole;
  size_t bytes = client->partly ? client->settings.batch_bytes : client->settings.whole_bytes,
         held = 0;
  enum mantis_status status = client_begin (client, MANTIS_READ, error);

  load = reconcile_next (&client->phases); /* as beginning may have read the schema anew */
  cursor = phases_cursor (&client->phases);
  mantis_buf_char (buf, '{');
  cursor_add (buf, "cursor", &cursor);
  ahead_add (client, buf);
  mantis_buf_printf (buf, ",\"limit\":%zu,\"bytes\":%zu", rows, bytes);
  if (client->settings.answer_bytes)
    mantis_buf_printf (buf, ",\"takes\":%zu", client->settings.answer_bytes);
  add_skipped (client, buf);
  if (status == MANTIS_OK && client->queue.held.count)
    status = add_held (client, buf, &held, error);
  replace_text (&client->asked_table, load ? load->table->name : NULL);
  replace_text (&client->asked_after, load ? load->loaded : NULL);
  if (load && status == MANTIS_OK)
    status = add_load (client, load, buf, error);
  *waits = !load && !held && client->caught_up && client->settings.wait > 0;
  if (*waits)
    mantis_buf_printf (buf, ",\"wait\":%lld,\"filters\":%lld",
                       ((long long)client->settings.wait + 999) / 1000, (long long)client->filters);
  mantis_buf_char (buf, '}');
  status = client_end (client, status, error);
  if (status == MANTIS_OK && buf->failed)
    status = mantis_fail (error, MANTIS_FAILED, "out of memory");
  return status;
}

/* ---- The page -------------------------------------------------------------------------------- */

enum mantis_status
page_add (struct page_in *page, const struct mantis_change *change, struct mantis_error *error)
{
  if (page->count == page->room) {
    size_t room = page->room ? page->room * 2 : 256;
    struct apply_item *items = arena_array (page->arena, room, sizeof *items);
    if (!items)
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    if (page->count)
      memcpy (items, page->items, page->count * sizeof *items);
    page->items = items;
    page->room = room;
  }
  page->items[page->count++].change = change;
  return MANTIS_OK;
}

/* Blocks of tables that we do not (or no longer) sync say nothing to us. */
static const struct mantis_table *
find_ours (void *context, const char *name, bool *ignore)
{
  struct client *client = context;
  const struct table_state *state = phase_named (&client->phases, name);

  *ignore = !state || state->paused;
  return *ignore ? NULL : state->table;
}

enum mantis_status
page_decode (struct page_in *page, const json_t *array, const char *path, struct block_changes *out,
             struct mantis_error *error)
{
  struct block_tables tables = {.find = find_ours, .context = page->client};

  return blocks_decode (array, page->lists, path, &tables, 0, NULL, page->arena, out, error);
}

/* The row has an unsent edit, which what is skipped here is not in: that caps its base.  What a pending edit
 * is known to be made on (the answer to the push before it told) caps nothing. */
static enum mantis_status
skip_change (struct page_in *page, const struct mantis_change *change, struct mantis_error *error)
{
  struct client *client = page->client;
  int64_t first = change->rev;
  struct pending pending;
  bool found;
  enum mantis_status status = pending_get (&client->queue, client->store, change->table,
                                           change->row, page->arena, &pending, &found, error);

  if (status == MANTIS_OK && found && pending.base >= first)
    first = pending.base + 1;
  if (status == MANTIS_OK)
    status = held_put (&client->queue, client->store, change->table, change->row, first,
                       change->rev, HELD_EDITED, 0, error);
  return status;
}

/* A change of the feed, or of a key that was asked for. */
static enum mantis_status
take_change (struct page_in *page, const struct mantis_change *change, struct mantis_error *error)
{
  struct client *client = page->client;
  struct table_state *state = phase_of (&client->phases, change->table);
  uint64_t hash = key_hash (change->table, change->row);
  enum mantis_status status = MANTIS_OK;

  /* Until a table is live, the revision up to which it was whole last stays known. */
  if (change->rev > state->rev && change->rev <= page->rev &&
      (state->phase == PHASE_LIVE || state->phase == PHASE_SCAN)) {
    state->rev = change->rev;
    state->changed = true;
  }
  if (state->phase == PHASE_FIRST && !queue_written (&client->queue, hash)) {
    bool ours;
    if ((status = reconcile_is_ours (page, state, change, &ours, error)) != MANTIS_OK || ours)
      return status;
  }
  if (status == MANTIS_OK && !map_at (&page->incoming, hash, true))
    status = mantis_fail (error, MANTIS_FAILED, "out of memory");
  if (status != MANTIS_OK)
    return status;
  if (queue_dirty (&client->queue, hash))
    return skip_change (page, change, error);
  if (state->phase == PHASE_SCAN)
    status = reconcile_overwrite (page, change, error);
  return status == MANTIS_OK ? page_add (page, change, error) : status;
}

static enum mantis_status
take_changes (struct page_in *page, const json_t *json, const char *name,
              struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *array = json_get_array (json, name, &status, error);
  struct block_changes changes = {.count = 0};
  char path[40];

  snprintf (path, sizeof path, "$.%s", name);
  if (status == MANTIS_OK)
    status = page_decode (page, array, path, &changes, error);
  for (size_t i = 0; i < changes.count && status == MANTIS_OK; i++)
    status = take_change (page, &changes.changes[i], error);
  return status;
}

/* A row that was here before the first contact is not from the server, however large that one's is. */
static enum mantis_status
keep_ours (struct page_in *page, const struct mantis_change *change, struct mantis_error *error)
{
  struct client *client = page->client;
  const struct table_state *state = phase_of (&client->phases, change->table);
  enum mantis_status status;
  bool ours = false;

  if (state->phase != PHASE_FIRST)
    return MANTIS_OK;
  status = reconcile_is_ours (page, state, change, &ours, error);
  return status == MANTIS_OK && ours
             ? reconcile_offer (client, change->table, change->row, false, error)
             : status;
}

/* Rows that no message can carry: neither changed here nor missing there.  Each is held, until it is told as any
 * other. */
static enum mantis_status
take_large (struct page_in *page, const json_t *json, struct mantis_error *error)
{
  struct client *client = page->client;
  enum mantis_status status = MANTIS_OK;
  const json_t *array = json_get_array (json, "too_large", &status, error), *item;
  size_t i;

  json_array_foreach (array, i, item)
  {
    struct mantis_change change = {.rev = json_get_integer (item, "rev", 0, &status, error)};
    const char *name = json_get_text (item, "table", "", &status, error);
    const json_t *key = json_get_array (item, "key", &status, error);
    if (status == MANTIS_OK && !(change.table = find_ours (client, name, &(bool){false})))
      continue;
    if (status == MANTIS_OK)
      status = key_decode (key, change.table, page->arena, &change.row, error);
    if (status != MANTIS_OK)
      return mantis_fail_in (error, "$.too_large[%zu]", i);
    uint64_t hash = key_hash (change.table, change.row);
    if (!map_at (&page->incoming, hash, true))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
    if (!queue_written (&client->queue, hash) &&
        (status = keep_ours (page, &change, error)) != MANTIS_OK)
      return status;
    status = queue_dirty (&client->queue, hash)
                 ? skip_change (page, &change, error)
                 : held_refused (&client->queue, client->store, &change, change.rev, TOO_LARGE,
                                 mantis_now () + LARGE_RETRY, error);
    if (status != MANTIS_OK)
      return status;
  }
  return status;
}

/* The server found the ranges up to "after" equal to ours. */
static enum mantis_status
skip_equal (struct page_in *page, struct table_state *state, const json_t *load,
            struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *after = json_get_array (load, "after", &status, error);
  mantis_row key;

  if (status != MANTIS_OK || !after)
    return status;
  if ((status = key_decode (after, state->table, page->arena, &key, error)) != MANTIS_OK)
    return mantis_fail_in (error, "$.load.after");
  replace_text (&state->loaded, key_text (page->arena, state->table, key));
  return state->loaded ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "out of memory");
}

static enum mantis_status
take_load (struct page_in *page, const json_t *json, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *load = json_get_object (json, "load", &status, error);
  const json_t *array = json_get_array (load, "changes", &status, error);
  bool end = json_get_bool (load, "end", false, &status, error);
  struct table_state *state = reconcile_next (&page->client->phases);
  struct block_changes rows = {.count = 0};

  if (status != MANTIS_OK || !load || !state || !was_asked (page->client, state))
    return status;
  /* A row that is under way is no news only if nobody wrote to it unseen since: when it is settled, then. */
  if (state->phase == PHASE_SCAN && page->client->flight.number)
    return MANTIS_OK;
  status = page_decode (page, array, "$.load.changes", &rows, error);
  if (status == MANTIS_OK && rows.count && rows.changes[0].table != state->table)
    return MANTIS_OK; /* asked for before the schema changed */
  if (status == MANTIS_OK && !rows.count && !end)
    return mantis_fail (error, MANTIS_INVALID, "$.load: a page without rows that is not the last");
  if (status == MANTIS_OK)
    status = skip_equal (page, state, load, error);
  if (status == MANTIS_OK)
    status = reconcile_page (page, state, rows.changes, rows.count, end, error);
  if (status == MANTIS_OK)
    report_rows (page->client->store->reports, MANTIS_REPORT_PROGRESS, state->table, rows.count,
                 phase_name (state->phase));
  return status;
}

/* The row is newer than the cursor says; or, until its table is loaded, the page that brings its range could
 * not tell it from one of ours. */
static enum mantis_status
note_seen (struct page_in *page, const struct mantis_change *change, struct mantis_error *error)
{
  struct client *client = page->client;
  const struct table_state *state = phase_of (&client->phases, change->table);

  if (!change->rev || !state || (state->phase != PHASE_FIRST && change->rev <= page->rev))
    return MANTIS_OK;
  return seen_put (&client->queue, client->store, change->table, change->row, change->rev, error);
}

/* Apply; what this database does not take is held, what it took is held no longer. */
static enum mantis_status
apply_page (struct page_in *page, struct mantis_error *error)
{
  struct client *client = page->client;
  enum mantis_status status;

  page_refuse (page);
  status = apply_changes (client->store, page->mode, page->items, page->count, page->arena, error);

  for (size_t i = 0; i < page->count && status == MANTIS_OK; i++) {
    const struct mantis_change *change = page->items[i].change;
    if (!page->items[i].done) {
      status = held_refused (&client->queue, client->store, change, change->rev,
                             page->items[i].refusal, mantis_now () + HELD_RETRY, error);
    } else if (client->queue.held.count) {
      int64_t rev = i >= page->keys_from && i < page->keys_to ? page->head : change->rev;
      status = held_remove (&client->queue, client->store, change->table, change->row,
                            rev ? rev : INT64_MAX, error);
    }
    if (status == MANTIS_OK && page->items[i].done)
      status = note_seen (page, change, error);
  }
  return status == MANTIS_OK ? base_agree (client, page->items, page->count, error) : status;
}

/* What was refused before, or just now, for the value of a row that has another one by now. */
static enum mantis_status
stir_held (struct page_in *page, struct mantis_error *error)
{
  struct client *client = page->client;
  const struct mantis_table *last = NULL;
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < page->count && status == MANTIS_OK && client->queue.held.count; i++)
    if (page->items[i].done && page->items[i].change->table != last) {
      last = page->items[i].change->table;
      status = held_stir (&client->queue, client->store, last, error);
    }
  return status;
}

static enum mantis_status
move_cursor (struct client *client, const json_t *json, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *cursor = json_get_object (json, "cursor", &status, error);
  const char *epoch = json_get_text (cursor, "epoch", "", &status, error);
  const char *mark = json_get_text (cursor, "mark", "", &status, error);
  int64_t rev = json_get_integer (cursor, "rev", 0, &status, error), now = mantis_now ();
  struct phases *phases = &client->phases;

  if (status == MANTIS_OK && (strcmp (epoch, phases->epoch) != 0 || rev < phases->rev))
    status = mantis_fail (error, MANTIS_INVALID, "$.cursor: not after the one that was sent");
  if (status == MANTIS_OK && rev > phases->rev)
    status = queue_note_base (&client->queue, client->store, phases->rev, error);
  if (status != MANTIS_OK)
    return status;
  if ((status = ahead_reached (client, rev, error)) != MANTIS_OK)
    return status;
  phases->changed |= rev != phases->rev;
  phases->rev = rev;
  snprintf (phases->mark, sizeof phases->mark, "%s", mark);
  if (now - phases->last_pull > 1000 ||
      phases->changed) { /* an idle poll is no reason to write each time */
    phases->last_pull = now;
    phases->changed = true;
  }
  for (size_t i = 0; i < phases->count; i++)
    if (phases->tables[i].phase == PHASE_FIRST)
      return MANTIS_OK; /* what was seen of it is still to be told apart from what is ours */
  return seen_prune (&client->queue, client->store, rev, error);
}

static void
note_pulled (struct page_in *page)
{
  const struct mantis_table *last = NULL;
  int64_t now = mantis_now ();

  for (size_t i = 0; i < page->count; i++)
    if (page->items[i].change->table != last) {
      struct table_state *state =
          phase_of (&page->client->phases, last = page->items[i].change->table);
      state->last_pull = now;
      state->changed = true;
    }
}

/* Nothing in it, and nothing to write down? */
static bool
is_empty (const struct client *client, const json_t *json)
{
  const json_t *cursor = json_object_get (json, "cursor");

  return json_array_size (json_object_get (json, "changes")) == 0 &&
         json_array_size (json_object_get (json, "keys")) == 0 && !json_object_get (json, "load") &&
         !json_object_get (json, "too_large") && !json_object_get (json, "compare") &&
         json_integer_value (json_object_get (cursor, "rev")) == client->phases.rev;
}

/* Tables of which the server shows other rows now, and does not know which they were. */
static enum mantis_status
take_compares (struct client *client, const json_t *json, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *names = json_get_array (json, "compare", &status, error), *name;
  size_t i;

  json_array_foreach (names, i, name)
  {
    struct table_state *state =
        json_is_string (name) ? phase_named (&client->phases, json_string_value (name)) : NULL;
    /* What is compared already is compared once more when this round is through: else that might never end. */
    if (state && state->phase == PHASE_REPAIR && state->loaded) {
      state->view = 0;
      state->changed = true;
    } else if (state && status == MANTIS_OK)
      status = see_anew (client, state, state->view, error);
  }
  return status;
}

static enum mantis_status
take_page (struct page_in *page, const json_t *json, struct mantis_error *error)
{
  struct client *client = page->client;
  enum mantis_status status = queue_fold (&client->queue, client->store, error);

  page->rev = json_integer_value (json_object_get (json_object_get (json, "cursor"), "rev"));
  page->head = json_integer_value (json_object_get (json, "head"));
  if (status == MANTIS_OK)
    status = take_changes (page, json, "changes", error);
  page->keys_from = page->count;
  if (status == MANTIS_OK)
    status = take_changes (page, json, "keys", error);
  page->keys_to = page->count;
  if (status == MANTIS_OK)
    status = take_large (page, json, error);
  if (status == MANTIS_OK)
    status = take_load (page, json, error);
  if (status == MANTIS_OK)
    status = take_compares (client, json, error);
  if (status == MANTIS_OK)
    status = apply_page (page, error);
  if (status == MANTIS_OK)
    status = stir_held (page, error);
  if (status == MANTIS_OK)
    status = ahead_note (client, json, error);
  if (status == MANTIS_OK)
    status = move_cursor (client, json, error);
  if (status == MANTIS_OK) {
    note_pulled (page);
    status = phases_save (&client->phases, client->store, error);
  }
  return status;
}

/* Was the pull that is answered sent after all that we pushed was answered? */
static bool
is_after_talk (const struct client *client)
{
  return client->slots[CLIENT_PULL].sent_at > client->slots[CLIENT_TALK].answered_at;
}

/* Does the server know batches of this node that we never sent?  Then a copy of our file goes by the same
 * id, and the page lacks what that one wrote. */
static bool
is_for_another (const struct client *client, int64_t number, const char *nonce)
{
  if (number == client->number)
    return number > 0 && strcmp (nonce, client->nonce) != 0;
  return number > client->number &&
         !(number == client->flight.number && strcmp (nonce, client->flight.nonce) == 0);
}

/* The page in one transaction. */
static enum mantis_status
receive_once (struct page_in *page, const json_t *json, struct mantis_error *error)
{
  struct client *client = page->client;
  enum mantis_status status = client_begin (client, MANTIS_WRITE, error);

  if (status == MANTIS_OK)
    status = take_page (page, json, error);
  status = client_end (client, status, error);
  map_free (&page->incoming);
  if (status != MANTIS_OK)
    return status;
  pace_learn (client, &client->pull, page->count, client->store->took);
  pace_rest (client, client->store->took);
  return MANTIS_OK;
}

static enum mantis_status
take_in (struct client *client, const json_t *json, struct lists *lists, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0), *asked = NULL;
  struct page_in page = {.client = client, .lists = lists};
  enum mantis_status status;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = page_ask (&page, json, &asked, error);
  page.arena = arena;
  if (status == MANTIS_OK && (status = receive_once (&page, json, error)) == MANTIS_REFUSED) {
    lists_again (lists);
    mantis_arena_reset (arena);
    page = (struct page_in){.client = client,
                            .lists = lists,
                            .arena = arena,
                            .mode = APPLY_EACH,
                            .refused = page.refused};
    status = receive_once (&page, json, error);
  }
  map_free (&page.refused);
  if (status == MANTIS_OK)
    client_tell_applied (client, page.items, page.count, arena);
  return status;
}

enum mantis_status
receive (struct client *client, const json_t *json, struct lists *lists, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  bool complete = json_get_bool (json, "complete", true, &status, error);
  int64_t generation = json_get_integer (json, "generation", client->generation, &status, error);
  int64_t policies = json_get_integer (json, "policies", client->policies, &status, error);
  int64_t filters = json_get_integer (json, "filters", 0, &status, error);
  int64_t view = json_get_integer (json, "view", 0, &status, error);
  /* Read before our last batch was applied, overtaken by the answer to it: rows would go back in time. */
  bool stale = json_get_integer (json, "head", INT64_MAX, &status, error) < client->pushed;
  int64_t number = json_get_integer (json, "number", 0, &status, error);
  const char *nonce = json_get_text (json, "nonce", "", &status, error);

  /* Hello tells who we are now, and how the server's tables are: columns that we do not know pause theirs. */
  if (status == MANTIS_OK && (generation != client->generation || policies != client->policies ||
                              view != client->view || is_for_another (client, number, nonce))) {
    client->greeted = client->caught_up = false;
    return MANTIS_OK;
  }
  if (status == MANTIS_OK && (stale || number < client->number)) {
    client->caught_up = false;
    if (is_after_talk (client)) /* then it is the server that went back */
      client->greeted = false;
    return MANTIS_OK;
  }
  if (status == MANTIS_OK && !is_empty (client, json))
    status = take_in (client, json, lists, error);
  if (status != MANTIS_OK)
    return status;
  client->filters = filters;
  client->phases.last_pull = mantis_now ();
  client->partly = !complete || reconcile_next (&client->phases);
  client->caught_up = !client->partly;
  return MANTIS_OK;
}
