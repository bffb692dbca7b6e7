/* hear.c - what the server sends becomes answers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "client.h"

#include <stdlib.h>
#include <string.h>

enum { ENVELOPE = 1024 }; /* bytes around a body */

static void
give_answer (struct cable *cable, struct ask *ask, const struct envelope *envelope)
{
  bool problem = envelope->status >= 400;
  struct mantis_answer answer = {.size = sizeof answer,
                                 .status = envelope->status,
                                 .type = problem ? "application/problem+json" : "application/json",
                                 .body = envelope->body,
                                 .length = envelope->length,
                                 .retry_after = envelope->retry_after};

  ask->heard = true;
  cable->refused |= envelope->status == 401;
  ask_end (ask, &answer);
}

/* One without an id is no answer of ours, and one with an id that nobody waits for came too late. */
static void
take_message (struct cable *cable, const struct message *message)
{
  struct envelope envelope;
  const char *why = envelope_read (message->text ? message->text : "", message->length, &envelope);
  struct ask *ask = !why && *envelope.id ? ask_of (cable, strtoull (envelope.id, NULL, 10)) : NULL;
  bool error = strcmp (envelope.type, "error") == 0;

  if (why)
    cable_blame (cable, WSLAY_CODE_PROTOCOL_ERROR, "a text that is no message");
  else if (!ask)
    mantis_log (MANTIS_DEBUG, "websocket: \"%s\" that nobody waits for", envelope.type);
  else if (envelope.status < 200 || envelope.status > 599 || error != (envelope.status >= 400) ||
           (!error && strcmp (envelope.type, ask->type) != 0))
    cable_blame (cable, WSLAY_CODE_PROTOCOL_ERROR, "an answer that does not fit its question");
  else
    give_answer (cable, ask, &envelope);
}

/* The code of a close frame, and of what others wrote beside it what can be shown. */
static void
note_close (struct cable *cable, const struct frames *frames)
{
  const unsigned char *bytes = (const unsigned char *)frames->control;
  size_t length = 0;

  cable->closed = frames->control_length ? bytes[0] << 8 | bytes[1] : WSLAY_CODE_NO_STATUS_RCVD;
  for (size_t i = 2; i < frames->control_length && length + 1 < sizeof cable->reason; i++)
    if (bytes[i] >= 0x20 && bytes[i] < 0x7f)
      cable->reason[length++] = (char)bytes[i];
  cable->reason[length] = '\0';
}

static void
on_arrived (void *context, enum wslay_opcode opcode)
{
  struct cable *cable = context;

  if (cable->state != CABLE_UP)
    return;
  if (opcode == WSLAY_CONNECTION_CLOSE)
    note_close (cable, &cable->frames);
  else if (opcode == WSLAY_BINARY_FRAME)
    cable_blame (cable, WSLAY_CODE_UNSUPPORTED_DATA, "a binary message");
  else if (opcode == WSLAY_TEXT_FRAME)
    take_message (cable, &cable->frames.message);
}

void
hear_begin (struct cable *cable, struct deflate deflate)
{
  cable->budget = (struct budget){.limit = SIZE_MAX};
  cable->frames =
      (struct frames){.input = cable->in,
                      .output = cable->out,
                      .arrived = on_arrived,
                      .context = cable,
                      .message.limit = (size_t)cable->websocket->max_answer_bytes + ENVELOPE,
                      .message.budget = &cable->budget,
                      .deflate = deflate,
                      .client = true};
}

void
hear (struct cable *cable)
{
  struct wrong wrong = frames_run (&cable->frames);

  if (cable->frames.coming && !cable->coming)
    cable->began = mantis_monotonic () / 1000;
  cable->coming = cable->frames.coming;
  cable->proved |= cable->frames.heard;
  if (cable->state != CABLE_UP || !wrong.code)
    return;
  if (wrong.code == WSLAY_CODE_MESSAGE_TOO_BIG)
    cable_leave (cable, wrong.code, "larger than max_answer_bytes of this client",
                 &(struct mantis_answer){.size = sizeof (struct mantis_answer),
                                         .error = "an answer is larger than max_answer_bytes"});
  else if (wrong.code == CLOSE_TRY_AGAIN)
    cable_leave (cable, wrong.code, "no memory",
                 &(struct mantis_answer){.size = sizeof (struct mantis_answer),
                                         .error = "no memory for an answer"});
  else
    cable_blame (cable, wrong.code, wrong.why);
}
