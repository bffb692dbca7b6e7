/* map.c - a map from 64-bit hashes to 64-bit numbers.
 *
 * Linear probing in the order of hashes (Amble and Knuth, "Ordered hash tables", 1974): an entry stands at its
 * home or behind it, and all of them in ascending order.  So it can be fuller than others, a search for what is not
 * there ends early, and it grows where it stands: a copy of twice the size would be the most that a device with a
 * million unsent rows ever needs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

enum { LEAST_ROOM = 48, LEAST_TAIL = 16 };

uint64_t map_multiplier = 0x9e3779b97f4a7c15u;

/* Another one in each process (the kernel gives it 16 random bytes), so that nobody can choose keys that all belong in
 * one place. */
__attribute__ ((constructor)) static void
choose_multiplier (void)
{
  const void *chance = (const void *)getauxval (AT_RANDOM);

  if (chance)
    memcpy (&map_multiplier, chance, sizeof map_multiplier);
  map_multiplier |= 1;
}

/* Hashes that are alike in their high bits are spread (Knuth, 6.4: an odd multiplier loses nothing). */
static uint64_t
spread (uint64_t hash)
{
  hash *= map_multiplier;
  return hash ? hash : 1;
}

static size_t
home (const struct map *map, uint64_t hash)
{
  return (size_t)(((unsigned __int128)hash * map->room) >> 64);
}

/* Where HASH stands, or belongs. */
static size_t
find (const struct map *map, uint64_t hash)
{
  size_t i = home (map, hash);

  while (map->hashes[i] && map->hashes[i] < hash)
    i++;
  return i;
}

static void
move (struct map *map, size_t to, size_t from)
{
  map->hashes[to] = map->hashes[from];
  map->hashes[from] = 0;
  if (map->values)
    map->values[to] = map->values[from];
}

/* The entries in [0, BEFORE) to the end of the arrays; where they begin there. */
static size_t
gather (struct map *map, size_t before)
{
  size_t to = map->room + map->tail;

  for (size_t i = before; i-- > 0;)
    if (map->hashes[i] && --to != i)
      move (map, to, i);
  return to;
}

/* Each entry from FROM to the end to its place, or only look: is there one for all of them?  If so, none is behind
 * where the entry stands now. */
static bool
settle (struct map *map, size_t from, bool look)
{
  size_t total = map->room + map->tail, last = 0;

  for (; from < total; from++) {
    size_t place = home (map, map->hashes[from]);
    place = place < last ? last : place;
    if (!look && place != from)
      move (map, place, from);
    last = place + 1;
  }
  return last <= total;
}

static bool
resize (struct map *map, size_t room, size_t tail, bool values)
{
  size_t before = map->hashes ? map->room + map->tail : 0;
  uint64_t *hashes = realloc (map->hashes, (room + tail + 1) * sizeof *hashes);

  if (!hashes)
    return false;
  map->hashes = hashes;
  if (values) {
    int64_t *more = realloc (map->values, (room + tail) * sizeof *more);
    if (!more)
      return false;
    map->values = more;
  }
  memset (hashes + before, 0, (room + tail + 1 - before) * sizeof *hashes);
  map->room = room;
  map->tail = tail;
  return true;
}

static bool
grow (struct map *map, bool values)
{
  size_t room = map->room ? map->room + map->room / 4 : LEAST_ROOM, from,
         tail = room / 64 + LEAST_TAIL, before = map->hashes ? map->room + map->tail : 0;

  do {
    if (!resize (map, room, tail, values))
      return false;
    from = gather (map, before);
    before = room + tail;
    tail *= 2;
  } while (!settle (map, from, true));
  return settle (map, from, false);
}

/* The first free place from I on; behind the end when there is none. */
static size_t
free_from (const struct map *map, size_t i)
{
  while (map->hashes[i])
    i++;
  return i;
}

/* The place of HASH, made if need be; SIZE_MAX: no memory. */
static size_t
add (struct map *map, uint64_t hash, bool values)
{
  size_t i, hole;

  if (map->room && map->hashes[i = find (map, hash)] == hash)
    return i;
  if (map->count >= map->room - map->room / 8 && !grow (map, values))
    return SIZE_MAX;
  while ((hole = free_from (map, i = find (map, hash))) == map->room + map->tail)
    if (!grow (map, values)) /* the last entries stand too close */
      return SIZE_MAX;
  for (; hole > i; hole--)
    move (map, hole, hole - 1);
  map->hashes[i] = hash;
  if (map->values)
    map->values[i] = 0;
  map->count++;
  return i;
}

int64_t *
map_at (struct map *map, uint64_t hash, bool make)
{
  size_t i;

  hash = spread (hash);
  if (make)
    return (i = add (map, hash, true)) == SIZE_MAX ? NULL : &map->values[i];
  return map->room && map->hashes[i = find (map, hash)] == hash ? &map->values[i] : NULL;
}

bool
map_has (const struct map *map, uint64_t hash)
{
  hash = spread (hash);
  return map->room && map->hashes[find (map, hash)] == hash;
}

bool
map_put (struct map *map, uint64_t hash)
{
  return add (map, spread (hash), false) != SIZE_MAX;
}

void
map_remove (struct map *map, uint64_t hash)
{
  size_t i;

  hash = spread (hash);
  if (!map->room || map->hashes[i = find (map, hash)] != hash)
    return;
  map->hashes[i] = 0;
  for (; map->hashes[i + 1] && home (map, map->hashes[i + 1]) <= i; i++)
    move (map, i, i + 1);
  map->count--;
}

void
map_free (struct map *map)
{
  free (map->hashes);
  free (map->values);
  *map = (struct map){0};
}
