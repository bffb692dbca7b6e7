/* mantis/transport.h - carry messages, as a server and as a client.
 *
 * A message has a name ("push"), a few facts about its sender, and a body of JSON.  What a message means
 * is the core's; how it crosses is the transport's: routes, frames, headers, compression, limits on size,
 * time and connections.
 *
 * All callbacks run on the event loop's thread and never wait.  A transport calls the functions below on
 * that thread only.
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

struct event_base; /* libevent's, opaque here */

/* ---- A message, and its answer ------------------------------------------------------------------ */
struct mantis_request {
  size_t size;
  const char *message;   /* hello push pull schema status conflicts healthz readyz metrics */
  const char *argument;  /* what the address named besides, e.g. a conflict's id; NULL for none */
  const char *node;      /* id of the sender, NULL when it has none (curl) */
  const char *epoch;     /* of the history that the sender knows, NULL when none */
  const char *revisions; /* "todos=41, notes=7": the table revisions of the sender; may be NULL */
  struct mantis_credentials credentials;
  const char *body; /* LENGTH bytes as received, decompressed; "" for none */
  size_t length;
  const char *token; /* client side: the bearer token to send; NULL for none */
  int64_t timeout;   /* client side: milliseconds until an answer is given up */
};

struct mantis_answer {
  size_t size;
  int status;            /* of RFC 9110: 200, 400, 401, 409, 503 ... ; 0 on the client side: none came */
  const char *type;      /* media type of the body */
  const char *body;      /* JSON, or problem+json (RFC 9457) where status is 400 or more */
  size_t length;
  int64_t retry_after;   /* seconds, 0 for none */
  const char *error;     /* client side, status 0: what happened, for the log */
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

/* ---- What the core tells a dialling transport --------------------------------------------------- */
struct mantis_remote {
  size_t size;
  const char *url;     /* http:// or https://, no trailing slash */
  const char *ca_file; /* NULL: the system's */
  const char *proxy;   /* NULL: none */
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
};

#define MANTIS_TRANSPORT_PLUGIN(name, ops, ...)                                                    \
  MANTIS_PLUGIN (name, MANTIS_KIND_TRANSPORT, MANTIS_TRANSPORT_ABI, ops, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
