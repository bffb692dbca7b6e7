/* login.c - mantisctl login: a session at the server, whose token a client shows from then on.
 *
 * Needs the client's configuration and the server; no daemon, no database.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include "base/base.h"
#include "daemon/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT = 30000 }; /* milliseconds */

struct login {
  struct loop *loop;
  json_t *answer;
  struct mantis_error error;
  enum mantis_status status;
};

static void
on_answered (void *context, const struct mantis_answer *answer)
{
  struct login *login = context;
  enum mantis_status ignored = MANTIS_OK;
  struct mantis_error error = {.text = ""};

  if (answer->status && answer->body)
    login->answer = json_read (answer->body, answer->length, &error);
  if (!answer->status)
    login->status = mantis_fail (&login->error, MANTIS_FAILED, "%s",
                                 answer->error ? answer->error : "the server does not answer");
  else if (answer->status != 200)
    login->status = mantis_fail (
        &login->error, MANTIS_FAILED, "the server answers %d: %s", answer->status,
        json_get_text (login->answer, "detail", "and does not say why", &ignored, &error));
  else if (!json_string_value (json_object_get (login->answer, "token")))
    login->status = mantis_fail (&login->error, MANTIS_FAILED, "the server gives no token");
  loop_stop (login->loop);
}

static enum mantis_status
send (const struct config *config, const struct instance *dial, const struct mantis_buf *body,
      struct login *login)
{
  const struct mantis_transport *ops = dial->ops;
  const struct mantis_remote remote = follow_remote (config);
  const struct mantis_request request = {.size = sizeof request,
                                         .message = "login",
                                         .body = body->bytes,
                                         .length = body->length,
                                         .timeout = TIMEOUT};
  struct mantis_link *link;
  enum mantis_status status = loop_new (&login->loop, &login->error);

  if (status == MANTIS_OK)
    status = ops->dial (dial->self, loop_base (login->loop), &remote, &link, &login->error);
  if (status == MANTIS_OK) {
    ops->send (link, &request, on_answered, login);
    loop_run (login->loop);
    ops->hang_up (link);
    status = login->status;
  }
  loop_free (login->loop);
  return status;
}

/* With the transport of CONFIG: the token goes to the client's file. */
static enum mantis_status
log_in (const struct config *config, struct plugins *plugins, const struct mantis_buf *body,
        struct mantis_error *error)
{
  struct login login = {.status = MANTIS_OK};
  struct instance *dial = NULL;
  enum mantis_status status = config_open_plugins (config, plugins, error);

  if (status == MANTIS_OK)
    status = instance_new (plugins, config->dial, &dial, error);
  if (status == MANTIS_OK && (status = send (config, dial, body, &login)) != MANTIS_OK)
    *error = login.error;
  if (status == MANTIS_OK)
    status = config_make_state_folder (config, error);
  if (status == MANTIS_OK)
    status = token_write (config->token_file,
                          json_string_value (json_object_get (login.answer, "token")), error);
  json_decref (login.answer);
  instance_free (dial);
  return status;
}

static enum mantis_status
make_body (const struct ctl *ctl, struct mantis_buf *body, struct mantis_error *error)
{
  CLEANUP_SECRET struct mantis_buf password = MANTIS_BUF_INIT;
  const char *user = ctl->words[0];
  enum mantis_status status = password_take (ctl, user, false, &password, error);

  if (status != MANTIS_OK)
    return status;
  mantis_buf_text (body, "{\"user\":");
  mantis_buf_json (body, user, strlen (user));
  mantis_buf_text (body, ",\"password\":");
  mantis_buf_json (body, password.bytes, password.length);
  mantis_buf_char (body, '}');
  return body->failed ? mantis_fail (error, MANTIS_FAILED, "no memory left") : MANTIS_OK;
}

int
ctl_login (struct ctl *ctl)
{
  CLEANUP_SECRET struct mantis_buf body = MANTIS_BUF_INIT;
  struct mantis_error error = {.status = MANTIS_FAILED};
  enum mantis_status status;
  struct plugins *plugins;
  struct config *config;

  if (ctl_open (ctl, &config, &plugins, &error) != MANTIS_OK)
    return ctl_complain (&error);
  if (config->role != MANTIS_CLIENT || !config->token_file)
    status =
        mantis_fail (&error, MANTIS_INVALID,
                     config->role != MANTIS_CLIENT
                         ? "%s is a server's: log in with the configuration of a client"
                         : "%s: set \"token_file\" in \"sync\": the session's token goes there",
                     config->file);
  else if ((status = make_body (ctl, &body, &error)) == MANTIS_OK)
    status = log_in (config, plugins, &body, &error);
  if (status == MANTIS_OK)
    printf ("Logged in: the session's token is in %s.\n", config->token_file);
  plugins_free (plugins);
  config_free (config);
  return status == MANTIS_OK ? EXIT_CLEAN : ctl_complain (&error);
}
