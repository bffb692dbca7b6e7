/* describe.c - what tables there are, and which of them can be synced.
 *
 * information_schema is asked a few times for the whole database, never once for each table.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What reading the schema needs at every step. */
struct reading {
  struct mantis_session *session;
  struct mantis_arena *arena;
  struct known_schema *schema;
  struct mantis_error *error;
};

bool
is_own (const char *name)
{
  return strncasecmp (name, "__sync_", 7) == 0;
}

bool
same_name (const char *a, const char *b)
{
  return strcasecmp (a, b) == 0;
}

/* ---- Finding ---- */

size_t
find_table (const struct known_schema *schema, const char *name)
{
  for (size_t i = 0; i < schema->shown.count; i++)
    if (strcmp (schema->attached[i].table->name, name) == 0)
      return i;
  return SIZE_MAX;
}

size_t
find_column (const struct mantis_table *table, const char *name)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (same_name (table->columns[i].name, name))
      return i;
  return SIZE_MAX;
}

struct known_table *
known_at (const struct known_schema *schema, size_t at)
{
  return (struct known_table *)schema->attached[at].table;
}

const struct facts *
table_facts (const struct mantis_table *table)
{
  return table->id ? &((const struct known_table *)table)->facts : NULL;
}

struct column_facts
column_facts (const struct mantis_table *table, size_t at)
{
  const struct facts *facts = table_facts (table);

  return facts ? facts->columns[at] : own_column (&table->columns[at]);
}

const struct mantis_table *
table_of_id (const struct mantis_session *session, int64_t id)
{
  const struct known_schema *schema = session->schema;

  for (size_t i = 0; id && schema && i < schema->shown.count; i++)
    if (schema->attached[i].table->id == id)
      return schema->attached[i].table;
  return NULL;
}

/* ---- Tables ---- */

/* '*' any characters, '?' one.  A view is listed only when it is named. */
static bool
is_asked_for (const char *const *patterns, const char *name, bool view)
{
  if (!patterns)
    return !view;
  for (; *patterns; patterns++)
    if (view ? strcmp (*patterns, name) == 0 : fnmatch (*patterns, name, FNM_NOESCAPE) == 0)
      return true;
  return false;
}

static const char *
engine_refusal (struct reading *r, const char *type, const char *engine)
{
  if (strstr (type, "VIEW"))
    return "it is a view: sync the tables that it shows";
  if (!engine || strcasecmp (engine, "InnoDB") != 0)
    return mantis_arena_printf (
        r->arena,
        "its engine is %s, which has no transactions: ALTER TABLE ... ENGINE ="
        " InnoDB",
        engine ? engine : "unknown");
  return NULL;
}

/* When each table was made, and as what: InnoDB gives it (or its partitions) another id when it is truncated
 * or swapped.  InnoDB's names are those of files: "a b" is "a@0020b", a partition "t#P#p0". */
static void
add_tables (struct mantis_buf *sql, const struct mantis_session *session)
{
  mantis_buf_text (sql, "SELECT t.table_name, t.table_type, t.engine, ");
  mantis_buf_text (sql,
                   session->sees_tables ? "concat_ws('/', t.create_time, i.ids)" : "t.create_time");
  mantis_buf_text (sql, " FROM information_schema.tables AS t");
  if (session->sees_tables)
    mantis_buf_printf (
        sql,
        " LEFT JOIN (SELECT CAST(substring_index(name, '#', 1) AS BINARY) AS base,"
        " sum(crc32(concat(name, '/', table_id))) AS ids FROM %s GROUP BY base) AS i"
        " ON i.base = concat(" FILE_NAME ("DATABASE()") ", '/', " FILE_NAME ("t.table_name") ")",
        inner_tables (session));
  mantis_buf_text (sql, " WHERE t.table_schema = DATABASE() ORDER BY t.table_name");
}

static enum mantis_status
read_tables (struct reading *r, const char *const *patterns)
{
  AUTO_RESULT struct result result = {0};
  AUTO_BUF struct mantis_buf sql = MANTIS_BUF_INIT;
  struct known_schema *schema = r->schema;
  enum mantis_status status;

  add_tables (&sql, r->session);
  status = query (r->session, &sql, &result, r->error);
  size_t most = !status && result.rows ? (size_t)mysql_num_rows (result.rows) : 0;
  if (status)
    return status;
  schema->attached = mantis_arena_alloc (r->arena, (most + 1) * sizeof *schema->attached);
  if (!schema->attached)
    return no_memory (r->error);
  while (next_row (&result)) {
    bool view = strstr (result.row[1], "VIEW") != NULL;
    struct known_table *known;
    struct mantis_table *table;
    if (is_own (result.row[0]) || !is_asked_for (patterns, result.row[0], view))
      continue;
    if (!(known = mantis_arena_alloc (r->arena, sizeof *known)))
      return no_memory (r->error);
    table = &known->table;
    table->size = sizeof *table;
    table->name = text_at (&result, 0, r->arena);
    table->refusal = engine_refusal (r, result.row[1], result.row[2]);
    table->fingerprint = "";
    table->plain = true;
    known->facts.is_view = view;
    known->facts.created = text_at (&result, 3, r->arena);
    schema->attached[schema->shown.count++] = (struct mantis_attached){table, MANTIS_NOT_WATCHED};
  }
  schema->shown.tables = schema->attached;
  return mantis_arena_exhausted (r->arena) ? no_memory (r->error) : MANTIS_OK;
}

/* ---- Columns ---- */

enum {
  C_TABLE,
  C_NAME,
  C_DATA_TYPE,
  C_TYPE,
  C_NULLABLE,
  C_DEFAULT,
  C_EXTRA,
  C_CHARSET,
  C_COLLATION,
  C_LENGTH,
  C_PRECISION,
  C_SCALE,
  C_FRACTION,
  C_GENERATED
};

static const char columns_sql[] =
    "SELECT table_name, column_name, data_type, column_type, is_nullable, column_default, extra,"
    " character_set_name, collation_name, coalesce(character_maximum_length, 0),"
    " coalesce(numeric_precision, 0), coalesce(numeric_scale, 0), coalesce(datetime_precision, 0),"
    " generation_expression FROM information_schema.columns WHERE table_schema = DATABASE()"
    " AND table_name NOT LIKE '\\_\\_sync\\_%' ORDER BY table_name, ordinal_position";

/* Names in backticks become names in double quotes. */
static const char *
expression (struct mantis_arena *arena, const char *text)
{
  char *copy = mantis_arena_strdup (arena, text);

  for (char *at = copy; copy && *at; at++)
    if (*at == '`')
      *at = '"';
  return copy;
}

/* MariaDB gives an expression; MySQL a bare text, unless "extra" says DEFAULT_GENERATED. */
static const char *
default_of (struct reading *r, const struct result *row, const struct mantis_column *column)
{
  const char *text = row->row[C_DEFAULT];

  if (!text || strcmp (text, "NULL") == 0)
    return NULL;
  if (strncasecmp (text, "current_timestamp", 17) == 0)
    return "CURRENT_TIMESTAMP";
  if (r->session->mariadb || strstr (row->row[C_EXTRA], "DEFAULT_GENERATED") ||
      column->type_class == MANTIS_CLASS_INTEGER || column->type_class == MANTIS_CLASS_REAL)
    return expression (r->arena, text);
  return mantis_arena_printf (r->arena, "'%s'", text);
}

static void
read_column (struct reading *r, const struct result *row, struct mantis_table *table,
             struct facts *facts, struct mantis_column *column)
{
  const struct described d = {.data_type = row->row[C_DATA_TYPE],
                              .column_type = row->row[C_TYPE],
                              .charset = row->row[C_CHARSET],
                              .collation = row->row[C_COLLATION],
                              .length = integer_at (row, C_LENGTH),
                              .precision = integer_at (row, C_PRECISION),
                              .decimals = integer_at (row, C_SCALE),
                              .time_decimals = integer_at (row, C_FRACTION)};
  struct column_facts *own = &facts->columns[table->column_count];
  const char *extra = row->row[C_EXTRA] ? row->row[C_EXTRA] : "";

  column->name = text_at (row, C_NAME, r->arena);
  describe_type (&d, column, own, r->arena);
  column->not_null = strcmp (row->row[C_NULLABLE], "NO") == 0;
  column->default_value = default_of (r, row, column);
  table->autoincrement |= strcasestr (extra, "auto_increment") != NULL;
  if (row->row[C_GENERATED] && *row->row[C_GENERATED]) {
    column->generated = expression (r->arena, row->row[C_GENERATED]);
    column->stored = strcasestr (extra, "STORED") || strcasestr (extra, "PERSISTENT");
    column->default_value = NULL;
    table->plain = false;
  } else if (own->kind == KIND_NONE && !table->refusal)
    table->refusal =
        mantis_arena_printf (r->arena, "its column \"%s\" is a %s, which has no form elsewhere",
                             column->name, d.data_type);
  if (own->alters || strcasestr (extra, "on update"))
    facts->alters = true;
  table->column_count++;
}

/* Rows of one table stand together. */
static enum mantis_status
read_columns (struct reading *r)
{
  AUTO_RESULT struct result result;
  enum mantis_status status = ask (r->session, columns_sql, &result, r->error);
  size_t most = !status && result.rows ? (size_t)mysql_num_rows (result.rows) : 0;
  struct mantis_column *columns = mantis_arena_alloc (r->arena, (most + 1) * sizeof *columns);
  struct column_facts *facts = mantis_arena_alloc (r->arena, (most + 1) * sizeof *facts);
  size_t used = 0;

  if (status)
    return status;
  if (!columns || !facts)
    return no_memory (r->error);
  while (next_row (&result)) {
    size_t at = find_table (r->schema, result.row[C_TABLE]);
    struct mantis_table *table;
    if (at == SIZE_MAX)
      continue;
    table = &known_at (r->schema, at)->table;
    if (table->column_count == 0) {
      table->columns = &columns[used];
      known_at (r->schema, at)->facts.columns = &facts[used];
    }
    read_column (r, &result, table, &known_at (r->schema, at)->facts, &columns[used++]);
  }
  return mantis_arena_exhausted (r->arena) ? no_memory (r->error) : MANTIS_OK;
}

/* ---- Keys ---- */

/* A column of an index.  PREFIX: only its first characters. */
static enum mantis_status
add_to_key (struct reading *r, struct mantis_table *table, const struct facts *facts, size_t column,
            bool prefix)
{
  uint32_t *key = (uint32_t *)table->key;
  const struct column_facts *own = &facts->columns[column];

  if (!key && !(key = mantis_arena_alloc (r->arena, (table->column_count + 1) * sizeof *key)))
    return no_memory (r->error);
  table->key = key;
  key[table->key_count++] = (uint32_t)column;
  ((struct mantis_column *)&table->columns[column])->key_position = (uint32_t)table->key_count;
  if (table->refusal)
    return MANTIS_OK;
  if (prefix)
    table->refusal = mantis_arena_printf (
        r->arena, "its primary key has only the first part of the column \"%s\"",
        table->columns[column].name);
  else if (own->kind == KIND_REAL || own->kind == KIND_FLOAT || own->kind == KIND_TIMESTAMP ||
           own->kind == KIND_BIT)
    table->refusal = mantis_arena_printf (
        r->arena,
        "its primary key has the column \"%s\", whose type has no exact text: use an integer,"
        " VARCHAR, BINARY, DECIMAL or DATETIME",
        table->columns[column].name);
  return MANTIS_OK;
}

static enum mantis_status
add_to_unique (struct reading *r, struct mantis_table *table, const char *column, bool first)
{
  struct mantis_unique *uniques = (struct mantis_unique *)table->uniques;
  struct mantis_unique *unique;

  if (first)
    table->unique_count++;
  unique = &uniques[table->unique_count - 1];
  if (first && !(unique->columns = mantis_arena_alloc (r->arena, (table->column_count + 1) *
                                                                     sizeof *unique->columns)))
    return no_memory (r->error);
  ((const char **)unique->columns)[unique->count++] = column;
  return MANTIS_OK;
}

static const char indexes_sql[] =
    "SELECT table_name, index_name, column_name, coalesce(sub_part, 0)"
    " FROM information_schema.statistics WHERE table_schema = DATABASE() AND non_unique = 0"
    " AND table_name NOT LIKE '\\_\\_sync\\_%' ORDER BY table_name, index_name, seq_in_index";

static enum mantis_status
read_index_column (struct reading *r, size_t at, const struct result *row, bool first)
{
  struct mantis_table *table = &known_at (r->schema, at)->table;
  struct facts *facts = &known_at (r->schema, at)->facts;
  size_t column = row->row[2] ? find_column (table, row->row[2]) : SIZE_MAX;
  size_t size = sizeof *table->uniques;

  if (strcmp (row->row[1], "PRIMARY") == 0)
    return column == SIZE_MAX ? MANTIS_OK
                              : add_to_key (r, table, facts, column, integer_at (row, 3) > 0);
  facts->other_uniques = true;
  if (column == SIZE_MAX) /* an expression */
    return MANTIS_OK;
  if (!table->uniques && !(table->uniques = mantis_arena_alloc (r->arena, 64 * size)))
    return no_memory (r->error);
  if (first && table->unique_count == 64)
    return MANTIS_OK;
  return add_to_unique (r, table, table->columns[column].name, first || table->unique_count == 0);
}

static enum mantis_status
read_indexes (struct reading *r)
{
  AUTO_RESULT struct result result;
  enum mantis_status status = ask (r->session, indexes_sql, &result, r->error);
  AUTO_BUF struct mantis_buf last = MANTIS_BUF_INIT, now = MANTIS_BUF_INIT;

  while (!status && next_row (&result)) {
    size_t at = find_table (r->schema, result.row[0]);
    bool first;
    mantis_buf_clear (&now);
    mantis_buf_printf (&now, "%s/%s", result.row[0], result.row[1]);
    first = !last.bytes || !now.bytes || strcmp (last.bytes, now.bytes) != 0;
    mantis_buf_clear (&last);
    mantis_buf_printf (&last, "%s", now.bytes ? now.bytes : "");
    if (at != SIZE_MAX)
      status = read_index_column (r, at, &result, first);
  }
  return status;
}

/* ---- Foreign keys ---- */

static const char foreign_sql[] =
    "SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_name,"
    " k.referenced_column_name, c.delete_rule, c.update_rule"
    " FROM information_schema.key_column_usage AS k"
    " JOIN information_schema.referential_constraints AS c"
    " ON c.constraint_schema = k.constraint_schema AND c.constraint_name = k.constraint_name"
    " AND c.table_name = k.table_name"
    " WHERE k.table_schema = DATABASE() AND k.referenced_table_schema = DATABASE()"
    " ORDER BY k.table_name, k.constraint_name, k.ordinal_position";

static bool
acts (const char *rule)
{
  return strcmp (rule, "CASCADE") == 0 || strncmp (rule, "SET ", 4) == 0;
}

static struct mantis_foreign_key *
new_foreign_key (struct reading *r, struct mantis_table *table, const struct result *row)
{
  enum { MOST = 64 };
  struct mantis_foreign_key *keys = (struct mantis_foreign_key *)table->foreign_keys, *key;
  size_t most = table->column_count + 1;

  if (!keys && !(keys = mantis_arena_alloc (r->arena, MOST * sizeof *keys)))
    return NULL;
  table->foreign_keys = keys;
  if (table->foreign_key_count == MOST)
    return &keys[MOST - 1];
  key = &keys[table->foreign_key_count++];
  key->parent = text_at (row, 3, r->arena);
  key->on_delete = text_at (row, 5, r->arena);
  key->on_update = text_at (row, 6, r->arena);
  key->columns = mantis_arena_alloc (r->arena, most * sizeof *key->columns);
  key->parents = mantis_arena_alloc (r->arena, most * sizeof *key->parents);
  return key->columns && key->parents ? key : NULL;
}

/* Tables whose change acts upon others through foreign keys, and those that are acted upon. */
static void
mark_actions (struct reading *r, size_t child, const struct result *row)
{
  size_t parent = find_table (r->schema, row->row[3]);

  if (!acts (row->row[5]) && !acts (row->row[6]))
    return;
  if (child != SIZE_MAX)
    known_at (r->schema, child)->table.plain = false;
  if (parent != SIZE_MAX) {
    known_at (r->schema, parent)->table.plain = false;
    known_at (r->schema, parent)->facts.acts = true;
  }
}

static enum mantis_status
read_foreign_keys (struct reading *r)
{
  AUTO_RESULT struct result result;
  enum mantis_status status = ask (r->session, foreign_sql, &result, r->error);
  AUTO_BUF struct mantis_buf last = MANTIS_BUF_INIT, now = MANTIS_BUF_INIT;
  struct mantis_foreign_key *key = NULL;

  while (!status && next_row (&result)) {
    size_t at = find_table (r->schema, result.row[0]);
    mantis_buf_clear (&now);
    mantis_buf_printf (&now, "%s/%s", result.row[0], result.row[1]);
    mark_actions (r, at, &result);
    if (at == SIZE_MAX || !now.bytes)
      continue;
    if (!last.bytes || strcmp (last.bytes, now.bytes) != 0)
      key = new_foreign_key (r, &known_at (r->schema, at)->table, &result);
    mantis_buf_clear (&last);
    mantis_buf_text (&last, now.bytes);
    if (!key)
      return no_memory (r->error);
    ((const char **)key->columns)[key->count] = text_at (&result, 2, r->arena);
    ((const char **)key->parents)[key->count++] = text_at (&result, 4, r->arena);
  }
  return mantis_arena_exhausted (r->arena) ? no_memory (r->error) : status;
}

/* ---- Triggers of the application ---- */

static enum mantis_status
read_triggers (struct reading *r)
{
  AUTO_RESULT struct result result;
  enum mantis_status status =
      ask (r->session,
           "SELECT DISTINCT event_object_table FROM information_schema.triggers"
           " WHERE trigger_schema = DATABASE() AND trigger_name NOT LIKE '\\_\\_sync\\_%'",
           &result, r->error);

  while (!status && next_row (&result)) {
    size_t at = find_table (r->schema, result.row[0]);
    if (at == SIZE_MAX)
      continue;
    known_at (r->schema, at)->table.plain = false;
    known_at (r->schema, at)->facts.own_trigger = known_at (r->schema, at)->facts.acts = true;
  }
  return status;
}

/* ---- Fingerprint, refusals ---- */

static enum mantis_status
finish_table (struct reading *r, size_t at)
{
  struct mantis_table *table = &known_at (r->schema, at)->table;
  struct facts *facts = &known_at (r->schema, at)->facts;

  for (size_t i = 0; i < table->key_count; i++)
    facts->fuzzy_key |= facts->columns[table->key[i]].fuzzy;
  if (facts->alters)
    table->plain = false;
  if (!table->refusal && table->key_count == 0)
    table->refusal = "it has no primary key: rows cannot be told apart on other nodes; ALTER TABLE"
                     " ... ADD a primary key";
  else if (!table->refusal && table->key_count > MOST_KEYS)
    table->refusal = "its primary key has more than 16 columns";
  table->fingerprint = mantis_table_fingerprint (table, r->arena);
  return table->fingerprint ? MANTIS_OK : no_memory (r->error);
}

/* ---- Parents before children ---- */

static void
visit (struct known_schema *schema, size_t at, char *state, size_t *order, size_t *count)
{
  const struct mantis_table *table = schema->attached[at].table;

  if (state[at])
    return; /* done, or a circle */
  state[at] = 1;
  for (size_t k = 0; k < table->foreign_key_count; k++) {
    size_t parent = find_table (schema, table->foreign_keys[k].parent);
    if (parent != SIZE_MAX)
      visit (schema, parent, state, order, count);
  }
  order[(*count)++] = at;
}

static enum mantis_status
order_tables (struct reading *r)
{
  struct known_schema *schema = r->schema;
  size_t count = schema->shown.count, ordered = 0;
  char *state = mantis_arena_alloc (r->arena, count + 1);
  size_t *order = mantis_arena_alloc (r->arena, (count + 1) * sizeof *order);
  struct mantis_attached *attached = mantis_arena_alloc (r->arena, (count + 1) * sizeof *attached);

  if (!state || !order || !attached)
    return no_memory (r->error);
  for (size_t i = 0; i < count; i++)
    visit (schema, i, state, order, &ordered);
  for (size_t i = 0; i < count; i++)
    attached[i] = schema->attached[order[i]];
  schema->shown.tables = schema->attached = attached;
  return MANTIS_OK;
}

/* ---- All of it ---- */

enum mantis_status
describe_tables (struct mantis_session *session, const char *const *patterns,
                 struct known_schema *schema, struct mantis_error *error)
{
  struct reading r = {session, schema->arena, schema, error};
  enum mantis_status status = read_tables (&r, patterns);

  if (status || (status = read_columns (&r)) || (status = read_indexes (&r)) ||
      (status = read_foreign_keys (&r)) || (status = read_triggers (&r)))
    return status;
  for (size_t i = 0; i < schema->shown.count && !status; i++)
    status = finish_table (&r, i);
  return status ? status : order_tables (&r);
}
