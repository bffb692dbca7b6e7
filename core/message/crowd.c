/* crowd.c - one page for many that pull.
 *
 * A thousand clients that wait stand at the same cursor.  What came after it is read once, and encoded once for all
 * that get the same of it: who has no change of its own in it, and sees the same where tables have filters.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/pull.h"

#include <stdlib.h>

enum { SHARED = 8 * 1024 * 1024 }; /* bytes of the answers that are made of one page */

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

static enum mantis_status
note_origin (struct crowd *crowd, const char *origin, struct mantis_error *error)
{
  return !origin || map_put (&crowd->origins, name_hash (origin))
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
         (crowd->pull->large.told.length || map_has (&crowd->origins, name_hash (sender->node)));
}

/* The page that was read for all, without SENDER's own changes. */
static enum mantis_status
answer_others (struct crowd *crowd, const struct fellow *fellow, const struct sender *sender,
               struct mantis_error *error)
{
  struct pull *pull = crowd->pull;
  struct arena_mark mark = arena_mark (pull->arena);
  enum mantis_status status;

  /* Where there is a limit, its own must not take room from what others wrote at one moment. */
  if (!pull->page.complete || pull->large.told.length)
    return pull_alone (pull, fellow, sender, error);
  pull_begin (&fellow->reply->body, sender, viewer_view (&pull->viewer));
  status = pull_tell (pull, sender->node, fellow->reply, error);
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
      status = pull_add (pull, &sight, &made->buf, error);
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

  pull->viewer = viewer_of (&pull->lending, fellow->principal, sender->node);
  /* Rows by key, and those of a table, are of one caller. */
  if (pull->store->filters && (pull->keys || pull->load))
    return pull_alone (pull, fellow, sender, error);
  if (has_own (crowd, sender))
    return pull->keys || pull->load ? pull_alone (pull, fellow, sender, error)
                                    : answer_others (crowd, fellow, sender, error);
  view = viewer_view (&pull->viewer);
  if ((status = find_tail (crowd, view, &tail, error)) != MANTIS_OK)
    return status;
  if (used && used + tail->buf.length > SHARED) {
    reply->again = true;
    return MANTIS_OK;
  }
  pull_begin (&reply->body, sender, view);
  mantis_buf_add (&reply->body, tail->buf.bytes, tail->buf.length);
  reply->body.failed |= tail->buf.failed;
  pull_wait (pull, &tail->sight, reply);
  pull->server->counters.rows_out += (long long)tail->sight.count;
  return MANTIS_OK;
}

enum mantis_status
pull_together (struct pull *pull, struct fellow *fellows, const struct sender *senders,
               size_t count, struct mantis_error *error)
{
  struct crowd crowd = {.pull = pull};
  enum mantis_status status = pull_read (pull, NULL, error);
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
