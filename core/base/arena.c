/* arena.c - memory that is freed in one call.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CHUNK = 512 /* who waits keeps one */, LARGEST_CHUNK = 256 * 1024 };

struct chunk {
  struct chunk *next; /* older */
  size_t room, used;
  alignas (max_align_t) char bytes[];
};

struct mantis_arena {
  struct chunk *newest;
  size_t limit, used;
  bool exhausted;
};

struct mantis_arena *
mantis_arena_new (size_t limit)
{
  struct mantis_arena *arena = calloc (1, sizeof *arena);

  if (arena)
    arena->limit = limit;
  return arena;
}

static void
free_chunks (struct chunk *chunk)
{
  while (chunk) {
    struct chunk *next = chunk->next;
    free (chunk);
    chunk = next;
  }
}

void
mantis_arena_free (struct mantis_arena *arena)
{
  if (!arena)
    return;
  free_chunks (arena->newest);
  free (arena);
}

void
mantis_arena_reset (struct mantis_arena *arena)
{
  struct chunk *keep = arena->newest;

  if (keep) {
    free_chunks (keep->next);
    keep->next = NULL;
    keep->used = 0;
  }
  arena->used = 0;
  arena->exhausted = false;
}

struct arena_mark
arena_mark (const struct mantis_arena *arena)
{
  struct chunk *chunk = arena->newest;

  return (struct arena_mark){
      .chunk = chunk, .in_chunk = chunk ? chunk->used : 0, .used = arena->used};
}

void
arena_rewind (struct mantis_arena *arena, struct arena_mark mark)
{
  while (arena->newest != mark.chunk) {
    struct chunk *next = arena->newest->next;
    free (arena->newest);
    arena->newest = next;
  }
  if (arena->newest)
    arena->newest->used = mark.in_chunk;
  arena->used = mark.used;
  arena->exhausted = false;
}

static struct chunk *
add_chunk (struct mantis_arena *arena, size_t size)
{
  size_t room = arena->newest ? arena->newest->room * 2 : FIRST_CHUNK;
  struct chunk *chunk;

  if (room > LARGEST_CHUNK)
    room = LARGEST_CHUNK;
  if (room < size)
    room = size;
  if (!(chunk = malloc (sizeof *chunk + room)))
    return NULL;
  chunk->room = room;
  chunk->used = 0;
  chunk->next = arena->newest;
  return arena->newest = chunk;
}

/* SIZE bytes at an address that is a multiple of ALIGNMENT.  What alignment costs counts, too: a thousand
 * single bytes are not a thousand bytes. */
static void *
take (struct mantis_arena *arena, size_t size, size_t alignment)
{
  struct chunk *chunk = arena->newest;
  size_t start = chunk ? (chunk->used + alignment - 1) & ~(alignment - 1) : 0;
  size_t cost = size > SIZE_MAX / 2 ? SIZE_MAX : (size + alignment - 1) & ~(alignment - 1);

  if (arena->exhausted || cost == SIZE_MAX || (arena->limit && cost > arena->limit - arena->used)) {
    arena->exhausted = true;
    return NULL;
  }
  if (!chunk || start > chunk->room || size > chunk->room - start) {
    if (!(chunk = add_chunk (arena, size))) {
      arena->exhausted = true;
      return NULL;
    }
    start = 0;
  }
  chunk->used = start + size;
  arena->used += cost;
  return chunk->bytes + start;
}

void *
mantis_arena_alloc (struct mantis_arena *arena, size_t size)
{
  void *bytes = take (arena, size, alignof (max_align_t));

  return bytes ? memset (bytes, 0, size) : NULL;
}

char *
mantis_arena_copy (struct mantis_arena *arena, const void *bytes, size_t length)
{
  char *copy = length < SIZE_MAX ? take (arena, length + 1, 1) : NULL;

  if (copy) {
    if (length)
      memcpy (copy, bytes, length);
    copy[length] = '\0';
  }
  return copy;
}

char *
mantis_arena_strdup (struct mantis_arena *arena, const char *text)
{
  return text ? mantis_arena_copy (arena, text, strlen (text)) : NULL;
}

char *
mantis_arena_printf (struct mantis_arena *arena, const char *format, ...)
{
  va_list args;
  int length;
  char *text;

  va_start (args, format);
  length = vsnprintf (NULL, 0, format, args);
  va_end (args);
  if (length < 0 || !(text = take (arena, (size_t)length + 1, 1)))
    return NULL;
  va_start (args, format);
  vsnprintf (text, (size_t)length + 1, format, args);
  va_end (args);
  return text;
}

bool
mantis_arena_exhausted (const struct mantis_arena *arena)
{
  return arena->exhausted;
}

size_t
mantis_arena_used (const struct mantis_arena *arena)
{
  return arena->used;
}
