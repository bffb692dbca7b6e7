/* file.c - a state in a file: lines of numbers and texts, each text behind its length.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char first_line[] = "shelf 2\n";

/* ---- Write ---- */

static void
put_number (FILE *file, int64_t number)
{
  fprintf (file, "%" PRId64 "\n", number);
}

static void
put_text (FILE *file, const char *bytes, size_t length)
{
  fprintf (file, "%zu\n", length);
  fwrite (bytes, 1, length, file);
  fputc ('\n', file);
}

static void
put_row (FILE *file, const struct mantis_table *table, mantis_row row)
{
  for (size_t i = 0; i < table->column_count; i++) {
    put_number (file, row[i].type);
    if (row[i].type == MANTIS_INTEGER)
      put_number (file, row[i].as.integer);
    else if (row[i].type == MANTIS_REAL)
      fprintf (file, "%a\n", row[i].as.real);
    else if (row[i].type >= MANTIS_TEXT)
      put_text (file, row[i].as.bytes, row[i].length);
  }
}

static void
put_table (FILE *file, const struct kept *kept)
{
  const struct mantis_table *table = &kept->about;

  put_text (file, table->name, strlen (table->name));
  put_number (file, kept->watched + 2 * kept->was_watched);
  put_number (file, (int64_t) table->column_count);
  for (size_t i = 0; i < table->column_count; i++) {
    const struct mantis_column *column = &table->columns[i];
    put_text (file, column->name, strlen (column->name));
    put_text (file, column->declared, strlen (column->declared));
    put_number (file, column->type_class);
    put_number (file, column->key_position);
    put_number (file, column->not_null);
  }
  put_number (file, (int64_t) kept->count);
  for (size_t i = 0; i < kept->count; i++)
    put_row (file, table, kept->rows[i]);
}

static void
put_state (FILE *file, const struct state *state)
{
  fputs (first_line, file);
  put_number (file, state->head);
  put_number (file, (int64_t) state->table_count);
  for (size_t i = 0; i < state->table_count; i++)
    put_table (file, &state->tables[i]);
  put_number (file, (int64_t) state->log_count);
  for (size_t i = 0; i < state->log_count; i++) {
    const struct noted *noted = &state->log[i];
    put_number (file, noted->seq);
    put_number (file, noted->time);
    put_number (file, (int64_t) noted->table);
    put_number (file, noted->operation);
    put_number (file, noted->origin != NULL);
    put_text (file, noted->origin ? noted->origin : "", noted->origin ? strlen (noted->origin) : 0);
    put_row (file, &state->tables[noted->table].about, noted->row);
  }
  put_number (file, (int64_t) state->step_count);
  for (size_t i = 0; i < state->step_count; i++) {
    const struct step *step = &state->steps[i];
    put_number (file, (int64_t) step->table);
    put_number (file, step->to == NULL);
    put_row (file, &state->tables[step->table].about, step->to ? step->to : step->key);
  }
  put_number (file, 4711); /* whole */
}

/* The name of a file is as durable as its folder. */
static bool
sync_folder (const char *path)
{
  const char *slash = strrchr (path, '/');
  char *folder = slash ? strndup (path, (size_t) (slash - path) + 1) : strdup (".");
  int fd = folder ? open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  bool done = fd >= 0 && fsync (fd) == 0;

  if (fd >= 0)
    close (fd);
  free (folder);
  return done;
}

enum mantis_status
file_write (const char *path, const struct state *state, struct mantis_error *error)
{
  char fresh[4096];
  FILE *file;
  bool done;
  int why;

  snprintf (fresh, sizeof fresh, "%s.new", path);
  if (!(file = fopen (fresh, "we")))
    return mantis_fail (error, MANTIS_FAILED, "%s: %s", fresh, strerror (errno));
  put_state (file, state);
  done = !ferror (file) && fflush (file) == 0 && fsync (fileno (file)) == 0;
  why = errno;
  done = fclose (file) == 0 && done;
  if (done && rename (fresh, path) == 0 && sync_folder (path))
    return MANTIS_OK;
  unlink (fresh);
  return mantis_fail (error, why == ENOSPC ? MANTIS_FULL : MANTIS_FAILED, "%s: %s", path, strerror (why));
}

/* ---- Read: what is wrong sticks in FAILED, and is asked for at the end ---- */

struct reader {
  FILE *file;
  struct mantis_arena *arena;
  bool failed;
};

static int64_t
get_number (struct reader *reader)
{
  char line[64];

  if (reader->failed || !fgets (line, sizeof line, reader->file)) {
    reader->failed = true;
    return 0;
  }
  return strtoimax (line, NULL, 10);
}

static size_t
get_count (struct reader *reader)
{
  int64_t count = get_number (reader);

  reader->failed |= count < 0 || count > INT32_MAX;
  return reader->failed ? 0 : (size_t) count;
}

static char *
get_text (struct reader *reader, size_t *length)
{
  size_t size = get_count (reader);
  char *text = reader->failed ? NULL : mantis_arena_alloc (reader->arena, size + 2);

  if (!text || fread (text, 1, size + 1, reader->file) != size + 1) {
    reader->failed = true;
    return "";
  }
  text[size] = '\0'; /* the end of the line */
  if (length)
    *length = size;
  return text;
}

static mantis_row
get_row (struct reader *reader, const struct mantis_table *table)
{
  struct mantis_value *row
      = mantis_arena_alloc (reader->arena, (table->column_count + 1) * sizeof *row);
  char line[64];
  size_t length;

  for (size_t i = 0; row && i < table->column_count; i++) {
    row[i].type = (uint32_t) get_count (reader);
    if (row[i].type == MANTIS_INTEGER)
      row[i].as.integer = get_number (reader);
    else if (row[i].type == MANTIS_REAL && fgets (line, sizeof line, reader->file))
      row[i].as.real = strtod (line, NULL);
    else if (row[i].type >= MANTIS_TEXT) {
      row[i].as.bytes = get_text (reader, &length);
      row[i].length = reader->failed ? 0 : (uint32_t) length;
    }
  }
  return row;
}

static void
get_table (struct reader *reader, struct state *state)
{
  const char *name = get_text (reader, NULL);
  int64_t watched = get_number (reader);
  size_t count = get_count (reader);
  struct mantis_column *columns = mantis_arena_alloc (reader->arena, (count + 1) * sizeof *columns);
  uint32_t *key = mantis_arena_alloc (reader->arena, (count + 1) * sizeof *key);
  struct mantis_table table
      = { .size = sizeof table, .name = name, .columns = columns, .column_count = count, .key = key };
  struct kept *kept;

  for (size_t i = 0; columns && key && i < count; i++) {
    columns[i].name = get_text (reader, NULL);
    columns[i].declared = get_text (reader, NULL);
    columns[i].type_class = (uint32_t) get_number (reader);
    columns[i].key_position = (uint32_t) get_number (reader);
    columns[i].not_null = get_number (reader);
    if (columns[i].key_position > count)
      reader->failed = true;
    else if (columns[i].key_position) {
      key[columns[i].key_position - 1] = (uint32_t) i;
      table.key_count++;
    }
  }
  if (reader->failed || !(kept = state_add (state, &table)))
    return;
  kept->watched = watched & 1;
  kept->was_watched = watched & 2;
  kept->count = kept->room = get_count (reader);
  kept->rows = mantis_arena_alloc (reader->arena, (kept->count + 1) * sizeof *kept->rows);
  for (size_t i = 0; kept->rows && i < kept->count && !reader->failed; i++)
    kept->rows[i] = get_row (reader, &kept->about);
}

static void
get_log (struct reader *reader, struct state *state)
{
  size_t count = get_count (reader);

  state->log_room = count + 1;
  state->log = mantis_arena_alloc (reader->arena, state->log_room * sizeof *state->log);
  for (size_t i = 0; state->log && i < count && !reader->failed; i++) {
    struct noted *noted = &state->log[state->log_count];
    noted->seq = get_number (reader);
    noted->time = get_number (reader);
    noted->table = get_count (reader);
    noted->operation = (char) get_number (reader);
    noted->origin = get_number (reader) ? get_text (reader, NULL) : (get_text (reader, NULL), NULL);
    if (noted->table >= state->table_count)
      reader->failed = true;
    else {
      noted->row = get_row (reader, &state->tables[noted->table].about);
      state->log_count++;
    }
  }
}

static void
get_steps (struct reader *reader, struct state *state)
{
  size_t count = get_count (reader);

  state->steps = mantis_arena_alloc (reader->arena, (count + 1) * sizeof *state->steps);
  for (size_t i = 0; state->steps && i < count && !reader->failed; i++) {
    struct step *step = &state->steps[state->step_count];
    bool goes;
    step->table = get_count (reader);
    goes = get_number (reader);
    if (step->table >= state->table_count)
      reader->failed = true;
    else {
      step->key = get_row (reader, &state->tables[step->table].about);
      step->to = goes ? NULL : step->key;
      state->step_count++;
    }
  }
}

/* A file that is not there is an empty shelf. */
enum mantis_status
file_read (const char *path, struct state **made, struct mantis_error *error)
{
  struct state *state = state_new ();
  struct reader reader = { .file = fopen (path, "re"), .arena = state ? state->arena : NULL };
  char line[sizeof first_line];

  *made = state;
  if (!state)
    return mantis_fail (error, MANTIS_FAILED, "no memory for %s", path);
  if (!reader.file)
    return errno == ENOENT ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "%s: %s", path, strerror (errno));
  reader.failed = !fgets (line, sizeof line, reader.file) || strcmp (line, first_line) != 0;
  state->head = get_number (&reader);
  for (size_t count = get_count (&reader); count && !reader.failed; count--)
    get_table (&reader, state);
  get_log (&reader, state);
  get_steps (&reader, state);
  reader.failed |= get_number (&reader) != 4711 || mantis_arena_exhausted (state->arena);
  fclose (reader.file);
  return reader.failed ? mantis_fail (error, MANTIS_FAILED, "%s is no shelf, or is damaged", path) : MANTIS_OK;
}
