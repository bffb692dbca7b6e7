/* server_rig.h - a server without sockets: messages go straight to message_handle(), on a real
 * SQLite file.
 *
 * Bodies are written with ' for ", so that they can be read.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SERVER_RIG_H
#define SERVER_RIG_H

#include "law.h"
#include "message/message.h"

#include <mantis/filter.h>
#include <mantis/resolver.h>

#define NODE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NODE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NODE_C "cccccccccccccccccccccccccccccccc"

/* What a principal's next request says about itself. */
struct caller {
  const char *node; /* NULL: curl */
  const char *subject;
};
extern const struct caller node_a, node_b, node_c, curl;

extern struct server rig_server;
extern struct store rig_store;
extern struct reply rig_reply; /* to the last request */
extern json_t *rig_answer;     /* its body */
extern int64_t rig_past;       /* an hour before the rig was started: a time for changes to have */

/* A new database with SQL in it, and the store on it.  rig_reopen(): another server process. */
void rig_start (const char *sql);
void rig_reopen (void);
void rig_stop (void);

/* Without test frames: false and a line on standard error, for fuzzers. */
bool rig_open (const char *sql);

/* Who decides in a table; NULL: the shipped timestamp. */
extern enum mantis_decision (*rig_decide) (void *self, const struct mantis_conflict *conflict,
                                           struct mantis_value *merged, struct mantis_arena *arena,
                                           struct mantis_error *error);
extern bool rig_waits; /* and it says that it may wait */
extern uint32_t rig_wants; /* and asks for that much, enum mantis_wants */

/* A filter, from the next rig_start() or rig_reopen() on. */
struct rig_filter {
  const char *table; /* NULL: there is none */
  const char *looks; /* the column that decides */
  const char *hides; /* a column that "boss" alone sees and writes; NULL: none */
  const char *uses;  /* a table that is borrowed from; NULL: none */
  bool unfit;
  bool (*sees) (const struct mantis_caller *caller, const struct mantis_value *value);
  bool (*lets) (const struct mantis_value *before, const struct mantis_value *after);
};
extern struct rig_filter rig_filter;

/* These decide about conflicts; ends with NULL. */
void rig_administrators (const char *const *names);

/* Send MESSAGE; the status of the answer. */
int ask (const struct caller *caller, const char *message, const char *format, ...)
    MANTIS_PRINTF (3, 4);
/* The bytes as they are. */
int ask_raw (const struct caller *caller, const char *message, const char *body, size_t length);

/* A numbered push of BLOCKS, separated by commas; 0: without a number. */
int push (const struct caller *caller, int number, const char *format, ...) MANTIS_PRINTF (3, 4);

/* What became of the change of TABLE's row KEY ("[1]") in the last push: "applied" when the answer
 * names no exception. */
const char *outcome_of (const char *table, const char *key);
const json_t *exception_of (const char *table, const char *key);
/* How many changes of the last push had OUTCOME. */
int outcomes (const char *outcome);

void sql (const char *text); /* as the server's own application */
void is (const char *expected,
         const char *query); /* the first column of the first row; NULL: none */
int64_t number_of (const char *query);
int64_t head (void);

#endif
