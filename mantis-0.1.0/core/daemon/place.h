/* place.h - the files that a node keeps beside its database: its lock and its control socket.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_PLACE_H
#define MANTIS_DAEMON_PLACE_H

#include "config/config.h"

struct place {
  const char *database; /* for people */
  char *lock;           /* NULL: there is no folder for it */
  char *control;        /* NULL: the same */
};

/* For the database of STORAGE.  The state folder serves where the database is no file, or its path
 * too long for a socket; it is made if it is needed. */
enum mantis_status place_find (const struct config *config, const struct instance *storage,
                               struct place *place, struct mantis_error *error);
void place_free (struct place *place);

/* One mantisd on a database: *FD holds the lock until it is closed, also by a death of the process.
 * MANTIS_BUSY: somebody has it. */
enum mantis_status place_lock (const struct place *place, int *fd, struct mantis_error *error);

#endif
