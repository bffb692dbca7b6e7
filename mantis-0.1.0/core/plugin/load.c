/* load.c - opens plugins and keeps the list of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr1() */
#endif
#include "plugin/plugin.h"

#include "base/base.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct plugins {
  struct mantis_arena *arena;
  const char **folders;
  struct plugin *first, **end;
};

static void *
copy_folders (struct plugins *plugins, const char *const *folders)
{
  size_t count = 0;

  while (folders && folders[count])
    count++;
  if (!(plugins->folders = arena_array (plugins->arena, count + 1, sizeof *plugins->folders)))
    return NULL;
  for (size_t i = 0; i < count; i++)
    plugins->folders[i] = mantis_arena_strdup (plugins->arena, folders[i]);
  return mantis_arena_exhausted (plugins->arena) ? NULL : plugins->folders;
}

struct plugins *
plugins_new (const char *const *folders)
{
  struct mantis_arena *arena = mantis_arena_new (0);
  struct plugins *plugins = arena ? mantis_arena_alloc (arena, sizeof *plugins) : NULL;

  if (plugins) {
    plugins->arena = arena;
    plugins->end = &plugins->first;
  }
  if (!plugins || !copy_folders (plugins, folders)) {
    mantis_arena_free (arena);
    return NULL;
  }
  return plugins;
}

void
plugins_free (struct plugins *plugins)
{
  if (!plugins)
    return;
  for (struct plugin *p = plugins->first; p; p = p->next)
    json_decref (p->options.json);
  mantis_arena_free (plugins->arena);
}

const char *const *
plugins_folders (const struct plugins *plugins)
{
  return plugins->folders;
}

const struct plugin *
plugins_first (const struct plugins *plugins)
{
  return plugins->first;
}

const struct plugin *
plugins_find (const struct plugins *plugins, enum mantis_kind kind, const char *name)
{
  for (const struct plugin *p = plugins->first; p; p = p->next)
    if (p->about.kind == (uint32_t)kind && strcmp (p->name, name) == 0)
      return p;
  return NULL;
}

/* The file of a bare NAME.  NULL: there is none, and ERROR says where it was looked for. */
static const char *
find_file (const struct plugins *plugins, const char *name, struct mantis_error *error)
{
  CLEANUP_BUF struct mantis_buf looked = MANTIS_BUF_INIT;

  for (const char *const *folder = plugins->folders; *folder; folder++) {
    const char *file = mantis_arena_printf (plugins->arena, "%s/%s.so", *folder, name);
    if (!file)
      return NULL;
    if (access (file, F_OK) == 0)
      return file;
    mantis_buf_printf (&looked, "%s%s", looked.length ? ", " : "", *folder);
  }
  mantis_fail (error, MANTIS_ABSENT,
               "there is no plugin \"%s\": no %s.so in %s; install it, name its folder with "
               "--plugin-dir, or give a path with a '/'",
               name, name, looked.bytes ? looked.bytes : "any folder, as none is searched");
  return NULL;
}

/* Open FILE without running anything of it, and find its descriptor. */
static const struct mantis_plugin *
open_file (const char *file, size_t *room, struct mantis_error *error)
{
  void *handle = dlopen (file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  const struct mantis_plugin *about;
  const ElfW (Sym) *symbol = NULL;
  Dl_info info;

  if (!handle) {
    mantis_fail (
        error, MANTIS_INVALID,
        "cannot open plugin %s: %s; it has to be a shared object for this machine, and what "
        "it links has to be installed",
        file, dlerror ());
    return NULL;
  }
  if (!(about = dlsym (handle, "mantis_plugin"))) {
    mantis_fail (
        error, MANTIS_INVALID,
        "%s is no plugin of Mantis: it has no symbol mantis_plugin; make one with the macro "
        "of its kind, e.g. MANTIS_RESOLVER_PLUGIN",
        file);
    return NULL;
  }
  *room = 0;
  if (dladdr1 (about, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol) {
    *room = symbol->st_size;
    if (ELF64_ST_TYPE (symbol->st_info) != STT_OBJECT) {
      mantis_fail (
          error, MANTIS_INVALID,
          "%s is no plugin of Mantis: its mantis_plugin is no data; make one with the macro "
          "of its kind, e.g. MANTIS_RESOLVER_PLUGIN",
          file);
      return NULL;
    }
  }
  return about;
}

static enum mantis_status
add (struct plugins *plugins, struct plugin *plugin, struct mantis_error *error)
{
  const struct plugin *other = plugins_find (plugins, plugin->about.kind, plugin->name);

  if (other)
    return mantis_fail (
        error, MANTIS_INVALID,
        "there are two plugins \"%s\" of kind %s, %s and %s: list one of them, or give "
        "one another name with {\"path\": ..., \"name\": ...}",
        plugin->name, kind_name (plugin->about.kind), other->file ? other->file : "built in",
        plugin->file ? plugin->file : "built in");
  *plugins->end = plugin;
  plugins->end = &plugin->next;
  return MANTIS_OK;
}

/* OPTIONS of the "plugins" list, NULL: none. */
static enum mantis_status
take_options (struct plugins *plugins, struct plugin *plugin, const struct option_layer *options,
              struct mantis_error *error)
{
  if (options) {
    plugin->options.json = json_incref (options->json);
    plugin->options.place.file = mantis_arena_strdup (plugins->arena, options->place.file);
    plugin->options.place.path = mantis_arena_strdup (plugins->arena, options->place.path);
    plugin->options.place.folder = mantis_arena_strdup (plugins->arena, options->place.folder);
  }
  return mantis_arena_exhausted (plugins->arena)
             ? mantis_fail (error, MANTIS_FAILED, "no memory left to open a plugin")
             : MANTIS_OK;
}

/* The descriptor ABOUT, checked and added under NAME (NULL: its own).  BARE: the name that it has
 * to have itself, NULL: any. */
static enum mantis_status
admit (struct plugins *plugins, const struct mantis_plugin *about, size_t room, const char *file,
       const char *bare, const char *name, const struct option_layer *options,
       struct plugin **added, struct mantis_error *error)
{
  struct plugin *plugin = mantis_arena_alloc (plugins->arena, sizeof *plugin);
  enum mantis_status status;

  if (!plugin)
    return mantis_fail (error, MANTIS_FAILED, "no memory left to open a plugin");
  if ((status = plugin_check (about, room, plugins->arena, plugin, error)) != MANTIS_OK) {
    mantis_fail_in (error, "%s", file ? file : "built-in plugin");
    return status;
  }
  if (bare && strcmp (plugin->about.name, bare) != 0)
    return mantis_fail (error, MANTIS_INVALID, "%s holds the plugin \"%s\", not \"%s\"", file,
                        plugin->about.name, bare);
  plugin->file = file;
  plugin->name = name ? mantis_arena_strdup (plugins->arena, name) : plugin->about.name;
  if (!plugin->name)
    return mantis_fail (error, MANTIS_FAILED, "no memory left to open a plugin");
  if ((status = add (plugins, plugin, error)) != MANTIS_OK)
    return status;
  *added = plugin;
  return take_options (plugins, plugin, options, error);
}

/* The one that is linked in under NAME, NULL: none. */
static struct plugin *
find_builtin (const struct plugins *plugins, const char *name)
{
  for (struct plugin *p = plugins->first; p; p = p->next)
    if (!p->file && strcmp (p->name, name) == 0)
      return p;
  return NULL;
}

enum mantis_status
plugins_open (struct plugins *plugins, const char *what, const char *name,
              const struct option_layer *options, const struct plugin **opened,
              struct mantis_error *error)
{
  bool bare = strchr (what, '/') == NULL;
  struct plugin *builtin = bare && !name ? find_builtin (plugins, what) : NULL;
  const char *file = bare ? NULL : mantis_arena_strdup (plugins->arena, what);
  const struct mantis_plugin *about;
  struct plugin *plugin = NULL;
  enum mantis_status status;
  size_t room;

  if (builtin) {
    if (opened)
      *opened = builtin;
    return take_options (plugins, builtin, options, error);
  }
  if (bare && strlen (what) > 3 && strcmp (what + strlen (what) - 3, ".so") == 0)
    return mantis_fail (error, MANTIS_INVALID,
                        "\"%s\" is neither the name of a plugin nor a path: a path has a '/', "
                        "\"./%s\"",
                        what, what);
  if (bare)
    file = find_file (plugins, what, error);
  if (!file)
    return bare ? MANTIS_ABSENT : mantis_fail (error, MANTIS_FAILED, "no memory left");
  if (!(about = open_file (file, &room, error)))
    return MANTIS_INVALID;
  status = admit (plugins, about, room, file, bare ? what : NULL, name, options, &plugin, error);
  if (status != MANTIS_OK)
    return status;
  if (opened)
    *opened = plugin;
  return MANTIS_OK;
}

enum mantis_status
plugins_add_static (struct plugins *plugins, const struct mantis_plugin *about,
                    struct mantis_error *error)
{
  struct plugin *plugin;

  return admit (plugins, about, 0, NULL, NULL, NULL, NULL, &plugin, error);
}
