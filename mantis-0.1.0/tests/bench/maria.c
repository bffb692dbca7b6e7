/* maria.c - a MariaDB of our own, and writers on it that know nothing of Mantis.
 *
 * tests/lib/mariadb.sh starts it, in a shell that waits for the end of its input: that of this program.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench.h"

#include <fcntl.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char maria_folder[] = "/tmp/mantis-bench-maria-XXXXXX";

/* Room for all of it in memory and in the redo log: what is measured is not how pages are evicted. */
static const char script[] =
    ". \"$MANTIS_SOURCE/tests/lib/mariadb.sh\"\n"
    "mariadb_installed || { echo 'MariaDB is not installed'; exit; }\n"
    "mariadb_start \"$0\" --innodb-buffer-pool-size=512M --innodb-log-file-size=256M >&2 ||\n"
    "  { echo 'MariaDB does not start'; exit; }\n"
    "echo ready; read -r _; mariadb_kill \"$0\"; rm -rf \"$0\"\n";

static int to_shell = -1;

bool
maria_start (void)
{
  int in[2], out[2];
  char line[80] = "";
  ssize_t length;

  if (!mkdtemp (maria_folder) || pipe (in) || pipe (out))
    exit (1);
  if (fork () == 0) {
    dup2 (in[0], STDIN_FILENO);
    dup2 (out[1], STDOUT_FILENO);
    for (int i = 0; i < 2; i++)
      close (in[i]), close (out[i]);
    execlp ("bash", "bash", "-c", script, maria_folder, (char *)NULL);
    _exit (127);
  }
  close (in[0]);
  close (out[1]);
  to_shell = in[1];
  fcntl (to_shell, F_SETFD, FD_CLOEXEC); /* a daemon that stays would keep it open */
  length = read (out[0], line, sizeof line - 1);
  close (out[0]);
  if (length > 0 && strcmp (line, "ready\n") == 0)
    return true;
  line[strcspn (line, "\n")] = '\0';
  printf ("skipped, what is measured on MariaDB: %s\n", *line ? line : "no bash");
  rmdir (maria_folder);
  return false;
}

void
maria_end (void)
{
  close (to_shell);
  wait (NULL);
}

pid_t
maria_pid (void)
{
  char path[100];
  int pid = 0;
  FILE *file;

  snprintf (path, sizeof path, "%s/pid", maria_folder);
  if (!(file = fopen (path, "r")) || fscanf (file, "%d", &pid) != 1)
    exit (1);
  fclose (file);
  return pid;
}

/* ---- Statements ---------------------------------------------------------------------------------- */

static void
give_up (MYSQL *db, const char *sql)
{
  fprintf (stderr, "bench: %.100s: %s\n", sql, mysql_error (db));
  exit (1);
}

static MYSQL *
connect_as (const char *user, const char *database)
{
  MYSQL *db = mysql_init (NULL);
  char path[100];

  snprintf (path, sizeof path, "%s/socket", maria_folder);
  mysql_options (db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (!mysql_real_connect (db, NULL, user, "", database, 0, path, CLIENT_MULTI_STATEMENTS))
    give_up (db, "connect");
  return db;
}

MYSQL *
maria_connect (const char *database)
{
  return connect_as ("office", database);
}

void
maria_close (MYSQL *db)
{
  mysql_close (db);
}

void
maria_run (MYSQL *db, const char *sql)
{
  int more = mysql_query (db, sql);

  while (more == 0) {
    mysql_free_result (mysql_store_result (db));
    more = mysql_next_result (db);
  }
  if (more > 0)
    give_up (db, sql);
}

int64_t
maria_number (MYSQL *db, const char *sql)
{
  int64_t number = -1;
  MYSQL_RES *result;
  MYSQL_ROW row;

  if (mysql_query (db, sql) || !(result = mysql_store_result (db)))
    give_up (db, sql);
  if ((row = mysql_fetch_row (result)) && row[0])
    number = strtoll (row[0], NULL, 10);
  mysql_free_result (result);
  return number;
}

void
maria_create (const char *database)
{
  MYSQL *db = connect_as ("root", NULL);
  char sql[1500];

  snprintf (
      sql, sizeof sql,
      "CREATE DATABASE %s CHARACTER SET utf8mb4; CREATE USER IF NOT EXISTS mantis@localhost,"
      " office@localhost; GRANT PROCESS ON *.* TO mantis@localhost;"
      " GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, TRIGGER, REFERENCES ON %s.*"
      " TO mantis@localhost, office@localhost; USE %s;"
      " CREATE TABLE orders (id VARCHAR(36) COLLATE utf8mb4_bin PRIMARY KEY,"
      " customer VARCHAR(40), qty INT, price DOUBLE, note VARCHAR(80), updated VARCHAR(30))"
      " ENGINE = InnoDB",
      database, database, database);
  maria_run (db, sql);
  mysql_close (db);
}

double
maria_insert (MYSQL *db, const char *tag, int from, int rows, int statement)
{
  static const char head[] = "INSERT INTO orders VALUES ";
  size_t room = sizeof head + (size_t)statement * 300;
  char *sql = malloc (room);
  double took = 0, start;

  for (int i = from; sql && i < from + rows;) {
    size_t length = (size_t)snprintf (sql, room, "%s", head);
    for (int n = 0; n < statement && i < from + rows; n++, i++) {
      if (n)
        sql[length++] = ',';
      length += (size_t)load_text (sql + length, room - length, tag, i);
    }
    start = seconds ();
    if (mysql_real_query (db, sql, length))
      give_up (db, sql);
    took += seconds () - start;
  }
  free (sql);
  return took;
}
