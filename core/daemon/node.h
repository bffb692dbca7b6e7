/* node.h - one node: its configuration, its plugins, its database, its threads.
 *
 * The object behind mantis/mantis.h.  Server and client share this file's part; serve.c and
 * follow.c hold what is different.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DAEMON_NODE_H
#define MANTIS_DAEMON_NODE_H

#include "daemon/control.h"
#include "daemon/dialer.h"
#include "daemon/place.h"
#include "daemon/prune.h"
#include "daemon/service.h"
#include "daemon/tend.h"
#include "sync/hooks.h"

#include <mantis/mantis.h>

#include <signal.h>

#include <stdatomic.h>

struct event;
struct host;
struct refiltering;

struct mantis {
  struct host *host; /* the application that embeds this node; NULL: it is mantisd */
  struct config *config; /* as at the start: instances and sessions point into it */
  struct config *live;   /* as read last */
  struct plugins *plugins;
  struct loop *loop;
  struct instance *storage;
  struct stores stores;
  const struct mantis_table *const *kept; /* tables of plugins; NULL: none */
  struct hooks hooks;
  struct place place;
  int lock_fd;
  struct notice *notice;
  struct control *control;
  struct mantis_buf unapplied; /* of the configuration as it was read last, as a JSON array without brackets */
  bool once;
  bool failed; /* mantis_run() ends with ERROR */
  struct mantis_error error;

  /* Server (serve.c) */
  struct refiltering *refiltering;
  struct instance **auth;
  _Atomic (struct policies *) policies; /* policies.c */
  struct instance **listen;
  struct instance *
      *takers; /* transports that take connections over from a listener; ends with NULL */
  struct mantis_listener **listeners; /* NULL where it does not listen yet */
  struct server server;
  struct mantis_service *service;
  struct pool *pool, *logins; /* logins: NULL where nobody can log in */
  struct pruning *pruning;
  struct tending *tending;

  /* Client (follow.c) */
  struct instance *dial[MOST_WAYS + 1]; /* the preferred one first; ends with NULL */
  struct dialer *dialer;
  struct waiter waiter; /* for ONCE */
};

/* All but its database.  Takes CONFIG and PLUGINS, also on failure. */
enum mantis_status node_new (struct config *config, struct plugins *plugins, struct mantis **node,
                             struct mantis_error *error);
/* From here on it captures.  After MANTIS_BUSY and MANTIS_LOST it may be tried again. */
enum mantis_status node_open (struct mantis *node, struct mantis_error *error);
/* Read again what may change while we run; the rest of FRESH is named in the log.  Takes FRESH. */
void node_reload (struct mantis *node, struct config *fresh);
/* It could not be read: all goes on as before. */
void node_reload_failed (struct mantis *node, const struct mantis_error *error);

/* host.c: the application that embeds a node.  HOST may be NULL; then these do nothing. */
enum mantis_status host_new (mantis_reporter report, void *context, struct host **host,
                             struct mantis_error *error);
void host_free (struct host *host);
/* For the rows of its node; NULL: nobody listens. */
struct reports *host_reports (struct host *host);
/* The application's thread is in a function of ours: what it logs is reported, and SIGPIPE is not its own. */
struct visit {
  struct log_target *target;
  sigset_t mask;
  bool inside;
};
struct visit host_enter (struct host *host);
void host_leave (struct visit visit);
void host_follows (struct mantis *node); /* its client has been made */
void host_works (struct mantis *node);   /* its loop runs from here on */
void host_turns_away (struct mantis *node); /* who still waits for an answer */
void host_stopped (struct mantis *node, enum mantis_status status, const struct mantis_error *error);
void host_join (struct mantis *node); /* the thread of mantis_start() */

/* reload.c: are the tables that are synced the same? */
bool reload_same_tables (const struct config *was, const struct config *fresh);
/* What of the configuration is not in force, and why: for the log, and for the status until it is read again. */
void reload_leaves (struct mantis *node, enum mantis_level level, const char *format, ...)
    MANTIS_PRINTF (3, 4);

/* refilter.c: who may read and write which rows.  To begin with, those of the configuration: before any session is open. */
enum mantis_status refilter_first (struct mantis *node, struct mantis_error *error);
enum mantis_status refiltering_new (struct mantis *node, struct mantis_error *error);
/* After SIGHUP: those of the live configuration, where they are other ones.  When nobody is
 * answered by those of before any more, the log says that the configuration was read again. */
void refilter (struct refiltering *refiltering);
/* What comes of it is nobody's business any more.  NULL is fine. */
void refiltering_stop (struct refiltering *refiltering);
void refiltering_free (struct refiltering *refiltering); /* when no thread works; NULL is fine */

/* policies.c: who decides about conflicts; CONTEXT is the node. */
struct instance *policy_of (void *context, const char *table);
enum mantis_status policies_open (struct mantis *node, struct config *config,
                                  struct mantis_error *error);
/* Do they fit the tables that are named for them? */
enum mantis_status policies_suit (struct mantis *node, const struct store *store,
                                  struct mantis_error *error);
/* After SIGHUP: those of the live configuration, where they are other ones. */
void policies_reload (struct mantis *node);
bool policies_hold (const struct mantis *node, const struct config *config);
/* Who decides, and waits for something, gives up: we are about to end. */
void policies_hurry (struct mantis *node);
void policies_close (struct mantis *node);

/* hooks.c: those of CONFIG from here on; after SIGHUP those of the live one, where they are not as BEFORE. */
enum mantis_status node_open_hooks (struct mantis *node, const struct config *config,
                                    struct mantis_error *error);
void node_reload_hooks (struct mantis *node, const struct config *before);

/* serve.c */
void serve_prepare (struct mantis *node);
/* What the database says, before anybody can call: again where it was away. */
enum mantis_status serve_read (struct mantis *node, struct store *store,
                               struct mantis_error *error);
enum mantis_status serve_open (struct mantis *node, struct mantis_error *error);
enum mantis_status serve_start (struct mantis *node, struct mantis_error *error);
void serve_stop (struct mantis *node);
void serve_close (struct mantis *node);
void serve_news (struct mantis *node, const struct position *position, bool renewed);
void serve_reload (struct mantis *node);

/* follow.c */
struct dialer_settings follow_settings (const struct mantis *node);
struct mantis_remote follow_remote (const struct config *config); /* borrows from CONFIG */
enum mantis_status follow_open (struct mantis *node, struct mantis_error *error);
enum mantis_status follow_start (struct mantis *node, struct mantis_error *error);
void follow_stop (struct mantis *node);
void follow_close (struct mantis *node);
void follow_reload (struct mantis *node);

#endif
