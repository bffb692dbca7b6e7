/* replay.h - recorded conflicts, put to a policy once more.
 *
 * The policy runs in a child process: one that crashes or hangs costs one answer, and no server ever meets it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_CTL_REPLAY_H
#define MANTIS_CTL_REPLAY_H

#include "ctl/ctl.h"

#include <mantis/resolver.h>

/* ---- A record, as the policy sees it (recall.c) ---------------------------------------------- */

/* What was not written down of it, though the policy looks at that. */
enum lacks { LACKS_BASE = 1, LACKS_STAMPS = 2, LACKS_TIME = 4, LACKS_COLUMNS = 8 };

struct recalled {
  const struct mantis_table *table;
  const char
      *left_out; /* why no policy can be asked about it; NULL: one can, and the rest is set */
  struct mantis_conflict conflict;
  struct mantis_change local, remote;
  uint32_t lacks;  /* enum lacks */
  bool known;      /* what came out then: */
  bool open;       /* it was left to a person */
  mantis_row then; /* NULL: no row */
};

/* RECORD, an object as `conflicts' shows it, of TABLE (NULL: there is none of that name) on the server NODE, for a policy
 * that wants WANTS (enum mantis_wants).  In ARENA, and borrowing from RECORD. */
enum mantis_status recall (const json_t *record, const struct mantis_table *table, const char *node,
                           uint32_t wants, struct mantis_arena *arena, struct recalled *recalled,
                           struct mantis_error *error);

/* What DECISION makes of it: *ROW stands (NULL: none), as the returned outcome.  NULL: it is no decision. */
const char *recall_decide (const struct recalled *recalled, enum mantis_decision decision,
                           mantis_row merged, struct mantis_arena *arena, mantis_row *row);

/* ---- The policy (policy.c) ------------------------------------------------------------------- */

/* *POLICY is the resolver that TEXT, of --policy, names: a name, a file, or {"plugin": either, ...}.  A name may be one that
 * "plugins" of CONFIG gives (NULL: there is no configuration); a file is opened alone, beside one of the same name. */
enum mantis_status policy_open (const char *text, const struct config *config,
                                struct plugins *plugins, struct mantis_arena *arena,
                                struct instance **policy, struct mantis_error *error);

/* ---- It judges (judge.c) -------------------------------------------------------------------- */

/* What is put to it: PAGE is an answer to the message "replay". */
struct trial {
  struct ctl *ctl;
  const struct config *config;
  struct plugins *plugins; /* none of them is open */
  const json_t *page;
  const json_t *records; /* array */
};

/* In the child: a line for each record from FROM on goes to FD, after one that says the policy is ready. */
void judge_all (const struct trial *trial, size_t from, int fd);

/* ---- The child (court.c) --------------------------------------------------------------------- */

/* Tell CONTEXT each verdict, an object, in the order of the records.  MANTIS_OK unless there is no policy to ask; what
 * becomes of it while it decides is a verdict. */
enum mantis_status court_hear (const struct trial *trial, int64_t limit,
                               void (*tell) (void *context, const json_t *verdict), void *context,
                               struct mantis_error *error);

#endif
