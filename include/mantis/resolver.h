/* mantis/resolver.h - which row stands when two were made from the same one.
 *
 * Asked on the server alone, and only in a conflict: the change was not made on the row's current
 * version, and the two states differ.  Its decision is final, so that all nodes converge whatever it is.
 *
 * Called on a worker thread, inside the transaction that applies.  The answer comes from the arguments
 * alone (no clock, no chance, no database), so that a recorded conflict gives the same answer tomorrow.
 * May be asked twice.  A resolver that waits for anything declares MANTIS_WAITS: it is asked outside
 * any transaction, on a thread apart from those that serve, and its answer counts only if the row is still as it was
 * shown: else it is asked again.  The device is told to send the row again where the answer takes more than a second;
 * the answer is kept for that.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_RESOLVER_H
#define MANTIS_RESOLVER_H

#include <mantis/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MANTIS_RESOLVER_ABI 1u

enum mantis_decision {
  MANTIS_KEEP_LOCAL = 1, /* the server's row stands; the change is superseded, and kept as a conflict */
  MANTIS_TAKE_REMOTE,    /* the change stands; the server's row is kept as a conflict */
  MANTIS_MERGE,          /* the row in MERGED stands */
  MANTIS_DEFER,          /* a person decides later; the server's row stands until then */
  MANTIS_REFUSE,         /* the change is rejected, with the text in REASON */
  MANTIS_JOIN            /* the row in MERGED stands, and holds all that either side changed: nobody has lost, no
                            conflict is kept */
};

/* Who wrote a value, and when. */
struct mantis_stamp {
  int64_t time; /* milliseconds since 1970 UTC, in the server's time */
  const char *origin;
};

struct mantis_conflict {
  size_t size;
  const struct mantis_table *table;
  mantis_row base; /* what both were made from; NULL when it is not known.  A column that is not known is MANTIS_NONE */
  const struct mantis_change *local;  /* what the database holds; may be a deletion */
  const struct mantis_change *remote; /* what has arrived; may be a deletion */
  const struct mantis_stamp *stamps;  /* of each column of LOCAL, with MANTIS_WANTS_STAMPS; else NULL */
};

/* What a resolver asks for besides both rows.  Each costs, for the tables that it decides: */
enum mantis_wants {
  MANTIS_WANTS_BASE = 1,  /* clients keep a second copy of each row, and send what a change was made of */
  MANTIS_WANTS_STAMPS = 2 /* with the base: the server writes a row of its own for each row that is pushed */
};

struct mantis_resolver {
  size_t size; /* new callbacks go at the end */

  /* Borrowed until return: conflict.  Yours to fill: for MANTIS_MERGE, merged[] with column_count values
   * (all are MANTIS_NONE at the call; a column left so keeps the local value; text may point into the
   * conflict's rows, into ARENA, or to constants; key columns cannot change); error->text, why, for the
   * people who read __sync_conflicts (for MANTIS_REFUSE its author is told, too).  Any other return value counts as an error of the plugin: the change is answered
   * `retry', logged, and nothing is stored. */
  enum mantis_decision (*decide) (void *self, const struct mantis_conflict *conflict,
                                  struct mantis_value *merged, struct mantis_arena *arena,
                                  struct mantis_error *error);
  uint32_t wants; /* enum mantis_wants, or-ed */

  /* With MANTIS_WAITS: the server is about to end.  Whoever is in decide() returns soon, with what he likes: it does not
   * count any more.  On another thread than decide(); called once.  NULL: he is waited for, however long that takes. */
  void (*hurry) (void *self);
  /* With MANTIS_WAITS, after start(): false when this use of the plugin does not wait after all, as it is configured.
   * NULL: it does. */
  bool (*waits) (void *self);

  /* Do the options, given for TABLE by its name, fit it?  Asked when the server starts; anything but MANTIS_OK, with what is
   * wrong (a column that there is not) in ERROR, and it does not start.  NULL: they fit any table. */
  enum mantis_status (*suits) (void *self, const struct mantis_table *table,
                               struct mantis_error *error);
};

#define MANTIS_RESOLVER_PLUGIN(name, ops, ...)                                                     \
  MANTIS_PLUGIN (name, MANTIS_KIND_RESOLVER, MANTIS_RESOLVER_ABI, ops, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
