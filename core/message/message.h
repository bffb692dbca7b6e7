/* message.h - what a server does with each message.
 *
 * Synchronous, on one store and one thread: the daemon calls it on its workers, the simulation and the
 * tests directly.  Knows nothing of transports.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_MESSAGE_H
#define MANTIS_MESSAGE_H

#include "message/access.h"
#include "sync/feed.h"
#include "sync/push.h"

#include <jansson.h>
#include <mantis/transport.h>
#include <pthread.h>
#include <stdatomic.h>

/* Sizes and times that a server keeps to, and tells its clients. */
struct limits {
  size_t page_rows; /* of a pull, at most */
  size_t page_bytes;
  size_t body_bytes; /* of a message when unpacked: the arena of one message */
  int64_t wait;      /* longest long poll, milliseconds */
};

struct counters { /* for metrics; since the start */
  atomic_llong requests, refused, pushes, pulls, conflicts, outcomes[OUTCOME_COUNT], rows_out;
};

/* The cursor and the time of each node's last pull; all zeros: none yet.  On any thread. */
struct heard {
  pthread_mutex_t lock;
  struct heard_node {
    uint64_t node; /* hash of its id, 0: an empty place */
    int64_t rev, at;
  } places[2048];
};
void heard_note (struct heard *heard, const char *node, int64_t rev);
bool heard_find (struct heard *heard, const char *node, int64_t *rev, int64_t *at);

/* Who lets users in and out, as in struct mantis_auth; NULL: nobody does. */
struct accounts {
  void *context;
  enum mantis_status (*login) (void *context, struct store *store, const struct mantis_login *login,
                               struct mantis_arena *arena, struct mantis_welcome *welcome,
                               struct mantis_error *error);
  enum mantis_status (*logout) (void *context, struct store *store,
                                const struct mantis_credentials *credentials,
                                struct mantis_error *error);
};

struct server {
  policy_lookup policy;
  void *policy_context;
  bool create_tables; /* make a table that a client offers */
  struct limits limits;
  int64_t started;   /* milliseconds since 1970 */
  int64_t retention; /* milliseconds; see sync/prune.h */
  struct accounts accounts;
  _Atomic uint64_t
      policies; /* another number when who decides has changed: clients say hello then */
  struct counters counters;
  struct heard heard;
  atomic_size_t crowd; /* requests that were under way at once lately, those that wait among them */
  struct access access;
  struct questions questions; /* to resolvers that wait */
};

struct reply {
  int status;       /* as in struct mantis_answer */
  const char *type; /* media type */
  struct mantis_buf body;
  int64_t retry_after; /* seconds */
  bool elsewhere;      /* as in struct mantis_answer */
  int64_t wait; /* > 0: nothing to tell yet; ask again at a commit or after so many milliseconds */
  uint64_t
      asks; /* nothing is made yet: ask again when this question to a resolver has an answer, or ... */
  int64_t asks_until;       /* ... at this mantis_monotonic(); see sync/questions.h */
  bool committed;           /* something that others may be waiting for */
  bool again;               /* those answered beside it took the room: ask at once, once more */
  bool ended;               /* the sender's credentials are good no more */
  bool has_cookie;          /* the session's cookie is COOKIE from now on; empty: it goes */
  struct mantis_buf cookie; /* to be freed as the body is */
  int64_t cookie_lifetime;  /* seconds */
  /* Of one that waits, and is handed in again with it: up to here there was nothing for it.  No rev: nobody looked. */
  struct cursor looked;
  int64_t since; /* likewise: the rev that it asked from; 0: it may not be passed over */
  bool at_once;  /* likewise: its answer is wanted now, though it be that there is nothing */
};

/* What of REPLY goes with one that is handed in again.  Its body is dropped without being freed. */
struct reply reply_anew (const struct reply *reply);

/* One of several that are answered together. */
struct fellow {
  const struct mantis_request *request;
  const struct mantis_principal *principal;
  struct reply *reply;
};

typedef void (*message_handler) (struct server *server, struct store *store,
                                 const struct mantis_request *request,
                                 const struct mantis_principal *principal, struct reply *reply);

struct message {
  const char *name;
  message_handler handle;
  /* The same for all FELLOWS.  Who reads asks the same as the others, or waits for the same: see message_joins(); of
   * who writes each has its own.  NULL: one at a time. */
  void (*handle_all) (struct server *server, struct store *store, struct fellow *fellows,
                      size_t count);
  bool open;   /* answers without credentials */
  bool writes; /* to the database, as a rule */
  bool slow;   /* takes long and much memory: few at once, on workers of their own */
  bool bare;   /* answers at once, without a database: STORE may be NULL */
  bool
      prompt; /* is answered in time though the database hangs; nothing but its name is looked at */
  /* The answer to somebody on this machine while there is no session with the database; NULL: an error. */
  void (*without) (struct server *server, const struct mantis_storage *ops, void *self,
                   const struct mantis_error *why, struct reply *reply);
};

/* Ends with a NULL name. */
extern const struct message messages[];
const struct message *message_named (const char *name);

/* Fill REPLY, whatever happens.  PRINCIPAL is NULL for open messages only.  The caller frees reply->body. */
void message_handle (struct server *server, struct store *store,
                     const struct mantis_request *request, const struct mantis_principal *principal,
                     struct reply *reply);

/* Do these ask the same, both of a message that has handle_all()? */
bool message_same (const struct mantis_request *a, const struct mantis_request *b);
/* May those of A and B be handled together, of a message that reads?  Both have waited, or neither. */
bool message_joins (const struct mantis_request *a, const struct reply *of_a,
                    const struct mantis_request *b, const struct reply *of_b);
/* As message_handle(), for all of them; of each of which it may say "again", but of the first. */
void message_handle_all (struct server *server, struct store *store, struct fellow *fellows,
                         size_t count);

/* ask.c: may it be handled?  If not, its reply says why.  Those that may come first, and so many they are. */
bool message_ask (struct store *store, const struct fellow *fellow);
size_t messages_ask (struct store *store, struct fellow *fellows, size_t count);
/* It was: tell the hooks. */
void message_tell (struct store *store, const struct fellow *fellow);

/* ---- For the handlers ------------------------------------------------------------------------ */

/* RFC 9457 problem+json.  CODE, a word for programs, may be NULL. */
void reply_problem (struct reply *reply, int status, const char *code, const char *detail);
/* The problem that fits ERROR. */
void reply_error (struct reply *reply, const struct mantis_error *error);
/* What is in reply->body is the answer. */
void reply_done (struct reply *reply);

/* The sender: its node, or for one without (curl) a name made from the subject.  MANTIS_DENIED where the
 * node belongs to another principal, MANTIS_INVALID where it is no node id. */
struct sender {
  char node[NODE_LENGTH + 1];
  bool anonymous;
  bool known;         /* there is a row of __sync_nodes */
  int64_t number;     /* of its last batch */
  int64_t generation; /* that it was told of */
  char nonce[64];
  const char *answer; /* to that batch, in the arena */
};
/* Only its name. */
enum mantis_status sender_name (const struct mantis_request *request,
                                const struct mantis_principal *principal, struct sender *sender,
                                struct mantis_error *error);
enum mantis_status sender_find (struct store *store, const struct mantis_request *request,
                                const struct mantis_principal *principal,
                                struct mantis_arena *arena, struct sender *sender,
                                struct mantis_error *error);
/* The same for many; their last answers are left out.  Whom it does not let in has the reply that says why. */
enum mantis_status senders_find (struct store *store, struct fellow *fellows, size_t count,
                                 struct mantis_arena *arena, struct sender *senders,
                                 struct mantis_error *error);
/* Write the sender's row: its last batch, ANSWER and cursor (0: that of its last pull), in a write
 * transaction. */
enum mantis_status sender_save (struct server *server, struct store *store,
                                const struct sender *sender,
                                const struct mantis_principal *principal, int64_t rev,
                                struct mantis_error *error);

/* nodes.c: ROW of __sync_nodes as an object; behind HEAD, and before FLOOR it is too old to go on. */
void node_add (struct server *server, mantis_row row, int64_t head, int64_t floor,
               struct mantis_buf *buf);
/* All nodes that have called and all names that are turned away, or those that are called ONLY. */
enum mantis_status nodes_list (struct server *server, struct store *store, const char *only,
                               struct mantis_buf *buf, struct mantis_error *error);
/* Turn NAME away, or no more; as far as SERVER alone is concerned it is known when this returns. */
enum mantis_status nodes_order (struct server *server, struct store *store, const char *name,
                                bool disabled, struct mantis_error *error);

/* Tables that blocks may speak of. */
const struct mantis_table *find_synced (void *store, const char *name, bool *ignore);

void handle_connect (struct server *, struct store *, const struct mantis_request *,
                     const struct mantis_principal *, struct reply *);
void handle_login (struct server *, struct store *, const struct mantis_request *,
                   const struct mantis_principal *, struct reply *);
void handle_logout (struct server *, struct store *, const struct mantis_request *,
                    const struct mantis_principal *, struct reply *);
void handle_hello (struct server *, struct store *, const struct mantis_request *,
                   const struct mantis_principal *, struct reply *);
void handle_push (struct server *, struct store *, const struct mantis_request *,
                  const struct mantis_principal *, struct reply *);
void handle_pushes (struct server *, struct store *, struct fellow *fellows, size_t count);
void handle_pull (struct server *, struct store *, const struct mantis_request *,
                  const struct mantis_principal *, struct reply *);
void handle_pulls (struct server *, struct store *, struct fellow *fellows, size_t count);
/* passing.c: of FELLOWS those who have waited, and for whom there is nothing in what came, go on waiting.  How many are
 * left: the first ones then. */
size_t pulls_pass_over (struct server *, struct store *, struct fellow *fellows, size_t count);
/* Revisions without news after which one that waits is told how far it is, or they would be read again each time. */
enum { OWN_CHANGES = 500 };
void handle_schema (struct server *, struct store *, const struct mantis_request *,
                    const struct mantis_principal *, struct reply *);
void handle_status (struct server *, struct store *, const struct mantis_request *,
                    const struct mantis_principal *, struct reply *);
void status_without (struct server *, const struct mantis_storage *, void *self,
                     const struct mantis_error *why, struct reply *);
void handle_conflicts (struct server *, struct store *, const struct mantis_request *,
                       const struct mantis_principal *, struct reply *);
/* decide.c: the same message with a body that chooses; on a server.  ID: of the conflict, 0: the body names it. */
void conflicts_decide (struct server *server, struct store *store,
                       const struct mantis_request *request,
                       const struct mantis_principal *principal, struct reply *reply);
void handle_metrics (struct server *, struct store *, const struct mantis_request *,
                     const struct mantis_principal *, struct reply *);
/* For metrics: MESSAGE was answered STATUS, just now.  One that waits is not answered yet. */
void count_answer (struct server *server, const char *message, int status);
void handle_healthz (struct server *, struct store *, const struct mantis_request *,
                     const struct mantis_principal *, struct reply *);
void handle_readyz (struct server *, struct store *, const struct mantis_request *,
                    const struct mantis_principal *, struct reply *);

/* conflicts.c: a page of __sync_conflicts, for both roles.  ARGUMENT as in a request: NULL, an id, or
 * "after=ID&limit=N&table=NAME&state=open". */
enum mantis_status conflicts_list (struct store *store, const char *argument,
                                   struct mantis_buf *buf, struct mantis_error *error);
/* discreet.c: who asks about conflicts, in a transaction; a node counts as its sender's alone.  SENDER is borrowed by
 * VIEWER. */
enum mantis_status conflict_viewer (struct lending *lending, const struct mantis_request *request,
                                    const struct mantis_principal *principal,
                                    struct sender *sender, struct viewer *viewer,
                                    struct mantis_error *error);
/* RECORD of __sync_conflicts as VIEWER may see it; NULL: not at all. */
enum mantis_status conflict_show (const struct viewer *viewer, mantis_row record,
                                  struct mantis_arena *arena, mantis_row *shown,
                                  struct mantis_error *error);

#endif
