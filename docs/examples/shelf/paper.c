/* paper.c - a row in a file that anybody edits: FOLDER/TABLE/KEY holds {"column": value, ...}, without the key.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "shelf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 16 * 1024 * 1024, LONGEST_NAME = NAME_MAX - 2 };

/* Mantis's own names, of no row: a file that is not whole yet, and the one that changes places with a row's. */
static const char unfinished[] = ".~";
#define SPARE ".~%s"

/* ---- Names: letters, digits, - and _ stand for themselves, the rest is %XX; no name begins with a dot ---- */

static void
put_part (struct mantis_buf *name, const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++)
    if (isalnum ((unsigned char) bytes[i]) || strchr ("-_", bytes[i] ? bytes[i] : '.') || bytes[i] & 0x80)
      mantis_buf_char (name, bytes[i]);
    else
      mantis_buf_printf (name, "%%%02X", (unsigned char) bytes[i]);
  if (!length)
    mantis_buf_char (name, '%');
}

/* Of the row with this key, in ARENA.  NULL: it cannot be a file. */
const char *
paper_name (struct mantis_arena *arena, const struct mantis_table *table, mantis_row row)
{
  struct mantis_buf name = MANTIS_BUF_INIT;
  const char *copy = NULL;

  for (size_t k = 0; k < table->key_count; k++) {
    const struct mantis_value *value = &row[table->key[k]];
    if (k)
      mantis_buf_char (&name, ',');
    if (value->type == MANTIS_INTEGER)
      mantis_buf_printf (&name, "%" PRId64, value->as.integer);
    else if (value->type == MANTIS_TEXT)
      put_part (&name, value->as.bytes, value->length);
    else
      name.failed = true;
  }
  if (!name.failed && name.length <= LONGEST_NAME)
    copy = mantis_arena_strdup (arena, name.bytes);
  mantis_buf_free (&name);
  return copy;
}

/* In the place of PART, which gets shorter. */
static size_t
decode (char *part)
{
  char *to = part, hex[3] = "";

  for (const char *at = part; *at; at++)
    if (*at == '%' && isxdigit ((unsigned char) at[1]) && isxdigit ((unsigned char) at[2])) {
      memcpy (hex, at + 1, 2);
      *to++ = (char) strtol (hex, NULL, 16);
      at += 2;
    } else if (*at != '%')
      *to++ = *at;
  return (size_t) (to - part);
}

/* A row of which the key is set; NULL: a file of this name is no row. */
struct mantis_value *
paper_key (struct mantis_arena *arena, const struct mantis_table *table, const char *name)
{
  struct mantis_value *row = mantis_arena_alloc (arena, table->column_count * sizeof *row);
  char *rest = mantis_arena_strdup (arena, name), *part, *end;
  const char *again;

  for (size_t k = 0; row && k < table->key_count; k++) {
    struct mantis_value *value = &row[table->key[k]];
    if (!(part = strsep (&rest, ",")))
      return NULL;
    value->as.integer = strtoll (part, &end, 10);
    value->type = MANTIS_INTEGER;
    if (table->columns[table->key[k]].type_class != MANTIS_CLASS_TEXT && end > part && !*end)
      continue;
    value->type = MANTIS_TEXT;
    value->as.bytes = part;
    value->length = (uint32_t) decode (part);
  }
  again = row ? paper_name (arena, table, row) : NULL;
  return again && strcmp (again, name) == 0 ? row : NULL;
}

/* ---- One file ---- */

char *
table_path (const struct shelf *shelf, const char *table)
{
  struct mantis_buf path = MANTIS_BUF_INIT;

  mantis_buf_printf (&path, "%s/", shelf->folder);
  put_part (&path, table, strlen (table));
  return mantis_buf_take (&path, NULL);
}

int
table_open (const struct shelf *shelf, const char *table, struct mantis_error *error)
{
  char *path = table_path (shelf, table);
  int dir = path ? open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

  if (dir < 0)
    mantis_fail (error, MANTIS_LOST, "the folder of table \"%s\" in %s: %s", table, shelf->folder, strerror (errno));
  free (path);
  return dir;
}

enum mantis_status
table_make (const struct shelf *shelf, const char *table, struct mantis_error *error)
{
  char *path = shelf->folder && !is_own (table) ? table_path (shelf, table) : NULL;
  enum mantis_status status = MANTIS_OK;

  if (path) {
    (void) mkdir (shelf->folder, 0777);
    if (mkdir (path, 0777) != 0 && errno != EEXIST)
      status = mantis_fail (error, MANTIS_FAILED, "%s: %s", path, strerror (errno));
  }
  free (path);
  return status;
}

/* Its text; NULL: there is none. */
static char *
read_text (int fd, struct mantis_arena *arena, size_t size, size_t *length)
{
  char *text = mantis_arena_alloc (arena, size + 1);
  ssize_t some = 1;

  for (*length = 0; text && *length < size && some > 0; *length += some > 0 ? (size_t) some : 0)
    some = read (fd, text + *length, size - *length);
  return some < 0 ? NULL : text;
}

enum mantis_status
paper_read (int dir, const char *name, const struct mantis_table *table, const struct mantis_value *key,
            struct mantis_arena *arena, struct paper *paper, struct mantis_error *error)
{
  int fd = openat (dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct mantis_value *row;
  struct stat info = { .st_size = 0 };
  char *text = NULL;
  size_t length = 0;

  *paper = (struct paper){ .row = key };
  if (fd < 0 && errno == ENOENT)
    return MANTIS_ABSENT;
  if (fd >= 0 && fstat (fd, &info) == 0 && S_ISREG (info.st_mode) && info.st_size <= MOST_BYTES)
    text = read_text (fd, arena, (size_t) info.st_size, &length);
  if (fd >= 0)
    close (fd);
  paper->time = (int64_t) info.st_ctim.tv_sec * 1000 + info.st_ctim.tv_nsec / 1000000;
  if (!text)
    return mantis_fail (error, MANTIS_INVALID, "%s/%s cannot be read", table->name, name);
  if (mantis_row_read (text, length, table, arena, &paper->row, error) != MANTIS_OK) {
    mantis_fail_in (error, "%s/%s", table->name, name);
    return MANTIS_INVALID;
  }
  row = (struct mantis_value *) (uintptr_t) paper->row;
  for (size_t i = 0; i < table->column_count; i++) {
    if (table->columns[i].key_position)
      row[i] = key[i];
    else if (row[i].type == MANTIS_NONE)
      row[i].type = MANTIS_NULL;
    if (row[i].type == MANTIS_NULL && table->columns[i].not_null)
      return mantis_fail (error, MANTIS_INVALID, "%s/%s: column \"%s\" must not be NULL", table->name, name,
                          table->columns[i].name);
  }
  paper->clear = true;
  return MANTIS_OK;
}

bool
paper_same (const struct mantis_table *table, mantis_row a, mantis_row b)
{
  for (size_t i = 0; a && b && i < table->column_count; i++)
    if (!mantis_value_equal (&a[i], &b[i]))
      return false;
  return !a == !b;
}

bool
paper_says (int dir, const char *name, const struct mantis_table *table, mantis_row key, mantis_row row)
{
  struct mantis_arena *arena = mantis_arena_new (0);
  struct paper paper;
  enum mantis_status status = arena ? paper_read (dir, name, table, key, arena, &paper, NULL) : MANTIS_FULL;
  bool same = row ? status == MANTIS_OK && paper_same (table, paper.row, row) : status == MANTIS_ABSENT;

  mantis_arena_free (arena);
  return same;
}

/* What bears the name is whole: so a spare file that says neither the old row nor the new one is never ours. */
static enum mantis_status
write_paper (int dir, const char *name, const struct mantis_table *table, mantis_row row,
             struct mantis_error *error)
{
  struct mantis_value *rest = calloc (table->column_count, sizeof *rest);
  int fd = openat (dir, unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), why = errno;
  struct mantis_buf text = MANTIS_BUF_INIT;
  bool done = rest && fd >= 0;

  for (size_t i = 0; rest && i < table->column_count; i++)
    if (!table->columns[i].key_position)
      rest[i] = row[i];
  if (done) {
    mantis_row_json (&text, table, rest);
    mantis_buf_char (&text, '\n');
    errno = 0;
    done = !text.failed && write (fd, text.bytes, text.length) == (ssize_t) text.length && fsync (fd) == 0
           && renameat (dir, unfinished, dir, name) == 0;
    why = errno ? errno : ENOSPC;
  }
  if (fd >= 0)
    close (fd);
  if (fd >= 0 && !done)
    unlinkat (dir, unfinished, 0);
  mantis_buf_free (&text);
  free (rest);
  return done ? MANTIS_OK
              : mantis_fail (error, why == ENOSPC ? MANTIS_FULL : MANTIS_FAILED, "%s/%s: %s", table->name, name,
                             strerror (why));
}

/* ---- Mantis writes: each file from what is known to what shall be, or not at all ---- */

static ino_t
identity (int dir, const char *name)
{
  struct stat info;

  return fstatat (dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0 ? info.st_ino : 0;
}

/* NAME and SPARE change places until what comes out is OURS, or else what was put there last: what an application wrote
   last stays at NAME. */
static void
put_back (int dir, const char *name, const char *spare, ino_t ours)
{
  for (bool done = false; !done;) {
    ino_t theirs = identity (dir, spare);
    if (renameat2 (dir, spare, dir, name, RENAME_EXCHANGE) != 0)
      return; /* it has removed the file meanwhile */
    done = identity (dir, spare) == ours;
    ours = theirs;
  }
}

/* Which one is no matter of the log's. */
static enum mantis_status
written_meanwhile (const struct mantis_table *table, struct mantis_error *error)
{
  return mantis_fail (error, MANTIS_BUSY, "a file of table \"%s\" was written meanwhile", table->name);
}

enum mantis_status
paper_turn (int dir, const struct mantis_table *table, const char *name, mantis_row key, mantis_row from,
            mantis_row to, struct mantis_error *error)
{
  char spare[NAME_MAX + 1];
  enum mantis_status status = MANTIS_OK;
  int failed = 0;
  ino_t ours;

  snprintf (spare, sizeof spare, SPARE, name);
  if (!paper_says (dir, name, table, key, from))
    return written_meanwhile (table, error);
  if (to && (status = write_paper (dir, spare, table, to, error)) != MANTIS_OK)
    return status;
  ours = identity (dir, spare);
  if (to)
    failed = renameat2 (dir, spare, dir, name, from ? RENAME_EXCHANGE : RENAME_NOREPLACE);
  else if (from)
    failed = renameat (dir, name, dir, spare);
  if (failed)
    status = errno == ENOENT || errno == EEXIST
                 ? MANTIS_BUSY
                 : mantis_fail (error, MANTIS_FAILED, "%s/%s: %s", table->name, name, strerror (errno));
  else if (from && !paper_says (dir, spare, table, key, from)) {
    status = MANTIS_BUSY;
    if (to)
      put_back (dir, name, spare, ours);
    else
      (void) renameat2 (dir, spare, dir, name, RENAME_NOREPLACE);
  }
  unlinkat (dir, spare, 0);
  return status == MANTIS_BUSY ? written_meanwhile (table, error) : status;
}

/* Killed between two renames: what an application wrote last may lie in the spare file. */
void
paper_recover (int dir, const struct mantis_table *table, const char *name, mantis_row key, mantis_row from,
               mantis_row to)
{
  bool taken = paper_says (dir, name, table, key, to), gone = paper_says (dir, name, table, key, NULL);
  char spare[NAME_MAX + 1];

  snprintf (spare, sizeof spare, SPARE, name);
  if ((taken || gone) && !paper_says (dir, spare, table, key, to) && !paper_says (dir, spare, table, key, from))
    (void) renameat2 (dir, spare, dir, name, gone ? RENAME_NOREPLACE : RENAME_EXCHANGE);
  unlinkat (dir, spare, 0);
}
