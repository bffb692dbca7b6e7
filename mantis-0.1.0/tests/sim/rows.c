/* rows.c - what a database holds, read as any program would.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

/* Types and bytes are told apart; numbers bit by bit. */
static void
add_value (struct mantis_buf *buf, sqlite3_stmt *statement, int column)
{
  const unsigned char *bytes;
  int length;
  double real;
  uint64_t bits;

  switch (sqlite3_column_type (statement, column)) {
  case SQLITE_NULL:
    mantis_buf_text (buf, "-");
    return;
  case SQLITE_INTEGER:
    mantis_buf_printf (buf, "%lld", (long long)sqlite3_column_int64 (statement, column));
    return;
  case SQLITE_FLOAT:
    real = sqlite3_column_double (statement, column);
    memcpy (&bits, &real, sizeof bits);
    mantis_buf_printf (buf, "r%g:%016llx", real, (unsigned long long)bits);
    return;
  }
  mantis_buf_text (buf, sqlite3_column_type (statement, column) == SQLITE_BLOB ? "x'" : "'");
  bytes = sqlite3_column_blob (statement, column);
  length = sqlite3_column_bytes (statement, column);
  for (int i = 0; i < length; i++)
    if (bytes[i] > ' ' && bytes[i] < 0x7f && bytes[i] != '\\')
      mantis_buf_char (buf, (char)bytes[i]);
    else
      mantis_buf_printf (buf, "\\%02x", bytes[i]);
  mantis_buf_char (buf, '\'');
}

bool
has_extra (sqlite3 *db, const struct table *table)
{
  sqlite3_stmt *statement = NULL;
  bool found;

  sqlite3_prepare_v2 (db, "SELECT 1 FROM pragma_table_info (?1) WHERE name = 'extra'", -1,
                      &statement, NULL);
  sqlite3_bind_text (statement, 1, table->name, -1, SQLITE_STATIC);
  found = sqlite3_step (statement) == SQLITE_ROW;
  sqlite3_finalize (statement);
  return found;
}

static sqlite3_stmt *
prepare (sqlite3 *db, const struct table *table, bool extra)
{
  struct mantis_buf sql = MANTIS_BUF_INIT;
  sqlite3_stmt *statement = NULL;

  mantis_buf_text (&sql, "SELECT v");
  for (const struct column *column = table->columns; column->name; column++)
    if (column->kind != VERSION)
      mantis_buf_printf (&sql, ", \"%s\"", column->name);
  mantis_buf_printf (&sql, "%s FROM \"%s\"", extra ? ", extra" : "", table->name);
  sqlite3_prepare_v2 (db, sql.bytes, -1, &statement, NULL);
  mantis_buf_free (&sql);
  return statement;
}

static bool
is_key (const struct table *table, int column)
{
  return table->columns[column].kind == TEXT_KEY ||
         (table->columns[column].kind == INTEGER_KEY && strcmp (table->name, "seat") != 0);
}

static void
read_row (sqlite3_stmt *statement, const struct table *table, struct row *row)
{
  struct mantis_buf all = MANTIS_BUF_INIT, key = MANTIS_BUF_INIT;
  const char *v = (const char *)sqlite3_column_text (statement, 0);

  add_value (&all, statement, 0);
  for (int i = 0, at = 1; at < sqlite3_column_count (statement); i++) {
    if (table->columns[i].name && table->columns[i].kind == VERSION)
      continue;
    mantis_buf_char (&all, '|');
    add_value (&all, statement, at);
    if (table->columns[i].name && is_key (table, i)) {
      mantis_buf_text (&key, key.length ? "," : "");
      add_value (&key, statement, at);
    }
    at++;
  }
  *row = (struct row){.key = mantis_buf_take (&key, NULL),
                      .v = strdup (v ? v : ""),
                      .all = mantis_buf_take (&all, NULL)};
}

static int
compare_rows (const void *a, const void *b)
{
  return strcmp (((const struct row *)a)->key, ((const struct row *)b)->key);
}

static void
read_rows (sqlite3 *db, const struct table *table, struct rows *rows)
{
  sqlite3_stmt *statement = prepare (db, table, has (WITH_SCHEMA) && has_extra (db, table));
  size_t room = 0;
  int code = SQLITE_DONE;

  *rows = (struct rows){.absent = !statement};
  while (statement && (code = sqlite3_step (statement)) == SQLITE_ROW) {
    if (rows->count == room)
      rows->at = realloc (rows->at, (room = room ? room * 2 : 16) * sizeof *rows->at);
    read_row (statement, table, &rows->at[rows->count++]);
  }
  if (code != SQLITE_DONE)
    fail ("cannot read table %s: %s", table->name, sqlite3_errmsg (db));
  sqlite3_finalize (statement);
  if (rows->count)
    qsort (rows->at, rows->count, sizeof *rows->at, compare_rows);
}

void
image_read (sqlite3 *db, struct image *image)
{
  image_free (image);
  for (int i = 0; i < world->table_count; i++)
    read_rows (db, world->tables[i], &image->of[i]);
}

void
image_free (struct image *image)
{
  for (int t = 0; t < MOST_TABLES; t++) {
    for (size_t i = 0; i < image->of[t].count; i++) {
      free (image->of[t].at[i].key);
      free (image->of[t].at[i].v);
      free (image->of[t].at[i].all);
    }
    free (image->of[t].at);
    image->of[t] = (struct rows){0};
  }
}

const struct row *
image_find (const struct image *image, int table, const char *key)
{
  const struct row wanted = {.key = (char *)key};

  if (image->of[table].count == 0)
    return NULL;
  return bsearch (&wanted, image->of[table].at, image->of[table].count, sizeof wanted,
                  compare_rows);
}
