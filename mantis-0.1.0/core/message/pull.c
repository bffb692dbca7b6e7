/* pull.c - the message "pull": what came after a cursor, a page of a table, rows by key; all of one moment.
 *
 *   {"cursor": {"epoch": "..", "rev": 41, "mark": ".."}, "limit": 5000, "bytes": 2000000, "wait": 25,
 *    "skip": ["notes"],
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
#include "message/message.h"
#include "sync/digest.h"
#include "wire/block.h"
#include "wire/json.h"
#include "wire/key.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_ROWS = 5000, MAX_KEYS = 5000, OWN_CHANGES = 500 };

struct pull {
  struct server *server;
  struct store *store;
  struct mantis_arena *arena;
  struct sender sender;
  struct cursor cursor;
  bool has_cursor;
  size_t limit, bytes;
  size_t used;        /* of the bytes, so far */
  struct large large; /* rows that do not fit into an answer */
  int64_t wait;       /* milliseconds */
  const json_t *skip, *keys, *load;
};

static enum mantis_status
read_cursor (const json_t *json, struct pull *pull, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (!(pull->has_cursor = json != NULL))
    return MANTIS_OK;
  snprintf (pull->cursor.epoch, sizeof pull->cursor.epoch, "%s",
            json_get_text (json, "epoch", "", &status, error));
  snprintf (pull->cursor.mark, sizeof pull->cursor.mark, "%s",
            json_get_text (json, "mark", "", &status, error));
  pull->cursor.rev = json_get_integer (json, "rev", 0, &status, error);
  return status == MANTIS_OK ? MANTIS_OK : mantis_fail_in (error, "$.cursor");
}

/* ASKED rows or bytes, within what the server allows. */
static size_t
bounded (int64_t asked, size_t fallback, size_t most)
{
  size_t size = asked > 0 ? (size_t)asked : fallback;

  return size < most ? size : most;
}

static enum mantis_status
read_pull (const json_t *body, struct pull *pull, struct mantis_error *error)
{
  const struct limits *limits = &pull->server->limits;
  enum mantis_status status = MANTIS_OK;
  int64_t wait;
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
  pull->skip = json_get_array (body, "skip", &status, error);
  pull->keys = json_get_array (body, "keys", &status, error);
  pull->load = json_get_object (body, "load", &status, error);
  const json_t *cursor = json_get_object (body, "cursor", &status, error);
  return status == MANTIS_OK ? read_cursor (cursor, pull, error) : status;
}

static bool
skips (void *context, const struct mantis_table *table)
{
  const struct pull *pull = context;
  const json_t *name;
  size_t i;

  json_array_foreach (pull->skip, i, name)
  {
    if (json_is_string (name) && strcmp (json_string_value (name), table->name) == 0)
      return true;
  }
  return false;
}

static void
add_cursor (struct mantis_buf *buf, const struct cursor *cursor)
{
  mantis_buf_printf (buf, "\"cursor\":{\"epoch\":\"%s\",\"rev\":%lld,\"mark\":\"%s\"}",
                     cursor->epoch, (long long)cursor->rev, cursor->mark);
}

/* The table that PLACE asks for.  MANTIS_STALE: it may have been one when the caller said hello. */
static enum mantis_status
find_asked (struct pull *pull, const char *name, const char *place,
            const struct mantis_table **table, struct mantis_error *error)
{
  *table = find_synced (pull->store, name, NULL);
  if (*table)
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
  status = feed_keys (pull->store, table, rows, &count, bytes, pull->arena, &pull->large, changes,
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
    status = digest_compare (pull->store, table, from, known, pull->arena, &from, error);
  if (status == MANTIS_OK)
    status = feed_table (pull->store, table, from, limit, pull->bytes, pull->arena, &pull->large,
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

/* The sender's last batch: a page that is meant for a copy of its file, it has to know as such. */
static void
add_sender (struct mantis_buf *buf, const struct sender *sender)
{
  if (!sender->known)
    return;
  mantis_buf_printf (buf, ",\"number\":%lld,\"nonce\":", (long long)sender->number);
  mantis_buf_json (buf, sender->nonce, strlen (sender->nonce));
}

static enum mantis_status
add_changes (struct pull *pull, struct reply *reply, bool *empty, bool *complete,
             struct mantis_error *error)
{
  struct mantis_buf *buf = &reply->body;
  struct feed_page page = {.complete = true};
  enum mantis_status status;

  if (pull->has_cursor)
    status = feed_read (pull->store, pull->cursor.rev, pull->limit, pull->bytes,
                        pull->sender.anonymous ? NULL : pull->sender.node, skips, pull, pull->arena,
                        &pull->large, &page, error);
  else
    status = feed_head (pull->store, &page.cursor, error);
  if (status != MANTIS_OK)
    return status;
  if (!pull->has_cursor)
    page.head = page.cursor.rev;
  mantis_buf_char (buf, '{');
  add_cursor (buf, &page.cursor);
  add_sender (buf, &pull->sender);
  mantis_buf_printf (
      buf, ",\"complete\":%s,\"head\":%lld,\"generation\":%lld,\"clock\":%lld,\"changes\":[",
      page.complete ? "true" : "false", (long long)page.head, (long long)pull->store->generation,
      (long long)mantis_now ());
  blocks_encode (buf, page.changes, page.count, BLOCK_PULL);
  mantis_buf_char (buf, ']');
  pull->server->counters.rows_out += (long long)page.count;
  /* A few changes of the caller's own are no news either; many are, or they would be read again each time. */
  pull->used = page.bytes;
  *empty = page.count == 0 && !pull->large.told.length && page.complete &&
           page.cursor.rev - pull->cursor.rev < OWN_CHANGES;
  *complete = page.complete;
  return MANTIS_OK;
}

static enum mantis_status
check_cursor (struct pull *pull, struct reply *reply, struct mantis_error *error)
{
  enum cursor_state state = CURSOR_KNOWN;
  enum mantis_status status = MANTIS_OK;

  if (pull->has_cursor)
    status = feed_check (pull->store, &pull->cursor, &state, error);
  if (status == MANTIS_OK && state == CURSOR_PRUNED)
    reply_problem (reply, 410, "pruned",
                   "what came after this cursor is not kept any more: say hello");
  if (status == MANTIS_OK && state == CURSOR_FOREIGN)
    reply_problem (reply, 409, "foreign", "this cursor is of another history: say hello");
  return status;
}

static enum mantis_status
read_page (struct pull *pull, const struct mantis_request *request,
           const struct mantis_principal *principal, struct reply *reply,
           struct mantis_error *error)
{
  bool empty = false, complete = false;
  enum mantis_status status =
      sender_find (pull->store, request, principal, pull->arena, &pull->sender, error);

  if (status == MANTIS_OK)
    status = check_cursor (pull, reply, error);
  if (status != MANTIS_OK || reply->status)
    return status;
  if (pull->has_cursor && pull->sender.known)
    heard_note (&pull->server->heard, pull->sender.node, pull->cursor.rev);
  if (pull->store->ops->limit_rows) /* not of the sender's row, which has its last answer */
    pull->store->ops->limit_rows (pull->store->session, pull->large.limit);
  status = add_changes (pull, reply, &empty, &complete, error);
  if (status == MANTIS_OK)
    status = add_keys (pull, &reply->body, error);
  if (status == MANTIS_OK && pull->load && complete && pull->used < pull->bytes)
    status = add_load (pull, &reply->body, error);
  if (pull->large.told.length)
    mantis_buf_printf (&reply->body, ",\"too_large\":[%s]", pull->large.told.bytes);
  mantis_buf_char (&reply->body, '}');
  if (status == MANTIS_OK && empty && !pull->load && !pull->keys)
    reply->wait = pull->wait;
  return status;
}

void
handle_pull (struct server *server, struct store *store, const struct mantis_request *request,
             const struct mantis_principal *principal, struct reply *reply)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (server->limits.body_bytes);
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  CLEANUP_JSON json_t *body = json_read (request->body, request->length, &error);
  struct pull pull = {.server = server, .store = store, .arena = arena};
  enum mantis_status status = body && arena ? read_pull (body, &pull, &error) : error.status;

  if (status == MANTIS_OK)
    status = store_begin (store, MANTIS_READ, &error);
  if (status == MANTIS_OK &&
      (status = read_page (&pull, request, principal, reply, &error)) == MANTIS_STALE)
    reply_problem (reply, 409, "schema", error.text);
  if (status == MANTIS_OK)
    status = store_end (store, &error);
  mantis_buf_free (&pull.large.told);
  if (status != MANTIS_OK && !reply->status)
    reply_error (reply, &error);
  if (!reply->status)
    reply_done (reply);
}
