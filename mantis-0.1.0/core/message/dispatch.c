/* dispatch.c - which message is it, and who sent it?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"

#include <stdio.h>
#include <string.h>

const struct message messages[] = {
    {.name = "connect", .handle = handle_connect},
    {.name = "hello", .handle = handle_hello, .writes = true},
    {.name = "push", .handle = handle_push, .writes = true},
    {.name = "pull", .handle = handle_pull},
    {.name = "schema", .handle = handle_schema},
    {.name = "status", .handle = handle_status, .without = status_without},
    {.name = "conflicts", .handle = handle_conflicts},
    {.name = "metrics", .handle = handle_metrics},
    {.name = "healthz", .handle = handle_healthz, .open = true, .bare = true},
    {.name = "readyz", .handle = handle_readyz, .open = true, .prompt = true},
    {.name = NULL},
};

const struct message *
message_named (const char *name)
{
  for (const struct message *message = messages; message->name; message++)
    if (strcmp (message->name, name) == 0)
      return message;
  return NULL;
}

void
message_handle (struct server *server, struct store *store, const struct mantis_request *request,
                const struct mantis_principal *principal, struct reply *reply)
{
  const struct message *message = message_named (request->message);

  *reply = (struct reply){.body = MANTIS_BUF_INIT};
  if (!message)
    reply_problem (reply, 404, "message", "there is no such message");
  else if (!message->open && !principal)
    reply_problem (reply, 401, NULL, "a bearer token is needed");
  else
    message->handle (server, store, request, principal, reply);
  if (store)
    store_rollback (store); /* whatever a handler left open on its way out */
}

const struct mantis_table *
find_synced (void *context, const char *name, bool *ignore)
{
  const struct mantis_attached *attached = store_table (context, name);

  (void)ignore;
  return attached && !attached->table->refusal ? attached->table : NULL;
}

/* ---- The sender ------------------------------------------------------------------------------ */

static bool
is_node_id (const char *text)
{
  return strlen (text) == NODE_LENGTH && strspn (text, "0123456789abcdef") == NODE_LENGTH;
}

static enum mantis_status
name_sender (const struct mantis_request *request, const struct mantis_principal *principal,
             struct sender *sender, struct mantis_error *error)
{
  if (request->node && !is_node_id (request->node))
    return mantis_fail (error, MANTIS_INVALID, "Mantis-Node: a node id has %d hexadecimal digits",
                        NODE_LENGTH);
  sender->anonymous = !request->node;
  if (request->node)
    snprintf (sender->node, sizeof sender->node, "%s", request->node);
  else {
    uint64_t hash = hash_bytes (principal->subject, strlen (principal->subject), 0);
    snprintf (sender->node, sizeof sender->node, "subject-%016llx", (unsigned long long)hash);
  }
  return MANTIS_OK;
}

enum mantis_status
sender_find (struct store *store, const struct mantis_request *request,
             const struct mantis_principal *principal, struct mantis_arena *arena,
             struct sender *sender, struct mantis_error *error)
{
  struct mantis_value key[NODE_COLUMNS] = {0};
  enum mantis_status status;
  mantis_row row;

  *sender = (struct sender){.anonymous = false};
  if ((status = name_sender (request, principal, sender, error)) != MANTIS_OK || sender->anonymous)
    return status;
  key[NODE_ID] = value_text (sender->node);
  if ((status = store_get (store, &table_nodes, key, arena, &row, error)) != MANTIS_OK || !row)
    return status;
  if (strcmp (value_as_text (&row[NODE_SUBJECT]), principal->subject) != 0)
    return mantis_fail (error, MANTIS_DENIED,
                        "node %s belongs to another principal; an administrator can rebind it",
                        sender->node);
  if (value_as_integer (&row[NODE_DISABLED]))
    return mantis_fail (error, MANTIS_DENIED, "node %s is disabled on this server", sender->node);
  sender->known = true;
  sender->number = value_as_integer (&row[NODE_NUMBER]);
  sender->generation = value_as_integer (&row[NODE_GENERATION]);
  snprintf (sender->nonce, sizeof sender->nonce, "%s", value_as_text (&row[NODE_NONCE]));
  sender->answer = row[NODE_ANSWER].type == MANTIS_TEXT ? row[NODE_ANSWER].as.bytes : NULL;
  return MANTIS_OK;
}

enum mantis_status
sender_save (struct server *server, struct store *store, const struct sender *sender,
             const struct mantis_principal *principal, int64_t rev, struct mantis_error *error)
{
  struct mantis_value row[NODE_COLUMNS] = {
      [NODE_ID] = value_text (sender->node),
      [NODE_SUBJECT] = value_text (principal->subject),
      [NODE_NUMBER] = value_integer (sender->number),
      [NODE_NONCE] = value_text (sender->nonce),
      [NODE_ANSWER] = value_text (sender->answer),
      [NODE_SEEN_AT] = value_integer (mantis_now ()),
      [NODE_GENERATION] = value_integer (sender->generation),
  };
  int64_t at;

  if (rev)
    heard_note (&server->heard, sender->node, rev);
  if (rev || heard_find (&server->heard, sender->node, &rev, &at))
    row[NODE_REV] = value_integer (rev);
  return store_put (store, &table_nodes, row, error);
}
