/* folder.c - the rows once more, as files that an application writes to.
 *
 * What the state says of a row is what Mantis knew.  Where the file says otherwise, an application has written it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "shelf.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a folder; not IN_MODIFY: what is being written is looked at when it is closed. */
#define ENDS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MOVE_SELF | IN_DELETE_SELF)

/* ---- Mantis writes ---- */

static mantis_row
known (const struct kept *kept, mantis_row key)
{
  bool there;
  size_t place = row_place (kept, key, &there);

  return there ? kept->rows[place] : NULL;
}

enum way { FORTH, BACK, RECOVER };

static enum mantis_status
take_step (const struct shelf *shelf, const struct state *state, const struct step *step, enum way way,
           struct mantis_error *error)
{
  const struct kept *kept = &state->tables[step->table];
  const struct mantis_table *table = &kept->about;
  mantis_row from = known (kept, step->key);
  const char *name = paper_name (state->arena, table, step->key);
  int dir = table_open (shelf, table->name, error);
  enum mantis_status status = dir < 0 ? MANTIS_LOST : MANTIS_OK;

  if (status == MANTIS_OK && !name)
    status = mantis_fail (error, MANTIS_FULL, "no memory to write table \"%s\"", table->name);
  if (status == MANTIS_OK && way == RECOVER)
    paper_recover (dir, table, name, step->key, from, step->to);
  if (status == MANTIS_OK && way == FORTH)
    status = paper_turn (dir, table, name, step->key, from, step->to, error);
  else if (status == MANTIS_OK)
    status = paper_turn (dir, table, name, step->key, step->to, from, error);
  if (dir >= 0)
    close (dir);
  return status;
}

/* A commit was cut short: the files say again what the state says, but where an application has written since. */
enum mantis_status
folder_recover (struct shelf *shelf, struct mantis_error *error)
{
  struct state *state = shelf->state;
  enum mantis_status status = MANTIS_OK;

  if (!state->step_count)
    return MANTIS_OK;
  for (size_t i = 0; i < state->step_count && (status == MANTIS_OK || status == MANTIS_BUSY); i++)
    status = take_step (shelf, state, &state->steps[i], RECOVER, error);
  if (status != MANTIS_OK && status != MANTIS_BUSY)
    return status;
  state->step_count = 0;
  return file_write (shelf->path, state, error);
}

/* Names that came and went are durable. */
static enum mantis_status
sync_tables (const struct shelf *shelf, const struct state *state, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  for (size_t t = 0; t < state->table_count && status == MANTIS_OK; t++) {
    int dir = is_own (state->tables[t].about.name) ? -1 : table_open (shelf, state->tables[t].about.name, error);
    if (dir >= 0 && fsync (dir) != 0)
      status = mantis_fail (error, MANTIS_FAILED, "%s: %s", shelf->folder, strerror (errno));
    if (dir >= 0)
      close (dir);
  }
  return status;
}

/* The files that MINE says otherwise than the state of the shelf does. */
static enum mantis_status
plan (const struct state *now, struct state *mine, struct mantis_error *error)
{
  size_t room = 0;

  for (size_t t = 0; t < mine->table_count; t++) {
    const struct kept *to = &mine->tables[t], *from = state_find (now, to->about.name);
    size_t old = 0, fresh = 0, olds = from ? from->count : 0;
    if (is_own (to->about.name))
      continue;
    if (!from && to->count)
      return mantis_fail (error, MANTIS_FAILED, "table \"%s\" is new: its rows come in the next transaction",
                          to->about.name);
    while (old < olds || fresh < to->count) {
      int order = old == olds         ? 1
                  : fresh == to->count ? -1
                                       : key_order (&to->about, from->rows[old], to->rows[fresh]);
      mantis_row was = order <= 0 ? from->rows[old++] : NULL;
      mantis_row is = order >= 0 ? to->rows[fresh++] : NULL;
      if (paper_same (&to->about, was, is))
        continue;
      if (!array_grow (mine->arena, &mine->steps, mine->step_count, &room, sizeof *mine->steps))
        return mantis_fail (error, MANTIS_FULL, "no memory for this transaction");
      mine->steps[mine->step_count++]
          = (struct step){ .table = (size_t) (from - now->tables), .key = is ? is : was, .to = is };
    }
  }
  return MANTIS_OK;
}

enum mantis_status
folder_commit (struct shelf *shelf, struct state *mine, struct mantis_error *error)
{
  struct state *now = shelf->state;
  enum mantis_status status = plan (now, mine, error);
  size_t taken = 0;

  if (status != MANTIS_OK)
    return status;
  now->steps = mine->steps;
  now->step_count = mine->step_count;
  mine->steps = NULL;
  mine->step_count = 0;
  if (now->step_count)
    status = file_write (shelf->path, now, error); /* what is about to happen */
  for (; status == MANTIS_OK && taken < now->step_count; taken += status == MANTIS_OK)
    status = take_step (shelf, now, &now->steps[taken], FORTH, error);
  if (status == MANTIS_OK && now->step_count)
    status = sync_tables (shelf, now, error);
  if (status == MANTIS_OK)
    status = file_write (shelf->path, mine, error); /* it has happened */
  while (status != MANTIS_OK && taken > 0)
    (void) take_step (shelf, now, &now->steps[--taken], BACK, NULL);
  if (status != MANTIS_OK && now->step_count) {
    now->step_count = 0;
    (void) file_write (shelf->path, now, NULL);
  }
  now->step_count = 0;
  return status;
}

/* May this row be a file?  What an application has left there, and nobody understands, is not written over. */
enum mantis_status
folder_admits (const struct shelf *shelf, const struct mantis_table *table, mantis_row row,
               struct mantis_error *error)
{
  struct mantis_arena *arena = mantis_arena_new (0);
  const char *name = arena ? paper_name (arena, table, row) : NULL;
  const struct mantis_value *key = name ? paper_key (arena, table, name) : NULL;
  enum mantis_status status = MANTIS_OK;
  struct paper paper;
  int dir;

  for (size_t k = 0; k < table->key_count && key; k++)
    if (!mantis_value_equal (&key[table->key[k]], &row[table->key[k]]))
      key = NULL;
  if (!key)
    status = mantis_fail (error, MANTIS_REFUSED, "table \"%s\": no file can have the name of this key", table->name);
  else if ((dir = table_open (shelf, table->name, error)) < 0)
    status = MANTIS_LOST;
  else {
    if (paper_read (dir, name, table, key, arena, &paper, NULL) == MANTIS_INVALID)
      status = mantis_fail (error, MANTIS_REFUSED, "table \"%s\": there is a file that says no row in its place",
                            table->name);
    close (dir);
  }
  mantis_arena_free (arena);
  return status;
}

/* ---- An application writes: compare each file with what is known of its row ---- */

struct papers {
  struct paper *list;
  size_t count, room;
};

static int
paper_order (const void *a, const void *b, void *table)
{
  return key_order (table, ((const struct paper *) a)->row, ((const struct paper *) b)->row);
}

/* All files of a table, in the order of their keys.  TIME: of the last name that came or went. */
static enum mantis_status
read_table (struct shelf *shelf, const struct mantis_table *table, struct mantis_arena *arena,
            struct papers *papers, int64_t *time, struct mantis_error *complaint, struct mantis_error *error)
{
  int dir = table_open (shelf, table->name, error);
  DIR *names = dir < 0 ? NULL : fdopendir (dir);
  enum mantis_status status = MANTIS_OK;
  struct mantis_error why;
  struct stat info;

  if (!names)
    return MANTIS_LOST;
  if (fstat (dir, &info) == 0)
    *time = (int64_t) info.st_ctim.tv_sec * 1000 + info.st_ctim.tv_nsec / 1000000;
  for (struct dirent *entry; errno = 0, (entry = readdir (names));) {
    const struct mantis_value *key = paper_key (arena, table, entry->d_name);
    struct paper paper;
    enum mantis_status found
        = key ? paper_read (dir, entry->d_name, table, key, arena, &paper, &why) : MANTIS_ABSENT;
    if (found == MANTIS_ABSENT || !array_grow (arena, &papers->list, papers->count, &papers->room, sizeof paper))
      continue;
    papers->list[papers->count++] = paper;
    if (found != MANTIS_OK && !*complaint->text)
      *complaint = why;
  }
  if (errno)
    status = mantis_fail (error, MANTIS_FAILED, "%s: %s", shelf->folder, strerror (errno));
  closedir (names);
  if (papers->count)
    qsort_r (papers->list, papers->count, sizeof *papers->list, paper_order, (void *) (uintptr_t) table);
  if (status == MANTIS_OK && mantis_arena_exhausted (arena))
    status = mantis_fail (error, MANTIS_FULL, "no memory to read %s", shelf->folder);
  return status;
}

/* A name that is being given to another file may be passed over while names are read. */
static bool
is_gone (const struct shelf *shelf, const struct mantis_table *table, mantis_row row, struct mantis_arena *arena)
{
  const char *name = paper_name (arena, table, row);
  int dir = table_open (shelf, table->name, NULL);
  bool gone = name && dir >= 0 && paper_says (dir, name, table, row, NULL);

  if (dir >= 0)
    close (dir);
  return gone;
}

static enum mantis_status
take_change (const struct shelf *shelf, struct state **fresh, size_t t, struct mantis_change *change,
             struct mantis_error *error)
{
  struct kept *kept;

  if (!*fresh && !(*fresh = state_copy (shelf->state)))
    return mantis_fail (error, MANTIS_FULL, "no memory for what was written to %s", shelf->folder);
  kept = &(*fresh)->tables[t];
  change->table = &kept->about;
  if (change->updated_at > mantis_now ())
    change->updated_at = mantis_now ();
  return row_make (*fresh, kept, change, kept->watched, error);
}

/* *FRESH: the state with what an application has done to the table's files; made where that is something. */
static enum mantis_status
compare_table (struct shelf *shelf, size_t t, struct state **fresh, struct mantis_error *complaint,
               struct mantis_error *error)
{
  const struct kept *kept = &shelf->state->tables[t];
  struct mantis_arena *arena = mantis_arena_new (0);
  struct papers papers = { .list = NULL };
  int64_t time = 0;
  enum mantis_status status
      = arena ? read_table (shelf, &kept->about, arena, &papers, &time, complaint, error) : MANTIS_FULL;

  for (size_t p = 0, r = 0; status == MANTIS_OK && (p < papers.count || r < kept->count);) {
    int order = p == papers.count  ? 1
                : r == kept->count ? -1
                                   : key_order (&kept->about, papers.list[p].row, kept->rows[r]);
    const struct paper *paper = order <= 0 ? &papers.list[p++] : NULL;
    mantis_row was = order >= 0 ? kept->rows[r++] : NULL;
    struct mantis_change change = { .row = paper ? paper->row : was,
                                    .deleted = !paper,
                                    .updated_at = paper ? paper->time : time };
    if (paper ? paper->clear && !paper_same (&kept->about, paper->row, was)
              : is_gone (shelf, &kept->about, was, arena))
      status = take_change (shelf, fresh, t, &change, error);
  }
  mantis_arena_free (arena);
  return status;
}

/* Has anything been written since it was compared?  Where nobody tells, it may have been. */
static bool
is_stirred (struct shelf *shelf)
{
  bool stirred = shelf->stirs < 0 || shelf->compared != shelf->state->shape;
  char events[4096];

  while (shelf->stirs >= 0 && read (shelf->stirs, events, sizeof events) > 0)
    stirred = true;
  return stirred;
}

/* With the lock: let FD be told of what happens in the folders of all tables.  Twice is the same as once. */
static bool
follow (const struct shelf *shelf, int fd, uint32_t events)
{
  bool done = true;

  for (size_t t = 0; shelf->state && t < shelf->state->table_count; t++) {
    const char *table = shelf->state->tables[t].about.name;
    char *path = is_own (table) ? NULL : table_path (shelf, table);
    if (path && inotify_add_watch (fd, path, events) < 0)
      done = false;
    free (path);
  }
  return done;
}

/* By who has the pen: *FRESH is the state with what was written to the folder since the last time, NULL: nothing. */
enum mantis_status
folder_compare (struct shelf *shelf, struct state **fresh, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  struct mantis_error complaint = { .text = "" };

  *fresh = NULL;
  if (!shelf->folder || !is_stirred (shelf))
    return MANTIS_OK;
  pthread_mutex_lock (&shelf->lock);
  if (shelf->tells >= 0)
    (void) follow (shelf, shelf->tells, ENDS);
  if (shelf->stirs >= 0 && !follow (shelf, shelf->stirs, ENDS | IN_CREATE)) {
    close (shelf->stirs);
    shelf->stirs = -1; /* then it is compared each time */
  }
  pthread_mutex_unlock (&shelf->lock);
  shelf->compared = -1;
  for (size_t t = 0; t < shelf->state->table_count && status == MANTIS_OK; t++)
    if (!is_own (shelf->state->tables[t].about.name))
      status = compare_table (shelf, t, fresh, &complaint, error);
  if (status == MANTIS_OK && *fresh)
    status = file_write (shelf->path, *fresh, error);
  if (status != MANTIS_OK) {
    state_free (*fresh);
    *fresh = NULL;
    return status;
  }
  shelf->compared = shelf->state->shape;
  pthread_mutex_lock (&shelf->lock);
  if (strcmp (shelf->trouble.text, complaint.text) != 0)
    shelf->since = mantis_now ();
  shelf->trouble = complaint;
  pthread_mutex_unlock (&shelf->lock);
  return MANTIS_OK;
}

/* ---- Notice ---- */

int
folder_watch (void *self, struct mantis_error *error)
{
  struct shelf *shelf = self;

  if (!shelf->folder)
    return -1; /* nobody writes but this process, and look() knows of that */
  pthread_mutex_lock (&shelf->lock);
  if (shelf->tells < 0)
    shelf->tells = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  if (shelf->tells < 0)
    mantis_fail (error, MANTIS_FAILED, "cannot watch %s: %s", shelf->folder, strerror (errno));
  else
    (void) follow (shelf, shelf->tells, ENDS);
  pthread_mutex_unlock (&shelf->lock);
  return shelf->tells;
}

bool
folder_trouble (void *self, struct mantis_buf *text, int64_t *since)
{
  struct shelf *shelf = self;
  bool some;

  pthread_mutex_lock (&shelf->lock);
  some = *shelf->trouble.text;
  *since = shelf->since;
  if (some)
    mantis_buf_printf (text, "a file says no row, and is not sent until it does: %s", shelf->trouble.text);
  pthread_mutex_unlock (&shelf->lock);
  return some;
}
