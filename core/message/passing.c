/* passing.c - who waits, and sees nothing of what came, goes on waiting.
 *
 * Of a thousand that wait at a busy table with filters nearly all are asked about each change in vain.  So that comes
 * first, and is all that is done for them: what came since they were looked at last is the same for all, from whatever
 * cursor each of them asked, and is read once; who they are was looked up when they came, and whoever turns somebody away
 * wakes them all; no answer is written.
 *
 * In doubt it is something: then the pull itself is made again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"
#include "sync/sight.h"

#include <stdint.h>

struct passing {
  struct store *store;
  struct mantis_arena *arena;
  struct feed_page page;
  struct large large;
  struct lending lending;
};

/* What came after LOOKED, for everybody: no limit is lower than that of any pull. */
static enum mantis_status
read_page (struct passing *passing, const struct cursor *looked, const struct limits *limits,
           struct mantis_error *error)
{
  struct store *store = passing->store;
  enum cursor_state state;
  enum mantis_status status = feed_check (store, looked, &state, error);

  if (status == MANTIS_OK && state != CURSOR_KNOWN)
    status = mantis_fail (error, MANTIS_ABSENT, "what came after the cursor is not known");
  if (status != MANTIS_OK)
    return status;
  passing->large.limit = limits->body_bytes - limits->body_bytes / 4;
  if (store->ops->limit_rows)
    store->ops->limit_rows (store->session, passing->large.limit);
  return feed_read (store, looked->rev, OWN_CHANGES, limits->page_bytes, NULL, NULL, NULL,
                    passing->arena, &passing->large, &passing->page, error);
}

/* May all that is on the page be somebody else's? */
static bool
is_filtered (const struct passing *passing)
{
  const struct feed_page *page = &passing->page;
  bool filtered = page->complete && page->pasts && !passing->large.told.length;

  for (size_t i = 0; i < page->count && filtered; i++)
    filtered = page->pasts[i].filtered != NULL;
  return filtered;
}

static bool
sees_nothing (struct passing *passing, const struct fellow *fellow)
{
  struct arena_mark mark = arena_mark (passing->arena);
  const char *node = fellow->request->node; /* a good one, or it would not wait */
  struct mantis_error error;
  struct sender nameless;
  struct viewer viewer;
  struct sight sight;
  bool nothing;

  if (!fellow->reply->since || fellow->reply->at_once ||
      passing->page.cursor.rev - fellow->reply->since >= OWN_CHANGES)
    return false;
  if (!node && sender_name (fellow->request, fellow->principal, &nameless, &error) != MANTIS_OK)
    return false;
  viewer = viewer_of (&passing->lending, fellow->principal, node ? node : nameless.node);
  nothing =
      sight_look (&passing->page, &viewer, node, passing->arena, &sight, &error) == MANTIS_OK &&
      !sight.count && !sight.compare_count;
  arena_rewind (passing->arena, mark);
  return nothing;
}

static void
wait_on (const struct passing *passing, struct reply *reply)
{
  reply->wait = 1; /* for how long it is known already */
  reply->looked = passing->page.cursor;
}

static size_t
pass_over (struct passing *passing, struct fellow *fellows, size_t count)
{
  size_t left = 0;

  for (size_t i = 0; i < count; i++) {
    struct fellow fellow = fellows[i];
    if (sees_nothing (passing, &fellow)) {
      wait_on (passing, fellow.reply);
      continue;
    }
    fellows[i] = fellows[left];
    fellows[left++] = fellow;
  }
  return left;
}

size_t
pulls_pass_over (struct server *server, struct store *store, struct fellow *fellows, size_t count)
{
  CLEANUP_ARENA struct mantis_arena *arena = NULL;
  struct passing passing = {.store = store, .page = {.complete = true}};
  struct mantis_error error;
  size_t left = count;

  if (!fellows[0].reply->since || !filters_count (store) ||
      !(passing.arena = arena = mantis_arena_new (server->limits.body_bytes)) ||
      store_begin (store, MANTIS_READ, &error) != MANTIS_OK)
    return count;
  lending_begin (&passing.lending, store);
  if (read_page (&passing, &fellows[0].reply->looked, &server->limits, &error) == MANTIS_OK &&
      is_filtered (&passing))
    left = pass_over (&passing, fellows, count);
  lending_end (&passing.lending);
  mantis_buf_free (&passing.large.told);
  store_rollback (store);
  return left;
}
