/* asker.c - the rules of one table as prepared statements, for one thread at a time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "where.h"

#include <stdlib.h>
#include <string.h>

/* The line's end is for whatever the expression ends with. */
#define BEFORE "SELECT CASE WHEN ("
#define AFTER "\n) THEN 1 ELSE 0 END FROM " ROW_TABLE " AS "

/* ---- What SQLite says about an expression -------------------------------------------------------- */

static enum mantis_status
refuse_at (const struct rule *rule, size_t at, const char *why, const char *what,
           struct mantis_error *error)
{
  if (at >= strlen (rule->text))
    return mantis_fail (error, MANTIS_INVALID, "\"%s\": %s%s", rule->option, why, what);
  return mantis_fail (error, MANTIS_INVALID, "\"%s\", character %zu, at %.*s: %s%s", rule->option,
                      at + 1, rule_shown (rule->text + at), rule->text + at, why, what);
}

/* A lent table was not asked by its key: which is that? */
static enum mantis_status
refuse_scan (const struct asker *asker, const struct rule *rule, struct mantis_error *error)
{
  struct mantis_buf key = MANTIS_BUF_INIT;
  enum mantis_status status;

  for (struct shape **lent = asker->form->lent; *lent; lent++)
    for (size_t k = 0; strcmp ((*lent)->name, asker->word) == 0 && k < (*lent)->key_count; k++)
      mantis_buf_printf (&key, "%s%s", k ? ", " : "", (*lent)->columns[(*lent)->key[k]].name);
  status = refuse_at (rule, rule_find (rule->text, asker->word),
                      "a row of this table is lent by its whole primary key, so compare each of "
                      "these with = and without another collation: ",
                      key.bytes ? key.bytes : "", error);
  mantis_buf_free (&key);
  return status;
}

static size_t
error_place (const struct asker *asker)
{
#if SQLITE_VERSION_NUMBER >= 3038000
  int offset = sqlite3_error_offset (asker->db) - (int)strlen (BEFORE);

  return offset < 0 ? MOST_TEXT : (size_t)offset;
#else
  (void)asker;
  return MOST_TEXT;
#endif
}

static enum mantis_status
explain (const struct asker *asker, const struct rule *rule, struct mantis_error *error)
{
  const char *text = sqlite3_errmsg (asker->db);

  if (*asker->refusal)
    return refuse_at (rule, rule_find (rule->text, asker->word), asker->refusal, "", error);
  if (asker->scans && strstr (text, "no query solution"))
    return refuse_scan (asker, rule, error);
  if (strncmp (text, "no such table: ", 15) == 0)
    return refuse_at (rule, rule_find (rule->text, text + 15), "this table is not among \"uses\"",
                      "", error);
  return refuse_at (rule, error_place (asker), "", text, error);
}

/* ---- Statements ---------------------------------------------------------------------------------- */

/* Are the parameters of STATEMENT those that were found in RULE? */
static bool
knows_parameters (const struct rule *rule, sqlite3_stmt *statement)
{
  for (int i = 1; i <= sqlite3_bind_parameter_count (statement); i++) {
    const char *name = sqlite3_bind_parameter_name (statement, i);
    size_t at = 0;
    while (name && at < rule->parameter_count && strcmp (rule->parameters[at], name + 1) != 0)
      at++;
    if (!name || at == rule->parameter_count)
      return false;
  }
  return true;
}

static enum mantis_status
prepare (struct asker *asker, const struct rule *rule, sqlite3_stmt **statement,
         struct mantis_error *error)
{
  char *sql = sqlite3_mprintf (BEFORE "%s" AFTER "\"%w\"", rule->text, asker->form->own->name);
  const char *rest = NULL;
  enum mantis_status status = MANTIS_OK;

  if (!sql)
    return mantis_fail (error, MANTIS_FAILED, "no memory for \"%s\"", rule->option);
  *asker->refusal = '\0';
  asker->scans = false;
  if (sqlite3_prepare_v3 (asker->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, &rest) !=
      SQLITE_OK)
    status = explain (asker, rule, error);
  else if (!*statement || *rest || !sqlite3_stmt_readonly (*statement) ||
           sqlite3_column_count (*statement) != 1 || !knows_parameters (rule, *statement))
    status = mantis_fail (error, MANTIS_INVALID, "\"%s\" is not one expression", rule->option);
  sqlite3_free (sql);
  return status;
}

enum mantis_status
asker_new (struct form *form, bool *looks, struct asker **asker, struct mantis_error *error)
{
  struct asker *new = calloc (1, sizeof *new);
  enum mantis_status status;

  if (!new)
    return mantis_fail (error, MANTIS_FAILED, "no memory for the filter of \"%s\"",
                        form->own->name);
  new->form = form;
  status = sandbox_open (new, error);
  for (int i = READ; i <= WRITE && !status; i++) {
    new->looks = i == READ ? looks : NULL;
    if (form->rules[i].text)
      status = prepare (new, &form->rules[i], &new->statements[i], error);
  }
  new->looks = NULL;
  if (status)
    asker_free (new);
  else
    *asker = new;
  return status;
}

void
asker_free (struct asker *asker)
{
  sqlite3_finalize (asker->statements[READ]);
  sqlite3_finalize (asker->statements[WRITE]);
  sqlite3_close (asker->db);
  callers_forget (asker);
  free (asker->lent);
  free (asker);
}

bool
asker_ask (struct asker *asker, int rule, const struct mantis_caller *caller, mantis_row row)
{
  sqlite3_stmt *statement = asker->statements[rule];
  bool yes;

  if (!caller_bind (asker, rule, caller))
    return false;
  asker->row = row;
  asker->caller = caller;
  asker->ticks = 0;
  asker->read = 0;
  sqlite3_stmt_status (statement, SQLITE_STMTSTATUS_VM_STEP, 1); /* each answer has the same time */
  yes = sqlite3_step (statement) == SQLITE_ROW && sqlite3_column_int (statement, 0) == 1;
  sqlite3_reset (statement);
  return yes;
}
