/* block.c - changes of one table as they travel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire/block.h"
#include "base/base.h"
#include "wire/json.h"
#include "wire/read.h"
#include "wire/value.h"

#include <stdio.h>
#include <string.h>

enum meta { META_UPDATED_AT, META_REV, META_BASE, META_CREATED, META_SEEN, META_COUNT };

static const char *const meta_names[META_COUNT] = {"updated_at", "rev", "base", "created", "seen"};

/* The one that is no number: an object with what the row was made of. */
#define META_WAS META_COUNT
#define WAS "was"

/* ---- Encode ---------------------------------------------------------------------------------- */

static int64_t
meta_of (const struct mantis_change *change, enum meta meta)
{
  switch (meta) {
  case META_UPDATED_AT:
    return change->updated_at;
  case META_REV:
    return change->rev;
  case META_BASE:
    return change->base;
  case META_CREATED:
    return change->created;
  default:
    return change->seen;
  }
}

/* What travels for a run: a value that all share, or one for each row as a difference from the smallest. */
struct run {
  const struct mantis_change *const *changes;
  size_t count;
  const struct mantis_change
      *sample; /* the first that is not a deletion: its columns are the block's */
  int64_t shared[META_COUNT];
  bool varies[META_COUNT];
  bool was; /* of one of them it is known what it was made of */
};

static bool
same_columns (const struct mantis_table *table, mantis_row a, mantis_row b)
{
  for (size_t i = 0; i < table->column_count; i++)
    if ((a[i].type == MANTIS_NONE) != (b[i].type == MANTIS_NONE))
      return false;
  return true;
}

static struct run
take_run (const struct mantis_change *const *changes, size_t count)
{
  struct run run = {.changes = changes};

  for (int m = 0; m < META_COUNT; m++)
    run.shared[m] = meta_of (changes[0], m);
  for (; run.count < count && changes[run.count]->table == changes[0]->table; run.count++) {
    const struct mantis_change *change = changes[run.count];
    if (!change->deleted && !run.sample)
      run.sample = change;
    else if (!change->deleted && !same_columns (change->table, run.sample->row, change->row))
      break;
    run.was |= change->was != NULL;
    for (int m = 0; m < META_COUNT; m++) {
      int64_t value = meta_of (change, m);
      run.varies[m] |= value != run.shared[m];
      if (value < run.shared[m])
        run.shared[m] = value;
    }
  }
  return run;
}

static void
encode_head (struct mantis_buf *buf, const struct run *run, const bool *travels)
{
  const struct mantis_table *table = run->changes[0]->table;
  const char *comma = "";

  mantis_buf_text (buf, "{\"table\":");
  mantis_buf_json (buf, table->name, strlen (table->name));
  if (travels[META_BASE]) { /* a push: say which shape of the table is meant */
    mantis_buf_text (buf, ",\"schema\":");
    mantis_buf_json (buf, table->fingerprint, strlen (table->fingerprint));
  }
  if (run->sample) {
    mantis_buf_text (buf, ",\"columns\":[");
    for (size_t i = 0; i < table->column_count; i++)
      if (run->sample->row[i].type != MANTIS_NONE) {
        mantis_buf_text (buf, comma);
        mantis_buf_json (buf, table->columns[i].name, strlen (table->columns[i].name));
        comma = ",";
      }
    mantis_buf_char (buf, ']');
  }
  for (int m = 0; m < META_COUNT; m++)
    if (travels[m] && (run->shared[m] || run->varies[m] || m == META_BASE))
      mantis_buf_printf (buf, ",\"%s\":%lld", meta_names[m], (long long)run->shared[m]);
  comma = ",\"meta\":[";
  for (int m = 0; m < META_COUNT; m++)
    if (travels[m] && run->varies[m]) {
      mantis_buf_printf (buf, "%s\"+%s\"", comma, meta_names[m]);
      comma = ",";
    }
  if (travels[META_BASE] && run->was) {
    mantis_buf_printf (buf, "%s\"" WAS "\"", comma);
    comma = ",";
  }
  if (strcmp (comma, ",") == 0)
    mantis_buf_char (buf, ']');
}

void
row_encode (struct mantis_buf *buf, const struct mantis_table *table, mantis_row row)
{
  const char *comma = "{";

  for (size_t i = 0; i < table->column_count; i++)
    if (row[i].type != MANTIS_NONE) {
      mantis_buf_text (buf, comma);
      mantis_buf_json (buf, table->columns[i].name, strlen (table->columns[i].name));
      mantis_buf_char (buf, ':');
      value_encode (buf, &row[i]);
      comma = ",";
    }
  mantis_buf_text (buf, *comma == '{' ? "{}" : "}");
}

static void
encode_row (struct mantis_buf *buf, const struct run *run, const struct mantis_change *change,
            const bool *travels)
{
  const struct mantis_table *table = change->table;
  const char *comma = "[";

  if (change->deleted)
    for (size_t i = 0; i < table->key_count; i++, comma = ",") {
      mantis_buf_text (buf, comma);
      value_encode (buf, &change->row[table->key[i]]);
    }
  else
    for (size_t i = 0; i < table->column_count; i++)
      if (change->row[i].type != MANTIS_NONE) {
        mantis_buf_char (buf, *comma);
        value_encode (buf, &change->row[i]);
        comma = ",";
      }
  for (int m = 0; m < META_COUNT; m++)
    if (travels[m] && run->varies[m]) {
      struct mantis_value rest = {.type = MANTIS_INTEGER,
                                  .as.integer = meta_of (change, m) - run->shared[m]};
      mantis_buf_char (buf, ',');
      value_encode (buf, &rest);
    }
  if (travels[META_BASE] && run->was) {
    mantis_buf_char (buf, ',');
    if (change->was)
      row_encode (buf, table, change->was);
    else
      mantis_buf_text (buf, "null");
  }
  mantis_buf_char (buf, ']');
}

static void
encode_run (struct mantis_buf *buf, const struct run *run, const bool *travels)
{
  static const char *const lists[] = {",\"rows\":[", ",\"deleted\":["};

  encode_head (buf, run, travels);
  for (int deleted = 0; deleted < 2; deleted++) {
    const char *before = lists[deleted];
    for (size_t i = 0; i < run->count; i++)
      if (run->changes[i]->deleted == deleted) {
        mantis_buf_text (buf, before);
        encode_row (buf, run, run->changes[i], travels);
        before = ",";
      }
    if (strcmp (before, ",") == 0)
      mantis_buf_char (buf, ']');
  }
  mantis_buf_char (buf, '}');
}

void
blocks_encode (struct mantis_buf *buf, const struct mantis_change *const *changes, size_t count,
               enum block_content content)
{
  static const bool push[META_COUNT] = {true, false, true, true, true};
  static const bool pull[META_COUNT] = {true, true, false, false, false};
  const bool *travels = content == BLOCK_PUSH ? push : pull;

  for (size_t i = 0; i < count;) {
    struct run run = take_run (changes + i, count - i);
    if (i)
      mantis_buf_char (buf, ',');
    encode_run (buf, &run, travels);
    i += run.count;
  }
}

/* ---- Decode ---------------------------------------------------------------------------------- */

enum { MAX_META = 16, PATH_SIZE = 160 };

struct block {
  const struct mantis_table *table;
  char path[PATH_SIZE];
  int64_t shared[META_COUNT];
  bool has_time, has_base;
  size_t width;    /* values of a row before its meta */
  size_t *columns; /* index of each */
  struct {
    int meta; /* -1: not known here */
    bool adds;
  } meta[MAX_META];
  size_t meta_count;
};

static size_t
column_index (const struct mantis_table *table, const char *name)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (strcmp (table->columns[i].name, name) == 0)
      return i;
  return SIZE_MAX;
}

/* NULL: no text, or one with NUL in it, which would pass for its beginning. */
static const char *
plain_text (const json_t *json)
{
  const char *text = json_string_value (json);

  return text && strlen (text) == json_string_length (json) ? text : NULL;
}

static enum mantis_status
decode_columns (const json_t *json, struct block *block, struct mantis_arena *arena,
                struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *columns = json_get_array (json, "columns", &status, error);
  bool *named = arena_array (arena, block->table->column_count, sizeof *named);
  size_t keys = 0;

  block->width = json_array_size (columns);
  block->columns = arena_array (arena, block->width, sizeof *block->columns);
  if (status != MANTIS_OK)
    return mantis_fail_in (error, "%s", block->path);
  if (!block->columns || !named)
    return mantis_fail (error, MANTIS_FULL, "the message is larger than its limit");
  for (size_t i = 0; i < block->width; i++) {
    const char *name = plain_text (json_array_get (columns, i));
    size_t at = name ? column_index (block->table, name) : SIZE_MAX;
    if (at == SIZE_MAX)
      return mantis_fail (error, MANTIS_INVALID,
                          "%s.columns[%zu]: table \"%s\" has no column \"%.80s\"", block->path, i,
                          block->table->name, name ? name : "");
    if (block->table->columns[at].generated)
      return mantis_fail (error, MANTIS_INVALID, "%s.columns[%zu]: column \"%s\" is generated",
                          block->path, i, name);
    block->columns[i] = at;
    if (named[at])
      return mantis_fail (error, MANTIS_INVALID, "%s.columns[%zu]: \"%s\" is named twice",
                          block->path, i, name);
    named[at] = true;
    keys += block->table->columns[at].key_position > 0;
  }
  if (block->width && keys != block->table->key_count)
    return mantis_fail (error, MANTIS_INVALID,
                        "%s.columns: the primary key of \"%s\" is not complete", block->path,
                        block->table->name);
  return MANTIS_OK;
}

static enum mantis_status
decode_meta (const json_t *json, struct block *block, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const json_t *meta = json_get_array (json, "meta", &status, error);

  block->meta_count = json_array_size (meta);
  if (status != MANTIS_OK)
    return mantis_fail_in (error, "%s", block->path);
  if (block->meta_count > MAX_META)
    return mantis_fail (error, MANTIS_INVALID, "%s.meta: too many names", block->path);
  for (size_t i = 0; i < block->meta_count; i++) {
    const char *name = plain_text (json_array_get (meta, i));
    if (!name)
      return mantis_fail (error, MANTIS_INVALID, "%s.meta[%zu]: a string belongs here", block->path,
                          i);
    block->meta[i].adds = *name == '+';
    block->meta[i].meta = -1; /* unknown members are ignored, so that versions can meet */
    for (int m = 0; m < META_COUNT; m++)
      if (strcmp (meta_names[m], name + block->meta[i].adds) == 0)
        block->meta[i].meta = m;
    if (strcmp (name, WAS) == 0)
      block->meta[i].meta = META_WAS;
    block->has_time |= block->meta[i].meta == META_UPDATED_AT;
    block->has_base |= block->meta[i].meta == META_BASE || block->meta[i].meta == META_CREATED;
  }
  for (int m = 0; m < META_COUNT; m++) {
    const json_t *shared = json_object_get (json, meta_names[m]);
    if (shared && !json_is_integer (shared) && !json_is_boolean (shared))
      return mantis_fail (error, MANTIS_INVALID, "%s.%s: an integer belongs here", block->path,
                          meta_names[m]);
    block->shared[m] = json_is_true (shared) ? 1 : json_integer_value (shared);
    block->has_time |= shared && m == META_UPDATED_AT;
    block->has_base |= shared && (m == META_BASE || m == META_CREATED);
  }
  return MANTIS_OK;
}

/* An object with values of columns, or null. */
static enum mantis_status
decode_was (struct reader *reader, const struct block *block, struct mantis_arena *arena,
            struct mantis_change *change, struct mantis_error *error)
{
  const struct mantis_table *table = block->table;
  struct mantis_value *values = arena_array (arena, table->column_count, sizeof *values), name;
  size_t at;

  if (!values)
    return mantis_fail (error, MANTIS_FULL, "the message is larger than its limit");
  if (!read_char (reader, '{'))
    return read_past (reader, error);
  change->was = values;
  if (read_char (reader, '}'))
    return MANTIS_OK;
  do {
    if (read_value (reader, arena, &name, error) != MANTIS_OK)
      return MANTIS_INVALID;
    at = name.type == MANTIS_TEXT && strlen (name.as.bytes) == name.length
             ? column_index (table, name.as.bytes)
             : SIZE_MAX;
    if (at == SIZE_MAX || table->columns[at].generated || !read_char (reader, ':'))
      return mantis_fail (error, MANTIS_INVALID,
                          "meta \"" WAS "\": an object with columns of the table belongs here");
    if (read_value (reader, arena, &values[at], error) != MANTIS_OK)
      return mantis_fail_in (error, "meta \"" WAS "\", column \"%s\"", table->columns[at].name);
  } while (read_char (reader, ','));
  return read_char (reader, '}')
             ? MANTIS_OK
             : mantis_fail (error, MANTIS_INVALID, "meta \"" WAS "\": the object does not end");
}

/* A fact of the row's own. */
static enum mantis_status
decode_fact (struct reader *reader, const struct block *block, size_t i, int64_t *facts,
             struct mantis_error *error)
{
  struct reader before = *reader;
  struct mantis_value value = {.type = MANTIS_NULL};
  int m = block->meta[i].meta;

  if (read_past (reader, error) != MANTIS_OK)
    return MANTIS_INVALID;
  if (m < 0)
    return MANTIS_OK;
  if (!read_char (&before, '"') && !read_char (&before, '{') && !read_char (&before, '['))
    read_value (&before, NULL, &value, error); /* it is none that needs memory */
  if (value.type != MANTIS_INTEGER)
    return mantis_fail (error, MANTIS_INVALID, "meta \"%s\": an integer belongs here",
                        meta_names[m]);
  facts[m] = value.as.integer;
  if (block->meta[i].adds && __builtin_add_overflow (facts[m], block->shared[m], &facts[m]))
    return mantis_fail (error, MANTIS_INVALID, "meta \"%s\": out of range", meta_names[m]);
  return MANTIS_OK;
}

/* The facts about a change: the block's, then the row's own. */
static enum mantis_status
decode_facts (struct reader *reader, bool any, const struct block *block, int64_t now,
              struct mantis_arena *arena, struct mantis_change *change, struct mantis_error *error)
{
  enum mantis_status status;
  int64_t facts[META_COUNT];

  memcpy (facts, block->shared, sizeof facts);
  if (!block->has_time)
    facts[META_UPDATED_AT] = now;
  if (!block->has_base)
    facts[META_CREATED] = 1;
  for (size_t i = 0; i < block->meta_count; i++) {
    if ((any || i) && !read_char (reader, ','))
      return mantis_fail (error, MANTIS_INVALID, "more values belong here: meta \"%s\" is missing",
                          block->meta[i].meta < 0           ? "?"
                          : block->meta[i].meta == META_WAS ? WAS
                                                            : meta_names[block->meta[i].meta]);
    status = block->meta[i].meta == META_WAS ? decode_was (reader, block, arena, change, error)
                                             : decode_fact (reader, block, i, facts, error);
    if (status != MANTIS_OK)
      return status;
  }
  for (int m = 0; m < META_COUNT; m++)
    if (facts[m] < 0 || facts[m] > INT64_MAX / 2)
      return mantis_fail (error, MANTIS_INVALID, "\"%s\": out of range", meta_names[m]);
  change->updated_at = facts[META_UPDATED_AT];
  change->rev = facts[META_REV];
  change->base = facts[META_BASE];
  change->created = facts[META_CREATED] != 0;
  change->seen = facts[META_SEEN];
  return MANTIS_OK;
}

static enum mantis_status
wrong_width (const struct block *block, size_t width, struct mantis_error *error)
{
  return mantis_fail (error, MANTIS_INVALID, "an array of %zu values belongs here",
                      width + block->meta_count);
}

static enum mantis_status
decode_row (struct reader *reader, const struct block *block, bool deleted, int64_t now,
            struct mantis_arena *arena, struct mantis_change *change, struct mantis_error *error)
{
  const struct mantis_table *table = block->table;
  size_t width = deleted ? table->key_count : block->width;
  struct mantis_value *values = arena_array (arena, table->column_count, sizeof *values);
  enum mantis_status status = MANTIS_OK;

  if (!values)
    return mantis_fail (error, MANTIS_FULL, "the message is larger than its limit");
  if (!read_char (reader, '['))
    return wrong_width (block, width, error);
  for (size_t i = 0; i < width; i++) {
    size_t at = deleted ? table->key[i] : block->columns[i];
    if (i && !read_char (reader, ','))
      return wrong_width (block, width, error);
    status = read_value (reader, arena, &values[at], error);
    if (status != MANTIS_OK)
      return mantis_fail_in (error, "[%zu], column \"%s\"", i, table->columns[at].name);
  }
  change->table = table;
  change->row = values;
  change->deleted = deleted;
  if ((status = decode_facts (reader, width > 0, block, now, arena, change, error)) != MANTIS_OK)
    return status;
  return read_char (reader, ']') ? MANTIS_OK : wrong_width (block, width, error);
}

/* The rows of JSON's member NAME, "rows" or "deleted". */
static enum mantis_status
decode_rows (const json_t *json, struct lists *lists, const char *name, const struct block *block,
             int64_t now, const char *origin, struct mantis_arena *arena, struct block_changes *out,
             size_t room, struct mantis_error *error)
{
  const json_t *member = json_object_get (json, name);
  const struct list *list = member ? lists_take (lists, member) : NULL;
  bool deleted = strcmp (name, "deleted") == 0;
  struct reader reader;

  if (!member || json_is_null (member))
    return MANTIS_OK;
  if (!list)
    return mantis_fail (error, MANTIS_INVALID, "%s: \"%s\" stands in the message twice",
                        block->path, name);
  reader = (struct reader){list->text + 1, list->text + list->length};
  if (read_char (&reader, ']'))
    return MANTIS_OK;
  if (!deleted && !block->width)
    return mantis_fail (error, MANTIS_INVALID, "%s.columns: missing, but there are rows",
                        block->path);
  for (size_t i = 0; out->count < room; i++) {
    struct mantis_change *change = &out->changes[out->count];
    if (decode_row (&reader, block, deleted, now, arena, change, error) != MANTIS_OK)
      return mantis_fail_in (error, "%s.%s[%zu]", block->path, name, i);
    change->origin = origin;
    out->count++;
    if (!read_char (&reader, ','))
      break;
  }
  if (!read_char (&reader, ']') || reader.at != reader.end)
    return mantis_fail (error, MANTIS_INVALID,
                        "%s.%s: the body is not JSON: a list of rows without end", block->path,
                        name);
  return MANTIS_OK;
}

static enum mantis_status
decode_block (const json_t *json, struct block *block, const struct block_tables *tables,
              struct mantis_arena *arena, bool *ignore, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const char *name, *fingerprint, *known;

  *ignore = false;
  if (!json_is_object (json))
    return mantis_fail (error, MANTIS_INVALID, "%s: a block is an object", block->path);
  name = json_get_text (json, "table", NULL, &status, error);
  fingerprint = json_get_text (json, "schema", NULL, &status, error);
  json_get_array (json, "rows", &status, error);
  json_get_array (json, "deleted", &status, error);
  if (status != MANTIS_OK)
    return mantis_fail_in (error, "%s", block->path);
  if (!name)
    return mantis_fail (error, MANTIS_INVALID, "%s.table: missing", block->path);
  block->table = tables->find (tables->context, name, ignore);
  known = block->table && tables->fingerprint ? tables->fingerprint (tables->context, block->table)
          : block->table                      ? block->table->fingerprint
                                              : "";
  if (fingerprint && (!known || strcmp (fingerprint, known) != 0))
    return mantis_fail (error, MANTIS_STALE,
                        "%s: table \"%.80s\" is not, or not any more, as the sender knows it",
                        block->path, name);
  if (!block->table)
    return *ignore
               ? MANTIS_OK
               : mantis_fail (error, MANTIS_INVALID,
                              "%s.table: there is no table \"%.80s\" to sync", block->path, name);
  if ((status = decode_columns (json, block, arena, error)) == MANTIS_OK)
    status = decode_meta (json, block, error);
  return status;
}

static size_t
count_rows (const json_t *array, struct lists *lists)
{
  size_t count = 0, i;
  const json_t *block;

  json_array_foreach (array, i, block) count +=
      lists_count (lists, json_object_get (block, "rows")) +
      lists_count (lists, json_object_get (block, "deleted"));
  return count;
}

enum mantis_status
blocks_decode (const json_t *array, struct lists *lists, const char *path,
               const struct block_tables *tables, int64_t now, const char *origin,
               struct mantis_arena *arena, struct block_changes *out, struct mantis_error *error)
{
  size_t room = count_rows (array, lists), i;
  const json_t *json;

  *out = (struct block_changes){.changes = arena_array (arena, room, sizeof *out->changes)};
  if (!out->changes)
    return mantis_fail (error, MANTIS_FULL, "the message is larger than its limit");
  json_array_foreach (array, i, json)
  {
    struct block block = {0};
    enum mantis_status status;
    bool ignore;
    snprintf (block.path, sizeof block.path, "%s[%zu]", path, i);
    if ((status = decode_block (json, &block, tables, arena, &ignore, error)) != MANTIS_OK)
      return status;
    if (ignore)
      continue;
    status = decode_rows (json, lists, "rows", &block, now, origin, arena, out, room, error);
    if (status == MANTIS_OK)
      status = decode_rows (json, lists, "deleted", &block, now, origin, arena, out, room, error);
    if (status != MANTIS_OK)
      return status;
  }
  return MANTIS_OK;
}
