/* plugin.h - plugins as the core sees them: opened, checked, found by name, given their options.
 *
 * ERROR is never NULL here, as messages are put together from inside to outside.
 *
 * A use is one place in the configuration that names a plugin; an instance is a use brought to
 * life.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_PLUGIN_PLUGIN_H
#define MANTIS_PLUGIN_PLUGIN_H

#include "plugin/options.h"

#include <pthread.h>

/* ---- A use ----------------------------------------------------------------------------------- */
struct plugin_use {
  struct plugin_use *next; /* of the same configuration, in the order of the file */
  size_t number;           /* 0, 1, ... along next */
  enum mantis_kind kind;
  const char *name; /* of the plugin */
  struct option_layer options;
  bool again; /* it was started before, for another session */
};

/* ---- Plugins --------------------------------------------------------------------------------- */
struct plugins;

/* One that was opened.  Full size: what an old plugin did not know yet reads as zero. */
struct plugin {
  struct mantis_plugin about;  /* about.ops is full size, too; about.name is its own name */
  const char *name;            /* what the configuration calls it */
  const char *file;            /* NULL: built in */
  struct option_layer options; /* of the "plugins" list: for each use, before its own */
  struct plugin *next;
};

/* FOLDERS are searched for bare names, in order; ends with NULL. */
struct plugins *plugins_new (const char *const *folders);
void
plugins_free (struct plugins *plugins); /* after all instances; the shared objects stay mapped */

/* Open WHAT: a bare name, which must then be the plugin's own, or a path (with a '/').  NAME: what
 * the configuration calls it, NULL for its own name.  OPTIONS: for each use, NULL for none. *PLUGIN
 * may be NULL. MANTIS_ABSENT: a bare name of which no file was found. */
enum mantis_status plugins_open (struct plugins *plugins, const char *what, const char *name,
                                 const struct option_layer *options, const struct plugin **plugin,
                                 struct mantis_error *error);

/* Register a plugin that is linked into this program. */
enum mantis_status plugins_add_static (struct plugins *plugins, const struct mantis_plugin *plugin,
                                       struct mantis_error *error);

/* NULL: there is none of that kind and name. */
const struct plugin *plugins_find (const struct plugins *plugins, enum mantis_kind kind,
                                   const char *name);
/* All that are open, in the order of opening, along next. */
const struct plugin *plugins_first (const struct plugins *plugins);

/* The folders that are searched, ends with NULL. */
const char *const *plugins_folders (const struct plugins *plugins);

const char *kind_name (uint32_t kind); /* "resolver"; NULL: there is no such kind */

/* ABOUT as it stands in FILE, checked and copied to full size into PLUGIN->about.  ROOM: bytes that
 * may be read there, 0 when that is not known. */
enum mantis_status plugin_check (const struct mantis_plugin *about, size_t room,
                                 struct mantis_arena *arena, struct plugin *plugin,
                                 struct mantis_error *error);

/* ---- Instances ------------------------------------------------------------------------------- */
struct instance {
  const struct mantis_plugin *plugin; /* full size */
  const void *ops;                    /* full size: cast to the struct of the kind */
  void *self;
  const char *name; /* what the configuration calls it; lives as long as the instance */
  bool waits;       /* MANTIS_WAITS: ask outside transactions */
  bool parallel;
  pthread_mutex_t mutex;
  struct mantis_arena *arena;
};

/* Find the plugin that USE names, fill its options, start() it.  USE is not needed afterwards. */
enum mantis_status instance_new (const struct plugins *plugins, const struct plugin_use *use,
                                 struct instance **instance, struct mantis_error *error);
/* stop() it.  NULL is fine. */
void instance_free (struct instance *instance);

/* The same checks as instance_new(), without start(). */
enum mantis_status instance_check (const struct plugins *plugins, const struct plugin_use *use,
                                   struct mantis_error *error);

/* Around each call of an instance that several threads share; free for one that says
 * MANTIS_PARALLEL. */
void instance_lock (struct instance *instance);
void instance_unlock (struct instance *instance);

#endif
