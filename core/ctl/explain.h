/* explain.h - why a row is as it is, and who sees it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_CTL_EXPLAIN_H
#define MANTIS_CTL_EXPLAIN_H

#include "ctl/ctl.h"

/* why.c: the conflict that --conflict names. */
int explain_conflict (struct ctl *ctl, const struct config *config);

/* who.c: what the principal and the table of the command line have to do with each other. */
int explain_principal (struct ctl *ctl, const struct config *config);

/* sight.c: what is asked about them, from the command line.  NULL: ERROR says what is wrong. */
json_t *sight_question (const struct ctl *ctl, struct mantis_error *error);
/* All that the server says, the whole table through: as in daemon/seen.h, and "example", the "row" of one that is
 * seen.  The exit status. */
int sight_ask (struct ctl *ctl, json_t *question, json_t **sum);

#endif
