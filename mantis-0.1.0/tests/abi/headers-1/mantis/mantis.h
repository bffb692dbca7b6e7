/* mantis/mantis.h - libmantis, for an application that embeds a node instead of running mantisd.
 *
 * One struct mantis is one node: its database, its plugins, its threads.  The application goes on using
 * its own SQLite handle; the node opens another on the same file.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_MANTIS_H
#define MANTIS_MANTIS_H

#include <mantis/host.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mantis;

MANTIS_PUBLIC const char *mantis_version (void); /* "0.1.0" */

/* Make a node from CONFIG, the text of a mantis.json(5); relative paths in it belong to FOLDER.  Opens the
 * plugins and the database, and captures from here on.  MANTIS_INVALID: the configuration is wrong, with
 * its JSON path in ERROR.  The caller owns *NODE: mantis_close(). */
MANTIS_PUBLIC enum mantis_status mantis_open (const char *config, const char *folder,
                                              struct mantis **node, struct mantis_error *error);

/* Work until mantis_stop().  Call it on a thread of its own; it returns when the transaction in hand is
 * done, within seconds. */
MANTIS_PUBLIC enum mantis_status mantis_run (struct mantis *node, struct mantis_error *error);

/* From any thread: let mantis_run() return. */
MANTIS_PUBLIC void mantis_stop (struct mantis *node);

/* From any thread: begin a cycle now instead of at the next change or interval. */
MANTIS_PUBLIC void mantis_sync (struct mantis *node);

/* After mantis_run() has returned, or instead of it. */
MANTIS_PUBLIC void mantis_close (struct mantis *node);

#ifdef __cplusplus
}
#endif
#endif
