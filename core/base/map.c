/* map.c - a map from 64-bit hashes to 64-bit numbers (linear probing, removal by moving back).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/map.h"

#include <stdlib.h>

static size_t
find (const struct map *map, uint64_t hash)
{
  size_t i = hash & (map->room - 1);

  while (map->slots[i].hash && map->slots[i].hash != hash)
    i = (i + 1) & (map->room - 1);
  return i;
}

static bool
grow (struct map *map)
{
  struct map bigger = {.room = map->room ? map->room * 2 : 64, .count = map->count};

  if (!(bigger.slots = calloc (bigger.room, sizeof *bigger.slots)))
    return false;
  for (size_t i = 0; i < map->room; i++)
    if (map->slots[i].hash)
      bigger.slots[find (&bigger, map->slots[i].hash)] = map->slots[i];
  free (map->slots);
  *map = bigger;
  return true;
}

int64_t *
map_at (struct map *map, uint64_t hash, bool add)
{
  size_t i;

  hash = hash ? hash : 1;
  if (map->room) {
    i = find (map, hash);
    if (map->slots[i].hash)
      return &map->slots[i].value;
  }
  if (!add || (map->count + 1 > map->room / 4 * 3 && !grow (map)))
    return NULL;
  i = find (map, hash);
  map->slots[i] = (struct map_slot){.hash = hash};
  map->count++;
  return &map->slots[i].value;
}

void
map_remove (struct map *map, uint64_t hash)
{
  size_t mask = map->room - 1, hole, i;

  hash = hash ? hash : 1;
  if (!map->room || !map->slots[hole = find (map, hash)].hash)
    return;
  for (i = (hole + 1) & mask; map->slots[i].hash; i = (i + 1) & mask) {
    size_t home = map->slots[i].hash & mask;
    if (((i - home) & mask) >= ((i - hole) & mask)) { /* may move into the hole */
      map->slots[hole] = map->slots[i];
      hole = i;
    }
  }
  map->slots[hole].hash = 0;
  map->count--;
}

void
map_free (struct map *map)
{
  free (map->slots);
  *map = (struct map){0};
}
