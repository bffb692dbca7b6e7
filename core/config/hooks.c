/* hooks.c - the list "hooks": which plugin sees which moment, of which tables, and what if it fails.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "config/internal.h"

#include "base/base.h"

#include <fnmatch.h>
#include <mantis/hook.h>
#include <string.h>

static const char *const selector_hook[] = {"plugin", "on", "tables", "on_failure", NULL};

/* Where in the file item NAME of the entry's "on" is not right. */
static const char *
place_of (struct config *config, const struct config_hook *hook, size_t which)
{
  const char *list = json_path_member (config->arena, hook->use->options.place.path, "on");
  const char *item = list ? json_path_index (config->arena, list, which) : NULL;

  return item ? item : "$.hooks";
}

static enum mantis_status
read_moments (struct config *config, struct config_hook *hook, struct mantis_error *error)
{
  for (size_t i = 0; hook->on && hook->on[i]; i++) {
    struct nearest nearest;
    uint32_t moment = 1;
    const char *name;
    nearest_begin (&nearest, hook->on[i]);
    for (; (name = mantis_moment_name (moment)) && strcmp (name, hook->on[i]) != 0; moment++)
      nearest_try (&nearest, name, strlen (name));
    if (!name)
      return CONFIG_FAIL (config, error, place_of (config, hook, i), "there is no moment \"%s\"%s",
                          hook->on[i], nearest_hint (&nearest, config->arena));
    if (moment == MANTIS_BEFORE_CONFLICT && config->role == MANTIS_CLIENT)
      return CONFIG_FAIL (config, error, place_of (config, hook, i),
                          "conflicts are decided on the server: a client has no \"%s\"", name);
    hook->moments |= 1u << moment;
  }
  return MANTIS_OK;
}

/* Mantis's own keys of one entry; the others are the plugin's options. */
static enum mantis_status
read_own (struct config *config, struct config_hook *hook, struct mantis_error *error)
{
  const struct option_place *place = &hook->use->options.place;
  json_t *own = json_object ();
  struct option_layer layer = {own, *place, NULL};
  enum mantis_status status = own ? MANTIS_OK : config_no_memory (error);

  for (const char *const *key = selector_hook; *key && status == MANTIS_OK; key++) {
    json_t *value = json_object_get (hook->use->options.json, *key);
    if (value && json_object_set (own, *key, value) != 0)
      status = config_no_memory (error);
  }
  if (status == MANTIS_OK)
    status = option_table_fill (config_hook_keys, "Mantis", hook, &layer, 1, config->arena, error);
  json_decref (own);
  return status == MANTIS_OK ? read_moments (config, hook, error) : status;
}

enum mantis_status
hooks_read (struct config *config, struct mantis_error *error)
{
  struct plugin_use **uses;
  size_t count;
  enum mantis_status status = uses_read (config, MANTIS_KIND_HOOK, config->raw.hooks, "$.hooks",
                                         selector_hook, NULL, &uses, &count, error);

  if (status != MANTIS_OK || !count)
    return status;
  if (!(config->hooks = arena_array (config->arena, count, sizeof *config->hooks)))
    return config_no_memory (error);
  for (; config->hook_count < count && status == MANTIS_OK; config->hook_count++) {
    struct config_hook *hook = &config->hooks[config->hook_count];
    hook->use = uses[config->hook_count];
    status = read_own (config, hook, error);
  }
  return status;
}

bool
config_hook_sees (const struct config_hook *hook, const char *table)
{
  for (const char *const *pattern = hook->tables; pattern && *pattern; pattern++)
    if (fnmatch (*pattern, table, FNM_NOESCAPE) == 0)
      return true;
  return !hook->tables;
}

uint32_t
config_hook_moments (const struct config_hook *hook, const struct mantis_plugin *plugin)
{
  const struct mantis_hook *ops = plugin->ops;
  uint32_t moments = hook->on ? hook->moments : UINT32_MAX;

  if (plugin->threads & MANTIS_WAITS)
    moments &= ~(1u << MANTIS_BEFORE_CONFLICT);
  return moments & ops->moments;
}

enum mantis_status
hooks_check (const struct config *config, const struct plugins *plugins, struct mantis_error *error)
{
  for (size_t i = 0; i < config->hook_count; i++) {
    const struct config_hook *hook = &config->hooks[i];
    const struct option_place *place = &hook->use->options.place;
    const struct plugin *plugin = plugins_find (plugins, MANTIS_KIND_HOOK, hook->use->name);
    uint32_t missing =
        plugin && hook->on ? hook->moments & ~config_hook_moments (hook, &plugin->about) : 0;
    if (missing)
      return option_fail (
          error, place->file, place->path, "hook \"%s\" cannot be called %s%s", hook->use->name,
          mantis_moment_name ((uint32_t)__builtin_ctz (missing)),
          missing & 1u << MANTIS_BEFORE_CONFLICT && plugin->about.threads & MANTIS_WAITS
              ? ": it may wait, and that moment is in the middle of a transaction; a resolver may "
                "wait"
              : "");
  }
  return MANTIS_OK;
}
