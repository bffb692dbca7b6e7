/* store.c - one session with the database, and what every part of the engine does with it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/store.h"
#include "sync/hidden.h"
#include "base/base.h"
#include "base/fault.h"
#include "sync/capture.h"
#include "sync/filter.h"

#include <assert.h>
#include <string.h>

enum { FORMAT = 1, ATTACH_TRIES = 5, FACTS = 2, WALK_ROWS = 1000, WALK_BYTES = 256 * 1024 };

/* ---- Values ---------------------------------------------------------------------------------- */

struct mantis_value
value_text (const char *text)
{
  if (!text)
    return (struct mantis_value){.type = MANTIS_NULL};
  return (struct mantis_value){
      .type = MANTIS_TEXT, .length = (uint32_t)strlen (text), .as.bytes = text};
}

const char *
value_as_text (const struct mantis_value *value)
{
  return value->type == MANTIS_TEXT ? value->as.bytes : "";
}

/* ---- Rows of Mantis's own tables ------------------------------------------------------------- */

enum mantis_status
store_get (struct store *store, const struct mantis_table *table, mantis_row key,
           struct mantis_arena *arena, mantis_row *row, struct mantis_error *error)
{
  *row = NULL;
  return store->ops->read (store->session, table, &key, 1, arena, row, error);
}

static enum mantis_status
apply_one (struct store *store, const struct mantis_change *change, struct mantis_error *error)
{
  size_t done;

  return store->ops->apply (store->session, change->table, &change, 1, &done, error);
}

enum mantis_status
store_put (struct store *store, const struct mantis_table *table, mantis_row row,
           struct mantis_error *error)
{
  return apply_one (store, &(struct mantis_change){.table = table, .row = row}, error);
}

enum mantis_status
store_delete (struct store *store, const struct mantis_table *table, mantis_row key,
              struct mantis_error *error)
{
  return apply_one (store, &(struct mantis_change){.table = table, .row = key, .deleted = true},
                    error);
}

enum mantis_status
store_all (struct store *store, const struct mantis_table *table, struct mantis_arena *arena,
           const mantis_row **rows, size_t *count, struct mantis_error *error)
{
  bool end;

  return store->ops->scan (store->session, table, NULL, NULL, SIZE_MAX, SIZE_MAX, arena, rows,
                           count, &end, error);
}

static enum mantis_status
walk_on (struct walk *walk, struct mantis_error *error)
{
  struct mantis_arena *older = walk->arenas[1];
  mantis_row after = walk->count ? walk->rows[walk->count - 1] : NULL;

  walk->arenas[1] = walk->arenas[0];
  walk->arenas[0] = older ? older : mantis_arena_new (0);
  if (!walk->arenas[0])
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  mantis_arena_reset (walk->arenas[0]);
  walk->next = 0;
  return walk->store->ops->scan (walk->store->session, walk->table, after, NULL, WALK_ROWS,
                                 WALK_BYTES, walk->arenas[0], &walk->rows, &walk->count, &walk->end,
                                 error);
}

enum mantis_status
walk_next (struct walk *walk, mantis_row *row, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  *row = NULL;
  if (walk->next == walk->count && !walk->end)
    status = walk_on (walk, error);
  if (status == MANTIS_OK && walk->next < walk->count)
    *row = walk->rows[walk->next++];
  return status;
}

void
walk_end (struct walk *walk)
{
  mantis_arena_free (walk->arenas[0]);
  mantis_arena_free (walk->arenas[1]);
}

/* ---- Facts ----------------------------------------------------------------------------------- */

static enum mantis_status
get_meta (struct store *store, const char *name, struct mantis_arena *arena, mantis_row *row,
          struct mantis_error *error)
{
  struct mantis_value key[META_COLUMNS] = {[META_NAME] = value_text (name)};

  return store_get (store, &table_meta, key, arena, row, error);
}

enum mantis_status
store_meta_text (struct store *store, const char *name, struct mantis_arena *arena,
                 const char **value, struct mantis_error *error)
{
  mantis_row row;
  enum mantis_status status = get_meta (store, name, arena, &row, error);

  *value = status == MANTIS_OK && row && row[META_VALUE].type == MANTIS_TEXT
               ? row[META_VALUE].as.bytes
               : NULL;
  return status;
}

enum mantis_status
store_meta_integers (struct store *store, const char *const *names, int64_t *values, size_t count,
                     struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_value keys[FACTS][META_COLUMNS] = {{{.type = MANTIS_NONE}}};
  mantis_row wanted[FACTS], rows[FACTS] = {NULL};
  enum mantis_status status;

  assert (count <= FACTS);
  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  for (size_t i = 0; i < count; i++) {
    keys[i][META_NAME] = value_text (names[i]);
    wanted[i] = keys[i];
  }
  status = store->ops->read (store->session, &table_meta, wanted, count, arena, rows, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++)
    if (rows[i] && rows[i][META_VALUE].type == MANTIS_INTEGER)
      values[i] = rows[i][META_VALUE].as.integer;
  return status;
}

enum mantis_status
store_meta_integer (struct store *store, const char *name, int64_t fallback, int64_t *value,
                    struct mantis_error *error)
{
  *value = fallback;
  return store_meta_integers (store, &name, value, 1, error);
}

enum mantis_status
store_put_meta_text (struct store *store, const char *name, const char *value,
                     struct mantis_error *error)
{
  struct mantis_value row[META_COLUMNS] = {
      [META_NAME] = value_text (name), [META_VALUE] = value_text (value)};

  return value ? store_put (store, &table_meta, row, error)
               : store_delete (store, &table_meta, row, error);
}

enum mantis_status
store_put_meta_integer (struct store *store, const char *name, int64_t value,
                        struct mantis_error *error)
{
  struct mantis_value row[META_COLUMNS] = {
      [META_NAME] = value_text (name), [META_VALUE] = value_integer (value)};

  return store_put (store, &table_meta, row, error);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static enum mantis_status
own_identity (struct store *store, const char *name, char *text, size_t length,
              struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  const char *stored = NULL;
  enum mantis_status status;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = store_meta_text (store, name, arena, &stored, error);
  if (status == MANTIS_OK && stored && strlen (stored) == length)
    memcpy (text, stored, length + 1);
  else if (status == MANTIS_OK) {
    random_hex (text, length);
    status = store_put_meta_text (store, name, text, error);
  }
  return status;
}

/* What a server's revisions start from: rows that nobody touched since have this version. */
static enum mantis_status
own_floor (struct store *store, struct mantis_error *error)
{
  int64_t facts[] = {0, 0};
  enum mantis_status status = store_meta_integers (
      store, (const char *const[]){"floor", "floor_time"}, facts, COUNT_OF (facts), error);

  if (status != MANTIS_OK)
    return status;
  store->floor = facts[0];
  store->floor_time = facts[1];
  if (store->floor)
    return status;
  store->floor = 1;
  store->floor_time = mantis_now ();
  status = store_put_meta_integer (store, "floor", store->floor, error);
  if (status == MANTIS_OK)
    status = store_put_meta_integer (store, "floor_time", store->floor_time, error);
  return status;
}

static enum mantis_status
check_format (struct store *store, struct mantis_error *error)
{
  int64_t format;
  enum mantis_status status = store_meta_integer (store, "format", 0, &format, error);

  if (status == MANTIS_OK && format > FORMAT)
    return mantis_fail (
        error, MANTIS_INVALID,
        "this database was written by a newer Mantis (format %lld, this one knows %d): "
        "install that version again",
        (long long)format, FORMAT);
  if (status == MANTIS_OK && format < FORMAT)
    status = store_put_meta_integer (store, "format", FORMAT, error);
  return status;
}

/* In a write transaction: Mantis's own tables and facts, then the application's tables. */
static enum mantis_status
attach (struct store *store, struct mantis_error *error)
{
  enum mantis_status status;

  /* The format first: not every database takes back what has been done to a newer one's tables. */
  status = store->ops->create (store->session, &table_meta, error);
  if (status == MANTIS_OK)
    status = check_format (store, error);
  for (const struct mantis_table *const *t = internal_tables (store->role);
       *t && status == MANTIS_OK; t++)
    status = store->ops->create (store->session, *t, error);
  for (const struct mantis_table *const *t = store->kept; t && *t && status == MANTIS_OK; t++)
    status = store->ops->create (store->session, *t, error);
  if (status == MANTIS_OK)
    status = own_identity (store, "node", store->node, NODE_LENGTH, error);
  if (status == MANTIS_OK && store->role == MANTIS_SERVER)
    status = own_identity (store, "epoch", store->epoch, EPOCH_LENGTH, error);
  if (status == MANTIS_OK && store->role == MANTIS_SERVER)
    status = own_floor (store, error);
  if (status == MANTIS_OK) {
    filters_before_attach (store);
    status = hidden_before_attach (store, error);
  }
  if (status == MANTIS_OK)
    status = store->ops->attach (store->session, store->patterns, &store->schema, error);
  if (status == MANTIS_OK)
    status = filters_after_attach (store, error);
  if (status == MANTIS_OK) /* not before: another server may have come first */
    status = store_meta_integer (store, "generation", 0, &store->generation, error);
  if (status == MANTIS_OK)
    status = capture_note (store, error);
  store->attached++;
  return status;
}

/* KEEP: or leave the transaction open. */
static enum mantis_status
attach_in_transaction (struct store *store, bool keep, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_STALE;

  for (int i = 0; status == MANTIS_STALE && i < ATTACH_TRIES; i++) {
    if ((status = store->ops->begin (store->session, MANTIS_WRITE, error)) == MANTIS_STALE)
      continue;
    if (status != MANTIS_OK)
      return status;
    status = attach (store, error);
    FAULT_POINT ("attach");
    if (status == MANTIS_OK && keep)
      status = store->ops->commit (store->session, error);
    if (status != MANTIS_OK)
      store->ops->rollback (store->session);
  }
  return status;
}

static enum mantis_status
open_store (struct store *store, const struct mantis_storage *ops, void *self,
            enum mantis_role role, const char *const *patterns,
            const struct mantis_table *const *kept, struct filters *filters, bool keep,
            struct mantis_error *error)
{
  enum mantis_status status;

  *store = (struct store){.ops = ops,
                          .self = self,
                          .role = role,
                          .patterns = patterns,
                          .kept = kept,
                          .filters = filters};
  status = ops->open (self, role, &store->session, error);
  if (status == MANTIS_OK)
    status = attach_in_transaction (store, keep, error);
  store->in_transaction = status == MANTIS_OK && !keep;
  if (status != MANTIS_OK)
    store_close (store);
  return status;
}

enum mantis_status
store_open (struct store *store, const struct mantis_storage *ops, void *self,
            enum mantis_role role, const char *const *patterns, struct mantis_error *error)
{
  return store_open_keeping (store, ops, self, role, patterns, NULL, error);
}

enum mantis_status
store_open_keeping (struct store *store, const struct mantis_storage *ops, void *self,
                    enum mantis_role role, const char *const *patterns,
                    const struct mantis_table *const *kept, struct mantis_error *error)
{
  return store_open_filtered (store, ops, self, role, patterns, kept, NULL, error);
}

enum mantis_status
store_open_filtered (struct store *store, const struct mantis_storage *ops, void *self,
                     enum mantis_role role, const char *const *patterns,
                     const struct mantis_table *const *kept, struct filters *filters,
                     struct mantis_error *error)
{
  return open_store (store, ops, self, role, patterns, kept, filters, true, error);
}

enum mantis_status
store_look (struct store *store, const struct mantis_storage *ops, void *self,
            enum mantis_role role, const char *const *patterns,
            const struct mantis_table *const *kept, struct filters *filters,
            struct mantis_error *error)
{
  return open_store (store, ops, self, role, patterns, kept, filters, false, error);
}

void
store_close (struct store *store)
{
  if (store->session)
    store->ops->close (store->session);
  store->session = NULL;
  hidden_free (store);
  store->in_transaction = false;
}

enum mantis_status
store_begin (struct store *store, enum mantis_mode mode, struct mantis_error *error)
{
  enum mantis_status status =
      store->stale ? MANTIS_STALE : store->ops->begin (store->session, mode, error);

  for (int i = 0; status == MANTIS_STALE && i < ATTACH_TRIES; i++) {
    mantis_log (MANTIS_DEBUG, "the schema has changed: attaching again");
    store->stale = true; /* the storage says so once, but the file may be locked just now */
    if ((status = attach_in_transaction (store, true, error)) == MANTIS_INVALID)
      status = MANTIS_BUSY; /* no fault of who asks, and it may be mended any moment */
    if (status != MANTIS_OK && error)
      error->status = status;
    if (status != MANTIS_OK)
      break;
    store->stale = false;
    status = store->ops->begin (store->session, mode, error);
  }
  store->in_transaction = status == MANTIS_OK;
  store->begins++;
  store->begun_at = mantis_monotonic ();
  return status;
}

enum mantis_status
store_begin_fresh (struct store *store, enum mantis_mode mode, struct mantis_error *error)
{
  int64_t generation;
  enum mantis_status status = store_begin (store, mode, error);

  if (status == MANTIS_OK)
    status = store_meta_integer (store, "generation", 0, &generation, error);
  if (status == MANTIS_OK && generation == store->generation)
    return MANTIS_OK;
  store_rollback (store);
  if (status != MANTIS_OK)
    return status;
  store->stale = true;
  return store_begin (store, mode, error);
}

enum mantis_status
store_commit (struct store *store, struct mantis_error *error)
{
  enum mantis_status status;

  FAULT_POINT ("commit");
  status = store->ops->commit (store->session, error);
  FAULT_POINT ("committed");
  store->took = (mantis_monotonic () - store->begun_at) / 1000;
  if (status == MANTIS_OK) {
    store->in_transaction = false;
    reports_tell (store->reports);
  } else
    store_rollback (store);
  return status;
}

enum mantis_status
store_end (struct store *store, struct mantis_error *error)
{
  enum mantis_status status = store->ops->commit (store->session, error);

  if (status == MANTIS_OK)
    store->in_transaction = false;
  else
    store_rollback (store);
  return status;
}

void
store_rollback (struct store *store)
{
  if (store->in_transaction)
    store->ops->rollback (store->session);
  store->in_transaction = false;
  reports_forget (store->reports);
}

const struct mantis_attached *
store_table (const struct store *store, const char *name)
{
  for (size_t i = 0; store->schema && i < store->schema->count; i++)
    if (strcmp (store->schema->tables[i].table->name, name) == 0)
      return &store->schema->tables[i];
  return NULL;
}
