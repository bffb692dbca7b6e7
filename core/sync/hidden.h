/* hidden.h - columns that the server hides from this client, and that its tables have all the same.
 *
 * They stay as they are here: the storage leaves them out of what it describes, reads and writes.  Which ones they are
 * is written down, as it has to be known before the server is met again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_HIDDEN_H
#define MANTIS_HIDDEN_H

#include "sync/store.h"

#include <jansson.h>

/* Before a client's storage attaches, in the same transaction. */
enum mantis_status hidden_before_attach (struct store *store, struct mantis_error *error);
/* What the server says of all TABLES in answer to hello.  What is new to us is written down, and the tables are attached
 * anew with the next transaction. */
enum mantis_status hidden_note (struct store *store, const json_t *tables,
                                struct mantis_error *error);
bool is_hidden (const struct store *store, const char *table, const char *column);
void hidden_free (struct store *store);

#endif
