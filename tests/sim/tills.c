/* tills.c - tills that sell from one stock: amounts are added up (policy "version"), and each sale counts once, whatever
 * was lost, late, repeated or killed between.
 *
 * The table is none of tables[]: what becomes of a row there is told by its version, here by sums.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sim.h"

enum { FIRST_PIECES = 1000, STOCK_ROWS = 3 };

void
tills_make (struct node *node)
{
  if (!has (WITH_TILLS))
    return;
  run_sql (node->app, "CREATE TABLE stock (id INTEGER PRIMARY KEY, qty INTEGER, price REAL, hi "
                      "INTEGER, note TEXT)");
  for (int i = 0; i < STOCK_ROWS; i++)
    run_sql (node->app, "INSERT INTO stock VALUES (%d, %d, %d.0, 0, '')", i, FIRST_PIECES,
             FIRST_PIECES);
}

struct stock {
  int64_t qty, hi;
  double price;
};

/* False: NODE has no such row. */
static bool
read_stock (struct node *node, int id, struct stock *stock)
{
  sqlite3_stmt *statement = NULL;
  bool found;

  sqlite3_prepare_v2 (node->app, "SELECT qty, hi, price FROM stock WHERE id = ?1", -1, &statement,
                      NULL);
  sqlite3_bind_int (statement, 1, id);
  found = statement && sqlite3_step (statement) == SQLITE_ROW;
  if (found)
    *stock = (struct stock){.qty = sqlite3_column_int64 (statement, 0),
                            .hi = sqlite3_column_int64 (statement, 1),
                            .price = sqlite3_column_double (statement, 2)};
  sqlite3_finalize (statement);
  return found;
}

void
tills_sell (struct node *node)
{
  int id = (int)chance (STOCK_ROWS), pieces = 1 + (int)chance (3);
  struct stock before, after;

  if (!has (WITH_TILLS) || node->writing || disk_broken ())
    return;
  act_as (node);
  if (!read_stock (node, id, &before))
    return;
  switch (chance (4)) {
  case 0:
    run_sql (node->app, "UPDATE stock SET hi = max(hi, %d) WHERE id = %d", ++world->statements, id);
    break;
  case 1:
    run_sql (node->app, "UPDATE stock SET note = 'w%d' WHERE id = %d", ++world->statements, id);
    break;
  default:
    run_sql (node->app,
             "UPDATE stock SET qty = qty - %d, price = round(price - %d * 0.1, 1) WHERE id = %d",
             pieces, pieces, id);
  }
  if (!read_stock (node, id, &after))
    return;
  world->sold[id] += before.qty - after.qty;
  if (after.hi > world->highest[id])
    world->highest[id] = after.hi;
  trace ("  node %d sells of %d: %lld -> %lld", node->index, id, (long long)before.qty,
         (long long)after.qty);
}

void
tills_judge (struct node *node)
{
  for (int id = 0; id < STOCK_ROWS && has (WITH_TILLS) && !failed (); id++) {
    struct stock stock;
    int64_t left = FIRST_PIECES - world->sold[id];
    if (!read_stock (node, id, &stock))
      fail ("node %d: there is no stock %d", node->index, id);
    else if (stock.qty != left || stock.hi != world->highest[id])
      fail ("node %d: stock %d has %lld pieces and %lld instead of %lld and %lld", node->index, id,
            (long long)stock.qty, (long long)stock.hi, (long long)left,
            (long long)world->highest[id]);
    else if (stock.price != (double)(10 * FIRST_PIECES - world->sold[id]) / 10)
      fail ("node %d: stock %d: %.17g is not as many as were sold", node->index, id, stock.price);
  }
}
