/* detect.c - was each change made on the row's current version?
 *
 * A change fast-forwards when its author had the row's current version: it is not newer than the base, or
 * it is the one seen besides, or it was stored verbatim from the same node.  Otherwise there is a conflict,
 * unless both states are equal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "base/map.h"
#include "sync/large.h"
#include "sync/prune.h"
#include "sync/push.h"
#include "wire/key.h"

#include <mantis/resolver.h>
#include <string.h>

bool
rows_agree (const struct mantis_table *table, mantis_row wanted, mantis_row held)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (wanted[i].type != MANTIS_NONE && !mantis_value_equal (&wanted[i], &held[i]))
      return false;
  return true;
}

/* The items of one table from FROM on: how many? */
static size_t
run_length (const struct push *push, size_t from)
{
  const struct mantis_table *table = push->items[from].change.table;
  size_t count = 0;

  while (from + count < push->count && push->items[from + count].change.table == table)
    count++;
  return count;
}

static bool
fast_forwards (const struct push *push, const struct pushed *item)
{
  const struct mantis_version *version = &item->version;

  if (version->rev == 0)
    return item->change.base >= push->store->floor &&
           (item->change.created || item->change.base >= push->pruned);
  if (version->rev <= item->change.base || version->rev == item->change.seen)
    return true;
  return !push->anonymous && version->origin && strcmp (version->origin, push->node) == 0;
}

/* The newest revision at which rows of TABLE may have been written unseen since they got theirs; 0: none. */
static enum mantis_status
unwatched_until (const struct push *push, const struct mantis_table *table, int64_t *until,
                 struct mantis_error *error)
{
  struct mantis_value key[STATE_COLUMNS] = {
      [STATE_REMOTE] = value_text (""), [STATE_TBL] = value_text (table->name)};
  struct store *store = push->store;
  mantis_row row = NULL;
  enum mantis_status status = MANTIS_OK;

  if (store->unwatched.begins != store->begins || store->unwatched.table != table) {
    status = store_get (store, &table_state, key, push->arena, &row, error);
    store->unwatched.begins = status == MANTIS_OK ? store->begins : 0;
    store->unwatched.table = table;
    store->unwatched.until = row ? value_as_integer (&row[STATE_REV]) : 0;
  }
  *until = store->unwatched.until;
  return status;
}

/* The row was looked at: what does that make of the change? */
static void
compare (const struct push *push, struct pushed *item)
{
  const struct mantis_change *change = &item->change;
  bool gone = !item->current;

  /* Where amounts are added, two that changed one in the same way are two. */
  bool counts = !change->deleted && change->was && item->version.rev != 0 &&
                push_wants (push, change->table) & MANTIS_WANTS_BASE;

  if (change->deleted
          ? gone
          : !gone && !counts && rows_agree (change->table, change->row, item->current)) {
    item->outcome = OUTCOME_SAME;
    return;
  }
  if (item->unwatched) { /* it wins, and the row as it was is kept: guarantee 6 */
    item->reason = "the table's triggers were lost: this may have been written unseen";
    item->decided_by = "mantis";
    return;
  }
  /* Where nothing is remembered of the key: a row that is there is as it was before our memory begins; a new
   * row meets nobody; one that is not new and is gone was deleted before: edit against delete. */
  item->conflict =
      item->version.rev != 0 || (gone ? !change->created : change->base < push->store->floor);
}

/* Look at the rows of the COUNT items from FROM on that did not fast-forward. */
static enum mantis_status
look (struct push *push, size_t from, size_t count, const bool *unclear, struct mantis_error *error)
{
  const struct mantis_table *table = push->items[from].change.table;
  mantis_row *rows = arena_array (push->arena, count, sizeof *rows);
  mantis_row *found = arena_array (push->arena, count, sizeof *found);
  const struct mantis_storage *ops = push->store->ops;
  enum mantis_status status;
  size_t wanted = 0, at = 0;

  if (!rows || !found)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  for (size_t i = 0; i < count; i++)
    if (unclear[i])
      rows[wanted++] = push->items[from + i].change.row;
  if (wanted == 0)
    return MANTIS_OK;
  if (push->row_limit && ops->limit_rows)
    ops->limit_rows (push->store->session, push->row_limit);
  status = ops->read (push->store->session, table, rows, wanted, push->arena, found, error);
  if (push->row_limit && ops->limit_rows)
    ops->limit_rows (push->store->session, SIZE_MAX);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++)
    if (unclear[i]) {
      struct pushed *item = &push->items[from + i];
      item->current = found[at++];
      if (item->current && row_is_cut (table, item->current)) {
        item->outcome = OUTCOME_RETRY;
        item->reason = "the server's row is too large for a message";
      } else
        compare (push, item);
    }
  return status;
}

/* A later write has a later time, whatever the clocks say (guarantee 8). */
static void
give_time (const struct push *push, struct pushed *item)
{
  struct mantis_change *change = &item->change;

  if (change->updated_at > push->now)
    change->updated_at = push->now;
  /* What nobody touched since the floor has its time; a row that never was has none; one whose deletion is
   * forgotten had gone by then. */
  if (item->version.rev == 0 && (item->current || !change->created))
    item->version.updated_at = item->current ? push->store->floor_time : push->pruned_time;
  item->stored = *change;
  item->stored.origin = push->node;
  if (item->stored.updated_at <= item->version.updated_at)
    item->stored.updated_at = item->version.updated_at + 1;
}

static enum mantis_status
detect_run (struct push *push, size_t from, size_t *count, struct mantis_error *error)
{
  size_t length = *count = run_length (push, from);
  mantis_row *rows = arena_array (push->arena, length, sizeof *rows);
  bool *unclear = arena_array (push->arena, length, sizeof *unclear);
  struct mantis_version *versions = arena_array (push->arena, length, sizeof *versions);
  const struct mantis_table *table = push->items[from].change.table;
  /* Who has compared the table since may know it as of that revision. */
  int64_t until, behind = push->generation < push->store->generation;
  enum mantis_status status;

  if (!rows || !unclear || !versions)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  for (size_t i = 0; i < length; i++)
    rows[i] = push->items[from + i].change.row;
  status = push->store->ops->versions (push->store->session, table, rows, *count, push->arena,
                                       versions, error);
  if (status == MANTIS_OK)
    status = unwatched_until (push, table, &until, error);
  for (size_t i = 0; i < *count && status == MANTIS_OK; i++)
    push->items[from + i].version = versions[i];
  if (status == MANTIS_OK)
    status = push_permit (push, from, *count, error);
  for (size_t i = 0; i < *count && status == MANTIS_OK; i++) {
    struct pushed *item = &push->items[from + i];
    if (item->outcome == OUTCOME_REJECTED)
      continue;
    unclear[i] = !fast_forwards (push, item);
    item->unwatched =
        !unclear[i] && item->change.base < until + behind && item->version.rev <= until;
    unclear[i] |= item->unwatched;
  }
  if (status == MANTIS_OK)
    status = look (push, from, *count, unclear, error);
  for (size_t i = 0; i < *count && status == MANTIS_OK; i++)
    give_time (push, &push->items[from + i]);
  return status;
}

/* A changeset says once what becomes of a row: of two sayings, the order would decide. */
static enum mantis_status
refuse_twins (const struct push *push, struct mantis_error *error)
{
  struct map places = {0}; /* key hash -> place in items, plus 1 */
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < push->count && status == MANTIS_OK; i++) {
    const struct mantis_change *change = &push->items[i].change, *twin;
    int64_t *place = map_at (&places, key_hash (change->table, change->row), true);
    if (!place) {
      status = mantis_fail (error, MANTIS_FULL, "no memory for the batch");
      break;
    }
    twin = *place ? &push->items[*place - 1].change : NULL;
    *place = (int64_t)i + 1;
    if (twin && twin->table == change->table && key_equal (change->table, twin->row, change->row))
      status = mantis_fail (
          error, MANTIS_INVALID, "table \"%s\": two changes of the row with the key %.200s",
          change->table->name, key_text (push->arena, change->table, change->row));
  }
  map_free (&places);
  return status;
}

enum mantis_status
push_detect (struct push *push, struct mantis_error *error)
{
  enum mantis_status status = refuse_twins (push, error);

  if (status == MANTIS_OK)
    status = prune_floor (push->store, &push->pruned, &push->pruned_time, error);
  for (size_t from = 0, count = 0; from < push->count && status == MANTIS_OK; from += count)
    status = detect_run (push, from, &count, error);
  return status;
}
