/* websocket - messages over WebSocket (RFC 6455): who we are, and our options.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "client.h"


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
                     "until a message is complete, and again for one that makes 4 kB a second"),
    MANTIS_BOOL (struct websocket, compress, "true",
                 "permessage-deflate for messages over 1 kB, where the other side takes it"),
    MANTIS_DURATION (
        struct websocket, connect_timeout, "10s", 10, 3600000,
        "client: until a connection stands, until the handshake is answered, and until "
        "a first frame comes"),
    MANTIS_SIZE (struct websocket, max_answer_bytes, "64M", 1024, 1 << 30,
                 "client: largest answer"),
    {.name = NULL},
};

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  struct websocket *websocket = self;

  websocket->budget.limit = (size_t)websocket->max_buffered_bytes;
  if (curl_global_init (CURL_GLOBAL_ALL) != CURLE_OK)
    return mantis_fail (error, MANTIS_FAILED, "websocket: libcurl cannot start");
  return MANTIS_OK;
}

static void
stop (void *self)
{
  (void)self;
  curl_global_cleanup ();
}

static size_t
takes (void *self)
{
  return (size_t)((const struct websocket *)self)->max_answer_bytes;
}

static const struct mantis_transport ops = {
    .size = sizeof ops,
    .dial = link_dial,
    .send = link_send,
    .interrupt = link_interrupt,
    .hang_up = link_hang_up,
    .takes = takes,
    .weigh = handshake_weigh,
    .adopt = guest_adopt,
    .dismiss = guest_dismiss,
};

MANTIS_TRANSPORT_PLUGIN (websocket, &ops,
                         .summary = "messages over WebSocket, as a client, and on the port of rest",
                         .self_size = sizeof (struct websocket), .options = options, .start = start,
                         .stop = stop);
