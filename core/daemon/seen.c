/* seen.c - what a caller sees of a table and may do to it, and which filter says so.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/seen.h"

#include "base/base.h"
#include "wire/json.h"
#include "wire/key.h"

#include <string.h>

enum { LOOK_ROWS = 5000, LOOK_BYTES = 4 * 1024 * 1024 };

static size_t
chain_length (const struct filtered *filtered)
{
  return filtered ? filtered->chain.count : 0;
}

/* PLACE as "NAME": a filter's, or null. */
static void
add_place (struct mantis_buf *buf, const char *name, const struct filtered *filtered, size_t place)
{
  mantis_buf_printf (buf, ",\"%s\":", name);
  if (place < chain_length (filtered))
    mantis_buf_printf (buf, "%zu", place);
  else
    mantis_buf_text (buf, "null");
}

void
seen_columns (const struct viewer *viewer, const struct mantis_table *table, struct mantis_buf *buf)
{
  const struct filtered *filtered = viewer_filtered (viewer, table);

  mantis_buf_text (buf, ",\"filters\":[");
  for (size_t i = 0; i < chain_length (filtered); i++) {
    mantis_buf_text (buf, i ? "," : "");
    mantis_buf_text (buf, filtered->chain.sources[i]->use);
  }
  mantis_buf_char (buf, ']');
  json_add_text (buf, "unfit", filtered ? filtered->unfit : NULL);
  mantis_buf_text (buf, ",\"columns\":[");
  for (size_t i = 0; i < table->column_count; i++) {
    mantis_buf_text (buf, i ? ",{\"column\":" : "{\"column\":");
    mantis_buf_json (buf, table->columns[i].name, strlen (table->columns[i].name));
    add_place (buf, "hidden_by", filtered, filter_hider (filtered, viewer, i));
    mantis_buf_char (buf, '}');
  }
  mantis_buf_char (buf, ']');
}

/* ---- All rows -------------------------------------------------------------------------------- */

enum mantis_status
seen_rows (const struct viewer *viewer, const struct mantis_table *table, const json_t *after,
           size_t keys, struct mantis_arena *arena, struct mantis_buf *buf,
           struct mantis_error *error)
{
  const struct filtered *filtered = viewer_filtered (viewer, table);
  size_t *hidden = arena_array (arena, chain_length (filtered) + 1, sizeof *hidden), seen = 0,
         count = 0;
  enum mantis_status status = MANTIS_OK;
  struct store *store = viewer->store;
  mantis_row from = NULL;
  const mantis_row *rows;
  bool end = true;

  if (!hidden)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  if (after)
    status = key_decode (after, table, arena, &from, error);
  if (status == MANTIS_OK)
    status = store->ops->scan (store->session, table, from, NULL, LOOK_ROWS, LOOK_BYTES, arena,
                               &rows, &count, &end, error);
  if (status != MANTIS_OK)
    return status;
  mantis_buf_text (buf, ",\"keys\":[");
  for (size_t i = 0; i < count; i++) {
    if (!filter_sees (filtered, viewer, rows[i])) {
      hidden[filter_refuser (filtered, viewer, rows[i])]++;
      continue;
    }
    if (seen++ >= keys)
      continue;
    mantis_buf_text (buf, seen > 1 ? "," : "");
    key_encode (buf, table, rows[i]);
  }
  mantis_buf_printf (buf, "],\"rows\":%zu,\"seen\":%zu,\"hidden_by\":[", count, seen);
  for (size_t i = 0; i < chain_length (filtered); i++)
    mantis_buf_printf (buf, "%s%zu", i ? "," : "", hidden[i]);
  mantis_buf_text (buf, "],\"after\":");
  if (count)
    key_encode (buf, table, rows[count - 1]);
  else
    mantis_buf_text (buf, "null");
  mantis_buf_printf (buf, ",\"end\":%s", end ? "true" : "false");
  return MANTIS_OK;
}

/* ---- One row --------------------------------------------------------------------------------- */

/* Another value than VALUE, of its kind. */
static struct mantis_value
another (const struct mantis_value *value, struct mantis_arena *arena)
{
  struct mantis_value other = *value;
  char *bytes;

  switch ((enum mantis_type)value->type) {
  case MANTIS_INTEGER:
    other.as.integer ^= 1;
    return other;
  case MANTIS_REAL:
    other.as.real = value->as.real + 1;
    return other;
  case MANTIS_TEXT:
  case MANTIS_BLOB:
    if (!(bytes = mantis_arena_alloc (arena, value->length + 2)))
      return (struct mantis_value){.type = MANTIS_NULL};
    memcpy (bytes, value->as.bytes, value->length);
    bytes[value->length] = '1';
    other.as.bytes = bytes;
    other.length++;
    return other;
  case MANTIS_NULL:
  case MANTIS_NONE:
    break;
  }
  return (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = 1};
}

/* "NAME": why VIEWER may not turn BEFORE into AFTER; null: it may. */
static void
add_answer (const struct viewer *viewer, const struct filtered *filtered, mantis_row before,
            mantis_row after, const char *name, struct mantis_buf *buf)
{
  struct mantis_error reason;
  const char *by = NULL;

  mantis_buf_json (buf, name, strlen (name));
  mantis_buf_char (buf, ':');
  if (filter_lets (filtered, viewer, before, after, &by, &reason))
    mantis_buf_text (buf, "null");
  else
    mantis_buf_json (buf, reason.text, strlen (reason.text));
}

static enum mantis_status
add_writes (const struct viewer *viewer, const struct mantis_table *table,
            const struct filtered *filtered, mantis_row row, struct mantis_arena *arena,
            struct mantis_buf *buf, struct mantis_error *error)
{
  struct mantis_value *after = arena_array (arena, table->column_count, sizeof *after);
  const char *comma = "";

  if (!after)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  mantis_buf_char (buf, ',');
  add_answer (viewer, filtered, row, NULL, "removes", buf);
  mantis_buf_text (buf, ",\"writes\":{");
  for (size_t i = 0; i < table->column_count; i++) {
    const char *name = table->columns[i].name;
    if (table->columns[i].key_position || table->columns[i].generated)
      continue;
    memcpy (after, row, table->column_count * sizeof *after);
    after[i] = another (&row[i], arena);
    mantis_buf_text (buf, comma);
    comma = ",";
    if (!filter_hides (filtered, viewer, i)) {
      add_answer (viewer, filtered, row, after, name, buf);
      continue;
    }
    mantis_buf_json (buf, name, strlen (name));
    mantis_buf_text (buf, ":\"it is hidden\"");
  }
  mantis_buf_char (buf, '}');
  return MANTIS_OK;
}

enum mantis_status
seen_row (const struct viewer *viewer, const struct mantis_table *table, const json_t *key,
          struct mantis_arena *arena, struct mantis_buf *buf, struct mantis_error *error)
{
  const struct filtered *filtered = viewer_filtered (viewer, table);
  mantis_row wanted, row = NULL;
  enum mantis_status status = key_decode (key, table, arena, &wanted, error);
  bool sees;

  if (status == MANTIS_OK)
    status = store_get (viewer->store, table, wanted, arena, &row, error);
  if (status != MANTIS_OK)
    return status;
  sees = row && filter_sees (filtered, viewer, row);
  mantis_buf_printf (buf, ",\"row\":{\"there\":%s,\"seen\":%s", row ? "true" : "false",
                     sees ? "true" : "false");
  add_place (buf, "hidden_by", filtered,
             row && !sees ? filter_refuser (filtered, viewer, row) : SIZE_MAX);
  if (sees)
    status = add_writes (viewer, table, filtered, row, arena, buf, error);
  mantis_buf_char (buf, '}');
  return status;
}
