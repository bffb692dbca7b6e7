/* rest - messages over HTTP/1.1: who we are, and our options.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest.h"


static const struct mantis_option options[] = {
    MANTIS_TEXT_OPTION (
        struct rest, address, "127.0.0.1:8080",
        "where to listen: address and port, [::1]:8080 for IPv6; port 0: any free one"),
    MANTIS_BOOL (struct rest, insecure, "false",
                 "listen beyond this machine although nothing is encrypted"),
    MANTIS_CHOICE (struct rest, serves, "all", "all|websocket",
                   "websocket: a port for WebSockets alone, all other addresses are 404"),
    MANTIS_LIST (struct rest, allowed_origins, NULL,
                 "other origins whose pages may use this server, \"https://app.example.org\""),
    MANTIS_LIST (struct rest, trusted_proxies, NULL,
                 "addresses or networks (\"10.0.0.0/8\") whose X-Forwarded-For is believed"),
    TLS_OPTIONS (struct rest),
    MANTIS_INTEGER_OPTION (struct rest, max_connections, "1000", 1, 1000000,
                           "connections at once; one more is answered 503"),
    MANTIS_SIZE (struct rest, max_body_bytes, "16M", 1024, 1 << 30,
                 "largest body of a request, or message of a WebSocket, compressed or not"),
    MANTIS_SIZE (struct rest, max_buffered_bytes, "256M", 1024, INT64_C (1) << 40,
                 "largest sum of the bodies in hand; beyond it requests are answered 503"),
    MANTIS_SIZE (struct rest, max_header_bytes, "16k", 1024, 65536,
                 "largest request line and header together"),
    MANTIS_DURATION (struct rest, header_timeout, "10s", 10, 3600000,
                     "until a header is complete; a body has to make progress in each such time"),
    MANTIS_DURATION (struct rest, body_timeout, "60s", 10, 3600000,
                     "until a body is complete, and a second more for each 4 kB of it"),
    MANTIS_DURATION (struct rest, write_timeout, "30s", 10, 3600000,
                     "how long a peer may take none of its answer"),
    MANTIS_DURATION (struct rest, idle_timeout, "60s", 10, 86400000,
                     "how long a connection is kept between requests"),
    MANTIS_CHOICE (
        struct rest, compress, "auto", "auto|always|never",
        "client: gzip bodies over 1 kB and ask for such answers; auto: unless the server is "
        "on this machine"),
    MANTIS_DURATION (struct rest, connect_timeout, "10s", 10, 3600000,
                     "client: until a connection stands"),
    MANTIS_SIZE (struct rest, max_answer_bytes, "64M", 1024, 1 << 30,
                 "client: largest answer, decompressed"),
    {.name = NULL},
};

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  (void)self;
  if (curl_global_init (CURL_GLOBAL_ALL) != CURLE_OK)
    return mantis_fail (error, MANTIS_FAILED, "rest: libcurl cannot start");
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
  return (size_t)((const struct rest *)self)->max_answer_bytes;
}

static const struct mantis_transport ops = {
    .size = sizeof ops,
    .listen = server_listen,
    .drain = server_drain,
    .close = server_close,
    .address = server_address,
    .dial = link_dial,
    .send = link_send,
    .interrupt = link_interrupt,
    .hang_up = link_hang_up,
    .routes = rest_routes,
    .takes = takes,
    .reload = server_reload,
};

MANTIS_TRANSPORT_PLUGIN (rest, &ops, .summary = "messages over HTTP/1.1",
                         .self_size = sizeof (struct rest), .options = options, .start = start,
                         .stop = stop);
