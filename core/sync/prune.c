/* prune.c - a server's log does not grow for ever.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync/prune.h"

#include "base/base.h"

#include <string.h>

enum {
  HEADS = 32,    /* that are noted within the retention: so much of it at most is kept too long */
  PART = 2000,   /* entries that go at once: writers wait meanwhile */
  RECORDS = 500, /* conflicts that are looked at at once, and their size */
  RECORD_BYTES = 1024 * 1024,
  SOONEST = 100,
  LATEST = 3600 * 1000 /* milliseconds between looks */
};

int64_t
prune_interval (int64_t retention)
{
  const int64_t interval = retention / HEADS;

  return interval < SOONEST ? SOONEST : interval > LATEST ? LATEST : interval;
}

enum mantis_status
prune_floor (struct store *store, int64_t *rev, int64_t *time, struct mantis_error *error)
{
  int64_t facts[] = {store->floor, store->floor_time};

  /* Not for longer than a transaction: another server may prune what this one believes to be there. */
  if (store->floors.begins != store->begins) {
    enum mantis_status status = store_meta_integers (
        store, (const char *const[]){"pruned", "pruned_time"}, facts, COUNT_OF (facts), error);
    if (status != MANTIS_OK)
      return status;
    store->floors.begins = store->begins;
    store->floors.pruned = facts[0];
    store->floors.pruned_time = facts[1];
  }
  *rev = store->floors.pruned;
  if (time)
    *time = store->floors.pruned_time;
  return MANTIS_OK;
}

static enum mantis_status
note_head (struct store *store, int64_t now, int64_t rev, struct mantis_error *error)
{
  const struct mantis_value row[HEAD_COLUMNS] = {value_integer (now), value_integer (rev)};

  return store_put (store, &table_heads, row, error);
}

/* How far the log was RETENTION ago: *REV, 0 if that is not known, at *TIME.  Earlier notes go; the present is
 * noted where the last note is old enough. */
static enum mantis_status
read_heads (struct store *store, int64_t retention, int64_t *rev, int64_t *time,
            struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  const int64_t now = mantis_now ();
  const mantis_row *rows;
  int64_t head = 0;
  size_t count = 0;
  enum mantis_status status = store_all (store, &table_heads, arena, &rows, &count, error);

  *rev = 0;
  if (status == MANTIS_OK)
    status = store->ops->log_head (store->session, &head, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++)
    if (value_as_integer (&rows[i][HEAD_TIME]) <= now - retention) {
      *rev = value_as_integer (&rows[i][HEAD_REV]);
      *time = value_as_integer (&rows[i][HEAD_TIME]);
      if (i > 0)
        status = store_delete (store, &table_heads, rows[i - 1], error);
    }
  if (status == MANTIS_OK &&
      (count == 0 || (head > value_as_integer (&rows[count - 1][HEAD_REV]) &&
                      now - value_as_integer (&rows[count - 1][HEAD_TIME]) >= retention / HEADS)))
    status = note_head (store, now, head, error);
  return status;
}

/* In a write transaction. */
static enum mantis_status
prune_part (struct store *store, int64_t retention, bool *more, struct mantis_error *error)
{
  int64_t pruned, target, time = 0;
  enum mantis_status status = prune_floor (store, &pruned, NULL, error);

  if (status == MANTIS_OK)
    status = read_heads (store, retention, &target, &time, error);
  if (status != MANTIS_OK || target <= pruned)
    return status;
  if ((*more = target - pruned > PART))
    target = pruned + PART;
  /* The entry at the target stays: a client may have come so far, and is known by it. */
  status = store->ops->log_prune (store->session, pruned - 1, target - 1, error);
  if (status == MANTIS_OK)
    status = store_put_meta_integer (store, "pruned", target, error);
  return status == MANTIS_OK ? store_put_meta_integer (store, "pruned_time", time, error) : status;
}

/* ---- Conflicts -------------------------------------------------------------------------------- */

/* A look at some of the records. */
struct look {
  int64_t before; /* what is older is old */
  int64_t after;  /* looked at up to here */
  size_t old;     /* so many of them may go, and go if it is a WRITE */
  bool end;       /* all the rest is not old, or there is none */
};

static enum mantis_status
look_at (struct store *store, struct look *look, bool write, mantis_row record,
         struct mantis_error *error)
{
  look->after = value_as_integer (&record[CONFLICT_ID]);
  if (value_as_integer (&record[CONFLICT_RESOLVED_AT]) > look->before ||
      strcmp (value_as_text (&record[CONFLICT_STATE]), "open") == 0)
    return MANTIS_OK;
  look->old++;
  return write ? store_delete (store, &table_conflicts, record, error) : MANTIS_OK;
}

static enum mantis_status
look_through (struct store *store, struct look *look, bool write, struct mantis_error *error)
{
  CLEANUP_ARENA struct mantis_arena *arena = mantis_arena_new (0);
  struct mantis_value from[CONFLICT_COLUMNS] = {[CONFLICT_ID] = value_integer (look->after)};
  enum mantis_status status = arena ? store_begin (store, write ? MANTIS_WRITE : MANTIS_READ, error)
                                    : mantis_fail (error, MANTIS_FAILED, "out of memory");
  const mantis_row *rows;
  size_t count = 0;

  if (status == MANTIS_OK)
    status = store->ops->scan (store->session, &table_conflicts, from, NULL, RECORDS, RECORD_BYTES,
                               arena, &rows, &count, &look->end, error);
  for (size_t i = 0; i < count && status == MANTIS_OK; i++) {
    if (value_as_integer (&rows[i][CONFLICT_AT]) > look->before) {
      look->end = true;
      break;
    }
    status = look_at (store, look, write, rows[i], error);
  }
  if (status == MANTIS_OK && write)
    status = store_commit (store, error);
  store_rollback (store);
  return status;
}

enum mantis_status
prune_conflicts (struct store *store, int64_t retention, int64_t *after, bool *more,
                 struct mantis_error *error)
{
  const struct look begin = {.before = mantis_now () - retention, .after = *after};
  struct look look = begin;
  enum mantis_status status = look_through (store, &look, false, error);

  if (status == MANTIS_OK && look.old) { /* nobody is kept from writing for nothing */
    look = begin;
    status = look_through (store, &look, true, error);
  }
  *more = status == MANTIS_OK && !look.end;
  *after = *more ? look.after : 0;
  return status;
}

/* ---- The log ---------------------------------------------------------------------------------- */

enum mantis_status
prune_step (struct store *store, int64_t retention, bool *more, struct mantis_error *error)
{
  enum mantis_status status;

  *more = false;
  if (!store->ops->log_prune)
    return MANTIS_OK;
  status = store_begin (store, MANTIS_WRITE, error);
  if (status == MANTIS_OK)
    status = prune_part (store, retention, more, error);
  if (status == MANTIS_OK)
    return store_commit (store, error);
  store_rollback (store);
  *more = false;
  return status;
}
