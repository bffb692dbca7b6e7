/* internal.h - between the files of this folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_CONFIG_INTERNAL_H
#define MANTIS_CONFIG_INTERNAL_H

#include "config/keys.h"

/* MANTIS_INVALID, with the file and PATH before the text. */
#define CONFIG_FAIL(config, error, path, ...) option_fail (error, (config)->file, path, __VA_ARGS__)

enum mantis_status config_no_memory (struct mantis_error *error);

/* Use of a plugin of KIND: JSON is its name, or an object whose SELECTOR key names it (NAME, if it
 * may be left out).  Not among config->uses yet. */
enum mantis_status use_read (struct config *config, enum mantis_kind kind, json_t *json,
                             const char *path, const char *const *selector, const char *name,
                             struct plugin_use **use, struct mantis_error *error);

/* A list of uses, each also put among config->uses. */
enum mantis_status uses_read (struct config *config, enum mantis_kind kind, json_t *json,
                              const char *path, const char *const *selector, const char *name,
                              struct plugin_use ***list, size_t *count, struct mantis_error *error);

/* Put USE at the end of config->uses: its plugin will be opened. */
void use_add (struct config *config, struct plugin_use *use);

/* Lists of the file. */
enum mantis_status plugins_read (struct config *config, struct mantis_error *error);
enum mantis_status tables_read (struct config *config, struct mantis_error *error);
enum mantis_status nodes_read (struct config *config, struct mantis_error *error);
enum mantis_status hooks_read (struct config *config, struct mantis_error *error);

/* Where data lies that no configuration gives a place; NULL: this user has none. */
char *state_folder (struct mantis_arena *arena);

/* Everything that was left out, for the role. */
enum mantis_status config_fill_defaults (struct config *config, struct mantis_error *error);

#endif
