/* metrics.c - the messages "metrics", "healthz" and "readyz": for monitors.
 *
 * The text of "metrics" is Prometheus's (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "message/message.h"

#include <string.h>

static void
add (struct mantis_buf *buf, const char *name, const char *type, const char *help, long long value)
{
  mantis_buf_printf (buf, "# HELP mantis_%s %s\n# TYPE mantis_%s %s\nmantis_%s %lld\n", name, help,
                     name, type, name, value);
}

static void
add_outcomes (struct mantis_buf *buf, struct counters *counters)
{
  mantis_buf_text (buf, "# HELP mantis_changes_total Pushed changes by outcome.\n"
                        "# TYPE mantis_changes_total counter\n");
  for (int i = 0; i < OUTCOME_COUNT; i++)
    mantis_buf_printf (buf, "mantis_changes_total{outcome=\"%s\"} %lld\n", outcome_name (i),
                       (long long)counters->outcomes[i]);
}

void
count_answer (struct server *server, const char *message, int status)
{
  server->counters.requests++;
  if (status >= 400)
    server->counters.refused++;
  else if (strcmp (message, "pull") == 0)
    server->counters.pulls++;
}

void
handle_metrics (struct server *server, struct store *store, const struct mantis_request *request,
                const struct mantis_principal *principal, struct reply *reply)
{
  struct counters *counters = &server->counters;
  struct mantis_error error;
  int64_t head = 0;

  (void)request, (void)principal;
  if (store_begin (store, MANTIS_READ, &error) != MANTIS_OK ||
      store->ops->log_head (store->session, &head, &error) != MANTIS_OK) {
    reply_error (reply, &error);
    return;
  }
  add (&reply->body, "requests_total", "counter",
       "Messages answered; what names none, or shows no token, is none.", counters->requests);
  add (&reply->body, "requests_refused_total", "counter", "Messages answered with an error.",
       counters->refused);
  add (&reply->body, "pushes_total", "counter", "Batches applied.", counters->pushes);
  add (&reply->body, "pulls_total", "counter", "Pages given out.", counters->pulls);
  add (&reply->body, "rows_sent_total", "counter", "Rows given out.", counters->rows_out);
  add (&reply->body, "conflicts_total", "counter", "Changes that met another version.",
       counters->conflicts);
  add_outcomes (&reply->body, counters);
  add (&reply->body, "head_revision", "gauge", "Newest revision.", head);
  add (&reply->body, "start_time_seconds", "gauge", "When this server started, Unix time.",
       server->started / 1000);
  reply_done (reply);
  reply->type = "text/plain; version=0.0.4";
}

void
handle_healthz (struct server *server, struct store *store, const struct mantis_request *request,
                const struct mantis_principal *principal, struct reply *reply)
{
  (void)server, (void)store, (void)request, (void)principal;
  mantis_buf_text (&reply->body, "{\"status\":\"ok\"}");
  reply_done (reply);
}

void
handle_readyz (struct server *server, struct store *store, const struct mantis_request *request,
               const struct mantis_principal *principal, struct reply *reply)
{
  struct mantis_error error;

  (void)server, (void)request, (void)principal;
  if (store_begin (store, MANTIS_READ, &error) != MANTIS_OK) {
    reply_error (reply, &error);
    return;
  }
  mantis_buf_text (&reply->body, "{\"status\":\"ready\"}");
  reply_done (reply);
}
