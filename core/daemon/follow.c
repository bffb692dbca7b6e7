/* follow.c - a node as a client: it follows one server.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"

#include <string.h>

enum {
  LONGEST_WAIT = 25000, /* milliseconds that a pull may wait at the server */
  FOLD_ENTRIES = 50000  /* of the log, from which on repeated writes of a row are folded */
};

/* What all transports take. */
static size_t
answer_bytes (struct instance *const *dial)
{
  size_t least = 0;

  for (; *dial; dial++) {
    const struct mantis_transport *ops = (*dial)->ops;
    size_t takes = ops->takes ? ops->takes ((*dial)->self) : 0;
    if (takes && (!least || takes < least))
      least = takes;
  }
  return least;
}

/* Texts are those of the start: what they come from does not change while we run. */
struct dialer_settings
follow_settings (const struct mantis *node)
{
  const struct config *live = node->live;

  /* A pull that waits at the server is an exchange that has begun: it ends in time for the next. */
  const int64_t wait = live->interval < LONGEST_WAIT ? live->interval : LONGEST_WAIT;

  return (struct dialer_settings){
      .client = {.remote_name = node->config->server_url,
                 .wish = node->config->policy ? node->config->policy->name : NULL,
                 .enabled = live->enabled,
                 .interval = live->interval,
                 .wait = node->once ? 0 : wait,
                 .batch_rows = (size_t)live->batch_rows,
                 .batch_bytes = (size_t)live->batch_bytes,
                 .whole_rows = (size_t)live->whole_rows,
                 .whole_bytes = (size_t)live->whole_bytes,
                 .warn_entries = live->warn_entries,
                 .answer_bytes = answer_bytes (node->dial),
                 .retention = live->retention,
                 .fold_entries = FOLD_ENTRIES},
      .token_file = live->token_file};
}

enum mantis_status
follow_open (struct mantis *node, struct mantis_error *error)
{
  const struct plugin_use *preferred = node->config->dial_preferred;
  struct instance **next = node->dial;
  enum mantis_status status = MANTIS_OK;

  if (preferred && plugins_find (node->plugins, preferred->kind, preferred->name))
    status = instance_new (node->plugins, preferred, next++, error);
  if (status == MANTIS_OK)
    status = instance_new (node->plugins, node->config->dial, next, error);
  return status;
}

static void
on_once (struct waiter *waiter, const char *why)
{
  struct mantis *node = (struct mantis *)((char *)waiter - offsetof (struct mantis, waiter));

  node->failed = why != NULL;
  if (why)
    mantis_fail (&node->error, MANTIS_FAILED, "%s", why);
  mantis_stop (node);
}

struct mantis_remote
follow_remote (const struct config *config)
{
  return (struct mantis_remote){.size = sizeof (struct mantis_remote),
                                .url = config->server_url,
                                .ca_file = config->ca_file,
                                .proxy = config->proxy,
                                .pins = config->pins,
                                .client_certificate_file = config->certificate_file,
                                .client_key_file = config->key_file};
}

enum mantis_status
follow_start (struct mantis *node, struct mantis_error *error)
{
  const struct config *config = node->config;
  const struct mantis_remote remote = follow_remote (config);
  struct dialer_settings settings = follow_settings (node);
  enum mantis_status status =
      dialer_new (&node->dialer, &settings, node->loop, node->dial, &node->stores, &remote, error);

  if (status != MANTIS_OK)
    return status;
  mantis_log (MANTIS_INFO, "ready: syncing %s with %s", node->place.database, config->server_url);
  host_follows (node);
  dialer_start (node->dialer);
  if (node->once) {
    node->waiter.done = on_once;
    dialer_wait (node->dialer, &node->waiter);
  }
  return MANTIS_OK;
}

void
follow_reload (struct mantis *node)
{
  struct dialer_settings settings = follow_settings (node);

  dialer_set (node->dialer, &settings);
}

void
follow_stop (struct mantis *node)
{
  dialer_free (node->dialer);
  node->dialer = NULL;
}

void
follow_close (struct mantis *node)
{
  follow_stop (node);
  for (size_t i = 0; i < COUNT_OF (node->dial); i++)
    instance_free (node->dial[i]);
}
