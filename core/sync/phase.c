/* phase.c - how far each table of a client is with its server.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/phase.h"
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"first", "live", "repair", "scan"};

const char *
phase_name (enum phase phase)
{
  return names[phase];
}

static enum phase
phase_from (const char *name)
{
  for (size_t i = 0; i < COUNT_OF (names); i++)
    if (strcmp (names[i], name) == 0)
      return (enum phase)i;
  return PHASE_FIRST;
}

void
replace_text (char **text, const char *with)
{
  char *copy = with ? strdup (with) : NULL;

  free (*text);
  *text = copy;
}

void
phase_set (struct table_state *state, enum phase phase)
{
  state->phase = phase;
  replace_text (&state->loaded, NULL);
  if (phase == PHASE_LIVE)
    replace_text (&state->happened, NULL);
  if (phase == PHASE_LIVE && state->era)
    state->based = 0; /* rows that were found equal may have none */
  state->changed = true;
}

void
phase_forget_bases (struct table_state *state)
{
  if (state->era)
    state->based = -1;
  state->era = 0;
  replace_text (&state->filled, NULL);
  state->changed = true;
}

void
phase_pause (struct table_state *state, const char *reason)
{
  state->changed |= !state->paused != !reason;
  replace_text (&state->paused, reason);
}

struct cursor
phases_cursor (const struct phases *phases)
{
  struct cursor cursor = {.rev = phases->rev};

  snprintf (cursor.epoch, sizeof cursor.epoch, "%s", phases->epoch);
  snprintf (cursor.mark, sizeof cursor.mark, "%s", phases->mark);
  return cursor;
}

struct table_state *
phase_of (struct phases *phases, const struct mantis_table *table)
{
  for (size_t i = 0; i < phases->count; i++)
    if (phases->tables[i].table == table)
      return &phases->tables[i];
  return NULL;
}

struct table_state *
phase_named (struct phases *phases, const char *name)
{
  for (size_t i = 0; i < phases->count; i++)
    if (strcmp (phases->tables[i].table->name, name) == 0)
      return &phases->tables[i];
  return NULL;
}

static void
free_tables (struct table_state *tables, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    free (tables[i].loaded);
    free (tables[i].paused);
    free (tables[i].happened);
    free (tables[i].filled);
  }
  free (tables);
}

void
phases_free (struct phases *phases)
{
  free_tables (phases->tables, phases->count);
  free (phases->detail);
  *phases = (struct phases){0};
}

static void
read_table (struct table_state *state, mantis_row row)
{
  state->phase = phase_from (value_as_text (&row[STATE_PHASE]));
  if (row[STATE_LOADED].type == MANTIS_TEXT)
    replace_text (&state->loaded, row[STATE_LOADED].as.bytes);
  if (row[STATE_HAPPENED].type == MANTIS_TEXT)
    replace_text (&state->happened, row[STATE_HAPPENED].as.bytes);
  state->happened_at = value_as_integer (&row[STATE_HAPPENED_AT]);
  state->generation = value_as_integer (&row[STATE_GENERATION]);
  state->rev = value_as_integer (&row[STATE_REV]);
  state->last_push = value_as_integer (&row[STATE_LAST_PUSH]);
  state->last_pull = value_as_integer (&row[STATE_LAST_PULL]);
  state->era = value_as_integer (&row[STATE_ERA]);
  state->based = value_as_integer (&row[STATE_BASED]);
  state->view = value_as_integer (&row[STATE_VIEW]);
}

static void
read_cursor (struct phases *phases, mantis_row row)
{
  snprintf (phases->epoch, sizeof phases->epoch, "%s", value_as_text (&row[STATE_EPOCH]));
  snprintf (phases->mark, sizeof phases->mark, "%s", value_as_text (&row[STATE_MARK]));
  phases->rev = value_as_integer (&row[STATE_REV]);
  phases->last_push = value_as_integer (&row[STATE_LAST_PUSH]);
  phases->last_pull = value_as_integer (&row[STATE_LAST_PULL]);
}

/* The tables of the present schema, with what is known of each by name. */
static bool
take_tables (struct phases *phases, const struct store *store)
{
  struct table_state *old = phases->tables, *tables;
  size_t old_count = phases->count, count = 0;

  if (!(tables = calloc (store->schema->count + 1, sizeof *tables)))
    return false;
  for (size_t i = 0; i < store->schema->count; i++) {
    const struct mantis_table *table = store->schema->tables[i].table;
    struct table_state *before = phase_named (phases, table->name);
    if (table->refusal)
      continue;
    tables[count].table = table;
    if (before) {
      tables[count].paused = before->paused;
      tables[count].missing = before->missing;
      tables[count].differs = before->differs;
      tables[count].shown = before->shown;
      before->paused = NULL;
    }
    count++;
  }
  phases->tables = tables;
  phases->count = count;
  free_tables (old, old_count);
  return true;
}

enum mantis_status
phases_load (struct phases *phases, struct store *store, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status;
  const mantis_row *rows;
  const char *remote;
  size_t count;

  if (!arena || !take_tables (phases, store))
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  if ((status = store_meta_text (store, "remote", arena, &remote, error)) != MANTIS_OK ||
      (status = store_all (store, &table_state, arena, &rows, &count, error)) != MANTIS_OK)
    return status;
  snprintf (phases->remote, sizeof phases->remote, "%s", remote ? remote : "");
  phases->epoch[0] = '\0';
  for (size_t i = 0; i < count; i++) {
    const char *name = value_as_text (&rows[i][STATE_TBL]);
    struct table_state *state = phase_named (phases, name);
    if (strcmp (value_as_text (&rows[i][STATE_REMOTE]), phases->remote) != 0)
      continue;
    if (strcmp (name, "*") == 0)
      read_cursor (phases, rows[i]);
    else if (state)
      read_table (state, rows[i]);
  }
  phases->attached = store->attached;
  phases->changed = false;
  return MANTIS_OK;
}

static enum mantis_status
save_table (const struct phases *phases, const struct table_state *state, struct store *store,
            struct mantis_error *error)
{
  struct mantis_value row[STATE_COLUMNS] = {
      [STATE_REMOTE] = value_text (phases->remote),
      [STATE_TBL] = value_text (state->table->name),
      [STATE_EPOCH] = value_text (phases->epoch),
      [STATE_REV] = value_integer (state->rev),
      [STATE_MARK] = value_text (NULL),
      [STATE_PHASE] = value_text (phase_name (state->phase)),
      [STATE_LOADED] = value_text (state->loaded),
      [STATE_FINGERPRINT] = value_text (state->table->fingerprint),
      [STATE_LAST_PUSH] = value_integer (state->last_push),
      [STATE_LAST_PULL] = value_integer (state->last_pull),
      [STATE_DETAIL] = value_text (state->paused),
      [STATE_GENERATION] = value_integer (state->generation),
      [STATE_HAPPENED] = value_text (state->happened),
      [STATE_HAPPENED_AT] = value_integer (state->happened ? state->happened_at : 0),
      [STATE_ERA] = value_integer (state->era),
      [STATE_BASED] = value_integer (state->based),
      [STATE_VIEW] = value_integer (state->view),
  };

  return store_put (store, &table_state, row, error);
}

enum mantis_status
phases_save (struct phases *phases, struct store *store, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  struct mantis_value row[STATE_COLUMNS] = {
      [STATE_REMOTE] = value_text (phases->remote),
      [STATE_TBL] = value_text ("*"),
      [STATE_EPOCH] = value_text (phases->epoch),
      [STATE_REV] = value_integer (phases->rev),
      [STATE_MARK] = value_text (phases->mark),
      [STATE_PHASE] = value_text ("live"),
      [STATE_LAST_PUSH] = value_integer (phases->last_push),
      [STATE_LAST_PULL] = value_integer (phases->last_pull),
      [STATE_DETAIL] = value_text (phases->detail),
  };

  if (phases->changed)
    status = store_put (store, &table_state, row, error);
  for (size_t i = 0; i < phases->count && status == MANTIS_OK; i++)
    if (phases->tables[i].changed &&
        (status = save_table (phases, &phases->tables[i], store, error)) == MANTIS_OK)
      phases->tables[i].changed = false;
  phases->changed &= status != MANTIS_OK;
  return status;
}
