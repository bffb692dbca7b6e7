/* base.h - small tools of the core: leaving a function, hashing, settings of log and clock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_BASE_H
#define MANTIS_BASE_H

#include <mantis/host.h>

/* One way to leave a function: what is declared CLEANUP_... is released when its scope ends. */
static inline void
cleanup_free_pointer (void *pointer)
{
  __builtin_free (*(void **)pointer);
}
static inline void
cleanup_arena_pointer (struct mantis_arena **arena)
{
  mantis_arena_free (*arena);
}
#define CLEANUP_FREE __attribute__ ((cleanup (cleanup_free_pointer)))
#define CLEANUP_BUF __attribute__ ((cleanup (mantis_buf_free)))
#define CLEANUP_ARENA __attribute__ ((cleanup (cleanup_arena_pointer)))

#define COUNT_OF(array) (sizeof (array) / sizeof *(array))

/* COUNT things of SIZE bytes from ARENA; NULL where the product overflows or the arena is exhausted. */
static inline void *
arena_array (struct mantis_arena *arena, size_t count, size_t size)
{
  size_t bytes;

  if (__builtin_mul_overflow (count, size, &bytes))
    return NULL;
  return mantis_arena_alloc (arena, bytes ? bytes : 1);
}

/* All that was taken from ARENA since the mark is given back. */
struct arena_mark {
  void *chunk;
  size_t in_chunk, used;
};
struct arena_mark arena_mark (const struct mantis_arena *arena);
void arena_rewind (struct mantis_arena *arena, struct arena_mark mark);

/* 64 bits of XXH64 (https://github.com/Cyan4973/xxHash), for maps and checksums; not for secrets. */
uint64_t hash_bytes (const void *bytes, size_t length, uint64_t seed);

/* Of the present thread's target, or else of standard error. */
void log_set_level (enum mantis_level level);
/* Where lines of all threads go instead of to standard error; NULL: back to it.  For tests. */
void log_set_sink (void (*sink) (enum mantis_level level, const char *line));

/* Where lines of the present thread go: of a node that lives in an application. */
struct log_target {
  void (*write) (struct log_target *target, enum mantis_level level, const char *line);
  enum mantis_level level;
};
/* Returns the one before; NULL: standard error, or the sink. */
struct log_target *log_set_target (struct log_target *target);
struct log_target *log_target (void);
void flag_set (const char *name, const char *value);

/* The simulation's time and chance; NULL: the system's. */
void clock_set (int64_t (*now) (void));
void random_set (void (*random) (void *bytes, size_t length));

/* TEXT for an address or a header: all but letters, digits and "-._~" as %XX. */
void percent_encode (struct mantis_buf *buf, const char *text);
/* In its place, as the query of an address has it: '+' is a blank, too.  False: a broken %XX, or %00. */
bool percent_decode (char *text);

/* LENGTH hexadecimal digits of chance and a NUL. */
void random_hex (char *text, size_t length);

#endif
