/* lend.c - rows of other tables that filters borrow, read in the transaction that asks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/filter.h"
#include "wire/key.h"

#include <string.h>

enum { MOST_LENT = 50000 /* rows that are kept at hand */ };

struct lent {
  struct lent *next; /* with the same hash */
  const struct mantis_table *table;
  mantis_row key, row; /* ROW is NULL where there is none */
};

static const struct mantis_table *
lend_table (const struct mantis_lender *lender, const char *name)
{
  const struct lending *lending = (const struct lending *)lender;
  const struct mantis_attached *attached;

  for (const char **use = lending->borrower ? lending->borrower->uses : NULL; use && *use; use++)
    if (strcmp (*use, name) == 0) {
      attached = store_table (lending->store, name);
      return attached && !attached->table->refusal ? attached->table : NULL;
    }
  return NULL;
}

/* The key's values, whose bytes may go with the caller. */
static mantis_row
copy_key (const struct mantis_table *table, mantis_row key, struct mantis_arena *arena)
{
  struct mantis_value *copy = arena_array (arena, table->column_count, sizeof *copy);

  for (size_t i = 0; copy && i < table->key_count; i++) {
    struct mantis_value *value = &copy[table->key[i]];
    *value = key[table->key[i]];
    if ((value->type == MANTIS_TEXT || value->type == MANTIS_BLOB) &&
        !(value->as.bytes = mantis_arena_copy (arena, value->as.bytes, value->length)))
      return NULL;
  }
  return copy;
}

static struct lent *
read_lent (struct lending *lending, const struct mantis_table *table, mantis_row key,
           struct mantis_error *error)
{
  struct store *store = lending->store;
  struct lent *lent = mantis_arena_alloc (lending->arena, sizeof *lent);
  mantis_row copy = lent ? copy_key (table, key, lending->arena) : NULL;

  if (!copy) {
    mantis_fail (error, MANTIS_FULL, "no memory for the rows that a filter borrows");
    return NULL;
  }
  *lent = (struct lent){.table = table, .key = copy};
  return store->ops->read (store->session, table, &copy, 1, lending->arena, &lent->row, error) ==
                 MANTIS_OK
             ? lent
             : NULL;
}

static enum mantis_status
lend_row (const struct mantis_lender *lender, const struct mantis_table *table, mantis_row key,
          mantis_row *row, struct mantis_error *error)
{
  struct lending *lending = (struct lending *)(uintptr_t)lender;
  uint64_t hash = key_hash (table, key);
  int64_t *place;
  struct lent *lent;

  *row = NULL;
  if (lend_table (lender, table->name) != table)
    return mantis_fail (error, MANTIS_DENIED, "table \"%s\" is not among those that are used",
                        table->name);
  if (!lending->arena || lending->rows.count > MOST_LENT)
    lending_renew (lending);
  if (!lending->arena || !(place = map_at (&lending->rows, hash, true)))
    return mantis_fail (error, MANTIS_FULL, "no memory for the rows that a filter borrows");
  for (lent = (struct lent *)(intptr_t)*place; lent; lent = lent->next)
    if (lent->table == table && key_equal (table, lent->key, key))
      break;
  if (!lent) {
    if (!(lent = read_lent (lending, table, key, error)))
      return error ? error->status : MANTIS_FAILED;
    lent->next = (struct lent *)(intptr_t)*place;
    *place = (intptr_t)lent;
  }
  *row = lent->row;
  return MANTIS_OK;
}

void
lending_begin (struct lending *lending, struct store *store)
{
  *lending = (struct lending){
      .lender = {.size = sizeof lending->lender, .row = lend_row, .table = lend_table},
      .store = store};
}

void
lending_renew (struct lending *lending)
{
  map_free (&lending->rows);
  if (lending->arena)
    mantis_arena_reset (lending->arena);
  else
    lending->arena = mantis_arena_new (0);
}

void
lending_end (struct lending *lending)
{
  map_free (&lending->rows);
  mantis_arena_free (lending->arena);
  lending->arena = NULL;
}
