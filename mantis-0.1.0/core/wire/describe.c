/* describe.c - a table's shape as JSON, and back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire/describe.h"
#include "base/base.h"
#include "base/map.h"
#include "wire/json.h"

#include <ctype.h>
#include <string.h>

/* ---- Encode ---------------------------------------------------------------------------------- */

static void
encode_names (struct mantis_buf *buf, const char *const *names, size_t count)
{
  mantis_buf_char (buf, '[');
  for (size_t i = 0; i < count; i++) {
    if (i)
      mantis_buf_char (buf, ',');
    mantis_buf_json (buf, names[i], strlen (names[i]));
  }
  mantis_buf_char (buf, ']');
}

/* Other than json_add_text(), also an empty one: there is something that SQLite has no words for. */
static void
encode_expression (struct mantis_buf *buf, const char *name, const char *text)
{
  if (!text)
    return;
  mantis_buf_printf (buf, ",\"%s\":", name);
  mantis_buf_json (buf, text, strlen (text));
}

static void
encode_column (struct mantis_buf *buf, const struct mantis_column *column)
{
  mantis_buf_text (buf, "{\"name\":");
  mantis_buf_json (buf, column->name, strlen (column->name));
  json_add_text (buf, "type", column->declared);
  encode_expression (buf, "default", column->default_value);
  json_add_text (buf, "collation", column->collation);
  encode_expression (buf, "generated", column->generated);
  if (column->key_position)
    mantis_buf_printf (buf, ",\"key\":%u", column->key_position);
  mantis_buf_text (buf, column->not_null ? ",\"not_null\":true" : "");
  mantis_buf_text (buf, column->stored ? ",\"stored\":true}" : "}");
}

static void
encode_foreign_key (struct mantis_buf *buf, const struct mantis_foreign_key *key)
{
  mantis_buf_text (buf, "{\"columns\":");
  encode_names (buf, key->columns, key->count);
  json_add_text (buf, "parent", key->parent);
  if (key->parents) {
    mantis_buf_text (buf, ",\"parents\":");
    encode_names (buf, key->parents, key->count);
  }
  json_add_text (buf, "on_delete", key->on_delete);
  json_add_text (buf, "on_update", key->on_update);
  mantis_buf_char (buf, '}');
}

/* Those that a peer can make: without what forbids less than its columns say. */
static size_t
exact_uniques (const struct mantis_table *table)
{
  size_t loose =
      table->size > offsetof (struct mantis_table, loose_uniques) ? table->loose_uniques : 0;

  return table->unique_count - loose;
}

void
table_encode (struct mantis_buf *buf, const struct mantis_table *table)
{
  mantis_buf_text (buf, "{\"table\":");
  mantis_buf_json (buf, table->name, strlen (table->name));
  json_add_text (buf, "fingerprint", table->fingerprint);
  mantis_buf_text (buf, table->without_rowid ? ",\"without_rowid\":true" : "");
  mantis_buf_text (buf, table->strict ? ",\"strict\":true" : "");
  mantis_buf_text (buf, table->autoincrement ? ",\"autoincrement\":true" : "");
  mantis_buf_text (buf, ",\"columns\":[");
  for (size_t i = 0; i < table->column_count; i++) {
    mantis_buf_text (buf, i ? "," : "");
    encode_column (buf, &table->columns[i]);
  }
  mantis_buf_text (buf, "],\"foreign_keys\":[");
  for (size_t i = 0; i < table->foreign_key_count; i++) {
    mantis_buf_text (buf, i ? "," : "");
    encode_foreign_key (buf, &table->foreign_keys[i]);
  }
  mantis_buf_text (buf, "],\"uniques\":[");
  for (size_t i = 0; i < exact_uniques (table); i++) {
    mantis_buf_text (buf, i ? "," : "");
    encode_names (buf, table->uniques[i].columns, table->uniques[i].count);
  }
  mantis_buf_text (buf, "]}");
}

/* ---- Decode ---------------------------------------------------------------------------------- */

struct reader {
  struct mantis_arena *arena;
  struct mantis_error *error;
  enum mantis_status status;
};

static const char *
read_text (struct reader *r, const json_t *json, const char *name)
{
  return mantis_arena_strdup (r->arena, json_get_text (json, name, NULL, &r->status, r->error));
}

static void
refuse (struct reader *r, const char *what)
{
  if (r->status == MANTIS_OK)
    r->status = mantis_fail (r->error, MANTIS_INVALID, "a table's description: %s", what);
}

static const char *const *
read_names (struct reader *r, const json_t *array, size_t *count)
{
  const char **names = arena_array (r->arena, json_array_size (array), sizeof *names);
  const json_t *name;
  size_t i;

  *count = names ? json_array_size (array) : 0;
  json_array_foreach (array, i, name)
  {
    if (!json_is_string (name))
      refuse (r, "a list of column names holds something else");
    else if (names)
      names[i] = mantis_arena_strdup (r->arena, json_string_value (name));
  }
  if (*count == 0)
    refuse (r, "an empty list of columns");
  return names;
}

static enum mantis_class
class_of (const char *declared)
{
  /* The rules of https://sqlite.org/datatype3.html, section 3.1, in their order. */
  if (strcasestr (declared, "INT"))
    return MANTIS_CLASS_INTEGER;
  if (strcasestr (declared, "CHAR") || strcasestr (declared, "CLOB") ||
      strcasestr (declared, "TEXT"))
    return MANTIS_CLASS_TEXT;
  if (strcasestr (declared, "BLOB") || !*declared)
    return MANTIS_CLASS_ANY;
  if (strcasestr (declared, "REAL") || strcasestr (declared, "FLOA") ||
      strcasestr (declared, "DOUB"))
    return MANTIS_CLASS_REAL;
  return MANTIS_CLASS_NUMERIC;
}

static void
read_column (struct reader *r, const json_t *json, struct mantis_column *column)
{
  int64_t position = json_get_integer (json, "key", 0, &r->status, r->error);

  column->name = read_text (r, json, "name");
  column->declared = read_text (r, json, "type");
  column->default_value = read_text (r, json, "default");
  column->collation = read_text (r, json, "collation");
  column->generated = read_text (r, json, "generated");
  column->not_null = json_get_bool (json, "not_null", false, &r->status, r->error);
  column->stored = json_get_bool (json, "stored", false, &r->status, r->error);
  if (!column->declared)
    column->declared = "";
  if (!column->name || !*column->name || position < 0 || position > 1000)
    refuse (r, "a column without a name, or with a strange place in the key");
  column->key_position = (uint32_t)position;
  column->type_class = class_of (column->declared);
}

/* SQL knows no difference between "ID" and "id". */
static uint64_t
hash_name (const char *name)
{
  uint64_t hash = 0;

  for (; name && *name; name++) {
    unsigned char c = (unsigned char)(*name & 0x80 ? *name : tolower (*name));
    hash = hash_bytes (&c, 1, hash);
  }
  return hash;
}

/* The columns of TABLE, by name; one name twice is refused. */
static void
index_columns (struct reader *r, const struct mantis_table *table, struct map *names)
{
  for (size_t i = 0; r->status == MANTIS_OK && i < table->column_count; i++) {
    int64_t *place = map_at (names, hash_name (table->columns[i].name), true);
    if (!place || (*place)++)
      refuse (r, "two columns of one name");
  }
}

static void
check_names (struct reader *r, struct map *names, const char *const *list, size_t count)
{
  for (size_t i = 0; r->status == MANTIS_OK && i < count; i++)
    if (!map_at (names, hash_name (list[i]), false))
      refuse (r, "a constraint on a column that there is not");
}

static bool
is_action (const char *text)
{
  static const char *const actions[] = {"NO ACTION", "RESTRICT", "CASCADE", "SET NULL",
                                        "SET DEFAULT"};

  for (size_t i = 0; text && i < COUNT_OF (actions); i++)
    if (strcmp (actions[i], text) == 0)
      return true;
  return !text;
}

static void
check_constraints (struct reader *r, const struct mantis_table *table)
{
  struct map names = {0};

  index_columns (r, table, &names);
  for (size_t i = 0; r->status == MANTIS_OK && i < table->foreign_key_count; i++) {
    const struct mantis_foreign_key *key = &table->foreign_keys[i];
    check_names (r, &names, key->columns, key->count);
    if (!is_action (key->on_delete) || !is_action (key->on_update))
      refuse (r, "an action of a foreign key that SQL does not know");
  }
  for (size_t i = 0; r->status == MANTIS_OK && i < table->unique_count; i++)
    check_names (r, &names, table->uniques[i].columns, table->uniques[i].count);
  map_free (&names);
}

/* Positions 1, 2, 3 ..., each once. */
static void
read_key (struct reader *r, struct mantis_table *table, uint32_t *key)
{
  size_t wanted = 0;

  for (size_t i = 0; i < table->column_count; i++)
    wanted += table->columns[i].key_position > 0;
  for (size_t i = 0; r->status == MANTIS_OK && i < table->column_count; i++) {
    uint32_t position = table->columns[i].key_position;
    if (position > wanted || (position && key[position - 1]))
      refuse (r, "the places in the key are not 1, 2, 3 ...");
    else if (position)
      key[position - 1] = (uint32_t)i + 1;
  }
  for (size_t i = 0; r->status == MANTIS_OK && i < wanted; i++)
    key[i]--;
  table->key = key;
  table->key_count = wanted;
  if (wanted == 0)
    refuse (r, "no primary key");
}

static void
read_columns (struct reader *r, const json_t *array, struct mantis_table *table)
{
  struct mantis_column *columns = arena_array (r->arena, json_array_size (array), sizeof *columns);
  uint32_t *key = arena_array (r->arena, json_array_size (array), sizeof *key);
  const json_t *json;
  size_t i;

  if (!columns || !key || json_array_size (array) == 0 || json_array_size (array) > 2000) {
    refuse (r, "1 to 2000 columns are expected");
    return;
  }
  json_array_foreach (array, i, json) read_column (r, json, &columns[i]);
  table->columns = columns;
  table->column_count = json_array_size (array);
  read_key (r, table, key);
}

static void
read_constraints (struct reader *r, const json_t *json, struct mantis_table *table)
{
  const json_t *keys = json_get_array (json, "foreign_keys", &r->status, r->error);
  const json_t *uniques = json_get_array (json, "uniques", &r->status, r->error), *item;
  struct mantis_foreign_key *foreign =
      arena_array (r->arena, json_array_size (keys), sizeof *foreign);
  struct mantis_unique *unique = arena_array (r->arena, json_array_size (uniques), sizeof *unique);
  size_t i;

  if (!foreign || !unique) {
    refuse (r, "too large");
    return;
  }
  json_array_foreach (keys, i, item)
  {
    const json_t *parents = json_get_array (item, "parents", &r->status, r->error);
    size_t count;
    foreign[i].parent = read_text (r, item, "parent");
    foreign[i].columns =
        read_names (r, json_get_array (item, "columns", &r->status, r->error), &foreign[i].count);
    foreign[i].parents = parents ? read_names (r, parents, &count) : NULL;
    foreign[i].on_delete = read_text (r, item, "on_delete");
    foreign[i].on_update = read_text (r, item, "on_update");
    if (!foreign[i].parent || (parents && count != foreign[i].count))
      refuse (r, "a foreign key that is not complete");
  }
  json_array_foreach (uniques, i, item) unique[i].columns = read_names (r, item, &unique[i].count);
  table->foreign_keys = foreign;
  table->foreign_key_count = json_array_size (keys);
  table->uniques = unique;
  table->unique_count = json_array_size (uniques);
}

enum mantis_status
table_decode (const json_t *json, struct mantis_arena *arena, const struct mantis_table **out,
              struct mantis_error *error)
{
  struct reader r = {.arena = arena, .error = error};
  struct mantis_table *table = mantis_arena_alloc (arena, sizeof *table);

  if (!table)
    return mantis_fail (error, MANTIS_FULL, "the message is larger than its limit");
  table->size = sizeof *table;
  table->name = read_text (&r, json, "table");
  table->fingerprint = read_text (&r, json, "fingerprint");
  table->without_rowid = json_get_bool (json, "without_rowid", false, &r.status, error);
  table->strict = json_get_bool (json, "strict", false, &r.status, error);
  table->autoincrement = json_get_bool (json, "autoincrement", false, &r.status, error);
  if (!table->name || !*table->name || strncasecmp (table->name, "__sync_", 7) == 0 ||
      strncasecmp (table->name, "sqlite_", 7) == 0)
    refuse (&r, "no name, or one that is taken");
  read_columns (&r, json_get_array (json, "columns", &r.status, error), table);
  read_constraints (&r, json, table);
  check_constraints (&r, table);
  if (mantis_arena_exhausted (arena)) /* whatever else that looked like */
    r.status = mantis_fail (error, MANTIS_FULL, "the message is larger than its limit");
  *out = table;
  return r.status;
}
