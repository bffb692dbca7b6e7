/* recall.c - a recorded conflict as it was put to the policy, as far as the record tells.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/replay.h"

#include "base/base.h"
#include "sync/conflict.h"
#include "wire/key.h"

#include <string.h>

static const char *
text_of (const json_t *record, const char *name)
{
  const char *text = json_string_value (json_object_get (record, name));

  return text ? text : "";
}

static int64_t
number_of (const json_t *record, const char *name)
{
  return json_integer_value (json_object_get (record, name));
}

/* The side that stands in column NAME of RECORD, or its deletion. */
static enum mantis_status
read_side (const json_t *record, const char *name, const struct mantis_table *table,
           struct mantis_arena *arena, struct mantis_change *side, struct mantis_error *error)
{
  const json_t *row = json_object_get (record, name);

  side->table = table;
  side->deleted = !json_is_object (row);
  return side->deleted
             ? key_decode (json_object_get (record, "key"), table, arena, &side->row, error)
             : row_decode (row, table, arena, &side->row, error);
}

/* ---- What the record lacks ------------------------------------------------------------------- */

static bool
is_complete (const struct mantis_table *table, mantis_row row)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (row[i].type == MANTIS_NONE && !table->columns[i].generated)
      return false;
  return true;
}

/* The author says what it made its change of by saying what it changed. */
static mantis_row
was_of (const struct mantis_table *table, mantis_row base, mantis_row row,
        struct mantis_arena *arena)
{
  struct mantis_value *was = arena_array (arena, table->column_count, sizeof *was);

  for (size_t i = 0; was && i < table->column_count; i++)
    if (!mantis_value_equal (&base[i], &row[i]))
      was[i] = base[i];
  return was;
}

static enum mantis_status
read_base (const json_t *record, uint32_t wants, struct mantis_arena *arena, struct recalled *r,
           struct mantis_error *error)
{
  const json_t *base = json_object_get (record, "base_row");
  enum mantis_status status;

  if (!json_is_object (base)) {
    /* Where the stamps are there it was asked for, and its author did not know it. */
    if (wants & MANTIS_WANTS_BASE && !json_is_object (json_object_get (record, "stamps")))
      r->lacks |= LACKS_BASE;
    return MANTIS_OK;
  }
  if ((status = row_decode (base, r->table, arena, &r->conflict.base, error)) == MANTIS_OK)
    r->remote.was = was_of (r->table, r->conflict.base, r->remote.row, arena);
  if (!(wants & MANTIS_WANTS_BASE))
    r->conflict.base = r->remote.was = NULL;
  return status;
}

static enum mantis_status
read_stamps (const json_t *record, uint32_t wants, struct mantis_arena *arena, struct recalled *r,
             struct mantis_error *error)
{
  const json_t *all = json_object_get (record, "stamps");
  struct mantis_stamp *stamps;

  if (!(wants & MANTIS_WANTS_STAMPS))
    return MANTIS_OK;
  if (!json_is_object (all)) {
    r->lacks |= LACKS_STAMPS;
    return MANTIS_OK;
  }
  if (!(stamps = arena_array (arena, r->table->column_count, sizeof *stamps)))
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  for (size_t i = 0; i < r->table->column_count; i++) {
    const json_t *pair = json_object_get (all, r->table->columns[i].name);
    const char *origin = json_string_value (json_array_get (pair, 1));
    stamps[i] = origin
                    ? (struct mantis_stamp){json_integer_value (json_array_get (pair, 0)), origin}
                    : (struct mantis_stamp){r->local.updated_at, r->local.origin};
  }
  r->conflict.stamps = stamps;
  return MANTIS_OK;
}

/* ---- The two sides --------------------------------------------------------------------------- */

/* A change that won is the record's winner, any other its loser. */
static enum mantis_status
read_sides (const json_t *record, const char *node, struct mantis_arena *arena, struct recalled *r,
            struct mantis_error *error)
{
  bool won = strcmp (text_of (record, "outcome"), "beaten") == 0;
  const json_t *sent = json_object_get (record, "sent_time");
  const char *author = text_of (record, won ? "winner_origin" : "node"),
             *server = text_of (record, won ? "node" : "winner_origin");
  enum mantis_status status =
      read_side (record, won ? "winner" : "loser", r->table, arena, &r->remote, error);

  if (status == MANTIS_OK)
    status = read_side (record, won ? "loser" : "winner", r->table, arena, &r->local, error);
  r->local.origin = *server ? server : node;
  r->local.updated_at = number_of (record, won ? "loser_time" : "winner_time");
  r->local.rev = number_of (record, "rev");
  r->remote.origin = author;
  r->remote.updated_at = number_of (record, won ? "winner_time" : "loser_time");
  r->remote.base = number_of (record, "base");
  if (json_is_integer (sent))
    r->remote.updated_at = json_integer_value (sent);
  else if (won && r->remote.updated_at == r->local.updated_at + 1)
    r->lacks |= LACKS_TIME; /* it was that, or less */
  return status;
}

/* ROW over UNDER, where that knows more. */
static mantis_row
over (const struct mantis_table *table, mantis_row row, mantis_row under,
      struct mantis_arena *arena)
{
  struct mantis_value *all = arena_array (arena, table->column_count, sizeof *all);

  for (size_t i = 0; all && i < table->column_count; i++)
    all[i] = row[i].type == MANTIS_NONE ? under[i] : row[i];
  return all;
}

static enum mantis_status
read_then (const json_t *record, struct mantis_arena *arena, struct recalled *r,
           struct mantis_error *error)
{
  const json_t *stands = json_object_get (record, "stands");
  const char *outcome = text_of (record, "outcome");

  r->known = true;
  r->open = strcmp (outcome, "deferred") == 0;
  if (json_is_object (stands))
    return row_decode (stands, r->table, arena, &r->then, error);
  if (strcmp (outcome, "merged") == 0)
    r->known = false;
  else if (strcmp (outcome, "beaten") == 0)
    r->then = r->remote.deleted ? NULL : over (r->table, r->remote.row, r->local.row, arena);
  else
    r->then = r->local.deleted ? NULL : r->local.row;
  return MANTIS_OK;
}

enum mantis_status
recall (const json_t *record, const struct mantis_table *table, const char *node, uint32_t wants,
        struct mantis_arena *arena, struct recalled *recalled, struct mantis_error *error)
{
  const char *by = text_of (record, "decided_by");
  enum mantis_status status;

  *recalled = (struct recalled){.table = table};
  if (!table)
    recalled->left_out = "its table is not synced any more";
  else if (strcmp (by, "database") == 0)
    recalled->left_out = "the database refused the change: no policy decides about that";
  else if (strcmp (by, "mantis") == 0)
    recalled->left_out = "a rule of Mantis, before any policy";
  else if (strcmp (text_of (record, "outcome"), "beaten") == 0 &&
           !*text_of (record, "winner_origin"))
    recalled->left_out = "a person decided, on the server: it was no change of a device's";
  if (recalled->left_out)
    return MANTIS_OK;
  status = read_sides (record, node, arena, recalled, error);
  recalled->conflict = (struct mantis_conflict){.size = sizeof recalled->conflict,
                                                .table = table,
                                                .local = &recalled->local,
                                                .remote = &recalled->remote};
  if (status == MANTIS_OK)
    status = read_base (record, wants, arena, recalled, error);
  if (status == MANTIS_OK)
    status = read_stamps (record, wants, arena, recalled, error);
  if (status == MANTIS_OK)
    status = read_then (record, arena, recalled, error);
  if (status == MANTIS_OK && !recalled->local.deleted && !is_complete (table, recalled->local.row))
    recalled->lacks |= LACKS_COLUMNS;
  return status;
}

/* ---- What a decision makes of it ------------------------------------------------------------- */

static bool
is_row (const struct mantis_table *table, mantis_row row, const struct mantis_change *side)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (!table->columns[i].generated && !mantis_value_equal (&row[i], &side->row[i]))
      return false;
  return !side->deleted;
}

const char *
recall_decide (const struct recalled *recalled, enum mantis_decision decision, mantis_row merged,
               struct mantis_arena *arena, mantis_row *row)
{
  const struct mantis_change *local = &recalled->local, *remote = &recalled->remote;
  const struct mantis_table *table = recalled->table;
  struct mantis_value *made;

  *row = local->deleted ? NULL : local->row;
  switch (decision) {
  case MANTIS_KEEP_LOCAL:
    return "superseded";
  case MANTIS_DEFER:
    return "deferred";
  case MANTIS_REFUSE:
    return "rejected";
  case MANTIS_TAKE_REMOTE:
    *row = remote->deleted ? NULL : over (table, remote->row, local->row, arena);
    return "beaten";
  case MANTIS_MERGE:
  case MANTIS_JOIN:
    break;
  default:
    return NULL;
  }
  if (!(made = arena_array (arena, table->column_count, sizeof *made)))
    return NULL;
  for (size_t i = 0; i < table->column_count; i++) {
    const struct mantis_column *column = &table->columns[i];
    if (merged[i].type > MANTIS_BLOB)
      return NULL;
    made[i] = merged[i].type == MANTIS_NONE || column->key_position || column->generated
                  ? (local->deleted ? remote : local)->row[i]
                  : merged[i];
  }
  *row = made;
  if (decision == MANTIS_JOIN)
    return "joined";
  return is_row (table, made, local)    ? "superseded"
         : is_row (table, made, remote) ? "beaten"
                                        : "merged";
}
