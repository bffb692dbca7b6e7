/* policies.c - who decides about conflicts in each table: from the configuration as it was read last.
 *
 * After SIGHUP workers may still be asking an instance of before: what was in use stays until the node is closed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"
#include "wire/json.h"

#include <mantis/resolver.h>
#include <stdlib.h>
#include <string.h>

struct policies {
  struct policies *before;
  struct config *config;
  struct instance **resolvers; /* by number of the use, NULL for other uses */
};

struct instance *
policy_of (void *context, const char *table)
{
  const struct mantis *node = context;
  const struct policies *policies = atomic_load (&node->policies);

  return policies->resolvers[config_policy (policies->config, table)->number];
}

/* Another number for other policies: clients say hello when it changes. */
static uint64_t
fingerprint (const struct config *config)
{
  uint64_t hash = json_hash (config->raw.policy, 0);

  for (size_t i = 0; i < config->table_count; i++) {
    const struct config_table *entry = &config->tables[i];
    if (entry->policy)
      hash = json_hash (
          json_object_get (json_object_get (config->raw.tables, entry->pattern), "conflict_policy"),
          hash_bytes (entry->pattern, strlen (entry->pattern), hash));
  }
  return hash >> 1; /* that fits an integer of JSON */
}

static void
free_one (struct policies *policies)
{
  for (size_t i = 0; policies->resolvers && i < policies->config->use_count; i++)
    instance_free (policies->resolvers[i]);
  free (policies->resolvers);
  free (policies);
}

static enum mantis_status
resolver_new (const struct plugins *plugins, const struct plugin_use *use,
              struct instance **resolver, struct mantis_error *error)
{
  enum mantis_status status = instance_new (plugins, use, resolver, error);
  const struct mantis_resolver *ops = status == MANTIS_OK ? (*resolver)->ops : NULL;

  if (ops && ops->waits && !ops->waits ((*resolver)->self))
    (*resolver)->waits = false;
  return status;
}

enum mantis_status
policies_open (struct mantis *node, struct config *config, struct mantis_error *error)
{
  struct policies *made = calloc (1, sizeof *made);
  enum mantis_status status = MANTIS_OK;

  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  made->config = config;
  if (!(made->resolvers = calloc (config->use_count + 1, sizeof (struct instance *))))
    status = mantis_fail (error, MANTIS_FAILED, "no memory left");
  for (const struct plugin_use *use = config->uses; use && status == MANTIS_OK; use = use->next)
    if (use->kind == MANTIS_KIND_RESOLVER) {
      if (!config->listed && !plugins_find (node->plugins, MANTIS_KIND_RESOLVER, use->name))
        status = plugins_open (node->plugins, use->name, NULL, NULL, NULL, error);
      if (status == MANTIS_OK)
        status = resolver_new (node->plugins, use, &made->resolvers[use->number], error);
    }
  if (status != MANTIS_OK) {
    free_one (made);
    return status;
  }
  made->before = atomic_load (&node->policies);
  atomic_store (&node->policies, made);
  atomic_store (&node->server.policies, fingerprint (config));
  return MANTIS_OK;
}

enum mantis_status
policies_suit (struct mantis *node, const struct store *store, struct mantis_error *error)
{
  const struct policies *policies = atomic_load (&node->policies);
  const struct config *config = policies->config;

  for (size_t i = 0; i < config->table_count; i++) {
    const struct config_table *entry = &config->tables[i];
    const struct mantis_attached *attached = store_table (store, entry->pattern);
    const struct instance *policy =
        entry->policy ? policies->resolvers[entry->policy->number] : NULL;
    const struct mantis_resolver *ops = policy ? policy->ops : NULL;
    struct mantis_error why;
    enum mantis_status status = attached && !attached->table->refusal && ops && ops->suits
                                    ? ops->suits (policy->self, attached->table, &why)
                                    : MANTIS_OK;
    if (status != MANTIS_OK)
      return mantis_fail (error, status, "%s: $.tables.%s.conflict_policy: %s", config->file,
                          entry->pattern, why.text);
  }
  return MANTIS_OK;
}

void
policies_reload (struct mantis *node)
{
  const struct policies *now = atomic_load (&node->policies);
  struct mantis_error error;

  if (fingerprint (now->config) == fingerprint (node->live))
    return;
  if (policies_open (node, node->live, &error) != MANTIS_OK)
    reload_leaves (node, MANTIS_ERROR, "the policies of before go on: %s", error.text);
  else
    mantis_log (MANTIS_INFO, "conflicts are decided by the policies as they are now");
}

bool
policies_hold (const struct mantis *node, const struct config *config)
{
  for (const struct policies *p = atomic_load (&node->policies); p; p = p->before)
    if (p->config == config)
      return true;
  return false;
}

void
policies_hurry (struct mantis *node)
{
  for (const struct policies *p = atomic_load (&node->policies); p; p = p->before)
    for (size_t i = 0; i < p->config->use_count; i++) {
      const struct mantis_resolver *ops = p->resolvers[i] ? p->resolvers[i]->ops : NULL;
      if (ops && ops->hurry)
        ops->hurry (p->resolvers[i]->self);
    }
}

void
policies_close (struct mantis *node)
{
  struct policies *policies = atomic_exchange (&node->policies, NULL), *before;

  for (; policies; policies = before) {
    struct config *config = policies->config;
    before = policies->before;
    free_one (policies);
    if (config != node->config && config != node->live)
      config_free (config);
  }
}
