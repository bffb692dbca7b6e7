/* filter.c - the chain of filters of each table.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/filter.h"
#include "base/base.h"
#include "sync/capture.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_VIEWS = 20000 /* that are remembered */ };

struct filters {
  filter_lookup lookup;
  void *context;
  struct filtered *tables,
      *coming; /* of the schema that holds, and of the one that is being read */
  size_t count, coming_count;
  struct mantis_arena *arena, *coming_arena;
  int64_t number;   /* see filters_number() */
  struct map views; /* hash of a caller -> its view */
  bool failed;      /* no memory while the schema was read */
  bool trying;      /* nobody has them yet */
};

struct filters *
filters_new (filter_lookup lookup, void *context)
{
  struct filters *filters = calloc (1, sizeof *filters);

  if (filters) {
    filters->lookup = lookup;
    filters->context = context;
  }
  return filters;
}

void
filters_free (struct filters *filters)
{
  if (!filters)
    return;
  free (filters->tables);
  free (filters->coming);
  mantis_arena_free (filters->arena);
  mantis_arena_free (filters->coming_arena);
  map_free (&filters->views);
  free (filters);
}

static uint64_t
hash_text (const char *text, uint64_t seed)
{
  return hash_bytes (text, strlen (text) + 1, seed);
}

/* That fits an integer of JSON, and is no 0. */
static int64_t
number_of (uint64_t hash)
{
  return (int64_t)(hash >> 2) + 1;
}

/* ---- The schema ------------------------------------------------------------------------------ */

/* The filter at PLACE of its chain, says WHY.  A table that does not fit stops the others no more than itself. */
static void
set_unfit (struct filters *filters, struct filtered *filtered, size_t place, const char *why)
{
  const struct filter_chain *chain = &filtered->chain;

  if (filtered->unfit)
    return;
  filtered->unfit =
      mantis_arena_printf (filters->coming_arena, "its filter \"%s\" does not fit: %s",
                           chain->instances[place]->name, why);
  if (!filtered->unfit)
    filtered->unfit = "its filters do not fit";
  filtered->culprit = chain->sources ? chain->sources[place] : NULL;
  if (!filters->trying && capture_first_time (filtered->table->name, filtered->unfit))
    mantis_log (MANTIS_ERROR, "table \"%s\" is closed to all: %s", filtered->table->name,
                filtered->unfit);
}

/* The tables that a filter uses, while the schema is read. */
struct preparing {
  struct mantis_lender lender;
  const struct mantis_schema *schema;
  const char *const *uses;
};

/* NULL: there is none that is synced. */
static const struct mantis_table *
find_synced_table (const struct mantis_schema *schema, const char *name)
{
  for (size_t i = 0; i < schema->count; i++) {
    const struct mantis_table *table = schema->tables[i].table;
    if (strcmp (table->name, name) == 0)
      return table->refusal ? NULL : table;
  }
  return NULL;
}

static const struct mantis_table *
show_table (const struct mantis_lender *lender, const char *name)
{
  const struct preparing *preparing = (const struct preparing *)lender;
  bool used = false;

  for (const char *const *use = preparing->uses; use && *use; use++)
    used |= strcmp (*use, name) == 0;
  return used ? find_synced_table (preparing->schema, name) : NULL;
}

static enum mantis_status
show_row (const struct mantis_lender *lender, const struct mantis_table *table, mantis_row key,
          mantis_row *row, struct mantis_error *error)
{
  (void)lender, (void)key;
  *row = NULL;
  return mantis_fail (error, MANTIS_FAILED, "no row of table \"%s\" is lent yet", table->name);
}

static void
prepare_one (struct filters *filters, const struct mantis_schema *schema, struct filtered *filtered,
             size_t place, bool *looks)
{
  struct instance *instance = filtered->chain.instances[place];
  const struct mantis_filter *ops = instance->ops;
  const struct mantis_table *table = filtered->table;
  struct mantis_error error = {.text = "it gave no reason"};
  enum mantis_status status = MANTIS_OK;
  bool *own = arena_array (filters->coming_arena, table->column_count, sizeof *own);
  struct preparing preparing = {
      .lender = {.size = sizeof preparing.lender, .row = show_row, .table = show_table},
      .schema = schema};

  filters->failed |= !own;
  if (!own)
    return;
  instance_lock (instance);
  preparing.uses = ops->uses ? ops->uses (instance->self) : NULL;
  if (ops->prepare)
    status = ops->prepare (instance->self, table, &preparing.lender, own, &error);
  instance_unlock (instance);
  for (size_t i = 0; i < table->column_count; i++)
    looks[i] |= own[i] || !ops->prepare;
  if (status != MANTIS_OK)
    set_unfit (filters, filtered, place, error.text);
  filtered->hides |= ops->column != NULL;
}

/* Names of all tables that the filters of FILTERED borrow from. */
static void
note_uses (struct filters *filters, struct filtered *filtered)
{
  size_t count = 0;

  for (int round = 0; round < 2; round++) {
    count = 0;
    for (size_t i = 0; i < filtered->chain.count; i++) {
      struct instance *instance = filtered->chain.instances[i];
      const struct mantis_filter *ops = instance->ops;
      const char *const *uses = ops->uses ? ops->uses (instance->self) : NULL;
      for (; uses && *uses; uses++, count++)
        if (round)
          filtered->uses[count] = mantis_arena_strdup (filters->coming_arena, *uses);
    }
    if (!round && !(filtered->uses =
                        arena_array (filters->coming_arena, count + 1, sizeof *filtered->uses))) {
      filters->failed = true;
      return;
    }
  }
}

static bool
grow_coming (struct filters *filters)
{
  struct filtered *more =
      realloc (filters->coming, (filters->coming_count + 1) * sizeof *filters->coming);

  if (more)
    filters->coming = more;
  filters->failed |= !more;
  return more;
}

/* The storage asks: which columns of TABLE are to be remembered? */
static bool
looks (void *context, const struct mantis_schema *schema, const struct mantis_table *table,
       bool *columns)
{
  struct filters *filters = context;
  struct filter_chain chain = filters->lookup (filters->context, table->name);
  struct filtered *filtered;

  if (!chain.count || !grow_coming (filters))
    return chain.count > 0;
  filtered = &filters->coming[filters->coming_count++];
  *filtered = (struct filtered){.table = table, .chain = chain, .settings = chain.settings};
  for (size_t i = 0; i < chain.count; i++)
    prepare_one (filters, schema, filtered, i, columns);
  note_uses (filters, filtered);
  filtered->settings =
      hash_bytes (columns, table->column_count * sizeof *columns, filtered->settings);
  return true;
}

static void
begin_reading (struct filters *filters)
{
  mantis_arena_free (filters->coming_arena);
  filters->coming_arena = mantis_arena_new (0);
  filters->failed = !filters->coming_arena;
  filters->coming_count = 0;
}

/* Are the tables that FILTERED's filters borrow from those that are synced? */
static void
check_uses (struct filters *filters, const struct mantis_schema *schema, struct filtered *filtered)
{
  for (size_t i = 0; i < filtered->chain.count; i++) {
    struct instance *instance = filtered->chain.instances[i];
    const struct mantis_filter *ops = instance->ops;
    const char *const *uses = ops->uses ? ops->uses (instance->self) : NULL;
    for (; uses && *uses; uses++) {
      CLEANUP_BUF struct mantis_buf why = MANTIS_BUF_INIT;
      mantis_buf_printf (&why, "there is no table \"%s\" that is synced", *uses);
      if (!find_synced_table (schema, *uses))
        set_unfit (filters, filtered, i, why.failed ? "it uses what is not there" : why.bytes);
    }
  }
}

/* All tables of SCHEMA have been asked for. */
static enum mantis_status
end_reading (struct filters *filters, const struct mantis_schema *schema,
             struct mantis_error *error)
{
  if (filters->failed)
    return mantis_fail (error, MANTIS_FAILED, "no memory for the filters");
  for (size_t i = 0; i < filters->coming_count; i++)
    check_uses (filters, schema, &filters->coming[i]);
  return MANTIS_OK;
}

void
filters_before_attach (struct store *store)
{
  if (!store->filters)
    return;
  begin_reading (store->filters);
  store->ops->remember (store->session, looks, store->filters);
}

/* What all views have in common. */
static int64_t
number_all (const struct filters *filters)
{
  uint64_t hash = 0;

  for (size_t i = 0; i < filters->count; i++) { /* tables come in any order */
    const struct filtered *filtered = &filters->tables[i];
    hash += hash_text (filtered->table->name,
                       hash_text (filtered->unfit ? "unfit" : "", filtered->settings));
  }
  return filters->count ? number_of (hash) : 0;
}

enum mantis_status
filters_after_attach (struct store *store, struct mantis_error *error)
{
  struct filters *filters = store->filters;
  struct filtered *older;
  struct mantis_arena *older_arena;
  enum mantis_status status;

  if (!filters)
    return MANTIS_OK;
  if ((status = end_reading (filters, store->schema, error)) != MANTIS_OK)
    return status;
  older = filters->tables;
  older_arena = filters->arena;
  filters->tables = filters->coming;
  filters->count = filters->coming_count;
  filters->arena = filters->coming_arena;
  filters->coming = older;
  filters->coming_arena = older_arena;
  map_free (&filters->views);
  filters->number = number_all (filters);
  return MANTIS_OK;
}

/* It is closed as it is, by the same filters. */
static bool
is_closed_before (const struct store *store, const struct filtered *filtered)
{
  const struct filtered *before = filters_on (store, filtered->table);

  return before && before->unfit && before->chain.settings == filtered->chain.settings;
}

/* What is wrong with the first table that does not fit. */
static enum mantis_status
tell_unfit (const struct filters *filters, const struct store *store, struct mantis_error *error)
{
  for (size_t i = 0; i < filters->coming_count; i++) {
    const struct filtered *filtered = &filters->coming[i];
    const struct filter_source *culprit = filtered->culprit;
    if (is_closed_before (store, filtered))
      continue;
    if (filtered->unfit && culprit)
      return mantis_fail (error, MANTIS_INVALID, "%s: %s: table \"%s\": %s", culprit->file,
                          culprit->path, filtered->table->name, filtered->unfit);
    if (filtered->unfit)
      return mantis_fail (error, MANTIS_INVALID, "table \"%s\": %s", filtered->table->name,
                          filtered->unfit);
  }
  return MANTIS_OK;
}

enum mantis_status
filters_try (struct filters *filters, const struct store *store, struct mantis_error *error)
{
  const struct mantis_schema *schema = store->schema;
  enum mantis_status status;

  filters->trying = true;
  begin_reading (filters);
  for (size_t i = 0; i < schema->count && !filters->failed; i++) {
    const struct mantis_table *table = schema->tables[i].table;
    bool *columns = arena_array (filters->coming_arena, table->column_count, sizeof *columns);
    filters->failed |= !columns;
    if (columns && !table->refusal)
      looks (filters, schema, table, columns);
  }
  if ((status = end_reading (filters, schema, error)) == MANTIS_OK)
    status = tell_unfit (filters, store, error);
  filters->trying = false;
  return status;
}

size_t
filters_count (const struct store *store)
{
  return store->filters ? store->filters->count : 0;
}

int64_t
filters_number (const struct store *store)
{
  return store->filters ? store->filters->number : 0;
}

const struct filtered *
filters_at (const struct store *store, size_t place)
{
  return place < filters_count (store) ? &store->filters->tables[place] : NULL;
}

size_t
filters_place (const struct store *store, const struct filtered *filtered)
{
  return (size_t)(filtered - store->filters->tables);
}

const struct filtered *
filters_on (const struct store *store, const struct mantis_table *table)
{
  const struct filters *filters = store->filters;

  for (size_t i = 0; filters && i < filters->count; i++)
    if (filters->tables[i].table == table)
      return &filters->tables[i];
  return NULL;
}

const char *
filters_unfit (const struct store *store, const struct mantis_table *table)
{
  const struct filtered *filtered = filters_on (store, table);

  return filtered ? filtered->unfit : NULL;
}

/* ---- Questions ------------------------------------------------------------------------------- */

struct viewer
viewer_of (struct lending *lending, const struct mantis_principal *principal, const char *node)
{
  return (struct viewer){.store = lending->store,
                         .caller = {.size = sizeof (struct mantis_caller),
                                    .principal = principal,
                                    .node = node,
                                    .lender = &lending->lender},
                         .lending = lending};
}

const struct filtered *
viewer_filtered (const struct viewer *viewer, const struct mantis_table *table)
{
  if (!viewer->store->filters || viewer->caller.principal->local)
    return NULL;
  return filters_on (viewer->store, table);
}

static bool
one_sees (const struct filtered *filtered, struct instance *instance, const struct viewer *viewer,
          mantis_row row)
{
  const struct mantis_filter *ops = instance->ops;
  bool sees;

  instance_lock (instance);
  sees = ops->sees ? ops->sees (instance->self, &viewer->caller, filtered->table, row)
                   : ops->reads (instance->self, viewer->caller.principal, filtered->table, row);
  instance_unlock (instance);
  return sees;
}

size_t
filter_refuser (const struct filtered *filtered, const struct viewer *viewer, mantis_row row)
{
  size_t place = 0;

  if (!filtered || filtered->unfit)
    return filtered ? filtered->chain.count : 0;
  viewer->lending->borrower = filtered;
  while (place < filtered->chain.count &&
         one_sees (filtered, filtered->chain.instances[place], viewer, row))
    place++;
  return place;
}

bool
filter_sees (const struct filtered *filtered, const struct viewer *viewer, mantis_row row)
{
  if (!filtered)
    return true;
  if (filtered->unfit)
    return false;
  if (filter_refuser (filtered, viewer, row) < filtered->chain.count)
    return false;
  /* Without its key no row can travel. */
  for (size_t i = 0; filtered->hides && i < filtered->table->key_count; i++)
    if (filter_hides (filtered, viewer, filtered->table->key[i]))
      return false;
  return true;
}

size_t
filter_hider (const struct filtered *filtered, const struct viewer *viewer, size_t column)
{
  size_t place = 0, count = filtered ? filtered->chain.count : 0;
  bool seen = true;

  for (; place < count && filtered->hides; place++) {
    struct instance *instance = filtered->chain.instances[place];
    const struct mantis_filter *ops = instance->ops;
    instance_lock (instance);
    if (ops->column)
      seen = ops->column (instance->self, viewer->caller.principal, filtered->table, column);
    instance_unlock (instance);
    if (!seen)
      return place;
  }
  return count;
}

bool
filter_hides (const struct filtered *filtered, const struct viewer *viewer, size_t column)
{
  return filtered && filter_hider (filtered, viewer, column) < filtered->chain.count;
}

bool
filter_lets (const struct filtered *filtered, const struct viewer *viewer, mantis_row before,
             mantis_row after, const char **by, struct mantis_error *reason)
{
  bool lets = true;

  viewer->lending->borrower = filtered;
  for (size_t i = 0; filtered && lets && i < filtered->chain.count; i++) {
    struct instance *instance = filtered->chain.instances[i];
    const struct mantis_filter *ops = instance->ops;
    *by = instance->name;
    *reason = (struct mantis_error){.text = "the filter does not allow it"};
    instance_lock (instance);
    lets = ops->lets
               ? ops->lets (instance->self, &viewer->caller, filtered->table, before, after, reason)
               : ops->writes (instance->self, viewer->caller.principal, filtered->table, before,
                              after, reason);
    instance_unlock (instance);
  }
  return lets && !(filtered && filtered->unfit);
}

/* ---- Views ----------------------------------------------------------------------------------- */

static uint64_t
hash_caller (const struct mantis_caller *caller)
{
  uint64_t hash = hash_text (caller->principal->subject, 0);

  hash = hash_text (caller->principal->claims, hash);
  return hash_text (caller->node, hash) | 1; /* 0 is no hash for a map */
}

static uint64_t
hash_hidden (const struct filtered *filtered, const struct viewer *viewer, uint64_t hash)
{
  for (size_t i = 0; filtered->hides && i < filtered->table->column_count; i++)
    if (filter_hides (filtered, viewer, i))
      hash = hash_text (filtered->table->columns[i].name, hash_text (filtered->table->name, hash));
  return hash;
}

static uint64_t
view_of (const struct filtered *filtered, const struct viewer *viewer)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;
  uint64_t hash = hash_text (filtered->table->name, filtered->settings);

  hash = hash_text (filtered->unfit ? "unfit" : "", hash);
  for (size_t i = 0; i < filtered->chain.count; i++) {
    struct instance *instance = filtered->chain.instances[i];
    const struct mantis_filter *ops = instance->ops;
    mantis_buf_clear (&buf);
    instance_lock (instance);
    if (ops->view)
      ops->view (instance->self, &viewer->caller, &buf);
    instance_unlock (instance);
    if (ops->view && !buf.failed)
      hash = hash_bytes (buf.bytes, buf.length, hash_bytes (&buf.length, sizeof buf.length, hash));
    else
      hash ^= hash_caller (&viewer->caller);
  }
  return hash_hidden (filtered, viewer, hash);
}

uint64_t
viewer_hidden (const struct viewer *viewer)
{
  uint64_t hash = 0;

  for (size_t i = 0; !viewer->caller.principal->local && i < filters_count (viewer->store); i++)
    hash += hash_hidden (&viewer->store->filters->tables[i], viewer, 0);
  return hash;
}

int64_t
filter_view (const struct filtered *filtered, const struct viewer *viewer)
{
  return filtered ? number_of (view_of (filtered, viewer)) : 0;
}

int64_t
viewer_view (const struct viewer *viewer)
{
  struct filters *filters = viewer->store->filters;
  uint64_t hash = 0;
  int64_t *place;

  if (!filters || !filters->count || viewer->caller.principal->local)
    return 0;
  if (filters->views.count > MOST_VIEWS)
    map_free (&filters->views);
  place = map_at (&filters->views, hash_caller (&viewer->caller), true);
  if (place && *place)
    return *place;
  for (size_t i = 0; i < filters->count; i++)
    hash += view_of (&filters->tables[i], viewer); /* tables come in any order */
  if (place)
    *place = number_of (hash);
  return number_of (hash);
}

/* ---- Columns --------------------------------------------------------------------------------- */

mantis_row
filter_blank (const struct filtered *filtered, const struct viewer *viewer, mantis_row row,
              struct mantis_arena *arena)
{
  struct mantis_value *values = NULL;
  size_t count = filtered && row && filtered->hides ? filtered->table->column_count : 0;

  for (size_t i = 0; i < count; i++) {
    if (row[i].type == MANTIS_NONE || !filter_hides (filtered, viewer, i))
      continue;
    if (!values) {
      if (!(values = arena_array (arena, count, sizeof *values)))
        return NULL;
      memcpy (values, row, count * sizeof *values);
    }
    values[i] = (struct mantis_value){.type = MANTIS_NONE};
  }
  return values ? values : row;
}

static bool
shows_all (const struct filtered *filtered, const struct viewer *viewer,
           const struct mantis_table *table, const char *const *columns, size_t count)
{
  for (size_t i = 0; i < count; i++)
    for (size_t c = 0; c < table->column_count; c++)
      if (strcmp (table->columns[c].name, columns[i]) == 0 && filter_hides (filtered, viewer, c))
        return false;
  return true;
}

/* What binds columns of which VIEWER does not see all binds nothing for it. */
static bool
show_bonds (const struct filtered *filtered, const struct viewer *viewer,
            const struct mantis_table *table, struct mantis_table *shown,
            struct mantis_arena *arena)
{
  struct mantis_foreign_key *keys = arena_array (arena, table->foreign_key_count, sizeof *keys);
  struct mantis_unique *uniques = arena_array (arena, table->unique_count, sizeof *uniques);

  if (!keys || !uniques)
    return false;
  shown->foreign_key_count = shown->unique_count = shown->loose_uniques = 0;
  for (size_t i = 0; i < table->foreign_key_count; i++)
    if (shows_all (filtered, viewer, table, table->foreign_keys[i].columns,
                   table->foreign_keys[i].count))
      keys[shown->foreign_key_count++] = table->foreign_keys[i];
  for (size_t i = 0; i < table->unique_count; i++)
    if (shows_all (filtered, viewer, table, table->uniques[i].columns, table->uniques[i].count)) {
      uniques[shown->unique_count++] = table->uniques[i];
      shown->loose_uniques += i >= table->unique_count - table->loose_uniques;
    }
  shown->foreign_keys = keys;
  shown->uniques = uniques;
  return true;
}

const struct mantis_table *
viewer_table (const struct viewer *viewer, const struct mantis_table *table,
              struct mantis_arena *arena)
{
  const struct filtered *filtered = viewer_filtered (viewer, table);
  struct mantis_column *columns;
  struct mantis_table *shown;
  uint32_t *key;

  if (!filtered || !filtered->hides)
    return table;
  shown = mantis_arena_alloc (arena, sizeof *shown);
  columns = arena_array (arena, table->column_count, sizeof *columns);
  key = arena_array (arena, table->key_count, sizeof *key);
  if (!shown || !columns || !key)
    return NULL;
  *shown = *table;
  shown->column_count = 0;
  for (uint32_t i = 0; i < table->column_count; i++) {
    if (!table->columns[i].key_position && filter_hides (filtered, viewer, i))
      continue;
    if (table->columns[i].generated && viewer_hidden (viewer))
      continue; /* it may be made of what is not shown */
    if (table->columns[i].key_position)
      key[table->columns[i].key_position - 1] = (uint32_t)shown->column_count;
    columns[shown->column_count++] = table->columns[i];
  }
  if (shown->column_count == table->column_count)
    return table;
  shown->columns = columns;
  shown->key = key;
  if (!show_bonds (filtered, viewer, table, shown, arena) ||
      !(shown->fingerprint = mantis_table_fingerprint (shown, arena)))
    return NULL;
  return shown;
}
