/* decide.h - a conflict that was left to a person is decided; a row that lost is brought back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_DECIDE_H
#define MANTIS_DECIDE_H

#include "sync/push.h"

#include <jansson.h>

enum choice {
  CHOOSE_LOCAL = 1, /* what stood here when the conflict was written down */
  CHOOSE_REMOTE,    /* what came, and waits */
  CHOOSE_MERGED,    /* the row that is given */
  CHOOSE_LOSER,     /* what lost, whoever decided so */
  CHOICE_COUNT
};

const char *choice_name (enum choice choice);
/* CHOICE_COUNT: there is none of that name. */
enum choice choice_from (const char *name);

struct decision {
  int64_t id;
  enum choice choice;
  const json_t
      *row;    /* of CHOOSE_MERGED: columns that it does not name stay; null: there shall be none */
  int64_t rev; /* of the row that whoever decides has seen; 0: the one in the record */
  const char *by; /* who decides */
  policy_lookup policy;
  void *policy_context;
};

/* What came of it, in an arena. */
struct decided {
  const struct mantis_table *table;
  mantis_row before; /* as it was; NULL: there was none */
  mantis_row row;    /* as it is now; NULL: there is none */
  int64_t rev;
  bool stale;   /* nothing was done: the row is not any more the one that was decided about */
  bool written; /* the row was changed */
};

/* In a write transaction of a server.  The row becomes what was chosen, as an ordinary change of the server's own, and
 * the record is closed.  A row that was changed since it was written down is merged with the choice where the table's
 * policy can do that without a loss; else *DECIDED is stale, and the caller rolls back.
 * MANTIS_REFUSED: it was decided before, or the database does not take the row. */
enum mantis_status decide_conflict (struct store *store, const struct decision *decision,
                                    struct mantis_arena *arena, struct decided *decided,
                                    struct mantis_error *error);

#endif
