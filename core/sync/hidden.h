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
/* COLUMNS of TABLE that are hidden no more, while it was not compared with the server since; NULL: none.  The caller's to
 * json_decref(). */
enum mantis_status shown_read (struct store *store, const char *table, json_t **columns,
                               struct mantis_error *error);
/* *OURS, a row of ours, gets what the server has in COLUMNS, in the file as well.  What the application wrote there is kept as a
 * conflict where the row is EDITED: waits to be sent.  BASE: our cursor. */
enum mantis_status shown_take_over (struct store *store, const json_t *columns,
                                    const struct mantis_change *theirs, bool edited, int64_t base,
                                    struct mantis_arena *arena, mantis_row *ours,
                                    struct mantis_error *error);
/* TABLE was compared. */
enum mantis_status shown_forget (struct store *store, const char *table,
                                 struct mantis_error *error);
bool is_hidden (const struct store *store, const char *table, const char *column);
void hidden_free (struct store *store);

#endif
