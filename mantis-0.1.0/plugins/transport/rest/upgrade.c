/* upgrade.c - a connection on which HTTP is only the beginning: who takes it over?
 *
 * The handshake is HTTP's and so it is read and answered here; what it has to say is the other
 * transport's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"

#include <event2/buffer.h>
#include <string.h>

#define PROTOCOL "websocket"

bool
upgrade_is (const struct mantis_route *route)
{
  return strcmp (route->message, "connect") == 0;
}

bool
upgrade_only (const struct rest *rest)
{
  return rest->serves && strcmp (rest->serves, PROTOCOL) == 0;
}

enum mantis_status
upgrade_check (const struct rest *rest, struct mantis_service *service, struct mantis_error *error)
{
  void *self;

  if (!upgrade_only (rest) || mantis_service_taker (service, PROTOCOL, &self))
    return MANTIS_OK;
  return mantis_fail (
      error, MANTIS_INVALID,
      "rest: %s is for WebSocket alone, and the transport \"" PROTOCOL
      "\" is not open: install it, and name it in \"plugins\" if that list is there",
      rest->address);
}

static const char *
field_of (const void *context, const char *name, bool *twice)
{
  return request_field (context, name, twice);
}

bool
upgrade_weigh (struct request *request, struct mantis_service *service, struct refusal *refusal)
{
  struct mantis_offer offer = {.size = sizeof offer, .context = request, .field = field_of};
  struct mantis_verdict *verdict = &request->verdict;
  const struct mantis_transport *taker;

  request->close = true; /* what follows is not HTTP, whatever becomes of it */
  if (!(taker = mantis_service_taker (service, PROTOCOL, &request->taker_self)))
    return refuse (refusal, 404, "this server has no transport \"" PROTOCOL "\"");
  if (request->head_only || request->parser.http_minor == 0)
    return refuse (refusal, 400, "an upgrade is a GET of HTTP/1.1");
  *verdict = (struct mantis_verdict){.size = sizeof *verdict};
  taker->weigh (request->taker_self, &offer, verdict);
  if (verdict->status != 101) {
    refusal->fields = verdict->fields;
    return refuse (refusal, verdict->status, verdict->detail);
  }
  request->taker = taker;
  return true;
}

bool
upgrade_write (struct evbuffer *out, const struct request *request)
{
  struct mantis_buf head = MANTIS_BUF_INIT;
  bool done;

  mantis_buf_text (&head, "HTTP/1.1 101 Switching Protocols\r\n");
  response_date (&head);
  mantis_buf_text (&head, "Connection: Upgrade\r\nUpgrade: " PROTOCOL "\r\n");
  mantis_buf_text (&head, request->verdict.fields);
  mantis_buf_text (&head, "\r\n");
  done = !head.failed && evbuffer_add (out, head.bytes, head.length) == 0;
  mantis_buf_free (&head);
  return done;
}
