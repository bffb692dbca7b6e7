/* lists.c - the lists of a configuration: plugins, tables, nodes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "config/internal.h"

#include "base/base.h"

#include <fnmatch.h>
#include <string.h>

/* Read the object JSON at PATH into SELF, by KEYS. */
static enum mantis_status
read_entry (struct config *config, const struct mantis_option *keys, json_t *json, const char *path,
            void *self, struct mantis_error *error)
{
  struct option_layer layer = {json, {config->file, path, config->folder}, NULL};

  return option_table_fill (keys, "Mantis", self, &layer, 1, config->arena, error);
}

static enum mantis_status
read_plugin (struct config *config, json_t *json, const char *path, struct config_plugin *plugin,
             struct mantis_error *error)
{
  struct raw_plugin raw = {0};
  enum mantis_status status;

  if (json_is_string (json))
    raw.path = json_string_value (json);
  else if (!json_is_object (json))
    return CONFIG_FAIL (config, error, path,
                        "must be a name, a path, or {\"path\": ..., \"options\": ...}, not %s",
                        json_type_name (json));
  else if ((status = read_entry (config, config_plugin_keys, json, path, &raw, error)) != MANTIS_OK)
    return status;
  if (!raw.path)
    raw.path = raw.name;
  if (!raw.path || !*raw.path)
    return CONFIG_FAIL (config, error, path, "needs \"path\": a bare name, or a path");
  if (raw.options && !json_is_object (raw.options))
    return CONFIG_FAIL (config, error, json_path_member (config->arena, path, "options"),
                        "must be an object, not %s", json_type_name (raw.options));
  plugin->what = strchr (raw.path, '/') ? path_in (config->arena, config->folder, raw.path)
                                        : mantis_arena_strdup (config->arena, raw.path);
  plugin->name = raw.name;
  plugin->options.json = raw.options;
  plugin->options.place.file = config->file;
  plugin->options.place.folder = config->folder;
  plugin->options.place.path =
      raw.options ? json_path_member (config->arena, path, "options") : path;
  return plugin->what && plugin->options.place.path ? MANTIS_OK : config_no_memory (error);
}

enum mantis_status
plugins_read (struct config *config, struct mantis_error *error)
{
  json_t *json = config->raw.plugins;
  enum mantis_status status;

  if (!json)
    return MANTIS_OK;
  if (!json_is_array (json))
    return CONFIG_FAIL (config, error, "$.plugins", "must be a list, not %s",
                        json_type_name (json));
  config->listed = true;
  config->plugin_count = json_array_size (json);
  config->plugins = arena_array (config->arena, config->plugin_count, sizeof *config->plugins);
  for (size_t i = 0; config->plugins && i < config->plugin_count; i++) {
    const char *path = json_path_index (config->arena, "$.plugins", i);
    if (!path)
      return config_no_memory (error);
    status = read_plugin (config, json_array_get (json, i), path, config->plugins + i, error);
    if (status != MANTIS_OK)
      return status;
  }
  return config->plugins ? MANTIS_OK : config_no_memory (error);
}

static enum mantis_status
read_table (struct config *config, const char *name, json_t *json, const char *path,
            struct config_table *table, struct mantis_error *error)
{
  struct raw_table raw = {0};
  enum mantis_status status;

  if (!*name)
    return CONFIG_FAIL (config, error, path, "must be the name of a table, not an empty text");
  if (!(table->pattern = mantis_arena_strdup (config->arena, name)))
    return config_no_memory (error);
  for (const struct config_table *other = config->tables; other < table; other++)
    if (strcmp (other->pattern, name) == 0)
      return CONFIG_FAIL (config, error, path, "\"%s\" is there twice", name);
  table->exact = strpbrk (name, "*?") == NULL;
  if (!json)
    return MANTIS_OK;
  if ((status = read_entry (config, config_table_keys, json, path, &raw, error)) != MANTIS_OK)
    return status;
  if (raw.policy) {
    const char *at = json_path_member (config->arena, path, "conflict_policy");
    status = use_read (config, MANTIS_KIND_RESOLVER, raw.policy, at ? at : path, selector_plugin,
                       NULL, &table->policy, error);
    if (status != MANTIS_OK)
      return status;
    if (config->role == MANTIS_SERVER)
      use_add (config, table->policy);
  }
  return uses_read (config, MANTIS_KIND_FILTER, raw.filters,
                    json_path_member (config->arena, path, "filters"), selector_plugin, NULL,
                    &table->filters, &table->filter_count, error);
}

/* "tables": ["todos", "note_*"]. */
static enum mantis_status
read_table_names (struct config *config, json_t *json, struct mantis_error *error)
{
  enum mantis_status status;

  for (size_t i = 0; i < config->table_count; i++) {
    const json_t *name = json_array_get (json, i);
    const char *path = json_path_index (config->arena, "$.tables", i);
    if (!path)
      return config_no_memory (error);
    if (!json_is_string (name))
      return CONFIG_FAIL (config, error, path, "must be the name of a table, not %s",
                          json_type_name (name));
    status = read_table (config, json_string_value (name), NULL, path, config->tables + i, error);
    if (status != MANTIS_OK)
      return status;
  }
  return MANTIS_OK;
}

/* "tables": {"todos": {"conflict_policy": ...}}. */
static enum mantis_status
read_table_objects (struct config *config, json_t *json, struct mantis_error *error)
{
  enum mantis_status status;
  const char *name;
  json_t *value;
  size_t i = 0;

  json_object_foreach (json, name, value)
  {
    const char *path = json_path_member (config->arena, "$.tables", name);
    if (!path)
      return config_no_memory (error);
    if ((status = read_table (config, name, value, path, config->tables + i++, error)) != MANTIS_OK)
      return status;
  }
  return MANTIS_OK;
}

enum mantis_status
tables_read (struct config *config, struct mantis_error *error)
{
  json_t *json = config->raw.tables;
  size_t count = json_is_array (json) ? json_array_size (json) : json_object_size (json);
  enum mantis_status status;
  const char **patterns;

  if (!json)
    return MANTIS_OK;
  if (!json_is_array (json) && !json_is_object (json))
    return CONFIG_FAIL (config, error, "$.tables",
                        "must be a list of names, or an object with a key for each table, not %s",
                        json_type_name (json));
  config->table_count = count;
  config->tables = arena_array (config->arena, count, sizeof *config->tables);
  patterns = arena_array (config->arena, count + 1, sizeof *patterns);
  if (!config->tables || !patterns)
    return config_no_memory (error);
  status = json_is_array (json) ? read_table_names (config, json, error)
                                : read_table_objects (config, json, error);
  for (size_t i = 0; status == MANTIS_OK && i < count; i++)
    patterns[i] = config->tables[i].pattern;
  config->patterns = patterns;
  return status;
}

enum mantis_status
nodes_read (struct config *config, struct mantis_error *error)
{
  json_t *json = config->raw.nodes, *value;
  enum mantis_status status;
  const char *id;

  if (json && !json_is_object (json))
    return CONFIG_FAIL (config, error, "$.nodes",
                        "must be an object with a key for each node, not %s",
                        json_type_name (json));
  config->nodes = arena_array (config->arena, json_object_size (json), sizeof *config->nodes);
  if (!config->nodes)
    return config_no_memory (error);
  json_object_foreach (json, id, value)
  {
    struct config_node *node = config->nodes + config->node_count++;
    const char *path = json_path_member (config->arena, "$.nodes", id);
    if (!path || !(node->id = mantis_arena_strdup (config->arena, id)))
      return config_no_memory (error);
    if ((status = read_entry (config, config_node_keys, value, path, node, error)) != MANTIS_OK)
      return status;
  }
  return MANTIS_OK;
}

bool
config_entry_matches (const struct config_table *entry, const char *table)
{
  return strcmp (entry->pattern, table) == 0 ||
         (!entry->exact && fnmatch (entry->pattern, table, FNM_NOESCAPE) == 0);
}

const struct plugin_use *
config_policy (const struct config *config, const char *table)
{
  const struct plugin_use *policy = NULL;

  for (size_t i = 0; i < config->table_count; i++) {
    const struct config_table *entry = config->tables + i;
    if (!entry->policy || !config_entry_matches (entry, table))
      continue;
    if (strcmp (entry->pattern, table) == 0)
      return entry->policy;
    if (!policy)
      policy = entry->policy;
  }
  return policy ? policy : config->policy;
}
