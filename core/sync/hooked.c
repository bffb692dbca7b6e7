/* hooked.c - what hooks said about the rows of a push, and what they are told of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "sync/push.h"

#include <string.h>

/* A row that a hook refuses is rejected whatever stands; one that it changed is nobody's verbatim: its author gets it. */
void
push_take_answers (struct push *push)
{
  const struct hook_question *asked = push->asked;

  if (!asked || !asked->refusals)
    return;
  for (size_t i = 0; i < push->count; i++) {
    struct pushed *item = &push->items[i];
    if (asked->refusals[i]) {
      item->outcome = OUTCOME_REJECTED;
      item->reason = asked->refusals[i];
      item->decided_by = asked->refused_by[i];
      item->conflict = false;
    } else if (asked->changed_by[i])
      item->stored.origin = NULL;
  }
}

mantis_row
push_sent (const struct push *push, const struct pushed *item)
{
  const struct hook_question *asked = push->asked;
  size_t i = (size_t)(item - push->items);

  return asked && asked->sent && asked->sent[i] ? asked->sent[i] : item->change.row;
}

/* What a hook changed and stands is, to its author, as what the database altered. */
enum mantis_status
push_tell_changed (struct push *push, struct mantis_error *error)
{
  const struct hook_question *asked = push->asked;

  if (!asked || !asked->refusals)
    return MANTIS_OK;
  for (size_t i = 0; i < push->count; i++) {
    struct pushed *item = &push->items[i];
    if (!asked->changed_by[i] ||
        (item->outcome != OUTCOME_APPLIED && item->outcome != OUTCOME_SAME))
      continue;
    if (item->outcome == OUTCOME_SAME)
      item->unwatched = false;
    item->altered = true;
    item->outcome = OUTCOME_MERGED;
    item->reason = mantis_arena_printf (push->arena, "the server's hook \"%s\" altered the row",
                                        asked->changed_by[i]);
    if (!item->reason)
      return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  }
  return MANTIS_OK;
}

/* Inside the transaction: hooks that do not wait may refuse before the resolver is asked. */
enum mantis_status
push_ask_conflict (struct push *push, struct pushed *item, struct mantis_error *error)
{
  struct hook_question question = {.moment = MANTIS_BEFORE_CONFLICT,
                                   .caller = push->caller,
                                   .changes = &item->change,
                                   .count = 1,
                                   .arena = push->arena};
  enum mantis_status status = hooks_ask (push->store->hooks, &question, error);
  bool all = status == MANTIS_REFUSED;

  if ((status != MANTIS_OK && !all) || (!all && !question.refusals[0]))
    return status;
  item->outcome = OUTCOME_REJECTED;
  item->reason = all ? mantis_arena_strdup (push->arena, error->text) : question.refusals[0];
  item->decided_by = all ? "hook" : question.refused_by[0];
  return MANTIS_OK;
}

/* ---- After ------------------------------------------------------------------------------------- */
static bool
stands (const struct pushed *item)
{
  return item->outcome == OUTCOME_APPLIED || item->outcome == OUTCOME_MERGED;
}

/* Is one of its sides kept in __sync_conflicts? */
static bool
is_kept (const struct pushed *item)
{
  bool lost = item->outcome == OUTCOME_SUPERSEDED || item->outcome == OUTCOME_DEFERRED ||
              item->outcome == OUTCOME_REJECTED;

  return lost ? !item->quiet : stands (item) && item->conflict && !item->quiet;
}

static bool
is_told (enum mantis_moment moment, const struct pushed *item)
{
  return moment == MANTIS_AFTER_PUSH ||
         (moment == MANTIS_AFTER_APPLY ? stands (item) : is_kept (item));
}

void
push_tell (struct push *push)
{
  static const enum mantis_moment moments[] = {MANTIS_AFTER_PUSH, MANTIS_AFTER_APPLY,
                                               MANTIS_AFTER_CONFLICT};
  struct hooks *hooks = push->store->hooks;
  struct mantis_error error;

  for (size_t m = 0; m < COUNT_OF (moments); m++) {
    struct happened happened = {.count = 0};
    enum mantis_status status = MANTIS_OK;
    if (!hooks_want (hooks, moments[m]))
      continue;
    for (size_t i = 0; i < push->count && status == MANTIS_OK; i++) {
      const struct pushed *item = &push->items[i];
      bool applied = moments[m] == MANTIS_AFTER_APPLY;
      mantis_row standing = !stands (item)         ? item->current
                            : item->stored.deleted ? NULL
                                                   : item->stored.row;
      if (is_told (moments[m], item))
        status = happened_add (&happened, push->arena, applied ? &item->stored : &item->change,
                               outcome_name (item->outcome), item->reason, item->decided_by,
                               standing, &error);
    }
    if (status == MANTIS_OK)
      hooks_tell (hooks, moments[m], &push->caller, &happened);
    else
      mantis_log (MANTIS_ERROR, "%s: %s", mantis_moment_name (moments[m]), error.text);
  }
}
