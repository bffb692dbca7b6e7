/* pull.h - one pull from its body to its answer: by itself (pull.c), or with others (crowd.c).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_PULL_H
#define MANTIS_PULL_H

#include "base/map.h"
#include "message/message.h"
#include "sync/sight.h"

#include <string.h>

struct pull {
  struct server *server;
  struct store *store;
  struct mantis_arena *arena;
  struct cursor cursor,
      ahead; /* ahead: how new some rows are that the caller was told behind its cursor */
  bool has_cursor, has_ahead;
  size_t limit, bytes;
  size_t used;        /* of the bytes, so far */
  struct large large; /* rows that do not fit into an answer */
  int64_t wait;       /* milliseconds */
  int64_t filters;    /* that the caller has been told of, -1: it does not say */
  struct cursor from; /* where reading begins: the cursor, or how far was looked in vain */
  const json_t *keys, *load;
  struct map skipped; /* hashes of the names of tables that the caller does not want */
  struct feed_page page;
  struct lending lending;
  struct viewer viewer; /* who is answered just now */
};

/* For a map, in which 0 is no hash. */
static inline uint64_t
name_hash (const char *name)
{
  return hash_bytes (name, strlen (name), 0) | 1;
}

/* Read what came after the cursor, but for what NODE wrote; NULL: all. */
enum mantis_status pull_read (struct pull *pull, const char *node, struct mantis_error *error);
/* The beginning of an answer: the sender's last batch, as it has to know a page that is meant for a copy of its file.  And
 * what it is for: for a view of before a page may lack rows. */
void pull_begin (struct mantis_buf *buf, const struct sender *sender, int64_t view);
/* The rest of it: what SIGHT tells of the page. */
enum mantis_status pull_add (struct pull *pull, const struct sight *sight, struct mantis_buf *buf,
                             struct mantis_error *error);
/* Nothing of SIGHT is for whom REPLY is: it waits, where it wants to, and what was looked at is not looked at again. */
void pull_wait (const struct pull *pull, const struct sight *sight, struct reply *reply);

/* Both, for pull->viewer, after the beginning: what it sees of the page, but for what NODE wrote. */
enum mantis_status pull_tell (struct pull *pull, const char *node, struct reply *reply,
                              struct mantis_error *error);
/* The answer for SENDER, from a page of its own, of the moment of the transaction that is open. */
enum mantis_status pull_alone (const struct pull *pull, const struct fellow *fellow,
                               const struct sender *sender, struct mantis_error *error);

/* crowd.c: of the same moment to all who have no answer yet; those for whom there is no room any more ask again. */
enum mantis_status pull_together (struct pull *pull, struct fellow *fellows,
                                  const struct sender *senders, size_t count,
                                  struct mantis_error *error);

#endif
