/* call.c - one message: handed to the core, and its answer sent.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "websocket.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Answers --------------------------------------------------------------------------------- */

static void
add_body (struct mantis_buf *text, const struct mantis_answer *answer)
{
  const char *type = answer->type ? answer->type : "application/json";

  mantis_buf_text (text, ",\"body\":");
  if (strcmp (type, "application/json") == 0 || strcmp (type, "application/problem+json") == 0)
    mantis_buf_add (text, answer->body, answer->length);
  else
    mantis_buf_json (text, answer->body, answer->length);
}

static void
write_answer (struct mantis_buf *text, const struct envelope *envelope,
              const struct mantis_answer *answer)
{
  mantis_buf_printf (text, "{\"type\":\"%s\"", answer->status >= 400 ? "error" : envelope->type);
  if (*envelope->id)
    mantis_buf_printf (text, ",\"id\":%s", envelope->id);
  mantis_buf_printf (text, ",\"status\":%d", answer->status);
  if (answer->retry_after > 0)
    mantis_buf_printf (text, ",\"retry_after\":%" PRId64, answer->retry_after);
  add_body (text, answer);
  mantis_buf_char (text, '}');
}

static void
send_answer (struct mantis_guest *guest, const struct envelope *envelope,
             const struct mantis_answer *answer)
{
  struct mantis_buf text = MANTIS_BUF_INIT;

  write_answer (&text, envelope, answer);
  if (text.failed)
    guest_leave (guest, WSLAY_CODE_INTERNAL_SERVER_ERROR, "no memory for an answer");
  else
    frames_send_text (&guest->frames, text.bytes, text.length);
  mantis_buf_free (&text);
}

/* On a worker's thread: the answer that is expected, compressed.  What the connection has agreed on does not
 * change, and it stays as long as the call does. */
static void
pack (const struct mantis_request *request, const char *body, size_t length)
{
  struct call *call = (struct call *)((char *)(uintptr_t)request - offsetof (struct call, request));
  struct mantis_answer answer = {
      .size = sizeof answer, .status = 200, .body = body, .length = length};
  struct mantis_buf text = MANTIS_BUF_INIT;

  if (length < COMPRESS_FROM)
    return;
  write_answer (&text, &call->envelope, &answer);
  if (text.failed ||
      !deflate_text (&call->packed, text.bytes, text.length, call->guest->frames.deflate.out))
    mantis_buf_free (&call->packed);
  mantis_buf_free (&text);
}

/* Is ANSWER the one that was expected? */
static bool
is_packed (const struct call *call, const struct mantis_answer *answer)
{
  return answer->size > offsetof (struct mantis_answer, prepared) && answer->prepared &&
         call->packed.length && answer->status == 200 && answer->retry_after <= 0 &&
         (!answer->type || strcmp (answer->type, "application/json") == 0);
}

/* This transport's own word. */
void
call_refuse (struct mantis_guest *guest, const struct envelope *envelope, int status,
             const char *detail)
{
  struct mantis_buf body = MANTIS_BUF_INIT;
  struct mantis_answer answer = {.size = sizeof answer,
                                 .status = status,
                                 .type = "application/problem+json",
                                 .retry_after = status == 503};

  mantis_buf_printf (&body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":",
                     status == 503 ? "Service unavailable" : "Bad request", status);
  mantis_buf_json (&body, detail, strlen (detail));
  mantis_buf_char (&body, '}');
  answer.body = body.failed ? "{}" : body.bytes;
  answer.length = strlen (answer.body);
  send_answer (guest, envelope, &answer);
  mantis_buf_free (&body);
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static void
end_call (struct call *call)
{
  struct mantis_guest *guest = call->guest;

  *call->self = call->next;
  if (call->next)
    call->next->self = call->self;
  guest->count--;
  guest->websocket->budget.used -= call->room;
  free (call->text);
  mantis_buf_free (&call->packed);
  free (call);
  guest_settle (guest);
}

static void
on_answered (void *context, const struct mantis_answer *answer)
{
  struct call *call = context;

  call->ticket = 0;
  call->answered = true;
  if (call->guest->connection) {
    if (is_packed (call, answer))
      frames_send_packed (&call->guest->frames, call->packed.bytes, call->packed.length);
    else
      send_answer (call->guest, &call->envelope, answer);
    if (answer->elsewhere) /* a balancer chooses when it is made anew */
      guest_leave (call->guest, CLOSE_TRY_AGAIN, "the server cannot use its database now");
  }
  if (!call->submitting)
    end_call (call);
}

static void
submit (struct call *call)
{
  struct mantis_guest *guest = call->guest;
  const struct envelope *envelope = &call->envelope;
  uint64_t ticket;

  call->request = (struct mantis_request){
      .size = sizeof call->request,
      .message = envelope->type,
      .argument = *envelope->argument ? envelope->argument : NULL,
      .node = *envelope->node ? envelope->node : guest->node,
      .credentials = guest->credentials,
      .body = envelope->body,
      .length = envelope->length,
      .prepare = guest->frames.deflate.out ? pack : NULL,
  };
  call->submitting = true;
  ticket = mantis_service_submit (guest->service, &call->request, on_answered, call);
  call->submitting = false;
  if (call->answered)
    end_call (call);
  else
    call->ticket = ticket;
}

/* The text becomes the call's: no copy of what may be large. */
static void
start (struct mantis_guest *guest, const struct envelope *envelope)
{
  struct call *call = calloc (1, sizeof *call);

  if (!call) {
    call_refuse (guest, envelope, 503, "no memory");
    return;
  }
  call->guest = guest;
  call->envelope = *envelope;
  call->text = message_take (&guest->frames.message, &call->room);
  call->next = guest->calls;
  call->self = &guest->calls;
  if (call->next)
    call->next->self = &call->next;
  guest->calls = call;
  guest->count++;
  submit (call);
}

/* The peer does not wait any more for the answer to the message ENVELOPE names: it comes as soon as it
 * can.  It may be on its way. */
static void
cancel (struct mantis_guest *guest, const struct envelope *envelope)
{
  struct call *call = guest->calls;
  uint64_t ticket;

  while (call && strcmp (call->envelope.id, envelope->id) != 0)
    call = call->next;
  if (!call || !*envelope->id || !call->ticket)
    return;
  ticket = call->ticket;
  call->ticket = 0;
  mantis_service_cancel (guest->service, ticket);
}

void
call_begin (struct mantis_guest *guest)
{
  struct envelope envelope;
  const struct message *message = &guest->frames.message;
  const char *why = envelope_read (message->text ? message->text : "", message->length, &envelope);

  if (why)
    call_refuse (guest, &envelope, 400, why);
  else if (strcmp (envelope.type, "cancel") == 0)
    cancel (guest, &envelope);
  else if (guest->count >= (size_t)guest->websocket->max_requests)
    call_refuse (guest, &envelope, 503, "too many messages at once on this connection");
  else
    start (guest, &envelope);
}

void
call_cancel_all (struct mantis_guest *guest)
{
  struct call *next;

  for (struct call *call = guest->calls; call; call = next) {
    uint64_t ticket = call->ticket;
    next = call->next;
    call->ticket = 0;
    if (ticket)
      mantis_service_cancel (guest->service, ticket);
  }
}
