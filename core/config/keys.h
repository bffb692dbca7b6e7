/* keys.h - the table of all keys of mantis.json: parsed, checked, suggested and documented from
 * here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_KEYS_H
#define MANTIS_KEYS_H

#include "config/config.h"

/* The keys of one kind of object.  In an open one, all other keys are the plugin's. */
struct config_section {
  const char *prefix; /* "", "listen[].", "tables.*.": before each key in the manual */
  const struct mantis_option *keys;
  bool open;
};
extern const struct config_section config_sections[]; /* ends with a NULL prefix */

struct raw_plugin {
  const char *path, *name;
  json_t *options;
};

struct raw_table {
  json_t *policy, *filters;
};

extern const struct mantis_option config_keys[];        /* into struct config */
extern const struct mantis_option config_plugin_keys[]; /* into struct raw_plugin */
extern const struct mantis_option config_table_keys[];  /* into struct raw_table */
extern const struct mantis_option config_hook_keys[];   /* into struct config_hook */
extern const struct mantis_option config_node_keys[];   /* into struct config_node */

/* What an open object calls the plugin that it is for; lists that end with NULL. */
extern const char *const selector_plugin[], *const selector_transport[];

#endif
