/* writer.c - applications: what they write, by plain SQLite and nothing else.
 *
 * A transaction is a few random statements; one that the database refuses is passed over, as
 * programs do. What a transaction changed is found by comparing the tables before and after it, so
 * that cascades, triggers and rows removed by REPLACE count as well.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sim.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Values ---- */

static void
bind_bytes (sqlite3_stmt *statement, int at, bool blob)
{
  static const struct {
    const char *bytes;
    int length;
  } texts[] = {
      {"", 0},
      {"milk", 4},
      {"it's", 4},
      {"a\0b", 3},
      {"\xff\xfe", 2},
      {"007", 3},
      {"\xc3\xa9t\xc3\xa9", 5},
      {"{\"a\":1}", 7},
      {"null", 4},
      {"\0", 1},
      {"\xed\xa0\x80", 3},
      {"\xf0\x9f\x98\x80", 4},
      {"\"\\\n\t\x01", 5},
      {"1e5", 3},
  };
  size_t which = has (WITH_VALUES) ? chance (COUNT_OF (texts)) : 1 + chance (2);

  if (blob)
    sqlite3_bind_blob (statement, at, texts[which].bytes, texts[which].length, SQLITE_STATIC);
  else
    sqlite3_bind_text (statement, at, texts[which].bytes, texts[which].length, SQLITE_STATIC);
}

static void
bind_integer (sqlite3_stmt *statement, int at)
{
  static const int64_t odd[] = {INT64_MIN, INT64_MAX, (INT64_C (1) << 53) + 1, -1, 0, 255};

  sqlite3_bind_int64 (statement, at,
                      has (WITH_VALUES) && odds (3) ? odd[chance (COUNT_OF (odd))]
                                                    : (int64_t)chance (100));
}

static void
bind_real (sqlite3_stmt *statement, int at)
{
  static const double odd[] = {-0.0,     INFINITY, -INFINITY, DBL_MAX, -DBL_MAX,
                               4.9e-324, 0.1,      1e15,      1.0 / 3};

  sqlite3_bind_double (statement, at,
                       has (WITH_VALUES) && odds (2) ? odd[chance (COUNT_OF (odd))]
                                                     : chance (1000) / 8.0);
}

void
bind_any (sqlite3_stmt *statement, int at)
{
  switch (chance (5)) {
  case 0:
    sqlite3_bind_null (statement, at);
    break;
  case 1:
    bind_integer (statement, at);
    break;
  case 2:
    bind_real (statement, at);
    break;
  default:
    bind_bytes (statement, at, odds (3));
  }
}

static void
bind_key (sqlite3_stmt *statement, int at, enum kind kind)
{
  static const char *const odd[] = {"\xff", "it's", "\xc3\xa9", "", "7"};
  static const int lengths[] = {1, 4, 2, 0, 1};
  char text[16];
  uint32_t which;

  if (kind == INTEGER_KEY) {
    sqlite3_bind_int64 (statement, at,
                        has (WITH_VALUES) && odds (20) ? INT64_MIN + 1 : (int64_t)chance (8) + 1);
    return;
  }
  if (has (WITH_VALUES) && odds (5)) {
    which = chance (COUNT_OF (odd));
    sqlite3_bind_text (statement, at, odd[which], lengths[which], SQLITE_STATIC);
    return;
  }
  snprintf (text, sizeof text, "k%u", chance (8));
  sqlite3_bind_text (statement, at, text, -1, SQLITE_TRANSIENT);
}

static void
bind_parent (sqlite3_stmt *statement, int at, const struct column *column)
{
  for (int i = 0; i < world->table_count; i++)
    if (strcmp (world->tables[i]->name, column->parent) == 0 && !odds (4)) {
      bind_key (statement, at, world->tables[i]->keyed_by_text ? TEXT_KEY : INTEGER_KEY);
      return;
    }
  sqlite3_bind_null (statement, at);
}

static void
bind_column (sqlite3_stmt *statement, int at, const struct column *column)
{
  char text[16];

  switch (column->kind) {
  case TEXT_KEY:
  case INTEGER_KEY:
    bind_key (statement, at, column->kind);
    break;
  case VERSION:
    snprintf (text, sizeof text, "w%d", world->statements);
    sqlite3_bind_text (statement, at, text, -1, SQLITE_TRANSIENT);
    break;
  case ANY:
    bind_any (statement, at);
    break;
  case INTEGER:
    bind_integer (statement, at);
    break;
  case REAL:
    bind_real (statement, at);
    break;
  case TEXT:
    bind_bytes (statement, at, false);
    break;
  case BLOB:
    bind_bytes (statement, at, true);
    break;
  case CHECKED:
    sqlite3_bind_int64 (statement, at,
                        odds (8) ? 666 + (int64_t)chance (2) * 1000 : (int64_t)chance (100));
    break;
  case CODE:
    snprintf (text, sizeof text, "c%u", chance (6));
    sqlite3_bind_text (statement, at, text, -1, SQLITE_TRANSIENT);
    break;
  case PARENT:
    bind_parent (statement, at, column);
    break;
  case DERIVED:
    sqlite3_bind_null (statement, at);
    break;
  case HOLDING:
    sqlite3_bind_int64 (statement, at, chance ((uint32_t)world->node_count + 1));
    break;
  }
}

/* ---- Statements ---- */

static bool
is_key (const struct table *table, const struct column *column)
{
  return column->kind == TEXT_KEY ||
         (column->kind == INTEGER_KEY && strcmp (table->name, "seat") != 0);
}

static const struct column *
some_column (const struct table *table)
{
  const struct column *choice = NULL;
  uint32_t seen = 0;

  for (const struct column *column = table->columns; column->name; column++)
    if (!is_key (table, column) && column->kind != VERSION && column->kind != DERIVED &&
        chance (++seen) == 0)
      choice = column;
  return choice;
}

/* SQL with '?' for the columns in LIST, which are bound in that order. */
static void
run_bound (struct node *node, struct mantis_buf *sql, const struct column **list, int count)
{
  sqlite3_stmt *statement = NULL;
  int code;

  world->statements++;
  if (sqlite3_prepare_v2 (node->app, sql->bytes, -1, &statement, NULL) == SQLITE_OK) {
    for (int i = 0; i < count; i++)
      if (list[i])
        bind_column (statement, i + 1, list[i]);
      else
        bind_any (statement, i + 1);
    code = sqlite3_step (statement);
    trace ("    %s: w%d%s%s", sql->bytes, world->statements, code == SQLITE_DONE ? "" : ": ",
           code == SQLITE_DONE ? "" : sqlite3_errmsg (node->app));
  }
  sqlite3_finalize (statement);
  mantis_buf_free (sql);
}

static void
add_keys (struct mantis_buf *sql, const struct table *table, const char *compare,
          const struct column **list, int *count)
{
  const char *between = " WHERE ";

  for (const struct column *column = table->columns; column->name; column++)
    if (is_key (table, column)) {
      mantis_buf_printf (sql, "%s%s %s ?", between, column->name, compare);
      list[(*count)++] = column;
      between = " AND ";
    }
}

static void
insert_row (struct node *node, int place)
{
  static const char *const words[] = {"INSERT", "INSERT", "REPLACE", "INSERT OR REPLACE",
                                      "INSERT OR IGNORE"};
  const struct table *table = world->tables[place];
  struct mantis_buf sql = MANTIS_BUF_INIT;
  const struct column *list[12];
  bool upsert = odds (5);
  int count = 0;

  mantis_buf_printf (&sql, "%s INTO %s (", upsert ? "INSERT" : words[chance (COUNT_OF (words))],
                     table->name);
  for (const struct column *column = table->columns; column->name; column++) {
    mantis_buf_printf (&sql, "%s%s", count ? ", " : "", column->name);
    list[count++] = column;
  }
  if (has (WITH_SCHEMA) && has_extra (node->app, table)) {
    mantis_buf_text (&sql, ", extra");
    list[count++] = NULL;
  }
  mantis_buf_text (&sql, ") VALUES (");
  for (int i = 0; i < count; i++)
    mantis_buf_text (&sql, i ? ", ?" : "?");
  mantis_buf_text (&sql, ")");
  if (upsert) {
    const char *between = " ON CONFLICT (";
    for (const struct column *column = table->columns; column->name; column++)
      if (is_key (table, column)) {
        mantis_buf_printf (&sql, "%s%s", between, column->name);
        between = ", ";
      }
    mantis_buf_text (&sql, ") DO UPDATE SET v = excluded.v");
  }
  run_bound (node, &sql, list, count);
}

static void
update_rows (struct node *node, int place)
{
  const struct table *table = world->tables[place];
  const struct column *list[12], *column = some_column (table);
  struct mantis_buf sql = MANTIS_BUF_INIT;
  int count = 0;

  /* Of many rows, each gets a value of its own. */
  mantis_buf_printf (&sql, "UPDATE%s %s SET v = ? || '.' || substr(hex(%s%s%s), 1, 16)",
                     odds (8) ? " OR REPLACE" : "", table->name, table->columns[0].name,
                     is_key (table, &table->columns[1]) ? " || " : "",
                     is_key (table, &table->columns[1]) ? table->columns[1].name : "");
  for (const struct column *c = table->columns; c->name; c++)
    if (c->kind == VERSION)
      list[count++] = c;
  if (column && !odds (4)) {
    mantis_buf_printf (&sql, ", %s = ?", column->name);
    list[count++] = column;
  }
  if (has (WITH_SCHEMA) && has_extra (node->app, table) && odds (2)) {
    mantis_buf_text (&sql, ", extra = ?");
    list[count++] = NULL;
  }
  if (has (WITH_KEYS) && odds (5)) {
    mantis_buf_printf (&sql, ", %s = ?", table->columns[0].name);
    list[count++] = &table->columns[0];
  }
  add_keys (&sql, table, odds (6) ? ">=" : "=", list, &count);
  run_bound (node, &sql, list, count);
}

static void
delete_rows (struct node *node, int place)
{
  struct mantis_buf sql = MANTIS_BUF_INIT;
  const struct column *list[12];
  int count = 0;

  mantis_buf_printf (&sql, "DELETE FROM %s", world->tables[place]->name);
  add_keys (&sql, world->tables[place], odds (8) ? ">" : "=", list, &count);
  run_bound (node, &sql, list, count);
}

/* Two rows exchange what is unique in them. */
static void
swap_codes (struct node *node, const char *table)
{
  uint32_t a = chance (8), b = chance (8);
  const char *letter = strcmp (table, "item") == 0 ? "" : "k";

  world->statements++;
  run_sql (node->app,
           "CREATE TEMP TABLE IF NOT EXISTS swap (a, b); DELETE FROM temp.swap;"
           "INSERT INTO temp.swap SELECT x.code, y.code FROM %s x, %s y WHERE x.id = '%s%u' AND "
           "y.id = '%s%u';"
           "UPDATE %s SET code = 'swap' WHERE id = '%s%u' AND EXISTS (SELECT 1 FROM temp.swap);"
           "UPDATE %s SET v = 'w%d', code = (SELECT a FROM temp.swap) WHERE id = '%s%u' AND EXISTS "
           "(SELECT 1 FROM "
           "temp.swap);"
           "UPDATE %s SET v = 'w%d', code = (SELECT b FROM temp.swap) WHERE id = '%s%u' AND EXISTS "
           "(SELECT 1 FROM "
           "temp.swap)",
           table, table, letter, a, letter, b, table, letter, a, table, world->statements, letter,
           b, table, world->statements, letter, a);
  trace ("    swap %u and %u of %s: w%d", a, b, table, world->statements);
}

/* Money goes from one account of this node to another one of it, in as many statements. */
static void
transfer (struct node *node)
{
  uint32_t from = chance (3), to = chance (3);
  int amount = (int)chance (50);

  world->statements++;
  run_sql (node->app,
           "UPDATE account SET v = 'w%d', balance = balance - %d WHERE id = 'a%d.%u';"
           "UPDATE account SET v = 'w%d', balance = balance + %d WHERE id = 'a%d.%u'",
           world->statements, amount, node->index, from, world->statements, amount, node->index,
           to);
  trace ("    transfer %d from a%d.%u to a%d.%u: w%d", amount, node->index, from, node->index, to,
         world->statements);
}

static void
write_statement (struct node *node)
{
  int place = (int)chance ((uint32_t)world->table_count);
  const struct table *table = world->tables[place];

  if (table->bank)
    transfer (node);
  else if (table->needs == WITH_UNIQUE && odds (6))
    swap_codes (node, table->name);
  else
    switch (chance (8)) {
    case 0:
      delete_rows (node, place);
      break;
    case 1:
    case 2:
    case 3:
      update_rows (node, place);
      break;
    default:
      insert_row (node, place);
    }
}

/* ---- Transactions ---- */

void
end_writing (struct node *node)
{
  struct image after = {0};
  bool undo = odds (10);

  if (!node->writing)
    return;
  node->writing = false;
  image_read (node->app, &after);
  if (!undo && run_sql (node->app, "COMMIT") == SQLITE_OK) {
    note_written (node, &node->before, &after);
    if (node->client && !odds (3))
      client_noticed (node->client);
  } else {
    trace ("    rolled back");
    run_sql (node->app, "ROLLBACK");
  }
  image_free (&after);
  image_free (&node->before);
  if (node->index == 0)
    note_server ();
}

void
write_something (struct node *node)
{
  int count = 1 + (int)chance (odds (4) ? 8 : 2);

  act_as (node);
  if (node->writing) {
    end_writing (node);
    return;
  }
  if (run_sql (node->app, "BEGIN IMMEDIATE") != SQLITE_OK)
    return;
  trace ("  node %d writes", node->index);
  image_read (node->app, &node->before);
  node->writing = true;
  for (int i = 0; i < count; i++)
    write_statement (node);
  if (!world->healed && odds (12))
    return; /* it takes its time: nobody else writes meanwhile */
  end_writing (node);
}
