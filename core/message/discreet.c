/* discreet.c - what of a kept conflict a caller is told.
 *
 * In a table with filters only conflicts of rows that it sees now, or that are gone, and of which it sees each
 * version; without the columns that it does not see.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"
#include "sync/conflict.h"
#include "wire/json.h"
#include "wire/key.h"

#include <string.h>

static const int versions[] = {CONFLICT_LOSER, CONFLICT_WINNER, CONFLICT_BASE_ROW, CONFLICT_STANDS};
static const int objects[] = {CONFLICT_LOSER, CONFLICT_WINNER, CONFLICT_BASE_ROW, CONFLICT_STANDS,
                              CONFLICT_STAMPS};

/* TEXT, an object with columns, without those that VIEWER does not see. */
static enum mantis_status
blank (const struct filtered *filtered, const struct viewer *viewer, struct mantis_value *text,
       struct mantis_arena *arena, struct mantis_error *error)
{
  CLEANUP_JSON json_t *object = json_loads (value_as_text (text), JSON_ALLOW_NUL, NULL);
  CLEANUP_FREE char *left = NULL;
  const char *copy;

  for (size_t i = 0; i < filtered->table->column_count; i++)
    if (filter_hides (filtered, viewer, i))
      json_object_del (object, filtered->table->columns[i].name);
  left = json_dumps (object, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION (17));
  if (!left || !(copy = mantis_arena_strdup (arena, left)))
    return mantis_fail (error, MANTIS_FULL, "no memory for the answer");
  *text = value_text (copy);
  return MANTIS_OK;
}

/* Somebody was told that there is no such row: was it so?  The record must not say it, either. */
static bool
tells_of_none (mantis_row record)
{
  const struct mantis_value *reason = &record[CONFLICT_REASON];

  return reason->type == MANTIS_TEXT && strcmp (value_as_text (reason), NO_SUCH_ROW) == 0;
}

/* The versions that RECORD has of a row, NULL where it has none.  MANTIS_INVALID: of another shape of the table. */
static enum mantis_status
read_versions (const struct mantis_table *table, mantis_row record, struct mantis_arena *arena,
               mantis_row *rows, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < COUNT_OF (versions) && status == MANTIS_OK; i++) {
    const struct mantis_value *text = &record[versions[i]];
    CLEANUP_JSON json_t *json = NULL;
    rows[i] = NULL;
    if (text->type != MANTIS_TEXT)
      continue;
    if (!(json = json_loads (value_as_text (text), JSON_ALLOW_NUL, NULL)))
      return mantis_fail (error, MANTIS_INVALID, "a version that is no JSON");
    status = row_decode (json, table, arena, &rows[i], error);
  }
  return status;
}

/* Number I of VERSIONS, whole: what its author did not name he left as it was, and as the others have it. */
static mantis_row
whole_version (const struct mantis_table *table, const mantis_row *rows, size_t i,
               struct mantis_arena *arena)
{
  struct mantis_value *whole = arena_array (arena, table->column_count, sizeof *whole);

  for (size_t c = 0; whole && c < table->column_count; c++) {
    whole[c] = rows[i][c];
    for (size_t other = 0; other < COUNT_OF (versions) && whole[c].type == MANTIS_NONE; other++)
      if (rows[other])
        whole[c] = rows[other][c];
  }
  return whole;
}

/* Does VIEWER see the row as it is, and each version that RECORD has of it? */
static enum mantis_status
sees_all (const struct filtered *filtered, const struct viewer *viewer, mantis_row record,
          struct mantis_arena *arena, bool *sees, struct mantis_error *error)
{
  const struct mantis_table *table = filtered->table;
  const struct store *store = viewer->store;
  mantis_row key, row = NULL, rows[COUNT_OF (versions)];
  size_t seen = 0;
  enum mantis_status status;

  *sees = false;
  if (key_parse (value_as_text (&record[CONFLICT_KEY]), table, arena, &key, error) != MANTIS_OK ||
      read_versions (table, record, arena, rows, error) != MANTIS_OK)
    return MANTIS_OK; /* of another shape of the table */
  status = store->ops->read (store->session, table, &key, 1, arena, &row, error);
  if (status != MANTIS_OK || (row ? !filter_sees (filtered, viewer, row) : tells_of_none (record)))
    return status;
  for (size_t i = 0; i < COUNT_OF (versions); i++) {
    if (!rows[i])
      continue;
    if (!(row = whole_version (table, rows, i, arena)) || !filter_sees (filtered, viewer, row))
      return MANTIS_OK;
    seen++;
  }
  *sees = seen > 0;
  return MANTIS_OK;
}

enum mantis_status
conflict_viewer (struct lending *lending, const struct mantis_request *request,
                 const struct mantis_principal *principal, struct sender *sender,
                 struct viewer *viewer, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status =
      arena ? sender_find (lending->store, request, principal, arena, sender, error)
            : mantis_fail (error, MANTIS_FAILED, "out of memory");

  sender->answer = NULL; /* goes with the arena */
  *viewer = viewer_of (lending, principal, sender->node);
  return status;
}

enum mantis_status
conflict_show (const struct viewer *viewer, mantis_row record, struct mantis_arena *arena,
               mantis_row *shown, struct mantis_error *error)
{
  const char *name = value_as_text (&record[CONFLICT_TBL]);
  const struct mantis_attached *attached = store_table (viewer->store, name);
  const struct filtered *filtered = attached ? viewer_filtered (viewer, attached->table) : NULL;
  enum mantis_status status = MANTIS_OK;
  struct mantis_value *copy;
  bool sees;

  *shown = record;
  /* Nobody can tell who might see what a table had that is gone. */
  if (!attached && viewer->store->filters && !viewer->caller.principal->local)
    *shown = NULL;
  if (!filtered)
    return MANTIS_OK;
  if ((status = sees_all (filtered, viewer, record, arena, &sees, error)) != MANTIS_OK || !sees) {
    *shown = NULL;
    return status;
  }
  if (!filtered->hides)
    return MANTIS_OK;
  if (!(copy = arena_array (arena, CONFLICT_COLUMNS, sizeof *copy)))
    return mantis_fail (error, MANTIS_FULL, "no memory for the answer");
  memcpy (copy, record, CONFLICT_COLUMNS * sizeof *copy);
  for (size_t i = 0; i < COUNT_OF (objects) && status == MANTIS_OK; i++)
    if (copy[objects[i]].type == MANTIS_TEXT)
      status = blank (filtered, viewer, &copy[objects[i]], arena, error);
  *shown = copy;
  return status;
}
