/* defaults.c - what holds where a configuration says nothing: SQLite, this machine alone, and a
 * folder for the data that fits the user.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "config/internal.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const default_address = "127.0.0.1:8080";
static const char *const default_url = "http://127.0.0.1:8080";

/* Environment that names a folder: relative values are no help to anybody and are passed over. */
static const char *
folder_of (const char *variable)
{
  const char *value = getenv (variable);

  return value && value[0] == '/' ? value : NULL;
}

static const char *
home_folder (struct mantis_arena *arena)
{
  const char *home = folder_of ("HOME");
  struct passwd entry, *found = NULL;
  char room[4096];

  if (home)
    return home;
  if (getpwuid_r (geteuid (), &entry, room, sizeof room, &found) != 0 || !found ||
      found->pw_dir[0] != '/')
    return NULL;
  return mantis_arena_strdup (arena, found->pw_dir);
}

char *
state_folder (struct mantis_arena *arena)
{
  const char *folder = folder_of ("STATE_DIRECTORY");

  if (folder) /* systemd gives several, with colons between them */
    return mantis_arena_copy (arena, folder, strcspn (folder, ":"));
  if (geteuid () == 0)
    return mantis_arena_strdup (arena, "/var/lib/mantis");
  if ((folder = folder_of ("XDG_STATE_HOME")))
    return mantis_arena_printf (arena, "%s/mantis", folder);
  folder = home_folder (arena);
  return folder ? mantis_arena_printf (arena, "%s/.local/state/mantis", folder) : NULL;
}

/* NAME in the state folder. */
static enum mantis_status
in_state (struct config *config, const char *name, const char **path, struct mantis_error *error)
{
  if (!config->state_folder && !(config->state_folder = state_folder (config->arena)))
    return mantis_fail (error, MANTIS_INVALID,
                        "%s: no folder for %s: set $STATE_DIRECTORY, or name the files in a "
                        "configuration",
                        config->file, name);
  config->needs_state_folder = true;
  *path = mantis_arena_printf (config->arena, "%s/%s", config->state_folder, name);
  return *path ? MANTIS_OK : config_no_memory (error);
}

static enum mantis_status
set_text (struct config *config, struct plugin_use *use, const char *name, const char *text,
          struct mantis_error *error)
{
  json_t *value = json_string (text);

  if (!value)
    return CONFIG_FAIL (config, error, use->options.place.path,
                        "the default of \"%s\" is not UTF-8: %s", name, text);
  return config_set_option (config, use, name, value, error);
}

/* The database.  Only the default storage is one file that can have a default place. */
static enum mantis_status
fill_storage (struct config *config, struct mantis_error *error)
{
  enum mantis_status status;
  const char *path;

  status = use_read (config, MANTIS_KIND_STORAGE, config->raw.storage, "$.storage", selector_plugin,
                     "sqlite", &config->storage, error);
  if (status != MANTIS_OK)
    return status;
  use_add (config, config->storage);
  if (strcmp (config->storage->name, "sqlite") != 0 ||
      json_object_get (config->storage->options.json, "path"))
    return MANTIS_OK;
  status =
      in_state (config, config->role == MANTIS_SERVER ? "server.db" : "client.db", &path, error);
  if (status != MANTIS_OK)
    return status;
  return set_text (config, config->storage, "path", path, error);
}

/* A list with one use of plugin NAME. */
static enum mantis_status
one_use (struct config *config, enum mantis_kind kind, const char *name, const char *path,
         const char *const *selector, struct plugin_use ***list, size_t *count,
         struct mantis_error *error)
{
  enum mantis_status status;

  if (!(*list = arena_array (config->arena, 1, sizeof **list)))
    return config_no_memory (error);
  status = use_read (config, kind, NULL, path, selector, name, *list, error);
  if (status != MANTIS_OK)
    return status;
  use_add (config, **list);
  *count = 1;
  return MANTIS_OK;
}

/* Its handshake is HTTP's: a listener of "websocket" is one of "rest" that does nothing else. */
static enum mantis_status
fill_websocket (struct config *config, struct plugin_use *use, struct mantis_error *error)
{
  if (strcmp (use->name, "websocket") != 0)
    return MANTIS_OK;
  use->name = "rest";
  return set_text (config, use, "serves", "websocket", error);
}

static enum mantis_status
fill_listen (struct config *config, struct mantis_error *error)
{
  enum mantis_status status;

  if (config->raw.listen) {
    status = uses_read (config, MANTIS_KIND_TRANSPORT, config->raw.listen, "$.listen",
                        selector_transport, "rest", &config->listen, &config->listen_count, error);
    if (status == MANTIS_OK && config->listen_count == 0)
      return CONFIG_FAIL (
          config, error, "$.listen",
          "an empty list: the server would answer nowhere; leave \"listen\" out for %s",
          default_address);
    for (size_t i = 0; i < config->listen_count && status == MANTIS_OK; i++)
      status = fill_websocket (config, config->listen[i], error);
    return status;
  }
  status = one_use (config, MANTIS_KIND_TRANSPORT, "rest", "$.listen[0]", selector_transport,
                    &config->listen, &config->listen_count, error);
  if (status != MANTIS_OK)
    return status;
  return set_text (config, *config->listen, "address", default_address, error);
}

/* A listener that asks for certificates wants to know who is there. */
static enum mantis_status
add_certificates (struct config *config, struct mantis_error *error)
{
  struct plugin_use **list = arena_array (config->arena, 2, sizeof *list);
  bool asked = false;
  enum mantis_status status;

  for (size_t i = 0; i < config->listen_count; i++) {
    const json_t *tls = json_object_get (config->listen[i]->options.json, "tls");
    asked |= json_object_get (tls, "client_ca_file") != NULL;
  }
  if (!asked)
    return MANTIS_OK;
  if (!list)
    return config_no_memory (error);
  status = use_read (config, MANTIS_KIND_AUTH, NULL, "$.auth[0]", selector_plugin, "certificate",
                     list, error);
  if (status != MANTIS_OK)
    return status;
  use_add (config, list[0]);
  list[1] = config->auth[0];
  config->auth = list;
  config->auth_count = 2;
  return MANTIS_OK;
}

static enum mantis_status
fill_auth (struct config *config, struct mantis_error *error)
{
  enum mantis_status status;
  const char *key_file;

  if (config->raw.auth) {
    status = uses_read (config, MANTIS_KIND_AUTH, config->raw.auth, "$.auth", selector_plugin,
                        "jwt", &config->auth, &config->auth_count, error);
    if (status == MANTIS_OK && config->auth_count == 0)
      return CONFIG_FAIL (
          config, error, "$.auth",
          "an empty list: nobody could ever come in; leave \"auth\" out for a key in "
          "the state folder");
    return status;
  }
  if ((status = in_state (config, "jwt.key", &key_file, error)) != MANTIS_OK)
    return status;
  status = one_use (config, MANTIS_KIND_AUTH, "jwt", "$.auth[0]", selector_plugin, &config->auth,
                    &config->auth_count, error);
  if (status != MANTIS_OK ||
      (status = set_text (config, *config->auth, "algorithm", "HS256", error)) != MANTIS_OK)
    return status;
  status = set_text (config, *config->auth, "key_file", key_file, error);
  return status == MANTIS_OK ? add_certificates (config, error) : status;
}

enum mantis_status
config_set_server (struct config *config, const char *url, const char *place,
                   struct mantis_error *error)
{
  size_t length = strlen (url), scheme = strncasecmp (url, "https://", 8) == 0 ? 8 : 7;

  if (strncasecmp (url, "ws://", 5) == 0 || strncasecmp (url, "wss://", 6) == 0)
    return CONFIG_FAIL (config, error, place,
                        "write http%s:// for WebSocket, too; sync.transport says what is used",
                        url[2] == ':' ? "" : "s");
  if (strncasecmp (url, scheme == 8 ? "https://" : "http://", scheme) != 0 ||
      strchr ("/?#", url[scheme]))
    return CONFIG_FAIL (config, error, place,
                        "must be the address of a server, such as \"https://sync.example.com\"");
  if (strpbrk (url, "@?# \t\r\n"))
    return CONFIG_FAIL (config, error, place,
                        "must be a plain address: no user, password, query or fragment (the token "
                        "comes from token_file)");
  while (length && url[length - 1] == '/')
    length--;
  config->server_url = mantis_arena_copy (config->arena, url, length);
  return config->server_url ? MANTIS_OK : config_no_memory (error);
}

/* The transport that the client calls with; "auto": the best that there is, and REST. */
static enum mantis_status
fill_dial (struct config *config, struct mantis_error *error)
{
  const char *name = config->raw.transport;
  bool any = strcmp (name, "auto") == 0;
  enum mantis_status status =
      use_read (config, MANTIS_KIND_TRANSPORT, NULL, "$.sync.transport", selector_transport,
                any ? "rest" : name, &config->dial, error);

  if (status != MANTIS_OK)
    return status;
  use_add (config, config->dial);
  return any ? use_read (config, MANTIS_KIND_TRANSPORT, NULL, "$.sync.transport",
                         selector_transport, "websocket", &config->dial_preferred, error)
             : MANTIS_OK;
}

static enum mantis_status
fill_server (struct config *config, struct mantis_error *error)
{
  enum mantis_status status;

  if ((status = fill_listen (config, error)) != MANTIS_OK ||
      (status = fill_auth (config, error)) != MANTIS_OK)
    return status;
  status =
      use_read (config, MANTIS_KIND_RESOLVER, config->raw.policy, "$.sync.conflict_policy",
                selector_plugin, config->raw.policy ? NULL : "timestamp", &config->policy, error);
  if (status == MANTIS_OK)
    use_add (config, config->policy);
  return status;
}

static enum mantis_status
fill_client (struct config *config, struct mantis_error *error)
{
  enum mantis_status status = fill_dial (config, error);

  if (status == MANTIS_OK && config->raw.policy)
    status = use_read (config, MANTIS_KIND_RESOLVER, config->raw.policy, "$.sync.conflict_policy",
                       selector_plugin, NULL, &config->policy, error);
  if (status != MANTIS_OK)
    return status;
  return config_set_server (config, config->server_url ? config->server_url : default_url,
                            "$.sync.server_url", error);
}

enum mantis_status
config_fill_defaults (struct config *config, struct mantis_error *error)
{
  enum mantis_status status;

  if (config->workers == 0) {
    long cores = sysconf (_SC_NPROCESSORS_ONLN);
    config->workers = cores > 0 ? cores + 1 : 2;
  }
  if (!config->state_folder)
    config->state_folder = state_folder (config->arena);
  if ((status = fill_storage (config, error)) != MANTIS_OK)
    return status;
  status =
      config->role == MANTIS_SERVER ? fill_server (config, error) : fill_client (config, error);
  if (status != MANTIS_OK || config->token_file || !config->state_folder ||
      (config->role == MANTIS_SERVER && config->raw.auth))
    return status;
  config->token_file = mantis_arena_printf (config->arena, "%s/client.token", config->state_folder);
  return config->token_file ? MANTIS_OK : config_no_memory (error);
}

/* As mkdir -p, but the last folder is this user's alone. */
enum mantis_status
config_make_state_folder (const struct config *config, struct mantis_error *error)
{
  CLEANUP_FREE char *path = NULL;

  if (!config->needs_state_folder)
    return MANTIS_OK;
  if (!(path = strdup (config->state_folder)))
    return config_no_memory (error);
  for (char *slash = strchr (path + 1, '/'); slash; slash = strchr (slash + 1, '/')) {
    *slash = '\0';
    if (mkdir (path, 0755) != 0 && errno != EEXIST)
      return mantis_fail (error, MANTIS_FAILED, "cannot make the folder %s: %s", path,
                          strerror (errno));
    *slash = '/';
  }
  if (mkdir (path, 0700) != 0 && errno != EEXIST)
    return mantis_fail (
        error, MANTIS_FAILED,
        "cannot make the folder %s: %s; set $STATE_DIRECTORY, or name the files in a "
        "configuration",
        path, strerror (errno));
  return MANTIS_OK;
}
