/* rows.c - reading and writing rows, and the log of who wrote which one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "shelf.h"

#include <string.h>

static enum mantis_status
find (struct mantis_session *session, const struct mantis_table *table, struct kept **kept,
      struct mantis_error *error)
{
  *kept = session->state ? state_find (session->state, table->name) : NULL;
  return *kept ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "shelf has no table \"%s\"", table->name);
}

/* ---- Read ---- */

enum mantis_status
rows_read (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
           size_t count, struct mantis_arena *arena, mantis_row *found, struct mantis_error *error)
{
  struct kept *kept;
  enum mantis_status status = find (session, table, &kept, error);

  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    bool there;
    size_t place = row_place (kept, rows[i], &there);
    found[i] = there ? row_copy (arena, &kept->about, kept->rows[place]) : NULL;
  }
  if (status == MANTIS_OK && mantis_arena_exhausted (arena))
    status = mantis_fail (error, MANTIS_FULL, "rows of table \"%s\" are larger than the limit", table->name);
  return status;
}

static size_t
row_bytes (const struct mantis_table *table, mantis_row row)
{
  size_t bytes = 0;

  for (size_t i = 0; i < table->column_count; i++)
    bytes += row[i].type >= MANTIS_TEXT ? row[i].length : 8;
  return bytes;
}

enum mantis_status
rows_scan (struct mantis_session *session, const struct mantis_table *table, mantis_row after,
           mantis_row upto, size_t limit, size_t bytes, struct mantis_arena *arena,
           const mantis_row **rows, size_t *count, bool *end, struct mantis_error *error)
{
  size_t place = 0, room = 0, taken = 0;
  mantis_row *list = NULL;
  struct kept *kept;
  bool there = false;
  enum mantis_status status = find (session, table, &kept, error);

  *count = 0;
  *end = true;
  if (status != MANTIS_OK)
    return status;
  if (after)
    place = row_place (kept, after, &there);
  for (place += there; place < kept->count; place++) {
    mantis_row row = kept->rows[place];
    if (upto && key_order (&kept->about, row, upto) > 0)
      break;
    if (*count == limit || (*count && taken + row_bytes (&kept->about, row) > bytes)) {
      *end = false;
      break;
    }
    if (!array_grow (arena, &list, *count, &room, sizeof *list))
      break;
    taken += row_bytes (&kept->about, row);
    list[(*count)++] = row_copy (arena, &kept->about, row);
  }
  *rows = list;
  if (mantis_arena_exhausted (arena))
    return mantis_fail (error, MANTIS_FULL, "rows of table \"%s\" are larger than the limit", table->name);
  return MANTIS_OK;
}

/* ---- Write ---- */

/* OLD with what CHANGE carries; NULL: it would break a rule. */
static mantis_row
merge (struct state *state, const struct kept *kept, mantis_row old, const struct mantis_change *change,
       struct mantis_error *error)
{
  const struct mantis_table *table = &kept->about;
  struct mantis_value *row = mantis_arena_alloc (state->arena, table->column_count * sizeof *row);

  for (size_t i = 0; row && i < table->column_count; i++) {
    bool carried = i < change->table->column_count && change->row[i].type != MANTIS_NONE;
    row[i] = carried ? change->row[i] : old ? old[i] : (struct mantis_value){ .type = MANTIS_NULL };
    if (row[i].type == MANTIS_NULL && table->columns[i].not_null) {
      mantis_fail (error, MANTIS_REFUSED, "column \"%s\" of table \"%s\" must not be NULL",
                   table->columns[i].name, table->name);
      return NULL;
    }
  }
  return row ? row_copy (state->arena, table, row) : NULL;
}

enum mantis_status
row_make (struct state *state, struct kept *kept, const struct mantis_change *change, bool logged,
          struct mantis_error *error)
{
  bool there;
  size_t place = row_place (kept, change->row, &there);
  mantis_row row;

  if (change->deleted) {
    if (there)
      row_remove (kept, place);
    if (there && logged)
      state_note (state, kept, change, MANTIS_DELETE);
    return MANTIS_OK;
  }
  if (!(row = merge (state, kept, there ? kept->rows[place] : NULL, change, error)))
    return mantis_arena_exhausted (state->arena) ? MANTIS_FULL : MANTIS_REFUSED;
  if (!row_put (state, kept, place, there, row))
    return mantis_fail (error, MANTIS_FULL, "no memory for a row");
  if (logged)
    state_note (state, kept, change, there ? MANTIS_UPDATE : MANTIS_INSERT);
  return MANTIS_OK;
}

enum mantis_status
rows_apply (struct mantis_session *session, const struct mantis_table *table,
            const struct mantis_change *const *changes, size_t count, size_t *done,
            struct mantis_error *error)
{
  struct kept *kept;
  enum mantis_status status = find (session, table, &kept, error);
  bool own = is_own (table->name), filed = session->shelf->folder && !own;

  for (*done = 0; *done < count && status == MANTIS_OK; *done += status == MANTIS_OK) {
    if (filed)
      status = folder_admits (session->shelf, &kept->about, changes[*done]->row, error);
    if (status == MANTIS_OK)
      status = row_make (session->state, kept, changes[*done], !own && session->role == MANTIS_SERVER, error);
  }
  return status;
}

/* ---- The log ---- */

enum mantis_status
log_head (struct mantis_session *session, int64_t *head, struct mantis_error *error)
{
  (void) error;
  *head = session->state->head;
  return MANTIS_OK;
}

/* As the session's last attach() knows it. */
static const struct mantis_table *
shown_table (const struct mantis_session *session, const char *name)
{
  for (size_t i = 0; session->schema && i < session->schema->count; i++)
    if (strcmp (session->schema->tables[i].table->name, name) == 0)
      return session->schema->tables[i].table;
  return NULL;
}

enum mantis_status
log_read (struct mantis_session *session, int64_t after, int64_t upto, size_t limit,
          struct mantis_arena *arena, struct mantis_entry **entries, size_t *count,
          struct mantis_error *error)
{
  const struct state *state = session->state;
  size_t room = 0;

  *entries = NULL;
  *count = 0;
  for (size_t i = 0; i < state->log_count && *count < limit; i++) {
    const struct noted *noted = &state->log[i];
    const struct mantis_table *table = &state->tables[noted->table].about;
    struct mantis_value *key;
    if (noted->seq <= after || noted->seq > upto)
      continue;
    if (!array_grow (arena, entries, *count, &room, sizeof **entries)
        || !(key = mantis_arena_alloc (arena, table->key_count * sizeof *key)))
      return mantis_fail (error, MANTIS_FULL, "the log is larger than the limit");
    for (size_t k = 0; k < table->key_count; k++)
      key[k] = row_copy (arena, table, noted->row)[table->key[k]];
    (*entries)[(*count)++] = (struct mantis_entry){
      .seq = noted->seq,
      .table = shown_table (session, table->name),
      .operation = noted->operation,
      .time = noted->time,
      .origin = noted->origin ? mantis_arena_strdup (arena, noted->origin) : NULL,
      .key = key,
    };
  }
  return MANTIS_OK;
}

/* Are two entries of one row? */
static bool
same_row (const struct state *state, const struct noted *a, const struct noted *b)
{
  return a->table == b->table && key_order (&state->tables[a->table].about, a->row, b->row) == 0;
}

/* Leave what comes after UPTO, the newest of all, and (STANDING) the newest of each row that is there. */
static void
shorten (struct state *state, int64_t upto, bool standing)
{
  size_t left = 0;

  for (size_t i = 0; i < state->log_count; i++) {
    const struct noted *noted = &state->log[i];
    bool there = false, stays = noted->seq > upto || i + 1 == state->log_count;
    if (!stays && standing) {
      row_place (&state->tables[noted->table], noted->row, &there);
      stays = there;
      for (size_t k = i + 1; k < state->log_count && stays; k++)
        stays = !same_row (state, noted, &state->log[k]);
    }
    if (stays)
      state->log[left++] = *noted;
  }
  state->log_count = left;
}

enum mantis_status
log_trim (struct mantis_session *session, int64_t upto, struct mantis_error *error)
{
  (void) error;
  shorten (session->state, upto, false);
  return MANTIS_OK;
}

enum mantis_status
log_prune (struct mantis_session *session, int64_t after, int64_t upto, struct mantis_error *error)
{
  (void) after, (void) error;
  shorten (session->state, upto, true);
  return MANTIS_OK;
}

enum mantis_status
log_disown (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
            size_t count, struct mantis_error *error)
{
  struct state *state = session->state;
  struct kept *kept;
  enum mantis_status status = find (session, table, &kept, error);

  for (size_t r = 0; r < count && status == MANTIS_OK; r++)
    for (size_t i = state->log_count; i-- > 0;)
      if (&state->tables[state->log[i].table] == kept
          && key_order (&kept->about, state->log[i].row, rows[r]) == 0) {
        state->log[i].origin = NULL;
        break;
      }
  return status;
}

enum mantis_status
log_versions (struct mantis_session *session, const struct mantis_table *table, const mantis_row *rows,
              size_t count, struct mantis_arena *arena, struct mantis_version *versions,
              struct mantis_error *error)
{
  const struct state *state = session->state;
  struct kept *kept;
  enum mantis_status status = find (session, table, &kept, error);

  for (size_t r = 0; r < count && status == MANTIS_OK; r++) {
    struct mantis_version version = { .rev = 0 };
    for (size_t i = 0; i < state->log_count; i++) {
      const struct noted *noted = &state->log[i];
      if (&state->tables[noted->table] != kept || key_order (&kept->about, noted->row, rows[r]) != 0)
        continue;
      /* never earlier than the one before it */
      version.updated_at = version.rev && noted->time <= version.updated_at ? version.updated_at + 1 : noted->time;
      version.rev = noted->seq;
      version.origin = noted->origin;
    }
    if (version.origin)
      version.origin = mantis_arena_strdup (arena, version.origin);
    versions[r] = version;
  }
  return status;
}
