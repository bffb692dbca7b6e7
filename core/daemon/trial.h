/* trial.h - what mantis-plugin-test calls in libmantis; no promise to anybody else.
 *
 * A plugin is opened, checked, given its options and started as mantisd does it, by the same code.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_TRIAL_H
#define MANTIS_DAEMON_TRIAL_H

#include <mantis/keep.h>

struct mantis_trial;

/* WHAT: a path, or the bare name of a plugin in one of the folders that mantisd searches, PLUGIN_DIR (NULL: none) first. */
MANTIS_PUBLIC enum mantis_status mantis_trial_open (const char *what, const char *plugin_dir,
                                                    struct mantis_trial **trial,
                                                    struct mantis_error *error);
MANTIS_PUBLIC void mantis_trial_free (struct mantis_trial *trial); /* NULL is fine */

/* Full size, its operations too. */
MANTIS_PUBLIC const struct mantis_plugin *mantis_trial_about (const struct mantis_trial *trial);
MANTIS_PUBLIC const char *mantis_trial_kind (const struct mantis_trial *trial); /* "resolver" */

/* Options from now on: the JSON object in FILE; then one by one.  TEXT is JSON, or a text where the option is one. */
MANTIS_PUBLIC enum mantis_status mantis_trial_read (struct mantis_trial *trial, const char *file,
                                                    struct mantis_error *error);
MANTIS_PUBLIC enum mantis_status mantis_trial_set (struct mantis_trial *trial, const char *name,
                                                   const char *text, struct mantis_error *error);

/* One use of the plugin.  SELF is for its calls. */
struct mantis_use;
MANTIS_PUBLIC enum mantis_status mantis_trial_start (const struct mantis_trial *trial,
                                                     struct mantis_use **use, void **self,
                                                     struct mantis_error *error);
MANTIS_PUBLIC void mantis_trial_stop (struct mantis_use *use);

/* For an authentication: its tables, in the new database PATH of the storage plugin STORAGE. */
MANTIS_PUBLIC enum mantis_status mantis_trial_keep (const struct mantis_trial *trial,
                                                    const char *storage, const char *path,
                                                    struct mantis_keep **keep,
                                                    struct mantis_error *error);
/* What a call left open is rolled back, as between two calls of the core. */
MANTIS_PUBLIC void mantis_trial_called (struct mantis_keep *keep);

#endif
