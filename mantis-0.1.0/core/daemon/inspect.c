/* inspect.c - --check-config, --list-plugins, --dump-plugin: look, start nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "daemon/options.h"

#include <mantis/mantis.h>
#include <mantis/transport.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
complain (const struct mantis_error *error)
{
  fprintf (stderr, "mantisd: %s\n", error->text);
  return 1;
}

static int
check_config (const struct options *options, struct plugins *plugins)
{
  struct mantis_error error = {0};
  struct config *config = NULL;
  enum mantis_status status = options_config (options, &config, &error);

  if (status == MANTIS_OK)
    status = config_open_plugins (config, plugins, &error);
  if (status == MANTIS_OK)
    printf ("%s: ok\n", config->file);
  config_free (config);
  return status == MANTIS_OK ? 0 : complain (&error);
}

/* ---- --list-plugins -------------------------------------------------------------------------- */

static int
is_plugin_file (const struct dirent *entry)
{
  size_t length = strlen (entry->d_name);

  return length > 3 && strcmp (entry->d_name + length - 3, ".so") == 0;
}

/* Has an earlier folder a plugin file of this name?  Then that one is what a bare name means. */
static bool
is_hidden (const char *const *folders, size_t folder, const char *name)
{
  for (size_t i = 0; i < folder; i++) {
    struct dirent **entries;
    int count = scandir (folders[i], &entries, is_plugin_file, alphasort);
    bool found = false;
    for (int k = 0; k < count; k++) {
      found |= strcmp (entries[k]->d_name, name) == 0;
      free (entries[k]);
    }
    if (count >= 0)
      free (entries);
    if (found)
      return true;
  }
  return false;
}

/* Open all that lies in the folder numbered FOLDER.  1: something was refused. */
static int
open_folder (struct plugins *plugins, size_t folder)
{
  const char *const *folders = plugins_folders (plugins);
  struct mantis_error error = {0};
  struct dirent **entries;
  int count = scandir (folders[folder], &entries, is_plugin_file, alphasort), result = 0;

  for (int i = 0; i < count; i++) {
    CLEANUP_BUF struct mantis_buf file = MANTIS_BUF_INIT;
    mantis_buf_printf (&file, "%s/%s", folders[folder][0] ? folders[folder] : ".",
                       entries[i]->d_name);
    if (!file.failed && !is_hidden (folders, folder, entries[i]->d_name) &&
        plugins_open (plugins, file.bytes, NULL, NULL, NULL, &error) != MANTIS_OK)
      result = complain (&error);
    free (entries[i]);
  }
  if (count >= 0)
    free (entries);
  return result;
}

static const char *
version_of (const struct mantis_plugin *about)
{
  return about->version ? about->version : mantis_version ();
}

static int
list_plugins (struct plugins *plugins)
{
  int result = 0;

  for (size_t i = 0; plugins_folders (plugins)[i]; i++)
    result |= open_folder (plugins, i);
  for (const struct plugin *p = plugins_first (plugins); p; p = p->next)
    printf ("%-9s  %-12s  %-8s  %-44s  %s\n", kind_name (p->about.kind), p->name,
            version_of (&p->about), p->about.summary ? p->about.summary : "", p->file);
  return result;
}

/* ---- --dump-plugin --------------------------------------------------------------------------- */

static void
dump_options (const struct mantis_option *options, struct mantis_buf *buf)
{
  if (!options || !options->name)
    mantis_buf_text (buf, "options  none\n");
  else
    mantis_buf_text (buf, "options\n");
  for (const struct mantis_option *o = options; o && o->name; o++) {
    mantis_buf_printf (buf, "  %-24s ", o->name);
    option_describe (o, buf);
    mantis_buf_printf (buf, "\n  %-24s %s\n", "", o->help ? o->help : "");
  }
}

static void
dump_routes (const struct mantis_plugin *about, struct mantis_buf *buf)
{
  const struct mantis_transport *transport = about->ops;

  if (about->kind != MANTIS_KIND_TRANSPORT || !transport->routes)
    return;
  mantis_buf_text (buf, "routes\n");
  for (const struct mantis_route *r = transport->routes; r->method; r++)
    mantis_buf_printf (buf, "  %-6s %-24s %s%s\n", r->method, r->path, r->message,
                       r->open ? " (open)" : "");
}

static void
dump (const struct plugin *plugin, struct mantis_buf *buf)
{
  const struct mantis_plugin *about = &plugin->about;

  mantis_buf_printf (buf, "name     %s\nkind     %s\nsummary  %s\nversion  %s\n", about->name,
                     kind_name (about->kind), about->summary ? about->summary : "",
                     version_of (about));
  mantis_buf_printf (buf, "file     %s\nabi      %u, of %s %u\n", plugin->file, about->abi,
                     kind_name (about->kind), about->kind_abi);
  mantis_buf_printf (buf, "threads  %s%s\n",
                     about->threads & MANTIS_PARALLEL ? "parallel" : "one call at a time",
                     about->threads & MANTIS_WAITS ? ", waits" : "");
  dump_options (about->options, buf);
  dump_routes (about, buf);
}

static int
dump_plugin (struct plugins *plugins, const char *name)
{
  CLEANUP_BUF struct mantis_buf buf = MANTIS_BUF_INIT;
  const struct plugin *plugin = NULL;
  struct mantis_error error = {0};

  if (plugins_open (plugins, name, NULL, NULL, &plugin, &error) != MANTIS_OK)
    return complain (&error);
  dump (plugin, &buf);
  if (buf.failed)
    return 1;
  fputs (buf.bytes, stdout);
  return 0;
}

int
inspect_run (const struct options *options)
{
  struct plugins *plugins;
  int result = -1;

  if (!options->check_config && !options->list_plugins && !options->dump_plugin)
    return -1;
  if (!(plugins = options_plugins (options->plugin_dir))) {
    fprintf (stderr, "mantisd: no memory left\n");
    return 1;
  }
  if (options->check_config)
    result = check_config (options, plugins);
  else if (options->list_plugins)
    result = list_plugins (plugins);
  else
    result = dump_plugin (plugins, options->dump_plugin);
  plugins_free (plugins);
  return fflush (stdout) == 0 ? result : 1;
}
