/* record.c - outcomes: what is applied, what the database made of it, what lost and is kept, the answer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/apply.h"
#include "sync/conflict.h"
#include "sync/push.h"
#include "wire/key.h"
#include "wire/json.h"

#include <string.h>

static const char *const outcome_names[OUTCOME_COUNT] = {
    "applied", "same", "merged", "superseded", "deferred", "rejected", "retry"};

const char *
outcome_name (enum outcome outcome)
{
  return outcome_names[outcome];
}

enum outcome
outcome_from (const char *name)
{
  for (int i = 0; i < OUTCOME_COUNT; i++)
    if (strcmp (outcome_names[i], name) == 0)
      return (enum outcome)i;
  return OUTCOME_COUNT;
}

static bool
stands (const struct pushed *item)
{
  return item->outcome == OUTCOME_APPLIED || item->outcome == OUTCOME_MERGED;
}

/* ---- Apply ----------------------------------------------------------------------------------- */

/* Items of one table that the database may have altered on the way in: read them again. */
static enum mantis_status
find_altered (struct push *push, size_t from, size_t count, struct mantis_error *error)
{
  const struct mantis_table *table = push->items[from].change.table;
  const struct mantis_storage *ops = push->store->ops;
  mantis_row *rows = arena_array (push->arena, count, sizeof *rows);
  mantis_row *found = arena_array (push->arena, count, sizeof *found);
  enum mantis_status status;
  size_t asked = 0, altered = 0;

  if (!rows || !found)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  for (size_t i = from; i < from + count; i++)
    if (stands (&push->items[i]))
      rows[asked++] = push->items[i].stored.row;
  if (asked == 0)
    return MANTIS_OK;
  status = ops->read (push->store->session, table, rows, asked, push->arena, found, error);
  if (status != MANTIS_OK)
    return status;
  for (size_t i = from, at = 0; i < from + count; i++) {
    struct pushed *item = &push->items[i];
    if (!stands (item))
      continue;
    if (!item->stored.deleted &&
        !found[at]) { /* e.g. by a cascade of another deletion in this changeset */
      item->outcome = OUTCOME_REJECTED;
      item->reason =
          "the server's database removed the row again (a foreign key's action or a trigger)";
      item->decided_by = "database";
      item->quiet = false;
    } else if (item->stored.deleted ? found[at] != NULL
                                    : !rows_agree (table, item->stored.row, found[at])) {
      item->altered = item->outcome == OUTCOME_APPLIED;
      item->outcome = OUTCOME_MERGED;
      item->reason = "the server's database altered the row";
      if (found[at])
        item->stored.row = found[at];
      item->stored.deleted = !found[at];
      rows[altered++] = item->stored.row;
    }
    at++;
  }
  return altered ? ops->log_disown (push->store->session, table, rows, altered, error) : MANTIS_OK;
}

enum mantis_status
push_apply (struct push *push, struct mantis_error *error)
{
  struct apply_item *items = arena_array (push->arena, push->count, sizeof *items);
  struct pushed **pushed = arena_array (push->arena, push->count, sizeof *pushed);
  enum mantis_status status;
  bool plain = true; /* nothing that was written acts upon other rows: triggers, cascades */
  size_t count = 0;

  if (!items || !pushed)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  for (size_t i = 0; i < push->count; i++)
    if (stands (&push->items[i])) {
      plain &= push->items[i].change.table->plain;
      items[count].change = &push->items[i].stored;
      pushed[count++] = &push->items[i];
    }
  status = apply_changes (push->store, push->mode, items, count, push->arena, error);
  if (status != MANTIS_OK)
    return status;
  for (size_t i = 0; i < count; i++)
    if (!items[i].done) {
      pushed[i]->outcome = push->partial ? OUTCOME_RETRY : OUTCOME_REJECTED;
      pushed[i]->reason = items[i].refusal;
      pushed[i]->decided_by = push->partial ? NULL : "database";
      pushed[i]->quiet = false;
    }
  for (size_t from = 0, to; from < push->count && status == MANTIS_OK; from = to) {
    const struct mantis_table *table = push->items[from].change.table;
    for (to = from; to < push->count && push->items[to].change.table == table; to++)
      ;
    if (!plain) /* a plain table's rows too: they may have been reached from another's */
      status = find_altered (push, from, to - from, error);
  }
  return status;
}

/* ---- Keep what lost -------------------------------------------------------------------------- */

/* The row that stands after all, and its version, for the items whose author has to learn it. */
static enum mantis_status
look_again (struct push *push, struct pushed *item, struct mantis_error *error)
{
  struct store *store = push->store;
  enum mantis_status status;
  mantis_row key = item->change.row;

  status = store->ops->read (store->session, item->change.table, &key, 1, push->arena,
                             &item->current, error);
  if (status == MANTIS_OK)
    status = store->ops->versions (store->session, item->change.table, &key, 1, push->arena,
                                   &item->version, error);
  if (status == MANTIS_OK && item->forgotten && !item->current)
    item->version = (struct mantis_version){.rev = 0};
  if (status == MANTIS_OK && item->version.rev == 0)
    item->version.updated_at = store->floor_time;
  return status;
}

/* What a taken change beat, before it is overwritten; what a refused one lost, after. */
static enum mantis_status
keep (struct push *push, const struct pushed *item, struct mantis_error *error)
{
  bool won = item->outcome == OUTCOME_APPLIED || item->altered;
  const struct mantis_change *change = &item->change;
  mantis_row pushed = change->deleted ? NULL : change->row;
  struct conflict conflict = {
      .table = change->table,
      .key = change->row,
      .outcome = won ? "beaten" : outcome_name (item->outcome),
      .reason = item->reason,
      .node = !won              ? push->node
              : item->unwatched ? NULL
                                : item->version.origin,
      .loser = won ? item->current : pushed,
      .loser_time = won ? item->version.updated_at : change->updated_at,
      .winner = won ? pushed : item->current,
      .winner_time = won ? item->stored.updated_at : item->version.updated_at,
      .winner_origin = won ? push->node : item->version.origin,
      .base = change->base,
      .rev = version_rev (push->store, &item->version),
      .decided_by = item->decided_by ? item->decided_by : "database",
      .base_row = item->base,
      .stamps = push_stamps_text (push, item),
      .stands = item->outcome == OUTCOME_MERGED && !item->stored.deleted ? item->stored.row : NULL,
      .sent_time = change->updated_at,
  };

  return conflict_keep (push->store, &conflict, error);
}

/* Does what stood there go for ITEM, and may its author not have known it? */
static bool
beats (const struct pushed *item)
{
  return (item->conflict && !item->quiet) || (item->unwatched && item->current);
}

enum mantis_status
push_record (struct push *push, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < push->count && status == MANTIS_OK; i++) {
    struct pushed *item = &push->items[i];
    switch (item->outcome) {
    case OUTCOME_APPLIED:
      if (beats (item))
        status = keep (push, item, error);
      break;
    case OUTCOME_MERGED:
      if (beats (item)) /* what the database altered by itself is no conflict */
        status = keep (push, item, error);
      if (item->altered) /* it won: its author has lost nothing */
        item->decided_by = NULL;
      if (status == MANTIS_OK)
        status = look_again (push, item, error);
      break;
    case OUTCOME_SUPERSEDED:
    case OUTCOME_DEFERRED:
    case OUTCOME_REJECTED:
      status = item->hidden ? MANTIS_OK : look_again (push, item, error);
      if (status == MANTIS_OK && !item->quiet)
        status = keep (push, item, error);
      break;
    case OUTCOME_SAME:
    case OUTCOME_RETRY:
    case OUTCOME_COUNT:
      break;
    }
  }
  if (status == MANTIS_OK)
    status = push_write_stamps (push, error);
  return status == MANTIS_OK ? push_hide (push, error) : status;
}

/* ---- Answer ---------------------------------------------------------------------------------- */

static void
answer_exception (const struct push *push, const struct pushed *item, struct mantis_buf *buf)
{
  const struct mantis_table *table = item->change.table;

  mantis_buf_text (buf, "{\"table\":");
  mantis_buf_json (buf, table->name, strlen (table->name));
  mantis_buf_text (buf, ",\"key\":");
  key_encode (buf, table, item->change.row);
  json_add_text (buf, "outcome", outcome_name (item->outcome));
  json_add_text (buf, "reason", item->reason);
  if (item->outcome == OUTCOME_RETRY && item->after)
    mantis_buf_printf (buf, ",\"after\":%lld", (long long)item->after);
  if (item->outcome != OUTCOME_RETRY) {
    json_add_text (buf, "decided_by", item->decided_by);
    json_add_text (buf, "origin", item->version.origin);
    if (item->quiet)
      mantis_buf_text (buf, ",\"quiet\":true");
    mantis_buf_printf (buf, ",\"rev\":%lld,\"updated_at\":%lld,\"row\":",
                       (long long)version_rev (push->store, &item->version),
                       (long long)item->version.updated_at);
    if (item->current)
      row_encode (buf, table, item->current);
    else
      mantis_buf_text (buf, "null");
  }
  mantis_buf_char (buf, '}');
}

void
push_answer (const struct push *push, struct mantis_buf *buf)
{
  size_t counts[OUTCOME_COUNT] = {0};
  const char *comma = "";

  for (size_t i = 0; i < push->count; i++)
    counts[push->items[i].outcome]++;
  mantis_buf_text (buf, "{\"outcomes\":{");
  for (int i = 0; i < OUTCOME_COUNT; i++)
    if (counts[i]) {
      mantis_buf_printf (buf, "%s\"%s\":%zu", comma, outcome_name (i), counts[i]);
      comma = ",";
    }
  mantis_buf_text (buf, "},\"exceptions\":[");
  comma = "";
  for (size_t i = 0; i < push->count; i++)
    if (push->items[i].outcome != OUTCOME_APPLIED && push->items[i].outcome != OUTCOME_SAME) {
      mantis_buf_text (buf, comma);
      answer_exception (push, &push->items[i], buf);
      comma = ",";
    }
  mantis_buf_char (buf, ']');
}
