/* vote - the row with more votes stands; where neither has a quorum, the later one.
 *
 * An example of a resolver that is kept outside Mantis's tree: docs/write-a-resolver.md explains it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <mantis/resolver.h>

#include <string.h>

struct vote {
  const char *column;
  int64_t quorum;
};

static const struct mantis_option options[] = {
  MANTIS_TEXT_OPTION (struct vote, column, "votes", "the column that counts the votes"),
  MANTIS_INTEGER_OPTION (struct vote, quorum, "1", 0, 1000000, "votes below which the later change wins"),
  { .name = NULL },
};

/* A deletion has no votes, and neither has a row whose column holds anything but a whole number. */
static int64_t
votes_for (const struct vote *vote, const struct mantis_change *change)
{
  const struct mantis_table *table = change->table;

  for (size_t i = 0; i < table->column_count && !change->deleted; i++)
    if (strcmp (table->columns[i].name, vote->column) == 0 && change->row[i].type == MANTIS_INTEGER)
      return change->row[i].as.integer;
  return 0;
}

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  const struct vote *vote = self;
  int64_t local = votes_for (vote, conflict->local), remote = votes_for (vote, conflict->remote);

  (void) merged, (void) arena;
  if (local != remote && (local >= vote->quorum || remote >= vote->quorum)) {
    mantis_fail (error, MANTIS_OK, "more votes");
    return local > remote ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE;
  }
  mantis_fail (error, MANTIS_OK, "no quorum, or as many votes: the later change wins");
  return mantis_change_order (conflict->local, conflict->remote) < 0 ? MANTIS_TAKE_REMOTE
                                                                      : MANTIS_KEEP_LOCAL;
}

static const struct mantis_resolver ops = { .size = sizeof ops, .decide = decide };

MANTIS_RESOLVER_PLUGIN (vote, &ops, .summary = "the row with more votes wins",
                        .version = "1.0", .self_size = sizeof (struct vote), .options = options,
                        .threads = MANTIS_PARALLEL);
