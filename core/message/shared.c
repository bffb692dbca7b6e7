/* shared.c - pushes that waited for each other share a transaction, and so a wait for the disk.
 *
 * Each is made in a savepoint of its own: what is refused, wrong or out of turn leaves nothing behind, and the
 * others stand.  All that was found out in the transaction counts only once it is durable, so nobody is answered
 * before; if it cannot be committed, nothing of it has happened.  Where the database ends it early (a deadlock,
 * a rule with ROLLBACK), and where a row was written by another program meanwhile, each goes alone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "base/fault.h"
#include "message/pushing.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST_US = 20000 /* after so long it is committed, and the next one begins */ };

enum turn { WAITS, ASKS /* hooks, before it may wait */, MADE, ALONE, ANSWERED };

struct member {
  struct pushing pushing;
  enum turn turn;
};

/* Does an earlier push of the same node go alone, after this transaction? */
static bool
follows_one_alone (const struct member *members, size_t which)
{
  const char *node = members[which].pushing.request->node;

  for (size_t i = 0; i < which && node; i++)
    if (members[i].turn == ALONE && members[i].pushing.request->node &&
        strcmp (members[i].pushing.request->node, node) == 0)
      return true;
  return false;
}

static enum mantis_status
try_once (struct pushing *pushing, struct mantis_error *error)
{
  struct store *store = pushing->push.store;
  struct sender sender = {.anonymous = true};
  enum mantis_status status;

  mantis_arena_reset (pushing->arena);
  mantis_buf_clear (&pushing->reply->body);
  status =
      sender_find (store, pushing->request, pushing->principal, pushing->arena, &sender, error);
  if (status != MANTIS_OK || !pushing_is_next (pushing, &sender))
    return status;
  if ((status = pushing_check_history (pushing, error)) != MANTIS_OK || pushing->settled)
    return status;
  if (!pushing->push.node)
    status = pushing_decode (pushing, &sender, error);
  else if (pushing->attached != store->attached)
    status = mantis_fail (error, MANTIS_BUSY, "the schema was changed just now");
  return status == MANTIS_OK && !pushing->settled ? pushing_make (pushing, &sender, error) : status;
}

/* Anything but MANTIS_OK: the transaction as a whole is spoilt. */
static enum mantis_status
take_turn (struct member *member, struct mantis_error *error)
{
  struct pushing *pushing = &member->pushing;
  struct store *store = pushing->push.store;
  struct mantis_error why = {.status = MANTIS_OK};
  enum mantis_status status = store->ops->savepoint (store->session, error), tried = MANTIS_OK;

  if (status != MANTIS_OK)
    return status;
  tried = try_once (pushing, &why);
  if (tried == MANTIS_REFUSED && pushing->push.mode != APPLY_EACH) { /* once more, row by row */
    pushing->push.mode = APPLY_EACH;
    if ((status = store->ops->rollback_to (store->session, error)) == MANTIS_OK)
      tried = try_once (pushing, &why);
  }
  if (status == MANTIS_OK && tried != MANTIS_OK &&
      (status = store->ops->rollback_to (store->session, error)) == MANTIS_OK)
    status = store->ops->defer (store->session, true, error); /* as it was: see apply.c */
  if (status == MANTIS_OK)
    status = store->ops->release (store->session, error);
  if (status != MANTIS_OK)
    return status;
  member->turn = tried == MANTIS_OK ? MADE : ALONE;
  if (tried == MANTIS_INVALID || tried == MANTIS_DENIED) {
    reply_error (pushing->reply, &why);
    pushing->settled = true;
    member->turn = MADE;
  }
  return MANTIS_OK;
}

/* Nothing of it has happened: each as if it came anew. */
static void
disband (struct member *members, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    struct pushing *pushing = &members[i].pushing;
    if (members[i].turn != MADE && members[i].turn != WAITS)
      continue;
    members[i].turn = ALONE;
    pushing->settled = false;
    mantis_buf_clear (&pushing->reply->body);
    pushing->reply->status = 0;
  }
}

static void
fail_all (struct member *members, size_t count, const struct mantis_error *error)
{
  for (size_t i = 0; i < count; i++)
    if (members[i].turn != ANSWERED) {
      reply_error (members[i].pushing.reply, error);
      members[i].turn = ANSWERED;
    }
}

/* One transaction, of as many of the COUNT as it has time for. */
static void
share (struct store *store, struct member *members, size_t count)
{
  struct mantis_error error = {.status = MANTIS_OK};
  enum mantis_status status = store_begin (store, MANTIS_WRITE, &error);
  size_t made = 0;

  if (status != MANTIS_OK) {
    fail_all (members, count, &error);
    return;
  }
  for (; made < count && status == MANTIS_OK; made++) {
    if (made > 0 && mantis_monotonic () - store->begun_at > LONGEST_US)
      break;
    if (members[made].turn != WAITS)
      continue;
    if (follows_one_alone (members, made))
      members[made].turn = ALONE;
    else
      status = take_turn (&members[made], &error);
    FAULT_POINT ("together");
  }
  if (status == MANTIS_OK && (status = store_commit (store, &error)) != MANTIS_OK &&
      status != MANTIS_BUSY && status != MANTIS_REFUSED) {
    fail_all (members, made, &error);
    return;
  }
  if (status != MANTIS_OK) {
    mantis_log (MANTIS_DEBUG, "%zu pushes go one by one: %s", made, error.text);
    store_rollback (store);
    disband (members, made);
  }
  for (size_t i = 0; i < made; i++) {
    if (members[i].turn == MADE)
      pushing_done (&members[i].pushing);
    if (members[i].turn == ALONE) {
      mantis_buf_clear (&members[i].pushing.reply->body);
      pushing_alone (&members[i].pushing);
    }
    members[i].turn = ANSWERED;
  }
}

static size_t
next_waiting (const struct member *members, size_t count)
{
  size_t i = 0;

  while (i < count && members[i].turn != WAITS && members[i].turn != ASKS)
    i++;
  return i;
}

static enum turn
prepare (struct pushing *pushing)
{
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  enum mantis_status status = pushing_prepare (pushing, &error);

  if (status != MANTIS_OK)
    reply_error (pushing->reply, &error);
  return status != MANTIS_OK || pushing->settled ? ANSWERED : WAITS;
}

/* Hooks are asked before the transaction begins; where that takes its time, about the first ones.  How many these are. */
static size_t
prepare_some (struct member *members, size_t count)
{
  int64_t began = 0;
  size_t i = 0;

  for (; i < count; i++) {
    if (members[i].turn != ASKS)
      continue;
    if (began && mantis_monotonic () - began > LONGEST_US)
      break;
    began = began ? began : mantis_monotonic ();
    members[i].turn = prepare (&members[i].pushing);
  }
  return i;
}

void
handle_pushes (struct server *server, struct store *store, struct fellow *fellows, size_t count)
{
  CLEANUP_FREE struct member *members = calloc (count, sizeof *members);
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};

  for (size_t i = 0; i < count; i++)
    if (!members)
      reply_error (fellows[i].reply, &error);
    else if (pushing_open (&members[i].pushing, server, store, &fellows[i], &error) == MANTIS_OK) {
      members[i].pushing.push.shared = true;
      if (pushing_is_asked (store))
        members[i].turn = ASKS;
    } else {
      reply_error (fellows[i].reply, &error);
      members[i].turn = ANSWERED;
    }
  if (!members)
    return;
  for (size_t from; (from = next_waiting (members, count)) < count;) {
    size_t some = prepare_some (members + from, count - from);
    if (next_waiting (members + from, some) < some)
      share (store, members + from, some);
  }
  for (size_t i = 0; i < count; i++)
    pushing_close (&members[i].pushing);
}
