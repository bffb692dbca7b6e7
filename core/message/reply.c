/* reply.c - answers and problems.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "message/message.h"

#include <pthread.h>
#include <string.h>

enum { AGAIN_US = 60 * 1000 * 1000 }; /* until the log says the same again */

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
  case 429:
    return "Too many tries";
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

/* What the database says names its host or file, and other programs: that is for the log, not for a peer.  A thousand
 * devices that meet the same are one line. */
static void
log_once (enum mantis_level level, const char *text)
{
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static char last[sizeof ((struct mantis_error *)0)->text];
  static int64_t said;
  int64_t now = mantis_monotonic ();
  bool again;

  pthread_mutex_lock (&mutex);
  again = strcmp (last, text) == 0 && now - said < AGAIN_US;
  if (!again) {
    memcpy (last, text, strlen (text) + 1);
    said = now;
  }
  pthread_mutex_unlock (&mutex);
  if (!again)
    mantis_log (level, "%s", text);
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
    log_once (MANTIS_INFO, error->text);
    reply_problem (reply, 503, "busy", "the server's database is busy: try again later");
    break;
  case MANTIS_FULL:
    log_once (MANTIS_WARNING, error->text);
    reply_problem (reply, 503, "full",
                   "there is no room for it on the server: the message is larger than its limits"
                   " allow, or its disk is full; its log says which");
    break;
  default:
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

struct reply
reply_anew (const struct reply *reply)
{
  return (struct reply){.body = MANTIS_BUF_INIT,
                        .looked = reply->looked,
                        .since = reply->since,
                        .at_once = reply->at_once};
}
