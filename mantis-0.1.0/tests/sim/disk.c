/* disk.c - SQLite's view of time, chance and files: all of them the simulation's.
 *
 * A VFS that is the system's but for the clock (that of the node which acts), random numbers (from
 * the seed), waiting (not here) and writes, which may begin to fail in the middle of a transaction:
 * what stands in the files then is what a killed process leaves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sim.h"

#include <string.h>

static sqlite3_vfs vfs, *real;
static sqlite3_io_methods methods;
static const sqlite3_io_methods *real_methods;
static bool armed;
static int writes_left;

int64_t
world_time (void)
{
  return world->now + world->nodes[world->acting].skew;
}

static uint64_t
next (uint64_t *state)
{
  uint64_t z = (*state += UINT64_C (0x9e3779b97f4a7c15));

  z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
  return z ^ z >> 31;
}

uint32_t
chance (uint32_t below)
{
  return (uint32_t)(next (&world->chance) >> 32) % below;
}

void
mantis_chance (void *bytes, size_t length)
{
  unsigned char *at = bytes;

  for (size_t i = 0; i < length; i++)
    at[i] = (unsigned char)(next (&world->mantis_chance) >> 24);
}

static int
give_time (sqlite3_vfs *self, sqlite3_int64 *time)
{
  (void)self;
  *time = world_time () + INT64_C (210866760000000); /* milliseconds of the Julian day of 1970 */
  return SQLITE_OK;
}

static int
give_chance (sqlite3_vfs *self, int length, char *bytes)
{
  (void)self;
  mantis_chance (bytes, (size_t)length);
  return length;
}

static int
give_sleep (sqlite3_vfs *self, int microseconds)
{
  (void)self;
  return microseconds;
}

/* ---- Files ---- */

static bool
fails (void)
{
  if (!armed)
    return false;
  if (writes_left > 0) {
    writes_left--;
    return false;
  }
  return true;
}

static int
write_file (sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at)
{
  return fails () ? SQLITE_IOERR_WRITE : real_methods->xWrite (file, bytes, length, at);
}

static int
truncate_file (sqlite3_file *file, sqlite3_int64 size)
{
  return fails () ? SQLITE_IOERR_TRUNCATE : real_methods->xTruncate (file, size);
}

static int
sync_file (sqlite3_file *file, int flags)
{
  (void)file, (void)flags;
  return armed && writes_left <= 0 ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int
open_file (sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *out)
{
  int code = real->xOpen (self, name, file, flags, out);

  if (code || !file->pMethods)
    return code;
  if (!real_methods) {
    real_methods = file->pMethods;
    methods = *real_methods;
    methods.xWrite = write_file;
    methods.xTruncate = truncate_file;
    methods.xSync = sync_file;
  }
  if (file->pMethods == real_methods)
    file->pMethods = &methods;
  return SQLITE_OK;
}

void
disk_break (int count)
{
  armed = true;
  writes_left = count;
}

void
disk_heal (void)
{
  armed = false;
}

bool
disk_broken (void)
{
  return armed;
}

void
disk_start (void)
{
  real = sqlite3_vfs_find (NULL);
  vfs = *real;
  vfs.zName = "simulation";
  vfs.pNext = NULL;
  vfs.xOpen = open_file;
  vfs.xCurrentTimeInt64 = give_time;
  vfs.xRandomness = give_chance;
  vfs.xSleep = give_sleep;
  sqlite3_vfs_register (&vfs, 1);
}
