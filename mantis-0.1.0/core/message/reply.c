/* reply.c - answers and problems.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "message/message.h"

#include <string.h>

static const char *
title_of (int status)
{
  switch (status) {
  case 400:
    return "Bad request";
  case 401:
    return "Credentials are needed";
  case 403:
    return "Not allowed";
  case 404:
    return "Not found";
  case 409:
    return "Conflict with the server's state";
  case 410:
    return "No longer there";
  case 413:
    return "Too large";
  case 503:
    return "Busy: try again later";
  }
  return "Server error";
}

void
reply_problem (struct reply *reply, int status, const char *code, const char *detail)
{
  const char *title = title_of (status);

  mantis_buf_clear (&reply->body);
  mantis_buf_text (&reply->body, "{\"type\":\"about:blank\",\"title\":");
  mantis_buf_json (&reply->body, title, strlen (title));
  mantis_buf_printf (&reply->body, ",\"status\":%d,\"detail\":", status);
  mantis_buf_json (&reply->body, detail, strlen (detail));
  if (code) {
    mantis_buf_text (&reply->body, ",\"code\":");
    mantis_buf_json (&reply->body, code, strlen (code));
  }
  mantis_buf_char (&reply->body, '}');
  reply->status = status;
  reply->type = "application/problem+json";
  if (status == 503 && !reply->retry_after)
    reply->retry_after = 1;
  reply->elsewhere = code && strcmp (code, "unavailable") == 0;
}

void
reply_error (struct reply *reply, const struct mantis_error *error)
{
  switch (error->status) {
  case MANTIS_INVALID:
    reply_problem (reply, 400, NULL, error->text);
    break;
  case MANTIS_DENIED:
    reply_problem (reply, 403, NULL, error->text);
    break;
  case MANTIS_ABSENT:
    reply_problem (reply, 404, NULL, error->text);
    break;
  case MANTIS_LOST: /* where the database is, and why it is away, is nothing for a peer */
    reply_problem (reply, 503, "unavailable", "the server cannot use its database now");
    break;
  case MANTIS_BUSY:
  case MANTIS_STALE:
    reply_problem (reply, 503, "busy", error->text);
    break;
  case MANTIS_FULL:
    reply_problem (reply, 503, "full", error->text);
    break;
  default: /* may speak of the database's insides: for the log, not for a peer */
    mantis_log (MANTIS_ERROR, "%s", error->text);
    reply_problem (reply, 500, NULL, "the server could not do it; its log says why");
    break;
  }
}

void
reply_done (struct reply *reply)
{
  if (reply->body.failed) {
    mantis_buf_clear (&reply->body);
    reply_problem (reply, 503, "full", "the answer would be larger than the server allows");
    return;
  }
  reply->status = 200;
  reply->type = "application/json";
}
