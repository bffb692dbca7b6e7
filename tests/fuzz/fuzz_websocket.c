/* fuzz_websocket.c - bytes of any kind as what follows a handshake, and as the handshake itself.
 *
 * The first byte says what the rest is: s frames for a server, d the same with permessage-deflate, c for a
 * client with it; e a message's envelope; x a list of extensions; h a handshake, a field in each line.
 *
 * What is checked: nothing crashes, memory stays within the budget and all of it comes back, the same
 * messages arrive whether the bytes come at once or one by one, and what is sent in return is read by the
 * other side as it was meant.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../../plugins/transport/websocket/websocket.h"

#include <event2/buffer.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

enum { LIMIT = 4096, BUDGET = 128 * 1024 };


static void
need (bool true_is)
{
  if (!true_is)
    abort ();
}

/* ---- Frames ---------------------------------------------------------------------------------- */
struct side {
  struct frames frames;
  struct budget budget;
  uint64_t sum; /* of all that has arrived */
  unsigned count;
  bool answers;
};

static void
add_sum (struct side *side, const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++)
    side->sum = (side->sum ^ (unsigned char)bytes[i]) * 0x100000001b3;
}

/* By somebody else's judgement. */
static void
need_utf8 (const char *text, size_t length)
{
  json_t *judge = json_stringn (length ? text : "", length);

  need (judge != NULL);
  json_decref (judge);
}

static void
on_arrived (void *context, enum wslay_opcode opcode)
{
  struct side *side = context;
  const struct message *message = &side->frames.message;
  char name = (char)opcode;

  add_sum (side, &name, 1);
  side->count++;
  need (!side->frames.coming || wslay_is_ctrl_frame (opcode));
  if (opcode != WSLAY_TEXT_FRAME)
    return;
  need (message->length <= LIMIT && side->budget.used <= BUDGET);
  add_sum (side, message->text, message->length);
  need_utf8 (message->text, message->length);
  if (side->answers)
    frames_send_text (&side->frames, message->text ? message->text : "", message->length);
}

static void
begin_side (struct side *side, bool client, bool deflate)
{
  *side = (struct side){.budget.limit = BUDGET};
  side->frames = (struct frames){.input = evbuffer_new (),
                                 .output = evbuffer_new (),
                                 .arrived = on_arrived,
                                 .context = side,
                                 .client = client,
                                 .message.limit = LIMIT,
                                 .message.budget = &side->budget};
  need (side->frames.input && side->frames.output);
  if (deflate)
    side->frames.deflate = (struct deflate){.out = 15, .in = true};
}

static void
end_side (struct side *side)
{
  frames_free (&side->frames);
  need (side->budget.used == 0);
  evbuffer_free (side->frames.input);
  evbuffer_free (side->frames.output);
}

/* What SIDE has sent goes to the other one, which finds nothing wrong with it. */
static void
check_sent (struct side *side)
{
  struct side other;
  struct wrong wrong;

  begin_side (&other, !side->frames.client, side->frames.deflate.in);
  evbuffer_add_buffer (other.frames.input, side->frames.output);
  wrong = frames_run (&other.frames);
  need (wrong.code == 0 && other.frames.inside == 0 && !other.frames.coming);
  end_side (&other);
}

struct outcome {
  uint64_t sum;
  unsigned count;
  bool wrong;
};

static struct outcome
run_frames (const uint8_t *data, size_t size, size_t step, bool client, bool deflate)
{
  struct side side;
  struct wrong wrong = {0};
  struct outcome outcome;

  begin_side (&side, client, deflate);
  side.answers = true;
  for (size_t at = 0; at < size && !wrong.code && !side.frames.ended; at += step) {
    evbuffer_add (side.frames.input, data + at, step < size - at ? step : size - at);
    do {
      wrong = frames_run (&side.frames);
      need (!side.frames.failed && side.budget.used <= BUDGET);
      if (wrong.code) /* it is to be said before the other side hears no more */
        frames_close (&side.frames, wrong.code, wrong.why);
      check_sent (&side);
    } while (!side.frames.ended && evbuffer_get_length (side.frames.input));
  }
  outcome = (struct outcome){side.sum, side.count, wrong.code != 0};
  end_side (&side);
  return outcome;
}

static void
try_frames (const uint8_t *data, size_t size, bool client, bool deflate)
{
  struct outcome whole = run_frames (data, size, SIZE_MAX / 2, client, deflate),
                 pieces = run_frames (data, size, 1, client, deflate);

  need (whole.sum == pieces.sum && whole.count == pieces.count && whole.wrong == pieces.wrong);
}

/* ---- Texts ----------------------------------------------------------------------------------- */

static void
try_envelope (const char *text, size_t length)
{
  struct envelope envelope;
  const char *why = envelope_read (text, length, &envelope);

  need (why ? *why != '\0' : *envelope.type != '\0');
  need (strlen (envelope.type) <= LONGEST_TYPE && strlen (envelope.id) <= LONGEST_ID &&
        strlen (envelope.node) <= LONGEST_NODE && strlen (envelope.argument) <= LONGEST_ARGUMENT);
  need (!envelope.length ||
        (envelope.body >= text && envelope.body + envelope.length <= text + length));
}

/* What a server agrees to, a client that has offered it takes. */
static void
try_extensions (const char *text)
{
  struct deflate deflate;
  char agreed[LONGEST_AGREEMENT];

  if (extension_choose (text, &deflate, agreed)) {
    need (deflate.in == (*agreed != '\0') && deflate.in == (deflate.out != 0));
    need (strlen (agreed) < sizeof agreed - 1);
    need (extension_agreed (agreed, &deflate));
  } else
    need (!*agreed || deflate.in);
  extension_agreed (text, &deflate);
  need (!deflate.out || (deflate.out >= 9 && deflate.out <= 15));
}

/* Lines with a NUL at their end, and one more behind the last. */
static const char *
field_of (const void *context, const char *name, bool *twice)
{
  const char *found = NULL;
  size_t length = strlen (name);

  for (const char *line = context; *line; line += strlen (line) + 1)
    if (strncasecmp (line, name, length) == 0 && line[length] == ':') {
      *twice |= found != NULL;
      found = line + length + 1;
    }
  return found;
}

static void
try_handshake (char *text)
{
  struct websocket websocket = {.compress = true};
  struct mantis_offer offer = {.size = sizeof offer, .context = text, .field = field_of};
  struct mantis_verdict verdict = {.size = sizeof verdict};

  for (char *c = text; (c = strchr (c, '\n')); c++)
    *c = '\0';
  handshake_weigh (&websocket, &offer, &verdict);
  need (verdict.status == 101 || verdict.status == 400 || verdict.status == 426);
  need (verdict.status == 101 ? strncmp (verdict.fields, "Sec-WebSocket-Accept: ", 22) == 0
                              : verdict.detail != NULL);
  need (strspn (verdict.fields, "\r\n") == 0 && !strstr (verdict.fields, "\r\n\r\n"));
}

static void
try_text (char what, const uint8_t *data, size_t size)
{
  char *text = malloc (size + 2);

  need (text != NULL);
  memcpy (text, data, size);
  text[size] = text[size + 1] = '\0';
  if (what == 'e')
    try_envelope (text, size);
  else if (what == 'x')
    try_extensions (text);
  else
    try_handshake (text);
  free (text);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  if (data[0] == 's' || data[0] == 'd' || data[0] == 'c')
    try_frames (data + 1, size - 1, data[0] == 'c', data[0] != 's');
  else if (data[0] == 'e' || data[0] == 'x' || data[0] == 'h')
    try_text ((char)data[0], data + 1, size - 1);
  return 0;
}
