/* notice.h - a thread that looks whether somebody has written to the database.
 *
 * Applications and administrators write past Mantis.  The storage's descriptor tells that something
 * may have happened, a session of our own what it was; only what gives somebody work is passed on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_NOTICE_H
#define MANTIS_DAEMON_NOTICE_H

#include "daemon/stores.h"
#include "message/access.h"
#include "run/loop.h"

/* How far a database is; a part only grows while the database stays the same. */
struct position {
  int64_t head;       /* newest entry of its log */
  int64_t generation; /* server */
  int64_t access; /* server: counts changes of who may come in; 0: there was none, or nobody looked */
};

/* May we tell somebody about B who knows of A? */
static inline bool
position_is_news (const struct position *a, const struct position *b)
{
  return b->head > a->head || b->generation > a->generation;
}

/* Read it, outside of transactions. */
enum mantis_status position_read (struct store *store, struct position *position,
                                  struct mantis_error *error);

struct notice;

/* What happened; a later one stands for those before it, too. */
enum noticed {
  NOTICED_COMMIT,
  NOTICED_LOSS,  /* the database is away; the stores have been told to renew themselves */
  NOTICED_RETURN /* it is back, or another one */
};

/* On the loop's thread.  POSITION: the last that is known. */
typedef void (*noticed_fn) (void *context, const struct position *position, enum noticed what);

/* Uses the session numbered NUMBER of STORES.  A server's ACCESS is kept as the database has it. */
enum mantis_status notice_new (struct notice **notice, struct loop *loop, struct stores *stores,
                               size_t number, struct access *access, noticed_fn noticed,
                               void *context, struct mantis_error *error);
void notice_free (struct notice *notice); /* NULL is fine */

#endif
