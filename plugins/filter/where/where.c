/* where - which rows a principal may read and write, as SQL expressions over the row's columns.
 *
 * docs/filters.md shows what can be said with it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "where.h"

#include <stdlib.h>
#include <string.h>

struct where {
  const char *read, *write;
  const char *const *uses;
  struct rule rules[2];
  struct form *forms;
};

static const struct mantis_option options[] = {
    MANTIS_TEXT_OPTION (struct where, read, NULL,
                        "SQL expression: which rows may be seen; all of them if nothing is said"),
    MANTIS_TEXT_OPTION (struct where, write, NULL,
                        "SQL expression that a row has to meet before and after it is written; "
                        "that of read if nothing is said"),
    MANTIS_LIST (struct where, uses, NULL,
                 "other tables that the expressions look into, by primary key"),
    {.name = NULL},
};

/* ---- Life ---------------------------------------------------------------------------------------- */

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  struct where *where = self;
  enum mantis_status status;

  where->rules[READ] = (struct rule){.option = "read", .text = where->read};
  where->rules[WRITE] = (struct rule){.option = where->write ? "write" : "read",
                                      .text = where->write ? where->write : where->read};
  if (!where->read && !where->write)
    return mantis_fail (error, MANTIS_INVALID,
                        "neither \"read\" nor \"write\" is given: say which rows may be read or "
                        "written");
  if (!(status = rule_read (&where->rules[READ], error)))
    status = rule_read (&where->rules[WRITE], error);
  if (status) {
    rule_clear (&where->rules[READ]);
    rule_clear (&where->rules[WRITE]);
  }
  return status;
}

static void
form_free (struct form *form)
{
  for (struct asker *asker = form->idle, *next; asker; asker = next) {
    next = asker->next;
    asker_free (asker);
  }
  pthread_mutex_destroy (&form->lock);
  mantis_arena_free (form->arena);
}

static void
stop (void *self)
{
  struct where *where = self;

  for (struct form *form = where->forms, *next; form; form = next) {
    next = form->next;
    form_free (form);
  }
  rule_clear (&where->rules[READ]);
  rule_clear (&where->rules[WRITE]);
}

/* ---- Tables -------------------------------------------------------------------------------------- */

static struct form *
form_of (const struct where *where, const struct mantis_table *table)
{
  struct form *form = where->forms;

  while (form && strcmp (form->own->name, table->name) != 0)
    form = form->next;
  return form;
}

static enum mantis_status
shapes_lent (const struct where *where, struct form *form, const struct mantis_lender *lender,
             struct mantis_error *error)
{
  size_t count = 0;

  while (where->uses && where->uses[count])
    count++;
  if (!(form->lent = mantis_arena_alloc (form->arena, (count + 1) * sizeof *form->lent)))
    return mantis_fail (error, MANTIS_FAILED, "no memory for the tables of \"uses\"");
  for (size_t i = 0; i < count; i++) {
    const struct mantis_table *table = lender ? lender->table (lender, where->uses[i]) : NULL;
    if (!table)
      return mantis_fail (error, MANTIS_INVALID,
                          "\"uses\" names \"%s\", and no table that is synced is called so",
                          where->uses[i]);
    if (!(form->lent[i] = shape_new (table, form->arena)))
      return mantis_fail (error, MANTIS_FAILED, "no memory for the columns of \"%s\"",
                          where->uses[i]);
  }
  return MANTIS_OK;
}

static enum mantis_status
form_new (struct where *where, const struct mantis_table *table, const struct mantis_lender *lender,
          bool *looks, struct form **new, struct mantis_error *error)
{
  struct mantis_arena *arena = mantis_arena_new (0);
  struct form *form = arena ? mantis_arena_alloc (arena, sizeof *form) : NULL;
  enum mantis_status status;

  if (!form) {
    mantis_arena_free (arena);
    return mantis_fail (error, MANTIS_FAILED, "no memory for the filter of \"%s\"", table->name);
  }
  form->arena = arena;
  form->rules = where->rules;
  pthread_mutex_init (&form->lock, NULL);
  form->fingerprint = table->fingerprint ? mantis_arena_strdup (arena, table->fingerprint) : NULL;
  if (!(form->own = shape_new (table, arena)))
    status = mantis_fail (error, MANTIS_FAILED, "no memory for the columns of \"%s\"", table->name);
  else if (!(status = shapes_lent (where, form, lender, error)))
    status = asker_new (form, looks, &form->idle, error);
  if (status)
    form_free (form);
  else
    *new = form;
  return status;
}

static void
forget (struct where *where, const char *table)
{
  struct form **at = &where->forms, *old;

  while (*at && strcmp ((*at)->own->name, table) != 0)
    at = &(*at)->next;
  if (!(old = *at))
    return;
  *at = old->next;
  form_free (old);
}

static enum mantis_status
prepare (void *self, const struct mantis_table *table, const struct mantis_lender *lender,
         bool *looks, struct mantis_error *error)
{
  struct where *where = self;
  struct form *form = NULL;
  enum mantis_status status;

  forget (where, table->name);
  if ((status = form_new (where, table, lender, looks, &form, error)))
    return status;
  form->next = where->forms;
  where->forms = form;
  return MANTIS_OK;
}

/* ---- Answers ------------------------------------------------------------------------------------- */

static struct asker *
take (struct form *form)
{
  struct mantis_error error = {.status = MANTIS_OK};
  struct asker *asker;

  pthread_mutex_lock (&form->lock);
  if ((asker = form->idle))
    form->idle = asker->next;
  pthread_mutex_unlock (&form->lock);
  if (!asker && asker_new (form, NULL, &asker, &error))
    mantis_log (MANTIS_ERROR, "filter where of \"%s\": %s", form->own->name, error.text);
  return asker;
}

static void
put_back (struct form *form, struct asker *asker)
{
  pthread_mutex_lock (&form->lock);
  asker->next = form->idle;
  form->idle = asker;
  pthread_mutex_unlock (&form->lock);
}

static bool
answer (const struct where *where, int rule, const struct mantis_caller *caller,
        const struct mantis_table *table, mantis_row row)
{
  struct form *form = form_of (where, table);
  struct asker *asker;
  bool yes;

  if (!form || table->column_count != form->own->column_count ||
      (table->fingerprint && form->fingerprint &&
       strcmp (table->fingerprint, form->fingerprint) != 0) ||
      !(asker = take (form)))
    return false;
  yes = asker_ask (asker, rule, caller, row);
  put_back (form, asker);
  return yes;
}

static bool
sees (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row row)
{
  const struct where *where = self;

  return !where->read || answer (where, READ, caller, table, row);
}

static bool
lets (void *self, const struct mantis_caller *caller, const struct mantis_table *table,
      mantis_row before, mantis_row after, struct mantis_error *reason)
{
  const struct where *where = self;

  if (before && !answer (where, WRITE, caller, table, before)) {
    mantis_fail (reason, MANTIS_DENIED, "this row of \"%s\" is not one that you may write",
                 table->name);
    return false;
  }
  if (after && !answer (where, WRITE, caller, table, after)) {
    mantis_fail (reason, MANTIS_DENIED, "this would become a row of \"%s\" that you may not write",
                 table->name);
    return false;
  }
  return true;
}

static bool
reads (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
       mantis_row row)
{
  const struct mantis_caller caller = {.size = sizeof caller, .principal = principal};

  return sees (self, &caller, table, row);
}

static bool
writes (void *self, const struct mantis_principal *principal, const struct mantis_table *table,
        mantis_row before, mantis_row after, struct mantis_error *reason)
{
  const struct mantis_caller caller = {.size = sizeof caller, .principal = principal};

  return lets (self, &caller, table, before, after, reason);
}

static void
view (void *self, const struct mantis_caller *caller, struct mantis_buf *text)
{
  const struct where *where = self;

  caller_view (&where->rules[READ], caller, text);
}

static const char *const *
uses (void *self)
{
  static const char *const none[] = {NULL};
  const struct where *where = self;

  return where->uses ? where->uses : none;
}

static const struct mantis_filter ops = {.size = sizeof ops,
                                         .reads = reads,
                                         .writes = writes,
                                         .prepare = prepare,
                                         .view = view,
                                         .uses = uses,
                                         .sees = sees,
                                         .lets = lets};

MANTIS_FILTER_PLUGIN (where, &ops, .summary = "rows that an SQL expression allows",
                      .self_size = sizeof (struct where), .options = options, .start = start,
                      .stop = stop, .threads = MANTIS_PARALLEL);
