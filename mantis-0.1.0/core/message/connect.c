/* connect.c - the message "connect": may this sender open a connection that stays?
 *
 * Asked before each connection that carries several messages; those are looked at one by one, too.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "message/message.h"

void
handle_connect (struct server *server, struct store *store, const struct mantis_request *request,
                const struct mantis_principal *principal, struct reply *reply)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (server->limits.body_bytes);
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "out of memory"};
  struct sender sender;
  enum mantis_status status = arena ? store_begin (store, MANTIS_READ, &error) : MANTIS_FAILED;

  if (status == MANTIS_OK)
    status = sender_find (store, request, principal, arena, &sender, &error);
  if (status != MANTIS_OK) {
    reply_error (reply, &error);
    return;
  }
  mantis_buf_text (&reply->body, "{}");
  reply_done (reply);
}
