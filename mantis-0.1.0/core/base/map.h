/* map.h - a map from 64-bit hashes to 64-bit numbers, and a set of hashes.
 *
 * The hash is the key, so two things with one hash share an entry: good for sets where a false hit only costs
 * time.  A million entries take 20 MB, as a set 10 MB, and no more than that while they grow.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_MAP_H
#define MANTIS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
  uint64_t *hashes; /* 0: free */
  int64_t *values;  /* of each */
  size_t room, tail, count;
};

/* The value of HASH, made (as 0) if ADD says so; NULL when it is not there, or there is no memory.  Valid
 * until the map is changed. */
int64_t *map_at (struct map *map, uint64_t hash, bool add);
void map_remove (struct map *map, uint64_t hash);
void map_free (struct map *map); /* empty again */

extern uint64_t map_multiplier; /* odd, of this process; for tests */

/* A map used as a set has no values: these calls and the two above are for it, map_at() is not. */
bool map_has (const struct map *map, uint64_t hash);
bool map_put (struct map *map, uint64_t hash); /* false: no memory */

#endif
