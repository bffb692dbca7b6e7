/* websocket - messages over WebSocket (RFC 6455): who we are, and our options.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "websocket.h"

static const struct mantis_option options[] = {
    MANTIS_SIZE (struct websocket, max_message_bytes, "16M", 1024, 1 << 30,
                 "largest message; a larger one ends the connection with 1009"),
    MANTIS_SIZE (struct websocket, max_buffered_bytes, "256M", 1024, INT64_C (1) << 40,
                 "largest sum of the messages in hand; beyond it a connection ends with 1013"),
    MANTIS_INTEGER_OPTION (struct websocket, max_requests, "4", 1, 1000,
                           "messages of one connection that are answered at once"),
    MANTIS_DURATION (
        struct websocket, ping_interval, "30s", 10, 3600000,
        "how often a ping is sent; a peer that is silent from one to the next has gone"),
    MANTIS_DURATION (struct websocket, message_timeout, "60s", 10, 3600000,
                     "until a message is complete, and a second more for each 4 kB of it"),
    MANTIS_BOOL (struct websocket, compress, "true",
                 "permessage-deflate for messages over 1 kB, where the other side takes it"),
    {.name = NULL},
};

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  struct websocket *websocket = self;

  (void)error;
  websocket->budget.limit = (size_t)websocket->max_buffered_bytes;
  return MANTIS_OK;
}

static const struct mantis_transport ops = {
    .size = sizeof ops,
    .weigh = handshake_weigh,
    .adopt = guest_adopt,
    .dismiss = guest_dismiss,
};

MANTIS_TRANSPORT_PLUGIN (websocket, &ops, .summary = "messages over WebSocket, on the port of rest",
                         .self_size = sizeof (struct websocket), .options = options,
                         .start = start);
