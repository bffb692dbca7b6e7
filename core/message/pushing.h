/* pushing.h - one push from its body to its answer: by itself (push.c), or with others (shared.c).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_PUSHING_H
#define MANTIS_PUSHING_H

#include "message/message.h"
#include "wire/block.h"
#include "wire/lists.h"

struct batch {
  int64_t number; /* 0: none */
  const char *nonce;
  bool abandon, partial;
  int64_t generation;
  struct cursor cursor, ahead; /* as in pull: what the changes were made on */
  bool has_cursor, has_ahead;
  const json_t *changes;
};

struct pushing {
  struct server *server;
  const struct mantis_request *request;
  const struct mantis_principal *principal;
  struct reply *reply;
  struct mantis_arena *message, *arena; /* of the whole, of one try */
  struct lists lists;
  json_t *body;
  struct batch batch;
  struct block_changes decoded;
  struct hook_question asked;
  struct push push;
  int64_t attached; /* the schema (store->attached) that it was decoded with */
  bool settled; /* there is nothing to make: REPLY tells why */
};

/* Read the body of what was SENT, without the database.  Closed by the caller, whatever is returned. */
enum mantis_status pushing_open (struct pushing *pushing, struct server *server,
                                 struct store *store, const struct fellow *sent,
                                 struct mantis_error *error);
void pushing_close (struct pushing *pushing);

/* Is this batch SENDER's next?  If not, it is settled. */
bool pushing_is_next (struct pushing *pushing, const struct sender *sender);
/* Is the history that SENDER knows ours?  If not, it is settled: the revisions that its changes were made on are
 * others than those that have these numbers here. */
enum mantis_status pushing_check_history (struct pushing *pushing, struct mantis_error *error);
/* The changes, against the tables as the store knows them.  Where these are not the sender's, it is settled. */
enum mantis_status pushing_decode (struct pushing *pushing, const struct sender *sender,
                                   struct mantis_error *error);
/* In a write transaction: SENDER's changes are made, and the answer is noted. */
enum mantis_status pushing_make (struct pushing *pushing, struct sender *sender,
                                 struct mantis_error *error);
/* All that comes before the transaction; it may be settled then. */
enum mantis_status pushing_prepare (struct pushing *pushing, struct mantis_error *error);
/* In transactions of its own, up to the answer. */
void pushing_alone (struct pushing *pushing);

/* ask.c: do hooks want to be asked before a push?  Then it is decoded before the transaction. */
bool pushing_is_asked (const struct store *store);
/* Ask them about what was decoded.  Where they refuse all of it, it is settled. */
void pushing_ask (struct pushing *pushing);

/* The transaction is durable. */
void pushing_done (struct pushing *pushing);

#endif
