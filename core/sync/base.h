/* base.h - rows as they were when client and server last agreed: rows of __sync_base, for tables whose policy merges.
 *
 * A trigger notes keys only, so what a row was before it was edited has to be known beforehand.  The base of a row
 * moves on only when the row becomes, or was made of, that version: when the server's row is stored, and when what was
 * sent has been taken in.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_BASE_ROWS_H
#define MANTIS_BASE_ROWS_H

#include "sync/apply.h"
#include "sync/client_state.h"

/* The base rows of these COUNT keys of TABLE, each NULL where none is known. */
enum mantis_status base_read (struct client *client, const struct mantis_table *table,
                              const mantis_row *keys, size_t count, struct mantis_arena *arena,
                              mantis_row *found, struct mantis_error *error);

/* What a push says ROW was made of; NULL: it is not known. */
mantis_row base_difference (const struct mantis_table *table, mantis_row base, mantis_row row,
                            struct mantis_arena *arena);

/* ---- In a write transaction ------------------------------------------------------------------ */

/* Those of ITEMS that were stored came from the server. */
enum mantis_status base_agree (struct client *client, const struct apply_item *items, size_t count,
                               struct mantis_error *error);
/* The rows of BATCH are under way. */
enum mantis_status base_send (struct client *client, const struct batch *batch,
                              struct mantis_error *error);
/* What was sent of the keys with TAKEN[i] is in the server's row. */
enum mantis_status base_settle (struct client *client, const struct batch *batch, const bool *taken,
                                struct mantis_error *error);

/* The server says whether it wants the base of changes of STATE's table. */
enum mantis_status base_judge (struct client *client, struct table_state *state, bool wanted,
                               struct mantis_error *error);

/* Is there a table whose rows have no base yet, or have one that nobody wants?  base_fill() does a part of it. */
bool base_lacks (const struct client *client);
enum mantis_status base_fill (struct client *client, struct mantis_error *error);

#endif
