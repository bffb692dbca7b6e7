/* hooks.c - who is told what happens, and may change or refuse it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/hooks.h"

#include "base/base.h"
#include "run/thread.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

struct hook_set {
  struct mantis_arena *arena; /* of the set itself */
  size_t references, count;
  struct hook *list;
};

/* ---- The set ----------------------------------------------------------------------------------- */
void
hooks_init (struct hooks *hooks)
{
  *hooks = (struct hooks){.now = NULL};
  pthread_mutex_init (&hooks->lock, NULL);
}

static void
free_set (struct hook_set *set)
{
  for (size_t i = 0; i < set->count; i++)
    instance_free (set->list[i].instance);
  mantis_arena_free (set->arena);
}

static struct hook_set *
take (struct hooks *hooks)
{
  struct hook_set *set;

  pthread_mutex_lock (&hooks->lock);
  if ((set = hooks->now))
    set->references++;
  pthread_mutex_unlock (&hooks->lock);
  return set;
}

static void
let_go (struct hooks *hooks, struct hook_set *set)
{
  bool last;

  pthread_mutex_lock (&hooks->lock);
  last = --set->references == 0;
  pthread_mutex_unlock (&hooks->lock);
  if (last)
    free_set (set);
}

/* A set that ends while others work: a program may have to be waited for. */
struct leaving {
  struct hooks *hooks;
  struct hook_set *set;
  pthread_t thread;
};

static void *
leave (void *context)
{
  struct leaving *leaving = context;

  let_go (leaving->hooks, leaving->set);
  return NULL;
}

static void
join_leaving (struct hooks *hooks)
{
  if (hooks->leaving)
    pthread_join (hooks->leaving->thread, NULL);
  free (hooks->leaving);
  hooks->leaving = NULL;
}

static void
begin_leaving (struct hooks *hooks, struct hook_set *set)
{
  struct leaving *leaving = calloc (1, sizeof *leaving);

  join_leaving (hooks);
  if (leaving) {
    *leaving = (struct leaving){.hooks = hooks, .set = set};
    if (thread_start (&leaving->thread, 0, leave, leaving) == 0) {
      hooks->leaving = leaving;
      return;
    }
  }
  free (leaving);
  let_go (hooks, set);
}

void
hooks_free (struct hooks *hooks)
{
  join_leaving (hooks);
  if (hooks->now)
    let_go (hooks, hooks->now);
  pthread_mutex_destroy (&hooks->lock);
}

static const char *const *
copy_list (struct mantis_arena *arena, const char *const *list)
{
  const char **copy;
  size_t count = 0;

  while (list && list[count])
    count++;
  if (!list || !(copy = arena_array (arena, count + 1, sizeof *copy)))
    return NULL;
  for (size_t i = 0; i < count; i++)
    copy[i] = mantis_arena_strdup (arena, list[i]);
  return copy;
}

static struct hook_set *
new_set (const struct hook *list, size_t count)
{
  struct mantis_arena *arena = mantis_arena_new (0);
  struct hook_set *set = arena ? mantis_arena_alloc (arena, sizeof *set) : NULL;

  if (set) {
    *set = (struct hook_set){.arena = arena, .references = 1, .count = count};
    set->list = arena_array (arena, count, sizeof *list);
  }
  for (size_t i = 0; set && set->list && i < count; i++) {
    set->list[i] = list[i];
    set->list[i].tables = copy_list (arena, list[i].tables);
  }
  if (set && !mantis_arena_exhausted (arena))
    return set;
  mantis_arena_free (arena);
  return NULL;
}

enum mantis_status
hooks_set (struct hooks *hooks, const struct hook *list, size_t count, struct mantis_error *error)
{
  struct hook_set *set = count ? new_set (list, count) : NULL, *before;
  uint32_t moments = 0;

  if (count && !set)
    return mantis_fail (error, MANTIS_FAILED, "no memory left for %zu hooks", count);
  for (size_t i = 0; i < count; i++)
    moments |= list[i].moments;
  pthread_mutex_lock (&hooks->lock);
  before = hooks->now;
  hooks->now = set;
  atomic_store (&hooks->moments, moments);
  pthread_mutex_unlock (&hooks->lock);
  if (before)
    begin_leaving (hooks, before);
  return MANTIS_OK;
}

/* ---- One call ---------------------------------------------------------------------------------- */
static bool
speaks_of (const struct hook *hook, const struct mantis_table *table)
{
  for (const char *const *pattern = hook->tables; pattern && *pattern; pattern++)
    if (fnmatch (*pattern, table->name, FNM_NOESCAPE) == 0)
      return true;
  return !hook->tables;
}

static enum mantis_status
call (const struct hook *hook, struct mantis_event *event, struct mantis_error *error)
{
  const struct mantis_hook *ops = hook->instance->ops;
  enum mantis_status status;

  event->size = sizeof *event;
  event->on_failure = hook->on_failure;
  *error = (struct mantis_error){.text = "it gave no reason"};
  instance_lock (hook->instance);
  status = ops->happens (hook->instance->self, event, error);
  instance_unlock (hook->instance);
  return status;
}

/* ---- Before ------------------------------------------------------------------------------------ */

/* What one hook is shown of a question. */
struct part {
  struct mantis_change *changes;
  size_t *places; /* in the question */
  const char **refusals;
  mantis_row *rows;
  size_t count;
};

static enum mantis_status
take_part (const struct hook *hook, const struct hook_question *question, struct part *part,
           struct mantis_error *error)
{
  struct mantis_arena *arena = question->arena;
  size_t count = question->count;

  *part = (struct part){.changes = arena_array (arena, count, sizeof *part->changes),
                        .places = arena_array (arena, count, sizeof *part->places),
                        .refusals = arena_array (arena, count, sizeof *part->refusals),
                        .rows = arena_array (arena, count, sizeof *part->rows)};
  if (!part->changes || !part->places || !part->refusals || !part->rows)
    return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  for (size_t i = 0; i < count; i++)
    if (!question->refusals[i] && speaks_of (hook, question->changes[i].table)) {
      part->changes[part->count] = question->changes[i];
      part->places[part->count++] = i;
    }
  return MANTIS_OK;
}

/* May what CHANGE says become WANTED? */
static enum mantis_status
check_row (const struct hook_question *question, const struct mantis_change *change,
           mantis_row wanted, struct mantis_error *error)
{
  const struct mantis_table *table = change->table;

  if (!question->caller.principal || question->moment == MANTIS_BEFORE_CONFLICT)
    return mantis_fail (error, MANTIS_FAILED,
                        "rows can be changed on a server alone, before push and apply");
  if (change->deleted)
    return mantis_fail (error, MANTIS_FAILED, "a deletion of table \"%s\" cannot be changed",
                        table->name);
  for (size_t i = 0; i < table->column_count; i++) {
    const struct mantis_column *column = &table->columns[i];
    if (wanted[i].type > MANTIS_BLOB)
      return mantis_fail (error, MANTIS_FAILED, "a value of unknown type for column \"%s\"",
                          column->name);
    if (wanted[i].type != MANTIS_NONE && (column->key_position || column->generated) &&
        !mantis_value_equal (&wanted[i], &change->row[i]))
      return mantis_fail (error, MANTIS_FAILED,
                          "column \"%s\" of table \"%s\" cannot be changed: it is %s", column->name,
                          table->name, column->generated ? "generated" : "of the key");
  }
  return MANTIS_OK;
}

/* CHANGE says what WANTED says from here on.  False: it did already. */
static bool
replace (struct mantis_change *change, mantis_row wanted, struct mantis_arena *arena)
{
  size_t count = change->table->column_count;
  struct mantis_value *row = arena_array (arena, count, sizeof *row);
  struct mantis_value *was = arena_array (arena, count, sizeof *was);
  bool other = false;

  if (!row || !was)
    return false; /* the caller sees that the arena is exhausted */
  memcpy (row, change->row, count * sizeof *row);
  if (change->was)
    memcpy (was, change->was, count * sizeof *was);
  for (size_t i = 0; i < count; i++) {
    if (wanted[i].type == MANTIS_NONE || mantis_value_equal (&wanted[i], &row[i]))
      continue;
    if (was[i].type == MANTIS_NONE)
      was[i] = row[i]; /* its author left it as it was */
    row[i] = wanted[i];
    other = true;
  }
  if (other) {
    change->row = row;
    change->was = change->was ? was : NULL;
  }
  return other;
}

/* HOOK's answers to PART are taken over, all of them or none. */
static enum mantis_status
take_answers (const struct hook *hook, struct hook_question *question, const struct part *part,
              struct mantis_error *error)
{
  struct mantis_arena *arena = question->arena;
  const char *name = part->count ? mantis_arena_strdup (arena, hook->instance->name) : NULL;
  enum mantis_status status = MANTIS_OK;

  for (size_t i = 0; i < part->count && status == MANTIS_OK; i++)
    if (part->rows[i])
      status = check_row (question, &part->changes[i], part->rows[i], error);
  for (size_t i = 0; i < part->count && status == MANTIS_OK; i++) {
    size_t at = part->places[i];
    if (part->refusals[i]) {
      question->refusals[at] = mantis_arena_strdup (arena, part->refusals[i]);
      question->refused_by[at] = name;
    } else if (part->rows[i] && replace (&question->changes[at], part->rows[i], arena)) {
      question->sent[at] = question->changed_by[at] ? question->sent[at] : part->changes[i].row;
      question->changed_by[at] = name;
    }
  }
  if (status == MANTIS_OK && part->count && mantis_arena_exhausted (arena))
    status = mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  return status;
}

static enum mantis_status
ask_one (const struct hook *hook, struct hook_question *question, struct mantis_error *error)
{
  struct mantis_event event = {.moment = question->moment,
                               .principal = question->caller.principal,
                               .node = question->caller.node,
                               .arena = question->arena};
  struct part part = {.count = 0};
  enum mantis_status status = MANTIS_OK;

  if (question->count) {
    if ((status = take_part (hook, question, &part, error)) != MANTIS_OK || !part.count)
      return status;
    event.changes = part.changes;
    event.change_count = part.count;
    event.refusals = part.refusals;
    event.rows = part.rows;
  }
  status = call (hook, &event, error);
  if (status == MANTIS_OK)
    status = take_answers (hook, question, &part, error);
  if (status == MANTIS_OK)
    return MANTIS_OK;
  mantis_fail_in (error, "hook \"%s\"", hook->instance->name);
  if (status == MANTIS_REFUSED || status == MANTIS_DENIED || status == MANTIS_INVALID)
    return error->status = MANTIS_REFUSED;
  mantis_log (MANTIS_WARNING, "%s: %s%s", mantis_moment_name (question->moment), error->text,
              hook->on_failure == MANTIS_FAILURE_IGNORED ? " (ignored)" : "");
  if (hook->on_failure == MANTIS_FAILURE_IGNORED)
    return MANTIS_OK;
  return error->status = MANTIS_BUSY;
}

enum mantis_status
hooks_ask (struct hooks *hooks, struct hook_question *question, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;
  struct hook_set *set;

  if (question->count && !question->refusals) {
    size_t count = question->count;
    question->refusals = arena_array (question->arena, count, sizeof *question->refusals);
    question->refused_by = arena_array (question->arena, count, sizeof *question->refused_by);
    question->changed_by = arena_array (question->arena, count, sizeof *question->changed_by);
    question->sent = arena_array (question->arena, count, sizeof *question->sent);
    if (!question->refusals || !question->refused_by || !question->changed_by || !question->sent)
      return mantis_fail (error, MANTIS_FULL, "the batch is larger than its limit");
  }
  if (!hooks_want (hooks, question->moment) || !(set = take (hooks)))
    return MANTIS_OK;
  for (size_t i = 0; i < set->count && status == MANTIS_OK; i++)
    if (set->list[i].moments & 1u << question->moment)
      status = ask_one (&set->list[i], question, error);
  let_go (hooks, set);
  return status;
}

/* ---- After ------------------------------------------------------------------------------------- */
enum mantis_status
happened_add (struct happened *h, struct mantis_arena *arena, const struct mantis_change *change,
              const char *outcome, const char *reason, const char *decided_by, mantis_row standing,
              struct mantis_error *error)
{
  if (h->count == h->room) {
    struct happened more = {.room = h->room ? h->room * 2 : 64};
    more.changes = arena_array (arena, more.room, sizeof *more.changes);
    more.outcomes = arena_array (arena, more.room, sizeof *more.outcomes);
    more.reasons = arena_array (arena, more.room, sizeof *more.reasons);
    more.deciders = arena_array (arena, more.room, sizeof *more.deciders);
    more.standing = arena_array (arena, more.room, sizeof *more.standing);
    if (mantis_arena_exhausted (arena))
      return mantis_fail (error, MANTIS_FULL, "no memory left to tell hooks what happened");
    for (; more.count < h->count; more.count++) {
      more.changes[more.count] = h->changes[more.count];
      more.outcomes[more.count] = h->outcomes[more.count];
      more.reasons[more.count] = h->reasons[more.count];
      more.deciders[more.count] = h->deciders[more.count];
      more.standing[more.count] = h->standing[more.count];
    }
    *h = more;
  }
  h->changes[h->count] = *change;
  h->outcomes[h->count] = outcome;
  h->reasons[h->count] = reason;
  h->deciders[h->count] = decided_by;
  h->standing[h->count++] = standing;
  return MANTIS_OK;
}

/* Of ALL what HOOK is to see; ARENA is for a copy, where it is not all of it. */
static bool
select_part (const struct hook *hook, const struct happened *all, struct mantis_arena *arena,
             struct happened *part)
{
  *part = *all;
  if (!hook->tables)
    return true;
  *part = (struct happened){.count = 0};
  for (size_t i = 0; i < all->count; i++)
    if (speaks_of (hook, all->changes[i].table) &&
        happened_add (part, arena, &all->changes[i], all->outcomes[i], all->reasons[i],
                      all->deciders[i], all->standing[i], NULL) != MANTIS_OK)
      return false;
  return true;
}

static void
tell_one (const struct hook *hook, struct mantis_event *event, const struct happened *happened)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_error error = {.status = MANTIS_FAILED, .text = "no memory left to call it"};
  struct happened part = {.count = 0};
  enum mantis_status status = MANTIS_FAILED;

  if (arena && (!happened || select_part (hook, happened, arena, &part))) {
    if (happened && !part.count)
      return;
    event->changes = part.changes;
    event->change_count = part.count;
    event->outcomes = part.outcomes;
    event->reasons = part.reasons;
    event->deciders = part.deciders;
    event->standing = event->moment == MANTIS_AFTER_CONFLICT ? part.standing : NULL;
    event->arena = arena;
    status = call (hook, event, &error);
  }
  if (status != MANTIS_OK)
    mantis_log (hook->on_failure == MANTIS_FAILURE_IGNORED ? MANTIS_WARNING : MANTIS_ERROR,
                "%s: hook \"%s\": %s", mantis_moment_name (event->moment), hook->instance->name,
                error.text);
}

static void
tell (struct hooks *hooks, const struct mantis_event *event, const struct happened *happened)
{
  struct hook_set *set = take (hooks);

  if (!set)
    return;
  for (size_t i = 0; i < set->count; i++)
    if (set->list[i].moments & 1u << event->moment) {
      struct mantis_event own = *event;
      tell_one (&set->list[i], &own, happened);
    }
  let_go (hooks, set);
}

void
hooks_tell (struct hooks *hooks, enum mantis_moment moment, const struct hook_caller *caller,
            const struct happened *happened)
{
  const struct mantis_event event = {
      .moment = moment, .principal = caller->principal, .node = caller->node};

  if (hooks_want (hooks, moment) && !(happened && !happened->count))
    tell (hooks, &event, happened);
}

void
hooks_tell_error (struct hooks *hooks, const struct hook_caller *caller, const char *message,
                  const char *text)
{
  const struct mantis_event event = {.moment = MANTIS_ON_ERROR,
                                     .principal = caller->principal,
                                     .node = caller->node,
                                     .message = message,
                                     .error = text};

  if (hooks_want (hooks, MANTIS_ON_ERROR))
    tell (hooks, &event, NULL);
}
