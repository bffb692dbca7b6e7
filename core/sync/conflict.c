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

/* ---- Writing one down ------------------------------------------------------------------------ */

/* All of a record but its id. */
static void
fill (struct mantis_value *row, const struct conflict *conflict, bool open,
      struct mantis_arena *arena)
{
  const struct mantis_table *table = conflict->table;

  for (size_t i = 0; i < CONFLICT_COLUMNS; i++)
    row[i] = (struct mantis_value){.type = MANTIS_NULL};
  row[CONFLICT_TBL] = value_text (table->name);
  row[CONFLICT_KEY] = value_text (key_text (arena, table, conflict->key));
  row[CONFLICT_OUTCOME] = value_text (conflict->outcome);
  row[CONFLICT_REASON] = value_text (conflict->reason);
  row[CONFLICT_NODE] = value_text (conflict->node);
  row[CONFLICT_LOSER] = value_text (row_text (arena, table, conflict->loser));
  row[CONFLICT_LOSER_TIME] = value_integer (conflict->loser_time);
  row[CONFLICT_WINNER] = value_text (row_text (arena, table, conflict->winner));
  row[CONFLICT_WINNER_TIME] = value_integer (conflict->winner_time);
  row[CONFLICT_WINNER_ORIGIN] = value_text (conflict->winner_origin);
  row[CONFLICT_BASE] = value_integer (conflict->base);
  row[CONFLICT_REV] = value_integer (conflict->rev);
  row[CONFLICT_DECIDED_BY] = value_text (conflict->decided_by);
  row[CONFLICT_AT] = value_integer (mantis_now ());
  row[CONFLICT_STATE] = value_text (open ? "open" : "closed");
  row[CONFLICT_BASE_ROW] = value_text (row_text (arena, table, conflict->base_row));
  row[CONFLICT_STAMPS] = value_text (conflict->stamps);
  row[CONFLICT_STANDS] = value_text (row_text (arena, table, conflict->stands));
  if (conflict->sent_time)
    row[CONFLICT_SENT_TIME] = value_integer (conflict->sent_time);
}

static enum mantis_status
next_id (struct store *store, int64_t *id, struct mantis_error *error)
{
  enum mantis_status status = store_meta_integer (store, "conflicts", 0, id, error);

  ++*id;
  return status == MANTIS_OK ? store_put_meta_integer (store, "conflicts", *id, error) : status;
}

static enum mantis_status
put_new (struct store *store, struct mantis_value *row, struct mantis_error *error)
{
  int64_t id;
  enum mantis_status status = next_id (store, &id, error);

  row[CONFLICT_ID] = value_integer (id);
  return status == MANTIS_OK ? store_put (store, &table_conflicts, row, error) : status;
}

/* ---- Those that wait for a person ------------------------------------------------------------ */

static void
open_key (struct mantis_value *key, const char *table, uint64_t hash, const char *node)
{
  key[OPEN_TBL] = value_text (table);
  key[OPEN_HASH] = value_integer ((int64_t)hash);
  key[OPEN_NODE] = value_text (node);
  key[OPEN_ID] = (struct mantis_value){.type = MANTIS_NONE};
}

enum mantis_status
conflict_close (struct store *store, const struct mantis_table *table, mantis_row key,
                const char *node, struct mantis_error *error)
{
  struct mantis_value open[OPEN_COLUMNS];

  open_key (open, table->name, key_hash (table, key), node);
  return store_delete (store, &table_open, open, error);
}

/* What the record BEFORE told is kept as a record of its own: the newer change of that node takes its place. */
static enum mantis_status
set_aside (struct store *store, mantis_row before, struct mantis_arena *arena,
           struct mantis_error *error)
{
  struct mantis_value row[CONFLICT_COLUMNS];

  memcpy (row, before, sizeof row);
  row[CONFLICT_OUTCOME] = value_text ("superseded");
  row[CONFLICT_REASON] = value_text (
      mantis_arena_printf (arena, "a later change of this node waits in its place: conflict %lld",
                           (long long)value_as_integer (&before[CONFLICT_ID])));
  row[CONFLICT_DECIDED_BY] = value_text ("mantis");
  row[CONFLICT_STATE] = value_text ("closed");
  return put_new (store, row, error);
}

/* ROW of one that waits: in the place of that which waits for the same node and row already, else as a new one. */
static enum mantis_status
put_open (struct store *store, const struct conflict *conflict, struct mantis_value *row,
          struct mantis_arena *arena, struct mantis_error *error)
{
  struct mantis_value open[OPEN_COLUMNS], id[CONFLICT_COLUMNS] = {0};
  mantis_row found = NULL, before = NULL;
  enum mantis_status status;

  open_key (open, conflict->table->name, key_hash (conflict->table, conflict->key), conflict->node);
  status = store_get (store, &table_open, open, arena, &found, error);
  if (status == MANTIS_OK && found) {
    id[CONFLICT_ID] = found[OPEN_ID];
    status = store_get (store, &table_conflicts, id, arena, &before, error);
  }
  if (status == MANTIS_OK && before &&
      strcmp (value_as_text (&before[CONFLICT_KEY]), value_as_text (&row[CONFLICT_KEY])) == 0) {
    row[CONFLICT_ID] = before[CONFLICT_ID];
    status = set_aside (store, before, arena, error);
    return status == MANTIS_OK ? store_put (store, &table_conflicts, row, error) : status;
  }
  if (status == MANTIS_OK)
    status = put_new (store, row, error);
  open[OPEN_ID] = row[CONFLICT_ID];
  return status == MANTIS_OK ? store_put (store, &table_open, open, error) : status;
}

enum mantis_status
conflict_keep (struct store *store, const struct conflict *conflict, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_value row[CONFLICT_COLUMNS];
  /* A client has nobody to ask: the record that waits is the server's. */
  bool open = store->role == MANTIS_SERVER && strcmp (conflict->outcome, "deferred") == 0;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  fill (row, conflict, open, arena);
  if (mantis_arena_exhausted (arena))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  report_key (store->reports, MANTIS_REPORT_CONFLICT, conflict->table,
              value_as_text (&row[CONFLICT_KEY]), conflict->outcome);
  return open ? put_open (store, conflict, row, arena, error) : put_new (store, row, error);
}
