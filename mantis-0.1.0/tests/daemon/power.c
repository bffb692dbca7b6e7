/* power.c - what a power failure would leave of an SQLite database: an LD_PRELOAD library for tests.
 *
 * It keeps, in the folder $POWER_KEPT, a copy of what was made durable of the database $POWER_DATABASE: a file's
 * content counts as of its last fsync or fdatasync, and its name, or that it has none any more, as of the last fsync of
 * its folder.  That is the least that POSIX promises; a real disk may keep more.
 *
 *   NAME          as it would be found again
 *   NAME.inode    which file has that name; nothing when the file is gone and the folder does not know it yet
 *   synced.INODE  the last synced content of a file, whatever its name is worth
 *   lock          one process or thread at a time
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const endings[] = {"", "-wal", "-journal"};

enum { FILES = sizeof endings / sizeof *endings };

/* What cannot be kept makes the test worthless: it ends here, loudly. */
static void
give_up (const char *what)
{
  perror (what);
  abort ();
}

static int
real_fsync (int fd)
{
  static int (*real) (int);

  if (!real)
    *(void **)&real = dlsym (RTLD_NEXT, "fsync");
  return real (fd);
}

static int
real_fdatasync (int fd)
{
  static int (*real) (int);

  if (!real)
    *(void **)&real = dlsym (RTLD_NEXT, "fdatasync");
  return real (fd);
}

static int
real_unlink (const char *path)
{
  static int (*real) (const char *);

  if (!real)
    *(void **)&real = dlsym (RTLD_NEXT, "unlink");
  return real (path);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void
kept_path (char path[PATH_MAX], const char *name, const char *ending)
{
  if (snprintf (path, PATH_MAX, "%s/%s%s", getenv ("POWER_KEPT"), name, ending) >= PATH_MAX)
    abort ();
}

/* The path of the database's file I, and its last part. */
static const char *
file_path (char path[PATH_MAX], int i)
{
  if (snprintf (path, PATH_MAX, "%s%s", getenv ("POWER_DATABASE"), endings[i]) >= PATH_MAX)
    abort ();
  return strrchr (path, '/') + 1;
}

static void
synced_path (char path[PATH_MAX], ino_t inode)
{
  char name[40];

  snprintf (name, sizeof name, "synced.%llu", (unsigned long long)inode);
  kept_path (path, name, "");
}

/* Which file the folder is known to have under NAME: 0 when none. */
static unsigned long long
known_inode (const char *name)
{
  char path[PATH_MAX];
  unsigned long long inode = 0;
  FILE *file;

  kept_path (path, name, ".inode");
  if ((file = fopen (path, "r"))) {
    if (fscanf (file, "%llu", &inode) != 1)
      inode = 0;
    fclose (file);
  }
  return inode;
}

static void
know_inode (const char *name, unsigned long long inode)
{
  char path[PATH_MAX];
  FILE *file;

  kept_path (path, name, ".inode");
  if (!(file = fopen (path, "w")) || fprintf (file, "%llu\n", inode) < 0 || fclose (file))
    give_up (path);
}

/* ---- Copies ---------------------------------------------------------------------------------- */

/* FROM is -1: nothing. */
static void
copy (int from, const char *to)
{
  static char buffer[1 << 16];
  char fresh[PATH_MAX + 4];
  off_t at = 0;
  ssize_t got = 0;
  int out;

  snprintf (fresh, sizeof fresh, "%s.new", to);
  if ((out = open (fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600)) < 0)
    give_up (fresh);
  while (from >= 0 && (got = pread (from, buffer, sizeof buffer, at)) > 0) {
    if (write (out, buffer, (size_t)got) != got)
      give_up (fresh);
    at += got;
  }
  if (got < 0 || close (out) || rename (fresh, to))
    give_up (to);
}

static void
copy_file (const char *from, const char *to)
{
  int fd = open (from, O_RDONLY);

  copy (fd, to);
  if (fd >= 0)
    close (fd);
}

static int
lock (void)
{
  char path[PATH_MAX];
  int fd;

  kept_path (path, "lock", "");
  if ((fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0 || flock (fd, LOCK_EX))
    give_up (path);
  return fd;
}

/* ---- What is made durable -------------------------------------------------------------------- */

/* The file FD, as it is before the call: no later write may count. */
static void
keep_content (int fd, ino_t inode)
{
  char path[PATH_MAX], kept[PATH_MAX];

  for (int i = 0; i < FILES; i++) {
    struct stat info;
    const char *name = file_path (path, i);
    if (stat (path, &info) || info.st_ino != inode)
      continue;
    synced_path (kept, inode);
    copy (fd, kept);
    if (known_inode (name) == inode) {
      kept_path (kept, name, "");
      copy (fd, kept);
    }
  }
}

static void
keep_names (void)
{
  char path[PATH_MAX], synced[PATH_MAX], kept[PATH_MAX];

  for (int i = 0; i < FILES; i++) {
    struct stat info;
    const char *name = file_path (path, i);
    kept_path (kept, name, "");
    if (stat (path, &info)) {
      know_inode (name, 0);
      real_unlink (kept);
    } else if (known_inode (name) != info.st_ino) {
      synced_path (synced, info.st_ino);
      copy_file (synced, kept);
      know_inode (name, info.st_ino);
    }
  }
}

static void
keep (int fd)
{
  char path[PATH_MAX];
  struct stat info, folder;
  int held;

  if (!getenv ("POWER_DATABASE") || fstat (fd, &info))
    return;
  held = lock ();
  if (S_ISREG (info.st_mode))
    keep_content (fd, info.st_ino);
  file_path (path, 0);
  *strrchr (path, '/') = '\0';
  if (S_ISDIR (info.st_mode) && !stat (path, &folder) && folder.st_ino == info.st_ino)
    keep_names ();
  close (held);
}

int
fsync (int fd)
{
  keep (fd);
  return real_fsync (fd);
}

int
fdatasync (int fd)
{
  keep (fd);
  return real_fdatasync (fd);
}

/* The number of a file that is gone may be given to another. */
int
unlink (const char *path)
{
  char file[PATH_MAX], synced[PATH_MAX];
  struct stat info;
  int held;

  if (!getenv ("POWER_DATABASE") || stat (path, &info))
    return real_unlink (path);
  held = lock ();
  for (int i = 0; i < FILES; i++) {
    const char *name = file_path (file, i);
    struct stat ours;
    if (stat (file, &ours) || ours.st_ino != info.st_ino)
      continue;
    synced_path (synced, info.st_ino);
    real_unlink (synced);
    if (known_inode (name) == info.st_ino)
      know_inode (name, 0);
  }
  close (held);
  return real_unlink (path);
}
