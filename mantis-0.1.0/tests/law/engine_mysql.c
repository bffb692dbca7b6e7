/* engine_mysql.c - MariaDB under the storage laws; $MANTIS_TEST_MARIADB is the socket of a private one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "law.h"
#include "../lib/plugin_option.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

extern const struct mantis_plugin plugin_mysql;

static char database[64];
static MYSQL *application;

/* Options stand where the table of options says; numbers as the configuration would give them. */
static bool
run (const char *sql)
{
  bool good = mysql_query (application, sql) == 0;

  if (!good)
    fprintf (stderr, "# application: %s\n", mysql_error (application));
  for (int more = 0; good && more == 0;) {
    mysql_free_result (mysql_store_result (application));
    more = mysql_next_result (application);
    if (more > 0) {
      fprintf (stderr, "# application: %s\n", mysql_error (application));
      good = false;
    }
  }
  return good;
}

static void *
make (void)
{
  const char *socket = getenv ("MANTIS_TEST_MARIADB");
  char *self = calloc (1, plugin_mysql.self_size), sql[300];

  application = mysql_init (NULL);
  snprintf (database, sizeof database, "law_%ld", (long)getpid ());
  if (!self || !socket ||
      !mysql_real_connect (application, NULL, "root", NULL, NULL, 0, socket,
                           CLIENT_MULTI_STATEMENTS))
    abort ();
  snprintf (sql, sizeof sql, "DROP DATABASE IF EXISTS %s; CREATE DATABASE %s; USE %s", database,
            database, database);
  if (!run (sql))
    abort ();
  set_option (plugin_mysql.options, self, "socket", socket, 0);
  set_option (plugin_mysql.options, self, "database", database, 0);
  set_option (plugin_mysql.options, self, "user", "root", 0);
  set_option (plugin_mysql.options, self, "connect_timeout", NULL, 10000);
  set_option (plugin_mysql.options, self, "read_timeout", NULL, 30000);
  set_option (plugin_mysql.options, self, "lock_timeout", NULL, 1000);
  set_option (plugin_mysql.options, self, "schema_check", NULL, 0);
  return self;
}

static void
discard (void *self)
{
  char sql[100];

  snprintf (sql, sizeof sql, "DROP DATABASE %s", database);
  run (sql);
  mysql_close (application);
  application = NULL;
  free (self);
}

/* SQLite's INTEGER has 64 bits: so has the one of the laws. */
static bool
write_sql (const char *sql)
{
  static const char word[] = "INTEGER";
  char *copy = calloc (1, strlen (sql) + 1), *out = copy;
  bool good;

  if (!copy)
    abort ();
  while (*sql)
    if (strncasecmp (sql, word, sizeof word - 1) == 0) {
      out = stpcpy (out, "BIGINT");
      sql += sizeof word - 1;
    } else
      *out++ = *sql++;
  good = run (copy);
  free (copy);
  return good;
}

static char *
ask (const char *sql)
{
  char *answer = NULL;
  MYSQL_RES *rows;
  MYSQL_ROW row;

  if (mysql_query (application, sql) || !(rows = mysql_store_result (application))) {
    fprintf (stderr, "# application: %s\n", mysql_error (application));
    return NULL;
  }
  if ((row = mysql_fetch_row (rows)) && row[0])
    answer = strdup (row[0]);
  mysql_free_result (rows);
  return answer;
}

const struct engine engine_mysql = {"mysql", &plugin_mysql, make, discard, write_sql, ask};
