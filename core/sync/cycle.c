/* cycle.c - the client's day: what is sent next, and what an answer means.
 *
 *   hello -> (abandon a batch of before) -> push what waits -> pull until the page is complete, load pages of
 *   tables that are not live -> wait: a pull that the server answers when there is news, a push when
 *   something was noticed here.
 *
 * Whatever fails is tried again: at first soon, then later and later, up to the interval, with jitter.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "base/fault.h"
#include "sync/base.h"
#include "sync/receive.h"
#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BACKOFF = 200, ANSWER_TIMEOUT = 120 * 1000, POLL_PENDING = 1000 };

static int64_t
now_ms (void)
{
  return mantis_monotonic () / 1000;
}

/* ---- Failure --------------------------------------------------------------------------------- */

static void
failed (struct client *client, const char *message, int64_t at_least, const char *text)
{
  int64_t longest = client->settings.interval > 1000 ? client->settings.interval : 1000;
  int64_t delay = (int64_t)FIRST_BACKOFF << (client->failures < 16 ? client->failures : 16);
  uint32_t chance;

  mantis_random (&chance, sizeof chance);
  delay = delay < longest ? delay : longest;
  delay = delay / 2 + (int64_t)(chance % (uint64_t)(delay / 2 + 1));
  client->failures++;
  client->retry_at = now_ms () + (delay > at_least ? delay : at_least);
  client_set_trouble (client, text);
  client_tell_trouble (client, message, text);
}

static void
succeeded (struct client *client)
{
  client->wakes |= client->trouble != NULL; /* the server may have other limits now */
  client->noticed |= client->wakes;
  client->failures = 0;
  client->disabled = false;
  client->retry_at = 0;
  client_set_trouble (client, NULL);
}

/* ---- What to send ---------------------------------------------------------------------------- */

void
add_revision (struct mantis_buf *buf, const struct table_state *state)
{
  if (buf->length)
    mantis_buf_text (buf, ", ");
  percent_encode (buf, state->table->name);
  mantis_buf_printf (buf, "=%lld", (long long)state->rev);
}

static void
fill (struct client *client, struct slot *slot, const char *message, struct client_request *request)
{
  FAULT_POINT ("send"); /* noted, where it has to be */
  slot->busy = true;
  slot->message = message;
  slot->sent_at = mantis_monotonic ();
  memcpy (slot->epoch, client->phases.epoch, sizeof slot->epoch);
  *request = (struct client_request){
      .message = message,
      .body = slot->body.bytes ? slot->body.bytes : "",
      .length = slot->body.length,
      .node = client->store->node,
      .epoch = *slot->epoch ? slot->epoch : NULL,
      .revisions = slot->revisions.bytes ? slot->revisions.bytes : "",
      .timeout = ANSWER_TIMEOUT + (slot->waits ? client->settings.wait : 0),
      .waits = slot->waits,
  };
}

static bool
has_push (const struct slot *slot)
{
  return slot->message && strcmp (slot->message, "push") == 0 && slot->body.length > 0;
}

static void
empty_slot (struct slot *slot)
{
  mantis_buf_free (&slot->body);
  mantis_buf_free (&slot->revisions);
  slot->told = 0;
  slot->message = NULL;
  slot->waits = false;
}

/* Something in the log or among the pending changes may be due. */
static enum mantis_status
next_push (struct client *client, struct slot *slot, struct mantis_error *error)
{
  enum mantis_status status;

  if (!client->noticed && client->queue.read_to <= client->queue.acked &&
      !client->queue.pending.count)
    return MANTIS_OK;
  client->noticed = false;
  if ((status = collect (client, error)) != MANTIS_OK) {
    client->noticed = true;
    return status;
  }
  if (!client->batch)
    return MANTIS_OK;
  slot->body = client->batch->body;
  slot->revisions = client->batch->revisions;
  client->batch->body = client->batch->revisions = (struct mantis_buf)MANTIS_BUF_INIT;
  slot->message = "push";
  slot->told = slot->body.length;
  return batch_tell_history (client, &slot->body, slot->told, error);
}

static enum mantis_status
next_talk (struct client *client, struct slot *slot, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (client->greeted && client->flight.number && has_push (slot)) /* the same again */
    return slot->told ? batch_tell_history (client, &slot->body, slot->told, error) : MANTIS_OK;
  if (!client->greeted && has_push (slot))
    client->noticed = true; /* after hello it is asked for by its number */
  empty_slot (slot);
  if (!client->greeted) {
    drop_ahead (client);
    if ((status = hello_request (client, &slot->body, error)) == MANTIS_OK)
      slot->message = "hello";
  } else if (client->flight.number) {
    mantis_buf_printf (&slot->body, "{\"abandon\":{\"number\":%lld,\"nonce\":\"%s\"}}",
                       (long long)client->flight.number, client->flight.nonce);
    slot->message = "push";
  } else if (client->wants_schema)
    slot->message = "schema";
  else {
    status = next_push (client, slot, error);
    if (status == MANTIS_OK && !slot->message)
      client->may_pull = true;
    if (status == MANTIS_OK && !slot->message && base_lacks (client))
      status = base_fill (client, error);
  }
  return status;
}

static enum mantis_status
next_pull (struct client *client, struct slot *slot, struct mantis_error *error)
{
  enum mantis_status status;

  if (!client->greeted || !client->may_pull || !*client->phases.epoch ||
      (client->caught_up && client->settings.wait == 0 && now_ms () < client->next_cycle))
    return MANTIS_OK;
  empty_slot (slot);
  for (size_t i = 0; i < client->phases.count; i++)
    if (!client->phases.tables[i].paused)
      add_revision (&slot->revisions, &client->phases.tables[i]);
  if ((status = pull_request (client, &slot->body, &slot->waits, error)) == MANTIS_OK)
    slot->message = "pull";
  return status;
}

void
client_next (struct client *client, enum client_slot which, struct client_request *request)
{
  struct slot *slot = &client->slots[which];
  struct mantis_error error;
  enum mantis_status status;

  *request = (struct client_request){.message = NULL};
  if (slot->busy || !client->settings.enabled || now_ms () < client->retry_at ||
      (which == CLIENT_PULL && now_ms () < client->rest_until))
    return;
  if (now_ms () >= client->next_cycle && which == CLIENT_TALK)
    client->noticed = true;
  status =
      which == CLIENT_TALK ? next_talk (client, slot, &error) : next_pull (client, slot, &error);
  if (status == MANTIS_OK && which == CLIENT_TALK && !slot->message && !client->greeted)
    status =
        next_talk (client, slot, &error); /* it has just found other tables: hello comes first */
  if (status == MANTIS_OK && slot->message)
    status = client_ask_hooks (client, slot->message, &error);
  if (status != MANTIS_OK) {
    const char *message = slot->message;
    /* A batch is numbered: the same one comes again, or is abandoned where there was no memory for it. */
    if (!has_push (slot) || slot->body.failed)
      empty_slot (slot);
    failed (client, message, 0, error.text);
  } else if (slot->message)
    fill (client, slot, slot->message, request);
}

/* ---- What an answer means -------------------------------------------------------------------- */

/* The detail and the code of a problem, in TEXT and CODE. */
static void
read_problem (const struct mantis_answer *answer, char *text, size_t room, char *code,
              size_t code_room)
{
  CLEANUP_JSON json_t *json = json_read (answer->body ? answer->body : "", answer->length, NULL);
  const char *detail = json_string_value (json_object_get (json, "detail"));
  const char *word = json_string_value (json_object_get (json, "code"));

  snprintf (text, room, "the server answers %d%s%.300s", answer->status, detail ? ": " : "",
            detail ? detail : "");
  snprintf (code, code_room, "%.30s", word ? word : "");
}

/* The batch does not go through the door: half of it next time.  A single row has to wait. */
static void
too_large (struct client *client, struct slot *slot, const char *text)
{
  struct mantis_error error;
  size_t changes = client->batch ? client->batch->changes : 0;

  empty_slot (slot); /* the batch under way is abandoned next */
  if (changes == 1 && settle_too_large (client, text, &error) != MANTIS_OK)
    failed (client, slot->message, 0, error.text);
  if (changes != 1)
    client->row_limit = changes > 2 ? changes / 2 : 1;
  batch_free (client->batch);
  client->batch = NULL;
  drop_ahead (client);
}

static void
answered_problem (struct client *client, struct slot *slot, const struct mantis_answer *answer)
{
  char text[400], code[32];
  bool outdated = answer->status == 409 || answer->status == 410;
  bool pull = slot->message && strcmp (slot->message, "pull") == 0;

  read_problem (answer, text, sizeof text, code, sizeof code);
  client->disabled = strcmp (code, "disabled") == 0;
  /* The keys in a pull are not right any more where the server's table has got another one. */
  if (outdated || (answer->status == 400 && pull)) {
    client->greeted = false;
    empty_slot (slot);
    if (outdated && client->failures == 0) { /* hello will tell; once without a pause */
      client->failures = 1;
      return;
    }
  } else if (answer->status == 413 && has_push (slot)) {
    too_large (client, slot, text);
    return;
  }
  failed (client, slot->message, answer->retry_after * 1000, text);
}

static enum mantis_status
take_answer (struct client *client, enum client_slot which, struct slot *slot, json_t *json,
             struct lists *lists, struct mantis_error *error)
{
  enum mantis_status status;

  if (which == CLIENT_PULL)
    return receive (client, json, lists, error);
  if (strcmp (slot->message, "hello") == 0)
    return hello_answer (client, json, error);
  if (strcmp (slot->message, "schema") == 0)
    return schema_answer (client, json, error);
  if ((status = settle (client, json, error)) == MANTIS_OK) {
    client->may_pull = true;
    client->noticed = true;                             /* there may be more */
    if (!json_is_true (json_object_get (json, "void"))) /* that was a batch which did get through */
      client->row_limit = 0;
  }
  return status;
}

static void
answered_well (struct client *client, enum client_slot which, struct slot *slot,
               const struct mantis_answer *answer)
{
  struct mantis_error error = {.text = ""};
  CLEANUP_LISTS struct lists lists;
  CLEANUP_JSON json_t *json = lists_read (answer->body, answer->length, &lists, &error);
  bool greeting = which == CLIENT_TALK && strcmp (slot->message, "hello") == 0;

  if (!json || take_answer (client, which, slot, json, &lists, &error) != MANTIS_OK) {
    if (!json)
      mantis_fail_in (&error, "an answer that is none");
    failed (client, slot->message, 0, error.text); /* a push under way keeps its bytes */
    return;
  }
  client_tell_hooks (client, slot->message);
  empty_slot (slot);
  client->next_cycle = now_ms () + client->settings.interval;
  if (!greeting)
    succeeded (client);
}

void
client_answered (struct client *client, enum client_slot which, const struct mantis_answer *answer)
{
  struct slot *slot = &client->slots[which];

  slot->busy = false;
  slot->answered_at = mantis_monotonic ();
  FAULT_POINT ("answered");
  if (answer->status == 200)
    answered_well (client, which, slot, answer);
  else if (answer->status == 0 && !answer->error && slot->waits)
    empty_slot (slot); /* interrupted, to ask for something else */
  else if (answer->status == 0)
    failed (client, slot->message, 0, answer->error ? answer->error : "no answer");
  else
    answered_problem (client, slot, answer);
}

/* ---- From outside ---------------------------------------------------------------------------- */

void
client_noticed (struct client *client)
{
  client->noticed = true;
}

void
client_hurry (struct client *client)
{
  client->noticed = client->wakes = true;
  client->caught_up = false; /* as far as is known: the next pull does not wait */
  client->retry_at = 0;
  client->next_cycle = 0;
}

int64_t
client_due (const struct client *client)
{
  int64_t now = now_ms (), due = client->next_cycle;

  if (!client->settings.enabled)
    return -1;
  if (client->retry_at > now)
    return client->retry_at - now;
  if (client->greeted && client->may_pull && base_lacks (client))
    return 0;
  if (client->queue.pending.count || client->queue.held.count)
    due = due < now + POLL_PENDING ? due : now + POLL_PENDING;
  if (client->rest_until > now && due > client->rest_until)
    due = client->rest_until;
  return due > now ? due - now : 0;
}

bool
client_idle (const struct client *client)
{
  const struct slot *pull = &client->slots[CLIENT_PULL];

  return client->greeted && client->caught_up && !client->wants_schema && !client->noticed &&
         !client->flight.number && client->queue.read_to <= client->queue.acked &&
         !client->slots[CLIENT_TALK].busy && (!pull->busy || pull->waits);
}

bool
client_impatient (const struct client *client)
{
  const struct slot *pull = &client->slots[CLIENT_PULL], *talk = &client->slots[CLIENT_TALK];
  bool settled = !talk->busy && talk->answered_at > pull->sent_at;

  return pull->busy && pull->waits && client->greeted && client->may_pull &&
         (!client->caught_up || (settled && client->queue.held.count));
}
