/* order.c - what mantisctl asks of a running mantisd.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "daemon/node.h"

#include "base/base.h"
#include "daemon/accounts.h"
#include "sync/capture.h"
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

void
order_free (struct order *order)
{
  mantis_buf_free (&order->answer);
  json_decref (order->json);
  free (order);
}

void
order_abandon (struct order *order)
{
  order->peer = NULL;
  order->answered = NULL;
  if (!order->waiting)
    return; /* whoever works on it brings it back */
  dialer_forget (order->node->dialer, &order->waiter);
  order_free (order);
}

static void
refuse (struct order *order, enum mantis_status status, const char *text)
{
  order->status = mantis_fail (&order->error, status, "%s", text);
  peer_answer (order);
}

/* ---- Of a server ------------------------------------------------------------------------------
 */

static void
on_reply (void *context, const struct mantis_answer *answer)
{
  struct order *order = context;

  if (answer->status == 200)
    mantis_buf_add (&order->answer, answer->body, answer->length);
  else {
    enum mantis_status ignored = MANTIS_OK;
    struct mantis_error error;
    CLEANUP_JSON json_t *problem = json_read (answer->body, answer->length, &error);
    const char *detail = json_get_text (problem, "detail", "it was refused", &ignored, &error);
    order->status = mantis_fail (&order->error, MANTIS_FAILED, "%s", detail);
  }
  peer_answer (order);
}

static void
ask_server (struct order *order)
{
  order->request = (struct mantis_request){.size = sizeof order->request,
                                           .message = order->message,
                                           .argument = order->argument,
                                           .body = ""};
  if (strcmp (order->message, "decide") == 0) { /* the same message as over the network */
    order->request.message = "conflicts";
    order->request.argument = NULL;
    order->request.body = order->argument ? order->argument : "{}";
    order->request.length = strlen (order->request.body);
  }
  service_submit_local (order->node->service, &order->request, on_reply, order);
}

enum mantis_status
order_scan (struct store *store, const char *table, struct mantis_error *error)
{
  enum mantis_status status = store_begin (store, MANTIS_WRITE, error);

  if (status == MANTIS_OK && table && !store_table (store, table))
    status = mantis_fail (error, MANTIS_ABSENT, "there is no table \"%s\"", table);
  if (status == MANTIS_OK)
    status = capture_new_generation (store, table, error);
  if (status == MANTIS_OK)
    status = store_commit (store, error);
  store_rollback (store);
  return status;
}

static void
server_scan (struct task *task, size_t worker)
{
  struct order *order = (struct order *)((char *)task - offsetof (struct order, task));
  struct store *store;
  enum mantis_status status =
      stores_get (&order->node->stores, worker, &store, NULL, &order->error);

  if (status == MANTIS_OK)
    status = order_scan (store, order->table, &order->error);
  if (status == MANTIS_OK)
    status = position_read (store, &order->position, &order->error);
  order->status = status;
  mantis_buf_text (&order->answer, "{}");
}

static void
server_scan_done (struct call *call)
{
  struct task *task = (struct task *)call;
  struct order *order = (struct order *)((char *)task - offsetof (struct order, task));

  if (order->status == MANTIS_OK) {
    stores_renew (&order->node->stores); /* what they remember of generations is old now */
    service_news (order->node->service, &order->position, false);
  }
  peer_answer (order);
}

/* ---- The nodes of a server -------------------------------------------------------------------- */

bool
order_is_nodes (const char *message)
{
  return strcmp (message, "nodes") == 0 || strcmp (message, "disable") == 0 ||
         strcmp (message, "enable") == 0;
}

enum mantis_status
order_nodes (struct server *server, struct store *store, const char *message, const char *name,
             struct mantis_buf *buf, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  if (strcmp (message, "nodes") != 0)
    status = nodes_order (server, store, name ? name : "", strcmp (message, "disable") == 0, error);
  return status == MANTIS_OK ? nodes_list (server, store, name, buf, error) : status;
}

static void
server_nodes (struct task *task, size_t worker)
{
  struct order *order = (struct order *)((char *)task - offsetof (struct order, task));
  struct mantis *node = order->node;
  struct store *store;

  order->status = stores_get (&node->stores, worker, &store, NULL, &order->error);
  if (order->status == MANTIS_OK)
    order->status = order_nodes (&node->server, store, order->message, order->argument,
                                 &order->answer, &order->error);
}

static void
server_nodes_done (struct call *call)
{
  struct task *task = (struct task *)call;
  struct order *order = (struct order *)((char *)task - offsetof (struct order, task));

  if (order->status == MANTIS_OK && strcmp (order->message, "nodes") != 0) {
    mantis_log (MANTIS_INFO, "%sd by mantisctl: %s", order->message, order->argument);
    service_recheck (order->node->service);
  }
  peer_answer (order);
}

static void
server_look (struct task *task, size_t worker)
{
  struct order *order = (struct order *)((char *)task - offsetof (struct order, task));
  struct store *store;

  order->status = stores_get (&order->node->stores, worker, &store, NULL, &order->error);
  if (order->status != MANTIS_OK)
    return;
  order->status = order_look (order->node, store, order->message, order->argument, &order->answer,
                              &order->error);
  store_rollback (store);
}

static void
server_looked (struct call *call)
{
  struct task *task = (struct task *)call;

  peer_answer ((struct order *)((char *)task - offsetof (struct order, task)));
}

static void
give_to_worker (struct order *order, void (*work) (struct task *task, size_t worker),
                void (*done) (struct call *call))
{
  /* Not for the writer alone: pushes may wait there. */
  order->task = (struct task){.work = work, .done.run = done};
  if (!pool_submit (order->node->pool, &order->task))
    refuse (order, MANTIS_BUSY, "the server is busy: try again later");
}

/* ---- The users of a server ------------------------------------------------------------------------ */

/* On a worker for logins, as a password is as slow to set as to look at. */
static void
server_users (struct task *task, size_t worker)
{
  struct order *order = (struct order *)((char *)task - offsetof (struct order, task));
  struct mantis *node = order->node;
  struct store *store;
  enum mantis_status status = stores_get (&node->stores, (size_t)node->config->workers + worker,
                                          &store, NULL, &order->error);

  if (status == MANTIS_OK)
    status = accounts_order (node->auth, store, order->argument, &order->answer, &order->error);
  order->status = status;
}

static void
server_users_done (struct call *call)
{
  struct task *task = (struct task *)call;
  struct order *order = (struct order *)((char *)task - offsetof (struct order, task));

  if (order->status == MANTIS_OK)
    service_recheck (order->node->service);
  peer_answer (order);
}

static void
begin_users (struct order *order)
{
  order->task = (struct task){.work = server_users, .done.run = server_users_done};
  if (!order->node->logins)
    refuse (order, MANTIS_INVALID, "this server keeps no users: add \"session\" to \"auth\"");
  else if (!pool_submit (order->node->logins, &order->task))
    refuse (order, MANTIS_BUSY, "the server is busy: try again later");
}

static void
begin_at_server (struct order *order)
{
  if (strcmp (order->message, "status") == 0 || strcmp (order->message, "conflicts") == 0 ||
      strcmp (order->message, "decide") == 0)
    ask_server (order);
  else if (strcmp (order->message, "scan") == 0)
    give_to_worker (order, server_scan, server_scan_done);
  else if (order_is_nodes (order->message))
    give_to_worker (order, server_nodes, server_nodes_done);
  else if (order_is_look (order->message))
    give_to_worker (order, server_look, server_looked);
  else if (strcmp (order->message, "sync") == 0)
    refuse (order, MANTIS_INVALID, "this node is the server: its clients begin an exchange");
  else if (strcmp (order->message, "users") == 0)
    begin_users (order);
  else
    refuse (order, MANTIS_INVALID, "this mantisd knows no such message");
}

/* ---- Of a client ------------------------------------------------------------------------------
 */

enum mantis_status
order_conflicts (struct store *store, const char *argument, struct mantis_buf *buf,
                 struct mantis_error *error)
{
  enum mantis_status status = store_begin (store, MANTIS_READ, error);

  if (status == MANTIS_OK)
    status = conflicts_list (store, argument, buf, error);
  store_rollback (store);
  return status;
}

static void
client_ask (struct question *question, struct client *client, struct store *store,
            struct mantis_error *error)
{
  struct order *order = (struct order *)((char *)question - offsetof (struct order, question));

  if (!client) {
    order->error = *error;
    order->status = error->status;
  } else if (strcmp (order->message, "status") == 0)
    order->status = client_status (client, &order->answer, &order->error);
  else if (strcmp (order->message, "conflicts") == 0)
    order->status = order_conflicts (store, order->argument, &order->answer, &order->error);
  else {
    order->status = client_scan (client, order->table, &order->error);
    mantis_buf_text (&order->answer, "{}");
  }
}

static void
client_asked (struct call *call)
{
  struct question *question = (struct question *)call;
  struct order *order = (struct order *)((char *)question - offsetof (struct order, question));

  if (order->status == MANTIS_OK && strcmp (order->message, "scan") == 0)
    dialer_hurry (question->dialer);
  peer_answer (order);
}

static void
on_synced (struct waiter *waiter, const char *why)
{
  struct order *order = (struct order *)((char *)waiter - offsetof (struct order, waiter));

  order->waiting = false;
  mantis_buf_text (&order->answer, "{}");
  if (why)
    order->status = mantis_fail (&order->error, MANTIS_FAILED, "%s", why);
  peer_answer (order);
}

static void
begin_at_client (struct order *order)
{
  struct dialer *dialer = order->node->dialer;

  if (strcmp (order->message, "sync") == 0) {
    order->waiting = true;
    order->waiter.done = on_synced;
    dialer_wait (dialer, &order->waiter);
  } else if (strcmp (order->message, "status") == 0 || strcmp (order->message, "conflicts") == 0 ||
             strcmp (order->message, "scan") == 0) {
    order->question = (struct question){.task.done.run = client_asked, .ask = client_ask};
    if (!dialer_ask (dialer, &order->question))
      refuse (order, MANTIS_BUSY, "mantisd is busy: try again later");
  } else if (order_is_nodes (order->message))
    refuse (order, MANTIS_INVALID, "this node is a client: its server knows the nodes");
  else if (strcmp (order->message, "decide") == 0)
    refuse (order, MANTIS_INVALID, ORDER_CLIENT_DECIDES);
  else if (order_is_look (order->message))
    refuse (order, MANTIS_INVALID, "this node is a client: its server decides about conflicts");
  else
    refuse (order, MANTIS_INVALID, "this mantisd knows no such message");
}

void
order_begin (struct order *order)
{
  if (order->node->config->role == MANTIS_SERVER)
    begin_at_server (order);
  else
    begin_at_client (order);
}
