/* control.h - the Unix socket where mantisctl speaks to a running mantisd.
 *
 * A line is a JSON object, and so is its answer:
 *
 *   {"message": "conflicts", "argument": "state=open"}
 *   {"ok": true, "pid": 4711, "obstacle": "there is no token: ...", "answer": {...},
 *    "unapplied": [{"since": 1700000000000, "what": "FILE: what changed in \"listen\" needs a restart"}]}
 *   {"ok": false, "error": "..."}
 *
 * Messages: status, conflicts ("argument" as in GET /sync/conflicts), decide ("argument": as the body of POST
 * /sync/conflicts/{id}, with "id"), scan ("table", none for all),
 * sync, users ("argument": an order as JSON, see accounts.h). Who may open the socket may do all of it: its mode is 0660.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_CONTROL_H
#define MANTIS_DAEMON_CONTROL_H

#include "daemon/dialer.h"
#include "daemon/service.h"

struct control;
struct mantis;

/* The node's lock is held: a socket that lies at PATH and that nobody answers is one of the past.
 */
enum mantis_status control_new (struct control **control, struct mantis *node, const char *path,
                                struct mantis_error *error);
void control_free (struct control *control); /* NULL is fine */

/* ---- One message (order.c) ------------------------------------------------------------------- */
struct peer;

/* Lives until it is answered, also when its peer has gone. */
struct order {
  struct peer *peer; /* NULL: gone, or it was no peer that asked */
  /* Instead of PEER: who embeds the node has asked.  The order is freed when it returns. */
  void (*answered) (struct order *order);
  void *asker;
  struct mantis *node;
  json_t *json;
  const char *message, *argument, *table; /* in JSON */
  struct mantis_buf answer;
  struct mantis_error error;
  enum mantis_status status;
  bool waiting; /* WAITER is with the dialer */
  struct mantis_request request;
  struct waiter waiter;
  struct question question;
  struct task task;
  struct position position;
};

/* Begin; peer_answer() is called when it is done, perhaps at once. */
void order_begin (struct order *order);
/* Its peer has gone: nobody waits for the answer. */
void order_abandon (struct order *order);
void order_free (struct order *order);

/* Parts of it that mantisctl does by itself where no daemon runs.  A server's scan: every client
 * compares TABLE (NULL: all) with it. */
enum mantis_status order_scan (struct store *store, const char *table, struct mantis_error *error);
enum mantis_status order_conflicts (struct store *store, const char *argument,
                                    struct mantis_buf *buf, struct mantis_error *error);

#define ORDER_CLIENT_DECIDES "this node is a client: conflicts are decided on its server"

/* "nodes", "disable" or "enable", of a server: the nodes called NAME (NULL: all) as they are then. */
bool order_is_nodes (const char *message);
enum mantis_status order_nodes (struct server *server, struct store *store, const char *message,
                                const char *name, struct mantis_buf *buf,
                                struct mantis_error *error);

/* look.c, of a server; in STORE's transaction, or it begins one.  "replay": a page of conflicts as in conflicts_list(),
 * beside the node's id and its tables.  "explain", a JSON object: {"conflict": ID}, one of them with who its nodes are and
 * what its row is now; or {"principal", "table"} with "claims", "node" (or "token" in their place), and "after" and "keys"
 * or "key": whether that subject is turned away, its nodes, and what it sees (see seen.h). */
bool order_is_look (const char *message);
enum mantis_status order_look (const struct mantis *node, struct store *store, const char *message,
                               const char *argument, struct mantis_buf *buf,
                               struct mantis_error *error);

/* ERROR of ORDER unless its status is MANTIS_OK; else its answer, a JSON value.  Frees ORDER. */
void peer_answer (struct order *order);

#endif
