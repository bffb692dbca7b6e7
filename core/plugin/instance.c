/* instance.c - one use of a plugin: its own struct, filled from the configuration, started and
 * stopped.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plugin/plugin.h"

#include "base/base.h"

#include <string.h>

/* The plugin that USE names, or an error that says why there is none. */
static const struct plugin *
find_plugin (const struct plugins *plugins, const struct plugin_use *use,
             struct mantis_arena *arena, struct mantis_error *error)
{
  const struct plugin *found = plugins_find (plugins, use->kind, use->name), *other = NULL;
  const struct option_place *place = &use->options.place;
  struct nearest nearest;

  if (found)
    return found;
  nearest_begin (&nearest, use->name);
  for (const struct plugin *p = plugins_first (plugins); p; p = p->next) {
    if (strcmp (p->name, use->name) == 0)
      other = p;
    else if (p->about.kind == (uint32_t)use->kind)
      nearest_try (&nearest, p->name, strlen (p->name));
  }
  if (other)
    option_fail (error, place->file, place->path, "plugin \"%s\" is a %s and cannot serve as a %s",
                 use->name, kind_name (other->about.kind), kind_name (use->kind));
  else
    option_fail (error, place->file, place->path,
                 "the %s \"%s\" is not among the plugins that are opened%s; add it to \"plugins\"",
                 kind_name (use->kind), use->name, nearest_hint (&nearest, arena));
  return NULL;
}

/* All of an instance but start(). */
static enum mantis_status
prepare (const struct plugins *plugins, const struct plugin_use *use, struct mantis_arena *arena,
         struct instance **prepared, struct mantis_error *error)
{
  const struct plugin *plugin = find_plugin (plugins, use, arena, error);
  struct instance *instance = mantis_arena_alloc (arena, sizeof *instance);
  struct option_layer layers[2];
  const char *owner;

  if (!plugin)
    return MANTIS_INVALID;
  owner = mantis_arena_printf (arena, "%s plugin \"%s\"", kind_name (use->kind), plugin->name);
  if (!instance || !owner ||
      !(instance->self = mantis_arena_alloc (arena, plugin->about.self_size + 1)))
    return mantis_fail (error, MANTIS_FAILED, "no memory left to start plugin \"%s\"", use->name);
  instance->plugin = &plugin->about;
  instance->ops = plugin->about.ops;
  instance->name = plugin->name;
  instance->waits = plugin->about.threads & MANTIS_WAITS;
  instance->parallel = plugin->about.threads & MANTIS_PARALLEL;
  instance->arena = arena;
  layers[0] = plugin->options;
  layers[1] = use->options;
  if (!layers[0].place.path)
    layers[0].place = use->options.place;
  *prepared = instance;
  return option_table_fill (plugin->about.options, owner, instance->self, layers, 2, arena, error);
}

/* Should it crash, hang or exit in there, then this line is the last one, and tells which it was. */
static void
tell_start (const struct plugins *plugins, const struct plugin_use *use,
            const struct instance *instance)
{
  const struct plugin *plugin = plugins_find (plugins, use->kind, use->name);

  if (instance->plugin->start)
    mantis_log (use->again ? MANTIS_DEBUG : MANTIS_INFO, "starting %s plugin \"%s\"%s%s",
                kind_name (use->kind), instance->name, plugin->file ? ": " : "",
                plugin->file ? plugin->file : "");
}

enum mantis_status
instance_new (const struct plugins *plugins, const struct plugin_use *use,
              struct instance **instance, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  const struct option_place *place = &use->options.place;
  struct instance *made;
  enum mantis_status status;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "no memory left to start plugin \"%s\"", use->name);
  if ((status = prepare (plugins, use, arena, &made, error)) != MANTIS_OK)
    return status;
  *error = (struct mantis_error){.text = "it gave no reason"};
  tell_start (plugins, use, made);
  if (made->plugin->start && (status = made->plugin->start (made->self, error)) != MANTIS_OK) {
    mantis_fail_in (error, "%s: %s: %s plugin \"%s\"", place->file ? place->file : "configuration",
                    place->path, kind_name (use->kind), made->name);
    return status;
  }
  pthread_mutex_init (&made->mutex, NULL);
  *instance = made;
  arena = NULL; /* now the instance's */
  return MANTIS_OK;
}

enum mantis_status
instance_check (const struct plugins *plugins, const struct plugin_use *use,
                struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct instance *prepared;

  if (!arena)
    return mantis_fail (error, MANTIS_FAILED, "no memory left to check plugin \"%s\"", use->name);
  return prepare (plugins, use, arena, &prepared, error);
}

void
instance_free (struct instance *instance)
{
  if (!instance)
    return;
  if (instance->plugin->stop)
    instance->plugin->stop (instance->self);
  pthread_mutex_destroy (&instance->mutex);
  mantis_arena_free (instance->arena);
}

void
instance_lock (struct instance *instance)
{
  if (!instance->parallel)
    pthread_mutex_lock (&instance->mutex);
}

void
instance_unlock (struct instance *instance)
{
  if (!instance->parallel)
    pthread_mutex_unlock (&instance->mutex);
}
