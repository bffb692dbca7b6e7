/* pull.c - the message "pull": what came after a cursor, a page of a table, rows by key; all of one moment.
 *
 *   {"cursor": {"epoch": "..", "rev": 41, "mark": ".."}, "limit": 5000, "bytes": 2000000, "wait": 25, "filters": 7,
 *    "ahead": {"epoch": "..", "rev": 99, "mark": ".."}, "skip": ["notes"],
 *    "keys": [{"table": "todos", "keys": [[1], [7]]}],
 *    "load": {"table": "orders", "after": [1000], "limit": 5000, "known": [{"to": [1500], "rows": 500, "sum": ".."}]}}
 *
 * The load page comes only with a complete page of changes, so that whoever applies both has, for the part
 * of the table that is loaded, the server's state of one moment.  It begins behind the ranges that the
 * caller knows already: see sync/digest.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/pull.h"
#include "sync/digest.h"
#include "wire/block.h"
#include "wire/json.h"
#include "wire/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  DEFAULT_ROWS = 5000,
  MAX_KEYS = 5000,
  CROWD = 32 * 1024 * 1024, /* bytes of what is told to all that wait; whoever takes it gets more */
  LEAST = 32 * 1024         /* of that for each */
};

/* ASKED rows or bytes, within what the server allows. */
static size_t
bounded (int64_t asked, size_t fallback, size_t most)
{
  size_t size = asked > 0 ? (size_t)asked : fallback;

  return size < most ? size : most;
}

/* The pages that are ready when many waited lie in memory until those who asked take them. */
static size_t
share_of (struct server *server)
{
  size_t crowd = server->crowd, share = CROWD / (crowd ? crowd : 1);

  return share > LEAST ? share : LEAST;
}

/* They are asked for with each entry of the log that is looked at. */
static enum mantis_status
read_skip (const json_t *names, struct pull *pull, struct mantis_error *error)
{
  const json_t *name;
  size_t i;

  json_array_foreach (names, i, name)
  {
    if (json_is_string (name) && !map_put (&pull->skipped, name_hash (json_string_value (name))))
      return mantis_fail (error, MANTIS_FAILED, "out of memory");
  }
  return MANTIS_OK;
}

static enum mantis_status
read_pull (const json_t *body, struct pull *pull, struct mantis_error *error)
{
  const struct limits *limits = &pull->server->limits;
  enum mantis_status status = MANTIS_OK;
  int64_t wait;
  const json_t *skip = json_get_array (body, "skip", &status, error);
  size_t takes;

  pull->limit = bounded (json_get_integer (body, "limit", 0, &status, error), DEFAULT_ROWS,
                         limits->page_rows);
  pull->bytes = bounded (json_get_integer (body, "bytes", 0, &status, error), limits->page_bytes,
                         limits->page_bytes);
  takes = bounded (json_get_integer (body, "takes", 0, &status, error), limits->body_bytes,
                   limits->body_bytes);
  /* An answer has up to twice BYTES of ordinary rows, or BYTES and one that is larger. */
  pull->bytes = bounded ((int64_t)pull->bytes, 1, takes / 8 + 1);
  pull->large.limit = takes - takes / 4;
  wait = json_get_integer (body, "wait", 0, &status, error);
  pull->wait = wait <= 0 ? 0 : wait > limits->wait / 1000 ? limits->wait : wait * 1000;
  pull->filters = json_get_integer (body, "filters", -1, &status, error);
  pull->keys = json_get_array (body, "keys", &status, error);
  pull->load = json_get_object (body, "load", &status, error);
  if (pull->wait && !pull->keys && !pull->load)
    pull->bytes = bounded ((int64_t)pull->bytes, 1, share_of (pull->server));
  if (status == MANTIS_OK)
    status = read_skip (skip, pull, error);
  if (status == MANTIS_OK)
    status = cursor_read (body, "cursor", &pull->cursor, &pull->has_cursor, error);
  if (status == MANTIS_OK)
    status = cursor_read (body, "ahead", &pull->ahead, &pull->has_ahead, error);
  return status;
}

static bool
skips (void *context, const struct mantis_table *table)
{
  const struct pull *pull = context;

  return pull->skipped.count && map_has (&pull->skipped, name_hash (table->name));
}

/* The table that PLACE asks for.  MANTIS_STALE: it may have been one when the caller said hello. */
static enum mantis_status
find_asked (struct pull *pull, const char *name, const char *place,
            const struct mantis_table **table, struct mantis_error *error)
{
  *table = find_synced (pull->store, name, NULL);
  if (*table && !filters_unfit (pull->store, *table))
    return MANTIS_OK;
  if (!*name)
    return mantis_fail (error, MANTIS_INVALID, "%s.table: missing", place);
  return mantis_fail (error, MANTIS_STALE, "%s.table: there is no table \"%.80s\" to sync", place,
                      name);
}

/* ---- Rows by key ----------------------------------------------------------------------------- */

static enum mantis_status
add_keys_of (struct pull *pull, const json_t *item, size_t place, size_t *bytes,
             struct mantis_buf *buf, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const char *name = json_get_text (item, "table", "", &status, error);
  const json_t *keys = json_get_array (item, "keys", &status, error), *key;
  const struct mantis_table *table = NULL;
  char where[40];
  size_t count = json_array_size (keys), i;
  mantis_row *rows = arena_array (pull->arena, count, sizeof *rows);
  const struct mantis_change **changes = arena_array (pull->arena, count, sizeof *changes);

  snprintf (where, sizeof where, "$.keys[%zu]", place);
  if (status == MANTIS_OK)
    status = find_asked (pull, name, where, &table, error);
  if (status == MANTIS_OK && count > MAX_KEYS)
    status = mantis_fail (error, MANTIS_INVALID, "$.keys[%zu].keys: more than %d", place, MAX_KEYS);
  if (status == MANTIS_OK && (!rows || !changes))
    status = mantis_fail (error, MANTIS_FULL, "the page is larger than its limit");
  if (status != MANTIS_OK)
    return status;
  json_array_foreach (
      keys, i, key) if (key_decode (key, table, pull->arena, &rows[i], error) !=
                        MANTIS_OK) return mantis_fail_in (error, "$.keys[%zu].keys[%zu]", place, i);
  status = feed_keys (&pull->viewer, table, rows, &count, bytes, pull->arena, &pull->large, changes,
                      error);
  if (status == MANTIS_OK && count) {
    if (buf->bytes[buf->length - 1] != '[')
      mantis_buf_char (buf, ',');
    blocks_encode (buf, changes, count, BLOCK_PULL);
  }
  return status;
}

static enum mantis_status
add_keys (struct pull *pull, struct mantis_buf *buf, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  size_t bytes = 0; /* keys beyond them are asked for again */
  const json_t *item;
  size_t i;

  if (!pull->keys)
    return MANTIS_OK;
  if (pull->used < pull->bytes)
    bytes = pull->bytes - pull->used;
  mantis_buf_text (buf, ",\"keys\":[");
  json_array_foreach (pull->keys, i, item) if (status == MANTIS_OK) status =
      add_keys_of (pull, item, i, &bytes, buf, error);
  mantis_buf_char (buf, ']');
  pull->used = pull->bytes - bytes;
  return status;
}

/* ---- A page of a table ----------------------------------------------------------------------- */

static enum mantis_status
add_load (struct pull *pull, struct mantis_buf *buf, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const char *name = json_get_text (pull->load, "table", "", &status, error);
  const json_t *after = json_get_array (pull->load, "after", &status, error);
  const json_t *known = json_get_array (pull->load, "known", &status, error);
  size_t limit = bounded (json_get_integer (pull->load, "limit", 0, &status, error), DEFAULT_ROWS,
                          pull->server->limits.page_rows);
  const struct mantis_table *table = NULL;
  const struct mantis_change **changes;
  mantis_row from = NULL;
  size_t count;
  bool end;

  if (status == MANTIS_OK)
    status = find_asked (pull, name, "$.load", &table, error);
  if (status == MANTIS_OK && after &&
      (status = key_decode (after, table, pull->arena, &from, error)) != MANTIS_OK)
    return mantis_fail_in (error, "$.load.after");
  if (status == MANTIS_OK)
    status = digest_compare (&pull->viewer, table, from, known, pull->arena, &from, error);
  if (status == MANTIS_OK)
    status = feed_table (&pull->viewer, table, from, limit, pull->bytes, pull->arena, &pull->large,
                         &changes, &count, &end, error);
  if (status != MANTIS_OK)
    return status;
  mantis_buf_text (buf, ",\"load\":{");
  if (from) {
    mantis_buf_text (buf, "\"after\":");
    key_encode (buf, table, from);
    mantis_buf_char (buf, ',');
  }
  mantis_buf_text (buf, "\"changes\":[");
  blocks_encode (buf, changes, count, BLOCK_PULL);
  mantis_buf_printf (buf, "],\"end\":%s}", end ? "true" : "false");
  pull->server->counters.rows_out += (long long)count;
  return MANTIS_OK;
}

/* ---- The page -------------------------------------------------------------------------------- */

void
pull_begin (struct mantis_buf *buf, const struct sender *sender, int64_t view)
{
  mantis_buf_char (buf, '{');
  if (view)
    mantis_buf_printf (buf, "\"view\":%lld,", (long long)view);
  if (!sender->known)
    return;
  mantis_buf_printf (buf, "\"number\":%lld,\"nonce\":", (long long)sender->number);
  mantis_buf_json (buf, sender->nonce, strlen (sender->nonce));
  mantis_buf_char (buf, ',');
}

static void
add_changes (const struct pull *pull, const struct mantis_change *const *changes, size_t count,
             struct mantis_buf *buf)
{
  const struct feed_page *page = &pull->page;
  int64_t filters = filters_number (pull->store);

  cursor_add (buf, "cursor", &page->cursor);
  if (!page->complete) {
    mantis_buf_char (buf, ',');
    cursor_add (buf, "ahead", &page->ahead);
  }
  if (filters)
    mantis_buf_printf (buf, ",\"filters\":%lld", (long long)filters);
  mantis_buf_printf (buf,
                     ",\"complete\":%s,\"head\":%lld,\"generation\":%lld,\"policies\":%llu,"
                     "\"clock\":%lld,\"changes\":[",
                     page->complete ? "true" : "false", (long long)page->head,
                     (long long)pull->store->generation, (unsigned long long)pull->server->policies,
                     (long long)mantis_now ());
  blocks_encode (buf, changes, count, BLOCK_PULL);
  mantis_buf_char (buf, ']');
}

enum mantis_status
pull_read (struct pull *pull, const char *node, struct mantis_error *error)
{
  struct feed_page *page = &pull->page;
  enum mantis_status status;

  *page = (struct feed_page){.complete = true};
  if (pull->has_cursor)
    status = feed_read (pull->store, pull->from.rev, pull->limit, pull->bytes, node, skips, pull,
                        pull->arena, &pull->large, page, error);
  else
    status = feed_head (pull->store, &page->cursor, error);
  if (status != MANTIS_OK)
    return status;
  if (!pull->has_cursor)
    page->head = page->cursor.rev;
  pull->used = page->bytes;
  return MANTIS_OK;
}

enum mantis_status
pull_add (struct pull *pull, const struct sight *sight, struct mantis_buf *buf,
          struct mantis_error *error)
{
  struct feed_page *page = &pull->page;
  const struct mantis_change **changes;
  enum mantis_status status = sight_take (page, &pull->viewer, sight, pull->arena, &changes, error);

  if (status != MANTIS_OK)
    return status;
  add_changes (pull, changes, sight->count, buf);
  sight_add_compares (sight, pull->store, buf);
  status = add_keys (pull, buf, error);
  if (status == MANTIS_OK && pull->load && page->complete && pull->used < pull->bytes)
    status = add_load (pull, buf, error);
  if (pull->large.told.length)
    mantis_buf_printf (buf, ",\"too_large\":[%s]", pull->large.told.bytes);
  mantis_buf_char (buf, '}');
  return status;
}

/* What to wait for news, in milliseconds, where SIGHT is all there is.  A few changes of the caller's own, or of
 * what it does not see, are no news; many are, or they would be read again each time; and other filters. */
static int64_t
wait_of (const struct pull *pull, const struct sight *sight)
{
  bool empty = sight->count == 0 && sight->compare_count == 0 && !pull->large.told.length &&
               pull->page.complete && pull->page.cursor.rev - pull->cursor.rev < OWN_CHANGES;
  bool knows = pull->filters < 0 || pull->filters == filters_number (pull->store);

  return empty && knows && !pull->load && !pull->keys ? pull->wait : 0;
}

void
pull_wait (const struct pull *pull, const struct sight *sight, struct reply *reply)
{
  reply->wait = wait_of (pull, sight);
  if (reply->wait && pull->has_cursor && !pull->has_ahead) {
    reply->looked = pull->page.cursor;
    reply->since = pull->cursor.rev;
  }
}

enum mantis_status
pull_tell (struct pull *pull, const char *node, struct reply *reply, struct mantis_error *error)
{
  struct sight sight;
  enum mantis_status status =
      sight_look (&pull->page, &pull->viewer, node, pull->arena, &sight, error);

  if (status == MANTIS_OK)
    status = pull_add (pull, &sight, &reply->body, error);
  if (status == MANTIS_OK) {
    pull_wait (pull, &sight, reply);
    pull->server->counters.rows_out += (long long)sight.count;
  }
  return status;
}

enum mantis_status
pull_alone (const struct pull *pull, const struct fellow *fellow, const struct sender *sender,
            struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (pull->server->limits.body_bytes);
  CLEANUP_LENDING struct lending lending;
  const char *node = sender->anonymous ? NULL : sender->node;
  struct pull alone = *pull;
  enum mantis_status status;

  lending_begin (&lending, pull->store);
  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  alone.arena = arena;
  alone.large.told = (struct mantis_buf)MANTIS_BUF_INIT;
  alone.viewer = viewer_of (&lending, fellow->principal, sender->node);
  pull_begin (&fellow->reply->body, sender, viewer_view (&alone.viewer));
  status = pull_read (&alone, node, error);
  if (status == MANTIS_OK)
    status = pull_tell (&alone, node, fellow->reply, error);
  mantis_buf_free (&alone.large.told);
  return status;
}

static enum mantis_status
check_cursor (struct pull *pull, struct reply *reply, struct mantis_error *error)
{
  enum cursor_state state = CURSOR_KNOWN;
  enum mantis_status status = MANTIS_OK;

  if (pull->has_cursor)
    status = feed_check (pull->store, &pull->cursor, &state, error);
  if (status == MANTIS_OK && pull->from.rev != pull->cursor.rev && state == CURSOR_KNOWN)
    status = feed_check (pull->store, &pull->from, &state, error);
  if (status == MANTIS_OK && pull->has_ahead && state == CURSOR_KNOWN)
    status = feed_check (pull->store, &pull->ahead, &state, error);
  if (status == MANTIS_OK && state == CURSOR_PRUNED)
    reply_problem (reply, 410, "pruned",
                   "what came after this cursor is not kept any more: say hello");
  if (status == MANTIS_OK && state == CURSOR_FOREIGN)
    reply_problem (reply, 409, "foreign", "this cursor is of another history: say hello");
  return status;
}

static void
say_to_all (struct fellow *fellows, size_t count, const struct reply *problem)
{
  for (size_t i = 0; i < count; i++)
    if (!fellows[i].reply->status) {
      fellows[i].reply->status = problem->status;
      fellows[i].reply->type = problem->type;
      mantis_buf_add (&fellows[i].reply->body, problem->body.bytes, problem->body.length);
    }
}

/* How many have no reply yet; *ONLY is the place of the last of them. */
static size_t
count_left (const struct fellow *fellows, size_t count, size_t *only)
{
  size_t left = 0;

  for (size_t i = 0; i < count; i++)
    if (!fellows[i].reply->status) {
      *only = i;
      left++;
    }
  return left;
}

static enum mantis_status
answer (struct pull *pull, struct fellow *fellows, size_t count, struct mantis_error *error)
{
  struct sender *senders = arena_array (pull->arena, count, sizeof *senders);
  struct reply problem = {.body = MANTIS_BUF_INIT};
  enum mantis_status status = MANTIS_OK;
  size_t left, only = 0;

  if (!senders)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = senders_find (pull->store, fellows, count, pull->arena, senders, error);
  if (status == MANTIS_OK)
    status = check_cursor (pull, &problem, error);
  if (status == MANTIS_OK && problem.status)
    say_to_all (fellows, count, &problem);
  mantis_buf_free (&problem.body);
  if (status != MANTIS_OK || !(left = count_left (fellows, count, &only)))
    return status;
  for (size_t i = 0; i < count; i++)
    if (pull->has_cursor && senders[i].known && !fellows[i].reply->status)
      heard_note (&pull->server->heard, senders[i].node, pull->cursor.rev);
  if (pull->store->ops->limit_rows) /* not of the senders' rows */
    pull->store->ops->limit_rows (pull->store->session, pull->large.limit);
  return left > 1 ? pull_together (pull, fellows, senders, count, error)
                  : pull_alone (pull, &fellows[only], &senders[only], error);
}

static void
end_reply (struct reply *reply, enum mantis_status status, const struct mantis_error *error)
{
  if (reply->status) /* it was turned away */
    return;
  if (status != MANTIS_OK) {
    reply->again = false;
    reply->wait = 0;
  }
  if (status == MANTIS_STALE) /* in the database's words, perhaps */
    reply_problem (reply, 409, "schema", "its tables are not those of this server: say hello");
  else if (status != MANTIS_OK)
    reply_error (reply, error);
  else if (!reply->again)
    reply_done (reply);
}

/* FELLOWS ask the same. */
static void
handle_same (struct server *server, struct store *store, struct fellow *fellows, size_t count)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (server->limits.body_bytes);
  const struct mantis_request *request = fellows[0].request;
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  CLEANUP_JSON json_t *body = json_read (request->body, request->length, &error);
  struct pull pull = {.server = server, .store = store, .arena = arena};
  enum mantis_status status = body && arena ? read_pull (body, &pull, &error) : error.status;

  pull.from = fellows[0].reply->looked.rev ? fellows[0].reply->looked : pull.cursor;
  lending_begin (&pull.lending, store);
  if (status == MANTIS_OK)
    status = store_begin (store, MANTIS_READ, &error);
  if (status == MANTIS_OK)
    status = answer (&pull, fellows, count, &error);
  if (status == MANTIS_OK)
    status = store_end (store, &error);
  lending_end (&pull.lending);
  mantis_buf_free (&pull.large.told);
  map_free (&pull.skipped);
  for (size_t i = 0; i < count; i++)
    end_reply (fellows[i].reply, status, &error);
}

/* Those that ask the same as the first: they come to stand behind it.  So many they are. */
static size_t
find_same (struct fellow *fellows, size_t count)
{
  size_t same = 1;

  for (size_t i = 1; i < count; i++)
    if (message_same (fellows[0].request, fellows[i].request)) {
      struct fellow fellow = fellows[i];
      fellows[i] = fellows[same];
      fellows[same++] = fellow;
    }
  return same;
}

void
handle_pulls (struct server *server, struct store *store, struct fellow *fellows, size_t count)
{
  size_t left = pulls_pass_over (server, store, fellows, count);

  for (size_t from = 0, same; from < left; from += same) {
    same = find_same (fellows + from, left - from);
    handle_same (server, store, fellows + from, same);
    store_rollback (store);
  }
}

void
handle_pull (struct server *server, struct store *store, const struct mantis_request *request,
             const struct mantis_principal *principal, struct reply *reply)
{
  struct fellow fellow = {.request = request, .principal = principal, .reply = reply};

  handle_pulls (server, store, &fellow, 1);
}
