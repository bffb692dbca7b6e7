/* engine_sqlite.c - SQLite under the storage laws.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "law.h"
#include "../lib/plugin_option.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct mantis_plugin plugin_sqlite;

static char folder[64], path[80];
static sqlite3 *application;

/* Options stand where the table of options says; numbers as the configuration would give them. */
static void *
make (void)
{
  char *self = calloc (1, plugin_sqlite.self_size);

  strcpy (folder, "/tmp/mantis-law-XXXXXX");
  if (!self || !mkdtemp (folder))
    abort ();
  snprintf (path, sizeof path, "%s/law.db", folder);
  set_option (plugin_sqlite.options, self, "path", path, 0);
  set_option (plugin_sqlite.options, self, "journal_mode", "wal", 0);
  set_option (plugin_sqlite.options, self, "busy_timeout", NULL, 20);
  set_option (plugin_sqlite.options, self, "cache", NULL, 1 << 20);
  if (sqlite3_open (path, &application))
    abort ();
  sqlite3_busy_timeout (application, 1000);
  sqlite3_exec (application, "PRAGMA journal_mode = wal; PRAGMA foreign_keys = ON", NULL, NULL,
                NULL);
  return self;
}

static void
discard (void *self)
{
  static const char *const suffixes[] = {"", "-wal", "-shm"};

  sqlite3_close (application);
  application = NULL;
  for (size_t i = 0; i < 3; i++) {
    char name[100];
    snprintf (name, sizeof name, "%s%s", path, suffixes[i]);
    unlink (name);
  }
  rmdir (folder);
  free (self);
}

static bool
write_sql (const char *sql)
{
  char *message = NULL;
  int code = sqlite3_exec (application, sql, NULL, NULL, &message);

  if (code)
    fprintf (stderr, "# application: %s\n", message);
  sqlite3_free (message);
  return code == SQLITE_OK;
}

static char *
ask (const char *sql)
{
  sqlite3_stmt *statement = NULL;
  char *answer = NULL;

  if (sqlite3_prepare_v2 (application, sql, -1, &statement, NULL))
    fprintf (stderr, "# application: %s\n", sqlite3_errmsg (application));
  else if (sqlite3_step (statement) == SQLITE_ROW && sqlite3_column_text (statement, 0))
    answer = strdup ((const char *)sqlite3_column_text (statement, 0));
  sqlite3_finalize (statement);
  return answer;
}

const struct engine engine_sqlite = {"sqlite", &plugin_sqlite, make, discard, write_sql, ask};
