/* access.h - who is turned away, by the id of a node or by a subject; and who decides for others.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_ACCESS_H
#define MANTIS_ACCESS_H

#include "config/config.h"
#include "sync/store.h"

#include <mantis/auth.h>
#include <pthread.h>
#include <stdatomic.h>

enum { ACCESS_NAME = 255 /* bytes of a name, as of a subject */ };

/* All zeros: nobody is.  Any thread may ask and change it. */
struct access {
  pthread_mutex_t lock;
  struct access_names {
    const char **list; /* in order */
    size_t count;
  } configured, ordered; /* by this server's configuration; in the database, for all servers */
  struct access_names administrators; /* see access_administers() */
  atomic_llong count;                 /* the fact "access" of the database as it was read last */
};

enum access_verdict { ACCESS_OPEN, ACCESS_CONFIGURED, ACCESS_ORDERED };

/* NODE or SUBJECT may be NULL. */
enum access_verdict access_of (struct access *access, const char *node, const char *subject);
const char *access_reason (enum access_verdict verdict); /* for the one who is turned away */

/* Take over "nodes" and "administrators" of CONFIG: both, or neither. */
enum mantis_status access_configure (struct access *access, const struct config *config,
                                     struct mantis_error *error);
/* Outside of transactions: read the database's names where its COUNT has changed, or it is read ANEW. */
enum mantis_status access_read (struct access *access, struct store *store, bool anew,
                                int64_t *count, struct mantis_error *error);
/* Every name that is turned away; EACH must not ask for more. */
void access_each (struct access *access,
                  void (*each) (void *context, const char *name, enum access_verdict verdict),
                  void *context);
void access_free (struct access *access);

/* In a write transaction: turn NAME away from here on, or no more. */
enum mantis_status access_order (struct store *store, const char *name, bool disabled,
                                 struct mantis_error *error);
/* In a write transaction: let all servers ask everybody who is connected for credentials once more. */
enum mantis_status access_touch (struct store *store, struct mantis_error *error);

/* Is NAME the id or the subject of NODE, a row of __sync_nodes? */
bool access_names_node (const char *name, mantis_row node);

/* May PRINCIPAL decide for others?  "administrators" are subjects, and roles as "role:NAME": those that its claims
 * "roles" (an array) or "role" name. */
bool access_administers (struct access *access, const struct mantis_principal *principal);

#endif
