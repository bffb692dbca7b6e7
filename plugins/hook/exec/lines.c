/* lines.c - an event as a line of JSON, and the program's answer.  docs/write-a-hook.md is the format.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "exec.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- An event ---------------------------------------------------------------------------------- */
static void
add_name (struct mantis_buf *line, const char *name)
{
  mantis_buf_printf (line, "%s\"%s\":", line->bytes[line->length - 1] == '{' ? "" : ",", name);
}

static void
add_text (struct mantis_buf *line, const char *name, const char *text)
{
  if (!text || line->failed)
    return;
  add_name (line, name);
  mantis_buf_json (line, text, strlen (text));
}

static void
add_integer (struct mantis_buf *line, const char *name, int64_t value)
{
  if (line->failed)
    return;
  add_name (line, name);
  mantis_buf_printf (line, "%lld", (long long)value);
}

static void
add_row (struct mantis_buf *line, const char *name, const struct mantis_table *table,
         mantis_row row)
{
  if (line->failed)
    return;
  add_name (line, name);
  if (row)
    mantis_row_json (line, table, row);
  else
    mantis_buf_text (line, "null");
}

static void
add_key (struct mantis_buf *line, const struct mantis_table *table, mantis_row row)
{
  struct mantis_buf *buf = line;

  mantis_buf_text (buf, ",\"key\":{");
  for (size_t i = 0; i < table->key_count; i++) {
    const struct mantis_column *column = &table->columns[table->key[i]];
    struct mantis_table one = *table;
    struct mantis_buf value = MANTIS_BUF_INIT;
    one.columns = column;
    one.column_count = 1;
    mantis_row_json (&value, &one, &row[table->key[i]]);
    if (i)
      mantis_buf_char (buf, ',');
    if (value.failed)
      buf->failed = true;
    else /* without its braces */
      mantis_buf_add (buf, value.bytes + 1, value.length - 2);
    mantis_buf_free (&value);
  }
  mantis_buf_char (buf, '}');
}

/* Change number I, without its row where that is too LARGE. */
static void
add_change (struct mantis_buf *line, const struct mantis_event *event, size_t i, bool large)
{
  const struct mantis_change *change = &event->changes[i];

  mantis_buf_text (line, "{\"table\":");
  mantis_buf_json (line, change->table->name, strlen (change->table->name));
  add_key (line, change->table, change->row);
  mantis_buf_printf (line, ",\"deleted\":%s", change->deleted ? "true" : "false");
  if (change->created)
    mantis_buf_text (line, ",\"created\":true");
  if (large)
    mantis_buf_text (line, ",\"large\":true");
  else if (!change->deleted)
    add_row (line, "row", change->table, change->row);
  if (change->updated_at)
    add_integer (line, "updated_at", change->updated_at);
  if (change->rev)
    add_integer (line, "rev", change->rev);
  if (change->base)
    add_integer (line, "base", change->base);
  add_text (line, "origin", change->origin);
  if (event->outcomes)
    add_text (line, "outcome", event->outcomes[i]);
  if (event->reasons)
    add_text (line, "reason", event->reasons[i]);
  if (event->deciders)
    add_text (line, "decided_by", event->deciders[i]);
  if (event->standing && !large)
    add_row (line, "standing", change->table, event->standing[i]);
  mantis_buf_char (line, '}');
}

/* Claims are JSON of a line or more. */
static void
add_claims (struct mantis_buf *line, const char *claims)
{
  mantis_buf_text (line, ",\"claims\":");
  for (const char *c = claims; *c; c++)
    mantis_buf_char (line, *c == '\n' || *c == '\r' ? ' ' : *c);
}

static void
add_head (struct mantis_buf *line, const struct mantis_event *event, uint64_t id)
{
  mantis_buf_printf (line, "{\"event\":\"%s\",\"id\":%llu,\"time\":%lld",
                     mantis_moment_name (event->moment), (unsigned long long)id,
                     (long long)mantis_now ());
  add_text (line, "node", event->node);
  if (event->principal) {
    add_text (line, "subject", event->principal->subject);
    add_claims (line, event->principal->claims);
  }
  add_text (line, "message", event->message);
  add_text (line, "error", event->error);
}

size_t
line_make (const struct mantis_event *event, size_t from, uint64_t id, size_t limit,
           struct mantis_buf *line)
{
  static const size_t end = sizeof "],\"more\":true}\n";
  struct mantis_buf one = MANTIS_BUF_INIT;
  size_t i = from, count = event->change_count;

  add_head (line, event, id);
  if (count)
    mantis_buf_text (line, ",\"changes\":[");
  for (; i < count && !line->failed; i++) {
    mantis_buf_clear (&one);
    add_change (&one, event, i, false);
    if (i > from && line->length + one.length + end > limit)
      break;
    if (line->length + one.length + end > limit) {
      mantis_buf_clear (&one);
      add_change (&one, event, i, true);
    }
    if (i > from)
      mantis_buf_char (line, ',');
    mantis_buf_add (line, one.bytes, one.length);
    line->failed |= one.failed;
  }
  mantis_buf_free (&one);
  mantis_buf_printf (line, "%s%s}\n", count ? "]" : "", i < count ? ",\"more\":true" : "");
  return i - from;
}

/* ---- An answer --------------------------------------------------------------------------------- */
bool
answer_id (const char *answer, size_t length, uint64_t *id)
{
  json_t *json = json_loadb (answer, length, JSON_ALLOW_NUL, NULL);
  const json_t *number = json_object_get (json, "id");
  bool good = json_is_object (json) && (!number || json_is_integer (number));

  *id = good && number ? (uint64_t)json_integer_value (number) : 0;
  json_decref (json);
  return good;
}

static enum mantis_status
take_row (const json_t *item, const struct mantis_event *event, size_t from, size_t count,
          struct mantis_error *error)
{
  const json_t *index = json_object_get (item, "index"), *set = json_object_get (item, "set");
  const char *refuse = json_string_value (json_object_get (item, "refuse"));
  json_int_t at = json_integer_value (index);
  enum mantis_status status = MANTIS_OK;
  char *text;

  if (!json_is_integer (index) || at < 0 || (size_t)at >= count)
    return mantis_fail (error, MANTIS_FAILED,
                        "its answer speaks of no change of the line: \"index\" goes from 0 to %zu",
                        count ? count - 1 : 0);
  if (!refuse == !json_is_object (set))
    return mantis_fail (
        error, MANTIS_FAILED,
        "its answer about a row has either \"refuse\", a text, or \"set\", an object");
  if (refuse) {
    event->refusals[from + (size_t)at] =
        mantis_arena_strdup (event->arena, *refuse ? refuse : "refused");
    return MANTIS_OK;
  }
  if (!(text = json_dumps (set, JSON_COMPACT | JSON_REAL_PRECISION (17))))
    return mantis_fail (error, MANTIS_FAILED, "no memory left for its answer");
  status = mantis_row_read (text, strlen (text), event->changes[from + (size_t)at].table,
                            event->arena, &event->rows[from + (size_t)at], error);
  free (text);
  return status == MANTIS_OK ? status : (error->status = MANTIS_FAILED);
}

enum mantis_status
answer_take (const char *answer, size_t length, const struct mantis_event *event, size_t from,
             size_t count, struct mantis_error *error)
{
  json_t *json = json_loadb (answer, length, JSON_ALLOW_NUL, NULL),
         *rows = json_object_get (json, "rows");
  const char *refuse = json_string_value (json_object_get (json, "refuse"));
  const char *failure = json_string_value (json_object_get (json, "error"));
  enum mantis_status status = MANTIS_OK;

  if (!json)
    status = mantis_fail (error, MANTIS_FAILED, "no memory left for its answer");
  else if (failure)
    status = mantis_fail (error, MANTIS_FAILED, "it says: %s", failure);
  else if (refuse)
    status = mantis_fail (error, MANTIS_REFUSED, "%s", *refuse ? refuse : "refused");
  else if (rows && !json_is_array (rows))
    status = mantis_fail (error, MANTIS_FAILED, "\"rows\" of its answer is no list");
  for (size_t i = 0; i < json_array_size (rows) && status == MANTIS_OK; i++)
    status = take_row (json_array_get (rows, i), event, from, count, error);
  json_decref (json);
  return status;
}
