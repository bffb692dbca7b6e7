/* A transport built against the first headers: it only dials, and answers by itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/transport.h>

#include <stdlib.h>
#include <string.h>

struct old_transport {
  int64_t patience;
};

struct mantis_link {
  const struct old_transport *transport;
  char url[100];
};

static const struct mantis_option options[] = {
    MANTIS_DURATION (struct old_transport, patience, "2s", 0, 60000, "how long an answer may take"),
    {.name = NULL},
};

static enum mantis_status
dial (void *self, struct event_base *base, const struct mantis_remote *remote,
      struct mantis_link **link, struct mantis_error *error)
{
  struct mantis_link *made = calloc (1, sizeof *made);

  (void)base;
  if (!made)
    return mantis_fail (error, MANTIS_FAILED, "no memory left");
  made->transport = self;
  strncpy (made->url, remote->url, sizeof made->url - 1);
  *link = made;
  return MANTIS_OK;
}

/* 200 to who asks within the time, with the name of the message. */
static void
answer (struct mantis_link *link, const struct mantis_request *request, mantis_answered answered,
        void *context)
{
  bool late = request->timeout < link->transport->patience;
  struct mantis_answer given = {.size = sizeof given,
                                .status = late ? 0 : 200,
                                .body = late ? NULL : request->message,
                                .length = late ? 0 : strlen (request->message),
                                .error = late ? link->url : NULL};

  answered (context, &given);
}

static void
interrupt (struct mantis_link *link)
{
  (void)link;
}

static void
hang_up (struct mantis_link *link)
{
  free (link);
}

static const struct mantis_transport ops = {
    .size = sizeof ops, .dial = dial, .send = answer, .interrupt = interrupt, .hang_up = hang_up};

MANTIS_TRANSPORT_PLUGIN (old_transport, &ops, .summary = "as of the first headers",
                         .self_size = sizeof (struct old_transport), .options = options);
