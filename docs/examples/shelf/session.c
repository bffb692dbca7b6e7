/* session.c - transactions, and what tables there are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "shelf.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Sessions ---- */

enum mantis_status
session_open (void *self, enum mantis_role role, struct mantis_session **made, struct mantis_error *error)
{
  struct mantis_session *session;
  enum mantis_status status;

  if (role == MANTIS_CLIENT && !((struct shelf *) self)->folder)
    return mantis_fail (error, MANTIS_INVALID, "a client's shelf needs a \"folder\": an application could not "
                                               "write to it otherwise");
  if ((status = shelf_load (self, error)) != MANTIS_OK)
    return status;
  if (!(session = calloc (1, sizeof *session)) || !(session->arena = mantis_arena_new (0))) {
    free (session);
    return mantis_fail (error, MANTIS_FAILED, "no memory for a session");
  }
  session->shelf = self;
  session->role = role;
  *made = session;
  return MANTIS_OK;
}

void
session_close (struct mantis_session *session)
{
  session_rollback (session);
  mantis_arena_free (session->arena);
  free (session);
}

/* ---- Transactions ---- */

static struct state *
hold (struct shelf *shelf)
{
  shelf->state->holders++;
  return shelf->state;
}

static void
let_go (struct state *state)
{
  if (--state->holders == 0)
    state_free (state);
}

/* With the lock: until nobody else writes. */
static enum mantis_status
wait_to_write (struct shelf *shelf, struct mantis_error *error)
{
  struct timespec end;

  clock_gettime (CLOCK_REALTIME, &end);
  end.tv_sec += shelf->wait / 1000;
  end.tv_nsec += shelf->wait % 1000 * 1000000;
  end.tv_sec += end.tv_nsec / 1000000000;
  end.tv_nsec %= 1000000000;
  while (shelf->writing)
    if (pthread_cond_timedwait (&shelf->free, &shelf->lock, &end) == ETIMEDOUT && shelf->writing)
      return mantis_fail (error, MANTIS_BUSY, "somebody else writes");
  return MANTIS_OK;
}

/* With the lock. */
static void
let_write (struct shelf *shelf)
{
  shelf->writing = false;
  pthread_cond_signal (&shelf->free);
}

/* With the lock, which is let go of meanwhile, and as the one who writes: take in what an application did. */
static enum mantis_status
catch_up (struct shelf *shelf, struct mantis_error *error)
{
  struct state *fresh;
  enum mantis_status status;

  shelf->writing = true;
  pthread_mutex_unlock (&shelf->lock);
  status = folder_compare (shelf, &fresh, error);
  pthread_mutex_lock (&shelf->lock);
  if (fresh) {
    let_go (shelf->state);
    shelf->state = fresh;
    shelf->commits++;
  }
  if (status != MANTIS_OK)
    let_write (shelf);
  return status;
}

enum mantis_status
session_begin (struct mantis_session *session, enum mantis_mode mode, struct mantis_error *error)
{
  struct shelf *shelf = session->shelf;
  enum mantis_status status = MANTIS_OK;
  struct state *current = NULL;

  pthread_mutex_lock (&shelf->lock);
  if (session->schema && session->shape != shelf->state->shape) {
    session->shape = shelf->state->shape; /* said once */
    status = mantis_fail (error, MANTIS_STALE, "a table was made");
  }
  if (status == MANTIS_OK && mode == MANTIS_WRITE)
    status = wait_to_write (shelf, error);
  if (status == MANTIS_OK && !shelf->writing && (shelf->folder || mode == MANTIS_WRITE)) {
    status = catch_up (shelf, error);
    if (status == MANTIS_OK && mode == MANTIS_READ)
      let_write (shelf);
  }
  if (status == MANTIS_OK) {
    current = hold (shelf);
    session->writes = mode == MANTIS_WRITE;
  }
  pthread_mutex_unlock (&shelf->lock);
  if (status != MANTIS_OK)
    return status;
  session->state = session->writes ? state_copy (current) : current;
  if (session->writes) { /* its own, of which it is the only holder */
    pthread_mutex_lock (&shelf->lock);
    let_go (current);
    pthread_mutex_unlock (&shelf->lock);
  }
  if (!session->state) {
    session_rollback (session);
    return mantis_fail (error, MANTIS_FULL, "no memory for a transaction");
  }
  return MANTIS_OK;
}

/* The end of a transaction: FRESH, where it has one, is the current state from now on. */
static void
end (struct mantis_session *session, struct state *fresh)
{
  struct shelf *shelf = session->shelf;

  while (session->saved_count)
    state_free (session->saved[--session->saved_count]);
  pthread_mutex_lock (&shelf->lock);
  if (fresh) {
    let_go (shelf->state);
    shelf->state = fresh;
    if (session->seen == shelf->commits++)
      session->seen++; /* its own is no news */
  } else if (session->state)
    let_go (session->state);
  if (session->writes)
    let_write (shelf);
  pthread_mutex_unlock (&shelf->lock);
  session->state = NULL;
  session->writes = false;
}

enum mantis_status
session_commit (struct mantis_session *session, struct mantis_error *error)
{
  struct shelf *shelf = session->shelf;
  enum mantis_status status = MANTIS_OK;

  if (!session->state)
    return mantis_fail (error, MANTIS_FAILED, "shelf: commit() without begin()");
  if (mantis_arena_exhausted (session->state->arena))
    return mantis_fail (error, MANTIS_FULL, "no memory for this transaction");
  if (session->writes && shelf->folder)
    status = folder_commit (shelf, session->state, error);
  else if (session->writes)
    status = file_write (shelf->path, session->state, error);
  if (status != MANTIS_OK)
    return status;
  end (session, session->writes ? session->state : NULL);
  return MANTIS_OK;
}

void
session_rollback (struct mantis_session *session)
{
  if (session->state || session->writes)
    end (session, NULL);
}

enum mantis_status
session_savepoint (struct mantis_session *session, struct mantis_error *error)
{
  struct state *copy;

  if (session->saved_count == sizeof session->saved / sizeof *session->saved)
    return mantis_fail (error, MANTIS_FAILED, "shelf: too many savepoints");
  if (!(copy = state_copy (session->state)))
    return mantis_fail (error, MANTIS_FULL, "no memory for a savepoint");
  session->saved[session->saved_count++] = copy;
  return MANTIS_OK;
}

enum mantis_status
session_rollback_to (struct mantis_session *session, struct mantis_error *error)
{
  struct state *copy;

  if (!session->saved_count)
    return mantis_fail (error, MANTIS_FAILED, "shelf: no savepoint to go back to");
  if (!(copy = state_copy (session->saved[session->saved_count - 1])))
    return mantis_fail (error, MANTIS_FULL, "no memory to go back to a savepoint");
  copy->head = session->state->head; /* numbers never come twice */
  state_free (session->state);
  session->state = copy;
  return MANTIS_OK;
}

enum mantis_status
session_release (struct mantis_session *session, struct mantis_error *error)
{
  if (!session->saved_count)
    return mantis_fail (error, MANTIS_FAILED, "shelf: no savepoint to release");
  state_free (session->saved[--session->saved_count]);
  return MANTIS_OK;
}

enum mantis_status
session_look (struct mantis_session *session, bool *changed, struct mantis_error *error)
{
  struct shelf *shelf = session->shelf;
  enum mantis_status status = MANTIS_OK;

  pthread_mutex_lock (&shelf->lock);
  if (shelf->folder && (status = wait_to_write (shelf, error)) == MANTIS_OK
      && (status = catch_up (shelf, error)) == MANTIS_OK)
    let_write (shelf);
  *changed = status == MANTIS_OK && session->seen != shelf->commits;
  if (*changed)
    session->seen = shelf->commits;
  pthread_mutex_unlock (&shelf->lock);
  return status;
}

/* ---- Tables ---- */

static bool
is_wanted (const char *const *patterns, const char *name)
{
  if (is_own (name))
    return false;
  for (size_t i = 0; patterns && patterns[i]; i++)
    if (fnmatch (patterns[i], name, 0) == 0)
      return true;
  return !patterns;
}

static enum mantis_watch
watch (struct kept *kept)
{
  enum mantis_watch found = kept->watched ? MANTIS_WATCHED : kept->was_watched ? MANTIS_REWATCHED : MANTIS_NEW;

  kept->watched = kept->was_watched = true;
  return found;
}

/* The first entry of a log is of no table that anybody is shown. */
static void
begin_log (struct state *state)
{
  static const struct mantis_column columns[]
      = { { .name = "id", .declared = "INTEGER", .type_class = MANTIS_CLASS_INTEGER, .key_position = 1 } };
  static const uint32_t key[] = { 0 };
  static const struct mantis_table start
      = { .size = sizeof start, .name = "__sync_start", .columns = columns, .column_count = 1, .key = key, .key_count = 1 };
  const struct mantis_value row = { .type = MANTIS_INTEGER };
  const struct mantis_change change = { .table = &start, .row = &row, .updated_at = mantis_now () };
  struct kept *kept = state_find (state, start.name);

  if (!kept)
    kept = state_add (state, &start);
  if (kept)
    state_note (state, kept, &change, MANTIS_START);
}

/* Descriptions are copies of the session's: the core holds on to them. */
enum mantis_status
session_attach (struct mantis_session *session, const char *const *patterns,
                const struct mantis_schema **made, struct mantis_error *error)
{
  struct state *state = session->state;
  struct mantis_schema *schema = mantis_arena_alloc (session->arena, sizeof *schema);
  struct mantis_attached *list
      = mantis_arena_alloc (session->arena, (state->table_count + 1) * sizeof *list);

  if (!schema || !list)
    return mantis_fail (error, MANTIS_FULL, "no memory for the schema");
  if (!state->log_count)
    begin_log (state);
  *schema = (struct mantis_schema){ .size = sizeof *schema, .tables = list };
  for (size_t i = 0; i < state->table_count; i++) {
    struct kept *kept = &state->tables[i];
    struct mantis_table *table = mantis_arena_alloc (session->arena, sizeof *table);
    if (!table || !is_wanted (patterns, kept->about.name)) {
      kept->watched = false;
      continue;
    }
    table_copy (session->arena, &kept->about, table);
    list[schema->count++] = (struct mantis_attached){ table, watch (kept) };
  }
  session->shape = state->shape;
  session->schema = *made = schema;
  return MANTIS_OK;
}

enum mantis_status
session_create (struct mantis_session *session, const struct mantis_table *table, struct mantis_error *error)
{
  struct state *state = session->state;
  struct kept *kept = state_find (state, table->name);
  int64_t shape = state->shape;
  enum mantis_status status = kept ? MANTIS_OK : table_make (session->shelf, table->name, error);

  if (status != MANTIS_OK)
    return status;
  if (table->foreign_key_count || table->unique_count)
    return mantis_fail (error, MANTIS_REFUSED, "table \"%s\": shelf has no unique indexes and no foreign keys",
                        table->name);
  if (!table->key_count)
    return mantis_fail (error, MANTIS_REFUSED, "table \"%s\" has no primary key", table->name);
  if (!kept)
    kept = state_add (state, table);
  else if (is_own (table->name) && table->column_count > kept->about.column_count)
    state_widen (state, kept, table);
  if (is_own (table->name))
    state->shape = shape;
  return kept ? MANTIS_OK : mantis_fail (error, MANTIS_FULL, "no memory for table \"%s\"", table->name);
}

/* The log goes, and with it what is Mantis's own; the places of tables in the log do not matter any more. */
enum mantis_status
session_detach (struct mantis_session *session, struct mantis_error *error)
{
  struct state *state = session->state;
  size_t left = 0;

  (void) error;
  for (size_t i = 0; i < state->table_count; i++)
    if (!is_own (state->tables[i].about.name)) {
      state->tables[left] = state->tables[i];
      state->tables[left].watched = state->tables[left].was_watched = false;
      left++;
    }
  state->table_count = left;
  state->log_count = 0;
  return MANTIS_OK;
}
