/* token.c - mantisctl token: a token for a client, made with the server's key.
 *
 * Needs the configuration and the key's file; no daemon, no database.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include "base/base.h"
#include "plugin/units.h"

#include <stdio.h>

static const char *const default_lifetime = "30d";

/* Where nothing lists them, only the plugin that makes tokens is opened: another one that is missing is no obstacle. */
static enum mantis_status
open_auth (const struct config *config, struct plugins *plugins, const struct plugin_use *use,
           struct instance **auth, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (!config->listed && !plugins_find (plugins, MANTIS_KIND_AUTH, use->name))
    status = plugins_open (plugins, use->name, NULL, NULL, NULL, error);
  return status == MANTIS_OK ? instance_new (plugins, use, auth, error) : status;
}

/* With the first authentication that can make tokens. */
static enum mantis_status
issue (const struct config *config, struct plugins *plugins, const char *subject, int64_t lifetime,
       struct mantis_buf *token, struct mantis_error *error)
{
  enum mantis_status status = config_make_state_folder (config, error);

  if (status == MANTIS_OK && config->listed)
    status = config_open_plugins (config, plugins, error);
  for (size_t i = 0; status == MANTIS_OK && i < config->auth_count && !token->length; i++) {
    const struct mantis_auth *ops;
    struct instance *auth;
    if ((status = open_auth (config, plugins, config->auth[i], &auth, error)) != MANTIS_OK)
      return status;
    ops = auth->ops;
    if (ops->issue)
      status = ops->issue (auth->self, subject, lifetime, token, error);
    instance_free (auth);
  }
  if (status == MANTIS_OK && !token->length)
    status = mantis_fail (error, MANTIS_INVALID, "%s: $.auth: none of these can make tokens",
                          config->file);
  return status;
}

int
ctl_token (struct ctl *ctl)
{
  CLEANUP_BUF struct mantis_buf token = MANTIS_BUF_INIT;
  struct mantis_error error = {.status = MANTIS_OK};
  enum mantis_status status;
  struct plugins *plugins;
  struct config *config;
  int64_t lifetime;

  if (!ctl->subject)
    mantis_fail (&error, MANTIS_INVALID, "token: for whom? give --subject NAME");
  else if (!duration_from_text (ctl->lifetime ? ctl->lifetime : default_lifetime, &lifetime))
    mantis_fail (&error, MANTIS_INVALID, "--lifetime is a time such as 12h or 30d, not \"%s\"",
                 ctl->lifetime);
  if (error.status != MANTIS_OK || ctl_open (ctl, &config, &plugins, &error) != MANTIS_OK)
    return ctl_complain (&error);
  if (config->role != MANTIS_SERVER)
    status = mantis_fail (&error, MANTIS_INVALID,
                          "%s is a client's: tokens are made with the server's configuration "
                          "(--config FILE, or --mode server)",
                          config->file);
  else
    status = issue (config, plugins, ctl->subject, lifetime, &token, &error);
  if (status == MANTIS_OK)
    puts (token.bytes);
  plugins_free (plugins);
  config_free (config);
  return status == MANTIS_OK ? EXIT_CLEAN : ctl_complain (&error);
}
