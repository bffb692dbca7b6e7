/* alone.c - what mantisctl does by itself where no mantisd runs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ctl/ctl.h"

#include "daemon/accounts.h"

#include <string.h>

/* As the message of that NAME from a device does, but for somebody on this machine. */
static enum mantis_status
server_message (struct mantis *node, struct store *store, const char *name, const char *body,
                struct mantis_buf *buf, struct mantis_error *error)
{
  const struct mantis_request request = {
      .size = sizeof request, .message = name, .body = body, .length = strlen (body)};
  const struct mantis_principal principal = {
      .size = sizeof principal, .subject = "mantisctl", .claims = "{}", .local = true};
  struct reply reply = {.body = MANTIS_BUF_INIT};
  enum mantis_status status = MANTIS_OK;

  message_handle (&node->server, store, &request, &principal, &reply);
  if (reply.status == 200)
    mantis_buf_add (buf, reply.body.bytes, reply.body.length);
  else {
    struct mantis_error ignored;
    CLEANUP_JSON json_t *problem = json_read (reply.body.bytes, reply.body.length, &ignored);
    const char *why = json_string_value (json_object_get (problem, "detail"));
    status = mantis_fail (error, MANTIS_FAILED, "%s", why ? why : "it was refused");
  }
  mantis_buf_free (&reply.body);
  return status;
}

/* STATUS or SCAN of a client that talks to nobody. */
static enum mantis_status
as_client (struct mantis *node, struct store *store, bool scan, const char *table,
           struct mantis_buf *buf, struct mantis_error *error)
{
  const struct client_settings settings = follow_settings (node).client;
  struct client *client;
  enum mantis_status status = client_new (&settings, store, &client, error);

  if (status != MANTIS_OK)
    return status;
  if (scan) {
    status = client_scan (client, table, error);
    mantis_buf_text (buf, "{}");
  } else
    status = client_status (client, buf, error);
  client_free (client);
  return status;
}

static enum mantis_status
sync_once (struct mantis *node, struct mantis_buf *buf, struct mantis_error *error)
{
  if (node->config->role == MANTIS_SERVER)
    return mantis_fail (error, MANTIS_INVALID,
                        "this node is the server: its clients begin an exchange");
  node->once = true;
  mantis_buf_text (buf, "{}");
  return mantis_run (node, error);
}

enum mantis_status
alone_look (struct mantis *node, const char *message, const char *argument, struct mantis_buf *buf,
            struct mantis_error *error)
{
  struct stores *stores = &node->stores;
  enum mantis_status status;
  struct store store;

  if (node->config->role != MANTIS_SERVER)
    return mantis_fail (error, MANTIS_INVALID,
                        "this node is a client: its server decides about conflicts");
  status = store_look (&store, stores->ops, stores->self, stores->role, stores->patterns,
                       stores->kept, stores_filters (stores, 0), error);
  if (status == MANTIS_OK)
    status = order_look (node, &store, message, argument, buf, error);
  store_close (&store);
  return status;
}

enum mantis_status
alone_do (struct mantis *node, const char *message, const char *argument, const char *table,
          struct mantis_buf *buf, struct mantis_error *error)
{
  bool server = node->config->role == MANTIS_SERVER, scan = strcmp (message, "scan") == 0;
  enum mantis_status status;
  struct store *store;

  if (strcmp (message, "sync") == 0)
    return sync_once (node, buf, error);
  if ((status = stores_get (&node->stores, 0, &store, NULL, error)) != MANTIS_OK)
    return status;
  if (strcmp (message, "users") == 0 && server)
    return accounts_order (node->auth, store, argument, buf, error);
  if (strcmp (message, "conflicts") == 0)
    return order_conflicts (store, argument, buf, error);
  if (strcmp (message, "decide") == 0)
    return server ? server_message (node, store, "conflicts", argument, buf, error)
                  : mantis_fail (error, MANTIS_INVALID, ORDER_CLIENT_DECIDES);
  if (order_is_nodes (message))
    return server ? order_nodes (&node->server, store, message, argument, buf, error)
                  : mantis_fail (error, MANTIS_INVALID,
                                 "this node is a client: its server knows the nodes");
  if (!server)
    return as_client (node, store, scan, table, buf, error);
  if (!scan)
    return server_message (node, store, "status", "", buf, error);
  mantis_buf_text (buf, "{}");
  return order_scan (store, table, error);
}
