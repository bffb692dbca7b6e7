/* cursor.h - a place in a server's log: whoever knows it has seen all up to there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_CURSOR_H
#define MANTIS_CURSOR_H

#include "sync/store.h"

#include <jansson.h>

enum { MARK_LENGTH = 16 };

struct cursor {
  char epoch[EPOCH_LENGTH + 1];
  int64_t rev;
  char mark[MARK_LENGTH + 1]; /* derived from the entry at REV: another history has another one */
};

/* The member NAME of JSON; *THERE: it has one. */
enum mantis_status cursor_read (const json_t *json, const char *name, struct cursor *cursor,
                                bool *there, struct mantis_error *error);
/* "NAME":{"epoch":"..","rev":41,"mark":".."} */
void cursor_add (struct mantis_buf *buf, const char *name, const struct cursor *cursor);
/* The same place in the same history? */
bool cursor_same (const struct cursor *a, const struct cursor *b);

#endif
