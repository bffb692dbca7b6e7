/* rest.h - what the files of this plugin share.
 *
 * Server: server.c accepts, conn.c leads a connection through its states, guard.c and request.c turn bytes into a
 * request, browser.c looks at what browsers add, forward.c at what proxies do, body.c keeps what follows it, response.c
 * writes the answer, upgrade.c finds who takes a connection over.
 *
 * Client: link.c drives libcurl on the event loop, exchange.c is one request on its way.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_REST_H
#define MANTIS_REST_H

#include "../tls/tls.h"

#include <mantis/transport.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <http_parser.h>
#include <netinet/in.h>

struct bufferevent;
struct evbuffer;
struct evconnlistener;
struct z_stream_s;

/* ---- Options (rest.c) ------------------------------------------------------------------------ */
struct rest {
  const char *address;
  bool insecure;
  const char *serves;
  const char *const *allowed_origins; /* ends with NULL; NULL: none */
  const char *const *trusted_proxies; /* likewise */
  int64_t max_connections, max_body_bytes, max_buffered_bytes, max_header_bytes;
  int64_t header_timeout, body_timeout, write_timeout, idle_timeout;
  const char *compress;
  struct tls_options tls;
  int64_t connect_timeout, max_answer_bytes;
  bool warned; /* of what a link's address and files are like: it has several of the same */
};

enum {
  COMPRESS_FROM = 1024,  /* shorter bodies are not worth it */
  SLOWEST = 4096,        /* bytes a second for which a peer is given time beyond the timeout */
  LEAST_PROGRESS = 1024, /* bytes in each header_timeout: less is a peer that only holds on */
  MAX_FIELDS = 100,
  READ_AT_ONCE = 64 * 1024
};

/* ---- Bytes that http_parser would let pass (guard.c) ----------------------------------------- */
enum verdict { GUARD_MORE, GUARD_DONE, GUARD_BAD };

struct guard {  /* of a header block; begins zeroed */
  size_t at;    /* bytes seen */
  size_t start; /* where the request line begins: after empty lines */
  size_t line;  /* where the present line begins */
  bool cr;
  const char *why;
};

/* Go on with BYTES, LENGTH of them since the message began.  DONE: guard->at is the block's length.
 */
enum verdict guard_head (struct guard *guard, const char *bytes, size_t length);

struct chunk_guard { /* of a chunked body; begins zeroed */
  uint32_t state;
  uint32_t digits;
  uint64_t left;
  size_t extra; /* bytes of extensions and trailers, which nobody here reads */
  const char *why;
};

/* The next LENGTH bytes.  *USED of them belong to the message. */
enum verdict guard_chunks (struct chunk_guard *guard, const char *bytes, size_t length,
                           size_t *used);

bool is_token (const char *text);
bool is_token_char (char c);

/* ---- Body (body.c) --------------------------------------------------------------------------- */
struct budget { /* of all bodies that a listener holds */
  size_t used, limit;
};

struct body {
  char *bytes;
  size_t length, room, limit;
  struct budget *budget;
  struct z_stream_s *inflate; /* NULL: not compressed */
  bool ended;                 /* the compressed stream is complete */
};

enum body_status { BODY_OK = 0, BODY_TOO_LARGE = 413, BODY_NO_ROOM = 503, BODY_CORRUPT = 400 };

enum body_status body_begin (struct body *body, bool compressed);
enum body_status body_add (struct body *body, const char *bytes, size_t length);
enum body_status body_end (struct body *body);
void body_free (struct body *body);

/* ---- gzip (gzip.c) --------------------------------------------------------------------------- */
bool gzip_into (struct evbuffer *out, const char *bytes, size_t length);

/* ---- A request on its way in (request.c) ----------------------------------------------------- */
struct refusal {
  int status;
  const char *detail;
  const char *fields; /* more lines of the header; NULL: none */
  char allow[48];
};

struct field {
  const char *name, *value;
};

struct request {
  http_parser parser;
  const struct mantis_route *route;
  const char *argument, *bearer, *node, *epoch, *revisions;
  const char *cookie;              /* the session's, where it counts */
  const char *origin;              /* of the page that makes it */
  bool at_home;                    /* that is ours, or listed */
  bool listed;                     /* it may read the answer */
  char *spoken;                    /* the bearer, where it was a subprotocol */
  const char *certificate_subject; /* of the connection */
  char *caller; /* address of who called the proxy; NULL: that of the connection counts */
  const char *target;
  struct field *fields; /* MAX_FIELDS; NULL once nobody asks for them any more */
  size_t field_count;
  uint64_t length;   /* of the body as it travels, when not chunked */
  uint64_t received; /* of the body so far, as it travels */
  bool chunked, expects, compressed, takes_gzip, close, complete;
  bool head_only;                       /* HEAD: no body in the answer */
  bool in_body;                         /* fields from now on are trailers */
  const struct mantis_transport *taker; /* of the connection, if the core agrees; NULL: nobody */
  void *taker_self;
  struct mantis_verdict verdict; /* the taker's */
  enum body_status body_status;
  struct chunk_guard chunks;
  struct body body;
  struct evbuffer *packed;       /* the answer's body, compressed; NULL: not yet */
  struct mantis_request message; /* what the core sees */
  char head[];                   /* the header block; texts above point into it */
};

/* Parse the header block BYTES that the guard approved.  True: what follows is its body.  False:
 * REFUSAL. */
bool request_parse (struct request *request, const char *bytes, size_t length,
                    const struct rest *rest, struct refusal *refusal);
/* Hand over bytes of the body.  *USED of them belong to it; request->complete when it is whole. */
bool request_feed (struct request *request, const char *bytes, size_t length, size_t *used,
                   struct refusal *refusal);
/* The core has it, perhaps for long: what nobody looks at any more goes. */
void request_lighten (struct request *request);
void request_free (struct request *request);
/* The value of the one field NAME: NULL when there is none, *TWICE when there are more. */
const char *request_field (const struct request *request, const char *name, bool *twice);

/* ---- Browsers (browser.c) -------------------------------------------------------------------- */

/* May ORIGIN stand in allowed_origins? */
bool browser_may_list (const char *origin);
/* Where does REQUEST come from, and does it bring a cookie?  False: REFUSAL. */
bool browser_read (struct request *request, const struct rest *rest, struct refusal *refusal);
/* Of a request whose route is known: does it come from where it may? */
bool browser_check (const struct request *request, struct refusal *refusal);
/* Of a handshake: the token among its subprotocols. */
bool browser_spoken_token (struct request *request, struct refusal *refusal);
/* Does a browser only ask whether a page may?  Then REFUSAL gets the fields of the answer. */
bool browser_asks_first (const struct request *request, struct refusal *refusal);
/* Fields of an answer: for ORIGIN to read it, and the session's cookie. */
void browser_share (struct mantis_buf *head, const char *origin);
bool browser_cookie (struct mantis_buf *head, const struct mantis_answer *answer);

/* ---- Proxies (forward.c) --------------------------------------------------------------------- */

/* May NETWORK stand in trusted_proxies? */
bool forward_may_trust (const char *network);
/* Who made REQUEST, which came from the address PEER: to be freed; NULL: PEER, as far as can be believed. */
char *forward_caller (const struct request *request, const struct rest *rest, const char *peer);

/* ---- Connections that become another transport's (upgrade.c) --------------------------------- */

/* Is that ROUTE's purpose? */
bool upgrade_is (const struct mantis_route *route);
/* Is it all that a listener does? */
bool upgrade_only (const struct rest *rest);
/* If so: can it? */
enum mantis_status upgrade_check (const struct rest *rest, struct mantis_service *service,
                                  struct mantis_error *error);
/* Find who takes the connection, and whether he wants it: request->taker.  False: REFUSAL. */
bool upgrade_weigh (struct request *request, struct mantis_service *service,
                    struct refusal *refusal);
/* The answer that changes the protocol. */
bool upgrade_write (struct evbuffer *out, const struct request *request);

/* ---- Routes (routes.c) ----------------------------------------------------------------------- */
extern const struct mantis_route rest_routes[];

/* Set request->route and argument from target, method and bearer.  False: REFUSAL, with what is
 * allowed. */
bool route_find (struct request *request, const struct rest *rest, struct refusal *refusal);

/* ---- Values of header fields (headers.c) ----------------------------------------------------- */
bool refuse (struct refusal *refusal, int status, const char *detail);
bool list_has (const char *list, const char *word);
bool media_type_is_taken (const char *value);
bool accepts_gzip (const char *value);
bool is_host (const char *value);
bool is_visible (const char *value);
const char *bearer_of (const char *value);
bool content_length_of (const char *value, uint64_t *length);

/* ---- The answer (response.c) ----------------------------------------------------------------- */
struct manner {
  bool close, head_only, gzip;
  const char *allow, *fields;
  const char *origin;      /* may read it; NULL: none */
  struct evbuffer *packed; /* the body, compressed already: it is moved; NULL: it is not */
};

/* Of a request that takes gzip, on a worker's thread: request->packed. */
void response_prepare (const struct mantis_request *message, const char *body, size_t length);
bool response_write (struct evbuffer *out, const struct mantis_answer *answer,
                     const struct manner *manner);
void response_date (struct mantis_buf *head);
bool response_refuse (struct evbuffer *out, const struct refusal *refusal,
                      const struct manner *manner);

/* ---- Server (server.c, conn.c) --------------------------------------------------------------- */
struct mantis_listener {
  const struct rest *rest;
  struct event_base *base;
  struct mantis_service *service;
  struct evconnlistener *acceptor;
  struct tls *tls;     /* NULL: plain */
  struct event *pause; /* begins to accept again */
  struct conn *conns;
  struct conn *idle, **idle_end; /* of these, those kept for another request, the oldest first */
  size_t count;                  /* of conns */
  size_t references;             /* conns, and the core until close() */
  struct budget budget;
  bool draining, closed;
  char address[INET6_ADDRSTRLEN + 10];
};

enum mantis_status server_listen (void *self, struct event_base *base,
                                  struct mantis_service *service, struct mantis_listener **listener,
                                  struct mantis_error *error);
void server_drain (struct mantis_listener *listener);
void server_close (struct mantis_listener *listener);
const char *server_address (const struct mantis_listener *listener);
enum mantis_status server_reload (struct mantis_listener *listener, struct mantis_error *error);
void server_release (struct mantis_listener *listener);
void address_text (const struct sockaddr *address, char *text, size_t room, bool port);

void conn_open (struct mantis_listener *listener, evutil_socket_t fd,
                const struct sockaddr *address, bool turn_away);
void conn_drain (struct conn *conn);
void conn_abandon (struct conn *conn);
struct conn *conn_next (struct conn *conn);
/* The connection that was kept idle for longest is closed.  False: there is none. */
bool conn_yield (struct mantis_listener *listener);

/* ---- Client (link.c, exchange.c) ------------------------------------------------------------- */
struct mantis_link {
  struct rest *rest;
  struct multi multi;
  struct event *failed;           /* for exchanges that could not even begin */
  struct exchange *first, **last; /* in the order of send() */
  uint64_t next_serial;
  unsigned busy; /* calls of ours on the stack; hang_up() within one of them frees later */
  bool dead;
  bool compress;
  struct reach *reach;
};

struct exchange {
  struct mantis_link *link;
  struct exchange *next, **self; /* in the link's list */
  uint64_t serial;
  CURL *easy; /* NULL: could not begin */
  struct curl_slist *headers;
  struct evbuffer *small; /* the body, compressed */
  struct mantis_buf answer;
  bool has_head; /* of the answer, all of it */
  mantis_answered answered;
  void *context;
  int64_t timeout;
  char detail[CURL_ERROR_SIZE];
  char failure[sizeof ((struct mantis_error *)0)->text];
};

/* Make the request ready for curl.  False: exchange->failure says why not. */
bool exchange_prepare (struct exchange *exchange, const struct mantis_request *request);
/* It has ended with RESULT: fill ANSWER, which borrows from EXCHANGE. */
void exchange_result (struct exchange *exchange, CURLcode result, struct mantis_answer *answer);
void exchange_free (struct exchange *exchange);

enum mantis_status link_dial (void *self, struct event_base *base,
                              const struct mantis_remote *remote, struct mantis_link **link,
                              struct mantis_error *error);
void link_send (struct mantis_link *link, const struct mantis_request *request,
                mantis_answered answered, void *context);
void link_interrupt (struct mantis_link *link);
void link_hang_up (struct mantis_link *link);

#endif
