/* map.h - a map from 64-bit hashes to 64-bit numbers.
 *
 * Open addressing; the hash is the key, so two things with one hash share an entry: good for sets where
 * a false hit only costs time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_MAP_H
#define MANTIS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
  uint64_t hash; /* 0: free */
  int64_t value;
};

struct map {
  struct map_slot *slots;
  size_t room, count;
};

/* The value of HASH, made (as 0) if ADD says so; NULL when it is not there, or there is no memory.  Valid
 * until the next map_at() that adds. */
int64_t *map_at (struct map *map, uint64_t hash, bool add);
void map_remove (struct map *map, uint64_t hash);
void map_free (struct map *map); /* empty again */

#endif
