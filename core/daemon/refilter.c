/* refilter.c - who may read and write which rows: from the configuration as it was read last.
 *
 * After SIGHUP, on the loop: instances are made of what the file says now, for each session its own.  On a worker: would
 * they fit the tables?  If anything is wrong with any of them, all of before go on.  Else each session is handed its own,
 * and is opened again with them, by the thread that it belongs to, between two requests: no request meets two sets, and
 * what a session had is freed by the only thread that knew it.  When each worker has done so, nobody is answered by the
 * filters of before any more; then it is told.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

enum { LATER_MS = 500 /* until a database that cannot be asked is asked again */ };

enum refilter_stage {
  REFILTER_IDLE,
  REFILTER_TRIES,   /* a worker looks whether they fit, or will */
  REFILTER_HANDS_ON /* the sessions get theirs */
};

/* Sessions from FIRST on, a worker's each. */
struct going {
  struct round round;
  struct refiltering *refiltering;
  size_t first;
};

struct refiltering {
  struct mantis *node;
  uint64_t fingerprint; /* of those in force */
  enum refilter_stage stage;
  bool again;   /* SIGHUP has come meanwhile */
  bool stopped; /* nothing comes of it any more */
  struct event *timer;

  /* Those that are tried: */
  struct filtering **made; /* for each session */
  uint64_t coming;         /* their fingerprint */
  struct task task;
  bool working; /* a worker has it, or will */
  bool asked;   /* the database could be asked */
  enum mantis_status status;
  struct mantis_error error;
  char told[sizeof ((struct mantis_error *)NULL)->text]; /* why it could not, last */

  struct going going[2]; /* of the workers, and of those who let in */
  size_t rounds;         /* that are not done */
};

/* ---- Instances ------------------------------------------------------------------------------- */

static void
discard (struct filtering **made, size_t count)
{
  for (size_t i = 0; made && i < count; i++)
    filtering_free (made[i]);
  free (made);
}

static enum mantis_status
check_storage (const struct mantis *node, const struct config *config, struct mantis_error *error)
{
  const struct mantis_storage *ops = node->storage->ops;

  if (!filters_configured (config) || (ops->remember && ops->log_recall))
    return MANTIS_OK;
  return mantis_fail (error, MANTIS_INVALID,
                      "%s: filters cannot be used with the storage \"%s\" in this version",
                      config->file, node->storage->name);
}

/* Those of CONFIG for each session. */
static enum mantis_status
make_all (struct mantis *node, const struct config *config, struct filtering ***list,
          struct mantis_error *error)
{
  size_t count = node->stores.count;
  struct filtering **made;
  enum mantis_status status = check_storage (node, config, error);

  if (status != MANTIS_OK)
    return status;
  if (!(made = calloc (count, sizeof *made)))
    return mantis_fail (error, MANTIS_FAILED, "no memory left for the filters");
  for (size_t i = 0; i < count && status == MANTIS_OK; i++)
    status = filtering_new (node->plugins, config, node->config->raw.plugins, &made[i], error);
  if (status == MANTIS_OK)
    *list = made;
  else
    discard (made, count);
  return status;
}

static void
hand_over (struct mantis *node, struct filtering **made)
{
  for (size_t i = 0; i < node->stores.count; i++)
    stores_refilter (&node->stores, i, made[i]);
  free (made);
}

enum mantis_status
refilter_first (struct mantis *node, struct mantis_error *error)
{
  struct filtering **made;
  enum mantis_status status = make_all (node, node->config, &made, error);

  if (status == MANTIS_OK)
    hand_over (node, made);
  return status;
}

/* Plugins that nothing used so far. */
static enum mantis_status
open_plugins (struct mantis *node, const struct config *config, struct mantis_error *error)
{
  for (const struct plugin_use *use = config->uses; use && !config->listed; use = use->next)
    if (use->kind == MANTIS_KIND_FILTER &&
        !plugins_find (node->plugins, MANTIS_KIND_FILTER, use->name) &&
        plugins_open (node->plugins, use->name, NULL, NULL, NULL, error) != MANTIS_OK)
      return mantis_fail_in (error, "%s: %s", config->file, use->options.place.path);
  return MANTIS_OK;
}

/* ---- After SIGHUP ---------------------------------------------------------------------------- */

static void begin (struct refiltering *refiltering);

static void
end (struct refiltering *refiltering)
{
  refiltering->stage = REFILTER_IDLE;
  if (refiltering->again)
    begin (refiltering);
  else
    mantis_log (MANTIS_INFO, "%s: read again", refiltering->node->live->file);
}

static void
refuse (struct refiltering *refiltering, const struct mantis_error *error)
{
  reload_leaves (refiltering->node, MANTIS_ERROR, "the filters of before go on: %s", error->text);
  end (refiltering);
}

static struct refiltering *
refiltering_of (struct task *task)
{
  return (struct refiltering *)((char *)task - offsetof (struct refiltering, task));
}

static void
try_work (struct task *task, size_t worker)
{
  struct refiltering *refiltering = refiltering_of (task);
  struct filters *filters = filtering_filters (refiltering->made[worker]);
  struct mantis_error *error = &refiltering->error;
  struct store *store;
  enum mantis_status status = stores_get (&refiltering->node->stores, worker, &store, NULL, error);

  if (status == MANTIS_OK)
    status = store_begin (store, MANTIS_READ, error); /* the tables as they are now */
  refiltering->asked = status == MANTIS_OK;
  if (status == MANTIS_OK && filters)
    status = filters_try (filters, store, error);
  if (status == MANTIS_OK)
    filtering_tell_absent (refiltering->made[worker], store->schema);
  if (refiltering->asked)
    store_rollback (store);
  refiltering->status = status;
}

static void
try_now (struct refiltering *refiltering)
{
  refiltering->working = pool_submit (refiltering->node->pool, &refiltering->task);
  if (!refiltering->working)
    loop_timer (refiltering->timer, LATER_MS);
}

static void
on_timer (evutil_socket_t fd, short what, void *context)
{
  (void)fd, (void)what;
  try_now (context);
}

/* A database that stays away is one line in the log. */
static void
try_later (struct refiltering *refiltering)
{
  const char *why = refiltering->error.text;

  if (strcmp (refiltering->told, why) != 0)
    mantis_log (MANTIS_WARNING, "the filters of before go on until the database can be asked: %s",
                why);
  memcpy (refiltering->told, why, sizeof refiltering->told);
  loop_timer (refiltering->timer, LATER_MS);
}

static void
forget_tried (struct refiltering *refiltering)
{
  discard (refiltering->made, refiltering->node->stores.count);
  refiltering->made = NULL;
}

static void
turn (struct round *round, size_t worker)
{
  const struct going *going = (const struct going *)round;

  stores_turn (&going->refiltering->node->stores, going->first + worker);
}

static void
turned (struct call *call)
{
  struct refiltering *refiltering = ((struct going *)call)->refiltering;

  if (--refiltering->rounds || refiltering->stopped)
    return;
  mantis_log (MANTIS_INFO, "rows and columns are filtered as they are configured now");
  end (refiltering);
}

static void
hand_on (struct refiltering *refiltering)
{
  struct mantis *node = refiltering->node;

  refiltering->stage = REFILTER_HANDS_ON;
  refiltering->fingerprint = refiltering->coming;
  hand_over (node, refiltering->made);
  refiltering->made = NULL;
  service_refilter (node->service);
  refiltering->rounds = node->logins ? 2 : 1;
  pool_go_round (node->pool, &refiltering->going[0].round);
  if (node->logins)
    pool_go_round (node->logins, &refiltering->going[1].round);
}

static void
tried (struct call *call)
{
  struct refiltering *refiltering = refiltering_of ((struct task *)call);

  refiltering->working = false;
  if (refiltering->stopped)
    return;
  if (refiltering->again) {
    forget_tried (refiltering);
    begin (refiltering);
  } else if (!refiltering->asked)
    try_later (refiltering);
  else if (refiltering->status == MANTIS_OK)
    hand_on (refiltering);
  else {
    forget_tried (refiltering);
    refuse (refiltering, &refiltering->error);
  }
}

static void
begin (struct refiltering *refiltering)
{
  struct mantis *node = refiltering->node;
  const struct config *config = node->live;
  struct mantis_error error;
  enum mantis_status status = MANTIS_OK;

  refiltering->again = false;
  refiltering->told[0] = '\0';
  refiltering->coming = filters_fingerprint (config);
  if (refiltering->coming == refiltering->fingerprint) {
    end (refiltering);
    return;
  }
  if (!reload_same_tables (node->config, config))
    status =
        mantis_fail (&error, MANTIS_INVALID,
                     "%s: \"tables\" names other tables, and that needs a restart", config->file);
  if (status == MANTIS_OK)
    status = open_plugins (node, config, &error);
  if (status == MANTIS_OK)
    status = make_all (node, config, &refiltering->made, &error);
  if (status != MANTIS_OK) {
    refuse (refiltering, &error);
    return;
  }
  refiltering->stage = REFILTER_TRIES;
  try_now (refiltering);
}

void
refilter (struct refiltering *refiltering)
{
  bool waits = refiltering->stage == REFILTER_TRIES && !refiltering->working;

  if (refiltering->stage != REFILTER_IDLE && !waits) {
    refiltering->again = true;
    return;
  }
  event_del (refiltering->timer);
  forget_tried (refiltering);
  begin (refiltering);
}

/* ---- Life ------------------------------------------------------------------------------------ */

enum mantis_status
refiltering_new (struct mantis *node, struct mantis_error *error)
{
  struct refiltering *made = calloc (1, sizeof *made);

  if (!made || !(made->timer = evtimer_new (loop_base (node->loop), on_timer, made))) {
    free (made);
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  }
  made->node = node;
  made->fingerprint = filters_fingerprint (node->config);
  made->task = (struct task){.work = try_work, .done.run = tried};
  for (size_t i = 0; i < COUNT_OF (made->going); i++)
    made->going[i] = (struct going){.round = {.work = turn, .done.run = turned},
                                    .refiltering = made,
                                    .first = i ? (size_t)node->config->workers : 0};
  node->refiltering = made;
  return MANTIS_OK;
}

void
refiltering_stop (struct refiltering *refiltering)
{
  if (!refiltering)
    return;
  refiltering->stopped = true;
  event_del (refiltering->timer);
}

void
refiltering_free (struct refiltering *refiltering)
{
  if (!refiltering)
    return;
  forget_tried (refiltering);
  event_free (refiltering->timer);
  free (refiltering);
}
