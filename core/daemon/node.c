/* node.c - one node from mantis_open() to mantis_close().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"
#include "daemon/accounts.h"
#include "daemon/options.h"
#include "wire/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Opening ----------------------------------------------------------------------------------
 */

/* A setting that keeps rows from somebody is never passed over. */
static enum mantis_status
check_supported (const struct config *config, struct mantis_error *error)
{
  if (config->role == MANTIS_CLIENT && filters_configured (config))
    return mantis_fail (error, MANTIS_INVALID,
                        "%s: filters are for the server's configuration: a client has the rows that "
                        "it may see",
                        config->file);
  if (config->allow_wishes)
    mantis_log (MANTIS_WARNING,
                "%s: $.allow_wishes: not available in this version: the server's policies hold",
                config->file);
  return MANTIS_OK;
}

static bool
is_server (const struct mantis *node)
{
  return node->config->role == MANTIS_SERVER;
}

/* The database: its instance and its lock. */
static enum mantis_status
take_database (struct mantis *node, struct mantis_error *error)
{
  const struct config *config = node->config;
  enum mantis_status status = instance_new (node->plugins, config->storage, &node->storage, error);

  if (status == MANTIS_OK)
    status = place_find (config, node->storage, &node->place, error);
  if (status == MANTIS_OK)
    status = place_lock (&node->place, &node->lock_fd, error);
  if (status == MANTIS_BUSY) /* another mantisd: not one who is done in a moment */
    status = error->status = MANTIS_FAILED;
  if (status != MANTIS_OK)
    return status;
  node->stores.ops = node->storage->ops;
  node->stores.self = node->storage->self;
  node->stores.role = config->role;
  node->stores.patterns = config->patterns;
  node->stores.hooks = &node->hooks;
  if (!is_server (node)) /* one to work with, and one to look who else writes */
    return stores_init (&node->stores, 1 + 1, error);
  serve_prepare (node);
  status = accounts_tables (config, node->plugins, &node->kept, error);
  node->stores.kept = node->kept;
  if (status == MANTIS_OK) /* one for each worker, then for each login, and one to look */
    status = stores_init (&node->stores, (size_t)config->workers + LOGINS + 1, error);
  return status == MANTIS_OK ? refilter_first (node, error) : status;
}

static enum mantis_status
prepare (struct mantis *node, struct mantis_error *error)
{
  enum mantis_status status;

  log_set_level (node->config->log_level);
  if ((status = check_supported (node->config, error)) != MANTIS_OK ||
      (status = config_open_plugins (node->config, node->plugins, error)) != MANTIS_OK ||
      (status = config_make_state_folder (node->config, error)) != MANTIS_OK ||
      (status = loop_new (&node->loop, error)) != MANTIS_OK)
    return status;
  return take_database (node, error);
}

enum mantis_status
node_new (struct config *config, struct plugins *plugins, struct mantis **node,
          struct mantis_error *error)
{
  struct mantis *made = calloc (1, sizeof *made);
  enum mantis_status status;

  if (!made) {
    plugins_free (plugins);
    config_free (config);
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  }
  made->config = made->live = config;
  made->plugins = plugins;
  made->lock_fd = -1;
  hooks_init (&made->hooks);
  json_start ();
  if ((status = prepare (made, error)) != MANTIS_OK)
    mantis_close (made);
  else
    *node = made;
  return status;
}

enum mantis_status
node_open (struct mantis *node, struct mantis_error *error)
{
  struct store *store;
  enum mantis_status status = stores_get (&node->stores, 0, &store, NULL, error);

  if (status == MANTIS_OK && is_server (node))
    status = serve_read (node, store, error);
  if (status == MANTIS_LOST)
    stores_renew (&node->stores);
  if (status != MANTIS_OK)
    return status;
  if ((status = node_open_hooks (node, node->config, error)) != MANTIS_OK)
    return status;
  status = is_server (node) ? serve_open (node, error) : follow_open (node, error);
  if (status == MANTIS_OK && is_server (node)) {
    filtering_tell_absent (node->stores.list[0].filtering, store->schema);
    status = policies_suit (node, store, error);
  }
  if (status == MANTIS_BUSY || status == MANTIS_LOST) /* it was not the database */
    status = error->status = MANTIS_FAILED;
  return status;
}

static enum mantis_status
read_config (const struct mantis_opening *opening, struct config **config,
             struct mantis_error *error)
{
  CLEANUP_FREE char *here = getcwd (NULL, 0);
  const char *folder = opening->folder ? opening->folder : here;

  if (!opening->config == !opening->file)
    return mantis_fail (error, MANTIS_INVALID, "either a configuration's text or its file");
  if (opening->file)
    return config_read (opening->file, MANTIS_CLIENT, config, error);
  if (!folder)
    return mantis_fail (error, MANTIS_FAILED, "cannot tell which folder this is: %s",
                        strerror (errno));
  return config_parse (opening->config, folder, MANTIS_CLIENT, config, error);
}

/* What HOST is told it is told from the start. */
static enum mantis_status
open_for (struct host *host, const struct mantis_opening *opening, struct mantis **node,
          struct mantis_error *error)
{
  struct plugins *plugins;
  struct config *config;
  enum mantis_status status;

  if ((status = read_config (opening, &config, error)) != MANTIS_OK)
    return status;
  if (!(plugins = options_plugins (opening->plugin_dir))) {
    config_free (config);
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  }
  if ((status = node_new (config, plugins, node, error)) != MANTIS_OK)
    return status;
  (*node)->stores.reports = host_reports (host);
  if ((status = node_open (*node, error)) != MANTIS_OK)
    mantis_close (*node);
  return status;
}

enum mantis_status
mantis_open_with (const struct mantis_opening *opening, struct mantis **node,
                  struct mantis_error *error)
{
  struct mantis_error ignored;
  struct mantis *made = NULL;
  struct host *host;
  struct visit visit;
  enum mantis_status status;

  error = error ? error : &ignored;
  if ((status = host_new (opening->report, opening->context, &host, error)) != MANTIS_OK)
    return status;
  visit = host_enter (host);
  status = open_for (host, opening, &made, error);
  host_leave (visit);
  if (status != MANTIS_OK) {
    host_free (host);
    return status;
  }
  made->host = host;
  *node = made;
  return MANTIS_OK;
}

enum mantis_status
mantis_open (const char *config, const char *folder, struct mantis **node,
             struct mantis_error *error)
{
  const struct mantis_opening opening = {
      .size = sizeof opening, .config = config, .folder = folder};

  return mantis_open_with (&opening, node, error);
}

/* ---- Running ----------------------------------------------------------------------------------
 */

static void
on_news (void *context, const struct position *position, enum noticed what)
{
  struct mantis *node = context;

  if (is_server (node) && what == NOTICED_LOSS)
    service_lost (node->service);
  else if (is_server (node))
    service_news (node->service, position, what == NOTICED_RETURN);
  else if (what != NOTICED_LOSS)
    dialer_news (node->dialer, what == NOTICED_RETURN);
}

static enum mantis_status
start (struct mantis *node, struct mantis_error *error)
{
  enum mantis_status status;

  if (node->place.control) {
    status = control_new (&node->control, node, node->place.control, error);
    if (status != MANTIS_OK)
      return status;
  }
  status = is_server (node) ? serve_start (node, error) : follow_start (node, error);
  if (status == MANTIS_OK)
    status = notice_new (&node->notice, node->loop, &node->stores, node->stores.count - 1,
                         is_server (node) ? &node->server.access : NULL, on_news, node, error);
  return status;
}

enum mantis_status
mantis_run (struct mantis *node, struct mantis_error *error)
{
  struct mantis_error ignored;
  struct visit visit = host_enter (node->host);
  enum mantis_status status;

  error = error ? error : &ignored;
  if ((status = start (node, error)) == MANTIS_OK) {
    host_works (node);
    loop_run (node->loop);
    mantis_log (MANTIS_INFO, "stopping");
  }
  control_free (node->control);
  node->control = NULL;
  notice_free (node->notice);
  node->notice = NULL;
  host_turns_away (node);
  if (is_server (node))
    serve_stop (node);
  else
    follow_stop (node);
  if (status == MANTIS_OK && node->failed)
    status = mantis_fail (error, MANTIS_FAILED, "%s", node->error.text);
  host_stopped (node, status, error);
  host_leave (visit);
  return status;
}

void
mantis_stop (struct mantis *node)
{
  loop_stop (node->loop);
}

/* A call of its own, as any thread may ask. */
struct wish {
  struct call call;
  struct mantis *node;
};

static void
on_wish (struct call *call)
{
  struct wish *wish = (struct wish *)call;

  if (wish->node->dialer)
    dialer_hurry (wish->node->dialer);
  free (wish);
}

void
mantis_sync (struct mantis *node)
{
  struct wish *wish = calloc (1, sizeof *wish);

  if (!wish)
    return; /* the interval will do it */
  *wish = (struct wish){.call.run = on_wish, .node = node};
  loop_post (node->loop, &wish->call);
}

/* ---- The end ----------------------------------------------------------------------------------
 */

void
mantis_close (struct mantis *node)
{
  struct host *host = node ? node->host : NULL;
  struct visit visit;

  if (!node)
    return;
  if (host) {
    mantis_stop (node);
    host_join (node);
  }
  visit = host_enter (host);
  if (is_server (node))
    serve_close (node);
  else
    follow_close (node);
  if (node->loop)
    loop_flush (node->loop);
  hooks_free (&node->hooks);
  stores_free (&node->stores);
  reports_free (node->stores.reports);
  free ((void *)(uintptr_t)node->kept);
  instance_free (node->storage);
  loop_free (node->loop);
  place_free (&node->place);
  if (node->lock_fd >= 0)
    close (node->lock_fd);
  plugins_free (node->plugins);
  if (node->live != node->config)
    config_free (node->live);
  config_free (node->config);
  mantis_buf_free (&node->unapplied);
  free (node);
  host_leave (visit);
  host_free (host);
}
