/* hidden.c - columns that the server hides from this client, and that its tables have all the same.
 *
 * In __sync_meta: "hidden", {"orders": ["cost"]}; and "shown", the same of columns that were hidden until lately, of tables that
 * were not compared with the server since.  What a row with an unsent edit has in such a column nobody decided in sight of the
 * server's value, and it would replace that one when the row is sent: so the server's is taken over before.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/hidden.h"
#include "base/base.h"
#include "sync/conflict.h"
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

bool
is_hidden (const struct store *store, const char *table, const char *column)
{
  return json_has_text (json_object_get (store->hidden, table), column);
}

static bool
leaves_out (void *context, const char *table, const char *column)
{
  return is_hidden (context, table, column);
}

void
hidden_free (struct store *store)
{
  json_decref (store->hidden);
  store->hidden = NULL;
}

/* The fact NAME; NULL: there is none, or none that can be read. */
static enum mantis_status
read_lists (struct store *store, const char *name, json_t **lists, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  const char *text = NULL;
  enum mantis_status status = arena ? store_meta_text (store, name, arena, &text, error)
                                    : mantis_fail (error, MANTIS_FAILED, "out of memory");

  *lists = text ? json_loads (text, 0, NULL) : NULL;
  return status;
}

enum mantis_status
hidden_before_attach (struct store *store, struct mantis_error *error)
{
  enum mantis_status status;
  json_t *lists;

  if (store->role != MANTIS_CLIENT || !store->ops->leave_out)
    return MANTIS_OK;
  if ((status = read_lists (store, "hidden", &lists, error)) != MANTIS_OK)
    return status;
  hidden_free (store);
  store->hidden = lists; /* if not read: hello tells it again */
  store->ops->leave_out (store->session, leaves_out, store);
  return MANTIS_OK;
}

/* The lists of TABLES alone; NULL: no memory. */
static json_t *
lists_of (const json_t *tables)
{
  json_t *lists = json_object (), *list;
  const char *name;
  const json_t *about;

  json_object_foreach ((json_t *)tables, name, about)
  {
    if (json_array_size (list = json_object_get (about, "hidden")) &&
        json_object_set (lists, name, list) != 0) {
      json_decref (lists);
      return NULL;
    }
  }
  return lists;
}

/* Add to SHOWN what BEFORE has and NOW has not. */
static bool
add_shown (json_t *shown, const json_t *before, const json_t *now)
{
  const char *table, *column;
  json_t *list, *name;
  size_t i;

  json_object_foreach ((json_t *)before, table, list)
  {
    json_array_foreach (list, i, name)
    {
      json_t *columns = json_object_get (shown, table);
      if (!(column = json_string_value (name)) ||
          json_has_text (json_object_get (now, table), column) || json_has_text (columns, column))
        continue;
      if (!columns && json_object_set_new (shown, table, columns = json_array ()) != 0)
        return false;
      if (json_array_append (columns, name) != 0)
        return false;
    }
  }
  return true;
}

static enum mantis_status
put_shown (struct store *store, const json_t *shown, struct mantis_error *error)
{
  CLEANUP_FREE char *text = json_object_size (shown) ? json_dumps (shown, JSON_COMPACT) : NULL;

  if (json_object_size (shown) && !text)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  return store_put_meta_text (store, "shown", text, error);
}

/* From here on, NOW is hidden. */
static enum mantis_status
note_shown (struct store *store, const json_t *now, struct mantis_error *error)
{
  CLEANUP_JSON json_t *shown = json_object (), *before = NULL;
  enum mantis_status status = read_lists (store, "shown", &before, error);

  if (status != MANTIS_OK)
    return status;
  if (!shown || !add_shown (shown, before, now) || !add_shown (shown, store->hidden, now))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  return put_shown (store, shown, error);
}

enum mantis_status
hidden_note (struct store *store, const json_t *tables, struct mantis_error *error)
{
  CLEANUP_JSON json_t *told = lists_of (tables);
  CLEANUP_FREE char *text = NULL;
  bool some = json_object_size (told) > 0;
  enum mantis_status status;

  if (!store->ops->leave_out || (told && !some && !store->hidden) ||
      json_equal (told, store->hidden))
    return MANTIS_OK;
  if (!told || (some && !(text = json_dumps (told, JSON_COMPACT))))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  mantis_log (MANTIS_INFO, "columns that the server hides stay as they are here: %s",
              some ? text : "none any more");
  store->stale = true;
  status = note_shown (store, told, error);
  return status == MANTIS_OK ? store_put_meta_text (store, "hidden", text, error) : status;
}

/* ---- What is hidden no more ------------------------------------------------------------------ */

enum mantis_status
shown_read (struct store *store, const char *table, json_t **columns, struct mantis_error *error)
{
  CLEANUP_JSON json_t *shown = NULL;
  enum mantis_status status = read_lists (store, "shown", &shown, error);

  *columns = json_incref (json_object_get (shown, table));
  return status;
}

enum mantis_status
shown_forget (struct store *store, const char *table, struct mantis_error *error)
{
  CLEANUP_JSON json_t *shown = NULL;
  enum mantis_status status = read_lists (store, "shown", &shown, error);

  if (status != MANTIS_OK || json_object_del (shown, table) != 0)
    return status;
  return put_shown (store, shown, error);
}

/* What the application wrote there, if it did, is not lost. */
static enum mantis_status
keep_ours (struct store *store, const struct mantis_change *theirs, mantis_row ours, int64_t base,
           struct mantis_error *error)
{
  struct conflict conflict = {.table = theirs->table,
                              .key = theirs->row,
                              .outcome = "superseded",
                              .reason = "written here while the server hid the column",
                              .node = store->node,
                              .loser = ours,
                              .winner = theirs->row,
                              .base = base,
                              .rev = theirs->rev,
                              .decided_by = "mantis"};

  return conflict_keep (store, &conflict, error);
}

/* THEIRS in COLUMNS: into WHOLE, our row, and into PART, which holds the key besides.  *WRITTEN: something of ours goes. */
static bool
take_columns (const struct mantis_change *theirs, const json_t *columns, struct mantis_value *whole,
              struct mantis_value *part, bool *written)
{
  const struct mantis_table *table = theirs->table;
  bool differs = false;

  for (size_t i = 0; i < table->column_count; i++) {
    const struct mantis_value *value = &theirs->row[i];
    bool shown = json_has_text (columns, table->columns[i].name);
    if (table->columns[i].key_position)
      part[i] = *value;
    else if (shown && value->type != MANTIS_NONE && !mantis_value_equal (value, &whole[i])) {
      *written |= whole[i].type > MANTIS_NULL;
      part[i] = whole[i] = *value;
      differs = true;
    }
  }
  return differs;
}

enum mantis_status
shown_take_over (struct store *store, const json_t *columns, const struct mantis_change *theirs,
                 bool edited, int64_t base, struct mantis_arena *arena, mantis_row *ours,
                 struct mantis_error *error)
{
  size_t count = theirs->table->column_count, done;
  struct mantis_value *whole = arena_array (arena, count, sizeof *whole);
  struct mantis_value *part = arena_array (arena, count, sizeof *part);
  struct mantis_change change = *theirs;
  const struct mantis_change *changes = &change;
  enum mantis_status status;
  bool written = false;

  if (!whole || !part)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  memcpy (whole, *ours, count * sizeof *whole);
  if (!take_columns (theirs, columns, whole, part, &written))
    return MANTIS_OK;
  change.row = part;
  status = store->ops->apply (store->session, theirs->table, &changes, 1, &done, error);
  if (status == MANTIS_REFUSED) /* by a rule of this database: then it is sent as it is */
    return MANTIS_OK;
  if (status == MANTIS_OK && written && edited)
    status = keep_ours (store, theirs, *ours, base, error);
  *ours = whole;
  return status;
}
