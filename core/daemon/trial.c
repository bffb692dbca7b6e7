/* trial.c - a plugin by itself, for mantis-plugin-test: opened, given options and started as mantisd does it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/trial.h"

#include "base/base.h"
#include "daemon/options.h"
#include "plugin/plugin.h"
#include "sync/keep.h"
#include "wire/json.h"

#include <mantis/auth.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mantis_trial {
  struct plugins *plugins;
  const struct plugin *plugin;
  struct mantis_arena *arena;
  json_t *options;
  struct option_place place;
};

struct mantis_use {
  struct instance *instance;
};

/* ---- Opening --------------------------------------------------------------------------------- */

static enum mantis_status
no_memory (struct mantis_error *error)
{
  return mantis_fail (error, MANTIS_FAILED, "no memory left");
}

enum mantis_status
mantis_trial_open (const char *what, const char *plugin_dir, struct mantis_trial **opened,
                   struct mantis_error *error)
{
  static bool started;
  struct mantis_trial *trial = calloc (1, sizeof *trial);
  CLEANUP_FREE char *here = getcwd (NULL, 0);
  enum mantis_status status;

  if (!started)
    json_start ();
  started = true;
  log_set_level (MANTIS_ERROR);
  if (!trial || !(trial->arena = mantis_arena_new (0)) || !(trial->options = json_object ()) ||
      !(trial->plugins = options_plugins (plugin_dir))) {
    mantis_trial_free (trial);
    return no_memory (error);
  }
  trial->place = (struct option_place){
      .file = "-o", .path = "$", .folder = mantis_arena_strdup (trial->arena, here ? here : "/")};
  status = plugins_open (trial->plugins, what, NULL, NULL, &trial->plugin, error);
  if (status != MANTIS_OK) {
    mantis_trial_free (trial);
    return status;
  }
  *opened = trial;
  return MANTIS_OK;
}

void
mantis_trial_free (struct mantis_trial *trial)
{
  if (!trial)
    return;
  plugins_free (trial->plugins);
  json_decref (trial->options);
  mantis_arena_free (trial->arena);
  free (trial);
}

const struct mantis_plugin *
mantis_trial_about (const struct mantis_trial *trial)
{
  return &trial->plugin->about;
}

const char *
mantis_trial_kind (const struct mantis_trial *trial)
{
  return kind_name (trial->plugin->about.kind);
}

/* ---- Options --------------------------------------------------------------------------------- */

enum mantis_status
mantis_trial_read (struct mantis_trial *trial, const char *file, struct mantis_error *error)
{
  CLEANUP_FREE char *absolute = realpath (file, NULL);
  const char *slash = absolute ? strrchr (absolute, '/') : NULL;
  json_error_t where;
  json_t *json = json_load_file (file, JSON_REJECT_DUPLICATES, &where);

  if (!json || !slash)
    return mantis_fail (error, MANTIS_INVALID, "%s: line %d: %s", file, where.line, where.text);
  trial->place.file = mantis_arena_strdup (trial->arena, file);
  trial->place.folder =
      mantis_arena_copy (trial->arena, absolute, (size_t)(slash - absolute) + (slash == absolute));
  json_decref (trial->options);
  trial->options = json;
  if (!json_is_object (json))
    return option_fail (error, file, "$", "must be an object, not %s", json_type_name (json));
  return MANTIS_OK;
}

static const struct mantis_option *
find_option (const struct mantis_trial *trial, const char *name)
{
  const struct mantis_option *option = trial->plugin->about.options;

  while (option && option->name && strcmp (option->name, name) != 0)
    option++;
  return option && option->name ? option : NULL;
}

static json_t *
read_value (const struct mantis_option *option, const char *text)
{
  bool is_text =
      option && (option->type == MANTIS_OPTION_TEXT || option->type == MANTIS_OPTION_CHOICE ||
                 option->type == MANTIS_OPTION_FILE);
  json_t *json = is_text ? NULL : json_loads (text, JSON_DECODE_ANY, NULL);

  return json ? json : json_string (text);
}

enum mantis_status
mantis_trial_set (struct mantis_trial *trial, const char *name, const char *text,
                  struct mantis_error *error)
{
  json_t *object = trial->options, *value = read_value (find_option (trial, name), text);
  const char *key = name;

  /* "tls.key_file" is a key inside an object. */
  for (size_t length; object && key[length = strcspn (key, ".")]; key += length + 1) {
    const char *outer = mantis_arena_copy (trial->arena, key, length);
    json_t *inner = outer ? json_object_get (object, outer) : NULL;
    if (outer && !inner)
      json_object_set_new (object, outer, inner = json_object ());
    object = inner;
  }
  if (!value || json_object_set_new (object, key, value))
    return mantis_fail (error, MANTIS_INVALID, "option \"%s\" cannot be set to this: \"%s\"", name,
                        text);
  return MANTIS_OK;
}

/* ---- Uses ------------------------------------------------------------------------------------ */

static enum mantis_status
start (const struct mantis_trial *trial, const struct plugin *plugin, json_t *options,
       struct instance **instance, struct mantis_error *error)
{
  const struct plugin_use use = {.kind = plugin->about.kind,
                                 .name = plugin->name,
                                 .options = {.json = options, .place = trial->place}};

  return instance_new (trial->plugins, &use, instance, error);
}

enum mantis_status
mantis_trial_start (const struct mantis_trial *trial, struct mantis_use **started, void **self,
                    struct mantis_error *error)
{
  struct mantis_use *use = calloc (1, sizeof *use);
  enum mantis_status status;

  if (!use)
    return no_memory (error);
  status = start (trial, trial->plugin, trial->options, &use->instance, error);
  if (status != MANTIS_OK) {
    free (use);
    return status;
  }
  *self = use->instance->self;
  *started = use;
  return MANTIS_OK;
}

void
mantis_trial_stop (struct mantis_use *use)
{
  instance_free (use->instance);
  free (use);
}

/* ---- Tables of a plugin ---------------------------------------------------------------------- */

enum mantis_status
mantis_trial_keep (const struct mantis_trial *trial, const char *storage, const char *path,
                   struct mantis_keep **made, struct mantis_error *error)
{
  static const struct mantis_table *const no_tables[] = {NULL};
  const struct mantis_auth *ops = trial->plugin->about.ops;
  CLEANUP_JSON json_t *options = json_pack ("{ss}", "path", path);
  struct mantis_keep *keep = calloc (1, sizeof *keep);
  struct store *store = calloc (1, sizeof *store);
  const struct plugin *plugin;
  struct instance *instance;
  enum mantis_status status = keep && store && options ? MANTIS_OK : no_memory (error);

  for (size_t i = 0; status == MANTIS_OK && ops->tables && ops->tables[i]; i++)
    status = keep_check (ops->tables[i], error);
  if (status == MANTIS_OK)
    status = plugins_open (trial->plugins, storage, NULL, NULL, &plugin, error);
  if (status == MANTIS_OK)
    status = start (trial, plugin, options, &instance, error);
  if (status == MANTIS_OK)
    status = store_open_keeping (store, instance->ops, instance->self, MANTIS_SERVER, NULL,
                                 ops->tables, error);
  if (status != MANTIS_OK) {
    free (keep);
    free (store);
    return status;
  }
  keep->store = store;
  keep->tables = ops->tables ? ops->tables : no_tables;
  *made = keep;
  return MANTIS_OK;
}

void
mantis_trial_called (struct mantis_keep *keep)
{
  store_rollback (keep->store);
}
