/* serve.c - a node as a server: who may come in, who decides about conflicts, where it answers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"
#include "daemon/accounts.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

enum {
  PAGE_ROWS = 8000,
  PAGE_BYTES = 8 * 1024 * 1024,
  MESSAGE_BYTES = 64 * 1024 * 1024,
  LONGEST_WAIT = 25000,
  QUEUE = 1000,      /* requests that may wait for a worker: as many as rest takes connections */
  LOGIN_QUEUE = 200, /* ... to be let in: they are slow */
  DRAIN_MS = 5000,   /* for requests in hand when we stop */
  FLUSH_MS = 100,    /* for the last bytes of their answers */
  PROMPT_MS =
      3000 /* a monitor that asks whether the database is well hears in time that it hangs */
};
static const int64_t local_token_lifetime = INT64_C (365) * 24 * 3600 * 1000;

/* ---- Who may come in --------------------------------------------------------------------------
 */

/* For a client of the same user on this machine: with no configuration the two find each other. */
static enum mantis_status
leave_token (const struct mantis *node, struct mantis_error *error)
{
  CLEANUP_BUF struct mantis_buf token = MANTIS_BUF_INIT;
  const char *file = node->config->token_file;

  if (!file)
    return MANTIS_OK;
  for (size_t i = 0; i < node->config->auth_count; i++) {
    const struct mantis_auth *ops = node->auth[i]->ops;
    enum mantis_status status;
    if (!ops->issue)
      continue;
    status = ops->issue (node->auth[i]->self, "local", local_token_lifetime, &token, error);
    if (status == MANTIS_OK)
      status = token_write (file, token.bytes, error);
    if (status == MANTIS_OK)
      mantis_log (MANTIS_INFO, "a token for clients of this user is in %s", file);
    return status;
  }
  return MANTIS_OK;
}

static enum mantis_status
open_list (struct mantis *node, struct plugin_use *const *uses, size_t count,
           struct instance ***list, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (!(*list = calloc (count + 1, sizeof (struct instance *))))
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  for (size_t i = 0; i < count && status == MANTIS_OK; i++)
    status = instance_new (node->plugins, uses[i], &(*list)[i], error);
  return status;
}

/* Nothing in the configuration uses them: a listener does, once it is asked to. */
static enum mantis_status
open_takers (struct mantis *node, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  size_t count = 0;

  for (const struct plugin *p = plugins_first (node->plugins); p; p = p->next)
    count++;
  if (!(node->takers = calloc (count + 1, sizeof (struct instance *))))
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  count = 0;
  for (const struct plugin *p = plugins_first (node->plugins); p && status == MANTIS_OK;
       p = p->next) {
    struct plugin_use use = {.kind = MANTIS_KIND_TRANSPORT,
                             .name = p->name,
                             .options.place = {node->config->file, "$.plugins", ""}};
    if (p->about.kind == MANTIS_KIND_TRANSPORT &&
        ((const struct mantis_transport *)p->about.ops)->adopt)
      status = instance_new (node->plugins, &use, &node->takers[count++], error);
  }
  return status;
}

void
serve_prepare (struct mantis *node)
{
  node->server = (struct server){.policy = policy_of,
                                 .policy_context = node,
                                 .create_tables = node->config->create_tables,
                                 .limits = {.page_rows = PAGE_ROWS,
                                            .page_bytes = PAGE_BYTES,
                                            .body_bytes = MESSAGE_BYTES,
                                            .wait = LONGEST_WAIT},
                                 .started = mantis_now (),
                                 .retention = node->config->retention};
}

enum mantis_status
serve_read (struct mantis *node, struct store *store, struct mantis_error *error)
{
  int64_t count;
  enum mantis_status status = access_configure (&node->server.access, node->config, error);

  return status == MANTIS_OK ? access_read (&node->server.access, store, true, &count, error)
                             : status;
}

enum mantis_status
serve_open (struct mantis *node, struct mantis_error *error)
{
  const struct config *config = node->config;
  enum mantis_status status = policies_open (node, node->config, error);

  if (status == MANTIS_OK)
    status = open_list (node, config->auth, config->auth_count, &node->auth, error);
  if (status == MANTIS_OK)
    status = open_list (node, config->listen, config->listen_count, &node->listen, error);
  if (status == MANTIS_OK)
    status = open_takers (node, error);
  if (status == MANTIS_OK)
    node->server.accounts = accounts_of (node->auth);
  return status;
}

/* ---- Where it answers -------------------------------------------------------------------------
 */

static enum mantis_status
listen_all (struct mantis *node, struct mantis_error *error)
{
  size_t count = node->config->listen_count;
  enum mantis_status status = MANTIS_OK;

  if (!(node->listeners = calloc (count + 1, sizeof (struct mantis_listener *))))
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    const struct mantis_transport *ops = node->listen[i]->ops;
    if (!ops->listen)
      return mantis_fail (error, MANTIS_INVALID,
                          "%s: $.listen[%zu]: transport \"%s\" cannot listen", node->config->file,
                          i, node->listen[i]->name);
    status = ops->listen (node->listen[i]->self, loop_base (node->loop), node->service,
                          &node->listeners[i], error);
  }
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    const struct mantis_transport *ops = node->listen[i]->ops;
    mantis_log (MANTIS_INFO, "ready: %s: listening on %s", node->place.database,
                ops->address (node->listeners[i]));
  }
  return status;
}

enum mantis_status
serve_start (struct mantis *node, struct mantis_error *error)
{
  size_t workers = (size_t)node->config->workers;
  struct service_settings settings = {.auth = node->auth,
                                      .auth_count = node->config->auth_count,
                                      .takers = node->takers,
                                      .server = &node->server,
                                      .stores = &node->stores,
                                      .loop = node->loop,
                                      .first_slow = workers,
                                      .keeping = accounts_keep_tables (node->auth),
                                      .lane = workers > 1 ? workers - 1 : 1,
                                      .prompt = PROMPT_MS};
  enum mantis_status status = pool_new (&node->pool, node->loop, "worker", workers, QUEUE, error);

  if (status == MANTIS_OK && accounts_let_in (node->auth))
    status = pool_new (&node->logins, node->loop, "login", LOGINS, LOGIN_QUEUE, error);
  settings.pool = node->pool;
  settings.slow = node->logins;
  if (status == MANTIS_OK)
    status = service_new (&settings, loop_base (node->loop), &node->service, error);
  if (status == MANTIS_OK)
    status = pruning_new (&node->pruning, node->loop, node->pool, &node->stores,
                          node->config->retention, error);
  if (status == MANTIS_OK)
    status = tending_new (&node->tending, node->loop, node->pool, &node->stores, node->auth, error);
  if (status == MANTIS_OK)
    status = refiltering_new (node, error);
  if (status == MANTIS_OK)
    status = leave_token (node, error);
  return status == MANTIS_OK ? listen_all (node, error) : status;
}

/* ---- Again, and no more -----------------------------------------------------------------------
 */

static void
reload_listeners (struct mantis *node)
{
  struct mantis_error error;

  for (size_t i = 0; i < node->config->listen_count; i++) {
    const struct mantis_transport *ops = node->listen[i]->ops;
    struct mantis_listener *listener = node->listeners[i];
    if (ops->reload && ops->reload (listener, &error) != MANTIS_OK)
      reload_leaves (node, MANTIS_ERROR, "%s goes on with its old certificate: %s",
                     ops->address (listener), error.text);
  }
}

void
serve_reload (struct mantis *node)
{
  struct mantis_error error;

  reload_listeners (node);
  policies_reload (node);
  for (size_t i = 0; i < node->config->auth_count; i++) {
    struct instance *auth = node->auth[i];
    const struct mantis_auth *ops = auth->ops;
    enum mantis_status status = MANTIS_OK;
    instance_lock (auth);
    if (ops->reload)
      status = ops->reload (auth->self, &error);
    instance_unlock (auth);
    if (status != MANTIS_OK)
      reload_leaves (node, MANTIS_ERROR, "auth \"%s\" goes on with its old keys: %s", auth->name,
                     error.text);
  }
  if (access_configure (&node->server.access, node->live, &error) != MANTIS_OK)
    reload_leaves (node, MANTIS_ERROR, "%s", error.text);
  if (node->service)
    service_recheck (node->service);
}

static void
on_stop_timer (evutil_socket_t fd, short what, void *context)
{
  (void)fd, (void)what;
  loop_stop (context);
}

static void
on_empty (void *context)
{
  loop_stop (context);
}

/* Run the loop until it is stopped, for MILLISECONDS at most. */
static void
run_for (struct mantis *node, int64_t milliseconds)
{
  struct event *timer = evtimer_new (loop_base (node->loop), on_stop_timer, node->loop);

  if (!timer)
    return;
  loop_timer (timer, milliseconds);
  loop_run (node->loop);
  event_free (timer);
}

void
serve_stop (struct mantis *node)
{
  if (!node->service || !node->listeners)
    return;
  for (size_t i = 0; i < node->config->listen_count; i++)
    if (node->listeners[i])
      ((const struct mantis_transport *)node->listen[i]->ops)->drain (node->listeners[i]);
  policies_hurry (node);
  service_drain (node->service, on_empty, node->loop);
  run_for (node, DRAIN_MS);
  run_for (node, FLUSH_MS);
}

static void
close_list (struct instance **list, size_t count)
{
  for (size_t i = 0; list && i < count; i++)
    instance_free (list[i]);
  free (list);
}

void
serve_close (struct mantis *node)
{
  const struct config *config = node->config;

  for (size_t i = 0; node->listeners && i < config->listen_count; i++)
    if (node->listeners[i])
      ((const struct mantis_transport *)node->listen[i]->ops)->close (node->listeners[i]);
  free (node->listeners);
  refiltering_stop (node->refiltering);
  pool_free (node->logins);
  pool_free (node->pool);
  service_stop (node->service);
  if (node->loop)
    loop_flush (node->loop); /* the last visits end here */
  refiltering_free (node->refiltering);
  pruning_free (node->pruning);
  tending_free (node->tending);
  service_free (node->service);
  access_free (&node->server.access);
  questions_free (&node->server.questions);
  close_list (node->listen, config->listen_count);
  for (size_t i = 0; node->takers && node->takers[i]; i++)
    instance_free (node->takers[i]);
  free (node->takers);
  close_list (node->auth, config->auth_count);
  policies_close (node);
}
