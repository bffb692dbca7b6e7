/* permit.c - may the caller make these changes?
 *
 * A row that it does not see is as good as not there, and is answered so: who pushes to keys at random learns nothing.
 * (But that a key is taken, who makes a new row of it.)  All is judged by the rows as they were before the batch.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/large.h"
#include "sync/push.h"

#include <string.h>

static void
reject (struct pushed *item, const char *by, const char *reason)
{
  item->outcome = OUTCOME_REJECTED;
  item->decided_by = by;
  item->reason = reason;
  item->conflict = item->quiet = false;
}

/* Nothing of the row, nor whether there is one. */
static void
hide (const struct push *push, struct pushed *item)
{
  item->hidden = true;
  item->current = NULL;
  item->version = (struct mantis_version){.updated_at = push->store->floor_time};
}

/* The row as it would be; NULL: no memory. */
static mantis_row
row_after (const struct push *push, const struct mantis_change *change, mantis_row before)
{
  const struct mantis_table *table = change->table;
  struct mantis_value *after = arena_array (push->arena, table->column_count, sizeof *after);

  if (!after)
    return NULL;
  memcpy (after, change->row, table->column_count * sizeof *after);
  for (size_t i = 0; before && i < table->column_count; i++)
    if (after[i].type == MANTIS_NONE)
      after[i] = before[i];
  return after;
}

/* The first column that the author of ITEM names and does not see; NULL: there is none.  A hook may fill it in. */
static const char *
hidden_column (const struct push *push, const struct filtered *filtered, const struct pushed *item)
{
  const struct mantis_table *table = item->change.table;
  mantis_row sent = push_sent (push, item);

  for (size_t i = 0; filtered->hides && !item->change.deleted && i < table->column_count; i++)
    if (sent[i].type != MANTIS_NONE && !table->columns[i].key_position &&
        filter_hides (filtered, &push->viewer, i))
      return table->columns[i].name;
  return NULL;
}

/* May what is there, BEFORE, become what ITEM says? */
static enum mantis_status
ask_filters (const struct push *push, const struct filtered *filtered, struct pushed *item,
             mantis_row before, struct mantis_error *error)
{
  const struct mantis_change *change = &item->change;
  const char *hidden = hidden_column (push, filtered, item), *by = NULL;
  mantis_row after = change->deleted ? NULL : row_after (push, change, before);
  struct mantis_error reason = {.status = MANTIS_OK};

  if (!change->deleted && !after)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  if (hidden)
    reject (item, "filter",
            mantis_arena_printf (push->arena, "column \"%s\" may not be written", hidden));
  else if (!filter_lets (filtered, &push->viewer, before, after, &by, &reason))
    reject (item, mantis_arena_strdup (push->arena, by ? by : "filter"),
            mantis_arena_strdup (push->arena, reason.text));
  return MANTIS_OK;
}

/* Of a key that somebody else's row had: a deletion of what the caller did not see is none to it, or a new row would
 * lose against it, and be told when that was. */
static enum mantis_status
forget_unseen (const struct push *push, const struct filtered *filtered, struct pushed *item,
               struct mantis_error *error)
{
  const struct store *store = push->store;
  int64_t rev = item->version.rev;
  struct mantis_entry *entries;
  struct mantis_before *before;
  size_t count = 0;
  enum mantis_status status = MANTIS_OK;

  if (!rev ||
      (!push->anonymous && item->version.origin && strcmp (item->version.origin, push->node) == 0))
    return MANTIS_OK;
  status = store->ops->log_recall (store->session, rev - 1, rev, 1, push->arena, &entries, &before,
                                   &count, error);
  if (status == MANTIS_OK &&
      !(count && before[0].row && filter_sees (filtered, &push->viewer, before[0].row))) {
    item->version = (struct mantis_version){.rev = 0};
    item->forgotten = true;
  }
  return status;
}

/* A new row without a time of its own may be an old copy of the very one that was deleted unseen, and would bring it
 * back.  It is refused as if that one were still there. */
static bool
may_be_what_is_gone (const struct pushed *item)
{
  return item->forgotten && item->change.updated_at <= TIME_UNKNOWN;
}

static enum mantis_status
judge (const struct push *push, const struct filtered *filtered, struct pushed *item,
       mantis_row found, struct mantis_error *error)
{
  const struct mantis_change *change = &item->change;
  mantis_row seen =
      found && !row_is_cut (change->table, found) && filter_sees (filtered, &push->viewer, found)
          ? found
          : NULL;

  if (!found && change->deleted && change->created)
    item->outcome = OUTCOME_SAME; /* made and removed before anybody saw it */
  else if (!seen && (found || change->deleted || !change->created))
    reject (item, "filter", NO_SUCH_ROW);
  else if (!seen && forget_unseen (push, filtered, item, error) != MANTIS_OK)
    return error->status;
  else if (may_be_what_is_gone (item))
    reject (item, "filter", NO_SUCH_ROW);
  else
    return ask_filters (push, filtered, item, seen, error);
  hide (push, item);
  return MANTIS_OK;
}

enum mantis_status
push_permit (struct push *push, size_t from, size_t count, struct mantis_error *error)
{
  const struct mantis_table *table = push->items[from].change.table;
  const struct filtered *filtered = viewer_filtered (&push->viewer, table);
  const struct mantis_storage *ops = push->store->ops;
  mantis_row *rows, *found;
  enum mantis_status status;

  if (!filtered)
    return MANTIS_OK;
  rows = arena_array (push->arena, count, sizeof *rows);
  found = arena_array (push->arena, count, sizeof *found);
  if (!rows || !found)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  for (size_t i = 0; i < count; i++)
    rows[i] = push->items[from + i].change.row;
  if (push->row_limit && ops->limit_rows)
    ops->limit_rows (push->store->session, push->row_limit);
  status = ops->read (push->store->session, table, rows, count, push->arena, found, error);
  if (push->row_limit && ops->limit_rows)
    ops->limit_rows (push->store->session, SIZE_MAX);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++)
    status = judge (push, filtered, &push->items[from + i], found[i], error);
  return status;
}

void
push_permit_merged (struct push *push)
{
  for (size_t i = 0; i < push->count; i++) {
    struct pushed *item = &push->items[i];
    const struct filtered *filtered = viewer_filtered (&push->viewer, item->change.table);
    struct mantis_error reason = {.status = MANTIS_OK};
    const char *by = NULL;
    if (filtered && item->outcome == OUTCOME_MERGED &&
        !filter_lets (filtered, &push->viewer, item->current, item->stored.row, &by, &reason))
      reject (item, mantis_arena_strdup (push->arena, by ? by : "filter"),
              mantis_arena_strdup (push->arena, reason.text));
  }
}

enum mantis_status
push_hide (struct push *push, struct mantis_error *error)
{
  lending_renew (push->viewer.lending); /* it may have borrowed rows that were changed */
  for (size_t i = 0; i < push->count; i++) {
    struct pushed *item = &push->items[i];
    const struct filtered *filtered = viewer_filtered (&push->viewer, item->change.table);
    if (!filtered || item->outcome == OUTCOME_APPLIED || item->outcome == OUTCOME_SAME)
      continue;
    if (item->current && !filter_sees (filtered, &push->viewer, item->current))
      hide (push, item);
    if (item->current &&
        !(item->current = filter_blank (filtered, &push->viewer, item->current, push->arena)))
      return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  }
  return MANTIS_OK;
}
