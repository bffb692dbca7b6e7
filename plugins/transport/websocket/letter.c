/* letter.c - a client's messages on their way: one after the other, as there is room.
 *
 * A large one goes in fragments that are cut when they are due, so that it is in memory once; one
 * that is compressed is small.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "client.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
  ROOM_OUT = 64 * 1024, /* waits to be taken: no more is written */
  FRAGMENT = 32 * 1024, /* bytes of a body that go into one */
  SMALL = 4 * 1024      /* bodies up to this are not cut */
};

void
letter_free (struct letter *letter)
{
  *letter->self = letter->next;
  if (letter->next)
    letter->next->self = letter->self;
  else
    letter->cable->last_letter = letter->self;
  if (letter->ask)
    letter->ask->letter = NULL;
  mantis_buf_free (&letter->head);
  free (letter);
}

static struct letter *
letter_new (struct cable *cable)
{
  struct letter *letter = calloc (1, sizeof *letter);

  if (!letter)
    return NULL;
  letter->cable = cable;
  letter->self = cable->last_letter;
  *cable->last_letter = letter;
  cable->last_letter = &letter->next;
  return letter;
}

/* ---- What is sent ---------------------------------------------------------------------------- */

/* {"type":"push","id":7,"body": */
static void
write_head (struct mantis_buf *head, const struct ask *ask, const char *node)
{
  mantis_buf_printf (head, "{\"type\":\"%s\",\"id\":%" PRIu64, ask->type, ask->id);
  if (ask->node && (!node || strcmp (node, ask->node) != 0)) {
    mantis_buf_text (head, ",\"node\":");
    mantis_buf_json (head, ask->node, strlen (ask->node));
  }
  if (ask->argument) {
    mantis_buf_text (head, ",\"argument\":");
    mantis_buf_json (head, ask->argument, strlen (ask->argument));
  }
  if (ask->length)
    mantis_buf_text (head, ",\"body\":");
}

bool
letter_post (struct cable *cable, struct ask *ask)
{
  struct letter *letter = letter_new (cable);

  if (!letter)
    return false;
  ask->given = true;
  ask->letter = letter;
  letter->ask = ask;
  letter->body = ask->body;
  letter->length = ask->length;
  write_head (&letter->head, ask, cable->node);
  if (!letter->head.failed)
    return true;
  letter_free (letter);
  return false;
}

/* The server has all of it: its answer need not be waited for. */
static void
post_cancel (struct cable *cable, uint64_t id)
{
  struct letter *letter = letter_new (cable);

  if (!letter)
    return;
  mantis_buf_printf (&letter->head, "{\"type\":\"cancel\",\"id\":%" PRIu64, id);
  if (letter->head.failed)
    letter_free (letter);
}

void
letter_recall (struct cable *cable, struct ask *ask)
{
  struct letter *letter = ask->letter;
  bool up = cable->state == CABLE_UP;

  if (letter) {
    cable->cut |= up && letter->begun; /* half a message: nothing else can follow it */
    letter_free (letter);
  } else if (up && ask->given && !ask->heard)
    post_cancel (cable, ask->id);
}

/* ---- Sending --------------------------------------------------------------------------------- */

static void
send_whole (struct cable *cable, struct letter *letter)
{
  struct mantis_buf text = MANTIS_BUF_INIT;

  mantis_buf_add (&text, letter->head.bytes, letter->head.length);
  mantis_buf_add (&text, letter->body, letter->length);
  mantis_buf_char (&text, '}');
  if (text.failed)
    cable->frames.failed = true;
  else
    frames_send_text (&cable->frames, text.bytes, text.length);
  mantis_buf_free (&text);
  letter_free (letter);
}

static void
send_fragment (struct cable *cable, struct letter *letter)
{
  size_t left = letter->length - letter->taken, take = left < FRAGMENT ? left : FRAGMENT;

  if (!letter->begun)
    frames_send_part (&cable->frames, true, false, letter->head.bytes, letter->head.length);
  letter->begun = true;
  frames_send_part (&cable->frames, false, false, letter->body + letter->taken, take);
  letter->taken += take;
  if (letter->taken < letter->length)
    return;
  frames_send_part (&cable->frames, false, true, "}", 1);
  letter_free (letter);
}

void
letters_send (struct cable *cable)
{
  while (cable->letters && !cable->frames.closing && evbuffer_get_length (cable->out) < ROOM_OUT) {
    struct letter *letter = cable->letters;
    if (letter->length <= SMALL || (cable->frames.deflate.out && !letter->begun))
      send_whole (cable, letter);
    else
      send_fragment (cable, letter);
  }
}
