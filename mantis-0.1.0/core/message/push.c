/* push.c - the message "push": one numbered changeset of a client, in one transaction; or "abandon".
 *
 *   {"number": 8, "nonce": "4f..", "whole": true, "changes": [BLOCK, ...]}
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
#include "message/message.h"
#include "wire/block.h"
#include "wire/json.h"

#include <stdio.h>
#include <string.h>

enum { MOST_TRIES = 5, LONG_TRY_US = 2000000 /* whoever held it that long holds it still */ };

struct batch {
  int64_t number; /* 0: none */
  const char *nonce;
  bool abandon, partial;
  int64_t generation;
  const json_t *changes;
};

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
  if (status == MANTIS_OK && (batch->number < 0 || strlen (batch->nonce) > 63))
    status = mantis_fail (error, MANTIS_INVALID, "$.number, $.nonce: out of range");
  if (status == MANTIS_OK && (batch->number > 0) != (*batch->nonce != '\0'))
    status = mantis_fail (error, MANTIS_INVALID, "$.number and $.nonce belong together");
  if (status == MANTIS_OK && batch->abandon && !batch->number)
    status = mantis_fail (error, MANTIS_INVALID, "$.abandon.number: missing");
  return status;
}

/* Is this batch the sender's next?  If not, REPLY says what is to be done. */
static bool
is_next (const struct batch *batch, const struct sender *sender, struct reply *reply)
{
  char detail[200];

  if (sender->anonymous && batch->number) {
    reply_problem (reply, 400, NULL, "a numbered batch needs the header Mantis-Node");
    return false;
  }
  if (!batch->number || batch->number == sender->number + 1)
    return true;
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

static enum mantis_status
take_changes (struct push *push, const struct block_changes *decoded, struct mantis_error *error)
{
  mantis_arena_reset (push->arena);
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
  enum mantis_status status = push_detect (push, error);

  if (status == MANTIS_OK)
    status = push_resolve (push, error);
  if (status == MANTIS_OK)
    status = push_apply (push, error);
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

/* In the transaction: what the changes come to, noted as the answer to this batch. */
static enum mantis_status
answer_batch (struct server *server, struct push *push, const struct batch *batch,
              struct sender *sender, const struct mantis_principal *principal, struct reply *reply,
              struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  int64_t head = 0;

  if (batch->abandon)
    mantis_buf_text (&reply->body, "{\"void\":true");
  else if ((status = work_on (push, error)) == MANTIS_OK &&
           (status = push->store->ops->log_head (push->store->session, &head, error)) ==
               MANTIS_OK) {
    push_answer (push, &reply->body);
    mantis_buf_printf (&reply->body, ",\"head\":%lld", (long long)head);
  }
  mantis_buf_printf (&reply->body, ",\"number\":%lld,\"clock\":%lld,\"took\":%lld}",
                     (long long)batch->number, (long long)mantis_now (),
                     (long long)(mantis_monotonic () - push->store->begun_at) / 1000);
  if (status == MANTIS_OK && reply->body.failed)
    status = mantis_fail (error, MANTIS_FULL, "no memory for the answer");
  if (status != MANTIS_OK || !batch->number)
    return status;
  sender->number = batch->number;
  snprintf (sender->nonce, sizeof sender->nonce, "%s", batch->nonce);
  sender->answer = batch->abandon ? NULL : reply->body.bytes;
  return sender_save (server, push->store, sender, principal, 0, error);
}

/* One transaction.  *SETTLED: it is no new batch, and REPLY tells what became of it.  *AGAIN: it got as far as to
 * the rows; MANTIS_BUSY then is another program that wrote some of them meanwhile, or a deadlock with one. */
static enum mantis_status
push_once (struct server *server, struct push *push, const struct batch *batch,
           const struct block_changes *decoded, const struct mantis_request *request,
           const struct mantis_principal *principal, struct reply *reply, bool *settled,
           bool *again, struct mantis_error *error)
{
  struct store *store = push->store;
  int64_t attached = store->attached;
  struct sender sender = {.anonymous = true};
  enum mantis_status status = take_changes (push, decoded, error);

  if (status == MANTIS_OK)
    status = store_begin (store, MANTIS_WRITE, error);
  if (status == MANTIS_OK && attached != store->attached)
    status = mantis_fail (error, MANTIS_BUSY, "the server's schema was changed just now");
  *again = status == MANTIS_OK;
  if (status == MANTIS_OK)
    status = sender_find (store, request, principal, push->arena, &sender, error);
  if (status == MANTIS_OK && (*settled = !is_next (batch, &sender, reply)))
    return MANTIS_OK;
  if (status == MANTIS_OK)
    status = answer_batch (server, push, batch, &sender, principal, reply, error);
  return status == MANTIS_OK ? store_commit (store, error) : status;
}

/* As often as the database asks for it; and once more, row by row, when one of them is refused. */
static enum mantis_status
push_through (struct server *server, struct push *push, const struct batch *batch,
              const struct block_changes *decoded, const struct mantis_request *request,
              const struct mantis_principal *principal, struct reply *reply, bool *settled,
              struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  bool again = true;

  for (int tries = 0; again && tries < MOST_TRIES; tries++) {
    int64_t began = mantis_monotonic ();
    mantis_buf_clear (&reply->body);
    status =
        push_once (server, push, batch, decoded, request, principal, reply, settled, &again, error);
    if (status == MANTIS_OK)
      return MANTIS_OK;
    store_rollback (push->store);
    if (status == MANTIS_REFUSED && push->mode != APPLY_EACH)
      push->mode = APPLY_EACH;
    else
      again &= status == MANTIS_BUSY && mantis_monotonic () - began < LONG_TRY_US;
  }
  return status;
}

void
handle_push (struct server *server, struct store *store, const struct mantis_request *request,
             const struct mantis_principal *principal, struct reply *reply)
{
  CLEANUP_ARENA struct mantis_arena *message = mantis_arena_new (server->limits.body_bytes),
                                    *arena = mantis_arena_new (server->limits.body_bytes);
  struct push push = {.store = store,
                      .arena = arena,
                      .now = mantis_now (),
                      .policy = server->policy,
                      .policy_context = server->policy_context};
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  CLEANUP_LISTS struct lists lists;
  CLEANUP_JSON json_t *body = lists_read (request->body, request->length, &lists, &error);
  struct block_tables tables = {.find = find_synced, .context = store};
  struct block_changes decoded = {.count = 0};
  struct sender sender = {.anonymous = true};
  struct batch batch = {0};
  bool settled = false;
  enum mantis_status status =
      body && message && arena ? read_batch (body, &batch, &error) : error.status;

  if (status == MANTIS_OK && (status = store_begin (store, MANTIS_READ, &error)) == MANTIS_OK) {
    status = sender_find (store, request, principal, message, &sender,
                          &error); /* a first look, for the name */
    store_rollback (store);
  }
  /* One that is settled is answered from memory, whatever became of the tables since. */
  if (status == MANTIS_OK && batch.number && batch.number <= sender.number &&
      !is_next (&batch, &sender, reply))
    return;
  push.partial = batch.partial;
  push.row_limit = server->limits.body_bytes / 4 * 3;
  push.generation = batch.generation;
  push.node = sender.node;
  push.anonymous = sender.anonymous;
  if (status == MANTIS_OK) /* a body that is wrong never touches the database */
    status = blocks_decode (batch.changes, &lists, "$.changes", &tables, push.now, push.node,
                            message, &decoded, &error);
  if (status == MANTIS_OK)
    status = lists_check (&lists, &error);
  /* Of a table that is not as the sender knows it not even the keys can be told apart: back to hello. */
  if (status == MANTIS_STALE)
    reply_problem (reply, 409, "schema", error.text);
  if (status == MANTIS_OK)
    status =
        push_through (server, &push, &batch, &decoded, request, principal, reply, &settled, &error);
  if (settled)
    return;
  if (status != MANTIS_OK) {
    if (!reply->status)
      reply_error (reply, &error);
    return;
  }
  FAULT_POINT ("answer"); /* durable, not acknowledged */
  if (!batch.abandon)
    count_outcomes (server, &push);
  reply->committed = push.count > 0;
  reply_done (reply);
}
