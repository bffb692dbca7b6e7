/* bench - figures beside yardsticks that ran in the same minute on the same machine.
 *
 * usage: bench [--rows N] [--large N] [--only WORD] [--profile FOLDER]
 *
 * --profile: each daemon runs under perf record, for `perf report -i FOLDER/server.log.data'; the figures are then
 * those of daemons that are looked at.
 *
 * Machines differ: the ratios are what to look at.  What misses its aim is printed like the rest.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 3, SINGLE_CHANGES = 200 };

static int rows = 100000, large = 1000000;
static const char *only;
static double
    yardstick; /* rows a second of plain prepared inserts, 5,000 a transaction; of this minute */

void
report (const char *what, double figure, const char *unit, double ratio, const char *aim)
{
  char text[40] = "";

  if (ratio > 0)
    snprintf (text, sizeof text, "%.2f", ratio);
  printf ("%-58s %12.1f %-8s %6s   %s\n", what, figure, unit, text, aim);
  fflush (stdout);
}

static int
compare_doubles (const void *a, const void *b)
{
  double left = *(const double *)a, right = *(const double *)b;

  return left < right ? -1 : left > right;
}

double
median (double *values, int count)
{
  qsort (values, (size_t)count, sizeof *values, compare_doubles);
  return values[count / 2];
}

static double
median_insert (int count, int transaction)
{
  double took[ROUNDS];
  char path[300];

  for (int i = 0; i < ROUNDS; i++) {
    snprintf (path, sizeof path, "%s/plain-%d-%d.db", bench_folder, transaction, i);
    load_create (path);
    took[i] = load_run (path, LOAD_INSERT, count, transaction, "plain");
    unlink (path);
  }
  return median (took, ROUNDS);
}

double
measure_yardstick (int count)
{
  double rate = count / median_insert (count, 5000);

  report ("yardstick: plain prepared inserts, 5,000 a transaction", rate, "rows/s", 0, "");
  return rate;
}

/* ---- Capture tax --------------------------------------------------------------------------------- */

struct tax {
  const char *what, *aim;
  enum load load;
  int transaction;
};

static const struct tax taxes[] = {
    {"capture tax, inserts in one transaction", "at most 1.65", LOAD_INSERT, 0},
    {"capture tax, inserts, 1,000 a transaction", "at most 1.2", LOAD_INSERT, 1000},
    {"capture tax, updates, 1,000 a transaction", "at most 1.35", LOAD_UPDATE, 1000},
    {"capture tax, updates in one transaction", "at most 1.35", LOAD_UPDATE, 0},
    {"capture tax, upserts, 1,000 a transaction", "", LOAD_UPSERT, 1000},
    {"capture tax, deletes, 1,000 a transaction", "", LOAD_DELETE, 1000},
};

/* Plain and captured in turn, on files that hold what the load needs. */
static void
measure_tax (const struct tax *tax)
{
  double plain[ROUNDS], captured[ROUNDS];

  for (int i = 0; i < ROUNDS; i++) {
    struct daemon client = {0};
    char name[40], path[300];
    snprintf (path, sizeof path, "%s/tax-plain.db", bench_folder);
    snprintf (name, sizeof name, "tax-%d-%d", (int)(tax - taxes), i);
    load_create (path);
    snprintf (client.database, sizeof client.database, "%s/%s.db", bench_folder, name);
    load_create (client.database);
    if (tax->load != LOAD_INSERT) {
      load_run (path, LOAD_INSERT, rows, 5000, "row");
      load_run (client.database, LOAD_INSERT, rows, 5000, "row");
    }
    client_start (&client, name, 1, "");
    wait_captured (&client);
    daemon_stop (&client);
    for (int turn = 0; turn < 2; turn++) { /* who goes first gains nothing */
      bool with = (turn + i) % 2 != 0;
      const char *file = with ? client.database : path;
      load_warm (file);
      (with ? captured : plain)[i] = load_run (file, tax->load, rows, tax->transaction, "row");
    }
    unlink (path);
    unlink (client.database);
  }
  double with = median (captured, ROUNDS);
  report (tax->what, rows / with, "rows/s", with / median (plain, ROUNDS), tax->aim);
}

/* ---- Yardsticks ---------------------------------------------------------------------------------- */

/* Of a process that only inserts COUNT rows, kilobytes. */
static long
plain_peak (int count)
{
  char path[300];
  struct rusage usage = {0};
  pid_t pid;

  snprintf (path, sizeof path, "%s/plain-peak.db", bench_folder);
  if ((pid = fork ()) == 0) {
    load_create (path);
    load_run (path, LOAD_INSERT, count, 5000, "plain");
    _exit (0);
  }
  if (pid < 0 || wait4 (pid, NULL, 0, &usage) != pid)
    exit (1);
  unlink (path);
  return usage.ru_maxrss;
}

/* From a commit to its being seen through another connection to the same file, milliseconds. */
static double
plain_latency (void)
{
  double took[SINGLE_CHANGES];
  sqlite3 *from, *to;
  sqlite3_stmt *look;
  char path[300];

  snprintf (path, sizeof path, "%s/plain-latency.db", bench_folder);
  load_create (path);
  sqlite3_open (path, &from);
  sqlite3_open (path, &to);
  sqlite3_exec (from, "PRAGMA synchronous = full", NULL, NULL, NULL);
  sqlite3_prepare_v2 (to, "SELECT max (rowid) FROM orders", -1, &look, NULL);
  for (int i = 0; i < SINGLE_CHANGES; i++) {
    char sql[200];
    snprintf (sql, sizeof sql, "INSERT INTO orders (id, qty) VALUES ('plain-%d', 1)", i);
    took[i] = seconds ();
    if (sqlite3_exec (from, sql, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_step (look) != SQLITE_ROW || sqlite3_column_int (look, 0) != i + 1)
      exit (1);
    took[i] = (seconds () - took[i]) * 1000;
    sqlite3_reset (look);
    usleep (2000);
  }
  sqlite3_finalize (look);
  sqlite3_close (from);
  sqlite3_close (to);
  unlink (path);
  return median (took, SINGLE_CHANGES);
}

/* ---- Hops ---------------------------------------------------------------------------------------- */

static void
make_database (struct daemon *daemon, const char *name, int count)
{
  snprintf (daemon->database, sizeof daemon->database, "%s/%s.db", bench_folder, name);
  load_create (daemon->database);
  if (count)
    load_run (daemon->database, LOAD_INSERT, count, 5000, name);
}

struct peak {
  const char *what;
  const struct daemon *daemon;
};

static void
report_peaks (int count, const struct peak *peaks)
{
  long plain = plain_peak (count);

  report ("yardstick: peak memory of plain inserts", (double)plain / 1024, "MB", 0, "");
  for (; peaks->what; peaks++) {
    long peak = daemon_peak (peaks->daemon);
    report (peaks->what, (double)peak / 1024, "MB", (double)peak / (double)plain, "under 32");
  }
}

static void
measure_hops (void)
{
  struct daemon server = {0}, a = {0}, b = {0}, c = {0};
  int relay = relay_start ();
  int64_t up, down;
  double took;

  yardstick = measure_yardstick (rows);
  make_database (&server, "server", rows);
  server_start (&server, "server", "");
  took = seconds ();
  client_start (&a, "a", relay, "");
  took = wait_rows (&a, rows, took);
  relay_counts (&up, &down);
  report ("initial load, server to client", rows / took, "rows/s", rows / took / yardstick,
          "at least 0.35");
  report ("  on the wire, plain", (double)down / rows, "bytes", (double)down / load_bytes (rows),
          "at most 150 a row");

  relay_reset ();
  daemon_stop (&a);
  yardstick = measure_yardstick (rows);
  load_run (a.database, LOAD_INSERT, rows, 5000, "pushed");
  took = seconds ();
  client_start (&a, "a", relay, "");
  took = wait_rows (&server, 2 * rows, took);
  relay_counts (&up, &down);
  report ("bulk push, client to server", rows / took, "rows/s", rows / took / yardstick,
          "at least 0.35");
  report ("  on the wire, plain", (double)up / rows, "bytes", (double)up / load_bytes (rows),
          "at most 150 a row");

  client_start (&b, "b", server_port, "");
  wait_rows (&b, 2 * rows, seconds ());
  yardstick = measure_yardstick (rows);
  took = seconds ();
  load_run (a.database, LOAD_INSERT, rows, 5000, "through");
  took = wait_rows (&b, 3 * rows, took);
  report ("A to server to B, overlapped, the writing included", rows / took, "rows/s",
          rows / took / yardstick, "at least 0.25");

  relay_reset ();
  char options[400];
  snprintf (options, sizeof options,
            ", \"plugins\": [\"sqlite\", \"timestamp\", {\"path\": "
            "\"%s/plugins/transport/rest/.libs/rest.so\", "
            "\"name\": \"rest\", \"options\": {\"compress\": \"always\"}}]",
            getenv ("MANTIS_BUILD"));
  client_start (&c, "c", relay, options);
  wait_rows (&c, 3 * rows, seconds ());
  relay_counts (&up, &down);
  report ("initial load, on the wire with gzip", (double)down / (3 * rows), "bytes",
          (double)down / 3 / load_bytes (rows), "at most 65 a row");
  report_peaks (rows, (const struct peak[]){
                          {"peak memory of the server, 100,000-row loads", &server},
                          {"peak memory of the client that pushed", &a},
                          {"peak memory of the client that loaded", &b},
                          {NULL, NULL},
                      });
  daemon_stop (&c);
  daemon_stop (&b);
  daemon_stop (&a);
  daemon_stop (&server);
}

/* ---- Latency ------------------------------------------------------------------------------------- */

static void
measure_latency (void)
{
  struct daemon server = {0}, a = {0}, b = {0};
  double took[SINGLE_CHANGES], plain = plain_latency ();
  sqlite3 *from, *to;
  sqlite3_stmt *look;

  report ("yardstick: durable commit, visible to another connection", plain, "ms", 0, "");
  make_database (&server, "latency", 0);
  server_start (&server, "latency", "");
  client_start (&a, "la", server_port, "");
  client_start (&b, "lb", server_port, "");
  wait_for_text (&a, "loaded");
  wait_for_text (&b, "loaded");
  sqlite3_open (a.database, &from);
  sqlite3_open (b.database, &to);
  sqlite3_busy_timeout (from, 5000);
  sqlite3_busy_timeout (to, 5000);
  sqlite3_exec (from, "PRAGMA synchronous = normal", NULL, NULL, NULL);
  sqlite3_prepare_v2 (to, "SELECT 1 FROM orders WHERE id = ?", -1, &look, NULL);
  for (int i = 0; i < SINGLE_CHANGES; i++) {
    char sql[200], id[20];
    bool there = false;
    snprintf (id, sizeof id, "latency-%d", i);
    snprintf (sql, sizeof sql, "INSERT INTO orders (id, qty) VALUES ('%s', 1)", id);
    double start = seconds ();
    if (sqlite3_exec (from, sql, NULL, NULL, NULL) != SQLITE_OK)
      exit (1);
    start = seconds ();
    sqlite3_bind_text (look, 1, id, -1, SQLITE_STATIC);
    while (!there && seconds () - start < 20) {
      there = sqlite3_step (look) == SQLITE_ROW;
      sqlite3_reset (look);
      if (!there)
        usleep (50);
    }
    took[i] = (seconds () - start) * 1000;
    usleep (3000 + (unsigned)(i % 7) * 1000); /* single changes, not a stream */
  }
  sqlite3_finalize (look);
  sqlite3_close (from);
  sqlite3_close (to);
  qsort (took, SINGLE_CHANGES, sizeof *took, compare_doubles);
  report ("commit to visible, client to client, p50", took[SINGLE_CHANGES / 2], "ms",
          took[SINGLE_CHANGES / 2] / plain, "at most 2");
  report ("commit to visible, client to client, p99", took[SINGLE_CHANGES * 99 / 100], "ms",
          took[SINGLE_CHANGES * 99 / 100] / plain, "at most 10");
  daemon_stop (&b);
  daemon_stop (&a);
  daemon_stop (&server);
}

/* ---- Memory -------------------------------------------------------------------------------------- */

static void
measure_memory (void)
{
  struct daemon server = {0}, a = {0}, b = {0};
  double took;

  yardstick = measure_yardstick (rows);
  make_database (&server, "large", 0);
  make_database (&a, "large-a", large);
  server_start (&server, "large", "");
  took = seconds ();
  client_start (&a, "large-a", server_port, "");
  took = wait_rows (&server, large, took);
  report ("first contact of a large table, client to server", large / took, "rows/s",
          large / took / yardstick, "");
  took = seconds ();
  client_start (&b, "large-b", server_port, "");
  took = wait_rows (&b, large, took);
  report ("initial load of a large table", large / took, "rows/s", large / took / yardstick, "");
  report_peaks (large, (const struct peak[]){
                           {"peak memory of the server, large table", &server},
                           {"peak memory of the client that pushed it", &a},
                           {"peak memory of the client that loaded it", &b},
                           {NULL, NULL},
                       });
  daemon_stop (&b);
  daemon_stop (&a);
  daemon_stop (&server);
}

static bool
wanted (const char *word)
{
  return !only || strcmp (only, word) == 0;
}

int
main (int argc, char **argv)
{
  for (int i = 1; i + 1 < argc; i += 2)
    if (strcmp (argv[i], "--rows") == 0)
      rows = atoi (argv[i + 1]);
    else if (strcmp (argv[i], "--large") == 0)
      large = atoi (argv[i + 1]);
    else if (strcmp (argv[i], "--only") == 0)
      only = argv[i + 1];
    else if (strcmp (argv[i], "--profile") == 0)
      bench_profile = argv[i + 1];
  if (rows < 1000 || !getenv ("MANTISD") || !getenv ("MANTISCTL") || !getenv ("MANTIS_BUILD")) {
    fprintf (stderr, "bench: run it as `make bench' (BENCH_ARGS='--rows N --large N --only "
                     "tax|hops|latency|live|pushes|hooks|merges|idle|memory|mysql --profile FOLDER')\n");
    return 2;
  }
  daemons_start ();
  printf ("%-58s %12s %-8s %6s   %s\n", "", "figure", "", "ratio", "aim");
  for (size_t i = 0; wanted ("tax") && i < sizeof taxes / sizeof *taxes; i++)
    measure_tax (&taxes[i]);
  if (wanted ("hops"))
    measure_hops ();
  if (wanted ("latency"))
    measure_latency ();
  if (wanted ("live"))
    measure_live ();
  if (wanted ("filters")) {
    measure_rules ();
    measure_filters ();
  }
  if (wanted ("pushes"))
    measure_pushes (rows / 5);
  if (wanted ("hooks"))
    measure_hooks (rows / 5);
  if (wanted ("merges"))
    measure_merges (rows / 5 < 1000 ? 1000 : rows / 5);
  if (wanted ("idle"))
    measure_idle_connections ();
  if (wanted ("memory"))
    measure_memory ();
  if (wanted ("mysql"))
    measure_mysql (rows);
  daemons_end ();
  return 0;
}
