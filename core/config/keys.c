/* keys.c - every key of mantis.json, once: docs/man/mantis.json.pod is compared with this table.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "config/keys.h"

#define KEY(key, type_name, field, text, ...)                                                      \
  {                                                                                                \
    .name = key, .type = MANTIS_OPTION_##type_name, .offset = offsetof (OWNER, field),             \
    .default_value = text, __VA_ARGS__                                                             \
  }
#define TREE(key, field, ...)                                                                      \
  {                                                                                                \
    .name = key, .type = OPTION_JSON, .offset = offsetof (OWNER, field), __VA_ARGS__               \
  }
#define RANGE(low, high) .minimum = low, .maximum = high
#define END                                                                                        \
  {                                                                                                \
    .name = NULL                                                                                   \
  }

#define OWNER struct config
const struct mantis_option config_keys[] = {
    KEY ("mode", CHOICE, raw.mode, NULL, .choices = "server|client", .help = "what this node is"),
    TREE ("plugins", raw.plugins, .help = "the plugins to open, and no others"),
    TREE ("storage", raw.storage, .help = "the database"),
    TREE ("listen", raw.listen, .help = "where the server answers"),
    TREE ("auth", raw.auth, .help = "who may call the server"),
    TREE ("tables", raw.tables, .help = "the tables to sync"),
    TREE ("filters", raw.filters, .help = "filters of every table"),
    TREE ("hooks", raw.hooks, .help = "programs and plugins that look on"),
    TREE ("nodes", raw.nodes, .help = "what holds for single nodes"),
    KEY ("sync.enabled", BOOL, enabled, "true",
         .help = "exchange changes; false: only capture them"),
    KEY ("sync.server_url", TEXT, server_url, NULL, .help = "the server"),
    KEY ("sync.transport", TEXT, raw.transport, "auto", .help = "how to talk with the server"),
    KEY ("sync.token_file", FILE, token_file, NULL, .help = "the file that holds the token"),
    KEY ("sync.ca_file", FILE, ca_file, NULL, .help = "the authorities that the server may be of"),
    KEY ("sync.pin_sha256", LIST, pins, NULL, .help = "the public keys that the server may have"),
    KEY ("sync.client_certificate_file", FILE, certificate_file, NULL,
         .help = "the certificate to show to the server"),
    KEY ("sync.client_key_file", FILE, key_file, NULL, .help = "its private key"),
    KEY ("sync.proxy", TEXT, proxy, NULL, .help = "the proxy on the way to the server"),
    KEY ("sync.interval_seconds", DURATION, interval, "60", RANGE (1, 366 * INT64_C (86400000)),
         .help = "at least one exchange in this time"),
    TREE ("sync.conflict_policy", raw.policy, .help = "the resolver"),
    KEY ("sync.batch_rows", INTEGER, batch_rows, "5000", RANGE (1, 1000000),
         .help = "most rows of one message"),
    KEY ("sync.batch_bytes", SIZE, batch_bytes, "2M", RANGE (1024, 1024 * 1024 * 1024),
         .help = "most bytes of one message"),
    KEY ("sync.whole_rows", INTEGER, whole_rows, "8000", RANGE (1, 10000000),
         .help = "a backlog of up to so many rows is applied as one transaction"),
    KEY ("sync.whole_bytes", SIZE, whole_bytes, "8M", RANGE (1024, 1024 * 1024 * 1024),
         .help = "a backlog of up to so many bytes is applied as one transaction"),
    KEY ("sync.warn_entries", INTEGER, warn_entries, "100000", RANGE (1, INT64_MAX / 4),
         .help = "warn when so many entries of the log wait to be sent"),
    KEY ("allow_wishes", BOOL, allow_wishes, "false",
         .help = "the conflict_policy of clients counts"),
    KEY ("administrators", LIST, administrators, "role:admin",
         .help = "who may decide conflicts over the network"),
    KEY ("create_tables", BOOL, create_tables, "false", .help = "make tables that clients offer"),
    KEY ("retention", DURATION, retention, "30d", RANGE (1000, INT64_MAX),
         .help = "how long deletions are remembered"),
    KEY ("workers", INTEGER, workers, NULL, RANGE (1, 1024), .help = "threads for the database"),
    KEY ("log_level", CHOICE, raw.log_level, "info", .choices = "error|warning|info|debug",
         .help = "the least important lines to log"),
    KEY ("control_socket", FILE, control_socket, NULL, .help = "where mantisctl finds mantisd"),
    END,
};
#undef OWNER

#define OWNER struct raw_plugin
const struct mantis_option config_plugin_keys[] = {
    KEY ("path", TEXT, path, NULL, .help = "a bare name, or a path"),
    KEY ("name", TEXT, name, NULL, .help = "what the configuration calls it"),
    TREE ("options", options, .help = "options for every use"),
    END,
};
#undef OWNER

#define OWNER struct raw_table
const struct mantis_option config_table_keys[] = {
    TREE ("conflict_policy", policy, .help = "the resolver of this table"),
    TREE ("filters", filters, .help = "filters of this table"),
    END,
};
#undef OWNER

#define OWNER struct config_hook
const struct mantis_option config_hook_keys[] = {
    KEY ("plugin", TEXT, plugin, NULL, .help = "whose options the other keys are"),
    KEY ("on", LIST, on, NULL, .help = "the moments at which it is called"),
    KEY ("tables", LIST, tables, NULL, .help = "the tables whose rows it sees"),
    KEY ("on_failure", CHOICE, on_failure, "refuse", .choices = "refuse|ignore",
         .help = "what if it fails"),
    END,
};
#undef OWNER

#define OWNER struct config_node
const struct mantis_option config_node_keys[] = {
    KEY ("enabled", BOOL, enabled, "true", .help = "may sync"),
    END,
};
#undef OWNER

/* The one key of an open object that is Mantis's own. */
static const struct mantis_option plugin_key[] = {
    {.name = "plugin", .type = MANTIS_OPTION_TEXT, .help = "whose options these are"}, END};
static const struct mantis_option transport_key[] = {
    {.name = "transport", .type = MANTIS_OPTION_TEXT, .help = "whose options these are"}, END};

const struct config_section config_sections[] = {
    {"", config_keys, false},
    {"plugins[].", config_plugin_keys, false},
    {"storage.", plugin_key, true},
    {"listen[].", transport_key, true},
    {"auth[].", plugin_key, true},
    {"sync.conflict_policy.", plugin_key, true},
    {"tables.*.", config_table_keys, false},
    {"tables.*.conflict_policy.", plugin_key, true},
    {"tables.*.filters[].", plugin_key, true},
    {"filters[].", plugin_key, true},
    {"hooks[].", config_hook_keys, true},
    {"nodes.*.", config_node_keys, false},
    {NULL, NULL, false},
};

const char *const selector_plugin[] = {"plugin", NULL};
const char *const selector_transport[] = {"transport", NULL};
