/* settle.c - what the server's answer to a push does here, in one transaction.
 *
 * What the answer does not mention stands as sent.  For the exceptions: a row that was not edited since
 * becomes the server's, and what it was is kept in __sync_conflicts; one that was edited since stays as it
 * is, with the base of its first edit, and is sent again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/apply.h"
#include "sync/base.h"
#include "sync/client_state.h"
#include "sync/conflict.h"
#include "sync/push.h"
#include "wire/json.h"
#include "wire/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOON = 1000, LONGEST_AFTER = 600 /* seconds that a server may ask for */ };

/* One entry of the answer's "exceptions". */
struct exception {
  struct sent *sent;
  enum outcome outcome;
  const char *reason, *decided_by, *origin;
  int64_t rev, updated_at;
  int64_t after;  /* of `retry': seconds until it is worth it, 0: not known */
  bool quiet;     /* nobody lost */
  mantis_row row; /* the server's, NULL: it has none */
};

struct settlement {
  struct client *client;
  struct mantis_arena *arena;
  struct apply_item *items; /* rows that become the server's */
  int64_t *revs;
  size_t count;
  bool *taken; /* by place in the batch: what was sent is in the server's row */
  struct happened lost; /* for hooks */
};

static enum mantis_status
read_exception (struct settlement *s, const json_t *json, struct exception *exception,
                struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const char *name = json_get_text (json, "table", "", &status, error);
  const struct table_state *state = phase_named (&s->client->phases, name);
  const json_t *row = json_get_object (json, "row", &status, error);
  mantis_row key;

  *exception = (struct exception){
      .outcome = outcome_from (json_get_text (json, "outcome", "", &status, error)),
      .reason = json_get_text (json, "reason", NULL, &status, error),
      .decided_by = json_get_text (json, "decided_by", NULL, &status, error),
      .origin = json_get_text (json, "origin", NULL, &status, error),
      .rev = json_get_integer (json, "rev", 0, &status, error),
      .updated_at = json_get_integer (json, "updated_at", 0, &status, error),
      .after = json_get_integer (json, "after", 0, &status, error),
      .quiet = json_get_bool (json, "quiet", false, &status, error),
  };
  if (status != MANTIS_OK || !state) /* a table that is gone meanwhile has nothing left to settle */
    return status;
  if ((status = key_decode (json_object_get (json, "key"), state->table, s->arena, &key, error)) !=
      MANTIS_OK)
    return status;
  if (row)
    status = row_decode (row, state->table, s->arena, &exception->row, error);
  exception->sent = batch_find (s->client->batch, state->table, key);
  return status;
}

static bool
edited_since (struct client *client, const struct sent *sent)
{
  int64_t *newest = map_at (&client->queue.newest, sent->hash, false);

  return newest && *newest > client->batch->q;
}

/* ---- One exception --------------------------------------------------------------------------- */

/* When is it sent again? */
enum again { AT_ONCE, LATER };

/* Milliseconds that the server asks for; 0: it does not know, and each try waits longer than the one before. */
static int64_t
retry_after (const struct exception *exception)
{
  int64_t after = exception->after < LONGEST_AFTER ? exception->after : LONGEST_AFTER;

  return after > 0 ? after * 1000 : 0;
}

/* The key stays unsettled, with its first base. */
static enum mantis_status
keep_pending_for (struct settlement *s, const struct sent *sent, const char *reason,
                  enum again again, int64_t delay, struct mantis_error *error)
{
  struct client *client = s->client;
  struct pending pending = {.base = sent->base, .created = sent->created, .time = sent->time};
  enum mantis_status status;
  bool found;

  status = pending_get (&client->queue, client->store, sent->table, sent->key, s->arena, &pending,
                        &found, error);
  if (status != MANTIS_OK)
    return status;
  pending.reason = reason;
  if (delay) /* as if that were its turn */
    for (pending.tries = 1; retry_delay (pending.tries) < delay;)
      pending.tries++;
  else if (again == LATER)
    delay = retry_delay (++pending.tries);
  pending.next_try = mantis_now () + delay;
  return pending_put (&client->queue, client->store, sent->table, sent->key, &pending, error);
}

static enum mantis_status
keep_pending (struct settlement *s, const struct sent *sent, const char *reason, enum again again,
              struct mantis_error *error)
{
  return keep_pending_for (s, sent, reason, again, 0, error);
}

/* The pending change counts as made on revision REV. */
static enum mantis_status
base_on (struct settlement *s, const struct sent *sent, int64_t rev, struct mantis_error *error)
{
  struct client *client = s->client;
  struct pending pending;
  enum mantis_status status;
  bool found;

  status = pending_get (&client->queue, client->store, sent->table, sent->key, s->arena, &pending,
                        &found, error);
  if (status != MANTIS_OK || !found || pending.base >= rev)
    return status;
  pending.base = rev;
  pending.created = false;
  status = pending_put (&client->queue, client->store, sent->table, sent->key, &pending, error);
  return status == MANTIS_OK
             ? held_remove (&client->queue, client->store, sent->table, sent->key, rev, error)
             : status;
}

static enum mantis_status
keep_loser (struct settlement *s, const struct exception *exception, struct mantis_error *error)
{
  const struct sent *sent = exception->sent;
  mantis_row key = sent->key, local = NULL;
  enum mantis_status status = s->client->store->ops->read (s->client->store->session, sent->table,
                                                           &key, 1, s->arena, &local, error);
  struct conflict conflict = {
      .table = sent->table,
      .key = sent->key,
      .outcome = outcome_name (exception->outcome),
      .reason = exception->reason,
      .node = s->client->store->node,
      .loser = local,
      .loser_time = sent->time,
      .winner = exception->row,
      .winner_time = exception->updated_at,
      .winner_origin = exception->origin,
      .base = sent->base,
      .rev = exception->rev,
      .decided_by = exception->decided_by ? exception->decided_by : "database",
  };

  if (status == MANTIS_OK)
    status = conflict_keep (s->client->store, &conflict, error);
  if (status == MANTIS_OK && hooks_want (s->client->store->hooks, MANTIS_AFTER_CONFLICT)) {
    const struct mantis_change change = {.table = sent->table,
                                         .row = local ? local : sent->key,
                                         .deleted = !local,
                                         .updated_at = sent->time,
                                         .base = sent->base,
                                         .origin = s->client->store->node};
    status = happened_add (&s->lost, s->arena, &change, conflict.outcome, conflict.reason,
                           conflict.decided_by, exception->row, error);
  }
  return status;
}

/* The local row becomes the server's. */
static enum mantis_status
take_server_row (struct settlement *s, const struct exception *exception,
                 struct mantis_error *error)
{
  struct client *client = s->client;
  const struct sent *sent = exception->sent;
  struct mantis_change *change = mantis_arena_alloc (s->arena, sizeof *change);
  enum mantis_status status;

  if (!change)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  *change = (struct mantis_change){.table = sent->table,
                                   .row = exception->row ? exception->row : sent->key,
                                   .deleted = !exception->row,
                                   .updated_at = exception->updated_at,
                                   .rev = exception->rev};
  s->revs[s->count] = exception->rev;
  s->items[s->count++].change = change;
  status =
      held_remove (&client->queue, client->store, sent->table, sent->key, exception->rev, error);
  if (status == MANTIS_OK)
    status = pending_remove (&client->queue, client->store, sent->table, sent->key, error);
  return status;
}

/* Its table lost its capture, and was not compared since: what the row holds may have been written after it was
 * sent. */
static bool
went_unwatched (struct settlement *s, const struct sent *sent)
{
  const struct table_state *state = phase_of (&s->client->phases, sent->table);

  return state && (state->phase == PHASE_SCAN || state->phase == PHASE_FIRST);
}

static enum mantis_status
settle_exception (struct settlement *s, const struct exception *exception,
                  struct mantis_error *error)
{
  const struct sent *sent = exception->sent;
  bool derived =
      exception->outcome == OUTCOME_MERGED && !exception->decided_by; /* by the database */
  bool quiet = derived || exception->quiet;
  const struct table_state *state = phase_of (&s->client->phases, sent->table);
  enum mantis_status status = MANTIS_OK;

  if (exception->outcome == OUTCOME_RETRY)
    return keep_pending_for (s, sent, exception->reason, LATER, retry_after (exception), error);
  if (edited_since (s->client, sent)) {
    status = keep_pending (s, sent, "edited while it was sent", AT_ONCE, error);
    if (state &&
        state->era) { /* the edit is merged as one of what we sent, once that is in there */
      s->taken[sent - s->client->batch->sent] = quiet || exception->outcome == OUTCOME_MERGED;
      return status;
    }
    /* The edit was made on what we sent, and that stood; what the database derived from it comes before. */
    return status == MANTIS_OK && derived ? base_on (s, sent, exception->rev, error) : status;
  }
  if (!quiet || went_unwatched (s, sent))
    status = keep_loser (s, exception, error);
  return status == MANTIS_OK ? take_server_row (s, exception, error) : status;
}

static enum mantis_status
settle_exceptions (struct settlement *s, const json_t *answer, bool *excepted,
                   struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *list = json_get_array (answer, "exceptions", &status, error), *json;
  size_t room = json_array_size (list), i;

  s->items = arena_array (s->arena, room, sizeof *s->items);
  s->revs = arena_array (s->arena, room, sizeof *s->revs);
  if (!s->items || !s->revs)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  json_array_foreach (list, i, json)
  {
    struct exception exception;
    if (status != MANTIS_OK || (status = read_exception (s, json, &exception, error)) != MANTIS_OK)
      break;
    if (!exception.sent)
      continue;
    if (exception.outcome ==
        OUTCOME_COUNT) /* a newer server's word: undecided is the safe reading */
      exception.outcome = OUTCOME_RETRY;
    excepted[exception.sent - s->client->batch->sent] = true;
    status = settle_exception (s, &exception, error);
  }
  return status;
}

/* ---- All of them ----------------------------------------------------------------------------- */

/* Rows of the server that this database does not take are held, and fetched again later. */
static enum mantis_status
apply_server_rows (struct settlement *s, struct mantis_error *error)
{
  struct client *client = s->client;
  enum mantis_status status =
      apply_changes (client->store, APPLY_EACH, s->items, s->count, s->arena, error);

  for (size_t i = 0; i < s->count && status == MANTIS_OK; i++) {
    const struct mantis_change *change = s->items[i].change;
    if (!s->items[i].done)
      status = held_refused (&client->queue, client->store, change, s->revs[i], s->items[i].refusal,
                             mantis_now () + SOON, error);
    else if (s->revs[i] > client->phases.rev)
      status =
          seen_put (&client->queue, client->store, change->table, change->row, s->revs[i], error);
  }
  return status == MANTIS_OK ? base_agree (client, s->items, s->count, error) : status;
}

/* The application's own edit may have freed what a held row was refused for. */
static enum mantis_status
stir_held (struct client *client, struct mantis_error *error)
{
  const struct mantis_table *last = NULL;
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < client->batch->count && status == MANTIS_OK; i++)
    if (client->batch->sent[i].table != last) {
      last = client->batch->sent[i].table;
      status = held_stir (&client->queue, client->store, last, error);
    }
  return status;
}

static enum mantis_status
note_settled (struct client *client, struct mantis_error *error)
{
  enum mantis_status status =
      store_put_meta_integer (client->store, "number", client->flight.number, error);

  if (status == MANTIS_OK)
    status = store_put_meta_text (client->store, "nonce", client->flight.nonce, error);
  if (status == MANTIS_OK)
    status = store_put_meta_text (client->store, "in_flight", NULL, error);
  return status;
}

static enum mantis_status
settle_batch (struct settlement *s, const json_t *answer, struct mantis_error *error)
{
  struct client *client = s->client;
  struct batch *batch = client->batch;
  bool *excepted = arena_array (s->arena, batch->count, sizeof *excepted);
  enum mantis_status status = MANTIS_OK;
  int64_t now = mantis_now ();

  s->taken = arena_array (s->arena, batch->count, sizeof *s->taken);
  status = excepted && s->taken ? settle_exceptions (s, answer, excepted, error)
                                : mantis_fail (error, MANTIS_FAILED, "out of memory");

  for (size_t i = 0; i < batch->count && status == MANTIS_OK; i++) {
    struct sent *sent = &batch->sent[i];
    struct table_state *state = phase_of (&client->phases, sent->table);
    if (state && !sent->dropped && state->last_push != now) {
      state->last_push = now;
      state->changed = true;
    }
    if (excepted[i] || sent->dropped)
      continue;
    report_rows (client->store->reports, MANTIS_REPORT_SENT, sent->table, 1, NULL);
    s->taken[i] = true;
    status = pending_remove (&client->queue, client->store, sent->table, sent->key, error);
    if (status == MANTIS_OK)
      status = held_hurry (&client->queue, client->store, sent->table, sent->key, error);
  }
  if (status == MANTIS_OK)
    status = base_settle (client, batch, s->taken, error);
  if (status == MANTIS_OK)
    status = apply_server_rows (s, error);
  if (status == MANTIS_OK && client->queue.held.count)
    status = stir_held (client, error);
  /* While the next part is under way there is time to trim the log; now the server waits for it. */
  if (status == MANTIS_OK)
    status =
        queue_settle (&client->queue, client->store, batch->to_seq, client->ahead != NULL, error);
  client->phases.last_push = now;
  client->phases.changed = true;
  return status == MANTIS_OK ? phases_save (&client->phases, client->store, error) : status;
}

enum mantis_status
settle (struct client *client, const json_t *answer, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct settlement s = {.client = client, .arena = arena};
  bool burned = json_is_true (json_object_get (answer, "void"));
  enum mantis_status status = arena ? client_begin (client, MANTIS_WRITE, error)
                                    : mantis_fail (error, MANTIS_FAILED, "out of memory");

  if (status == MANTIS_OK)
    status = queue_fold (&client->queue, client->store, error);
  if (status == MANTIS_OK && !burned && !client->batch)
    status = collect_again (client, error);
  if (status == MANTIS_OK && !burned)
    status = settle_batch (&s, answer, error);
  if (status == MANTIS_OK)
    status = note_settled (client, error);
  status = client_end (client, status, error);
  if (status != MANTIS_OK)
    return status;
  client_tell_applied (client, s.items, s.count, arena);
  client_tell_rows (client, MANTIS_AFTER_CONFLICT, &s.lost);
  if (burned || json_array_size (json_object_get (answer, "exceptions")))
    drop_ahead (client); /* a base may be another now */
  if (!burned) {
    batch_settled (client, client->batch);
    pace_learn (client, &client->push, client->batch->count,
                json_integer_value (json_object_get (answer, "took")));
  }
  if (json_integer_value (json_object_get (answer, "head")) > client->pushed)
    client->pushed = json_integer_value (json_object_get (answer, "head"));
  client->number = client->flight.number;
  memcpy (client->nonce, client->flight.nonce, sizeof client->nonce);
  client->flight = (struct flight){0};
  batch_free (client->batch);
  client->batch = NULL;
  return MANTIS_OK;
}

/* The log tells it when it is first tried; the status as long as it is so. */
static enum mantis_status
keep_too_large (struct settlement *s, const struct sent *sent, const char *reason,
                struct mantis_error *error)
{
  struct client *client = s->client;
  struct pending pending = {.tries = 0};
  bool found;
  enum mantis_status status = pending_get (&client->queue, client->store, sent->table, sent->key,
                                           s->arena, &pending, &found, error);

  if (status == MANTIS_OK && pending.tries == 0)
    mantis_log (MANTIS_WARNING,
                "a row of table \"%s\" is too large for the server and stays here: %s",
                sent->table->name, reason);
  return status == MANTIS_OK ? keep_pending (s, sent, reason, LATER, error) : status;
}

enum mantis_status
settle_too_large (struct client *client, const char *reason, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct settlement s = {.client = client, .arena = arena};
  enum mantis_status status = arena ? client_begin (client, MANTIS_WRITE, error)
                                    : mantis_fail (error, MANTIS_FAILED, "out of memory");

  for (size_t i = 0; i < client->batch->count && status == MANTIS_OK; i++)
    if (!client->batch->sent[i].dropped)
      status = keep_too_large (&s, &client->batch->sent[i], reason, error);
  if (status == MANTIS_OK)
    status = queue_settle (&client->queue, client->store, client->batch->to_seq, false, error);
  status = client_end (client, status, error);
  if (status == MANTIS_OK)
    batch_settled (client, client->batch);
  return status;
}
