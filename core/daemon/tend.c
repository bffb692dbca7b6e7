/* tend.c - authentications that keep tables look after them now and then, on a worker.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/tend.h"

#include "base/base.h"
#include "daemon/accounts.h"

#include <event2/event.h>
#include <stdlib.h>

enum { SOONEST_MS = 100, AGAIN_MS = 1000 /* after a failure */, LATEST_MS = 3600 * 1000 };

struct tending {
  struct pool *pool;
  struct stores *stores;
  struct instance **auth;
  struct event *timer;
  struct task task;
  int64_t after; /* of the task, then of the loop */
};

static struct tending *
tending_of (struct task *task)
{
  return (struct tending *)((char *)task - offsetof (struct tending, task));
}

static enum mantis_status
tend (struct instance *auth, struct store *store, int64_t *after, struct mantis_error *error)
{
  const struct mantis_auth *ops = auth->ops;
  struct mantis_keep keep = accounts_keep (auth, store);
  int64_t wanted = LATEST_MS;
  enum mantis_status status;

  instance_lock (auth);
  status = ops->tend (auth->self, &keep, &wanted, error);
  instance_unlock (auth);
  store_rollback (store);
  if (wanted < *after)
    *after = wanted < SOONEST_MS ? SOONEST_MS : wanted;
  return status;
}

static void
work (struct task *task, size_t worker)
{
  struct tending *tending = tending_of (task);
  struct mantis_error error = {0};
  struct store *store;
  enum mantis_status status = stores_get (tending->stores, worker, &store, NULL, &error);

  tending->after = LATEST_MS;
  for (struct instance **auth = tending->auth; *auth && status == MANTIS_OK; auth++)
    if (((const struct mantis_auth *)(*auth)->ops)->tend)
      status = tend (*auth, store, &tending->after, &error);
  if (status == MANTIS_OK)
    return;
  tending->after = AGAIN_MS; /* what stands in the way is told where somebody waits for it */
  mantis_log (MANTIS_DEBUG, "sessions were not looked after: %s", error.text);
}

static void
on_done (struct call *call)
{
  struct tending *tending = tending_of ((struct task *)call);

  loop_timer (tending->timer, tending->after);
}

static void
on_timer (evutil_socket_t fd, short what, void *context)
{
  struct tending *tending = context;

  (void)fd, (void)what;
  if (!pool_submit (tending->pool, &tending->task))
    loop_timer (tending->timer, AGAIN_MS);
}

enum mantis_status
tending_new (struct tending **tending, struct loop *loop, struct pool *pool, struct stores *stores,
             struct instance **auth, struct mantis_error *error)
{
  struct tending *made = calloc (1, sizeof *made);

  if (!made || !(made->timer = evtimer_new (loop_base (loop), on_timer, made))) {
    free (made);
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  }
  made->pool = pool;
  made->stores = stores;
  made->auth = auth;
  made->task = (struct task){.done.run = on_done, .work = work, .writes = true};
  for (; *auth; auth++)
    if (((const struct mantis_auth *)(*auth)->ops)->tend) {
      loop_timer (made->timer, SOONEST_MS);
      break;
    }
  *tending = made;
  return MANTIS_OK;
}

void
tending_free (struct tending *tending)
{
  if (!tending)
    return;
  event_free (tending->timer);
  free (tending);
}
