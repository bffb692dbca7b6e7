/* filters.c - who may read and write which rows: from a configuration to the filters of one session.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/filters.h"

#include "base/base.h"
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

/* One place that names filters: "filters", or those of an entry of "tables". */
struct rule {
  struct config_table entry; /* its pattern alone */
  size_t first, count;       /* among the instances */
  uint64_t hash;
};

struct filtering {
  struct mantis_arena *arena;
  const char *file; /* of the configuration; NULL: there is none */
  struct rule *rules;
  size_t rule_count;
  struct instance **instances;
  const struct filter_source **sources;
  size_t count;  /* of the instances that have been made */
  uint64_t hash; /* of the options that plugins have of themselves */
  struct named_chain *chains;
  struct filters *filters;
};

/* The filters of a table that was asked for. */
struct named_chain {
  struct named_chain *next;
  const char *table;
  struct filter_chain chain;
};

/* ---- The configuration ----------------------------------------------------------------------- */

static const json_t *
filters_of_entry (const struct config *config, const struct config_table *entry)
{
  return json_object_get (json_object_get (config->raw.tables, entry->pattern), "filters");
}

size_t
filters_configured (const struct config *config)
{
  size_t count = config->filter_count;

  for (size_t i = 0; i < config->table_count; i++)
    count += config->tables[i].filter_count;
  return count;
}

uint64_t
filters_fingerprint (const struct config *config)
{
  uint64_t hash = config->filter_count ? json_hash (config->raw.filters, 0) : 0;

  for (size_t i = 0; i < config->table_count; i++) {
    const struct config_table *entry = &config->tables[i];
    if (entry->filter_count)
      hash = json_hash (filters_of_entry (config, entry),
                        hash_bytes (entry->pattern, strlen (entry->pattern), hash));
  }
  return hash;
}

/* ---- Chains ---------------------------------------------------------------------------------- */

/* The filters of all rules that match add up. */
static struct named_chain *
make_chain (const struct filtering *filtering, const char *table)
{
  struct named_chain *named = mantis_arena_alloc (filtering->arena, sizeof *named);
  struct instance **instances =
      arena_array (filtering->arena, filtering->count, sizeof (struct instance *));
  const struct filter_source **sources =
      arena_array (filtering->arena, filtering->count, sizeof (struct filter_source *));
  struct filter_chain *chain = named ? &named->chain : NULL;

  if (!chain || !instances || !sources ||
      !(named->table = mantis_arena_strdup (filtering->arena, table)))
    return NULL;
  *chain = (struct filter_chain){
      .instances = instances, .sources = sources, .settings = filtering->hash};
  for (size_t i = 0; i < filtering->rule_count; i++) {
    const struct rule *rule = &filtering->rules[i];
    if (!rule->count || !config_entry_matches (&rule->entry, table))
      continue;
    for (size_t j = rule->first; j < rule->first + rule->count; j++) {
      instances[chain->count] = filtering->instances[j];
      sources[chain->count++] = filtering->sources[j];
    }
    chain->settings = hash_bytes (&rule->hash, sizeof rule->hash, chain->settings);
  }
  return named;
}

static struct filter_chain
chain_of (void *context, const char *table)
{
  struct filtering *filtering = context;
  struct named_chain *named = filtering->chains;

  for (; named; named = named->next)
    if (strcmp (named->table, table) == 0)
      return named->chain;
  if (!(named = make_chain (filtering, table))) {
    mantis_log (MANTIS_ERROR, "no memory left for the filters of table \"%s\"", table);
    abort (); /* rather than to tell anybody what it may not see */
  }
  named->next = filtering->chains;
  filtering->chains = named;
  return named->chain;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static const struct filter_source *
source_of (struct mantis_arena *arena, const struct plugin_use *use)
{
  const struct option_place *place = &use->options.place;
  CLEANUP_JSON json_t *told = config_tell_use (use);
  CLEANUP_FREE char *text = told ? json_dumps (told, JSON_COMPACT) : NULL;
  struct filter_source *source = mantis_arena_alloc (arena, sizeof *source);

  if (!text || !source)
    return NULL;
  *source = (struct filter_source){.file = mantis_arena_strdup (arena, place->file),
                                   .path = mantis_arena_strdup (arena, place->path),
                                   .use = mantis_arena_strdup (arena, text)};
  return mantis_arena_exhausted (arena) ? NULL : source;
}

/* COUNT filters of tables that match PATTERN; HASH is of what the configuration says of them. */
static enum mantis_status
add_rule (struct filtering *filtering, const struct plugins *plugins, const char *pattern,
          bool exact, uint64_t hash, struct plugin_use *const *uses, size_t count,
          struct mantis_error *error)
{
  struct rule *rule = &filtering->rules[filtering->rule_count++];
  enum mantis_status status = MANTIS_OK;

  *rule = (struct rule){
      .entry = {.pattern = mantis_arena_strdup (filtering->arena, pattern), .exact = exact},
      .first = filtering->count,
      .count = count,
      .hash = hash};
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    if (!(filtering->sources[filtering->count] = source_of (filtering->arena, uses[i])))
      return mantis_fail (error, MANTIS_FAILED, "no memory left for the filters");
    status = instance_new (plugins, uses[i], &filtering->instances[filtering->count], error);
    filtering->count += status == MANTIS_OK;
    uses[i]->again = true; /* of many sessions the first one is told */
  }
  return status;
}

static enum mantis_status
add_rules (struct filtering *filtering, const struct plugins *plugins, const struct config *config,
           struct mantis_error *error)
{
  enum mantis_status status =
      add_rule (filtering, plugins, "*", false, json_hash (config->raw.filters, 0), config->filters,
                config->filter_count, error);

  for (size_t i = 0; i < config->table_count && status == MANTIS_OK; i++) {
    const struct config_table *entry = &config->tables[i];
    status = add_rule (filtering, plugins, entry->pattern, entry->exact,
                       json_hash (filters_of_entry (config, entry), 0), entry->filters,
                       entry->filter_count, error);
  }
  return status;
}

/* With room for what CONFIG names; NULL: no memory. */
static struct filtering *
allocate (const struct config *config)
{
  size_t count = filters_configured (config);
  struct filtering *made = calloc (1, sizeof *made);

  if (made && (made->arena = mantis_arena_new (0))) {
    made->rules = arena_array (made->arena, 1 + config->table_count, sizeof *made->rules);
    made->instances = arena_array (made->arena, count, sizeof *made->instances);
    made->sources = arena_array (made->arena, count, sizeof *made->sources);
    made->filters = count ? filters_new (chain_of, made) : NULL;
    if (!mantis_arena_exhausted (made->arena) && (made->filters || !count))
      return made;
  }
  filtering_free (made);
  return NULL;
}

enum mantis_status
filtering_new (const struct plugins *plugins, const struct config *config, const json_t *list,
               struct filtering **filtering, struct mantis_error *error)
{
  struct filtering *made = allocate (config);
  enum mantis_status status;

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left for the filters");
  made->hash = json_hash (list, 0);
  made->file = config->file ? mantis_arena_strdup (made->arena, config->file) : NULL;
  if ((status = add_rules (made, plugins, config, error)) == MANTIS_OK)
    *filtering = made;
  else
    filtering_free (made);
  return status;
}

void
filtering_free (struct filtering *filtering)
{
  if (!filtering)
    return;
  filters_free (filtering->filters);
  for (size_t i = 0; i < filtering->count; i++)
    instance_free (filtering->instances[i]);
  mantis_arena_free (filtering->arena);
  free (filtering);
}

void
filtering_tell_absent (const struct filtering *filtering, const struct mantis_schema *schema)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);

  for (size_t i = 0; arena && i < filtering->rule_count; i++) {
    const struct config_table *entry = &filtering->rules[i].entry;
    struct nearest nearest;
    bool there = false;
    nearest_begin (&nearest, entry->pattern);
    for (size_t j = 0; j < schema->count && !there; j++) {
      const char *name = schema->tables[j].table->name;
      there = config_entry_matches (entry, name);
      nearest_try (&nearest, name, strlen (name));
    }
    if (entry->exact && !there)
      mantis_log (MANTIS_WARNING, "%s: \"tables\" names \"%s\": there is no such table yet%s",
                  filtering->file, entry->pattern, nearest_hint (&nearest, arena));
  }
}

struct filters *
filtering_filters (const struct filtering *filtering)
{
  return filtering ? filtering->filters : NULL;
}
