/* client_rig.h - a server and two devices without sockets or threads, on real SQLite files; messages
 * travel by hand, so that anything can happen between two steps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CLIENT_RIG_H
#define CLIENT_RIG_H

#include "message/message.h"
#include "sync/client.h"

enum { SERVER, A, B, RIG_NODES };
enum { TALK = CLIENT_TALK, PULL = CLIENT_PULL };

extern struct client_settings rig_settings; /* of devices that start from now on */
extern const char *const *rig_patterns;     /* their tables; NULL: all */
extern struct server rig_server;
extern int64_t rig_shift; /* of everybody's wall clock, milliseconds */
extern bool rig_sends;    /* what nodes ask for goes out; false: there is no token, for example */

/* A new world in which TABLES (SQL) were made on all nodes, and the server runs. */
void rig_start (const char *tables);
void rig_stop (void);

void node_start (int node); /* its Mantis */
void node_stop (int node);  /* killed */
/* The file of TO becomes a copy of FROM's; both are stopped first. */
void node_copy (int from, int to);

/* As the node's application, or a person with a shell. */
void sql (int node, const char *text);
void sql_unseen (int node, const char *text);                /* no trigger fires */
void scan (int node);                                        /* mantisctl scan */
void is (int node, const char *expected, const char *query); /* first column; NULL: no row */

/* Let the node look for something to send; what it sends, NULL: nothing. */
const char *request (int node, int slot);
void serve (int node, int slot);  /* the server answers it */
void answer (int node, int slot); /* the answer comes to the node */
void lose (int node, int slot);   /* it never does */
void refuse (int node, int slot, int status); /* somebody before the server answers STATUS */
/* What was answered, as text. */
const char *answered (int node, int slot);

/* Prepare the next batch while one is under way; false: that is of no use now. */
bool look_ahead (int node);

/* All three at once; false: there was nothing to send. */
bool exchange (int node, int slot);
/* The node's cycles until it has nothing to say; fails where that does not end. */
void cycle (int node);
/* The node looks how much waits. */
void watch (int node);
/* What client_status() says contains TEXT. */
bool status_says (int node, const char *text);

#endif
