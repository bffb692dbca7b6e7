/* ctl.h - what the commands of mantisctl share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_CTL_H
#define MANTIS_CTL_H

#include "daemon/daemon.h"
#include "daemon/node.h"
#include "daemon/options.h"
#include "wire/json.h"

/* ---- The command line (ctl.c) ---------------------------------------------------------------- */
enum { MOST_IDS = 64 };

struct ctl {
  struct options options;
  bool json, help, version;
  const char *subject, *lifetime, *table, *state, *role, *password_file, *row, *rev;
  char **words; /* what follows the command, ends with NULL */
  const char *command;
  bool alone; /* no daemon runs, and that has been said */
  const char *policy, *since, *time_limit, *ids[MOST_IDS]; /* of replay; IDS ends with NULL */
  const char *conflict, *claims, *token_file, *node, *key, *keys; /* of explain */
};

struct ctl_command {
  const char *name;
  const char *usage; /* what follows the name */
  const char *help;
  size_t least, most; /* words that follow */
  int (*run) (struct ctl *ctl);
};
extern const struct ctl_command ctl_commands[]; /* ends with a NULL name */

int ctl_token (struct ctl *ctl);
int ctl_status (struct ctl *ctl);
int ctl_sync (struct ctl *ctl);
int ctl_scan (struct ctl *ctl);
int ctl_conflicts (struct ctl *ctl);
int ctl_nodes (struct ctl *ctl);
int ctl_user (struct ctl *ctl);
int ctl_login (struct ctl *ctl);
int ctl_replay (struct ctl *ctl);
int ctl_decide (struct ctl *ctl);
int ctl_explain (struct ctl *ctl);

/* Say on stderr what is wrong; the exit status for it. */
int ctl_complain (const struct mantis_error *error);

/* ---- The node (reach.c) ---------------------------------------------------------------------- */

/* One message to the daemon, or what it asks for done on the database itself where no daemon runs,
 * which is said on stderr.  *REPLY is the answer, a member of *WHOLE, which the caller
 * json_decref()s; *WHOLE may be NULL. Returns the exit status, the reason on stderr. */
int ctl_ask (struct ctl *ctl, const char *message, const char *argument, const char *table,
             json_t **whole, const json_t **reply);

/* talk.c: the socket of the daemon at PATH; -1: there is no daemon, or ERROR has a status. */
int talk_open (const char *path, struct mantis_error *error);
/* As ctl_ask(), over FD.  PATH: show progress, asked there, while it takes long; NULL: do not. */
int talk (int fd, const char *path, const char *message, const char *argument, const char *table,
          json_t **whole, const json_t **reply);

/* alone.c: the same without a daemon, on NODE, opened for it.  Its answer goes to BUF. */
enum mantis_status alone_do (struct mantis *node, const char *message, const char *argument,
                             const char *table, struct mantis_buf *buf, struct mantis_error *error);

/* The same for a message that order_is_look(), on NODE, whose database was not opened. */
enum mantis_status alone_look (struct mantis *node, const char *message, const char *argument,
                               struct mantis_buf *buf, struct mantis_error *error);

/* The configuration of the command line, and its plugins. */
enum mantis_status ctl_open (struct ctl *ctl, struct config **config, struct plugins **plugins,
                             struct mantis_error *error);

/* ---- Passwords (password.c) ------------------------------------------------------------------ */

/* That of USER: from --password-file, else from a person at a terminal (TWICE: it is a new one), else from
 * standard input; its first line. */
enum mantis_status password_take (const struct ctl *ctl, const char *user, bool twice,
                                  struct mantis_buf *password, struct mantis_error *error);
void secret_wipe (char *text, size_t length);
void secret_free (struct mantis_buf *buf);
#define CLEANUP_SECRET __attribute__ ((cleanup (secret_free)))

/* ---- For people (print.c) -------------------------------------------------------------------- */

/* Cells by rows; each column as wide as its widest cell. */
struct grid {
  size_t columns, count;
  char **cells;
  bool failed;
};
void grid_add (struct grid *grid, const char *text);
void grid_number (struct grid *grid, const json_t *number);
/* Milliseconds since 1970 as local time; 0 and what is no number as "-". */
void grid_time (struct grid *grid, const json_t *time);
/* How far a client of the server is behind, as NODE tells it. */
void grid_behind (struct grid *grid, const json_t *node);
/* May it sync?  If not: who says so. */
void grid_enabled (struct grid *grid, const json_t *node);
void grid_print (struct grid *grid); /* and free */
void grid_free (struct grid *grid);

/* A JSON value as text for a cell: texts as they are, NULL and null as "-". */
void grid_json (struct grid *grid, const json_t *value);
void print_time (char *text, size_t room, int64_t milliseconds);
/* VALUE as one line of JSON. */
int print_json (const json_t *value);

#endif
