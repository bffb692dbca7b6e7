/* capture.c - is each table watched, and still shaped as it was?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/capture.h"
#include "base/base.h"
#include "base/map.h"
#include "sync/phase.h"

#include <pthread.h>
#include <string.h>

bool
capture_first_time (const char *table, const char *refusal)
{
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static struct map told;
  uint64_t hash = hash_bytes (refusal, strlen (refusal), hash_bytes (table, strlen (table), 0));
  int64_t *times;
  bool first;

  pthread_mutex_lock (&mutex);
  times = map_at (&told, hash, true);
  first = !times || (*times)++ == 0;
  pthread_mutex_unlock (&mutex);
  return first;
}

/* Why writes to a table may have gone unseen. */
static const char *
incident_of (const struct store *store, const struct mantis_table *table)
{
  const char *incident = store->ops->incident ? store->ops->incident (store->session, table) : NULL;

  return incident ? incident : "the triggers of the capture were lost";
}

/* UNSEEN: why writes to it may have gone unseen, or NULL. */
static void
tell (const struct store *store, const struct mantis_attached *attached, const char *unseen)
{
  const char *name = attached->table->name;

  if (unseen)
    mantis_log (MANTIS_WARNING,
                "table \"%s\": writes may have gone unseen: %s; it is captured again, and %s", name,
                unseen,
                store->role == MANTIS_CLIENT ? "will be compared with the server"
                                             : "every device will compare it");

  switch (attached->watch) {
  case MANTIS_WATCHED:
  case MANTIS_REWATCHED:
    break;
  case MANTIS_NEW:
    if (!unseen)
      mantis_log (MANTIS_INFO, "table \"%s\": captured from now on", name);
    break;
  case MANTIS_NOT_WATCHED:
    if (capture_first_time (name, attached->table->refusal))
      mantis_log (MANTIS_WARNING, "table \"%s\" is not synced: %s", name, attached->table->refusal);
    break;
  }
}

/* What the feed brought of TABLE can no longer be told from what was written unseen; where the table is not the same
 * file's any more (GONE), nothing was made on it either. */
static enum mantis_status
doubt_seen (struct store *store, const char *table, bool gone, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status;
  const mantis_row *rows;
  size_t count = 0;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = store_all (store, &table_seen, arena, &rows, &count, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    struct mantis_value row[SEEN_COLUMNS];
    int64_t rev = value_as_integer (&rows[i][SEEN_REV]);
    if (strcmp (value_as_text (&rows[i][SEEN_TBL]), table) != 0)
      continue;
    memcpy (row, rows[i], sizeof row);
    row[SEEN_REV] = value_integer (rev > 0 ? -rev : rev);
    status = gone ? store_delete (store, &table_seen, row, error)
                  : store_put (store, &table_seen, row, error);
  }
  return status;
}

/* Client: a live table that went unwatched has to be scanned, with every server that it knows.  In one that is
 * not live, what differs may be the server's doing as well as ours: both sides meet as if for the first time. */
static enum mantis_status
note_scan (struct store *store, const struct mantis_table *attached, const mantis_row *states,
           size_t count, struct mantis_error *error)
{
  const char *table = attached->name, *incident = incident_of (store, attached);
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    struct mantis_value row[STATE_COLUMNS];
    const char *phase = value_as_text (&states[i][STATE_PHASE]);
    bool whole = strcmp (phase, phase_name (PHASE_LIVE)) == 0 ||
                 strcmp (phase, phase_name (PHASE_SCAN)) == 0;
    if (strcmp (value_as_text (&states[i][STATE_TBL]), table) != 0)
      continue;
    memcpy (row, states[i], sizeof row);
    row[STATE_PHASE] = value_text (phase_name (whole ? PHASE_SCAN : PHASE_FIRST));
    row[STATE_LOADED] = value_text (NULL);
    row[STATE_HAPPENED] = value_text (incident);
    row[STATE_HAPPENED_AT] = value_integer (mantis_now ());
    status = store_put (store, &table_state, row, error);
    if (status == MANTIS_OK && !whole)
      status = doubt_seen (store, table, false, error);
  }
  return status;
}

static bool
is_synced (const struct store *store, const char *table)
{
  const struct mantis_attached *attached = store_table (store, table);

  return attached && !attached->table->refusal;
}

/* Client: what the server makes of a table that is gone here, or left out by the configuration, passes by while
 * the cursor goes on.  Should it come back, both sides meet as if for the first time. */
static enum mantis_status
note_left_out (struct store *store, const mantis_row *states, size_t count,
               struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    struct mantis_value row[STATE_COLUMNS];
    const char *table = value_as_text (&states[i][STATE_TBL]);
    if (strcmp (table, "*") == 0 || is_synced (store, table) ||
        strcmp (value_as_text (&states[i][STATE_PHASE]), phase_name (PHASE_FIRST)) == 0)
      continue;
    memcpy (row, states[i], sizeof row);
    row[STATE_PHASE] = value_text (phase_name (PHASE_FIRST));
    row[STATE_LOADED] = value_text (NULL);
    status = store_put (store, &table_state, row, error);
    if (status == MANTIS_OK)
      status = doubt_seen (store, table, true, error);
  }
  return status;
}

static mantis_row
state_of (const char *table, const mantis_row *states, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (strcmp (value_as_text (&states[i][STATE_TBL]), table) == 0 &&
        *value_as_text (&states[i][STATE_REMOTE]) == '\0')
      return states[i];
  return NULL;
}

/* Why writes to a table may have gone unseen; NULL: they cannot.  BEFORE: what a server has written down of it. */
static const char *
unseen_for (const struct store *store, const struct mantis_attached *attached, mantis_row before)
{
  if (attached->watch == MANTIS_REWATCHED)
    return incident_of (store, attached->table);
  if (attached->watch == MANTIS_NEW && before)
    return "it was gone for a while";
  return NULL;
}

/* Server: clients hear of new shapes and lost capture through the generation. */
static enum mantis_status
note_generation (struct store *store, const struct mantis_attached *attached, mantis_row before,
                 const char *unseen, struct mantis_error *error)
{
  const struct mantis_table *table = attached->table;
  bool known =
      before && strcmp (value_as_text (&before[STATE_FINGERPRINT]), table->fingerprint) == 0;
  int64_t generation = before ? value_as_integer (&before[STATE_GENERATION]) : 0;
  struct mantis_value row[STATE_COLUMNS] = {
      [STATE_REMOTE] = value_text (""),
      [STATE_TBL] = value_text (table->name),
      [STATE_FINGERPRINT] = value_text (table->fingerprint),
      [STATE_PHASE] = value_text (phase_name (PHASE_LIVE)),
  };
  int64_t unwatched = before ? value_as_integer (&before[STATE_REV]) : 0;
  enum mantis_status status = MANTIS_OK;

  if (attached->watch == MANTIS_NOT_WATCHED || (known && attached->watch == MANTIS_WATCHED))
    return MANTIS_OK;
  if (unseen) {
    row[STATE_HAPPENED] = value_text (unseen);
    row[STATE_HAPPENED_AT] = value_integer (mantis_now ());
    status = store->ops->log_head (store->session, &unwatched, error);
  } else if (before) {
    row[STATE_HAPPENED] = before[STATE_HAPPENED];
    row[STATE_HAPPENED_AT] = before[STATE_HAPPENED_AT];
  }
  row[STATE_REV] = value_integer (unwatched);
  store->generation++;
  row[STATE_GENERATION] =
      value_integer (unseen || generation == 0 ? store->generation : generation);
  if (status == MANTIS_OK)
    status = store_put (store, &table_state, row, error);
  if (status == MANTIS_OK)
    status = store_put_meta_integer (store, "generation", store->generation, error);
  return status;
}

enum mantis_status
capture_note (struct store *store, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status;
  const mantis_row *states;
  size_t count;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = store_all (store, &table_state, arena, &states, &count, error);
  for (size_t i = 0; i < store->schema->count && status == MANTIS_OK; i++) {
    const struct mantis_attached *attached = &store->schema->tables[i];
    bool server = store->role == MANTIS_SERVER;
    mantis_row before = server ? state_of (attached->table->name, states, count) : NULL;
    const char *unseen = unseen_for (store, attached, before);
    tell (store, attached, unseen);
    if (server)
      status = note_generation (store, attached, before, unseen, error);
    else if (attached->watch == MANTIS_REWATCHED)
      status = note_scan (store, attached->table, states, count, error);
  }
  if (status == MANTIS_OK && store->role == MANTIS_CLIENT)
    status = note_left_out (store, states, count, error);
  return status;
}

enum mantis_status
capture_new_generation (struct store *store, const char *table, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  enum mantis_status status;
  const mantis_row *states;
  size_t count = 0;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "out of memory");
  status = store_meta_integer (store, "generation", 0, &store->generation, error);
  store->generation++;
  if (status == MANTIS_OK)
    status = store_all (store, &table_state, arena, &states, &count, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    struct mantis_value row[STATE_COLUMNS];
    if (table && strcmp (value_as_text (&states[i][STATE_TBL]), table) != 0)
      continue;
    memcpy (row, states[i], sizeof row);
    row[STATE_GENERATION] = value_integer (store->generation);
    row[STATE_HAPPENED] = value_text ("somebody asked for a scan");
    row[STATE_HAPPENED_AT] = value_integer (mantis_now ());
    status = store_put (store, &table_state, row, error);
  }
  if (status == MANTIS_OK)
    status = store_put_meta_integer (store, "generation", store->generation, error);
  return status;
}
