/* filters.h - who may read and write which rows: the filters that a configuration names, brought to life for one session
 * with the database.
 *
 * Each session has instances of its own, so that no two threads ask one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_FILTERS_H
#define MANTIS_DAEMON_FILTERS_H

#include "config/config.h"
#include "sync/filter.h"

struct filtering;

size_t filters_configured (const struct config *config);
/* Another number for other filters. */
uint64_t filters_fingerprint (const struct config *config);

/* Those of CONFIG, which is not needed afterwards.  LIST: the "plugins" that are open (NULL: none are listed), as their
 * options are the filters', too. */
enum mantis_status filtering_new (const struct plugins *plugins, const struct config *config,
                                  const json_t *list, struct filtering **filtering,
                                  struct mantis_error *error);
/* When no session has them.  NULL is fine. */
void filtering_free (struct filtering *filtering);

/* Warn of tables that the configuration names and that are not in SCHEMA: what was mistyped filters nothing. */
void filtering_tell_absent (const struct filtering *filtering, const struct mantis_schema *schema);

/* For a store; NULL: nobody is kept from anything. */
struct filters *filtering_filters (const struct filtering *filtering);

#endif
