/* policy.c - the resolver that --policy names, in this process.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/replay.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const plugin_selector[] = {"plugin", NULL};

static bool
is_file (const char *what)
{
  size_t length = strlen (what);

  return strchr (what, '/') || (length > 3 && strcmp (what + length - 3, ".so") == 0);
}

/* NAME, FILE, or {"plugin": NAME or FILE, ...}. */
static enum mantis_status
read_policy (const char *text, struct mantis_arena *arena, struct plugin_use *use,
             const char **what, struct mantis_error *error)
{
  CLEANUP_FREE char *here = getcwd (NULL, 0);
  const char *folder = mantis_arena_strdup (arena, here ? here : "/");

  *use = (struct plugin_use){
      .kind = MANTIS_KIND_RESOLVER,
      .options = {.place = {"--policy", "$", folder}, .reserved = plugin_selector}};
  *what = text;
  if (text[strspn (text, " \t\n")] == '{') {
    if (!(use->options.json = json_read (text, strlen (text), error)))
      return mantis_fail_in (error, "--policy"), MANTIS_INVALID;
    *what = json_string_value (json_object_get (use->options.json, "plugin"));
  }
  if (!*what || !**what)
    return mantis_fail (error, MANTIS_INVALID,
                        "--policy: needs \"plugin\": the name of a resolver, or "
                        "its file");
  if (is_file (*what))
    *what = path_in (arena, use->options.place.folder, *what);
  return *what ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "no memory left");
}

enum mantis_status
policy_open (const char *text, const struct config *config, struct plugins *plugins,
             struct mantis_arena *arena, struct instance **policy, struct mantis_error *error)
{
  const struct plugin *plugin = NULL;
  struct plugin_use use;
  const char *what;
  enum mantis_status status = read_policy (text, arena, &use, &what, error);

  if (status == MANTIS_OK && !is_file (what) && config && config->listed)
    status = config_open_plugins (config, plugins, error);
  if (status == MANTIS_OK && !is_file (what))
    plugin = plugins_find (plugins, MANTIS_KIND_RESOLVER, what);
  if (status == MANTIS_OK && !plugin)
    status = plugins_open (plugins, what, NULL, NULL, &plugin, error);
  if (status == MANTIS_OK) {
    use.name = plugin->name;
    status = instance_new (plugins, &use, policy, error);
  }
  json_decref (use.options.json);
  return status;
}
