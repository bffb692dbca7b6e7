/* config.h - what mantis.json(5) says, with all defaults filled in.
 *
 * A struct config owns everything that it points to.  What belongs to plugins is kept as it stands,
 * with its place, until the plugin is there to check it (core/plugin).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_CONFIG_CONFIG_H
#define MANTIS_CONFIG_CONFIG_H

#include "plugin/plugin.h"

#include <mantis/storage.h>

/* An entry of "plugins". */
struct config_plugin {
  const char *what; /* a bare name, or an absolute path */
  const char *name; /* what the configuration calls it; NULL: its own name */
  struct option_layer options;
};

/* An entry of "tables". */
struct config_table {
  const char *pattern;       /* a name, or with '*' and '?' */
  bool exact;                /* a name */
  struct plugin_use *policy; /* NULL: the default */
  struct plugin_use **filters;
  size_t filter_count;
};

/* An entry of "hooks". */
struct config_hook {
  struct plugin_use *use;
  const char *plugin; /* its name */
  const char *const *on, *const *tables; /* as in the file, end with NULL; NULL: all */
  const char *on_failure;                /* "refuse" or "ignore" */
  uint32_t moments;                      /* of ON, a bit each */
};

/* An entry of "nodes". */
struct config_node {
  const char *id; /* or a subject */
  bool enabled;
};

/* Values as the file gives them; the rest of struct config is made from these. */
struct config_raw {
  const char *mode, *log_level, *transport;
  json_t *plugins, *storage, *listen, *auth, *tables, *filters, *hooks, *nodes, *policy;
};

struct config {
  enum mantis_role role;
  const char *file;         /* "built-in defaults" where there is none */
  const char *folder;       /* of the file; absolute */
  const char *state_folder; /* NULL: this user has none */
  bool needs_state_folder;  /* a file of this node lies there: make it before anything starts */

  /* Plugins.  listed: "plugins" is there, and nothing else is opened. */
  bool listed;
  struct config_plugin *plugins;
  size_t plugin_count;
  struct plugin_use *uses; /* every use of a plugin, along next; use->number counts them */
  size_t use_count;

  struct plugin_use *storage;
  struct plugin_use *dial; /* client: the transport to the server */
  struct plugin_use
      *dial_preferred;        /* client: used instead, while it gets through, if its plugin is
                                        there; not among the uses.  NULL: none */
  struct plugin_use **listen; /* server */
  size_t listen_count;
  struct plugin_use **auth; /* server */
  size_t auth_count;
  struct plugin_use **filters; /* server: of every table */
  size_t filter_count;
  struct config_hook *hooks;
  size_t hook_count;

  /* Server: the resolver of tables that name none.  Client: a wish, NULL for none; its plugin is
   * not opened, and it is not among the uses (nor are the policies of tables). */
  struct plugin_use *policy;

  struct config_table *tables;
  size_t table_count;
  const char *const *patterns; /* of tables, ends with NULL; NULL: all tables */
  struct config_node *nodes;
  size_t node_count;

  /* Sync. */
  bool enabled;
  const char *server_url;  /* no slash at its end */
  const char *token_file;  /* client: the token to send.  Server: where to leave one for a client of
                             the same user; NULL: leave none (its auth is configured), on a client:
                             nowhere to look */
  const char *ca_file;     /* client: whom to trust; NULL: whom the system trusts */
  const char *const *pins; /* client: ends with NULL; NULL: any key of the server will do */
  const char *certificate_file, *key_file; /* client: shown to the server; NULL: none */
  const char *proxy;                       /* client: on the way to the server; NULL: none */
  int64_t interval;                        /* milliseconds */
  int64_t batch_rows, batch_bytes;         /* of one message */
  int64_t whole_rows, whole_bytes;         /* a backlog up to this stays one transaction */
  int64_t warn_entries;                    /* a backlog from this on is warned about */

  bool allow_wishes;                 /* server: clients' conflict_policy counts */
  const char *const *administrators; /* server: subjects and "role:NAME"; ends with NULL */
  bool create_tables;                /* server: make tables that clients offer */
  bool insecure;                     /* --insecure was said */
  int64_t retention;                 /* milliseconds */
  int64_t workers;
  enum mantis_level log_level;
  const char *control_socket; /* NULL: beside the database */

  struct mantis_arena *arena;
  json_t *root; /* the file */
  json_t *made; /* objects of uses that have none in the file */
  struct config_raw raw;
};

/* Read the file at PATH.  ROLE of the command line, 0: the file says it. */
enum mantis_status config_read (const char *path, enum mantis_role role, struct config **config,
                                struct mantis_error *error);

/* The same from TEXT; relative paths in it belong to FOLDER (absolute). */
enum mantis_status config_parse (const char *text, const char *folder, enum mantis_role role,
                                 struct config **config, struct mantis_error *error);

/* What holds where there is no file. */
enum mantis_status config_default (enum mantis_role role, struct config **config,
                                   struct mantis_error *error);

void config_free (struct config *config); /* NULL is fine */

/* Make the state folder (0700) if something of CONFIG lies in it. */
enum mantis_status config_make_state_folder (const struct config *config,
                                             struct mantis_error *error);

/* Set option NAME (no dots) of USE, as the command line wants it.  Takes VALUE, also on failure. */
enum mantis_status config_set_option (struct config *config, struct plugin_use *use,
                                      const char *name, json_t *value, struct mantis_error *error);

/* Point the client at another server. */
enum mantis_status config_set_server (struct config *config, const char *url, const char *place,
                                      struct mantis_error *error);

/* Open what "plugins" lists or, without it, what is used; then check every use, its options
 * included. */
enum mantis_status config_open_plugins (const struct config *config, struct plugins *plugins,
                                        struct mantis_error *error);

/* Is HOOK told of rows of TABLE? */
bool config_hook_sees (const struct config_hook *hook, const char *table);
/* The moments at which HOOK is to be called, when PLUGIN (full size) is what it names. */
uint32_t config_hook_moments (const struct config_hook *hook, const struct mantis_plugin *plugin);
/* Can all hooks be called when the configuration says, by the plugins that are open? */
enum mantis_status hooks_check (const struct config *config, const struct plugins *plugins,
                                struct mantis_error *error);

/* The resolver of TABLE (client: the wish, may be NULL): of the entry with its very name, else of
 * the first pattern that matches and names one, else config->policy. */
const struct plugin_use *config_policy (const struct config *config, const char *table);

/* {"plugin", "file", "path", "options"}: where the configuration names a plugin, for people. */
json_t *config_tell_use (const struct plugin_use *use);

/* Does ENTRY speak of TABLE?  The filters of all entries that match add up, so that naming a table
 * can never take a filter away; config->filters hold for all tables besides. */
bool config_entry_matches (const struct config_table *entry, const char *table);

#endif
