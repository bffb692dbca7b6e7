/* options.c - the command line of mantisd.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/options.h"

#include "base/base.h"
#include "plugin/builtin.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  OPT_MODE = 256,
  OPT_CONFIG,
  OPT_ONCE,
  OPT_LISTEN,
  OPT_SERVER,
  OPT_DATABASE,
  OPT_TOKEN_FILE,
  OPT_INSECURE,
  OPT_PLUGIN_DIR,
  OPT_CHECK_CONFIG,
  OPT_LIST_PLUGINS,
  OPT_DUMP_PLUGIN,
  OPT_LOG_LEVEL,
  OPT_VERSION,
  OPT_HELP
};

static const struct option long_options[] = {
    {"mode", required_argument, NULL, OPT_MODE},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"once", no_argument, NULL, OPT_ONCE},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"server", required_argument, NULL, OPT_SERVER},
    {"database", required_argument, NULL, OPT_DATABASE},
    {"token-file", required_argument, NULL, OPT_TOKEN_FILE},
    {"insecure", no_argument, NULL, OPT_INSECURE},
    {"plugin-dir", required_argument, NULL, OPT_PLUGIN_DIR},
    {"check-config", no_argument, NULL, OPT_CHECK_CONFIG},
    {"list-plugins", no_argument, NULL, OPT_LIST_PLUGINS},
    {"dump-plugin", required_argument, NULL, OPT_DUMP_PLUGIN},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

const char *
options_help (void)
{
  return "Usage: mantisd --mode server|client [OPTION]...\n"
         "Keep an SQLite database in step with others: as a client beside an application,\n"
         "or as the server that the clients meet at.\n"
         "\n"
         "      --mode server|client   what this node is (or \"mode\" in the configuration)\n"
         "      --config FILE          read FILE instead of " SYSCONFDIR "/mantis/mantis.json\n"
         "      --once                 one exchange with the server, then stop (client)\n"
         "      --listen ADDRESS:PORT  where to answer (server; default 127.0.0.1:8080)\n"
         "      --server URL           the server (client; default http://127.0.0.1:8080)\n"
         "      --database FILE        the SQLite database\n"
         "      --token-file FILE      the token that a client shows\n"
         "      --insecure             let tokens and rows cross the network in the clear\n"
         "      --plugin-dir DIR       look for plugins in DIR first\n"
         "      --check-config         say whether the configuration is sound, and stop\n"
         "      --list-plugins         list the plugins that are installed, and stop\n"
         "      --dump-plugin NAME     describe a plugin and its options, and stop\n"
         "  -D FLAG=VALUE              a developer's question, e.g. -D sqlite.sql=1\n"
         "      --log-level LEVEL      error, warning, info (the default) or debug\n"
         "      --version              print the version, and stop\n"
         "      --help                 print this, and stop\n"
         "\n"
         "Without a configuration, data lies in $STATE_DIRECTORY, else in /var/lib/mantis\n"
         "(root), else in ~/.local/state/mantis.  See mantisd(8) and mantis.json(5).\n";
}

static enum mantis_status
take_mode (struct options *options, const char *value, struct mantis_error *error)
{
  if (strcmp (value, "server") == 0)
    options->role = MANTIS_SERVER;
  else if (strcmp (value, "client") == 0)
    options->role = MANTIS_CLIENT;
  else
    return mantis_fail (error, MANTIS_INVALID, "--mode is \"server\" or \"client\", not \"%s\"",
                        value);
  return MANTIS_OK;
}

static enum mantis_status
take_log_level (struct options *options, const char *value, struct mantis_error *error)
{
  static const char *const names[] = {"error", "warning", "info", "debug"};

  options->log_level = value;
  for (size_t i = 0; i < COUNT_OF (names); i++)
    if (strcmp (value, names[i]) == 0)
      return MANTIS_OK;
  return mantis_fail (error, MANTIS_INVALID,
                      "--log-level is error, warning, info or debug, not \"%s\"", value);
}

static enum mantis_status
take_flag (const char *value, struct mantis_error *error)
{
  const char *equals = strchr (value, '=');
  CLEANUP_FREE char *name = NULL;

  if (!equals || equals == value)
    return mantis_fail (error, MANTIS_INVALID, "-D takes FLAG=VALUE, not \"%s\"", value);
  if (!(name = strndup (value, (size_t)(equals - value))))
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  flag_set (name, equals + 1);
  return MANTIS_OK;
}

/* Where the argument of option C goes; NULL: it is not one that only stores a text. */
static const char **
text_of (struct options *options, int c)
{
  switch (c) {
  case OPT_CONFIG:
    return &options->config;
  case OPT_LISTEN:
    return &options->listen;
  case OPT_SERVER:
    return &options->server;
  case OPT_DATABASE:
    return &options->database;
  case OPT_TOKEN_FILE:
    return &options->token_file;
  case OPT_PLUGIN_DIR:
    return &options->plugin_dir;
  case OPT_DUMP_PLUGIN:
    return &options->dump_plugin;
  default:
    return NULL;
  }
}

static bool *
switch_of (struct options *options, int c)
{
  switch (c) {
  case OPT_ONCE:
    return &options->once;
  case OPT_INSECURE:
    return &options->insecure;
  case OPT_CHECK_CONFIG:
    return &options->check_config;
  case OPT_LIST_PLUGINS:
    return &options->list_plugins;
  case OPT_VERSION:
    return &options->version;
  case OPT_HELP:
    return &options->help;
  default:
    return NULL;
  }
}

/* What getopt_long() did not understand. */
static enum mantis_status
not_understood (char **argv, int c, struct mantis_error *error)
{
  const char *word = argv[optind - 1];
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  CLEANUP_FREE char *name =
      strndup (word + strspn (word, "-"), strcspn (word + strspn (word, "-"), "="));
  struct nearest nearest;

  if (c == ':')
    return mantis_fail (error, MANTIS_INVALID, "%s needs a value; see mantisd --help", word);
  if (optopt >= OPT_MODE)
    return mantis_fail (error, MANTIS_INVALID, "%s takes no value; see mantisd --help", word);
  if (!arena || !name)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  nearest_begin (&nearest, name);
  for (const struct option *o = long_options; o->name; o++)
    nearest_try (&nearest, o->name, strlen (o->name));
  if (nearest.name)
    return mantis_fail (error, MANTIS_INVALID, "there is no option %s, did you mean --%s?", word,
                        nearest.name);
  return mantis_fail (error, MANTIS_INVALID, "there is no option %s; see mantisd --help", word);
}

static enum mantis_status
take (struct options *options, int c, struct mantis_error *error)
{
  const char **text = text_of (options, c);
  bool *flag = switch_of (options, c);

  if (text && !*optarg)
    return mantis_fail (error, MANTIS_INVALID, "an option has an empty value; see mantisd --help");
  if (text)
    *text = optarg;
  else if (flag)
    *flag = true;
  else if (c == OPT_MODE)
    return take_mode (options, optarg, error);
  else if (c == OPT_LOG_LEVEL)
    return take_log_level (options, optarg, error);
  else
    return take_flag (optarg, error);
  return MANTIS_OK;
}

enum mantis_status
options_parse (int argc, char **argv, struct options *options, struct mantis_error *error)
{
  enum mantis_status status;
  int c;

  *options = (struct options){0};
  opterr = 0;
  optind = 0; /* from the start, also when called again */
  while ((c = getopt_long (argc, argv, ":D:", long_options, NULL)) != -1) {
    status = c == '?' || c == ':' ? not_understood (argv, c, error) : take (options, c, error);
    if (status != MANTIS_OK)
      return status;
  }
  if (optind < argc)
    return mantis_fail (error, MANTIS_INVALID, "\"%s\" is too much; see mantisd --help",
                        argv[optind]);
  return MANTIS_OK;
}

/* ---- Onto the configuration ------------------------------------------------------------------ */

/* PATH as it is meant on the command line: in the folder where the command was given. */
static enum mantis_status
from_here (struct config *config, const char *path, char **absolute, struct mantis_error *error)
{
  CLEANUP_FREE char *here = getcwd (NULL, 0);

  if (!here && path[0] != '/')
    return mantis_fail (error, MANTIS_FAILED, "cannot tell which folder this is: %s",
                        strerror (errno));
  *absolute = path_in (config->arena, here, path);
  return *absolute ? MANTIS_OK : mantis_fail (error, MANTIS_FAILED, "no memory left");
}

static enum mantis_status
apply_server (const struct options *options, struct config *config, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (options->server || options->once)
    return mantis_fail (error, MANTIS_INVALID, "%s is for --mode client",
                        options->server ? "--server" : "--once");
  if (options->listen) { /* here, and nowhere else */
    config->listen_count = 1;
    status = config_set_option (config, config->listen[0], "address", json_string (options->listen),
                                error);
  }
  for (size_t i = 0; options->insecure && status == MANTIS_OK && i < config->listen_count; i++)
    status = config_set_option (config, config->listen[i], "insecure", json_true (), error);
  return status;
}

static enum mantis_status
apply_database (const struct options *options, struct config *config, struct mantis_error *error)
{
  enum mantis_status status;
  json_t *text;
  char *path;

  if ((status = from_here (config, options->database, &path, error)) != MANTIS_OK)
    return status;
  if (!(text = json_string (path)))
    return mantis_fail (error, MANTIS_INVALID, "--database: the name of the file has to be UTF-8");
  if (config->role == MANTIS_CLIENT)
    config->needs_state_folder = false; /* the database was all that lay there */
  return config_set_option (config, config->storage, "path", text, error);
}

static enum mantis_level
level_of (const char *name)
{
  return name[0] == 'e'   ? MANTIS_ERROR
         : name[0] == 'w' ? MANTIS_WARNING
         : name[0] == 'i' ? MANTIS_INFO
                          : MANTIS_DEBUG;
}

enum mantis_status
options_apply (const struct options *options, struct config *config, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  char *path;

  if (options->log_level)
    config->log_level = level_of (options->log_level);
  config->insecure = options->insecure;
  if (config->role == MANTIS_SERVER)
    status = apply_server (options, config, error);
  else if (options->listen)
    status = mantis_fail (error, MANTIS_INVALID, "--listen is for --mode server");
  else if (options->server)
    status = config_set_server (config, options->server, "--server", error);
  if (status == MANTIS_OK && options->database)
    status = apply_database (options, config, error);
  if (status == MANTIS_OK && options->token_file) {
    status = from_here (config, options->token_file, &path, error);
    config->token_file = status == MANTIS_OK ? path : NULL;
  }
  return status;
}

enum mantis_status
options_config (const struct options *options, struct config **read, struct mantis_error *error)
{
  static const char system_file[] = SYSCONFDIR "/mantis/mantis.json";
  struct config *config = NULL;
  enum mantis_status status;

  if (options->config)
    status = config_read (options->config, options->role, &config, error);
  else if (access (system_file, F_OK) == 0)
    status = config_read (system_file, options->role, &config, error);
  else if (options->role)
    status = config_default (options->role, &config, error);
  else
    status = mantis_fail (error, MANTIS_INVALID,
                          "what is this node to be? give --mode server or --mode client");
  if (status == MANTIS_OK && (status = options_apply (options, config, error)) != MANTIS_OK) {
    config_free (config);
    return status;
  }
  *read = config;
  return status;
}

static struct plugins *
add_builtin (struct plugins *plugins)
{
  struct mantis_error error;

  for (size_t i = 0; plugins && mantis_builtin && mantis_builtin[i]; i++)
    if (plugins_add_static (plugins, mantis_builtin[i], &error) != MANTIS_OK) {
      plugins_free (plugins);
      return NULL;
    }
  return plugins;
}

struct plugins *
options_plugins (const char *plugin_dir)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  const char *path = getenv ("MANTIS_PLUGIN_PATH");
  size_t most = 3 + (path ? strlen (path) : 0), count = 0; /* at least two bytes a folder */
  const char **folders = arena ? arena_array (arena, most, sizeof *folders) : NULL;

  if (!folders)
    return NULL;
  if (plugin_dir)
    folders[count++] = plugin_dir;
  while (path && *path) {
    size_t length = strcspn (path, ":");
    if (length && !(folders[count++] = mantis_arena_copy (arena, path, length)))
      return NULL;
    path += length + (path[length] == ':');
  }
  folders[count] = PLUGINDIR;
  return add_builtin (plugins_new (folders));
}
