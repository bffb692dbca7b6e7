/* conflict.c - what lost is kept: rows of __sync_conflicts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/conflict.h"
#include "base/base.h"
#include "wire/key.h"
#include "wire/value.h"

#include <string.h>

enum mantis_status
row_decode (const json_t *json, const struct mantis_table *table, struct mantis_arena *arena,
            mantis_row *row, struct mantis_error *error)
{
  struct mantis_value *values = arena_array (arena, table->column_count, sizeof *values);

  if (!values)
    return mantis_fail (error, MANTIS_FULL, "the message is larger than its limit");
  for (size_t i = 0; i < table->column_count; i++) {
    const json_t *value = json_object_get (json, table->columns[i].name);
    if (value && !table->columns[i].generated &&
        value_decode (value, arena, &values[i], error) != MANTIS_OK)
      return mantis_fail_in (error, "table \"%s\", column \"%s\"", table->name,
                             table->columns[i].name);
  }
  *row = values;
  return MANTIS_OK;
}

static const char *
row_text (struct mantis_arena *arena, const struct mantis_table *table, mantis_row row)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;

  if (!row)
    return NULL;
  row_encode (&buf, table, row);
  return buf.failed ? NULL : mantis_arena_copy (arena, buf.bytes, buf.length);
}

enum mantis_status
conflict_keep (struct store *store, const struct conflict *conflict, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_value row[CONFLICT_COLUMNS];
  enum mantis_status status;
  int64_t id;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if ((status = store_meta_integer (store, "conflicts", 0, &id, error)) != MANTIS_OK ||
      (status = store_put_meta_integer (store, "conflicts", ++id, error)) != MANTIS_OK)
    return status;
  row[CONFLICT_ID] = value_integer (id);
  row[CONFLICT_TBL] = value_text (conflict->table->name);
  row[CONFLICT_KEY] = value_text (key_text (arena, conflict->table, conflict->key));
  row[CONFLICT_OUTCOME] = value_text (conflict->outcome);
  row[CONFLICT_REASON] = value_text (conflict->reason);
  row[CONFLICT_NODE] = value_text (conflict->node);
  row[CONFLICT_LOSER] = value_text (row_text (arena, conflict->table, conflict->loser));
  row[CONFLICT_LOSER_TIME] = value_integer (conflict->loser_time);
  row[CONFLICT_WINNER] = value_text (row_text (arena, conflict->table, conflict->winner));
  row[CONFLICT_WINNER_TIME] = value_integer (conflict->winner_time);
  row[CONFLICT_WINNER_ORIGIN] = value_text (conflict->winner_origin);
  row[CONFLICT_BASE] = value_integer (conflict->base);
  row[CONFLICT_REV] = value_integer (conflict->rev);
  report_key (store->reports, MANTIS_REPORT_CONFLICT, conflict->table,
              value_as_text (&row[CONFLICT_KEY]), conflict->outcome);
  row[CONFLICT_DECIDED_BY] = value_text (conflict->decided_by);
  row[CONFLICT_AT] = value_integer (mantis_now ());
  row[CONFLICT_STATE] =
      value_text (strcmp (conflict->outcome, "deferred") == 0 ? "open" : "closed");
  row[CONFLICT_BASE_ROW] = value_text (row_text (arena, conflict->table, conflict->base_row));
  row[CONFLICT_STAMPS] = value_text (conflict->stamps);
  row[CONFLICT_STANDS] = value_text (row_text (arena, conflict->table, conflict->stands));
  row[CONFLICT_SENT_TIME] = conflict->sent_time ? value_integer (conflict->sent_time)
                                                : (struct mantis_value){.type = MANTIS_NULL};
  return store_put (store, &table_conflicts, row, error);
}
