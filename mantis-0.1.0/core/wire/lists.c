/* lists.c - the rows of a message are set aside before jansson sees it.
 *
 * The scan is right for every text that is JSON: there a string before a colon is a name, and brackets outside
 * of strings match.  Of a text that is none, some part stays wrong: either what is left for jansson, or a list,
 * which is read as strictly when its turn comes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire/lists.h"
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

/* Behind the string whose opening quote is at AT; END when it does not end. */
static const char *
skip_string (const char *at, const char *end)
{
  for (at++; at < end && *at != '"'; at++)
    if (*at == '\\')
      at++;
  return at < end ? at + 1 : end;
}

static const char *
skip_space (const char *at, const char *end)
{
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
    at++;
  return at;
}

/* Behind the array whose '[' is at AT, NULL when it does not end. */
static const char *
skip_array (const char *at, const char *end, size_t *commas)
{
  size_t depth = 0;

  for (*commas = 0; at < end;)
    switch (*at) {
    case '"':
      at = skip_string (at, end);
      break;
    case '[':
    case '{':
      depth++;
      at++;
      break;
    case ']':
    case '}':
      at++;
      if (--depth == 0)
        return at;
      break;
    case ',':
      *commas += depth == 1;
      at++;
      break;
    default:
      at++;
    }
  return NULL;
}

static bool
names_a_list (const char *string, size_t length)
{
  return (length == 6 && memcmp (string, "\"rows\"", 6) == 0) ||
         (length == 9 && memcmp (string, "\"deleted\"", 9) == 0);
}

static bool
add (struct lists *lists, const struct list *list)
{
  if ((lists->count & (lists->count - 1)) == 0) { /* full at each power of two */
    struct list *more = realloc (lists->list, (lists->count ? lists->count * 2 : 1) * sizeof *more);
    if (!more)
      return false;
    lists->list = more;
  }
  lists->list[lists->count++] = *list;
  return true;
}

/* REST: the message with "[N]" for its list N. */
static bool
set_aside (const char *body, size_t length, struct lists *lists, struct mantis_buf *rest)
{
  const char *at = body, *end = body + length, *copied = body;

  while (at < end && (at = memchr (at, '"', (size_t)(end - at)))) {
    const char *string = at, *behind;
    struct list list = {0};
    at = skip_string (at, end);
    if (!names_a_list (string, (size_t)(at - string)))
      continue;
    at = skip_space (at, end);
    if (at == end || *at != ':')
      continue;
    at = skip_space (at + 1, end);
    if (at == end || *at != '[')
      continue;
    if (!(behind = skip_array (at, end, &list.commas)))
      break; /* no JSON, as jansson will say; each list in it would be looked through to the end again */
    list.text = at;
    list.length = (size_t)(behind - at);
    mantis_buf_add (rest, copied, (size_t)(at - copied));
    mantis_buf_printf (rest, "[%zu]", lists->count);
    if (!add (lists, &list))
      return false;
    at = copied = behind;
  }
  mantis_buf_add (rest, copied, (size_t)(end - copied));
  return !rest->failed;
}

json_t *
lists_read (const char *body, size_t length, struct lists *out, struct mantis_error *error)
{
  struct mantis_buf rest = MANTIS_BUF_INIT;
  json_t *json = NULL;

  *out = (struct lists){0};
  if (set_aside (body, length, out, &rest))
    json = json_read (rest.bytes ? rest.bytes : "", rest.length, error);
  else
    mantis_fail (error, MANTIS_FULL, "no memory for the message");
  mantis_buf_free (&rest);
  return json;
}

void
lists_free (struct lists *lists)
{
  free (lists->list);
  *lists = (struct lists){0};
}

static struct list *
find (const struct lists *lists, const json_t *array)
{
  const json_t *number = json_array_size (array) == 1 ? json_array_get (array, 0) : NULL;
  json_int_t place = json_integer_value (number);

  return json_is_integer (number) && place >= 0 && (size_t)place < lists->count
             ? &lists->list[place]
             : NULL;
}

const struct list *
lists_take (struct lists *lists, const json_t *array)
{
  struct list *list = find (lists, array);

  /* A name with an escape in it ("row\u0073") can claim any number, but each only once. */
  if (!list || list->taken)
    return NULL;
  list->taken = true;
  return list;
}

size_t
lists_count (struct lists *lists, const json_t *array)
{
  struct list *list = find (lists, array);

  if (!list || list->taken || list->counted)
    return 0;
  list->counted = true;
  return list->commas + 1;
}

enum mantis_status
lists_check (const struct lists *lists, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < lists->count && status == MANTIS_OK; i++)
    if (!lists->list[i].taken) {
      struct mantis_buf text = MANTIS_BUF_INIT;
      json_t *json = NULL;
      mantis_buf_text (&text, "{\"rows\":");
      mantis_buf_add (&text, lists->list[i].text, lists->list[i].length);
      mantis_buf_char (&text, '}');
      if (text.failed)
        status = mantis_fail (error, MANTIS_FULL, "no memory for the message");
      else if (!(json = json_read (text.bytes, text.length, error)))
        status = MANTIS_INVALID;
      json_decref (json);
      mantis_buf_free (&text);
    }
  return status;
}

void
lists_again (struct lists *lists)
{
  for (size_t i = 0; i < lists->count; i++)
    lists->list[i].taken = lists->list[i].counted = false;
}
