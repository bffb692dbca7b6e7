/* keys.c - primary keys, unique indexes and foreign keys of all tables.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <string.h>
#include <strings.h>

/* ---- Keys ---- */

enum { MOST_UNIQUES = 64 }; /* that is what the engine allows */

/* A column of an index.  PREFIX: only its first characters. */
static enum mantis_status
add_to_key (struct reading *r, struct mantis_table *table, const struct facts *facts, size_t column,
            bool prefix)
{
  uint32_t *key = (uint32_t *)table->key;
  const struct column_facts *own = &facts->columns[column];

  if (table->columns[column].generated &&
      strcasecmp (table->columns[column].generated, "ROW END") == 0)
    return MANTIS_OK; /* the engine's own, for the versions of a row */
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
           own->kind == KIND_BIT || own->kind == KIND_GEOMETRY)
    table->refusal = mantis_arena_printf (
        r->arena,
        "its primary key has the column \"%s\", whose type has no exact text: use an integer,"
        " VARCHAR, BINARY, DECIMAL or DATETIME",
        table->columns[column].name);
  return MANTIS_OK;
}

/* COLUMN: SIZE_MAX for an expression: without it the rest forbids more than the index does. */
static enum mantis_status
add_to_unique (struct reading *r, size_t at, size_t column, bool first)
{
  struct mantis_table *table = &known_at (r->schema, at)->table;
  struct mantis_unique *uniques = (struct mantis_unique *)table->uniques;
  struct mantis_unique *unique;

  if (first)
    table->unique_count++;
  unique = &uniques[table->unique_count - 1];
  if (first && !(unique->columns = mantis_arena_alloc (r->arena, (table->column_count + 1) *
                                                                     sizeof *unique->columns)))
    return no_memory (r->error);
  if (column == SIZE_MAX)
    known_at (r->schema, at)->facts.loose |= UINT64_C (1) << (table->unique_count - 1);
  else
    ((const char **)unique->columns)[unique->count++] = table->columns[column].name;
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

  if (strcmp (row->row[1], "PRIMARY") == 0)
    return column == SIZE_MAX ? MANTIS_OK
                              : add_to_key (r, table, facts, column, integer_at (row, 3) > 0);
  facts->other_uniques = true;
  if (first && table->unique_count == MOST_UNIQUES)
    return MANTIS_OK;
  if (!table->uniques &&
      !(table->uniques = mantis_arena_alloc (r->arena, MOST_UNIQUES * sizeof *table->uniques)))
    return no_memory (r->error);
  return add_to_unique (r, at, column, first);
}

enum mantis_status
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

enum mantis_status
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

/* ---- What clients make of them ---- */

/* Those that forbid less than their columns say come last; what has no columns is left out. */
static enum mantis_status
sort_uniques (struct reading *r, struct mantis_table *table, const struct facts *facts)
{
  struct mantis_unique *sorted =
      mantis_arena_alloc (r->arena, (table->unique_count + 1) * sizeof *sorted);
  size_t count = 0;

  if (!sorted)
    return no_memory (r->error);
  for (int loose = 0; loose < 2; loose++)
    for (size_t i = 0; i < table->unique_count; i++)
      if ((facts->loose >> i & 1) == (uint64_t)loose && table->uniques[i].count) {
        sorted[count++] = table->uniques[i];
        table->loose_uniques += (size_t)loose;
      }
  table->uniques = sorted;
  table->unique_count = count;
  return MANTIS_OK;
}

/* A unique column that takes 'A' for 'a' does so on a client, too: SQLite's NOCASE never calls equal what
 * this column calls different (of key columns, Mantis tells bytes apart). */
static void
take_case_over (struct mantis_table *table, const struct facts *facts)
{
  for (size_t u = 0; u < table->unique_count - table->loose_uniques; u++)
    for (size_t i = 0; i < table->uniques[u].count; i++) {
      size_t at = find_column (table, table->uniques[u].columns[i]);
      if (facts->columns[at].any_case && !table->columns[at].key_position)
        ((struct mantis_column *)table->columns)[at].collation = "NOCASE";
    }
}

/* A key that is counted is SQLite's INTEGER PRIMARY KEY, which it counts too: an unsigned BIGINT as well, as
 * long as its counter is not beyond what that holds.  One that is not counted is an INT there, which SQLite
 * does not count: a row without its key is refused on both sides. */
static void
count_key (struct mantis_table *table, const struct facts *facts)
{
  struct mantis_column *key =
      (struct mantis_column *)&table->columns[table->key_count ? *table->key : 0];

  if (table->key_count != 1 || !facts->columns[*table->key].counted || facts->counts_far)
    return;
  key->declared = "INTEGER";
  key->type_class = MANTIS_CLASS_INTEGER;
}

enum mantis_status
finish_keys (struct reading *r, struct mantis_table *table, const struct facts *facts)
{
  enum mantis_status status = sort_uniques (r, table, facts);

  count_key (table, facts);
  if (!status)
    take_case_over (table, facts);
  return status;
}
