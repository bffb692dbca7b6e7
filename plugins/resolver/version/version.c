/* version - rows are merged column by column with the row that both were made from.
 *
 * docs/conflicts.md defines, on one page, what comes out.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "number.h"

#include <mantis/resolver.h>
#include <string.h>

struct version {
  const char *second, *deletes;
  const char *const *const *groups;
  const char *const *columns; /* name and rule by turns */
};

static const struct mantis_option options[] = {
    MANTIS_CHOICE (struct version, second, "timestamp", "timestamp|server|client|manual",
                   "who decides about a column that both sides changed"),
    MANTIS_CHOICE (struct version, deletes, "lose", "lose|win|manual",
                   "what becomes of a deletion that meets an edit"),
    MANTIS_LISTS (struct version, groups, "columns that belong together and merge as one"),
    MANTIS_MAP (struct version, columns, "add|max|min",
                "columns whose values are combined when both sides changed them"),
    {.name = NULL},
};

/* ---- The configuration ----------------------------------------------------------------------- */

static const char *const *
group_of (const struct version *version, const char *column)
{
  for (size_t g = 0; version->groups && version->groups[g]; g++)
    for (const char *const *name = version->groups[g]; *name; name++)
      if (strcmp (*name, column) == 0)
        return version->groups[g];
  return NULL;
}

/* NULL: none. */
static const char *
rule_of (const struct version *version, const char *column)
{
  for (const char *const *at = version->columns; at && *at; at += 2)
    if (strcmp (at[0], column) == 0)
      return at[1];
  return NULL;
}

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  const struct version *version = self;

  for (size_t g = 0; version->groups && version->groups[g]; g++)
    for (const char *const *name = version->groups[g]; *name; name++) {
      if (group_of (version, *name) != version->groups[g])
        return mantis_fail (error, MANTIS_INVALID, "column \"%s\" is in two of the groups", *name);
      if (rule_of (version, *name))
        return mantis_fail (error, MANTIS_INVALID,
                            "column \"%s\" is in a group and has the rule \"%s\": it can be one of "
                            "both",
                            *name, rule_of (version, *name));
    }
  return MANTIS_OK;
}

static const struct mantis_column *
column_named (const struct mantis_table *table, const char *name)
{
  for (size_t i = 0; i < table->column_count; i++)
    if (strcmp (table->columns[i].name, name) == 0)
      return &table->columns[i];
  return NULL;
}

/* Can NAME be merged by RULE (NULL: in a group)? */
static enum mantis_status
check_column (const struct mantis_table *table, const char *name, const char *rule,
              struct mantis_error *error)
{
  static const char *const no_numbers[] = {"CHAR", "CLOB", "DATE", "TIME"};
  const struct mantis_column *column = column_named (table, name);

  if (!column)
    return mantis_fail (error, MANTIS_INVALID, "there is no column \"%s\"", name);
  if (column->key_position || column->generated)
    return mantis_fail (error, MANTIS_INVALID, "column \"%s\" %s: it is never merged", name,
                        column->generated ? "is generated" : "belongs to the key");
  for (size_t i = 0; i < sizeof no_numbers / sizeof *no_numbers; i++)
    if (rule && strcmp (rule, "add") == 0 && strcasestr (column->declared, no_numbers[i]))
      return mantis_fail (error, MANTIS_INVALID,
                          "column \"%s\" is of the type %s, which cannot be added: say \"max\", "
                          "\"min\", or nothing",
                          name, column->declared);
  return MANTIS_OK;
}

static enum mantis_status
suits (void *self, const struct mantis_table *table, struct mantis_error *error)
{
  const struct version *version = self;
  enum mantis_status status = MANTIS_OK;

  for (size_t g = 0; version->groups && version->groups[g]; g++)
    for (const char *const *name = version->groups[g]; *name && status == MANTIS_OK; name++)
      status = check_column (table, *name, NULL, error);
  for (const char *const *at = version->columns; at && *at && status == MANTIS_OK; at += 2)
    status = check_column (table, at[0], at[1], error);
  return status;
}

/* ---- One decision ---------------------------------------------------------------------------- */

struct merge {
  const struct version *version;
  const struct mantis_conflict *conflict;
  const struct mantis_table *table;
  struct mantis_value *merged;
  struct mantis_arena *arena;
  bool lost, waits;
  const char *column; /* the first about which somebody had to decide */
};

enum winner { LOCAL, REMOTE, NOBODY };

/* By the second policy; STAMP: when and by whom the local side was written. */
static enum winner
second (const struct version *version, const struct mantis_change *remote,
        const struct mantis_stamp *stamp)
{
  const struct mantis_change local = {.updated_at = stamp->time, .origin = stamp->origin};

  switch (*version->second) {
  case 't':
    return mantis_change_order (&local, remote) < 0 ? REMOTE : LOCAL;
  case 's':
    return LOCAL;
  case 'c':
    return REMOTE;
  default:
    return NOBODY;
  }
}

static enum mantis_decision
decision_of (enum winner winner)
{
  return winner == LOCAL ? MANTIS_KEEP_LOCAL : winner == REMOTE ? MANTIS_TAKE_REMOTE : MANTIS_DEFER;
}

/* The columns that merge together with that at FIRST, in AT: how many?  0: an earlier one has dealt with it. */
static size_t
unit_of (const struct merge *merge, size_t first, uint32_t *at)
{
  const char *const *group = group_of (merge->version, merge->table->columns[first].name);
  size_t count = 0;

  if (!group) {
    *at = (uint32_t)first;
    return 1;
  }
  for (size_t i = 0; i < merge->table->column_count; i++)
    if (group_of (merge->version, merge->table->columns[i].name) == group &&
        !merge->table->columns[i].key_position && !merge->table->columns[i].generated) {
      if (i < first)
        return 0;
      at[count++] = (uint32_t)i;
    }
  return count;
}

/* Did the side with ROW change column I? */
static bool
changed (const struct merge *merge, mantis_row row, size_t i)
{
  mantis_row base = merge->conflict->base;

  return row[i].type != MANTIS_NONE &&
         (base[i].type == MANTIS_NONE || !mantis_value_equal (&base[i], &row[i]));
}

/* Both sides changed column I: is there one value that both are in? */
static bool
combine (struct merge *merge, const char *rule, size_t i)
{
  const struct mantis_value *local = &merge->conflict->local->row[i],
                            *remote = &merge->conflict->remote->row[i];

  if (strcmp (rule, "add") == 0)
    return number_add (&merge->conflict->base[i], local, remote, merge->arena, &merge->merged[i]);
  if (local->type == MANTIS_NULL || remote->type == MANTIS_NULL) /* no value at all */
    merge->merged[i] = local->type == MANTIS_NULL ? *remote : *local;
  else
    merge->merged[i] =
        (number_order (local, remote) > 0) == (strcmp (rule, "max") == 0) ? *local : *remote;
  merge->lost = true; /* the other value is no more */
  if (!merge->column)
    merge->column = merge->table->columns[i].name;
  return true;
}

static struct mantis_stamp
newest_stamp (const struct merge *merge, const uint32_t *at, size_t count)
{
  const struct mantis_conflict *conflict = merge->conflict;
  struct mantis_stamp newest = {.time = conflict->local->updated_at,
                                .origin = conflict->local->origin};

  for (size_t i = 0; conflict->stamps && i < count; i++) {
    const struct mantis_stamp *stamp = &conflict->stamps[at[i]];
    const struct mantis_change a = {.updated_at = newest.time, .origin = newest.origin},
                               b = {.updated_at = stamp->time, .origin = stamp->origin};
    if (i == 0 || mantis_change_order (&a, &b) < 0)
      newest = *stamp;
  }
  return newest;
}

/* The COUNT columns AT, which merge as one. */
static void
merge_unit (struct merge *merge, const uint32_t *at, size_t count)
{
  mantis_row local = merge->conflict->local->row, remote = merge->conflict->remote->row;
  bool here = false, there = false, same = true;
  const char *rule = rule_of (merge->version, merge->table->columns[at[0]].name);
  struct mantis_stamp stamp;
  enum winner winner = REMOTE;

  for (size_t i = 0; i < count; i++) {
    here |= changed (merge, local, at[i]);
    there |= changed (merge, remote, at[i]);
    same &= remote[at[i]].type == MANTIS_NONE || mantis_value_equal (&local[at[i]], &remote[at[i]]);
  }
  if (!there || (same && !(rule && strcmp (rule, "add") == 0 && here)))
    return;
  if (here) {
    if ((rule && combine (merge, rule, at[0])) || same)
      return;
    stamp = newest_stamp (merge, at, count);
    winner = second (merge->version, merge->conflict->remote, &stamp);
    merge->lost = true;
    merge->waits |= winner == NOBODY;
    if (!merge->column)
      merge->column = merge->table->columns[at[0]].name;
  }
  for (size_t i = 0; winner == REMOTE && i < count; i++)
    merge->merged[at[i]] = remote[at[i]];
}

static enum mantis_decision
merge_rows (struct merge *merge, struct mantis_error *error)
{
  uint32_t *at = mantis_arena_alloc (merge->arena, merge->table->column_count * sizeof *at);

  if (!at) {
    mantis_fail (error, MANTIS_OK, "no memory for the merge");
    return 0;
  }
  for (size_t i = 0; i < merge->table->column_count; i++) {
    const struct mantis_column *column = &merge->table->columns[i];
    size_t count = column->key_position || column->generated ? 0 : unit_of (merge, i, at);
    if (count)
      merge_unit (merge, at, count);
  }
  if (!merge->lost) {
    mantis_fail (error, MANTIS_OK, "merged: nobody changed what the other did");
    return MANTIS_JOIN;
  }
  mantis_fail (error, MANTIS_OK, "both sides changed \"%s\"%s", merge->column,
               merge->waits ? ": a person decides" : "");
  return merge->waits ? MANTIS_DEFER : MANTIS_MERGE;
}

static enum mantis_decision
meet_deletion (const struct version *version, const struct mantis_conflict *conflict,
               struct mantis_error *error)
{
  bool wins = *version->deletes == 'w';

  if (*version->deletes == 'm') {
    mantis_fail (error, MANTIS_OK, "one side deleted the row: a person decides");
    return MANTIS_DEFER;
  }
  mantis_fail (error, MANTIS_OK, wins ? "a deletion wins" : "an edit wins over a deletion");
  return conflict->local->deleted == wins ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE;
}

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  const struct version *version = self;
  const struct mantis_change *local = conflict->local, *remote = conflict->remote;
  struct merge merge = {.version = version,
                        .conflict = conflict,
                        .table = conflict->table,
                        .merged = merged,
                        .arena = arena};

  if (local->deleted != remote->deleted)
    return meet_deletion (version, conflict, error);
  if (!conflict->base) { /* what each side changed is not known: one row of the two */
    const struct mantis_stamp stamp = {.time = local->updated_at, .origin = local->origin};
    mantis_fail (error, MANTIS_OK, "what both were made from is not known");
    return decision_of (second (version, remote, &stamp));
  }
  return merge_rows (&merge, error);
}

static const struct mantis_resolver ops = {.size = sizeof ops,
                                           .decide = decide,
                                           .wants = MANTIS_WANTS_BASE | MANTIS_WANTS_STAMPS,
                                           .suits = suits};

MANTIS_RESOLVER_PLUGIN (version, &ops, .summary = "columns that only one side changed are merged",
                        .self_size = sizeof (struct version), .options = options, .start = start,
                        .threads = MANTIS_PARALLEL);
