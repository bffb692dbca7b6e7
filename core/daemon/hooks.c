/* hooks.c - the hooks of a node: from the configuration as it was read last.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>

static enum mantis_status
open_one (const struct mantis *node, const struct config *config, const struct config_hook *entry,
          struct hook *hook, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (!config->listed && !plugins_find (node->plugins, MANTIS_KIND_HOOK, entry->use->name))
    status = plugins_open (node->plugins, entry->use->name, NULL, NULL, NULL, error);
  if (status == MANTIS_OK)
    status = instance_new (node->plugins, entry->use, &hook->instance, error);
  if (status != MANTIS_OK)
    return status;
  hook->moments = config_hook_moments (entry, hook->instance->plugin);
  hook->tables = entry->tables;
  hook->on_failure =
      strcmp (entry->on_failure, "ignore") == 0 ? MANTIS_FAILURE_IGNORED : MANTIS_FAILURE_REFUSES;
  return MANTIS_OK;
}

enum mantis_status
node_open_hooks (struct mantis *node, const struct config *config, struct mantis_error *error)
{
  size_t count = config->hook_count;
  CLEANUP_FREE struct hook *list = calloc (count + 1, sizeof *list);
  enum mantis_status status =
      list ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "no memory left");

  if (status == MANTIS_OK)
    status = hooks_check (config, node->plugins, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++)
    status = open_one (node, config, &config->hooks[i], &list[i], error);
  if (status == MANTIS_OK)
    status = hooks_set (&node->hooks, list, count, error);
  for (size_t i = 0; list && i < count && status != MANTIS_OK; i++)
    instance_free (list[i].instance);
  return status;
}

void
node_reload_hooks (struct mantis *node, const struct config *before)
{
  const json_t *was = json_object_get (before->root, "hooks");
  const json_t *is = json_object_get (node->live->root, "hooks");
  struct mantis_error error;

  if (was == is || json_equal (was, is))
    return;
  if (node_open_hooks (node, node->live, &error) != MANTIS_OK)
    reload_leaves (node, MANTIS_ERROR, "the hooks of before go on: %s", error.text);
  else
    mantis_log (MANTIS_INFO, "the hooks are as they are configured now");
}
