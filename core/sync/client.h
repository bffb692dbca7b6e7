/* client.h - the client's day: notice, push, pull, wait.
 *
 * A client is a machine that is asked what to send next and told what was answered; it owns no socket and no
 * thread.  Two slots may each have one request under way: CLIENT_TALK (hello, push, abandon, schema) and
 * CLIENT_PULL, which may wait at the server for news.  All calls are made on one thread at a time, the one
 * that owns the store.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_CLIENT_H
#define MANTIS_CLIENT_H

#include "sync/store.h"

#include <mantis/transport.h>

struct client_settings {
  const char *remote_name; /* for people: the URL */
  const char *wish;        /* conflict_policy of the config, NULL: none */
  bool enabled;            /* false: capture goes on, nothing is sent */
  /* milliseconds between cycles that nothing else starts, and the longest backoff */
  int64_t interval;
  int64_t wait; /* how long a pull may wait at the server, milliseconds; 0: it does not */
  size_t batch_rows, batch_bytes; /* of a part of a backlog or load */
  size_t whole_rows, whole_bytes; /* a changeset up to this size is never cut */
  int64_t warn_entries;           /* of the log that wait: from so many on it is told */
  size_t answer_bytes;            /* that the transport takes; 0: it does not say */
  int64_t retention;              /* of conflicts, milliseconds; 0: for ever */
  int64_t fold_entries;           /* from so many on, what is told twice leaves it; 0: never */
};

enum client_slot { CLIENT_TALK, CLIENT_PULL, CLIENT_SLOTS };

/* Valid until the slot's answer is given. */
struct client_request {
  const char *message; /* NULL: nothing to send now */
  const char *body;
  size_t length;
  const char *node, *epoch, *revisions; /* epoch may be NULL */
  int64_t timeout;                      /* milliseconds */
  bool waits;                           /* this one is a long poll: interrupting it loses nothing */
};

struct client;

/* STORE is a client's, open; it is used by the client alone, and outlives it. */
enum mantis_status client_new (const struct client_settings *settings, struct store *store,
                               struct client **client, struct mantis_error *error);
void client_free (struct client *client);
/* After SIGHUP.  What is under way goes on. */
void client_set (struct client *client, const struct client_settings *settings);

/* What does SLOT send next?  Called when the slot is free: at start, after each answer, when something was
 * noticed, and at client_due().  Errors are logged, shown in the status, and tried again later. */
void client_next (struct client *client, enum client_slot slot, struct client_request *request);

/* The answer to the slot's request (status 0: none came; without an error: a request that waits was
 * interrupted by us).  Afterwards both slots may have something to
 * send. */
void client_answered (struct client *client, enum client_slot slot,
                      const struct mantis_answer *answer);

/* While a part of a large backlog is under way there is time to prepare the next one, and to trim the log of the last
 * one.  client_looks_ahead(): there is something to do. */
bool client_looks_ahead (const struct client *client);
void client_look_ahead (struct client *client);

/* The database may have been written to, or somebody asked for a cycle. */
void client_noticed (struct client *client);
/* Look how much waits: tell when that is much, and make it less where nothing goes out.  SENDS: its requests are
 * sent.  True: there is more to do, soon. */
bool client_watch (struct client *client, bool sends);
/* Begin a cycle now: forget the backoff. */
void client_hurry (struct client *client);
/* Compare TABLE (NULL: all) with the server and queue what no trigger saw. */
enum mantis_status client_scan (struct client *client, const char *table,
                                struct mantis_error *error);

/* Milliseconds until a slot may have something to send; -1: not before something happens. */
int64_t client_due (const struct client *client);

/* The pull that waits at the server is in the way of one that has something to ask: interrupt it. */
bool client_impatient (const struct client *client);

/* Nothing to push, nothing more to pull, nothing to reconcile, as far as is known. */
bool client_idle (const struct client *client);

/* Rows that are not yet with the server, and the last thing that went wrong (NULL: nothing). */
enum mantis_status client_status (struct client *client, struct mantis_buf *buf,
                                  struct mantis_error *error);
const char *client_trouble (const struct client *client);

#endif
