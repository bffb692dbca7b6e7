/* filters.c - who may read and write which rows: from the configuration as it was at the start.
 *
 * Each session with the database has instances of its own, made before any thread runs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"
#include "sync/filter.h"

#include <stdlib.h>
#include <string.h>

/* The instances of one session. */
struct filtering {
  const struct config *config;
  struct instance **instances; /* by number of the use, NULL for other uses */
  struct named_chain *chains;
};

/* Those of a table that was asked for. */
struct named_chain {
  struct named_chain *next;
  char *table;
  struct instance **instances;
  struct filter_chain chain;
};

static uint64_t
hash_json (const json_t *json, uint64_t seed)
{
  CLEANUP_FREE char *text = json ? json_dumps (json, JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;

  return text ? hash_bytes (text, strlen (text), seed) : seed;
}

static void
add_uses (const struct filtering *filtering, struct named_chain *named,
          struct plugin_use *const *uses, size_t count)
{
  for (size_t i = 0; i < count; i++)
    named->instances[named->chain.count++] = filtering->instances[uses[i]->number];
}

/* The filters of all entries that match add up. */
static void
fill_chain (const struct filtering *filtering, struct named_chain *named)
{
  const struct config *config = filtering->config;
  uint64_t hash = hash_json (config->raw.filters, hash_json (config->raw.plugins, 0));

  add_uses (filtering, named, config->filters, config->filter_count);
  for (size_t i = 0; i < config->table_count; i++) {
    const struct config_table *entry = &config->tables[i];
    if (!config_entry_matches (entry, named->table))
      continue;
    add_uses (filtering, named, entry->filters, entry->filter_count);
    hash = hash_json (
        json_object_get (json_object_get (config->raw.tables, entry->pattern), "filters"), hash);
  }
  named->chain.instances = named->instances;
  named->chain.settings = hash;
}

static struct filter_chain
chain_of (void *context, const char *table)
{
  struct filtering *filtering = context;
  struct named_chain *named = filtering->chains;

  for (; named; named = named->next)
    if (strcmp (named->table, table) == 0)
      return named->chain;
  if (!(named = calloc (1, sizeof *named)) || !(named->table = strdup (table)) ||
      !(named->instances = calloc (filtering->config->use_count + 1, sizeof (struct instance *)))) {
    mantis_log (MANTIS_ERROR, "no memory left for the filters of table \"%s\"", table);
    abort (); /* rather than to tell anybody what it may not see */
  }
  fill_chain (filtering, named);
  named->next = filtering->chains;
  filtering->chains = named;
  return named->chain;
}

static void
filtering_free (struct filtering *filtering)
{
  struct named_chain *next;

  for (size_t i = 0; filtering->instances && i < filtering->config->use_count; i++)
    instance_free (filtering->instances[i]);
  free (filtering->instances);
  for (struct named_chain *named = filtering->chains; named; named = next) {
    next = named->next;
    free (named->table);
    free (named->instances);
    free (named);
  }
  free (filtering);
}

static enum mantis_status
open_filtering (struct mantis *node, size_t place, struct mantis_error *error)
{
  struct filtering *made = calloc (1, sizeof *made);
  enum mantis_status status = MANTIS_OK;

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  node->filterings[place] = made;
  made->config = node->config;
  if (!(made->instances = calloc (node->config->use_count + 1, sizeof (struct instance *))) ||
      !(node->stores.filters[place] = filters_new (chain_of, made)))
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  for (const struct plugin_use *use = node->config->uses; use && status == MANTIS_OK;
       use = use->next)
    if (use->kind == MANTIS_KIND_FILTER)
      status = instance_new (node->plugins, use, &made->instances[use->number], error);
  return status;
}

size_t
filters_configured (const struct config *config)
{
  size_t count = config->filter_count;

  for (size_t i = 0; i < config->table_count; i++)
    count += config->tables[i].filter_count;
  return count;
}

enum mantis_status
filters_open (struct mantis *node, struct mantis_error *error)
{
  const struct mantis_storage *ops = node->storage->ops;
  enum mantis_status status = MANTIS_OK;

  if (!filters_configured (node->config))
    return MANTIS_OK;
  if (!ops->remember || !ops->log_recall)
    return mantis_fail (error, MANTIS_INVALID,
                        "%s: filters cannot be used with the storage \"%s\" in this version",
                        node->config->file, node->storage->name);
  node->filterings = calloc (node->stores.count + 1, sizeof *node->filterings);
  node->stores.filters = calloc (node->stores.count + 1, sizeof *node->stores.filters);
  if (!node->filterings || !node->stores.filters)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  for (size_t i = 0; i < node->stores.count && status == MANTIS_OK; i++)
    status = open_filtering (node, i, error);
  return status;
}

void
filters_close (struct mantis *node)
{
  for (struct filters **filters = node->stores.filters; filters && *filters; filters++)
    filters_free (*filters);
  for (struct filtering **filtering = node->filterings; filtering && *filtering; filtering++)
    filtering_free (*filtering);
  free (node->stores.filters);
  free (node->filterings);
  node->stores.filters = NULL;
  node->filterings = NULL;
}
