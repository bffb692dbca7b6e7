/* decide.c - a conflict that was left to a person is decided; a row that lost is brought back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/decide.h"

#include "base/base.h"
#include "sync/conflict.h"
#include "wire/json.h"
#include "wire/key.h"

#include <mantis/resolver.h>
#include <string.h>

static const char *const choice_names[CHOICE_COUNT] = {NULL, "local", "remote", "merged", "loser"};

const char *
choice_name (enum choice choice)
{
  return choice_names[choice];
}

enum choice
choice_from (const char *name)
{
  for (int i = CHOOSE_LOCAL; i < CHOICE_COUNT; i++)
    if (strcmp (choice_names[i], name) == 0)
      return (enum choice)i;
  return CHOICE_COUNT;
}

struct deciding {
  struct store *store;
  const struct decision *decision;
  struct mantis_arena *arena;
  const struct mantis_table *table;
  mantis_row record, key;
  mantis_row shown;              /* what stood when the record was written; NULL: no row */
  mantis_row current;            /* what stands; NULL: no row */
  struct mantis_version version; /* of that */
  struct mantis_value *chosen;   /* what shall stand, whole; NULL: no row */
  bool merged;                   /* it holds all that was changed since */
};

/* ---- The record ------------------------------------------------------------------------------ */

/* A row that the record keeps as JSON; NULL: none. */
static enum mantis_status
kept_row (struct deciding *d, size_t column, mantis_row *row, struct mantis_error *error)
{
  const struct mantis_value *text = &d->record[column];
  CLEANUP_JSON json_t *json = NULL;

  *row = NULL;
  if (text->type != MANTIS_TEXT)
    return MANTIS_OK;
  if (!(json = json_read (text->as.bytes, text->length, error)))
    return mantis_fail_in (error, "conflict %lld: its %s cannot be read",
                           (long long)d->decision->id, table_conflicts.columns[column].name);
  return row_decode (json, d->table, d->arena, row, error);
}

static enum mantis_status
read_record (struct deciding *d, struct mantis_error *error)
{
  struct mantis_value id[CONFLICT_COLUMNS] = {[CONFLICT_ID] = value_integer (d->decision->id)};
  long long number = d->decision->id;
  const struct mantis_attached *attached;
  enum mantis_status status =
      store_get (d->store, &table_conflicts, id, d->arena, &d->record, error);

  if (status != MANTIS_OK)
    return status;
  if (!d->record)
    return mantis_fail (error, MANTIS_ABSENT, "there is no conflict %lld", number);
  if (d->decision->choice != CHOOSE_LOSER &&
      strcmp (value_as_text (&d->record[CONFLICT_STATE]), "open") != 0)
    return mantis_fail (error, MANTIS_REFUSED, "conflict %lld is closed: %s decided", number,
                        d->record[CONFLICT_RESOLVED_BY].type == MANTIS_TEXT
                            ? value_as_text (&d->record[CONFLICT_RESOLVED_BY])
                            : value_as_text (&d->record[CONFLICT_DECIDED_BY]));
  attached = store_table (d->store, value_as_text (&d->record[CONFLICT_TBL]));
  if (!attached || attached->table->refusal)
    return mantis_fail (error, MANTIS_REFUSED, "conflict %lld: table \"%s\" is not synced", number,
                        value_as_text (&d->record[CONFLICT_TBL]));
  d->table = attached->table;
  status = key_parse (value_as_text (&d->record[CONFLICT_KEY]), d->table, d->arena, &d->key, error);
  if (status == MANTIS_OK)
    status = kept_row (
        d, d->record[CONFLICT_STANDS].type == MANTIS_TEXT ? CONFLICT_STANDS : CONFLICT_WINNER,
        &d->shown, error);
  return status;
}

/* The row as it is now. */
static enum mantis_status
read_current (struct deciding *d, struct mantis_error *error)
{
  const struct mantis_storage *ops = d->store->ops;
  enum mantis_status status =
      ops->read (d->store->session, d->table, &d->key, 1, d->arena, &d->current, error);

  if (status == MANTIS_OK)
    status = ops->versions (d->store->session, d->table, &d->key, 1, d->arena, &d->version, error);
  if (status == MANTIS_OK && d->version.rev == 0)
    d->version.updated_at = d->store->floor_time;
  return status;
}

static bool
same_state (const struct mantis_table *table, mantis_row a, mantis_row b)
{
  return a && b ? rows_agree (table, a, b) : !a && !b;
}

/* Is the row the one that whoever decides has seen? */
static bool
is_as_shown (const struct deciding *d)
{
  int64_t rev = version_rev (d->store, &d->version);

  if (d->decision->rev)
    return rev == d->decision->rev;
  return rev == value_as_integer (&d->record[CONFLICT_REV]) ||
         same_state (d->table, d->shown, d->current);
}

/* ---- What shall stand ------------------------------------------------------------------------ */

/* Names that the table does not have, and another key, are mistakes of a person. */
static enum mantis_status
check_given (const struct deciding *d, mantis_row given, struct mantis_error *error)
{
  const char *name;
  json_t *value;

  json_object_foreach ((json_t *)(uintptr_t)d->decision->row, name, value)
  {
    size_t i = 0;
    while (i < d->table->column_count && strcmp (d->table->columns[i].name, name) != 0)
      i++;
    if (i == d->table->column_count || d->table->columns[i].generated)
      return mantis_fail (error, MANTIS_INVALID, "$.row: table \"%s\" has no column \"%.100s\"%s",
                          d->table->name, name,
                          i < d->table->column_count ? " that can be written" : "");
    if (d->table->columns[i].key_position && !mantis_value_equal (&given[i], &d->key[i]))
      return mantis_fail (error, MANTIS_INVALID, "$.row.%.100s: the key of a row cannot change",
                          name);
  }
  return MANTIS_OK;
}

static enum mantis_status
choose (struct deciding *d, mantis_row *chosen, struct mantis_error *error)
{
  enum mantis_status status = MANTIS_OK;

  switch (d->decision->choice) {
  case CHOOSE_LOCAL:
    *chosen = d->shown;
    return MANTIS_OK;
  case CHOOSE_MERGED:
    *chosen = NULL;
    if (json_is_null (d->decision->row))
      return MANTIS_OK;
    status = row_decode (d->decision->row, d->table, d->arena, chosen, error);
    return status == MANTIS_OK ? check_given (d, *chosen, error) : status;
  default:
    return kept_row (d, CONFLICT_LOSER, chosen, error);
  }
}

/* CHOSEN with its key, and with the columns that it does not name as they are. */
static enum mantis_status
complete (struct deciding *d, mantis_row chosen, struct mantis_error *error)
{
  size_t count = d->table->column_count;

  d->chosen = NULL;
  if (!chosen)
    return MANTIS_OK;
  if (!(d->chosen = arena_array (d->arena, count, sizeof *d->chosen)))
    return mantis_fail (error, MANTIS_FULL, "the row is larger than a message may be");
  for (size_t i = 0; i < count; i++) {
    d->chosen[i] = d->table->columns[i].key_position ? d->key[i] : chosen[i];
    if (d->chosen[i].type == MANTIS_NONE && d->current)
      d->chosen[i] = d->current[i];
    if (d->table->columns[i].generated)
      d->chosen[i].type = MANTIS_NONE;
  }
  return MANTIS_OK;
}

/* The row was changed since: can the policy put the choice and that together, so that nobody loses? */
static enum mantis_status
merge (struct deciding *d, mantis_row chosen, bool *merged, struct mantis_error *error)
{
  struct instance *policy = d->decision->policy (d->decision->policy_context, d->table->name);
  const struct mantis_resolver *ops = policy->ops;
  struct mantis_change local = {.table = d->table,
                                .row = d->current,
                                .updated_at = d->version.updated_at,
                                .rev = version_rev (d->store, &d->version),
                                .origin = d->version.origin ? d->version.origin : d->store->node};
  struct mantis_change remote = {
      .table = d->table, .row = d->chosen, .updated_at = mantis_now (), .origin = d->store->node};
  struct mantis_conflict conflict = {.size = sizeof conflict,
                                     .table = d->table,
                                     .base = d->shown,
                                     .local = &local,
                                     .remote = &remote};
  struct mantis_value *row = arena_array (d->arena, d->table->column_count, sizeof *row);
  struct mantis_error reason = {.status = MANTIS_OK};
  enum mantis_decision answer;

  *merged =
      same_state (d->table, chosen, d->shown); /* nothing was to be changed: it stays as it is */
  if (*merged)
    return complete (d, d->current, error);
  if (policy->waits || !(ops->wants & MANTIS_WANTS_BASE) || !d->shown || !d->current || !d->chosen)
    return MANTIS_OK;
  if (!row)
    return mantis_fail (error, MANTIS_FULL, "the row is larger than a message may be");
  instance_lock (policy);
  answer = ops->decide (policy->self, &conflict, row, d->arena, &reason);
  instance_unlock (policy);
  *merged = answer == MANTIS_JOIN;
  d->merged = *merged;
  return *merged ? complete (d, row, error) : MANTIS_OK;
}

/* ---- Make it so ------------------------------------------------------------------------------ */

static enum mantis_status
write_row (struct deciding *d, struct mantis_error *error)
{
  struct mantis_change change = {.table = d->table,
                                 .row = d->chosen ? d->chosen : d->key,
                                 .deleted = !d->chosen,
                                 .updated_at = mantis_now ()};
  struct apply_item item = {.change = &change};
  enum mantis_status status;

  if (change.updated_at <= d->version.updated_at)
    change.updated_at = d->version.updated_at + 1;
  status = apply_changes (d->store, APPLY_EACH, &item, 1, d->arena, error);
  if (status == MANTIS_OK && !item.done)
    return mantis_fail (error, MANTIS_REFUSED, "the database does not take the row: %s",
                        item.refusal);
  return status;
}

/* The record has what stood when it was written; if that is not what goes now, it is kept besides. */
static enum mantis_status
keep_current (const struct deciding *d, struct mantis_error *error)
{
  struct conflict conflict = {
      .table = d->table,
      .key = d->key,
      .outcome = "beaten",
      .reason = mantis_arena_printf (d->arena, "conflict %lld was decided: %s",
                                     (long long)d->decision->id, choice_name (d->decision->choice)),
      .node = d->version.origin,
      .loser = d->current,
      .loser_time = d->version.updated_at,
      .winner = d->chosen,
      .winner_time = mantis_now (),
      .base = version_rev (d->store, &d->version),
      .rev = version_rev (d->store, &d->version),
      .decided_by = d->decision->by,
  };

  if (d->merged || same_state (d->table, d->shown, d->current))
    return MANTIS_OK;
  return conflict_keep (d->store, &conflict, error);
}

static enum mantis_status
close_record (const struct deciding *d, struct mantis_error *error)
{
  const struct mantis_value row[CONFLICT_COLUMNS] = {
      [CONFLICT_ID] = value_integer (d->decision->id),
      [CONFLICT_STATE] = value_text ("closed"),
      [CONFLICT_RESOLUTION] = value_text (choice_name (d->decision->choice)),
      [CONFLICT_RESOLVED_BY] = value_text (d->decision->by),
      [CONFLICT_RESOLVED_AT] = value_integer (mantis_now ()),
  };
  enum mantis_status status = MANTIS_OK;

  if (strcmp (value_as_text (&d->record[CONFLICT_STATE]), "open") == 0)
    status = conflict_close (d->store, d->table, d->key, value_as_text (&d->record[CONFLICT_NODE]),
                             error);
  return status == MANTIS_OK ? store_put (d->store, &table_conflicts, row, error) : status;
}

enum mantis_status
decide_conflict (struct store *store, const struct decision *decision, struct mantis_arena *arena,
                 struct decided *decided, struct mantis_error *error)
{
  struct deciding d = {.store = store, .decision = decision, .arena = arena};
  enum mantis_status status = read_record (&d, error);
  mantis_row chosen = NULL;
  bool fits = true;

  *decided = (struct decided){.stale = false};
  if (status == MANTIS_OK)
    status = read_current (&d, error);
  if (status == MANTIS_OK)
    status = choose (&d, &chosen, error);
  if (status == MANTIS_OK)
    status = complete (&d, chosen, error);
  if (status == MANTIS_OK && !is_as_shown (&d) && !same_state (d.table, d.chosen, d.current))
    status = merge (&d, chosen, &fits, error);
  decided->stale = !fits;
  decided->written = fits && !same_state (d.table, d.chosen, d.current);
  if (status == MANTIS_OK && decided->written && (status = keep_current (&d, error)) == MANTIS_OK)
    status = write_row (&d, error);
  if (status == MANTIS_OK && fits)
    status = close_record (&d, error);
  decided->before = d.current;
  if (status == MANTIS_OK && decided->written)
    status = read_current (&d, error);
  decided->table = d.table;
  decided->row = d.current;
  decided->rev = version_rev (store, &d.version);
  return status;
}
