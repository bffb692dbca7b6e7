/* apply.c - make many rows as changes say; one bad row blocks nobody.
 *
 * The order: on a server rows come parents first and deletions after them, children first; foreign keys are
 * looked at when all stands.  On a client, where no foreign key acts, deletions come first: they make room
 * for unique values.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/apply.h"
#include "base/base.h"
#include "base/fault.h"
#include "sync/needs.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 64 };

struct work {
  struct store *store;
  struct apply_item **items;            /* in the order of application */
  struct apply_item **some;             /* scratch */
  const struct mantis_change **changes; /* scratch */
  size_t count;
  struct mantis_arena *arena;
  /* what breaks a foreign key, even one that may wait for the commit, is refused by itself */
  bool at_once;
};

static size_t
table_place (const struct store *store, const struct mantis_table *table)
{
  for (size_t i = 0; i < store->schema->count; i++)
    if (store->schema->tables[i].table == table)
      return i;
  return store->schema->count;
}

struct place {
  struct apply_item *item;
  size_t order, index;
};

static int
compare_places (const void *a, const void *b)
{
  const struct place *left = a, *right = b;

  if (left->order != right->order)
    return left->order < right->order ? -1 : 1;
  return left->index < right->index ? -1 : left->index > right->index;
}

/* Rows and deletions, each in the order of tables that suits them; what is refused already stays out. */
static bool
put_in_order (struct work *work, struct apply_item *items, size_t count)
{
  struct place *places = arena_array (work->arena, count, sizeof *places);
  size_t tables = work->store->schema->count + 1, last_order = 0, last_index = 0;
  const struct mantis_table *last = NULL;

  work->items = arena_array (work->arena, count, sizeof (void *));
  work->some = arena_array (work->arena, count, sizeof (void *));
  work->changes = arena_array (work->arena, count, sizeof (void *));
  if (!places || !work->items || !work->some || !work->changes)
    return false;
  for (size_t i = 0; i < count; i++) {
    const struct mantis_change *change = items[i].change;
    if (items[i].refusal || items[i].done)
      continue;
    if (change->table != last)
      last_order = table_place (work->store, last = change->table);
    places[work->count].item = &items[i];
    places[work->count].index = last_index++;
    if (!change->deleted)
      places[work->count].order = tables + last_order;
    else if (work->store->role == MANTIS_SERVER)
      places[work->count].order = 3 * tables - last_order;
    else
      places[work->count].order = last_order;
    work->count++;
  }
  qsort (places, work->count, sizeof *places, compare_places);
  for (size_t i = 0; i < work->count; i++)
    work->items[i] = places[i].item;
  return true;
}

/* All at once.  MANTIS_REFUSED: one was not taken, or they cannot stand together. */
static enum mantis_status
apply_all (struct work *work, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  struct store *store = work->store;

  for (size_t from = 0, to, done; from < work->count && status == MANTIS_OK; from = to) {
    const struct mantis_table *table = work->items[from]->change->table;
    for (to = from; to < work->count && work->items[to]->change->table == table; to++)
      work->changes[to] = work->items[to]->change;
    status =
        store->ops->apply (store->session, table, work->changes + from, to - from, &done, error);
    FAULT_POINT ("apply");
  }
  return status == MANTIS_OK ? store->ops->check (store->session, error) : status;
}

/* Leave the savepoint as if nothing had been tried; ERROR goes on saying why. */
static enum mantis_status
undo (struct store *store, struct mantis_error *error)
{
  struct mantis_error refusal = *error;
  enum mantis_status status = store->ops->rollback_to (store->session, error);

  if (status == MANTIS_OK)
    status = store->ops->release (store->session, error);
  if (status == MANTIS_OK)
    *error = refusal;
  return status;
}

/* MANTIS_REFUSED: as if it had not been tried. */
static enum mantis_status
apply_checked (struct store *store, const struct mantis_change *change, struct mantis_error *error)
{
  enum mantis_status status = store->ops->savepoint (store->session, error);
  size_t done;

  if (status != MANTIS_OK)
    return status;
  status = store->ops->apply (store->session, change->table, &change, 1, &done, error);
  if (status == MANTIS_OK)
    status = store->ops->check (store->session, error);
  if (status == MANTIS_REFUSED)
    return (status = undo (store, error)) == MANTIS_OK ? MANTIS_REFUSED : status;
  return status == MANTIS_OK ? store->ops->release (store->session, error) : status;
}

static enum mantis_status
apply_item (struct work *work, struct apply_item *item, struct mantis_error *error)
{
  struct store *store = work->store;
  enum mantis_status status;
  size_t done;

  if (work->at_once)
    status = apply_checked (store, item->change, error);
  else
    status =
        store->ops->apply (store->session, item->change->table, &item->change, 1, &done, error);
  if (status == MANTIS_OK) {
    item->done = true;
    item->refusal = NULL;
  } else if (status == MANTIS_REFUSED) {
    if (!item->refusal || strcmp (item->refusal, error->text) != 0)
      item->refusal = mantis_arena_strdup (work->arena, error->text);
    if (!item->refusal)
      return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
    return MANTIS_OK;
  }
  return status;
}

/* One by one, again and again while more get through; to and fro, so that a long chain of rows that stand
 * in the wrong order takes two rounds. */
static enum mantis_status
apply_rounds (struct work *work, struct mantis_error *error)
{
  bool progress = true;

  for (int round = 0; progress && round < MAX_ROUNDS; round++) {
    progress = false;
    for (size_t i = 0; i < work->count; i++) {
      struct apply_item *item = work->items[round % 2 ? work->count - 1 - i : i];
      enum mantis_status status;
      if (item->done)
        continue;
      if ((status = apply_item (work, item, error)) != MANTIS_OK)
        return status;
      progress |= item->done && round > 0;
      progress |= !item->done && round == 0;
    }
  }
  return MANTIS_OK;
}

/* Park the COUNT items of work->some and apply them.  MANTIS_REFUSED: nothing was done; those that are not to
 * blame are the *LEFT first ones now. */
static enum mantis_status
apply_parked (struct work *work, size_t count, size_t *left, struct mantis_error *error)
{
  struct store *store = work->store;
  const struct mantis_table *table = work->some[0]->change->table;
  enum mantis_status status = store->ops->savepoint (store->session, error);

  *left = 0;
  for (size_t i = 0; i < count; i++)
    work->changes[i] = work->some[i]->change;
  if (status == MANTIS_OK)
    status = store->ops->park (store->session, table, work->changes, count, error);
  for (size_t i = 0, done; i < count && (status == MANTIS_OK || status == MANTIS_REFUSED);
       i += done + 1) {
    status = store->ops->apply (store->session, table, work->changes + i, count - i, &done, error);
    for (size_t taken = 0; taken < done; taken++)
      work->some[(*left)++] = work->some[i + taken];
  }
  if (status == MANTIS_OK && *left < count)
    status = MANTIS_REFUSED;
  if (status == MANTIS_OK && work->at_once)
    status = store->ops->check (store->session, error);
  if (status == MANTIS_REFUSED)
    return (status = undo (store, error)) == MANTIS_OK ? MANTIS_REFUSED : status;
  return status == MANTIS_OK ? store->ops->release (store->session, error) : status;
}

/* What is left of TABLE gives up its unique values first, for those that swap them.  Those that even so are
 * refused are left out, and the others tried again. */
static enum mantis_status
try_parked (struct work *work, const struct mantis_table *table, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_REFUSED;
  size_t count = 0, left = 0;

  for (size_t i = 0; i < work->count && table->unique_count; i++)
    if (!work->items[i]->done && !work->items[i]->change->deleted &&
        work->items[i]->change->table == table)
      work->some[left++] = work->items[i];
  for (int round = 0; status == MANTIS_REFUSED && left > 1 && left != count && round < MAX_ROUNDS;
       round++) {
    count = left; /* as many as before: each is taken, but not all of them together */
    status = apply_parked (work, count, &left, error);
  }
  for (size_t i = 0; i < left && status == MANTIS_OK; i++) {
    work->some[i]->done = true;
    work->some[i]->refusal = NULL;
  }
  return status == MANTIS_REFUSED ? MANTIS_OK : status;
}

/* The first COUNT of work->some at once, with foreign keys looked at in the end. */
static enum mantis_status
apply_together (struct work *work, size_t count, struct mantis_error *error)
{
  struct store *store = work->store;
  struct work some = {
      .store = store, .items = work->some, .changes = work->changes, .count = count};
  enum mantis_status status = store->ops->savepoint (store->session, error);

  if (status == MANTIS_OK)
    status = apply_all (&some, error);
  if (status == MANTIS_REFUSED)
    return undo (store, error);
  if (status == MANTIS_OK)
    status = store->ops->release (store->session, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    work->some[i]->done = true;
    work->some[i]->refusal = NULL;
  }
  return status;
}

/* Rows that need each other (circles of foreign keys), each with all that it needs and no others. */
static enum mantis_status
try_circles (struct work *work, struct apply_item **left, size_t count, struct mantis_error *error)
{
  bool *seen = arena_array (work->arena, count, sizeof *seen);
  uint32_t *places = arena_array (work->arena, count, sizeof *places);
  struct needs needs;
  enum mantis_status status = needs_find (left, count, work->arena, &needs, error);

  if (status == MANTIS_OK && (!seen || !places))
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    size_t some = 0;
    if (!left[i]->done && !left[i]->change->deleted && !needs.hopeless[i])
      some = needs_all_of (&needs, i, seen, places);
    for (size_t n = 0; n < some; n++)
      work->some[n] = left[places[n]];
    if (some > 1)
      status = apply_together (work, some, error);
    needs.hopeless[i] |= !left[i]->done;
  }
  return status;
}

/* What is left may only stand together. */
static enum mantis_status
try_together (struct work *work, struct mantis_error *error)
{
  struct store *store = work->store;
  struct apply_item **left = arena_array (work->arena, work->count, sizeof (void *));
  size_t count = 0, deletions = 0;
  enum mantis_status status;

  if (!left)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  for (size_t i = 0; i < work->count; i++)
    if (!work->items[i]->done)
      left[count++] = work->items[i];
  if (count < 2)
    return MANTIS_OK;
  if ((status = store->ops->defer (store->session, true, error)) == MANTIS_OK)
    status = try_circles (work, left, count, error);
  for (size_t i = 0; i < count; i++)
    if (!left[i]->done && left[i]->change->deleted)
      work->some[deletions++] = left[i];
  if (status == MANTIS_OK && deletions > 1)
    status = apply_together (work, deletions, error);
  return status;
}

static enum mantis_status
apply_singly (struct work *work, bool at_once, struct mantis_error *error)
{
  struct store *store = work->store;
  enum mantis_status status = store->ops->defer (store->session, !at_once, error);
  const struct mantis_table *table = NULL;

  work->at_once = at_once;
  if (status == MANTIS_OK)
    status = apply_rounds (work, error);
  for (size_t i = 0; i < work->count && status == MANTIS_OK; i++)
    if (!work->items[i]->done && work->items[i]->change->table != table)
      status = try_parked (work, table = work->items[i]->change->table, error);
  if (status == MANTIS_OK && at_once)
    status = try_together (work, error);
  return status;
}

/* One of them is refused: find out which.  Where those that are taken break a foreign key as a whole, each
 * is checked at once. */
static enum mantis_status
apply_with_refusals (struct work *work, struct mantis_error *error)
{
  struct store *store = work->store;
  size_t count = work->count;
  enum mantis_status status = apply_singly (work, false, error);

  if (status != MANTIS_OK)
    return status;
  if ((status = store->ops->check (store->session, error)) != MANTIS_REFUSED)
    return status;
  if ((status = store->ops->rollback_to (store->session, error)) != MANTIS_OK)
    return status;
  for (size_t i = 0; i < count; i++)
    work->items[i]->done = false;
  status = apply_singly (work, true, error);
  if (status == MANTIS_OK)
    status = store->ops->defer (store->session, true, error);
  return status;
}

static void
report_applied (const struct work *work)
{
  for (size_t i = 0; work->store->reports && i < work->count; i++)
    if (work->items[i]->done)
      report_rows (work->store->reports, MANTIS_REPORT_APPLIED, work->items[i]->change->table, 1,
                   NULL);
}

enum mantis_status
apply_changes (struct store *store, enum apply_mode mode, struct apply_item *items, size_t count,
               struct mantis_arena *arena, struct mantis_error *error)
{
  struct work work = {.store = store, .arena = arena};
  bool each = mode == APPLY_EACH;
  enum mantis_status status = MANTIS_OK;

  if (!put_in_order (&work, items, count))
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  if (work.count == 0)
    return MANTIS_OK;
  if (each && (status = store->ops->savepoint (store->session, error)) != MANTIS_OK)
    return status;
  status = apply_all (&work, error);
  if (status == MANTIS_OK)
    for (size_t i = 0; i < work.count; i++)
      work.items[i]->done = true;
  else if (each && status == MANTIS_REFUSED &&
           (status = store->ops->rollback_to (store->session, error)) == MANTIS_OK)
    status = apply_with_refusals (&work, error);
  if (status == MANTIS_OK && each)
    status = store->ops->release (store->session, error);
  if (status == MANTIS_OK)
    report_applied (&work);
  return status;
}
