/* mantis/transport.h - carry messages, as a server and as a client.
 *
 * A message has a name ("push"), a few facts about its sender, and a body of JSON.  What a message means
 * is the core's; how it crosses is the transport's: routes, frames, headers, compression, limits on size,
 * time and connections.
 *
 * All callbacks but prepare() run on the event loop's thread, where SIGPIPE is ignored or blocked, and never
 * wait.  A transport calls the functions below on that thread only.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_TRANSPORT_H
#define MANTIS_TRANSPORT_H

#include <mantis/auth.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MANTIS_TRANSPORT_ABI 1u

struct event_base;  /* libevent's, opaque here */
struct bufferevent; /* the same */

/* ---- A message, and its answer ------------------------------------------------------------------ */
struct mantis_request {
  size_t size;
  const char *message;   /* hello push pull schema status conflicts healthz readyz metrics */
  const char *argument;  /* what the address named besides, e.g. a conflict's id; NULL for none */
  const char *node;      /* id of the sender, NULL when it has none (curl) */
  /* For people who read the traffic; a transport may leave out both. */
  const char *epoch;     /* of the history that the sender knows, NULL when none */
  const char *revisions; /* "todos=41, notes=7": the table revisions of the sender; may be NULL */
  struct mantis_credentials credentials;
  const char *body; /* LENGTH bytes as received, decompressed; "" for none */
  size_t length;
  const char *token; /* client side: the bearer token to send; NULL for none */
  int64_t timeout;   /* client side: milliseconds until an answer is given up */
  /* Server side, NULL allowed: called once at most, before ANSWERED, on another thread than the loop's, with
   * the answer's body: for what takes long, compression above all.  What it makes is kept with REQUEST, of
   * which nothing else is touched; it counts if the answer says `prepared'. */
  void (*prepare) (const struct mantis_request *request, const char *body, size_t length);
};

struct mantis_answer {
  size_t size;
  int status;       /* of RFC 9110: 200, 400, 401, 409, 503 ... ; 0 on the client side: none came */
  const char *type; /* media type of the body */
  const char *body; /* JSON, or problem+json (RFC 9457) where status is 400 or more */
  size_t length;
  int64_t retry_after; /* seconds, 0 for none */
  const char *error;   /* client side, status 0: what happened, for the log */
  int64_t expires;     /* server side: when the sender's credentials end, milliseconds since 1970; 0: never */
  bool elsewhere;      /* server side: only this server cannot do it; a new connection may find another one */
  bool hang_up;        /* server side: the sender is turned away, and its connection ends with this answer */
  const char *cookie;  /* server side: what the session's cookie is from now on, "": it goes; NULL: as it was */
  int64_t cookie_lifetime; /* seconds */
  bool unfit; /* client side, status 0: this transport does not get through, another one may */
  bool prepared; /* server side: the request's prepare() was called with this body */
};

/* Called exactly once for each request, on the loop's thread.  ANSWER and what it points to are borrowed
 * until the call returns. */
typedef void (*mantis_answered) (void *context, const struct mantis_answer *answer);

/* ---- What the core lends to a listening transport ----------------------------------------------- */
struct mantis_service; /* the core's dispatch */

/* Hand over a request that has arrived.  REQUEST and all it points to stay untouched and alive until
 * ANSWERED is called.  Returns a ticket for mantis_service_cancel(), never 0.  ANSWERED may be called
 * before this returns. */
MANTIS_PUBLIC uint64_t mantis_service_submit (struct mantis_service *service,
                                              const struct mantis_request *request,
                                              mantis_answered answered, void *context);

/* The peer has gone.  The answer comes as soon as it can; ANSWERED is still called once. */
MANTIS_PUBLIC void mantis_service_cancel (struct mantis_service *service, uint64_t ticket);

/* ---- Connections that stay -----------------------------------------------------------------------
 *
 * Each message is looked at by itself, but a connection that carries many of them may be silent for hours.
 * A transport tells the core of it, so that it ends as soon as its node, its user or its key is taken back. */
struct mantis_attendance {
  size_t size;
  const struct mantis_credentials *credentials; /* untouched and alive until depart(), as is NODE */
  const char *node;
  /* Once at most, on the loop's thread, but not from within attend(): the connection has to end.  STATUS is
   * 403 where its node or user is disabled, 401 where its credentials are good no more; WHY is for its peer.
   * depart() may be called from within. */
  void (*ended) (void *context, int status, const char *why);
  void *context;
};

/* Returns a ticket for mantis_service_depart(); 0: no memory. */
MANTIS_PUBLIC uint64_t mantis_service_attend (struct mantis_service *service,
                                              const struct mantis_attendance *attendance);
/* The connection has ended, or ends.  A TICKET of 0 is fine. */
MANTIS_PUBLIC void mantis_service_depart (struct mantis_service *service, uint64_t ticket);

/* ---- Connections that change their protocol ------------------------------------------------------
 *
 * A listener of one transport hands a connection over to another one, whose protocol begins with the
 * first one's (RFC 9110, 7.8).  The listener reads the request and answers it; the other one weighs it
 * before, and takes the connection afterwards.  In between the core has answered the message "connect".
 */
struct mantis_offer { /* the request, as the listener read it */
  size_t size;
  const void *context;
  /* The value of the field NAME, which stands there once; NULL: not at all.  *TWICE: more than once. */
  const char *(*field) (const void *context, const char *name, bool *twice);
};

struct mantis_verdict {
  size_t size;
  int status;         /* 101: welcome; else of a refusal */
  const char *detail; /* of a refusal, constant */
  char fields[256];   /* lines for the answer, each with CRLF; "" for none */
  uint64_t memo;      /* the taker's own: it comes back to adopt() */
};

struct mantis_guest; /* a connection that was taken over */

struct mantis_handover {
  size_t size;
  struct event_base *base;
  struct mantis_service *service;
  struct bufferevent *connection; /* the guest's until left(); bytes may lie there unread */
  const struct mantis_credentials *credentials; /* borrowed until the call returns, as is NODE */
  const char *node;
  int64_t expires; /* as in struct mantis_answer */
  /* Once, but not from within adopt(): the guest has done.  CONNECTION goes back, for what is written
   * there to be sent and the end to be told; NULL: the peer has gone, and it is freed. */
  void (*left) (void *context, struct bufferevent *connection);
  void *context;
  uint64_t memo; /* of the verdict */
  int64_t limit; /* bytes of a message, at most; 0: the listener has none */
  bool plain;    /* what is written to CONNECTION goes to its socket as it is: there is no TLS */
};

/* ---- What the core tells a dialling transport --------------------------------------------------- */
struct mantis_remote {
  size_t size;
  const char *url;     /* http:// or https://, no trailing slash */
  const char *ca_file; /* NULL: the system's */
  const char *proxy;   /* NULL: none */
  const char *const *pins; /* SHA-256 of public keys in base64, ends with NULL; NULL: any key */
  const char *client_certificate_file; /* shown to the server; NULL: none */
  const char *client_key_file;         /* NULL: it is in client_certificate_file */
};

struct mantis_listener; /* a transport's, one for each entry of "listen" */
struct mantis_link;     /* a transport's, one for each remote */

/* A route, for transports that have them: shown by --dump-plugin and walked by the tests. */
struct mantis_route {
  const char *method;
  const char *path; /* "{id}" stands for the argument */
  const char *message;
  bool open; /* answers without credentials */
};

struct mantis_transport {
  size_t size;

  /* Listen as the options say.  On success *LISTENER is set. */
  enum mantis_status (*listen) (void *self, struct event_base *base, struct mantis_service *service,
                                struct mantis_listener **listener, struct mantis_error *error);
  /* Accept no more; let requests in hand finish. */
  void (*drain) (struct mantis_listener *listener);
  /* Close everything.  Outstanding requests are cancelled; their answers are dropped. */
  void (*close) (struct mantis_listener *listener);
  /* The address that is listened on, e.g. "127.0.0.1:8080" (a port of 0 is shown as the one given). */
  const char *(*address) (const struct mantis_listener *listener);

  /* Prepare to talk to REMOTE; makes no connection yet. */
  enum mantis_status (*dial) (void *self, struct event_base *base,
                              const struct mantis_remote *remote, struct mantis_link **link,
                              struct mantis_error *error);
  /* Send REQUEST (borrowed until the call returns; its body until ANSWERED).  Several may be under way. */
  void (*send) (struct mantis_link *link, const struct mantis_request *request,
                mantis_answered answered, void *context);
  /* Give up all that is under way: ANSWERED is called with status 0 for each, before this returns. */
  void (*interrupt) (struct mantis_link *link);
  void (*hang_up) (struct mantis_link *link); /* interrupt(), then free */

  const struct mantis_route *routes; /* ends with a NULL method; NULL: none */

  /* Bytes of an answer that a link takes, at most.  NULL: it does not say. */
  size_t (*takes) (void *self);

  /* Read certificates and keys again (SIGHUP); connections that are there go on.  On failure the old
   * ones stay.  NULL: nothing to read. */
  enum mantis_status (*reload) (struct mantis_listener *listener, struct mantis_error *error);

  /* For a transport that takes connections over, all three.  May this one be? */
  void (*weigh) (void *self, const struct mantis_offer *offer, struct mantis_verdict *verdict);
  /* Take it over.  NULL: no memory; the connection is still the listener's. */
  struct mantis_guest *(*adopt) (void *self, const struct mantis_handover *handover);
  /* The listener drains: finish what is in hand, then take leave.  NOW: it closes; free the connection
   * and call left() before this returns.  What the core was given it may answer later. */
  void (*dismiss) (struct mantis_guest *guest, bool now);
};

/* For a listener: the transport PROTOCOL ("websocket") among those that are open and take connections
 * over, and *SELF for its callbacks.  NULL: there is none. */
MANTIS_PUBLIC const struct mantis_transport *
mantis_service_taker (struct mantis_service *service, const char *protocol, void **self);

#define MANTIS_TRANSPORT_PLUGIN(name, ops, ...)                                                    \
  MANTIS_PLUGIN (name, MANTIS_KIND_TRANSPORT, MANTIS_TRANSPORT_ABI, ops, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
