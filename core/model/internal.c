/* internal.c - the tables that Mantis keeps for itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/internal.h"
#include "base/base.h"

#define COLUMN(column, type, position)                                                             \
  {                                                                                                \
    .name = column, .declared = type, .default_value = NULL,                                       \
    .type_class = sizeof (type) == sizeof "INTEGER" ? MANTIS_CLASS_INTEGER : MANTIS_CLASS_TEXT,    \
    .key_position = position, .not_null = (position) > 0                                           \
  }

static const uint32_t first[] = {0}, first_two[] = {0, 1}, first_three[] = {0, 1, 2};

#define TABLE(table_name, table_columns, table_key, short_rows)                                    \
  {                                                                                                \
    .size = sizeof (struct mantis_table), .name = table_name, .columns = table_columns,            \
    .column_count = COUNT_OF (table_columns), .key = table_key, .key_count = COUNT_OF (table_key), \
    .fingerprint = "", .without_rowid = short_rows, .plain = true                                  \
  }

static const struct mantis_column meta_columns[] = {
    COLUMN ("name", "TEXT", 1), {.name = "value", .declared = "", .type_class = MANTIS_CLASS_ANY}};
static const struct mantis_column state_columns[] = {
    COLUMN ("remote", "TEXT", 1),       COLUMN ("tbl", "TEXT", 2),
    COLUMN ("epoch", "TEXT", 0),        COLUMN ("rev", "INTEGER", 0),
    COLUMN ("mark", "TEXT", 0),         COLUMN ("phase", "TEXT", 0),
    COLUMN ("loaded", "TEXT", 0),       COLUMN ("fingerprint", "TEXT", 0),
    COLUMN ("last_push", "INTEGER", 0), COLUMN ("last_pull", "INTEGER", 0),
    COLUMN ("detail", "TEXT", 0),       COLUMN ("generation", "INTEGER", 0),
    COLUMN ("happened", "TEXT", 0),     COLUMN ("happened_at", "INTEGER", 0),
    COLUMN ("era", "INTEGER", 0),       COLUMN ("based", "INTEGER", 0),
    COLUMN ("view", "INTEGER", 0)};
static const struct mantis_column conflict_columns[] = {
    COLUMN ("id", "INTEGER", 1),         COLUMN ("tbl", "TEXT", 0),
    COLUMN ("key", "TEXT", 0),           COLUMN ("outcome", "TEXT", 0),
    COLUMN ("reason", "TEXT", 0),        COLUMN ("node", "TEXT", 0),
    COLUMN ("loser", "TEXT", 0),         COLUMN ("loser_time", "INTEGER", 0),
    COLUMN ("winner", "TEXT", 0),        COLUMN ("winner_time", "INTEGER", 0),
    COLUMN ("winner_origin", "TEXT", 0), COLUMN ("base", "INTEGER", 0),
    COLUMN ("rev", "INTEGER", 0),        COLUMN ("decided_by", "TEXT", 0),
    COLUMN ("at", "INTEGER", 0),         COLUMN ("state", "TEXT", 0),
    COLUMN ("base_row", "TEXT", 0),      COLUMN ("stamps", "TEXT", 0),
    COLUMN ("stands", "TEXT", 0),        COLUMN ("sent_time", "INTEGER", 0),
    COLUMN ("resolution", "TEXT", 0),    COLUMN ("resolved_by", "TEXT", 0),
    COLUMN ("resolved_at", "INTEGER", 0)};
static const struct mantis_column bases_columns[] = {COLUMN ("seq", "INTEGER", 1),
                                                     COLUMN ("rev", "INTEGER", 0)};
static const struct mantis_column pending_columns[] = {
    COLUMN ("tbl", "TEXT", 1),         COLUMN ("key", "TEXT", 2),     COLUMN ("base", "INTEGER", 0),
    COLUMN ("created", "INTEGER", 0),  COLUMN ("time", "INTEGER", 0), COLUMN ("reason", "TEXT", 0),
    COLUMN ("next_try", "INTEGER", 0), COLUMN ("tries", "INTEGER", 0)};
static const struct mantis_column held_columns[] = {
    COLUMN ("tbl", "TEXT", 1),          COLUMN ("key", "TEXT", 2),
    COLUMN ("first_rev", "INTEGER", 0), COLUMN ("last_rev", "INTEGER", 0),
    COLUMN ("reason", "TEXT", 0),       COLUMN ("next_try", "INTEGER", 0)};
static const struct mantis_column seen_columns[] = {
    COLUMN ("tbl", "TEXT", 1), COLUMN ("key", "TEXT", 2), COLUMN ("rev", "INTEGER", 0)};
static const struct mantis_column base_columns[] = {
    COLUMN ("tbl", "TEXT", 1), COLUMN ("key", "TEXT", 2),  COLUMN ("era", "INTEGER", 0),
    COLUMN ("row", "TEXT", 0), COLUMN ("sent", "TEXT", 0), COLUMN ("batch", "TEXT", 0)};
static const struct mantis_column stamp_columns[] = {
    COLUMN ("tbl", "TEXT", 1), COLUMN ("hash", "INTEGER", 2), COLUMN ("key", "TEXT", 0),
    COLUMN ("time", "INTEGER", 0), COLUMN ("stamps", "TEXT", 0)};
static const struct mantis_column open_columns[] = {
    COLUMN ("tbl", "TEXT", 1), COLUMN ("hash", "INTEGER", 2), COLUMN ("node", "TEXT", 3),
    COLUMN ("id", "INTEGER", 0)};
static const struct mantis_column head_columns[] = {COLUMN ("time", "INTEGER", 1),
                                                    COLUMN ("rev", "INTEGER", 0)};
static const struct mantis_column node_columns[] = {
    COLUMN ("node", "TEXT", 1),         COLUMN ("subject", "TEXT", 0),
    COLUMN ("number", "INTEGER", 0),    COLUMN ("nonce", "TEXT", 0),
    COLUMN ("answer", "TEXT", 0),       COLUMN ("rev", "INTEGER", 0),
    COLUMN ("seen_at", "INTEGER", 0),   COLUMN ("disabled", "INTEGER", 0),
    COLUMN ("generation", "INTEGER", 0)};
static const struct mantis_column disabled_columns[] = {COLUMN ("name", "TEXT", 1),
                                                        COLUMN ("at", "INTEGER", 0)};

_Static_assert(COUNT_OF (state_columns) == STATE_COLUMNS, "state");
_Static_assert(COUNT_OF (conflict_columns) == CONFLICT_COLUMNS, "conflicts");
_Static_assert(COUNT_OF (pending_columns) == PENDING_COLUMNS, "pending");
_Static_assert(COUNT_OF (held_columns) == HELD_COLUMNS, "held");
_Static_assert(COUNT_OF (base_columns) == IMAGE_COLUMNS, "base");
_Static_assert(COUNT_OF (stamp_columns) == STAMP_COLUMNS, "stamps");
_Static_assert(COUNT_OF (open_columns) == OPEN_COLUMNS, "open");
_Static_assert(COUNT_OF (node_columns) == NODE_COLUMNS, "nodes");
_Static_assert(COUNT_OF (disabled_columns) == DISABLED_COLUMNS, "disabled");

const struct mantis_table table_meta = TABLE ("__sync_meta", meta_columns, first, true);
const struct mantis_table table_state = TABLE ("__sync_state", state_columns, first_two, true);
const struct mantis_table table_conflicts =
    TABLE ("__sync_conflicts", conflict_columns, first, false);
const struct mantis_table table_bases = TABLE ("__sync_bases", bases_columns, first, false);
const struct mantis_table table_pending =
    TABLE ("__sync_pending", pending_columns, first_two, true);
const struct mantis_table table_held = TABLE ("__sync_held", held_columns, first_two, true);
const struct mantis_table table_seen = TABLE ("__sync_seen", seen_columns, first_two, true);
const struct mantis_table table_base = TABLE ("__sync_base", base_columns, first_two, true);
const struct mantis_table table_stamps = TABLE ("__sync_stamps", stamp_columns, first_two, true);
const struct mantis_table table_open = TABLE ("__sync_open", open_columns, first_three, true);
const struct mantis_table table_heads = TABLE ("__sync_heads", head_columns, first, false);
const struct mantis_table table_nodes = TABLE ("__sync_nodes", node_columns, first, true);
const struct mantis_table table_disabled = TABLE ("__sync_disabled", disabled_columns, first, true);

const struct mantis_table *const *
internal_tables (enum mantis_role role)
{
  static const struct mantis_table *const client[] = {
      &table_meta, &table_state, &table_conflicts, &table_bases, &table_pending,
      &table_held, &table_seen,  &table_base,      NULL};
  static const struct mantis_table *const server[] = {&table_meta,   &table_state, &table_conflicts,
                                                      &table_heads,  &table_nodes, &table_disabled,
                                                      &table_stamps, &table_open,  NULL};

  return role == MANTIS_CLIENT ? client : server;
}
