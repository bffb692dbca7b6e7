/* use.c - the places of a configuration that name a plugin.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "config/internal.h"

#include "base/base.h"

#include <stdio.h>
#include <string.h>

/* The name that SELECTOR gives in JSON, an object. */
static enum mantis_status
selected (struct config *config, const json_t *json, const char *path, const char *selector,
          const char **name, struct mantis_error *error)
{
  const json_t *value = json_object_get (json, selector);
  struct nearest nearest;
  const char *key;
  json_t *other;

  if (json_is_string (value)) {
    *name = json_string_value (value);
    return MANTIS_OK;
  }
  if (value)
    return CONFIG_FAIL (config, error, json_path_member (config->arena, path, selector),
                        "must be the name of a plugin, not %s", json_type_name (value));
  if (*name)
    return MANTIS_OK;
  nearest_begin (&nearest, selector);
  json_object_foreach ((json_t *)json, key, other) nearest_try (&nearest, key, strlen (key));
  if (nearest.name)
    return CONFIG_FAIL (config, error, path,
                        "needs \"%s\": the name of a plugin; is \"%s\" a slip of the pen?",
                        selector, nearest.name);
  return CONFIG_FAIL (config, error, path, "needs \"%s\": the name of a plugin", selector);
}

enum mantis_status
use_read (struct config *config, enum mantis_kind kind, json_t *json, const char *path,
          const char *const *selector, const char *name, struct plugin_use **read,
          struct mantis_error *error)
{
  struct plugin_use *use = mantis_arena_alloc (config->arena, sizeof *use);
  enum mantis_status status;

  if (!use)
    return config_no_memory (error);
  if (json_is_string (json))
    name = json_string_value (json);
  else if (json && !json_is_object (json))
    return CONFIG_FAIL (config, error, path, "must be an object with \"%s\", or a name, not %s",
                        *selector, json_type_name (json));
  else if (json && (status = selected (config, json, path, *selector, &name, error)) != MANTIS_OK)
    return status;
  if (!*name || strchr (name, '/'))
    return CONFIG_FAIL (config, error, path,
                        "\"%s\" is not the name of a plugin (a path belongs into \"plugins\", here "
                        "stands the name)",
                        name);
  use->kind = kind;
  use->name = mantis_arena_strdup (config->arena, name);
  use->options.json = json_is_object (json) ? json : NULL;
  use->options.reserved = selector;
  use->options.place.file = config->file;
  use->options.place.folder = config->folder;
  use->options.place.path = mantis_arena_strdup (config->arena, path);
  *read = use;
  return mantis_arena_exhausted (config->arena) ? config_no_memory (error) : MANTIS_OK;
}

void
use_add (struct config *config, struct plugin_use *use)
{
  struct plugin_use **end = &config->uses;

  while (*end)
    end = &(*end)->next;
  *end = use;
  use->number = config->use_count++;
}

enum mantis_status
uses_read (struct config *config, enum mantis_kind kind, json_t *json, const char *path,
           const char *const *selector, const char *name, struct plugin_use ***list, size_t *count,
           struct mantis_error *error)
{
  size_t length = json_array_size (json);
  enum mantis_status status;

  if (json && !json_is_array (json))
    return CONFIG_FAIL (config, error, path, "must be a list, not %s", json_type_name (json));
  if (!(*list = arena_array (config->arena, length, sizeof **list)))
    return config_no_memory (error);
  for (size_t i = 0; i < length; i++) {
    const char *at = json_path_index (config->arena, path, i);
    if (!at)
      return config_no_memory (error);
    status =
        use_read (config, kind, json_array_get (json, i), at, selector, name, *list + i, error);
    if (status != MANTIS_OK)
      return status;
    use_add (config, (*list)[i]);
  }
  *count = length;
  return MANTIS_OK;
}

enum mantis_status
config_set_option (struct config *config, struct plugin_use *use, const char *name, json_t *value,
                   struct mantis_error *error)
{
  if (!use->options.json) { /* named by a text alone, or by nothing: an object that the tree owns */
    json_t *object = json_object ();
    char key[32];
    snprintf (key, sizeof key, "#%zu", json_object_size (config->made));
    if (json_object_set_new (config->made, key, object) != 0) {
      json_decref (value);
      return config_no_memory (error);
    }
    use->options.json = object;
  }
  return json_object_set_new (use->options.json, name, value) == 0 ? MANTIS_OK
                                                                   : config_no_memory (error);
}

json_t *
config_tell_use (const struct plugin_use *use)
{
  return json_pack ("{s:s, s:s, s:s, s:O?}", "plugin", use->name, "file", use->options.place.file,
                    "path", use->options.place.path, "options", use->options.json);
}
