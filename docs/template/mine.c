/* mine - the later change wins, unless one of the two is marked as final.
 *
 * A resolver to begin with: replace the rule in decide() by yours.  mantis-resolver(3) says what it is shown, and
 * what it may answer; the other kinds of plugins have a header, a page and a macro of their own, and the rest is the same.
 */
#include <mantis/resolver.h>

#include <string.h>

/* ---- Options: Mantis checks what the configuration says, and fills this in before start() -------- */

struct mine {
  const char *column;
};

static const struct mantis_option options[] = {
  MANTIS_TEXT_OPTION (struct mine, column, "final", "the column that is not 0 in a row that is final"),
  { .name = NULL },
};

/* ---- The rule: of its arguments alone; no clock, no chance, no database -------------------------- */

/* A row that was deleted has its key only; a column may hold any type, or not have been sent. */
static bool
is_final (const struct mine *mine, const struct mantis_change *change)
{
  const struct mantis_table *table = change->table;

  for (size_t i = 0; i < table->column_count && !change->deleted; i++)
    if (strcmp (table->columns[i].name, mine->column) == 0)
      return change->row[i].type == MANTIS_INTEGER && change->row[i].as.integer != 0;
  return false;
}

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  const struct mine *mine = self;
  bool here = is_final (mine, conflict->local), there = is_final (mine, conflict->remote);

  (void) merged, (void) arena;
  if (here != there) {
    mantis_fail (error, MANTIS_OK, "a final row stands"); /* why: for the people who read the conflicts */
    return here ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE;
  }
  mantis_fail (error, MANTIS_OK, "the later change wins");
  return mantis_change_order (conflict->local, conflict->remote) < 0 ? MANTIS_TAKE_REMOTE
                                                                      : MANTIS_KEEP_LOCAL;
}

/* ---- Who it is ----------------------------------------------------------------------------------- */

static const struct mantis_resolver ops = { .size = sizeof ops, .decide = decide };

MANTIS_RESOLVER_PLUGIN (mine, &ops, .summary = "a final row stands, else the later change wins",
                        .version = "0.1", .self_size = sizeof (struct mine), .options = options,
                        .threads = MANTIS_PARALLEL);
