/* mysql.c - MariaDB as the server's database, and other programs that write to it.
 *
 * With and without Mantis in turn, a part at a time, so that what else the machine does falls on both.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench.h"

#include <mysql.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_TURNS = 9, WRITERS = 4, STATEMENT = 1000, MOST_CHANGES = 200 };

static int turns; /* with and without */

static void
start_on (struct daemon *server, const char *database)
{
  char storage[400];

  snprintf (storage, sizeof storage,
            "{\"plugin\": \"mysql\", \"socket\": \"%s/socket\", \"database\": \"%s\", \"user\": "
            "\"mantis\"}",
            maria_folder, database);
  server_start_on (server, database, storage, "");
}

/* ---- What the triggers cost ---------------------------------------------------------------------- */

/* One part of a load.  Seconds. */
typedef double (*part_fn) (MYSQL *db, int turn, int rows);

static double
insert_part (MYSQL *db, int turn, int rows)
{
  char tag[20];

  snprintf (tag, sizeof tag, "turn %d", turn);
  return maria_insert (db, tag, 0, rows, STATEMENT);
}

static double
single_part (MYSQL *db, int turn, int rows)
{
  char tag[20];

  snprintf (tag, sizeof tag, "single %d", turn);
  return maria_insert (db, tag, 0, rows, 1);
}

static double
timed (MYSQL *db, const char *sql)
{
  double start = seconds ();

  maria_run (db, sql);
  return seconds () - start;
}

static double
update_part (MYSQL *db, int turn, int rows)
{
  char sql[200];

  (void)turn;
  snprintf (sql, sizeof sql, "UPDATE orders SET qty = qty + 1 ORDER BY id LIMIT %d", rows);
  return timed (db, sql);
}

static double
delete_part (MYSQL *db, int turn, int rows)
{
  char sql[200];

  (void)turn;
  snprintf (sql, sizeof sql, "DELETE FROM orders ORDER BY id LIMIT %d", rows);
  return timed (db, sql);
}

struct tax {
  const char *what, *aim;
  part_fn part;
  int rows; /* of a part, for 100,000 in all */
};

static const struct tax taxes[] = {
    {"MariaDB, trigger tax, INSERT of 1,000 rows", "at most 1.5", insert_part, 10000},
    {"MariaDB, trigger tax, UPDATE of many rows", "at most 1.5", update_part, 10000},
    {"MariaDB, trigger tax, DELETE of many rows", "at most 1.5", delete_part, 10000},
    {"MariaDB, trigger tax, commits of one row", "at most 1.2", single_part, 300},
};

/* The database's CPU is told too: it is what the triggers cost whatever waits for the disk. */
static void
measure_tax (const struct tax *tax, MYSQL *const db[2], int rows)
{
  double took[2][MOST_TURNS], cpu[2] = {0}, ratios[MOST_TURNS];
  char what[100];

  rows = rows / 1000 * tax->rows / 100;
  for (int turn = 0; turn < turns; turn++) {
    for (int i = 0; i < 2; i++) { /* who goes first gains nothing */
      int with = (turn + i) % 2;
      double before = process_seconds (maria_pid ());
      took[with][turn] = tax->part (db[with], turn, rows);
      cpu[with] += process_seconds (maria_pid ()) - before;
    }
    ratios[turn] = took[1][turn] / took[0][turn];
  }
  report (tax->what, rows / median (took[1], turns), "rows/s", median (ratios, turns), tax->aim);
  snprintf (what, sizeof what, "  the same, CPU of MariaDB (%.1f us a row without)",
            cpu[0] / rows / turns * 1e6);
  report (what, cpu[1] / rows / turns * 1e6, "us/row", cpu[0] > 0 ? cpu[1] / cpu[0] : 0, "");
}

static void
measure_taxes (int rows)
{
  struct daemon server = {0};
  MYSQL *db[2];

  maria_create ("plain");
  maria_create ("taxed");
  start_on (&server, "taxed");
  daemon_stop (&server); /* the triggers stay */
  db[0] = maria_connect ("plain");
  db[1] = maria_connect ("taxed");
  for (size_t i = 0; i < sizeof taxes / sizeof *taxes; i++)
    measure_tax (&taxes[i], db, rows);
  maria_close (db[0]);
  maria_close (db[1]);
}

/* ---- Several writers ----------------------------------------------------------------------------- */

struct writer {
  pthread_t thread;
  const char *database;
  int number, turn, rows;
};

static void *
write_on (void *argument)
{
  const struct writer *writer = argument;
  MYSQL *db = maria_connect (writer->database);
  char tag[40];

  snprintf (tag, sizeof tag, "writer %d of %d", writer->number, writer->turn);
  for (int i = 0; i < writer->rows; i += 10) {
    maria_run (db, "START TRANSACTION");
    maria_insert (db, tag, i, 10, 1);
    maria_run (db, "COMMIT");
  }
  maria_close (db);
  mysql_thread_end ();
  return NULL;
}

/* Seconds until COUNT writers have written ROWS each. */
static double
write_together (const char *database, int count, int turn, int rows)
{
  struct writer writers[WRITERS];
  double start = seconds ();

  for (int i = 0; i < count; i++) {
    writers[i] = (struct writer){.database = database, .number = i, .turn = turn, .rows = rows};
    if (pthread_create (&writers[i].thread, NULL, write_on, &writers[i]))
      exit (1);
  }
  for (int i = 0; i < count; i++)
    pthread_join (writers[i].thread, NULL);
  return seconds () - start;
}

/* With a server at work, on the rows of these writers. */
static void
measure_writers (int rows)
{
  static const char *const databases[2] = {"alone", "shared"};
  struct daemon server = {0};
  double gain[2][MOST_TURNS], ratios[MOST_TURNS], rates[2][MOST_TURNS];

  maria_create (databases[0]);
  maria_create (databases[1]);
  start_on (&server, databases[1]);
  rows = rows / 100;
  for (int turn = 0; turn < turns; turn++) {
    for (int i = 0; i < 2; i++) {
      int with = (turn + i) % 2;
      double one = write_together (databases[with], 1, turn * 2, rows);
      double all = write_together (databases[with], WRITERS, turn * 2 + 1, rows);
      rates[with][turn] = WRITERS * rows / all;
      gain[with][turn] = WRITERS * one / all;
    }
    ratios[turn] = gain[0][turn] / gain[1][turn];
  }
  report ("MariaDB, 4 writers without Mantis", median (rates[0], turns), "rows/s", 0, "");
  report ("MariaDB, 4 writers, server at work (ratio: times slower)", median (rates[1], turns),
          "rows/s", median (rates[0], turns) / median (rates[1], turns), "");
  report ("  4 writers instead of 1, gain without Mantis", median (gain[0], turns), "times", 0, "");
  report ("  the same, server at work (ratio: without / with)", median (gain[1], turns), "times",
          median (ratios, turns), "at most 1.5");
  daemon_stop (&server);
}

/* ---- Hops ---------------------------------------------------------------------------------------- */

/* Rows a second of plain INSERTs of 1,000 rows, now. */
static double
measure_plain_inserts (int rows)
{
  double took[3];

  for (int i = 0; i < 3; i++) {
    char name[60];
    MYSQL *db;
    snprintf (name, sizeof name, "yardstick%d", i);
    maria_create (name);
    db = maria_connect (name);
    took[i] = maria_insert (db, "plain", 0, rows, STATEMENT);
    snprintf (name, sizeof name, "DROP DATABASE yardstick%d", i);
    maria_run (db, name);
    maria_close (db);
  }
  double rate = rows / median (took, 3);
  report ("yardstick: MariaDB, plain INSERTs of 1,000 rows", rate, "rows/s", 0, "");
  return rate;
}

static void
measure_hops (int rows)
{
  struct daemon server = {0}, client = {0};
  double took, start, yardstick;
  int64_t before;
  MYSQL *db;

  maria_create ("hops");
  db = maria_connect ("hops");
  maria_insert (db, "first", 0, rows, STATEMENT);
  start_on (&server, "hops");
  yardstick = measure_yardstick (rows);
  start = seconds ();
  client_start (&client, "maria-client", server_port, "");
  took = wait_rows (&client, rows, start);
  report ("MariaDB, initial load to a client", rows / took, "rows/s", rows / took / yardstick,
          "at least 0.3");

  daemon_stop (&client);
  load_run (client.database, LOAD_INSERT, rows, 5000, "pushed");
  yardstick = measure_plain_inserts (rows);
  before = maria_number (db, "SELECT seq FROM __sync_counter WHERE id = 1");
  start = seconds ();
  client_start (&client, "maria-client", server_port, "");
  while (maria_number (db, "SELECT seq FROM __sync_counter WHERE id = 1") < before + rows &&
         seconds () - start < 300)
    usleep (5000);
  took = seconds () - start;
  if (maria_number (db, "SELECT count(*) FROM orders") != 2 * rows) {
    fprintf (stderr, "bench: the rows do not arrive in MariaDB; %s\n", server.log);
    exit (1);
  }
  report ("MariaDB, bulk push of a client", rows / took, "rows/s", rows / took / yardstick,
          "at least 0.3");
  daemon_stop (&client);
  daemon_stop (&server);
  maria_close (db);
}

/* ---- Latency ------------------------------------------------------------------------------------- */

static volatile bool disturbing;

/* Transactions that are rolled back: their entries are never seen, their ids never used. */
static void *
roll_back (void *argument)
{
  MYSQL *db = maria_connect ("latency");
  const int *number = argument;

  for (int turn = 0; disturbing; turn++) {
    char tag[40];
    snprintf (tag, sizeof tag, "never %d %d", *number, turn);
    maria_run (db, "START TRANSACTION");
    maria_insert (db, tag, 0, 20, 20);
    maria_run (db, "ROLLBACK");
    usleep (2000);
  }
  maria_close (db);
  mysql_thread_end ();
  return NULL;
}

/* From the answer to a commit on MariaDB to the row in the client's file, milliseconds. */
static double
one_change (MYSQL *from, sqlite3_stmt *look, const char *tag, int i)
{
  char sql[200], id[40];
  bool there = false;
  double start;

  snprintf (id, sizeof id, "%s-%d", tag, i);
  snprintf (sql, sizeof sql, "INSERT INTO orders (id, qty) VALUES ('%s', 1)", id);
  maria_run (from, sql);
  start = seconds ();
  sqlite3_bind_text (look, 1, id, -1, SQLITE_TRANSIENT);
  while (!there && seconds () - start < 20) {
    there = sqlite3_step (look) == SQLITE_ROW;
    sqlite3_reset (look);
    if (!there)
      usleep (100);
  }
  return (seconds () - start) * 1000;
}

static void
measure_changes (const struct daemon *client, int count, const char *tag, const char *what,
                 bool aimed, double quiet[2])
{
  double took[MOST_CHANGES];
  MYSQL *from = maria_connect ("latency");
  sqlite3_stmt *look;
  sqlite3 *to;
  char line[100];

  sqlite3_open (client->database, &to);
  sqlite3_busy_timeout (to, 5000);
  sqlite3_prepare_v2 (to, "SELECT 1 FROM orders WHERE id = ?", -1, &look, NULL);
  for (int i = 0; i < count; i++) {
    took[i] = one_change (from, look, tag, i);
    usleep (3000 + (unsigned)(i % 13) * 1100); /* single changes, at any moment of a poll */
  }
  sqlite3_finalize (look);
  sqlite3_close (to);
  maria_close (from);
  median (took, count);
  for (int i = 0; i < 2; i++) {
    double one = took[i ? count * 99 / 100 : count / 2];
    quiet[i] = aimed ? one : quiet[i];
    snprintf (line, sizeof line, "%s, %s", what, i ? "p99" : "p50");
    report (line, one, "ms", aimed ? 0 : one / quiet[i],
            aimed ? i ? "at most 50" : "at most 10" : "flat");
  }
}

/* Percent of a core that the server takes, and what it makes MariaDB take. */
static void
measure_idle (const struct daemon *server, unsigned length)
{
  double start = seconds (), cpu[2], took;

  cpu[0] = process_seconds (server->pid);
  cpu[1] = process_seconds (maria_pid ());
  sleep (length);
  took = seconds () - start;
  report ("CPU of a server that waits", 100 * (process_seconds (server->pid) - cpu[0]) / took, "%",
          0, "under 2");
  report ("  of MariaDB meanwhile", 100 * (process_seconds (maria_pid ()) - cpu[1]) / took, "%", 0,
          "");
}

static void
measure_latency (int rows)
{
  struct daemon server = {0}, client = {0};
  double quiet[2] = {0};
  pthread_t threads[2];
  int numbers[2] = {0, 1}, changes = rows / 500 < MOST_CHANGES ? rows / 500 + 10 : MOST_CHANGES;

  maria_create ("latency");
  start_on (&server, "latency");
  client_start (&client, "maria-latency", server_port, "");
  wait_for_text (&client, "loaded");
  measure_idle (&server, rows < 10000 ? 1 : 5);
  measure_changes (&client, changes, "quiet", "MariaDB, commit to visible in a client", true,
                   quiet);
  disturbing = true;
  for (size_t i = 0; i < 2; i++)
    if (pthread_create (&threads[i], NULL, roll_back, &numbers[i]))
      exit (1);
  measure_changes (&client, changes, "rollbacks", "  the same while 2 others roll back", false,
                   quiet);
  disturbing = false;
  for (size_t i = 0; i < 2; i++)
    pthread_join (threads[i], NULL);
  daemon_stop (&client);
  daemon_stop (&server);
}

void
measure_mysql (int rows)
{
  turns = rows < 10000 ? 3 : MOST_TURNS;
  if (!maria_start ())
    return;
  measure_hops (rows);
  measure_latency (rows);
  measure_taxes (rows);
  measure_writers (rows);
  maria_end ();
}
