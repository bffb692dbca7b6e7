/* options.h - the command line of mantisd.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_OPTIONS_H
#define MANTIS_DAEMON_OPTIONS_H

#include "config/config.h"

struct options {
  enum mantis_role role; /* 0: not said */
  const char *config, *listen, *server, *database, *token_file, *plugin_dir, *dump_plugin;
  const char *log_level;
  bool once, insecure, check_config, list_plugins, version, help;
};

/* Read ARGV; the texts in OPTIONS point into it.  -D takes effect at once. */
enum mantis_status options_parse (int argc, char **argv, struct options *options,
                                  struct mantis_error *error);

/* What --help prints. */
const char *options_help (void);

/* The configuration that OPTIONS ask for: the file named, the system's, or the built-in defaults,
 * with what the command line overrides.  Again at each SIGHUP. */
enum mantis_status options_config (const struct options *options, struct config **config,
                                   struct mantis_error *error);

/* Put the overrides into CONFIG. */
enum mantis_status options_apply (const struct options *options, struct config *config,
                                  struct mantis_error *error);

/* An empty registry that searches --plugin-dir, $MANTIS_PLUGIN_PATH and plugindir.  NULL: no
 * memory. */
struct plugins *options_plugins (const char *plugin_dir);

/* --check-config, --list-plugins, --dump-plugin: the exit status, or -1 when none was asked for. */
int inspect_run (const struct options *options);

#endif
