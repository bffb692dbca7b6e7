/* source.c - the row that is asked about, and rows that are lent, as virtual tables (https://sqlite.org/vtab.html).
 *
 * SQLite is told each column's affinity and collation, so that an expression means what it would mean in the table itself;
 * the values are handed out as they are, without a copy.  A lent table answers to its whole primary key only.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "where.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table {
  sqlite3_vtab base;
  struct source *source;
};

struct cursor {
  sqlite3_vtab_cursor base;
  mantis_row row;            /* NULL: at the end */
  struct mantis_value key[]; /* of a lent table: a row with its key alone */
};

/* ---- Shapes ------------------------------------------------------------------------------------- */

static void
add_quoted (struct mantis_buf *buf, const char *name)
{
  mantis_buf_char (buf, '"');
  for (; *name; name++) {
    mantis_buf_char (buf, *name);
    if (*name == '"')
      mantis_buf_char (buf, '"');
  }
  mantis_buf_char (buf, '"');
}

static char *
declare (const struct mantis_table *table, struct mantis_arena *arena)
{
  static const char *const types[] = {
      [MANTIS_CLASS_ANY] = "BLOB",        [MANTIS_CLASS_TEXT] = "TEXT",
      [MANTIS_CLASS_NUMERIC] = "NUMERIC", [MANTIS_CLASS_INTEGER] = "INTEGER",
      [MANTIS_CLASS_REAL] = "REAL",
  };
  struct mantis_buf buf = MANTIS_BUF_INIT;
  char *text = NULL;

  mantis_buf_text (&buf, "CREATE TABLE x");
  for (size_t i = 0; i < table->column_count; i++) {
    const struct mantis_column *column = &table->columns[i];
    mantis_buf_text (&buf, i ? ", " : " (");
    add_quoted (&buf, column->name);
    mantis_buf_printf (&buf, " %s", types[column->type_class]);
    if (column->collation) {
      mantis_buf_text (&buf, " COLLATE ");
      add_quoted (&buf, column->collation);
    }
  }
  mantis_buf_char (&buf, ')');
  if (!buf.failed)
    text = mantis_arena_copy (arena, buf.bytes, buf.length);
  mantis_buf_free (&buf);
  return text;
}

struct shape *
shape_new (const struct mantis_table *table, struct mantis_arena *arena)
{
  struct shape *shape = mantis_arena_alloc (arena, sizeof *shape);
  struct mantis_column *columns = mantis_arena_alloc (arena, table->column_count * sizeof *columns);
  uint32_t *key = mantis_arena_alloc (arena, table->key_count * sizeof *key);

  if (!shape || !columns || !key)
    return NULL;
  memcpy (columns, table->columns, table->column_count * sizeof *columns);
  memcpy (key, table->key, table->key_count * sizeof *key);
  for (size_t i = 0; i < table->column_count; i++) {
    columns[i].name = mantis_arena_strdup (arena, columns[i].name);
    columns[i].collation =
        columns[i].collation ? mantis_arena_strdup (arena, columns[i].collation) : "BINARY";
    columns[i].generated = columns[i].generated ? "" : NULL;
    columns[i].declared = columns[i].default_value = NULL;
  }
  shape->name = mantis_arena_strdup (arena, table->name);
  shape->declaration = declare (table, arena);
  shape->columns = columns;
  shape->column_count = table->column_count;
  shape->key = key;
  shape->key_count = table->key_count;
  return mantis_arena_exhausted (arena) || !shape->declaration ? NULL : shape;
}

size_t
shape_find (const struct shape *shape, const char *name)
{
  size_t at = 0;

  while (at < shape->column_count && sqlite3_stricmp (shape->columns[at].name, name) != 0)
    at++;
  return at;
}

/* ---- A table's life ------------------------------------------------------------------------------ */

static int
connect_table (sqlite3 *db, void *of_source, int argc, const char *const *argv, sqlite3_vtab **vtab,
               char **text)
{
  struct source *source = of_source;
  struct table *table = sqlite3_malloc (sizeof *table);
  int code;

  (void)argc, (void)argv, (void)text;
  if (!table)
    return SQLITE_NOMEM;
  memset (table, 0, sizeof *table);
  table->source = source;
  if ((code = sqlite3_declare_vtab (db, source->shape->declaration)) != SQLITE_OK)
    sqlite3_free (table);
  else
    *vtab = &table->base;
  return code;
}

static int
disconnect (sqlite3_vtab *vtab)
{
  sqlite3_free (vtab);
  return SQLITE_OK;
}

static int
open_cursor (sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor)
{
  const struct source *source = ((struct table *)vtab)->source;
  size_t room = source->lent ? source->shape->column_count * sizeof (struct mantis_value) : 0;
  struct cursor *new = sqlite3_malloc64 (sizeof *new + room);

  if (!new)
    return SQLITE_NOMEM;
  memset (new, 0, sizeof *new + room);
  *cursor = &new->base;
  return SQLITE_OK;
}

static int
close_cursor (sqlite3_vtab_cursor *cursor)
{
  sqlite3_free (cursor);
  return SQLITE_OK;
}

/* ---- How it can be asked ------------------------------------------------------------------------- */

/* A constraint of QUESTION that gives column AT one value, as the table itself compares; -1: there is none. */
static int
find_equality (sqlite3_index_info *question, const struct shape *shape, uint32_t at)
{
  for (int i = 0; i < question->nConstraint; i++)
    if (question->aConstraint[i].usable && question->aConstraint[i].iColumn == (int)at &&
        question->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ &&
        sqlite3_stricmp (sqlite3_vtab_collation (question, i), shape->columns[at].collation) == 0)
      return i;
  return -1;
}

static int
plan (sqlite3_vtab *vtab, sqlite3_index_info *question)
{
  const struct source *source = ((struct table *)vtab)->source;
  const struct shape *shape = source->shape;

  question->estimatedCost = 1;
  question->estimatedRows = 1;
  question->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
  for (size_t k = 0; source->lent && !source->connecting && k < shape->key_count; k++) {
    int at = find_equality (question, shape, shape->key[k]);
    if (at < 0) {
      source->asker->scans = true;
      snprintf (source->asker->word, sizeof source->asker->word, "%s", shape->name);
      return SQLITE_CONSTRAINT;
    }
    question->aConstraintUsage[at].argvIndex = (int)k + 1; /* and SQLite compares once more */
  }
  return SQLITE_OK;
}

/* ---- Rows ---------------------------------------------------------------------------------------- */

/* VALUE as the column COLUMN would store it.  False: none is equal to it. */
static bool
as_stored (const struct mantis_column *column, sqlite3_value *value, struct mantis_value *stored)
{
  bool number = column->type_class == MANTIS_CLASS_NUMERIC ||
                column->type_class == MANTIS_CLASS_INTEGER ||
                column->type_class == MANTIS_CLASS_REAL;
  int type = number ? sqlite3_value_numeric_type (value) : sqlite3_value_type (value);

  if (column->type_class == MANTIS_CLASS_TEXT && (type == SQLITE_INTEGER || type == SQLITE_FLOAT))
    type = SQLITE_TEXT;
  switch (type) {
  case SQLITE_INTEGER:
    *stored =
        (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = sqlite3_value_int64 (value)};
    if (column->type_class == MANTIS_CLASS_REAL)
      *stored = (struct mantis_value){.type = MANTIS_REAL, .as.real = sqlite3_value_double (value)};
    return true;
  case SQLITE_FLOAT:
    *stored = (struct mantis_value){.type = MANTIS_REAL, .as.real = sqlite3_value_double (value)};
    if (number && column->type_class != MANTIS_CLASS_REAL && stored->as.real >= -9e15 &&
        stored->as.real <= 9e15 && stored->as.real == (double)(int64_t)stored->as.real)
      *stored =
          (struct mantis_value){.type = MANTIS_INTEGER, .as.integer = (int64_t)stored->as.real};
    return true;
  case SQLITE_TEXT:
    *stored = (struct mantis_value){.type = MANTIS_TEXT,
                                    .as.bytes = (const char *)sqlite3_value_text (value)};
    stored->length = (uint32_t)sqlite3_value_bytes (value);
    return stored->as.bytes != NULL;
  case SQLITE_BLOB:
    *stored = (struct mantis_value){.type = MANTIS_BLOB, .as.bytes = sqlite3_value_blob (value)};
    stored->length = (uint32_t)sqlite3_value_bytes (value);
    if (stored->length == 0)
      stored->as.bytes = "";
    return stored->as.bytes != NULL;
  default:
    return false;
  }
}

static int
borrow (struct cursor *cursor, const struct source *source, sqlite3_value **values)
{
  const struct shape *shape = source->shape;
  const struct mantis_lender *lender = source->asker->caller->lender;
  const struct mantis_table *table = lender ? lender->table (lender, shape->name) : NULL;
  struct mantis_error error = {.status = MANTIS_OK};

  if (!table || table->column_count != shape->column_count)
    return SQLITE_ERROR;
  for (size_t k = 0; k < shape->key_count; k++)
    if (!as_stored (&shape->columns[shape->key[k]], values[k], &cursor->key[shape->key[k]]))
      return SQLITE_OK;
  if (!lender->row (lender, table, cursor->key, &cursor->row, &error))
    return SQLITE_OK;
  mantis_log (MANTIS_DEBUG, "filter where: no row of %s is lent: %s", shape->name, error.text);
  return SQLITE_ERROR;
}

static int
filter (sqlite3_vtab_cursor *base, int number, const char *text, int count, sqlite3_value **values)
{
  struct cursor *cursor = (struct cursor *)base;
  const struct source *source = ((struct table *)base->pVtab)->source;

  (void)number, (void)text, (void)count;
  cursor->row = NULL;
  if (source->lent)
    return borrow (cursor, source, values);
  cursor->row = source->asker->row;
  return SQLITE_OK;
}

static int
next (sqlite3_vtab_cursor *base)
{
  ((struct cursor *)base)->row = NULL;
  return SQLITE_OK;
}

static int
at_end (sqlite3_vtab_cursor *base)
{
  return !((struct cursor *)base)->row;
}

static int
give (sqlite3_context *context, const struct mantis_value *value)
{
  switch (value->type) {
  case MANTIS_NULL:
    return SQLITE_OK;
  case MANTIS_INTEGER:
    sqlite3_result_int64 (context, value->as.integer);
    return SQLITE_OK;
  case MANTIS_REAL:
    sqlite3_result_double (context, value->as.real);
    return SQLITE_OK;
  case MANTIS_TEXT:
    sqlite3_result_text (context, value->length ? value->as.bytes : "", (int)value->length,
                         SQLITE_STATIC);
    return SQLITE_OK;
  case MANTIS_BLOB:
    sqlite3_result_blob (context, value->length ? value->as.bytes : "", (int)value->length,
                         SQLITE_STATIC);
    return SQLITE_OK;
  default: /* not carried: nobody knows */
    return SQLITE_ERROR;
  }
}

static int
give_column (sqlite3_vtab_cursor *base, sqlite3_context *context, int at)
{
  const struct cursor *cursor = (const struct cursor *)base;
  struct asker *asker = ((struct table *)base->pVtab)->source->asker;
  const struct mantis_value *value = &cursor->row[at];

  if (value->type == MANTIS_TEXT || value->type == MANTIS_BLOB) {
    if (value->length > MOST_VALUE || (asker->read += value->length) > MOST_READ)
      return SQLITE_TOOBIG;
  }
  return give (context, value);
}

static int
row_number (sqlite3_vtab_cursor *base, sqlite3_int64 *number)
{
  (void)base;
  *number = 0;
  return SQLITE_OK;
}

static const sqlite3_module module = {
    .xConnect =
        connect_table, /* and no xCreate: it is there by its name, and nobody can make another */
    .xBestIndex = plan,
    .xDisconnect = disconnect,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = filter,
    .xNext = next,
    .xEof = at_end,
    .xColumn = give_column,
    .xRowid = row_number,
};

/* SQLite connects to a table when it first hears its name, and writes it down in its schema, which nobody may later. */
static int
connect_first (sqlite3 *db, const char *name)
{
  char *sql = sqlite3_mprintf ("SELECT * FROM \"%w\" LIMIT 0", name);
  int code = sql ? sqlite3_exec (db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

  sqlite3_free (sql);
  return code;
}

static int
add_source (struct asker *asker, struct source *source, const char *name)
{
  int code;

  source->asker = asker;
  source->connecting = true;
  if ((code = sqlite3_create_module_v2 (asker->db, name, &module, source, NULL)) == SQLITE_OK)
    code = connect_first (asker->db, name);
  source->connecting = false;
  return code;
}

enum mantis_status
source_register (struct asker *asker)
{
  size_t count = 0;
  int code;

  while (asker->form->lent[count])
    count++;
  if (!(asker->lent = calloc (count + 1, sizeof *asker->lent)))
    return MANTIS_FAILED;
  asker->own.shape = asker->form->own;
  code = add_source (asker, &asker->own, ROW_TABLE);
  for (size_t i = 0; i < count && code == SQLITE_OK; i++) {
    asker->lent[i] = (struct source){.shape = asker->form->lent[i], .lent = true};
    code = add_source (asker, &asker->lent[i], asker->form->lent[i]->name);
  }
  if (code == SQLITE_OK)
    code = connect_first (asker->db, "json_each");
  return code == SQLITE_OK ? MANTIS_OK : MANTIS_FAILED;
}
