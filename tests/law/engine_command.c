/* engine_command.c - whatever storage mantis-plugin-test was given, under the storage laws: the application that writes to
 * its database is a command (--sql).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "engine_command.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct mantis_plugin shown;

static enum mantis_status
started (void *self, struct mantis_error *error)
{
  (void)self, (void)error;
  return MANTIS_OK;
}

static void
stopped (void *self)
{
  (void)self;
}

void
prepare_engine (void)
{
  if (settings.before && run_command (settings.before, "") != 0)
    broken ("--before did not succeed: %s", settings.before);
  shown = *plugin; /* start_use() has started it, and stops it */
  shown.start = started;
  shown.stop = stopped;
}

static void *self;

static void *
make (void)
{
  return self = start_use ();
}

static void
discard (void *used)
{
  (void)used;
}

/* ---- Without an application: what says no more than CREATE TABLE can be said to the storage ---- */

enum { MOST_COLUMNS = 8, DECLINED = 77 /* the status of a command that has no way to do that */ };

struct making {
  struct mantis_table table;
  struct mantis_column columns[MOST_COLUMNS];
  uint32_t key[MOST_COLUMNS];
  char words[400];
  const char *names[MOST_COLUMNS];
};

static uint32_t
class_of (const char *type)
{
  return strncmp (type, "VARCHAR", 7) == 0 || strcmp (type, "TEXT") == 0 ? MANTIS_CLASS_TEXT
         : strcmp (type, "REAL") == 0                                    ? MANTIS_CLASS_REAL
                                                                         : MANTIS_CLASS_INTEGER;
}

/* "id INTEGER PRIMARY KEY", "a VARCHAR(20) NOT NULL", "PRIMARY KEY (b": false where it is more than that. */
static bool
take_part (struct making *making, char *part)
{
  struct mantis_column *column = &making->columns[making->table.column_count];
  char *state, *name = strtok_r (part, " ", &state), *type = strtok_r (NULL, " ", &state),
               *word = strtok_r (NULL, " ", &state), *next = strtok_r (NULL, " ", &state);

  if (!name || !type || making->table.column_count == MOST_COLUMNS || strcmp (name, "PRIMARY") == 0)
    return false;
  *column = (struct mantis_column){.name = name, .declared = type, .type_class = class_of (type)};
  if (word && next && strcmp (word, "NOT") == 0)
    column->not_null = true;
  else if (word && next && strcmp (word, "PRIMARY") == 0) {
    column->key_position = 1;
    making->key[making->table.key_count++] = (uint32_t)making->table.column_count;
  } else if (word)
    return false;
  making->table.column_count++;
  return true;
}

/* "PRIMARY KEY (a, b)", which ends the statement. */
static bool
take_key (struct making *making, char *names)
{
  char *state;

  for (char *name = strtok_r (names, " ,()", &state); name; name = strtok_r (NULL, " ,()", &state))
    for (uint32_t i = 0; i < making->table.column_count; i++)
      if (strcmp (making->columns[i].name, name) == 0) {
        making->key[making->table.key_count++] = i;
        making->columns[i].key_position = (uint32_t)making->table.key_count;
      }
  return making->table.key_count > 0;
}

static bool
read_statement (struct making *making, const char *sql)
{
  static const char create[] = "CREATE TABLE ", keyed[] = ", PRIMARY KEY ";
  char *open, *key, *state, *words = making->words;

  if (strncmp (sql, create, strlen (create)) != 0 || strlen (sql) >= sizeof making->words)
    return false;
  strcpy (words, sql + strlen (create));
  if (strstr (words, "UNIQUE") || strstr (words, "DEFAULT") || strstr (words, "REFERENCES") ||
      !(open = strstr (words, " (")))
    return false;
  *open = '\0';
  open += 2;
  open[strlen (open) - 1] = '\0';
  if ((key = strstr (open, keyed))) {
    *key = '\0';
    key += strlen (keyed);
  }
  for (char *part = strtok_r (open, ",", &state); part; part = strtok_r (NULL, ",", &state))
    if (!take_part (making, part))
      return false;
  making->table.name = words;
  return !key || take_key (making, key);
}

static bool
create_table (const char *sql)
{
  const struct mantis_storage *ops = shown.ops;
  struct making making = {.table = {.size = sizeof making.table, .plain = true, .fingerprint = ""}};
  struct mantis_session *session;
  struct mantis_error error = {0};
  enum mantis_status status;

  making.table.columns = making.columns;
  making.table.key = making.key;
  if (!read_statement (&making, sql))
    skip (settings.sql ? "the command of --sql declines, with status 77: %.300s"
                       : "it needs an application that writes to the database: name it with --sql",
          sql);
  doing ("create() of the table \"%s\"", making.table.name);
  status = ops->open (self, MANTIS_SERVER, &session, &error);
  if (status == MANTIS_INVALID) /* it serves clients only */
    status = ops->open (self, MANTIS_CLIENT, &session, &error);
  if (status == MANTIS_OK)
    status = ops->begin (session, MANTIS_WRITE, &error);
  if (status == MANTIS_OK)
    status = ops->create (session, &making.table, &error);
  if (status == MANTIS_REFUSED)
    skip ("it refuses to make such a table: %s", error.text);
  if (status != MANTIS_OK || ops->commit (session, &error) != MANTIS_OK)
    broken ("a table cannot be made: %s", error.text);
  ops->close (session);
  return true;
}

static bool
write_sql (const char *sql)
{
  int status = DECLINED;

  if (settings.sql) {
    doing ("the application's %.300s", sql);
    status = run_command (settings.sql, sql);
  }
  return status == DECLINED ? create_table (sql) : status == 0;
}

const struct engine engine_command = {"command", &shown, make, discard, write_sql, NULL};
