/* resolve.c - who is asked, and what was decided.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/push.h"

#include <mantis/resolver.h>
#include <string.h>

/* How long a push waits for a resolver that waits, microseconds: then the row is sent again later, and what else a
 * device has to tell goes on.  Who names no node (curl) has nothing else to tell, and does not send it again. */
enum { PATIENCE_US = 1000000, LONG_PATIENCE_US = 30000000, MOST_AFTER = 60 };

uint32_t
push_wants (const struct push *push, const struct mantis_table *table)
{
  const struct instance *policy = push->policy (push->policy_context, table->name);

  return ((const struct mantis_resolver *)policy->ops)->wants;
}

/* The row that ITEM's author made it of.  What it says of a column that it does not see is a guess, which the outcome
 * must not confirm; what a hook has filled in since it did not have either. */
static enum mantis_status
find_base (struct push *push, struct pushed *item, struct mantis_error *error)
{
  const struct mantis_change *change = &item->change;
  const struct mantis_table *table = change->table;
  const struct filtered *filtered = viewer_filtered (&push->viewer, table);
  mantis_row sent = push_sent (push, item);
  struct mantis_value *base;

  if (!change->was || !(push_wants (push, table) & MANTIS_WANTS_BASE))
    return MANTIS_OK;
  if (!(base = arena_array (push->arena, table->column_count, sizeof *base)))
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  for (size_t i = 0; i < table->column_count; i++)
    if (!filter_hides (filtered, &push->viewer, i))
      base[i] = change->was[i].type != MANTIS_NONE ? change->was[i] : sent[i];
  item->base = base;
  return MANTIS_OK;
}

/* The row as it stands here, as a change. */
static struct mantis_change
local_change (const struct push *push, const struct pushed *item)
{
  return (struct mantis_change){
      .table = item->change.table,
      .row = item->current ? item->current : item->change.row,
      .deleted = !item->current,
      .updated_at = item->version.updated_at,
      .rev = version_rev (push->store, &item->version),
      .origin = item->version.origin ? item->version.origin : push->store->node,
  };
}

/* Is MERGED the row that was sent, whole? */
static bool
is_verbatim (const struct mantis_table *table, mantis_row sent, mantis_row merged)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (!table->columns[i].generated && !mantis_value_equal (&sent[i], &merged[i]))
      return false;
  return true;
}

/* MERGED over the local row; where there is none, over what was pushed. */
static enum mantis_status
take_merged (struct pushed *item, struct mantis_value *merged, struct mantis_error *error)
{
  const struct mantis_table *table = item->change.table;

  for (size_t i = 0; i < table->column_count; i++) {
    const struct mantis_value *fallback = item->current ? &item->current[i] : &item->change.row[i];
    if (merged[i].type > MANTIS_BLOB)
      return mantis_fail (error, MANTIS_FAILED, "a merged value of unknown type in column \"%s\"",
                          table->columns[i].name);
    if (merged[i].type == MANTIS_NONE || table->columns[i].key_position ||
        table->columns[i].generated)
      merged[i] = *fallback;
  }
  if (item->current && rows_agree (table, merged, item->current)) {
    /* the merge is what stands already */
    bool same = item->quiet && rows_agree (table, item->change.row, item->current);
    item->outcome = same ? OUTCOME_SAME : OUTCOME_SUPERSEDED;
    item->conflict &= !same;
    return MANTIS_OK;
  }
  if (!item->change.deleted && is_verbatim (table, item->change.row, merged)) {
    item->outcome = OUTCOME_APPLIED;
    return MANTIS_OK;
  }
  item->outcome = OUTCOME_MERGED;
  item->stored.row = merged;
  item->stored.deleted = false;
  item->stored.origin = NULL; /* nobody's verbatim: its author gets it too */
  return MANTIS_OK;
}

/* A resolver that waits is asked outside of this transaction.  *DECISION: what it said of this very conflict; 0: it has
 * not said anything yet, or ITEM is to be sent again. */
static enum mantis_status
hear (struct push *push, struct pushed *item, struct instance *policy,
      const struct mantis_conflict *conflict, struct mantis_value **merged,
      enum mantis_decision *decision, struct mantis_error *error)
{
  struct hearing hearing;
  enum mantis_status status =
      questions_hear (push->questions, policy, conflict, push->arena, &hearing, error);
  int64_t until = hearing.since + (push->anonymous ? LONG_PATIENCE_US : PATIENCE_US);

  *decision = 0;
  if (status != MANTIS_OK)
    return status;
  if (hearing.state == ASKED_ANSWERED) {
    *merged = hearing.merged;
    *decision = hearing.decision;
    item->reason = hearing.reason;
    return MANTIS_OK;
  }
  item->outcome = OUTCOME_RETRY;
  item->reason = "the resolver is still thinking about it";
  item->after = (mantis_monotonic () - hearing.since) /
                4000000; /* the longer it thinks, the longer it will */
  item->after = item->after < 1 ? 1 : item->after > MOST_AFTER ? MOST_AFTER : item->after;
  if (hearing.state == ASKED_WAITS && mantis_monotonic () < until) {
    push->thinks = hearing.question;
    push->until = until > push->until ? until : push->until;
  }
  return MANTIS_OK;
}

static void
complain (const struct pushed *item, const struct instance *policy, enum mantis_decision decision)
{
  mantis_log (MANTIS_ERROR, "resolver \"%s\" gave no decision for a row of table \"%s\" (%d%s%s)",
              policy->name, item->change.table->name, (int)decision, item->reason ? ": " : "",
              item->reason ? item->reason : "");
}

static enum mantis_status
decide (struct push *push, struct pushed *item, struct instance *policy, struct mantis_error *error)
{
  const struct mantis_resolver *ops = policy->ops;
  struct mantis_change local = local_change (push, item);
  struct mantis_conflict conflict = {.size = sizeof conflict,
                                     .table = item->change.table,
                                     .base = item->base,
                                     .local = &local,
                                     .remote = &item->change,
                                     .stamps = item->stamps};
  struct mantis_value *merged =
      arena_array (push->arena, item->change.table->column_count, sizeof *merged);
  struct mantis_error reason = {.status = MANTIS_OK};
  enum mantis_decision decision;

  if (!merged)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  if (policy->waits) {
    enum mantis_status status = hear (push, item, policy, &conflict, &merged, &decision, error);
    if (status != MANTIS_OK || item->outcome == OUTCOME_RETRY)
      return status;
  } else {
    instance_lock (policy);
    decision = ops->decide (policy->self, &conflict, merged, push->arena, &reason);
    instance_unlock (policy);
    item->reason = *reason.text ? mantis_arena_strdup (push->arena, reason.text) : NULL;
  }
  item->decided_by = mantis_arena_strdup (push->arena, policy->name);
  switch (decision) {
  case MANTIS_KEEP_LOCAL:
    item->outcome = OUTCOME_SUPERSEDED;
    return MANTIS_OK;
  case MANTIS_TAKE_REMOTE:
    item->outcome = OUTCOME_APPLIED;
    return MANTIS_OK;
  case MANTIS_JOIN:
    item->quiet = true;
    return take_merged (item, merged, error);
  case MANTIS_MERGE:
    return take_merged (item, merged, error);
  case MANTIS_DEFER:
    item->outcome = OUTCOME_DEFERRED;
    return MANTIS_OK;
  case MANTIS_REFUSE:
    item->outcome = OUTCOME_REJECTED;
    if (!item->reason)
      item->reason = "refused by the policy";
    return MANTIS_OK;
  }
  complain (item, policy, decision);
  item->outcome = OUTCOME_RETRY;
  item->reason = "the resolver gave no decision";
  return MANTIS_OK;
}

enum mantis_status
push_resolve (struct push *push, struct mantis_error *error)
{
  enum mantis_status status = push_read_stamps (push, error);

  push->thinks = 0;
  push->until = 0;
  for (size_t i = 0; i < push->count && status == MANTIS_OK; i++) {
    struct pushed *item = &push->items[i];
    if (!item->conflict)
      continue;
    /* A row that its author never had cannot be deleted by it: that deletion was of another row. */
    if (item->change.deleted && !item->change.seen &&
        (item->change.created || item->change.base < push->store->floor)) {
      item->outcome = OUTCOME_SUPERSEDED;
      item->reason = "the deletion was made without having seen this row";
      item->decided_by = "mantis";
      continue;
    }
    if (hooks_want (push->store->hooks, MANTIS_BEFORE_CONFLICT) &&
        (status = push_ask_conflict (push, item, error)) == MANTIS_OK &&
        item->outcome == OUTCOME_REJECTED)
      continue;
    if (status == MANTIS_OK && (status = find_base (push, item, error)) == MANTIS_OK)
      status =
          decide (push, item, push->policy (push->policy_context, item->change.table->name), error);
  }
  if (status == MANTIS_OK && push->thinks)
    return mantis_fail (error, MANTIS_BUSY, "a resolver is thinking");
  return status;
}
