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

/* '*' any characters, '?' one.  A view, or a sequence, is listed only when it is named. */
static bool
is_asked_for (const char *const *patterns, const char *name, bool other)
{
  if (!patterns)
    return !other;
  for (; *patterns; patterns++)
    if (other ? strcmp (*patterns, name) == 0 : fnmatch (*patterns, name, FNM_NOESCAPE) == 0)
      return true;
  return false;
}

static const char *
engine_refusal (struct reading *r, const char *type, const char *engine)
{
  if (strstr (type, "VIEW"))
    return "it is a view: sync the tables that it shows";
  if (strcmp (type, "SEQUENCE") == 0)
    return "it is a sequence: numbers that devices take alone would meet";
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
  mantis_buf_printf (sql,
                     "SELECT t.table_name, t.table_type, t.engine, coalesce(t.auto_increment, 0) >"
                     " 9223372036854775807, concat("
                     "lpad(hex(crc32(concat_ws('/', @@hostname, @@port, @@datadir))), 8, '0'), '=',"
                     " lpad(hex(crc32(concat_ws('/', t.create_time%s))), 8, '0'))",
                     session->sees_tables ? ", i.ids" : "");
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
    if (is_own (result.row[0]) ||
        !is_asked_for (patterns, result.row[0], view || strcmp (result.row[1], "SEQUENCE") == 0))
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
    known->facts.counts_far = integer_at (&result, 3) != 0;
    known->facts.created = text_at (&result, 4, r->arena);
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
                              .time_decimals = integer_at (row, C_FRACTION),
                              .default_text = row->row[C_DEFAULT],
                              .extra = row->row[C_EXTRA] ? row->row[C_EXTRA] : "",
                              .quotes = r->session->mariadb};
  struct column_facts *own = &facts->columns[table->column_count];

  column->name = text_at (row, C_NAME, r->arena);
  describe_type (&d, column, own, r->arena);
  column->not_null = strcmp (row->row[C_NULLABLE], "NO") == 0;
  own->counted = strcasestr (d.extra, "auto_increment") != NULL;
  table->autoincrement |= own->counted;
  if (row->row[C_GENERATED] && *row->row[C_GENERATED]) {
    column->generated = text_at (row, C_GENERATED, r->arena);
    column->stored = strcasestr (d.extra, "STORED") || strcasestr (d.extra, "PERSISTENT");
    table->plain = false;
  } else {
    column->default_value = default_of (&d, own, r->arena, &own->ask_default);
    facts->asks |= own->ask_default;
    if (own->kind == KIND_NONE && !table->refusal)
      table->refusal = mantis_arena_printf (
          r->arena,
          "its column \"%s\" is a %s, which has no form elsewhere: leave the table out, or keep"
          " that column in a table of its own",
          column->name, d.data_type);
  }
  if (own->alters || strcasestr (d.extra, "on update"))
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
  enum mantis_status status;

  for (size_t i = 0; i < table->key_count; i++)
    facts->fuzzy_key |= facts->columns[table->key[i]].fuzzy;
  for (size_t i = 0; i < table->column_count; i++)
    if (table->columns[i].generated)
      ((struct mantis_column *)table->columns)[i].generated =
          generated_of (table, facts, i, r->arena);
  if (facts->asks && !table->refusal &&
      (status = ask_defaults (r->session, table, facts, r->arena, r->error)))
    return status;
  if ((status = finish_keys (r, table, facts)))
    return status;
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
