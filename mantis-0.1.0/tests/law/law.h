/* law.h - what the storage laws need of the engine under test: a new database, and an application
 * that writes to it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_LAW_H
#define MANTIS_LAW_H

#include <mantis/storage.h>

struct engine {
  const char *name;
  const struct mantis_plugin *plugin;
  /* A new, empty database; the plugin's own struct with its options set. */
  void *(*make) (void);
  void (*discard) (void *self); /* after stop() */
  /* Run SQL as the application does, in a connection of its own; false when the engine refuses it.
   */
  bool (*write) (const char *sql);
  /* The first column of the first row that SQL gives, as text; NULL for none.  Freed by the caller.
   */
  char *(*ask) (const char *sql);
};

extern const struct engine engine_sqlite, engine_mysql;

#endif
