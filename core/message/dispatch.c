/* dispatch.c - which message is it, and who sent it?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"

#include <stdio.h>
#include <string.h>

enum { SENDERS = 32 /* whose rows are read at once */ };

const struct message messages[] = {
    {.name = "connect", .handle = handle_connect},
    {.name = "login", .handle = handle_login, .open = true, .slow = true},
    {.name = "logout", .handle = handle_logout, .writes = true},
    {.name = "hello", .handle = handle_hello, .writes = true},
    {.name = "push", .handle = handle_push, .handle_all = handle_pushes, .writes = true},
    {.name = "pull", .handle = handle_pull, .handle_all = handle_pulls},
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
  const struct fellow fellow = {request, principal, reply};

  *reply = (struct reply){.body = MANTIS_BUF_INIT};
  if (!message)
    reply_problem (reply, 404, "message", "there is no such message");
  else if (!message->open && !principal)
    reply_problem (reply, 401, NULL, "a bearer token is needed");
  else if (message_ask (store, &fellow))
    message->handle (server, store, request, principal, reply);
  if (store)
    store_rollback (store); /* whatever a handler left open on its way out */
  message_tell (store, &fellow);
}

/* The same bytes ask the same.  What an answer depends on besides has to be compared here. */
bool
message_same (const struct mantis_request *a, const struct mantis_request *b)
{
  return a->length == b->length && strcmp (a->message, b->message) == 0 &&
         memcmp (a->body, b->body, a->length) == 0;
}

bool
message_joins (const struct mantis_request *a, const struct reply *of_a,
               const struct mantis_request *b, const struct reply *of_b)
{
  return cursor_same (&of_a->looked, &of_b->looked) &&
         ((of_a->since && of_b->since) || message_same (a, b));
}

void
message_handle_all (struct server *server, struct store *store, struct fellow *fellows,
                    size_t count)
{
  size_t asked;

  for (size_t i = 0; i < count; i++)
    *fellows[i].reply = reply_anew (fellows[i].reply);
  asked = messages_ask (store, fellows, count);
  if (asked)
    message_named (fellows[0].request->message)->handle_all (server, store, fellows, asked);
  store_rollback (store);
  for (size_t i = 0; i < count; i++)
    message_tell (store, &fellows[i]);
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

enum mantis_status
sender_name (const struct mantis_request *request, const struct mantis_principal *principal,
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

/* ROW is that of __sync_nodes, NULL: there is none. */
static enum mantis_status
sender_take (struct sender *sender, mantis_row row, const struct mantis_principal *principal,
             struct mantis_error *error)
{
  if (!row)
    return MANTIS_OK;
  if (strcmp (value_as_text (&row[NODE_SUBJECT]), principal->subject) != 0)
    return mantis_fail (
        error, MANTIS_DENIED,
        "node %s belongs to the subject that it first called with, and this is another: show a "
        "token of that one, or begin with a new database",
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
sender_find (struct store *store, const struct mantis_request *request,
             const struct mantis_principal *principal, struct mantis_arena *arena,
             struct sender *sender, struct mantis_error *error)
{
  struct mantis_value key[NODE_COLUMNS] = {0};
  enum mantis_status status;
  mantis_row row;

  *sender = (struct sender){.anonymous = false};
  if ((status = sender_name (request, principal, sender, error)) != MANTIS_OK || sender->anonymous)
    return status;
  key[NODE_ID] = value_text (sender->node);
  status = store_get (store, &table_nodes, key, arena, &row, error);
  return status == MANTIS_OK ? sender_take (sender, row, principal, error) : status;
}

/* A few: an answer that is kept for a node may be large. */
static enum mantis_status
read_senders (struct store *store, struct fellow *fellows, size_t count, struct mantis_arena *arena,
              struct sender *senders, struct mantis_error *error)
{
  struct mantis_value keys[SENDERS][NODE_COLUMNS] = {0};
  mantis_row wanted[SENDERS], rows[SENDERS];
  struct fellow *of[SENDERS];
  struct mantis_error refusal;
  enum mantis_status status = MANTIS_OK;
  size_t known = 0;

  for (size_t i = 0; i < count; i++) {
    senders[i] = (struct sender){.anonymous = false};
    if (sender_name (fellows[i].request, fellows[i].principal, &senders[i], &refusal) != MANTIS_OK)
      reply_error (fellows[i].reply, &refusal);
    else if (!senders[i].anonymous) {
      keys[known][NODE_ID] = value_text (senders[i].node);
      wanted[known] = keys[known];
      of[known++] = &fellows[i];
    }
  }
  if (known)
    status = store->ops->read (store->session, &table_nodes, wanted, known, arena, rows, error);
  for (size_t i = 0; i < known && status == MANTIS_OK; i++) {
    struct sender *sender = &senders[of[i] - fellows];
    if (sender_take (sender, rows[i], of[i]->principal, &refusal) != MANTIS_OK)
      reply_error (of[i]->reply, &refusal);
    sender->answer = NULL;
  }
  return status;
}

enum mantis_status
senders_find (struct store *store, struct fellow *fellows, size_t count, struct mantis_arena *arena,
              struct sender *senders, struct mantis_error *error)
{
  struct arena_mark mark = arena_mark (arena);
  enum mantis_status status = MANTIS_OK;

  for (size_t from = 0, some; from < count && status == MANTIS_OK; from += some) {
    some = count - from < SENDERS ? count - from : SENDERS;
    status = read_senders (store, fellows + from, some, arena, senders + from, error);
    arena_rewind (arena, mark);
  }
  return status;
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
