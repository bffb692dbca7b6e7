/* pull.c - the message "pull": what came after a cursor, a page of a table, rows by key; all of one moment.
 *
 *   {"cursor": {"epoch": "..", "rev": 41, "mark": ".."}, "limit": 5000, "bytes": 2000000, "wait": 25,
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
#include "base/map.h"
#include "message/message.h"
#include "sync/digest.h"
#include "sync/sight.h"
#include "wire/block.h"
#include "wire/json.h"
#include "wire/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  DEFAULT_ROWS = 5000,
  MAX_KEYS = 5000,
  SHARED = 8 * 1024 * 1024, /* bytes of the answers that are made of one page */
  CROWD = 32 * 1024 * 1024, /* bytes of what is told to all that wait; whoever takes it gets more */
  LEAST = 32 * 1024         /* of that for each */
};

struct pull {
  struct server *server;
  struct store *store;
  struct mantis_arena *arena;
  struct cursor cursor,
      ahead; /* ahead: how new some rows are that the caller was told behind its cursor */
  bool has_cursor, has_ahead;
  size_t limit, bytes;
  size_t used;        /* of the bytes, so far */
  struct large large; /* rows that do not fit into an answer */
  int64_t wait;       /* milliseconds */
  struct cursor from; /* where reading begins: the cursor, or how far was looked in vain */
  const json_t *keys, *load;
  struct map skipped; /* hashes of the names of tables that the caller does not want */
  struct feed_page page;
  struct lending lending;
  struct viewer viewer; /* who is answered just now */
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

static uint64_t
hash_of (const char *name)
{
  return hash_bytes (name, strlen (name), 0) | 1; /* 0 is no hash for a map */
}

/* They are asked for with each entry of the log that is looked at. */
static enum mantis_status
read_skip (const json_t *names, struct pull *pull, struct mantis_error *error)
{
  const json_t *name;
  size_t i;

  json_array_foreach (names, i, name)
  {
    if (json_is_string (name) && !map_put (&pull->skipped, hash_of (json_string_value (name))))
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

  return pull->skipped.count && map_has (&pull->skipped, hash_of (table->name));
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

/* The sender's last batch: a page that is meant for a copy of its file, it has to know as such.  And what it is for:
 * for a view of before a page may lack rows. */
static void
begin_page (struct mantis_buf *buf, const struct sender *sender, int64_t view)
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

  cursor_add (buf, "cursor", &page->cursor);
  if (!page->complete) {
    mantis_buf_char (buf, ',');
    cursor_add (buf, "ahead", &page->ahead);
  }
  mantis_buf_printf (buf,
                     ",\"complete\":%s,\"head\":%lld,\"generation\":%lld,\"policies\":%llu,"
                     "\"clock\":%lld,\"changes\":[",
                     page->complete ? "true" : "false", (long long)page->head,
                     (long long)pull->store->generation, (unsigned long long)pull->server->policies,
                     (long long)mantis_now ());
  blocks_encode (buf, changes, count, BLOCK_PULL);
  mantis_buf_char (buf, ']');
}

static enum mantis_status
read_page (struct pull *pull, const char *node, struct mantis_error *error)
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

/* What SIGHT tells of the page, behind what is its sender's own. */
static enum mantis_status
add_page (struct pull *pull, const struct sight *sight, struct mantis_buf *buf,
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
 * what it does not see, are no news; many are, or they would be read again each time. */
static int64_t
wait_of (const struct pull *pull, const struct sight *sight)
{
  bool empty = sight->count == 0 && sight->compare_count == 0 && !pull->large.told.length &&
               pull->page.complete && pull->page.cursor.rev - pull->cursor.rev < OWN_CHANGES;

  return empty && !pull->load && !pull->keys ? pull->wait : 0;
}

/* Nothing of SIGHT is for whom REPLY is: it waits, where it wants to, and what was looked at is not looked at again. */
static void
wait_for_news (const struct pull *pull, const struct sight *sight, struct reply *reply)
{
  reply->wait = wait_of (pull, sight);
  if (reply->wait && pull->has_cursor && !pull->has_ahead) {
    reply->looked = pull->page.cursor;
    reply->since = pull->cursor.rev;
  }
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

/* ---- One page for many -----------------------------------------------------------------------
 *
 * A thousand clients that wait stand at the same cursor.  What came after it is read once, and encoded once for all
 * that get the same of it: who has no change of its own in it, and sees the same where tables have filters.
 */

/* What is behind that which is a sender's own, for those that get the same. */
struct tail {
  struct mantis_buf buf;
  struct sight sight;
};

struct crowd {
  struct pull *pull;
  struct map origins; /* hashes of the nodes that the page has changes of */
  struct map views;   /* view -> place in tails, plus 1 */
  struct map sights;  /* what is seen -> the same */
  struct tail *tails;
  size_t count;
};

static struct viewer
viewer_for (struct pull *pull, const struct fellow *fellow, const struct sender *sender)
{
  return viewer_of (&pull->lending, fellow->principal, sender->node);
}

/* For SENDER alone, at the same moment. */
static enum mantis_status
answer_alone (const struct pull *pull, const struct fellow *fellow, const struct sender *sender,
              struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (pull->server->limits.body_bytes);
  CLEANUP_LENDING struct lending lending;
  const char *node = sender->anonymous ? NULL : sender->node;
  struct reply *reply = fellow->reply;
  struct pull alone = *pull;
  struct sight sight;
  enum mantis_status status;

  lending_begin (&lending, pull->store);
  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  alone.arena = arena;
  alone.large.told = (struct mantis_buf)MANTIS_BUF_INIT;
  alone.viewer = viewer_of (&lending, fellow->principal, sender->node);
  begin_page (&reply->body, sender, viewer_view (&alone.viewer));
  status = read_page (&alone, node, error);
  if (status == MANTIS_OK)
    status = sight_look (&alone.page, &alone.viewer, node, arena, &sight, error);
  if (status == MANTIS_OK)
    status = add_page (&alone, &sight, &reply->body, error);
  if (status == MANTIS_OK) {
    wait_for_news (&alone, &sight, reply);
    pull->server->counters.rows_out += (long long)sight.count;
  }
  mantis_buf_free (&alone.large.told);
  return status;
}

static enum mantis_status
note_origin (struct crowd *crowd, const char *origin, struct mantis_error *error)
{
  return !origin || map_put (&crowd->origins, hash_of (origin))
             ? MANTIS_OK
             : mantis_fail (error, MANTIS_FAILED, "out of memory");
}

static enum mantis_status
note_origins (struct crowd *crowd, struct mantis_error *error)
{
  const struct feed_page *page = &crowd->pull->page;
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < page->count && status == MANTIS_OK; i++) {
    status = note_origin (crowd, page->origins[i], error);
    for (const struct past *past = page->pasts ? page->pasts[i].pasts : NULL;
         past && status == MANTIS_OK; past = past->next)
      status = note_origin (crowd, past->origin, error);
  }
  return status;
}

static bool
has_own (const struct crowd *crowd, const struct sender *sender)
{
  return !sender->anonymous &&
         (crowd->pull->large.told.length || map_has (&crowd->origins, hash_of (sender->node)));
}

/* The page that was read for all, without SENDER's own changes. */
static enum mantis_status
answer_others (struct crowd *crowd, const struct fellow *fellow, const struct sender *sender,
               struct mantis_error *error)
{
  struct pull *pull = crowd->pull;
  struct reply *reply = fellow->reply;
  struct arena_mark mark = arena_mark (pull->arena);
  struct sight sight;
  enum mantis_status status;

  /* Where there is a limit, its own must not take room from what others wrote at one moment. */
  if (!pull->page.complete || pull->large.told.length)
    return answer_alone (pull, fellow, sender, error);
  status = sight_look (&pull->page, &pull->viewer, sender->node, pull->arena, &sight, error);
  begin_page (&reply->body, sender, viewer_view (&pull->viewer));
  if (status == MANTIS_OK)
    status = add_page (pull, &sight, &reply->body, error);
  if (status == MANTIS_OK) {
    wait_for_news (pull, &sight, reply);
    pull->server->counters.rows_out += (long long)sight.count;
  }
  arena_rewind (pull->arena, mark);
  return status;
}

static struct tail *
add_tail (struct crowd *crowd, const struct sight *sight, struct mantis_error *error)
{
  struct tail *more = realloc (crowd->tails, (crowd->count + 1) * sizeof *more);

  if (!more) {
    mantis_fail (error, MANTIS_FAILED, "out of memory");
    return NULL;
  }
  crowd->tails = more;
  crowd->tails[crowd->count] = (struct tail){.buf = MANTIS_BUF_INIT, .sight = *sight};
  return &crowd->tails[crowd->count++];
}

/* What the present viewer gets, made where nobody got the same yet. */
static enum mantis_status
find_tail (struct crowd *crowd, int64_t view, const struct tail **tail, struct mantis_error *error)
{
  struct pull *pull = crowd->pull;
  int64_t *place = map_at (&crowd->views, (uint64_t)view | 1, true), *same;
  struct arena_mark mark = arena_mark (pull->arena);
  enum mantis_status status = MANTIS_OK;
  struct sight sight;
  struct tail *made;

  if (!place)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if (!*place) {
    status = sight_look (&pull->page, &pull->viewer, NULL, pull->arena, &sight, error);
    same = status == MANTIS_OK ? map_at (&crowd->sights, sight.hash | 1, true) : NULL;
    if (!same)
      return status != MANTIS_OK ? status : mantis_fail (error, MANTIS_FAILED, "out of memory");
    if (!*same) {
      if (!(made = add_tail (crowd, &sight, error)))
        return MANTIS_FAILED;
      status = add_page (pull, &sight, &made->buf, error);
      *same = (int64_t)crowd->count;
    }
    *place = *same;
    arena_rewind (pull->arena, mark);
  }
  *tail = &crowd->tails[*place - 1];
  return status;
}

/* FELLOW's answer, unless those before it have USED the room. */
static enum mantis_status
answer_one (struct crowd *crowd, const struct fellow *fellow, const struct sender *sender,
            size_t used, struct mantis_error *error)
{
  struct pull *pull = crowd->pull;
  struct reply *reply = fellow->reply;
  const struct tail *tail = NULL;
  enum mantis_status status;
  int64_t view;

  pull->viewer = viewer_for (pull, fellow, sender);
  /* Rows by key, and those of a table, are of one caller. */
  if (pull->store->filters && (pull->keys || pull->load))
    return answer_alone (pull, fellow, sender, error);
  if (has_own (crowd, sender))
    return pull->keys || pull->load ? answer_alone (pull, fellow, sender, error)
                                    : answer_others (crowd, fellow, sender, error);
  view = viewer_view (&pull->viewer);
  if ((status = find_tail (crowd, view, &tail, error)) != MANTIS_OK)
    return status;
  if (used && used + tail->buf.length > SHARED) {
    reply->again = true;
    return MANTIS_OK;
  }
  begin_page (&reply->body, sender, view);
  mantis_buf_add (&reply->body, tail->buf.bytes, tail->buf.length);
  reply->body.failed |= tail->buf.failed;
  wait_for_news (pull, &tail->sight, reply);
  pull->server->counters.rows_out += (long long)tail->sight.count;
  return MANTIS_OK;
}

/* The same moment to all, within SHARED bytes; those that come too late for that ask again. */
static enum mantis_status
answer_all (struct pull *pull, struct fellow *fellows, const struct sender *senders, size_t count,
            struct mantis_error *error)
{
  struct crowd crowd = {.pull = pull};
  enum mantis_status status = read_page (pull, NULL, error);
  size_t used = 0;

  if (status == MANTIS_OK)
    status = note_origins (&crowd, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    if (fellows[i].reply->status)
      continue;
    if (used > SHARED)
      fellows[i].reply->again = true;
    else
      status = answer_one (&crowd, &fellows[i], &senders[i], used, error);
    used += fellows[i].reply->body.length;
  }
  for (size_t i = 0; i < crowd.count; i++)
    mantis_buf_free (&crowd.tails[i].buf);
  free (crowd.tails);
  map_free (&crowd.origins);
  map_free (&crowd.views);
  map_free (&crowd.sights);
  return status;
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
  return left > 1 ? answer_all (pull, fellows, senders, count, error)
                  : answer_alone (pull, &fellows[only], &senders[only], error);
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
