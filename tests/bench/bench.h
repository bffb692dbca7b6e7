/* bench.h - figures for commits and readers: what is measured, and beside what.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MANTIS_BENCH_H
#define MANTIS_BENCH_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

double seconds (void); /* monotonic */

/* One line of the report: what, the figure, its ratio to a yardstick (0: none), what is aimed for. */
void report (const char *what, double figure, const char *unit, double ratio, const char *aim);
double median (double *values, int count); /* sorts them */
/* Rows a second of plain prepared inserts into SQLite, 5,000 a transaction, now; prints the line. */
double measure_yardstick (int rows);

/* ---- mysql.c ---- */
void measure_mysql (int rows);

/* ---- live.c ---- */
void measure_live (void);

/* What it costs that most of a thousand clients are not to hear of a change. */
void measure_filters (void);

/* ---- rules.c ---- */
void measure_rules (void);

/* ---- idle.c ---- */
void measure_idle_connections (void);

/* ---- pushes.c ---- */
void measure_pushes (int pushes);
/* Of one row each, over 50 connections to a server NAME with OPTIONS; in a second. */
double pushes_rate (const char *name, const char *options, int pushes);

/* ---- hooks.c ---- */
void measure_hooks (int pushes);

/* ---- merges.c ---- */
void measure_merges (int rows);

/* ---- load.c: the table to use, and rows for it ---- */
enum load { LOAD_INSERT, LOAD_UPDATE, LOAD_UPSERT, LOAD_DELETE };

/* A new SQLite file with the table. */
void load_create (const char *path);
/* ROWS rows, TRANSACTION of them in each (0: all in one); TAG makes them different ones.  Seconds taken. */
double load_run (const char *path, enum load load, int rows, int transaction, const char *tag);
/* "('id', 'customer', ...)" of row I, as SQL; its length. */
int load_text (char *text, size_t size, const char *tag, int i);
/* The same as a JSON array. */
int load_json (char *text, size_t size, const char *tag, int i);
/* ROWS rows, TRANSACTION of them in each, which is durable before the next.  Seconds taken. */
double load_durable (const char *path, int rows, int transaction);
/* Of the values of such ROWS rows as text. */
double load_bytes (int rows);
/* Read it all, and let the disk come to rest. */
void load_warm (const char *path);
/* Nothing is deleted while somebody waits: the greatest rowid counts them, without reading all. */
int64_t load_count (const char *path);

/* ---- daemons.c: a server, clients and a wire between them that counts ---- */
struct daemon {
  pid_t pid;
  char database[200], config[200], log[200];
};

extern const char *bench_profile; /* a folder for what perf records of the daemons; NULL: nothing */
extern char bench_folder[];
extern int server_port;
extern const char
    *bench_listen; /* more members of a server's listener, each with a comma before it */

int free_port (void);
void daemons_start (void); /* makes bench_folder */
void daemons_end (void);
/* OPTIONS: more members of the configuration, each with a comma before it. */
void server_start (struct daemon *daemon, const char *name, const char *options);
/* STORAGE: the object of the configuration. */
void server_start_on (struct daemon *daemon, const char *name, const char *storage,
                      const char *options);
/* PORT: where to reach the server. */
void client_start (struct daemon *daemon, const char *name, int port, const char *options);
void daemon_stop (struct daemon *daemon);
long daemon_peak (const struct daemon *daemon); /* kB of memory at most so far */
double process_seconds (pid_t pid);             /* of CPU so far */
/* Until the table of DAEMON holds COUNT rows.  Seconds since START. */
double wait_rows (const struct daemon *daemon, int64_t count, double start);
/* Until the client's triggers are there. */
void wait_captured (const struct daemon *daemon);
bool wait_for_text (const struct daemon *daemon, const char *text);

/* ---- maria.c: a MariaDB of our own, and writers on it ---- */
struct st_mysql;

extern char maria_folder[];

bool maria_start (void); /* false: it is not installed, which has been said */
void maria_end (void);
pid_t maria_pid (void);
/* A new database with the table, empty, and where the user "mantis" may do what it needs. */
void maria_create (const char *database);
/* A connection as a program has it that knows nothing of Mantis. */
struct st_mysql *maria_connect (const char *database);
void maria_close (struct st_mysql *db);
void maria_run (struct st_mysql *db, const char *sql);
int64_t maria_number (struct st_mysql *db, const char *sql); /* the first of the first row */
/* ROWS rows from FROM on, STATEMENT of them in each, which commits.  Seconds taken by the database. */
double maria_insert (struct st_mysql *db, const char *tag, int from, int rows, int statement);

/* A relay to the server on a port of its own; bytes that went up and down. */
int relay_start (void);
void relay_counts (int64_t *up, int64_t *down);
void relay_reset (void);

#endif
