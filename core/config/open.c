/* open.c - opens the plugins of a configuration.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "config/config.h"

#include "base/base.h"

#include <string.h>

static enum mantis_status
open_listed (const struct config *config, struct plugins *plugins, struct mantis_error *error)
{
  for (size_t i = 0; i < config->plugin_count; i++) {
    const struct config_plugin *entry = config->plugins + i;
    enum mantis_status status =
        plugins_open (plugins, entry->what, entry->name, &entry->options, NULL, error);
    if (status != MANTIS_OK) {
      mantis_fail_in (error, "%s: $.plugins[%zu]", config->file, i);
      return status;
    }
  }
  return MANTIS_OK;
}

/* WebSocket, where it is installed, though nothing has to name it: upgrades on the port of REST, and
 * what a client prefers. */
static void
open_websocket (const struct config *config, struct plugins *plugins)
{
  bool wanted = config->dial_preferred != NULL;
  struct mantis_error error;
  enum mantis_status status;

  for (size_t i = 0; i < config->listen_count; i++)
    wanted |= strcmp (config->listen[i]->name, "rest") == 0;
  if (!wanted || plugins_find (plugins, MANTIS_KIND_TRANSPORT, "websocket"))
    return;
  status = plugins_open (plugins, "websocket", NULL, NULL, NULL, &error);
  if (status != MANTIS_OK && status != MANTIS_ABSENT)
    mantis_log (MANTIS_WARNING, "going on without WebSocket: %s", error.text);
}

/* Of whatever kind: that one of the wrong kind will not do is said later, and better. */
static bool
is_open (const struct plugins *plugins, const char *name)
{
  for (const struct plugin *p = plugins_first (plugins); p; p = p->next)
    if (strcmp (p->name, name) == 0)
      return true;
  return false;
}

static enum mantis_status
open_used (const struct config *config, struct plugins *plugins, struct mantis_error *error)
{
  for (const struct plugin_use *use = config->uses; use; use = use->next) {
    enum mantis_status status;
    if (is_open (plugins, use->name))
      continue;
    status = plugins_open (plugins, use->name, NULL, NULL, NULL, error);
    if (status != MANTIS_OK) {
      mantis_fail_in (error, "%s: %s", config->file, use->options.place.path);
      return status;
    }
  }
  open_websocket (config, plugins);
  return MANTIS_OK;
}

enum mantis_status
config_open_plugins (const struct config *config, struct plugins *plugins,
                     struct mantis_error *error)
{
  const struct plugin_use *preferred = config->dial_preferred;
  enum mantis_status status =
      config->listed ? open_listed (config, plugins, error) : open_used (config, plugins, error);

  for (const struct plugin_use *use = config->uses; status == MANTIS_OK && use; use = use->next)
    status = instance_check (plugins, use, error);
  if (status == MANTIS_OK && preferred && plugins_find (plugins, preferred->kind, preferred->name))
    status = instance_check (plugins, preferred, error);
  return status == MANTIS_OK ? hooks_check (config, plugins, error) : status;
}
