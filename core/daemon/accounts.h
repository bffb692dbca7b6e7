/* accounts.h - authentications that keep users: their tables lent, their questions asked.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_ACCOUNTS_H
#define MANTIS_DAEMON_ACCOUNTS_H

#include "config/config.h"
#include "message/message.h"
#include "sync/keep.h"

enum { LOGINS = 2 /* at once: each may take much memory */ };

/* The tables of all authentications of CONFIG, ends with NULL; the caller's to free(). */
enum mantis_status accounts_tables (const struct config *config, const struct plugins *plugins,
                                    const struct mantis_table *const **tables,
                                    struct mantis_error *error);

/* What AUTH may use of STORE. */
struct mantis_keep accounts_keep (const struct instance *auth, struct store *store);

/* Who lets users in, of AUTH (ends with NULL), which has to live as long. */
struct accounts accounts_of (struct instance **auth);

/* Does any of AUTH keep tables, or let users in? */
bool accounts_keep_tables (struct instance *const *auth);
bool accounts_let_in (struct instance *const *auth);

/* What mantisctl wants of users: {"what": "add", "user": "alice", "password": "...", "roles": ["..."]}. */
enum mantis_status accounts_order (struct instance **auth, struct store *store,
                                   const char *argument, struct mantis_buf *answer,
                                   struct mantis_error *error);

#endif
