/* frame.c - messages into bytes, and back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* "push 7 15": false where it is anything else. */
static bool
read_first (struct frame *frame, char *text, size_t largest)
{
  char *number = strchr (text, ' '), *length = number ? strchr (number + 1, ' ') : NULL, *end, *last;

  if (!length)
    return false;
  *number = *length = '\0';
  frame->word = text;
  frame->number = strtoumax (number + 1, &end, 10);
  frame->length = strtoumax (length + 1, &last, 10);
  return *text && number[1] && !*end && length[1] && !*last && length[1] != '-'
         && frame->length <= largest;
}

static bool
read_head (struct frame *frame, size_t largest)
{
  char *state, *text = strtok_r (frame->head, "\n", &state);

  if (!text || !read_first (frame, text, largest))
    return false;
  while ((text = strtok_r (NULL, "\n", &state))) {
    char *space = strchr (text, ' ');
    if (!space || frame->count == MOST_FACTS)
      return false;
    *space = '\0';
    frame->facts[frame->count++] = (struct fact){ text, space + 1 };
  }
  return true;
}

enum frame_state
frame_take (struct evbuffer *input, size_t largest, struct frame *frame)
{
  struct evbuffer_ptr end = evbuffer_search (input, "\n\n", 2, NULL);
  size_t head = (size_t) end.pos + 2;

  if (end.pos < 0)
    return evbuffer_get_length (input) > LONGEST_HEAD ? FRAME_WRONG : FRAME_PART;
  *frame = (struct frame){ .head = calloc (1, head + 1) };
  if (!frame->head || head > LONGEST_HEAD)
    goto wrong;
  evbuffer_copyout (input, frame->head, head);
  if (memchr (frame->head, '\0', head) || !read_head (frame, largest))
    goto wrong;
  if (evbuffer_get_length (input) < head + frame->length) {
    frame_free (frame);
    return FRAME_PART;
  }
  if (!(frame->body = calloc (1, frame->length + 1)))
    goto wrong;
  evbuffer_drain (input, head);
  evbuffer_remove (input, frame->body, frame->length);
  return FRAME_WHOLE;
wrong:
  frame_free (frame);
  return FRAME_WRONG;
}

const char *
frame_fact (const struct frame *frame, const char *name)
{
  for (size_t i = 0; i < frame->count; i++)
    if (strcmp (frame->facts[i].name, name) == 0)
      return frame->facts[i].value;
  return NULL;
}

void
frame_free (struct frame *frame)
{
  free (frame->head);
  free (frame->body);
  *frame = (struct frame){ .head = NULL };
}

/* A value with a line break in it would be read as two facts: it is left out. */
void
frame_put (struct evbuffer *output, const char *word, uint64_t number, const struct fact *facts,
           const char *body, size_t length)
{
  evbuffer_add_printf (output, "%s %" PRIu64 " %zu\n", word, number, length);
  for (; facts->name; facts++)
    if (facts->value && !strchr (facts->value, '\n'))
      evbuffer_add_printf (output, "%s %s\n", facts->name, facts->value);
  evbuffer_add (output, "\n", 1);
  evbuffer_add (output, body, length);
}
