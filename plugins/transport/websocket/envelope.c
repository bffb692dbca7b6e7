/* envelope.c - what a message says of itself: {"type": "push", "id": 7, "body": {...}}.
 *
 * The body is not read, only found: it goes to the core as it stands, which reads it within its own
 * limits, and refuses what is not JSON.  A tree of the whole would take many times its memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "websocket.h"

#include <string.h>

struct scan {
  const char *at, *end;
};

struct span {
  const char *at;
  size_t length;
};

static const char *const not_an_object = "a message is one JSON object";

static char
peek (struct scan *scan)
{
  while (scan->at < scan->end && strchr (" \t\r\n", *scan->at) && *scan->at)
    scan->at++;
  return scan->at < scan->end ? *scan->at : '\0';
}

static bool
take (struct scan *scan, char c)
{
  if (peek (scan) != c || !c)
    return false;
  scan->at++;
  return true;
}

/* A string with its quotes. */
static bool
skip_string (struct scan *scan)
{
  if (!take (scan, '"'))
    return false;
  for (; scan->at < scan->end; scan->at++) {
    if (*scan->at == '"') {
      scan->at++;
      return true;
    }
    if ((unsigned char)*scan->at < 0x20)
      return false;
    if (*scan->at == '\\' && ++scan->at == scan->end)
      return false;
  }
  return false;
}

/* A number, or a word. */
static bool
skip_plain (struct scan *scan)
{
  const char *from = scan->at;

  while (scan->at < scan->end &&
         ((*scan->at >= '0' && *scan->at <= '9') || (*scan->at >= 'a' && *scan->at <= 'z') ||
          *scan->at == '-' || *scan->at == '+' || *scan->at == '.' || *scan->at == 'E'))
    scan->at++;
  return scan->at > from;
}

/* Up to the end of a value.  Brackets are counted, of both kinds together: what does not fit is the
 * core's to find. */
static bool
skip_value (struct scan *scan, struct span *span)
{
  size_t depth = 0;

  peek (scan);
  span->at = scan->at;
  do {
    char c = peek (scan);
    if (c == '{' || c == '[') {
      depth++;
      scan->at++;
    } else if ((c == '}' || c == ']') && depth) {
      depth--;
      scan->at++;
    } else if ((c == ',' || c == ':') && depth)
      scan->at++;
    else if (!(c == '"' ? skip_string (scan) : skip_plain (scan)))
      return false;
  } while (depth);
  span->length = (size_t)(scan->at - span->at);
  return true;
}

/* VALUE as a text: a string of printable ASCII without escapes. */
static bool
copy_text (char *room, size_t size, struct span value)
{
  if (value.length < 3 || value.length - 2 >= size || *value.at != '"')
    return false;
  for (size_t i = 1; i < value.length - 1; i++)
    if (value.at[i] < 0x20 || value.at[i] >= 0x7f || value.at[i] == '\\')
      return false;
  memcpy (room, value.at + 1, value.length - 2);
  room[value.length - 2] = '\0';
  return true;
}

/* A number or a short text, as it stands. */
static bool
copy_id (struct envelope *envelope, struct span value)
{
  size_t digits = value.length && *value.at == '-';
  char text[LONGEST_ID + 1];

  if (value.length > LONGEST_ID)
    return false;
  while (digits < value.length && value.at[digits] >= '0' && value.at[digits] <= '9')
    digits++;
  if (!copy_text (text, sizeof text, value) && (digits < value.length || *value.at == '-'))
    return false;
  memcpy (envelope->id, value.at, value.length);
  envelope->id[value.length] = '\0';
  return true;
}

/* A small number; what is none is 0. */
static int
read_number (struct span value)
{
  int number = 0;

  if (value.length > 9)
    return 0;
  for (size_t i = 0; i < value.length; i++) {
    if (value.at[i] < '0' || value.at[i] > '9')
      return 0;
    number = number * 10 + (value.at[i] - '0');
  }
  return number;
}

static bool
name_is (struct span name, const char *text)
{
  return name.length == strlen (text) + 2 && memcmp (name.at + 1, text, name.length - 2) == 0;
}

static const char *
take_member (struct envelope *envelope, struct span name, struct span value)
{
  if (name_is (name, "type")) {
    if (*envelope->type || !copy_text (envelope->type, sizeof envelope->type, value))
      return "\"type\" is the name of a message, once";
  } else if (name_is (name, "id")) {
    if (*envelope->id || !copy_id (envelope, value))
      return "\"id\" is an integer, or a text of 62 plain characters at most, once";
  } else if (name_is (name, "node")) {
    if (*envelope->node || !copy_text (envelope->node, sizeof envelope->node, value))
      return "\"node\" is a node id, once";
  } else if (name_is (name, "argument")) {
    if (*envelope->argument || !copy_text (envelope->argument, sizeof envelope->argument, value))
      return "\"argument\" is what follows in the address over HTTP, once";
  } else if (name_is (name, "body")) {
    if (envelope->length)
      return "\"body\" stands there twice";
    envelope->body = value.at;
    envelope->length = value.length;
  } else if (name_is (name, "status"))
    envelope->status = read_number (value);
  else if (name_is (name, "retry_after"))
    envelope->retry_after = read_number (value);
  return NULL;
}

const char *
envelope_read (const char *text, size_t length, struct envelope *envelope)
{
  struct scan scan = {text, text + length};
  const char *why = NULL;
  bool more = true;

  memset (envelope, 0, sizeof *envelope);
  envelope->body = "";
  if (!take (&scan, '{'))
    return not_an_object;
  while (more && peek (&scan) != '}') {
    struct span name = {.at = scan.at}, value;
    if (!skip_string (&scan))
      return not_an_object;
    name.length = (size_t)(scan.at - name.at);
    if (!take (&scan, ':') || !skip_value (&scan, &value))
      return not_an_object;
    if (!why) /* the id may still come */
      why = take_member (envelope, name, value);
    else if (name_is (name, "id"))
      take_member (envelope, name, value);
    more = take (&scan, ',');
  }
  if (!take (&scan, '}') || peek (&scan) || scan.at < scan.end)
    return not_an_object;
  return why || *envelope->type ? why : "a message needs \"type\"";
}
