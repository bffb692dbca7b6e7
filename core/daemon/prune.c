/* prune.c - a server's log is pruned now and then.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/prune.h"

#include "base/base.h"
#include "sync/prune.h"

#include <event2/event.h>
#include <stdlib.h>

enum { NEXT_MS = 100 /* until the next part: who waited for the database comes first */ };

struct pruning {
  struct pool *pool;
  struct stores *stores;
  int64_t retention;
  struct event *timer;
  struct task task;
  int64_t conflicts; /* up to which conflicts were looked at */
  bool more;         /* of the task, then of the loop */
};

static struct pruning *
pruning_of (struct task *task)
{
  return (struct pruning *)((char *)task - offsetof (struct pruning, task));
}

static void
work (struct task *task, size_t worker)
{
  struct pruning *pruning = pruning_of (task);
  struct mantis_error error = {0};
  struct store *store;
  bool more = false;
  enum mantis_status status = stores_get (pruning->stores, worker, &store, NULL, &error);

  pruning->more = false;
  if (status == MANTIS_OK)
    status = prune_step (store, pruning->retention, &pruning->more, &error);
  if (status == MANTIS_OK)
    status = prune_conflicts (store, pruning->retention, &pruning->conflicts, &more, &error);
  pruning->more |= more;
  if (status !=
      MANTIS_OK) /* tried again; what stands in the way is told where somebody waits for it */
    mantis_log (MANTIS_DEBUG, "the log was not pruned: %s", error.text);
}

static void
on_done (struct call *call)
{
  struct pruning *pruning = pruning_of ((struct task *)call);

  loop_timer (pruning->timer, pruning->more ? NEXT_MS : prune_interval (pruning->retention));
}

static void
on_timer (evutil_socket_t fd, short what, void *context)
{
  struct pruning *pruning = context;

  (void)fd, (void)what;
  if (!pool_submit (pruning->pool, &pruning->task))
    loop_timer (pruning->timer, NEXT_MS);
}

enum mantis_status
pruning_new (struct pruning **pruning, struct loop *loop, struct pool *pool, struct stores *stores,
             int64_t retention, struct mantis_error *error)
{
  struct pruning *made = calloc (1, sizeof *made);

  if (!made || !(made->timer = evtimer_new (loop_base (loop), on_timer, made))) {
    free (made);
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  }
  made->pool = pool;
  made->stores = stores;
  made->retention = retention;
  made->task = (struct task){.done.run = on_done, .work = work, .writes = true};
  loop_timer (made->timer, NEXT_MS);
  *pruning = made;
  return MANTIS_OK;
}

void
pruning_free (struct pruning *pruning)
{
  if (!pruning)
    return;
  event_free (pruning->timer);
  free (pruning);
}
