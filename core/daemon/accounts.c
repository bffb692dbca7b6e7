/* accounts.c - authentications that keep users: their tables lent, their questions asked.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/accounts.h"

#include "base/base.h"
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

/* ---- Tables ------------------------------------------------------------------------------------
 */

static const struct mantis_table *const no_tables[] = {NULL};

/* Add those of OPS to LIST, which has room for COUNT. */
static enum mantis_status
add_tables (const struct mantis_auth *ops, const struct mantis_table **list, size_t *count,
            struct mantis_error *error)
{
  for (const struct mantis_table *const *t = ops->tables; t && *t; t++) {
    enum mantis_status status = keep_check (*t, error);
    bool known = false;
    if (status != MANTIS_OK)
      return status;
    for (size_t i = 0; i < *count && !known; i++) {
      known = list[i] == *t;
      if (!known && strcmp (list[i]->name, (*t)->name) == 0)
        return mantis_fail (error, MANTIS_INVALID, "table \"%s\" is another plugin's", (*t)->name);
    }
    if (!known)
      list[(*count)++] = *t;
  }
  return MANTIS_OK;
}

enum mantis_status
accounts_tables (const struct config *config, const struct plugins *plugins,
                 const struct mantis_table *const **tables, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  const struct mantis_table **list;
  size_t room = 1, count = 0;

  for (size_t i = 0; i < config->auth_count; i++) {
    const struct plugin *plugin = plugins_find (plugins, MANTIS_KIND_AUTH, config->auth[i]->name);
    const struct mantis_auth *ops = plugin ? plugin->about.ops : NULL;
    for (const struct mantis_table *const *t = ops ? ops->tables : NULL; t && *t; t++)
      room++;
  }
  if (!(list = calloc (room, sizeof *list)))
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  for (size_t i = 0; i < config->auth_count && status == MANTIS_OK; i++) {
    const struct plugin *plugin = plugins_find (plugins, MANTIS_KIND_AUTH, config->auth[i]->name);
    if (plugin && (status = add_tables (plugin->about.ops, list, &count, error)) != MANTIS_OK)
      mantis_fail_in (error, "%s: $.auth[%zu]: plugin \"%s\"", config->file, i, plugin->name);
  }
  *tables = (const struct mantis_table *const *)list;
  return status;
}

struct mantis_keep
accounts_keep (const struct instance *auth, struct store *store)
{
  const struct mantis_auth *ops = auth->ops;

  return (struct mantis_keep){.store = store, .tables = ops->tables ? ops->tables : no_tables};
}

bool
accounts_keep_tables (struct instance *const *auth)
{
  for (; *auth; auth++)
    if (((const struct mantis_auth *)(*auth)->ops)->recognize)
      return true;
  return false;
}

bool
accounts_let_in (struct instance *const *auth)
{
  for (; *auth; auth++)
    if (((const struct mantis_auth *)(*auth)->ops)->login)
      return true;
  return false;
}

/* ---- Coming and going --------------------------------------------------------------------------
 */

static enum mantis_status
let_in (void *context, struct store *store, const struct mantis_login *login,
        struct mantis_arena *arena, struct mantis_welcome *welcome, struct mantis_error *error)
{
  for (struct instance **auth = context; *auth; auth++) {
    const struct mantis_auth *ops = (*auth)->ops;
    struct mantis_keep keep = accounts_keep (*auth, store);
    enum mantis_status status;
    if (!ops->login)
      continue;
    instance_lock (*auth);
    status = ops->login ((*auth)->self, &keep, login, arena, welcome, error);
    instance_unlock (*auth);
    store_rollback (store);
    return status;
  }
  return mantis_fail (error, MANTIS_ABSENT,
                      "nobody can log in here: \"auth\" of the server has no \"session\"");
}

static enum mantis_status
let_out (void *context, struct store *store, const struct mantis_credentials *credentials,
         struct mantis_error *error)
{
  enum mantis_status status = MANTIS_ABSENT;

  for (struct instance **auth = context; *auth && status == MANTIS_ABSENT; auth++) {
    const struct mantis_auth *ops = (*auth)->ops;
    struct mantis_keep keep = accounts_keep (*auth, store);
    if (!ops->logout)
      continue;
    instance_lock (*auth);
    status = ops->logout ((*auth)->self, &keep, credentials, error);
    instance_unlock (*auth);
    store_rollback (store);
  }
  if (status == MANTIS_ABSENT)
    return mantis_fail (error, MANTIS_INVALID,
                        "these credentials are of no session: they hold until they expire");
  return status;
}

struct accounts
accounts_of (struct instance **auth)
{
  return (struct accounts){.context = auth, .login = let_in, .logout = let_out};
}

/* ---- Orders ------------------------------------------------------------------------------------
 */

static enum mantis_status
read_roles (const json_t *json, struct mantis_arena *arena, const char *const **roles,
            struct mantis_error *error)
{
  size_t count = json_array_size (json);
  const char **list = arena_array (arena, count + 1, sizeof *list);

  if (!list)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  for (size_t i = 0; i < count; i++)
    if (!(list[i] = json_string_value (json_array_get (json, i))))
      return mantis_fail (error, MANTIS_INVALID, "$.roles[%zu]: must be a text", i);
  *roles = (const char *const *)list;
  return MANTIS_OK;
}

static enum mantis_status
ask (struct instance **auth, struct store *store, const struct mantis_user_order *order,
     struct mantis_buf *answer, struct mantis_error *error)
{
  for (; *auth; auth++) {
    const struct mantis_auth *ops = (*auth)->ops;
    struct mantis_keep keep = accounts_keep (*auth, store);
    enum mantis_status status;
    if (!ops->users)
      continue;
    keep.committing = access_touch; /* who is connected may not be allowed to any more */
    instance_lock (*auth);
    status = ops->users ((*auth)->self, &keep, order, answer, error);
    instance_unlock (*auth);
    store_rollback (store);
    return status;
  }
  return mantis_fail (error, MANTIS_INVALID,
                      "this server keeps no users: add \"session\" to \"auth\"");
}

enum mantis_status
accounts_order (struct instance **auth, struct store *store, const char *argument,
                struct mantis_buf *answer, struct mantis_error *error)
{
  CLEANUP_JSON json_t *json =
      json_read (argument ? argument : "", argument ? strlen (argument) : 0, error);
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_user_order order = {.size = sizeof order};
  enum mantis_status status = json ? MANTIS_OK : error->status;
  const json_t *roles = json_get_array (json, "roles", &status, error);

  order.what = json_get_text (json, "what", "", &status, error);
  order.user = json_get_text (json, "user", NULL, &status, error);
  order.password = json_get_text (json, "password", NULL, &status, error);
  if (status == MANTIS_OK)
    status = read_roles (roles, arena, &order.roles, error);
  return status == MANTIS_OK ? ask (auth, store, &order, answer, error) : status;
}
