/* fingerprint.c - what two nodes have to agree on about a table.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"

#include <mantis/change.h>

#include <stdlib.h>
#include <string.h>

static int
by_name (const void *a, const void *b)
{
  return strcmp ((*(const struct mantis_column *const *)a)->name,
                 (*(const struct mantis_column *const *)b)->name);
}

static uint64_t
hash_on (uint64_t hash, const void *bytes, size_t length)
{
  const unsigned char *at = bytes;

  for (size_t i = 0; i < length; i++)
    hash = (hash ^ at[i]) * 1099511628211u;
  return hash;
}

const char *
mantis_table_fingerprint (const struct mantis_table *table, struct mantis_arena *arena)
{
  const struct mantis_column **sorted = arena_array (arena, table->column_count, sizeof *sorted);
  uint64_t hash = 14695981039346656037u;
  size_t count = 0;

  if (!sorted)
    return NULL;
  for (size_t i = 0; i < table->column_count; i++)
    if (!table->columns[i].generated)
      sorted[count++] = &table->columns[i];
  qsort (sorted, count, sizeof *sorted, by_name);
  for (size_t i = 0; i < count; i++) {
    const unsigned char kind[] = {(unsigned char)sorted[i]->type_class,
                                  sorted[i]->not_null || sorted[i]->key_position > 0,
                                  (unsigned char)sorted[i]->key_position};
    hash = hash_on (hash, sorted[i]->name, strlen (sorted[i]->name) + 1);
    hash = hash_on (hash, kind, sizeof kind);
  }
  return mantis_arena_printf (arena, "%016llx", (unsigned long long)hash);
}
