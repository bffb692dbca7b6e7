/* capture.h - is each table watched, and still shaped as it was?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_CAPTURE_H
#define MANTIS_CAPTURE_H

#include "sync/store.h"

/* In the transaction that attached: write down what follows for the tables whose writes may have gone unseen
 * (a client scans them, a server gives them a new generation), so that no crash forgets it. */
enum mantis_status capture_note (struct store *store, struct mantis_error *error);

/* Is this the first time that TEXT is to be told of TABLE?  Each session attaches for itself, but a person needs to be
 * told once. */
bool capture_first_time (const char *table, const char *text);

/* In a write transaction of a server: every client reconciles TABLE with us (NULL: all tables). */
enum mantis_status capture_new_generation (struct store *store, const char *table,
                                           struct mantis_error *error);

#endif
