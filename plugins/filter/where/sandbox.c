/* sandbox.c - a database in which an expression can do nothing but answer.
 *
 * It is empty and in memory.  The authorizer, which SQLite asks about each thing that a statement would do, lets it
 * select from the row, from the tables that are lent, and from json_each; and call functions whose answer comes from their
 * arguments and is not much larger.  Limits hold what it may take of time and memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "where.h"

#include <stdio.h>
#include <string.h>

/* No clock (date and its kin know 'now', which may stand in a row), no chance, nothing that makes much of little
 * (printf, randomblob, zeroblob), nothing that knows of the process or its files. */
static const char *const functions[] = {
    "abs",          "avg",
    "char",         "coalesce",
    "count",        "glob",
    "hex",          "ifnull",
    "iif",          "instr",
    "length",       "like",
    "lower",        "ltrim",
    "max",          "min",
    "nullif",       "quote",
    "replace",      "round",
    "rtrim",        "sign",
    "substr",       "sum",
    "substring",    "total",
    "trim",         "typeof",
    "unicode",      "upper",
    "->",           "->>",
    "json",         "json_array_length",
    "json_extract", "json_type",
    "json_valid",
};

static int
refuse (struct asker *asker, const char *word, const char *why)
{
  if (!*asker->refusal) {
    snprintf (asker->word, sizeof asker->word, "%s", word ? word : "");
    snprintf (asker->refusal, sizeof asker->refusal, "%s", why);
  }
  return SQLITE_DENY;
}

static int
read_own (struct asker *asker, const char *column)
{
  const struct shape *own = asker->form->own;
  size_t at = shape_find (own, column);

  if (!*column) /* it reads none */
    return SQLITE_OK;
  if (at == own->column_count)
    return refuse (asker, column, "the number that SQLite gives to a row does not travel");
  if (own->columns[at].generated)
    return refuse (asker, column, "a generated column does not travel: write what it is made of");
  if (asker->looks)
    asker->looks[at] = true;
  return SQLITE_OK;
}

static int
read_lent (struct asker *asker, const struct shape *shape, const char *column)
{
  size_t at = shape_find (shape, column);

  if (!*column || (at < shape->column_count && !shape->columns[at].generated))
    return SQLITE_OK;
  return refuse (asker, column, "this column is not lent");
}

static int
read_table (struct asker *asker, const char *table, const char *column)
{
  if (strcmp (table, ROW_TABLE) == 0)
    return read_own (asker, column);
  for (struct shape **lent = asker->form->lent; *lent; lent++)
    if (sqlite3_stricmp (table, (*lent)->name) == 0)
      return read_lent (asker, *lent, column);
  return strcmp (table, "json_each") == 0
             ? SQLITE_OK
             : refuse (asker, table, "this table is not among \"uses\"");
}

static int
call_function (struct asker *asker, const char *name)
{
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
    if (sqlite3_stricmp (functions[i], name) == 0)
      return SQLITE_OK;
  return refuse (asker, name, "this function is not for filters");
}

static int
authorize (void *of_asker, int action, const char *first, const char *second, const char *database,
           const char *trigger)
{
  struct asker *asker = of_asker;

  (void)database, (void)trigger;
  switch (action) {
  case SQLITE_SELECT:
    return SQLITE_OK;
  case SQLITE_READ:
    return read_table (asker, first, second);
  case SQLITE_FUNCTION:
    return call_function (asker, second);
  default:
    return refuse (asker, first, "this is not for filters");
  }
}

enum { STEPS_PER_TICK = 1000 };

/* Not 0: it has taken long enough. */
static int
tick (void *of_asker)
{
  struct asker *asker = of_asker;

  return ++asker->ticks > MOST_STEPS / STEPS_PER_TICK;
}

static void
limit (sqlite3 *db)
{
  static const struct {
    int what, most;
  } limits[] = {
      {SQLITE_LIMIT_LENGTH, MOST_VALUE},       {SQLITE_LIMIT_EXPR_DEPTH, 100},
      {SQLITE_LIMIT_COMPOUND_SELECT, 1},       {SQLITE_LIMIT_VDBE_OP, 25000},
      {SQLITE_LIMIT_FUNCTION_ARG, 20},         {SQLITE_LIMIT_ATTACHED, 0},
      {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200}, {SQLITE_LIMIT_VARIABLE_NUMBER, MOST_PARAMETERS},
      {SQLITE_LIMIT_TRIGGER_DEPTH, 1},         {SQLITE_LIMIT_WORKER_THREADS, 0},
  };

  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
    sqlite3_limit (db, limits[i].what, limits[i].most);
}

static void
configure (sqlite3 *db)
{
  static const struct {
    int what, on;
  } switches[] = {
      {SQLITE_DBCONFIG_DEFENSIVE, 1},
      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
      {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
      {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
      {SQLITE_DBCONFIG_DQS_DML, 0},
      {SQLITE_DBCONFIG_DQS_DDL, 0},
      {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
  };

  for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
    sqlite3_db_config (db, switches[i].what, switches[i].on, NULL);
}

enum mantis_status
sandbox_open (struct asker *asker, struct mantis_error *error)
{
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY |
              SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

  if (sqlite3_open_v2 (":memory:", &asker->db, flags, NULL) != SQLITE_OK)
    return mantis_fail (error, MANTIS_FAILED, "no database in memory: %s",
                        asker->db ? sqlite3_errmsg (asker->db) : "no memory");
  configure (asker->db);
  if (source_register (asker))
    return mantis_fail (error, MANTIS_FAILED, "no tables in memory: %s",
                        sqlite3_errmsg (asker->db));
  /* One transaction for all questions: to begin and end one each time takes longer than the answer. */
  if (sqlite3_exec (asker->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
    return mantis_fail (error, MANTIS_FAILED, "no transaction in memory: %s",
                        sqlite3_errmsg (asker->db));
  limit (asker->db);
  sqlite3_set_authorizer (asker->db, authorize, asker);
  sqlite3_progress_handler (asker->db, STEPS_PER_TICK, tick, asker);
  return MANTIS_OK;
}
