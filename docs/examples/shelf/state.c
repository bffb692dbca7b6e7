/* state.c - tables, rows and log as they are at one moment.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "shelf.h"

#include <stdlib.h>
#include <string.h>

/* ---- Copies ---- */

bool
array_grow (struct mantis_arena *arena, void *array, size_t count, size_t *room, size_t size)
{
  void *wider, **at = array;

  if (count < *room)
    return true;
  if (!(wider = mantis_arena_alloc (arena, (2 * count + 8) * size)))
    return false;
  if (count)
    memcpy (wider, *at, count * size);
  *at = wider;
  *room = 2 * count + 8;
  return true;
}

static const char *
text_copy (struct mantis_arena *arena, const char *text)
{
  return text ? mantis_arena_strdup (arena, text) : NULL;
}

/* Unique indexes, foreign keys and generated columns are none of its business. */
void
table_copy (struct mantis_arena *arena, const struct mantis_table *from, struct mantis_table *to)
{
  struct mantis_column *columns = mantis_arena_alloc (arena, from->column_count * sizeof *columns);
  uint32_t *key = mantis_arena_alloc (arena, from->key_count * sizeof *key);

  *to = (struct mantis_table){ .size = sizeof *to,
                               .name = text_copy (arena, from->name),
                               .id = from->id,
                               .columns = columns,
                               .column_count = from->column_count,
                               .key = key,
                               .key_count = from->key_count,
                               .without_rowid = true,
                               .plain = true };
  if (!columns || !key)
    return;
  memcpy (key, from->key, from->key_count * sizeof *key);
  memcpy (columns, from->columns, from->column_count * sizeof *columns);
  for (size_t i = 0; i < from->column_count; i++) {
    columns[i].name = text_copy (arena, columns[i].name);
    columns[i].declared = text_copy (arena, columns[i].declared);
    columns[i].default_value = columns[i].collation = columns[i].generated = NULL;
  }
  to->fingerprint = mantis_table_fingerprint (to, arena);
}

mantis_row
row_copy (struct mantis_arena *arena, const struct mantis_table *table, mantis_row row)
{
  struct mantis_value *copy = mantis_arena_alloc (arena, table->column_count * sizeof *copy);

  for (size_t i = 0; copy && i < table->column_count; i++) {
    copy[i] = row[i];
    if (row[i].type == MANTIS_TEXT || row[i].type == MANTIS_BLOB)
      copy[i].as.bytes = mantis_arena_copy (arena, row[i].as.bytes, row[i].length);
  }
  return copy;
}

bool
is_own (const char *name)
{
  return strncmp (name, "__sync_", 7) == 0;
}

struct state *
state_new (void)
{
  struct mantis_arena *arena = mantis_arena_new (0);
  struct state *state = arena ? mantis_arena_alloc (arena, sizeof *state) : NULL;

  if (!state) {
    mantis_arena_free (arena);
    return NULL;
  }
  state->arena = arena;
  state->holders = 1;
  return state;
}

void
state_free (struct state *state)
{
  if (state)
    mantis_arena_free (state->arena);
}

static void
copy_tables (struct state *to, const struct state *from)
{
  to->tables = mantis_arena_alloc (to->arena, (from->table_count + 1) * sizeof *to->tables);
  for (size_t t = 0; to->tables && t < from->table_count; t++) {
    const struct kept *old = &from->tables[t];
    struct kept *kept = &to->tables[to->table_count++];
    *kept = *old;
    table_copy (to->arena, &old->about, &kept->about);
    kept->room = old->count + 8;
    kept->rows = mantis_arena_alloc (to->arena, kept->room * sizeof *kept->rows);
    for (size_t i = 0; kept->rows && i < old->count; i++)
      kept->rows[i] = row_copy (to->arena, &kept->about, old->rows[i]);
  }
}

struct state *
state_copy (const struct state *from)
{
  struct state *to = state_new ();

  if (!to)
    return NULL;
  to->head = from->head;
  to->shape = from->shape;
  copy_tables (to, from);
  to->log_room = from->log_count + 8;
  to->log = mantis_arena_alloc (to->arena, to->log_room * sizeof *to->log);
  for (size_t i = 0; to->log && i < from->log_count; i++) {
    struct noted *noted = &to->log[to->log_count++];
    *noted = from->log[i];
    noted->origin = text_copy (to->arena, noted->origin);
    noted->row = row_copy (to->arena, &to->tables[noted->table].about, noted->row);
  }
  if (mantis_arena_exhausted (to->arena)) {
    state_free (to);
    return NULL;
  }
  return to;
}

/* ---- Tables ---- */

struct kept *
state_find (const struct state *state, const char *name)
{
  for (size_t i = 0; i < state->table_count; i++)
    if (strcmp (state->tables[i].about.name, name) == 0)
      return &state->tables[i];
  return NULL;
}

struct kept *
state_add (struct state *state, const struct mantis_table *table)
{
  struct kept *tables = mantis_arena_alloc (state->arena, (state->table_count + 1) * sizeof *tables);
  struct kept *made;

  if (!tables)
    return NULL;
  if (state->table_count)
    memcpy (tables, state->tables, state->table_count * sizeof *tables);
  state->tables = tables;
  made = &tables[state->table_count++];
  table_copy (state->arena, table, &made->about);
  made->about.id = (int64_t) state->table_count;
  state->shape++;
  return made;
}

/* Columns that were added at the end of the description: NULL in the rows that there are. */
void
state_widen (struct state *state, struct kept *kept, const struct mantis_table *table)
{
  size_t before = kept->about.column_count;
  int64_t id = kept->about.id;

  table_copy (state->arena, table, &kept->about);
  kept->about.id = id;
  for (size_t r = 0; r < kept->count; r++) {
    struct mantis_value *row
        = mantis_arena_alloc (state->arena, table->column_count * sizeof *row);
    if (!row)
      return;
    memcpy (row, kept->rows[r], before * sizeof *row);
    for (size_t i = before; i < table->column_count; i++)
      row[i].type = MANTIS_NULL;
    kept->rows[r] = row;
  }
}

/* ---- Rows, in the order that SQLite has: NULL, numbers, texts, blobs ---- */

static int
rank (const struct mantis_value *value)
{
  return value->type == MANTIS_REAL ? MANTIS_INTEGER : (int) value->type;
}

static int
value_order (const struct mantis_value *a, const struct mantis_value *b)
{
  uint32_t shorter = a->length < b->length ? a->length : b->length;
  int order = rank (a) - rank (b);

  if (order || rank (a) <= MANTIS_NULL)
    return order;
  if (rank (a) == MANTIS_INTEGER) {
    long double x = a->type == MANTIS_REAL ? a->as.real : a->as.integer;
    long double y = b->type == MANTIS_REAL ? b->as.real : b->as.integer;
    return (x > y) - (x < y);
  }
  order = shorter ? memcmp (a->as.bytes, b->as.bytes, shorter) : 0;
  return order ? order : (a->length > b->length) - (a->length < b->length);
}

int
key_order (const struct mantis_table *table, mantis_row a, mantis_row b)
{
  int order = 0;

  for (size_t i = 0; i < table->key_count && !order; i++)
    order = value_order (&a[table->key[i]], &b[table->key[i]]);
  return order;
}

size_t
row_place (const struct kept *kept, mantis_row key, bool *there)
{
  size_t low = 0, high = kept->count;

  while (low < high) {
    size_t middle = (low + high) / 2;
    if (key_order (&kept->about, kept->rows[middle], key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *there = low < kept->count && key_order (&kept->about, kept->rows[low], key) == 0;
  return low;
}

bool
row_put (struct state *state, struct kept *kept, size_t place, bool there, mantis_row row)
{
  if (!there) {
    if (!array_grow (state->arena, &kept->rows, kept->count, &kept->room, sizeof *kept->rows))
      return false;
    memmove (kept->rows + place + 1, kept->rows + place, (kept->count - place) * sizeof *kept->rows);
    kept->count++;
  }
  kept->rows[place] = row;
  return row != NULL;
}

void
row_remove (struct kept *kept, size_t place)
{
  kept->count--;
  memmove (kept->rows + place, kept->rows + place + 1, (kept->count - place) * sizeof *kept->rows);
}

void
state_note (struct state *state, const struct kept *kept, const struct mantis_change *change,
            char operation)
{
  if (!array_grow (state->arena, &state->log, state->log_count, &state->log_room, sizeof *state->log))
    return;
  state->log[state->log_count++]
      = (struct noted){ .seq = ++state->head,
                        .time = change->updated_at,
                        .table = (size_t) (kept - state->tables),
                        .operation = operation,
                        .origin = text_copy (state->arena, change->origin),
                        .row = row_copy (state->arena, &kept->about, change->row) };
}
