/* tend.h - authentications that keep tables look after them now and then, on a worker.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_TEND_H
#define MANTIS_DAEMON_TEND_H

#include "daemon/stores.h"
#include "run/worker.h"

struct instance;
struct tending;

/* For all of AUTH (ends with NULL); STORES: a session for each worker of POOL.  On the loop's thread. */
enum mantis_status tending_new (struct tending **tending, struct loop *loop, struct pool *pool,
                                struct stores *stores, struct instance **auth,
                                struct mantis_error *error);
void tending_free (struct tending *tending); /* when the pool has ended; NULL is fine */

#endif
