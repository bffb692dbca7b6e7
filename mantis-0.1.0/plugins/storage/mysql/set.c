/* set.c - hashes of keys.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "mysql.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits. */
uint64_t
hash_on (uint64_t hash, const void *bytes, size_t length)
{
  const unsigned char *at = bytes;

  for (size_t i = 0; i < length; i++)
    hash = (hash ^ at[i]) * 1099511628211u;
  return hash;
}

static uint64_t *
slot_of (const struct set *set, uint64_t hash)
{
  size_t at = (hash ^ (hash >> 32)) & (set->room - 1);

  while (set->slots[at] && set->slots[at] != hash)
    at = (at + 1) & (set->room - 1);
  return &set->slots[at];
}

static bool
grow (struct set *set)
{
  struct set larger = {.room = set->room ? set->room * 2 : 256};

  if (!(larger.slots = calloc (larger.room, sizeof *larger.slots)))
    return false;
  for (size_t i = 0; i < set->room; i++)
    if (set->slots[i])
      *slot_of (&larger, set->slots[i]) = set->slots[i];
  larger.count = set->count;
  free (set->slots);
  *set = larger;
  return true;
}

bool
set_add (struct set *set, uint64_t hash)
{
  uint64_t *slot;

  hash = hash ? hash : 1;
  if (set->count * 2 >= set->room && !grow (set))
    return false;
  slot = slot_of (set, hash);
  set->count += *slot == 0;
  *slot = hash;
  return true;
}

bool
set_has (const struct set *set, uint64_t hash)
{
  return set->count && *slot_of (set, hash ? hash : 1);
}

void
set_clear (struct set *set)
{
  if (set->count)
    memset (set->slots, 0, set->room * sizeof *set->slots);
  set->count = 0;
}

void
set_free (struct set *set)
{
  free (set->slots);
  *set = (struct set){0};
}

bool
places_make (struct places *places, const uint64_t *hashes, size_t count,
             struct mantis_arena *arena)
{
  *places = (struct places){.hashes = hashes, .room = 16};
  while (places->room < count * 2)
    places->room *= 2;
  places->slots = mantis_arena_alloc (arena, places->room * sizeof *places->slots);
  places->next = mantis_arena_alloc (arena, (count + 1) * sizeof *places->next);
  if (!places->slots || !places->next)
    return false;
  for (size_t i = count; i-- > 0;) { /* so that the first of equal ones stands first */
    size_t at = (hashes[i] ^ (hashes[i] >> 32)) & (places->room - 1);
    while (places->slots[at] && hashes[places->slots[at] - 1] != hashes[i])
      at = (at + 1) & (places->room - 1);
    places->next[i] = places->slots[at];
    places->slots[at] = (uint32_t)i + 1;
  }
  return true;
}

size_t
places_find (const struct places *places, uint64_t hash)
{
  size_t at = (hash ^ (hash >> 32)) & (places->room - 1);

  while (places->slots[at] && places->hashes[places->slots[at] - 1] != hash)
    at = (at + 1) & (places->room - 1);
  return (size_t)places->slots[at] - 1;
}

size_t
places_next (const struct places *places, size_t after)
{
  return (size_t)places->next[after] - 1;
}

uint64_t
key_hash (const struct mantis_table *table, mantis_row row)
{
  AUTO_BUF struct mantis_buf text = MANTIS_BUF_INIT;
  uint64_t hash = hash_on (HASH_START, &table->id, sizeof table->id);

  for (size_t i = 0; i < table->key_count; i++) {
    struct column_facts facts = column_facts (table, table->key[i]);
    mantis_buf_clear (&text);
    key_bytes (&text, &facts, &row[table->key[i]]);
    hash = hash_on (hash, &text.length, sizeof text.length);
    hash = hash_on (hash, text.bytes, text.length);
  }
  return hash;
}

uint64_t
key_hash_of (const struct result *row, int first, const struct mantis_table *table)
{
  uint64_t hash = hash_on (HASH_START, &table->id, sizeof table->id);

  for (size_t i = 0; i < table->key_count; i++) {
    size_t length = row->lengths[first + (int)i];
    hash = hash_on (hash, &length, sizeof length);
    hash = hash_on (hash, row->row[first + (int)i], length);
  }
  return hash;
}

bool
same_key (const struct mantis_table *table, mantis_row row, mantis_row other)
{
  for (size_t i = 0; i < table->key_count; i++)
    if (!mantis_value_equal (&row[table->key[i]], &other[table->key[i]]))
      return false;
  return true;
}
