/* stamps.c - who wrote which column of a row when: a row of __sync_stamps for each that was pushed, of tables whose
 * policy compares columns.
 *
 * A row's time tells when it was written last, in whichever column.  To tell which of two values of one column is the
 * later one, whatever came between, each column has a time of its own.  The record goes by the row's time, which no
 * two versions share: after a write by anybody else it counts no more, and all columns are as old as the row.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/push.h"
#include "wire/json.h"
#include "wire/key.h"

#include <mantis/resolver.h>
#include <string.h>

static int
compare (const struct mantis_stamp *a, const struct mantis_stamp *b)
{
  const struct mantis_change left = {.updated_at = a->time, .origin = a->origin},
                             right = {.updated_at = b->time, .origin = b->origin};

  return mantis_change_order (&left, &right);
}

static struct mantis_stamp
later (struct mantis_stamp a, struct mantis_stamp b)
{
  return compare (&a, &b) < 0 ? b : a;
}

static struct mantis_value *
record_key (struct mantis_arena *arena, const struct pushed *item)
{
  const struct mantis_table *table = item->change.table;
  struct mantis_value *row = arena_array (arena, STAMP_COLUMNS, sizeof *row);

  if (row) {
    row[STAMP_TBL] = value_text (table->name);
    row[STAMP_HASH] = value_integer ((int64_t)key_hash (table, item->change.row));
  }
  return row;
}

/* ---- Read ------------------------------------------------------------------------------------ */

/* RECORD over STAMPS, as far as it knows these columns. */
static void
take_record (struct push *push, const struct pushed *item, mantis_row record,
             struct mantis_stamp *stamps)
{
  const struct mantis_table *table = item->change.table;
  const char *text = value_as_text (&record[STAMP_STAMPS]);
  const char *key = key_text (push->arena, table, item->change.row);
  CLEANUP_JSON json_t *json = NULL;

  if (value_as_integer (&record[STAMP_TIME]) != item->version.updated_at || !key ||
      strcmp (key, value_as_text (&record[STAMP_KEY])) != 0)
    return;
  json = json_read (text, strlen (text), NULL);
  for (size_t i = 0; i < table->column_count; i++) {
    const json_t *pair = json_object_get (json, table->columns[i].name);
    const char *origin = json_string_value (json_array_get (pair, 1));
    if (!origin || !(origin = mantis_arena_strdup (push->arena, origin)))
      continue;
    stamps[i].time = json_integer_value (json_array_get (pair, 0));
    stamps[i].origin = origin;
  }
}

static enum mantis_status
read_run (struct push *push, size_t from, size_t count, struct mantis_error *error)
{
  const struct mantis_storage *ops = push->store->ops;
  mantis_row *keys = arena_array (push->arena, count, sizeof *keys);
  mantis_row *found = arena_array (push->arena, count, sizeof *found);
  size_t columns = push->items[from].change.table->column_count;
  enum mantis_status status;

  if (!keys || !found)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  for (size_t i = 0; i < count; i++)
    if (!(keys[i] = record_key (push->arena, &push->items[from + i])))
      return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  status = ops->read (push->store->session, &table_stamps, keys, count, push->arena, found, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    struct pushed *item = &push->items[from + i];
    struct mantis_stamp *stamps = arena_array (push->arena, columns, sizeof *stamps);
    if (!stamps)
      return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
    for (size_t c = 0; c < columns; c++)
      stamps[c] =
          (struct mantis_stamp){item->version.updated_at,
                                item->version.origin ? item->version.origin : push->store->node};
    if (found[i])
      take_record (push, item, found[i], stamps);
    item->stamps = stamps;
  }
  return status;
}

enum mantis_status
push_read_stamps (struct push *push, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t from = 0, to; from < push->count && status == MANTIS_OK; from = to) {
    const struct mantis_table *table = push->items[from].change.table;
    for (to = from; to < push->count && push->items[to].change.table == table; to++)
      ;
    if (push_wants (push, table) & MANTIS_WANTS_STAMPS)
      status = read_run (push, from, to - from, error);
  }
  return status;
}

/* ---- Write ----------------------------------------------------------------------------------- */

/* Column I of the row as it stands now. */
static struct mantis_stamp
stamp_now (const struct push *push, const struct pushed *item, size_t i)
{
  const struct mantis_change *change = &item->change;
  struct mantis_stamp ours = item->stamps[i], theirs = {change->updated_at, push->node};

  if (change->row[i].type == MANTIS_NONE || (change->was && change->was[i].type == MANTIS_NONE))
    /* not of this change; of a row that it brings back, nobody's since */
    return item->conflict && !item->current ? (struct mantis_stamp){.origin = ""} : ours;
  if (item->outcome == OUTCOME_SAME || item->outcome == OUTCOME_SUPERSEDED)
    return mantis_value_equal (&item->current[i], &change->row[i]) ? later (ours, theirs) : ours;
  if (!item->conflict) { /* made on what it replaces: later, whatever the clock says */
    if (theirs.time <= ours.time)
      theirs.time = ours.time + 1;
    return theirs;
  }
  if (item->current && mantis_value_equal (&item->current[i], &item->stored.row[i]) &&
      !mantis_value_equal (&change->row[i], &item->stored.row[i]))
    return ours;
  if (mantis_value_equal (&change->row[i], &item->stored.row[i]) &&
      !(item->current && mantis_value_equal (&item->current[i], &item->stored.row[i])))
    return theirs;
  return later (ours, theirs);
}

/* The stamps of ITEM by column, in the push's arena: as they were, or as they are NOW. */
static const char *
stamps_text (const struct push *push, const struct pushed *item, bool now)
{
  const struct mantis_table *table = item->change.table;
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;
  const char *comma = "{";

  for (size_t i = 0; i < table->column_count; i++) {
    struct mantis_stamp stamp;
    if (table->columns[i].key_position || table->columns[i].generated)
      continue;
    stamp = now ? stamp_now (push, item, i) : item->stamps[i];
    mantis_buf_text (&buf, comma);
    mantis_buf_json (&buf, table->columns[i].name, strlen (table->columns[i].name));
    mantis_buf_printf (&buf, ":[%lld,", (long long)stamp.time);
    mantis_buf_json (&buf, stamp.origin ? stamp.origin : "",
                     stamp.origin ? strlen (stamp.origin) : 0);
    mantis_buf_char (&buf, ']');
    comma = ",";
  }
  mantis_buf_text (&buf, *comma == '{' ? "{}" : "}");
  return buf.failed ? NULL : mantis_arena_strdup (push->arena, buf.bytes);
}

const char *
push_stamps_text (const struct push *push, const struct pushed *item)
{
  return item->stamps ? stamps_text (push, item, false) : NULL;
}

static enum mantis_status
make_record (const struct push *push, const struct pushed *item, struct mantis_value *record,
             struct mantis_error *error)
{
  const struct mantis_table *table = item->change.table;
  bool stored = item->outcome == OUTCOME_APPLIED || item->outcome == OUTCOME_MERGED;
  const char *text = stamps_text (push, item, true);

  record[STAMP_KEY] = value_text (key_text (push->arena, table, item->change.row));
  record[STAMP_TIME] = value_integer (stored ? item->stored.updated_at : item->version.updated_at);
  record[STAMP_STAMPS] = value_text (text);
  return text ? MANTIS_OK : mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
}

/* Has the row of ITEM other stamps now? */
static bool
is_stamped (const struct pushed *item)
{
  return item->stamps && (item->outcome == OUTCOME_APPLIED || item->outcome == OUTCOME_MERGED ||
                          (item->current && !item->change.deleted &&
                           (item->outcome == OUTCOME_SAME || item->outcome == OUTCOME_SUPERSEDED)));
}

enum mantis_status
push_write_stamps (struct push *push, struct mantis_error *error)
{
  const struct mantis_change **changes = arena_array (push->arena, push->count, sizeof *changes);
  enum mantis_status status = MANTIS_OK;
  size_t count = 0, done;

  if (!changes)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  for (size_t i = 0; i < push->count && status == MANTIS_OK; i++) {
    struct pushed *item = &push->items[i];
    struct mantis_change *change;
    struct mantis_value *record;
    if (!is_stamped (item))
      continue;
    change = mantis_arena_alloc (push->arena, sizeof *change);
    if (!change || !(record = record_key (push->arena, item)))
      return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
    *change = (struct mantis_change){
        .table = &table_stamps, .row = record, .deleted = item->stored.deleted || item->altered};
    if (!change->deleted)
      status = make_record (push, item, record, error);
    changes[count++] = change;
  }
  if (status == MANTIS_OK && count)
    status =
        push->store->ops->apply (push->store->session, &table_stamps, changes, count, &done, error);
  return status;
}
