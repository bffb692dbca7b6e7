/* needs.c - which rows of a changeset refer to which others, by foreign keys.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/needs.h"
#include "base/base.h"
#include "base/map.h"
#include "wire/key.h"

#include <string.h>

struct finding {
  struct apply_item *const *items;
  size_t count;
  struct map rows; /* hash of what is referred to -> item, plus 1 */
  uint32_t *first, *of;
};

static const struct mantis_value *
value_named (const struct mantis_change *change, const char *column)
{
  const struct mantis_table *table = change->table;

  for (size_t i = 0; i < table->column_count; i++)
    if (strcasecmp (table->columns[i].name, column) == 0)
      return &change->row[i];
  return NULL;
}

/* The hash of "the row of PARENT whose COLUMNS (NULL: the key) hold what CHANGE has in its own"; false when
 * there is no such row to speak of.  Of rows in the changeset alone: a false hit costs a try. */
static bool
hash_reference (const struct mantis_foreign_key *key, const struct mantis_change *change,
                bool parent, uint64_t *hash)
{
  *hash = 0;
  for (const char *c = key->parent; *c; c++) /* SQL knows no difference between "Box" and "box" */
    *hash = hash_bytes (&(char){(char)(*c | 32)}, 1, *hash);
  for (size_t i = 0; i < key->count; i++) {
    const struct mantis_value *value;
    if (!parent)
      value = value_named (change, key->columns[i]);
    else if (key->parents)
      value = value_named (change, key->parents[i]);
    else
      value = i < change->table->key_count ? &change->row[change->table->key[i]] : NULL;
    if (!value || value->type <= MANTIS_NULL)
      return false;
    *hash = value_hash (value, *hash + 1);
  }
  return true;
}

/* Each row under every name that a foreign key of some other may call it by. */
static bool
index_rows (struct finding *f)
{
  const struct mantis_table *child = NULL;

  for (size_t c = 0; c < f->count; c++) {
    if (f->items[c]->change->table == child)
      continue;
    child = f->items[c]->change->table;
    for (size_t k = 0; k < child->foreign_key_count; k++)
      for (size_t i = 0; i < f->count; i++) {
        const struct mantis_change *change = f->items[i]->change;
        uint64_t hash;
        int64_t *place;
        if (change->deleted ||
            strcasecmp (change->table->name, child->foreign_keys[k].parent) != 0 ||
            !hash_reference (&child->foreign_keys[k], change, true, &hash))
          continue;
        if (!(place = map_at (&f->rows, hash, true)))
          return false;
        *place = (int64_t)i + 1;
      }
  }
  return true;
}

static void
link_rows (struct finding *f)
{
  uint32_t end = 0;

  for (size_t i = 0; i < f->count; i++) {
    const struct mantis_change *change = f->items[i]->change;
    f->first[i] = end;
    for (size_t k = 0; !change->deleted && k < change->table->foreign_key_count; k++) {
      uint64_t hash;
      int64_t *place = NULL;
      if (hash_reference (&change->table->foreign_keys[k], change, false, &hash))
        place = map_at (&f->rows, hash, false);
      if (place && *place != (int64_t)i + 1)
        f->of[end++] = (uint32_t)*place - 1;
    }
  }
  f->first[f->count] = end;
}

static void
give_up (const struct needs *needs, struct apply_item *const *items)
{
  bool more = true;

  for (size_t i = 0; i < needs->count; i++)
    needs->hopeless[i] = !items[i]->change->deleted && needs->first[i] == needs->first[i + 1];
  for (int round = 0; more; round++) { /* to and fro: chains of rows mostly run one way */
    more = false;
    for (size_t n = 0; n < needs->count; n++) {
      size_t i = round % 2 ? needs->count - 1 - n : n;
      for (uint32_t e = needs->first[i]; !needs->hopeless[i] && e < needs->first[i + 1]; e++)
        more |= needs->hopeless[i] = needs->hopeless[needs->of[e]];
    }
  }
}

enum mantis_status
needs_find (struct apply_item *const *items, size_t count, struct mantis_arena *arena,
            struct needs *needs, struct mantis_error *error)
{
  struct finding f = {.items = items, .count = count};
  size_t most = 0;
  bool indexed;

  for (size_t i = 0; i < count; i++)
    most += items[i]->change->table->foreign_key_count;
  f.first = arena_array (arena, count + 1, sizeof *f.first);
  f.of = arena_array (arena, most, sizeof *f.of);
  needs->hopeless = arena_array (arena, count, sizeof *needs->hopeless);
  if (!f.first || !f.of || !needs->hopeless)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  if ((indexed = index_rows (&f)))
    link_rows (&f);
  map_free (&f.rows);
  if (!indexed)
    return mantis_fail (error, MANTIS_FULL, "no memory for the batch");
  needs->count = count;
  needs->first = f.first;
  needs->of = f.of;
  give_up (needs, items);
  return MANTIS_OK;
}

size_t
needs_all_of (const struct needs *needs, size_t item, bool *seen, uint32_t *places)
{
  size_t count = 0;

  memset (seen, 0, needs->count * sizeof *seen);
  places[count++] = (uint32_t)item;
  seen[item] = true;
  for (size_t at = 0; at < count; at++) {
    uint32_t i = places[at];
    if (needs->hopeless[i])
      return 0;
    for (uint32_t e = needs->first[i]; e < needs->first[i + 1]; e++)
      if (!seen[needs->of[e]]) {
        seen[needs->of[e]] = true;
        places[count++] = needs->of[e];
      }
  }
  return count;
}
