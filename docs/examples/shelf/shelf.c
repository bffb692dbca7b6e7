/* shelf - a server's tables in memory and in one file.
 *
 * An example of a storage that is kept outside Mantis's tree: docs/write-a-storage.md explains it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "shelf.h"

#include <string.h>
#include <strings.h>
#include <sys/inotify.h>
#include <unistd.h>

static const struct mantis_option options[] = {
  MANTIS_OPTION (struct shelf, path, MANTIS_OPTION_FILE, NULL, "the file", .required = true),
  MANTIS_OPTION (struct shelf, folder, MANTIS_OPTION_FILE, NULL, "where each row is a file that anybody edits"),
  MANTIS_MAP (struct shelf, tables, NULL,
              "tables and their columns, the key first: \"id TEXT, title TEXT, pieces INTEGER\""),
  MANTIS_DURATION (struct shelf, wait, "5s", 0, 60000, "how long one writer waits for another"),
  { .name = NULL },
};

/* ---- Tables that the options declare ---- */

enum { MOST_COLUMNS = 64 };

static bool
read_type (const char *type, uint32_t *type_class)
{
  static const char *const names[] = { "ANY", "TEXT", "NUMERIC", "INTEGER", "REAL" };

  for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
    if (type && strcasecmp (type, names[i]) == 0) {
      *type_class = i;
      return true;
    }
  return false;
}

/* "id TEXT, title TEXT": the first is the key. */
static enum mantis_status
declare (const struct shelf *shelf, const char *name, const char *text, struct mantis_error *error)
{
  struct state *state = shelf->state;
  static const uint32_t key[] = { 0 };
  struct mantis_column columns[MOST_COLUMNS] = { { .name = NULL } };
  struct mantis_table table
      = { .size = sizeof table, .name = name, .columns = columns, .key = key, .key_count = 1 };
  char *copy = mantis_arena_strdup (state->arena, text), *state_of_parts, *state_of_words;
  const struct kept *kept = state_find (state, name);

  for (char *part = copy ? strtok_r (copy, ",", &state_of_parts) : NULL; part;
       part = strtok_r (NULL, ",", &state_of_parts)) {
    struct mantis_column *column = &columns[table.column_count];
    if (++table.column_count > MOST_COLUMNS)
      return mantis_fail (error, MANTIS_INVALID, "tables.%s: %d columns are the most", name, MOST_COLUMNS);
    column->name = strtok_r (part, " ", &state_of_words);
    column->declared = strtok_r (NULL, " ", &state_of_words);
    column->not_null = table.column_count == 1;
    column->key_position = table.column_count == 1;
    if (!column->name || !read_type (column->declared, &column->type_class))
      return mantis_fail (error, MANTIS_INVALID,
                          "tables.%s: column %zu is not a name and one of TEXT, INTEGER, REAL, NUMERIC, ANY",
                          name, table.column_count);
  }
  if (!table.column_count || strncmp (name, "__sync_", 7) == 0)
    return mantis_fail (error, MANTIS_INVALID, "tables.%s: it has no columns, or a name of Mantis's own", name);
  if (!kept && !state_add (state, &table))
    return mantis_fail (error, MANTIS_FAILED, "no memory for table \"%s\"", name);
  if (!kept)
    return table_make (shelf, name, error);
  if (strcmp (kept->about.fingerprint, mantis_table_fingerprint (&table, state->arena)) != 0)
    return mantis_fail (error, MANTIS_INVALID, "tables.%s: the file has it with other columns", name);
  return MANTIS_OK;
}

/* ---- Life ---- */

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  struct shelf *shelf = self;

  (void) error;
  shelf->tells = shelf->compared = -1;
  shelf->stirs = shelf->folder ? inotify_init1 (IN_NONBLOCK | IN_CLOEXEC) : -1;
  pthread_mutex_init (&shelf->lock, NULL);
  pthread_cond_init (&shelf->free, NULL);
  return MANTIS_OK;
}

/* With the first session: from then on the core has locked the place, and no other process writes to the file. */
enum mantis_status
shelf_load (struct shelf *shelf, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  pthread_mutex_lock (&shelf->lock);
  if (!shelf->state) {
    status = file_read (shelf->path, &shelf->state, error);
    for (const char *const *at = shelf->tables; status == MANTIS_OK && at && *at; at += 2)
      status = declare (shelf, at[0], at[1], error);
    if (status == MANTIS_OK && shelf->folder)
      status = folder_recover (shelf, error);
    if (status != MANTIS_OK) {
      state_free (shelf->state);
      shelf->state = NULL;
    }
  }
  pthread_mutex_unlock (&shelf->lock);
  return status;
}

static void
stop (void *self)
{
  struct shelf *shelf = self;

  state_free (shelf->state);
  if (shelf->tells >= 0)
    close (shelf->tells);
  if (shelf->stirs >= 0)
    close (shelf->stirs);
  pthread_cond_destroy (&shelf->free);
  pthread_mutex_destroy (&shelf->lock);
}

static const char *
place (void *self)
{
  return ((struct shelf *) self)->path;
}

/* ---- What it has no need of ---- */

static enum mantis_status
defer (struct mantis_session *session, bool until_commit, struct mantis_error *error)
{
  (void) session, (void) until_commit, (void) error;
  return MANTIS_OK; /* no foreign keys */
}

static enum mantis_status
check (struct mantis_session *session, struct mantis_error *error)
{
  (void) session, (void) error;
  return MANTIS_OK;
}

static enum mantis_status
park (struct mantis_session *session, const struct mantis_table *table,
      const struct mantis_change *const *changes, size_t count, struct mantis_error *error)
{
  (void) session, (void) table, (void) changes, (void) count, (void) error;
  return MANTIS_OK; /* no unique values */
}

static const struct mantis_storage ops = {
  .size = sizeof ops,
  .open = session_open,
  .close = session_close,
  .place = place,
  .begin = session_begin,
  .commit = session_commit,
  .rollback = session_rollback,
  .savepoint = session_savepoint,
  .rollback_to = session_rollback_to,
  .release = session_release,
  .defer = defer,
  .check = check,
  .attach = session_attach,
  .create = session_create,
  .detach = session_detach,
  .log_head = log_head,
  .log_read = log_read,
  .log_trim = log_trim,
  .log_disown = log_disown,
  .versions = log_versions,
  .read = rows_read,
  .scan = rows_scan,
  .apply = rows_apply,
  .park = park,
  .watch = folder_watch,
  .look = session_look,
  .trouble = folder_trouble,
  .log_prune = log_prune,
};

MANTIS_STORAGE_PLUGIN (shelf, &ops, .summary = "tables in memory and in one file", .version = "1.0",
                       .self_size = sizeof (struct shelf), .options = options, .start = start,
                       .stop = stop, .threads = MANTIS_PARALLEL);
