/* service.h - what a server does with a request that a transport has handed over.
 *
 * A visit is one request from arrival to answer: who is it, then the message on a worker.  A pull
 * that has nothing to tell yet is parked; when something is committed it goes to a worker again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_SERVICE_H
#define MANTIS_DAEMON_SERVICE_H

#include "config/config.h"
#include "daemon/attend.h"
#include "daemon/notice.h"
#include "daemon/stores.h"
#include "message/message.h"
#include "run/worker.h"

struct service_settings {
  struct instance **auth; /* asked in this order */
  size_t auth_count;
  struct instance **takers; /* transports that take connections over; ends with NULL */
  struct server *server;
  struct stores *stores; /* one session for each worker of the pool */
  struct pool *pool;
  struct pool *slow; /* for slow messages; its sessions come after those of POOL.  NULL: none */
  size_t first_slow; /* the first of them */
  bool keeping;      /* who calls is in the database */
  struct loop *loop;
  size_t lane;    /* workers that woken visits may keep busy at once */
  int64_t prompt; /* milliseconds until a prompt message is answered without the database */
};

enum mantis_status service_new (const struct service_settings *settings, struct event_base *base,
                                struct mantis_service **service, struct mantis_error *error);
/* No visit is left: wait for the resolvers that still think.  What they did last lies in the loop's inbox.  NULL is fine. */
void service_stop (struct mantis_service *service);
void service_free (struct mantis_service *service); /* when no visit is left; NULL is fine */

/* As mantis_service_submit(), for somebody who needs no credentials: mantisctl on this machine. */
uint64_t service_submit_local (struct mantis_service *service, const struct mantis_request *request,
                               mantis_answered answered, void *context);

/* The database has come to POSITION: parked visits look again.  RENEWED: it is another database. */
void service_news (struct mantis_service *service, const struct position *position, bool renewed);

/* The database is away: parked visits look for themselves, and are told so if it still is. */
void service_lost (struct mantis_service *service);

/* Answer everything that waits as it is now, take nothing new, and call EMPTY when no visit is left
 * (perhaps at once). */
void service_drain (struct mantis_service *service, void (*empty) (void *context), void *context);

/* Who may come in has changed, or keys have: whoever is connected or waits is looked at once more. */
void service_recheck (struct mantis_service *service);

/* Sessions get other filters from here on: whoever waits is answered as these have it. */
void service_refilter (struct mantis_service *service);

/* admit.c: who calls?  MANTIS_DENIED: nobody we know; MANTIS_REFUSED: somebody who is turned away.  The text
 * is for the caller.  STORE may be NULL where no authentication keeps tables. */
enum mantis_status admit (const struct service_settings *settings,
                          const struct mantis_request *request, struct store *store,
                          struct mantis_arena *arena, struct mantis_principal *principal,
                          struct mantis_error *error);
/* The same for PRINCIPAL, who was accepted before. */
enum mantis_status admit_again (const struct service_settings *settings,
                                const struct mantis_request *request,
                                const struct mantis_principal *principal,
                                struct mantis_error *error);

#endif
