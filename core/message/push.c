/* push.c - the message "push": one numbered changeset of a client, in one transaction; or "abandon".
 *
 *   {"number": 8, "nonce": "4f..", "whole": true, "cursor": {...}, "ahead": {..., as in pull}, "changes": [BLOCK, ...]}
 *   {"abandon": {"number": 8, "nonce": "4f.."}}
 *
 * A batch is (node, number, nonce): the same one again gets the stored answer, another one under an old
 * number a `fork', one too far ahead an `expected'.  Without a number (curl) it is a batch of its own.
 * "generation": of the server at the last hello, after which the sender compared its tables.
 * Of one that is not whole, what the database refuses may lack what comes in a later part: `retry'.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "base/fault.h"
#include "message/pushing.h"
#include "wire/json.h"

#include <stdio.h>
#include <string.h>

enum { MOST_TRIES = 5, LONG_TRY_US = 2000000 /* whoever held it that long holds it still */ };

static enum mantis_status
read_batch (const json_t *body, struct batch *batch, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *abandon = json_get_object (body, "abandon", &status, error);
  const json_t *from = abandon ? abandon : body;

  batch->abandon = abandon != NULL;
  batch->number = json_get_integer (from, "number", 0, &status, error);
  batch->nonce = json_get_text (from, "nonce", "", &status, error);
  batch->changes = json_get_array (body, "changes", &status, error);
  batch->generation = json_get_integer (from, "generation", 0, &status, error);
  batch->partial = !json_get_bool (body, "whole", true, &status, error);
  if (status == MANTIS_OK)
    status = cursor_read (body, "cursor", &batch->cursor, &batch->has_cursor, error);
  if (status == MANTIS_OK)
    status = cursor_read (body, "ahead", &batch->ahead, &batch->has_ahead, error);
  if (status == MANTIS_OK && (batch->number < 0 || strlen (batch->nonce) > 63))
    status = mantis_fail (error, MANTIS_INVALID, "$.number, $.nonce: out of range");
  if (status == MANTIS_OK && (batch->number > 0) != (*batch->nonce != '\0'))
    status = mantis_fail (error, MANTIS_INVALID, "$.number and $.nonce belong together");
  if (status == MANTIS_OK && batch->abandon && !batch->number)
    status = mantis_fail (error, MANTIS_INVALID, "$.abandon.number: missing");
  return status;
}

bool
pushing_is_next (struct pushing *pushing, const struct sender *sender)
{
  const struct batch *batch = &pushing->batch;
  struct reply *reply = pushing->reply;
  char detail[200];

  if (batch->number && sender->anonymous) {
    pushing->settled = true;
    reply_problem (reply, 400, NULL, "a numbered batch needs the header Mantis-Node");
    return false;
  }
  if (!batch->number || batch->number == sender->number + 1)
    return true;
  pushing->settled = true;
  if (batch->number == sender->number && strcmp (batch->nonce, sender->nonce) == 0) {
    mantis_buf_text (&reply->body, sender->answer ? sender->answer : "{\"void\":true}");
    reply_done (reply);
    return false;
  }
  snprintf (detail, sizeof detail, "batch %lld is not the next of this node: the server knows %lld",
            (long long)batch->number, (long long)sender->number);
  reply_problem (reply, 409, batch->number > sender->number ? "expected" : "fork", detail);
  return false;
}

enum mantis_status
pushing_check_history (struct pushing *pushing, struct mantis_error *error)
{
  const struct batch *batch = &pushing->batch;
  struct store *store = pushing->push.store;
  enum cursor_state state = CURSOR_KNOWN;
  enum mantis_status status = MANTIS_OK;

  if (batch->has_cursor)
    status = feed_check (store, &batch->cursor, &state, error);
  if (status == MANTIS_OK && batch->has_ahead && state == CURSOR_KNOWN)
    status = feed_check (store, &batch->ahead, &state, error);
  if (status != MANTIS_OK || state != CURSOR_FOREIGN)
    return status; /* of one that is pruned, versions that count are kept */
  pushing->settled = true;
  reply_problem (pushing->reply, 409, "foreign", "its cursor is of another history: say hello");
  return MANTIS_OK;
}

static enum mantis_status
take_changes (struct pushing *pushing, struct mantis_error *error)
{
  struct push *push = &pushing->push;
  const struct block_changes *decoded = &pushing->decoded;

  if (!(push->items = arena_array (push->arena, decoded->count, sizeof *push->items)))
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  push->count = decoded->count;
  for (size_t i = 0; i < decoded->count; i++)
    push->items[i].change = decoded->changes[i];
  return MANTIS_OK;
}

static enum mantis_status
work_on (struct push *push, struct mantis_error *error)
{
  CLEANUP_LENDING struct lending lending;
  enum mantis_status status;

  lending_begin (&lending, push->store);
  push->viewer.lending = &lending;
  push->viewer.caller.lender = &lending.lender;
  status = push_detect (push, error);
  push_take_answers (push);
  if (status == MANTIS_OK)
    status = push_resolve (push, error);
  if (status == MANTIS_OK) {
    push_permit_merged (push);
    status = push_apply (push, error);
  }
  if (status == MANTIS_OK)
    status = push_tell_changed (push, error);
  if (status == MANTIS_OK)
    status = push_record (push, error);
  return status;
}

static void
count_outcomes (struct server *server, const struct push *push)
{
  server->counters.pushes++;
  for (size_t i = 0; i < push->count; i++) {
    server->counters.outcomes[push->items[i].outcome]++;
    server->counters.conflicts += push->items[i].conflict;
  }
}

enum mantis_status
pushing_make (struct pushing *pushing, struct sender *sender, struct mantis_error *error)
{
  const struct batch *batch = &pushing->batch;
  struct push *push = &pushing->push;
  struct reply *reply = pushing->reply;
  int64_t head = 0, began = mantis_monotonic ();
  enum mantis_status status = take_changes (pushing, error);

  if (status == MANTIS_OK && batch->abandon)
    mantis_buf_text (&reply->body, "{\"void\":true");
  else if (status == MANTIS_OK && (status = work_on (push, error)) == MANTIS_OK &&
           (status = push->store->ops->log_head (push->store->session, &head, error)) ==
               MANTIS_OK) {
    push_answer (push, &reply->body);
    mantis_buf_printf (&reply->body, ",\"head\":%lld", (long long)head);
  }
  mantis_buf_printf (&reply->body, ",\"number\":%lld,\"clock\":%lld,\"took\":%lld}",
                     (long long)batch->number, (long long)mantis_now (),
                     (long long)(mantis_monotonic () - began) / 1000);
  if (status == MANTIS_OK && reply->body.failed)
    status = mantis_fail (error, MANTIS_FULL, "no memory for the answer");
  if (status != MANTIS_OK || !batch->number)
    return status;
  sender->number = batch->number;
  snprintf (sender->nonce, sizeof sender->nonce, "%s", batch->nonce);
  sender->answer = batch->abandon ? NULL : reply->body.bytes;
  return sender_save (pushing->server, push->store, sender, pushing->principal, 0, error);
}

/* One transaction.  *AGAIN: it got as far as to the rows; MANTIS_BUSY then is another program that wrote some of
 * them meanwhile, or a deadlock with one. */
static enum mantis_status
push_once (struct pushing *pushing, bool *again, struct mantis_error *error)
{
  struct store *store = pushing->push.store;
  int64_t attached = store->attached;
  struct sender sender = {.anonymous = true};
  enum mantis_status status = store_begin (store, MANTIS_WRITE, error);

  mantis_arena_reset (pushing->arena);
  if (status == MANTIS_OK && attached != store->attached)
    status = mantis_fail (error, MANTIS_BUSY, "the server's schema was changed just now");
  *again = status == MANTIS_OK;
  if (status == MANTIS_OK)
    status =
        sender_find (store, pushing->request, pushing->principal, pushing->arena, &sender, error);
  if (status == MANTIS_OK && !pushing_is_next (pushing, &sender))
    return MANTIS_OK;
  if (status == MANTIS_OK)
    status = pushing_check_history (pushing, error);
  if (status == MANTIS_OK && pushing->settled)
    return MANTIS_OK;
  if (status == MANTIS_OK)
    status = pushing_make (pushing, &sender, error);
  return status == MANTIS_OK ? store_commit (store, error) : status;
}

/* As often as the database asks for it; and once more, row by row, when one of them is refused. */
static enum mantis_status
push_through (struct pushing *pushing, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  bool again = true;

  for (int tries = 0; again && tries < MOST_TRIES; tries++) {
    int64_t began = mantis_monotonic ();
    mantis_buf_clear (&pushing->reply->body);
    status = push_once (pushing, &again, error);
    if (status == MANTIS_OK)
      return MANTIS_OK;
    store_rollback (pushing->push.store);
    if (status == MANTIS_BUSY && pushing->push.thinks)
      return status;
    if (status == MANTIS_REFUSED && pushing->push.mode != APPLY_EACH)
      pushing->push.mode = APPLY_EACH;
    else
      again &= status == MANTIS_BUSY && mantis_monotonic () - began < LONG_TRY_US;
  }
  return status;
}

enum mantis_status
pushing_open (struct pushing *pushing, struct server *server, struct store *store,
              const struct fellow *sent, struct mantis_error *error)
{
  *pushing = (struct pushing){.server = server,
                              .request = sent->request,
                              .principal = sent->principal,
                              .reply = sent->reply,
                              .message = mantis_arena_new (server->limits.body_bytes),
                              .arena = mantis_arena_new (server->limits.body_bytes)};
  pushing->push = (struct push){.store = store,
                                .arena = pushing->arena,
                                .now = mantis_now (),
                                .row_limit = server->limits.body_bytes / 4 * 3,
                                .policy = server->policy,
                                .questions = &server->questions,
                                .policy_context = server->policy_context,
                                .caller = {sent->principal, sent->request->node},
                                .asked = &pushing->asked};
  if (!pushing->message || !pushing->arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  pushing->body = lists_read (sent->request->body, sent->request->length, &pushing->lists, error);
  return pushing->body ? read_batch (pushing->body, &pushing->batch, error) : error->status;
}

void
pushing_close (struct pushing *pushing)
{
  json_decref (pushing->body);
  lists_free (&pushing->lists);
  mantis_arena_free (pushing->arena);
  mantis_arena_free (pushing->message);
}

static const struct mantis_table *
find_open (void *context, const char *name, bool *ignore)
{
  const struct pushing *pushing = context;
  const struct mantis_table *table = find_synced (pushing->push.store, name, ignore);

  return table && !filters_unfit (pushing->push.store, table) ? table : NULL;
}

/* Of the columns that the sender sees. */
static const char *
fingerprint_for (void *context, const struct mantis_table *table)
{
  struct pushing *pushing = context;
  const struct mantis_table *shown = viewer_table (&pushing->push.viewer, table, pushing->message);

  return shown ? shown->fingerprint : NULL;
}

enum mantis_status
pushing_decode (struct pushing *pushing, const struct sender *sender, struct mantis_error *error)
{
  struct push *push = &pushing->push;
  struct block_tables tables = {
      .find = find_open, .context = pushing, .fingerprint = fingerprint_for};
  CLEANUP_LENDING struct lending lending;
  enum mantis_status status;

  lists_again (
      &pushing->lists); /* it may have been decoded before, in a transaction that came to nothing */
  push->partial = pushing->batch.partial;
  push->generation = pushing->batch.generation;
  push->anonymous = sender->anonymous;
  pushing->attached = push->store->attached;
  if (!(push->node = mantis_arena_strdup (pushing->message, sender->node)))
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  lending_begin (&lending, push->store);
  push->viewer = viewer_of (&lending, pushing->principal, push->node);
  status = blocks_decode (pushing->batch.changes, &pushing->lists, "$.changes", &tables, push->now,
                          push->node, pushing->message, &pushing->decoded, error);
  if (status == MANTIS_OK)
    status = lists_check (&pushing->lists, error);
  if (status != MANTIS_STALE)
    return status;
  /* Of a table that is not as the sender knows it not even the keys can be told apart: back to hello. */
  pushing->settled = true;
  reply_problem (pushing->reply, 409, "schema", error->text);
  return MANTIS_OK;
}

void
pushing_done (struct pushing *pushing)
{
  if (pushing->settled)
    return;
  FAULT_POINT ("answer"); /* durable, not acknowledged */
  if (!pushing->batch.abandon)
    count_outcomes (pushing->server, &pushing->push);
  push_tell (&pushing->push);
  pushing->reply->committed = pushing->push.count > 0;
  reply_done (pushing->reply);
}

/* The resolvers that wait are asked in the background, or, where nobody does that, here: no transaction is open. */
static enum mantis_status
push_and_ask (struct pushing *pushing, struct mantis_error *error)
{
  struct questions *questions = &pushing->server->questions;
  struct question *question;
  enum mantis_status status;

  do {
    status = push_through (pushing, error);
    while (!questions->attended && questions->fresh && (question = questions_next (questions)))
      question_ask (questions, question);
  } while (status == MANTIS_BUSY && pushing->push.thinks && !questions->attended);
  return status;
}

enum mantis_status
pushing_prepare (struct pushing *pushing, struct mantis_error *error)
{
  struct store *store = pushing->push.store;
  struct sender sender = {.anonymous = true};
  enum mantis_status status = store_begin (store, MANTIS_READ, error);

  if (status == MANTIS_OK) {
    status = sender_find (store, pushing->request, pushing->principal, pushing->message, &sender,
                          error); /* a first look, for the name */
    store_rollback (store);
  }
  /* One that is settled is answered from memory, whatever became of the tables since. */
  if (status == MANTIS_OK && pushing->batch.number && pushing->batch.number <= sender.number &&
      !pushing_is_next (pushing, &sender))
    return MANTIS_OK;
  if (status == MANTIS_OK) /* a body that is wrong never touches the database */
    status = pushing_decode (pushing, &sender, error);
  if (status == MANTIS_OK && !pushing->settled && pushing_is_asked (store))
    pushing_ask (pushing);
  return status;
}

void
pushing_alone (struct pushing *pushing)
{
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  enum mantis_status status;

  pushing->push.shared = false;
  status = pushing_prepare (pushing, &error);
  if (status == MANTIS_OK && !pushing->settled)
    status = push_and_ask (pushing, &error);
  if (status == MANTIS_OK)
    pushing_done (pushing);
  else if (status == MANTIS_BUSY && pushing->push.thinks) {
    pushing->reply->asks = pushing->push.thinks;
    pushing->reply->asks_until = pushing->push.until;
  } else
    reply_error (pushing->reply, &error);
}

void
handle_push (struct server *server, struct store *store, const struct mantis_request *request,
             const struct mantis_principal *principal, struct reply *reply)
{
  const struct fellow sent = {.request = request, .principal = principal, .reply = reply};
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  struct pushing pushing;

  if (pushing_open (&pushing, server, store, &sent, &error) == MANTIS_OK)
    pushing_alone (&pushing);
  else
    reply_error (reply, &error);
  pushing_close (&pushing);
}
