/* load.c - the table to use, and rows for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double
seconds (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static sqlite3 *
open_file (const char *path)
{
  sqlite3 *db;

  if (sqlite3_open (path, &db) != SQLITE_OK) {
    fprintf (stderr, "bench: %s: %s\n", path, sqlite3_errmsg (db));
    exit (1);
  }
  sqlite3_busy_timeout (db, 10000);
  return db;
}

static void
run (sqlite3 *db, const char *sql)
{
  char *error = NULL;

  if (sqlite3_exec (db, sql, NULL, NULL, &error) != SQLITE_OK) {
    fprintf (stderr, "bench: %s: %s\n", sql, error);
    exit (1);
  }
}

void
load_create (const char *path)
{
  sqlite3 *db = open_file (path);

  run (
      db,
      "PRAGMA journal_mode = wal; PRAGMA synchronous = normal;"
      "CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT, qty INTEGER, price REAL, note TEXT,"
      " updated TEXT)");
  sqlite3_close (db);
}

/* The id of row I: 32 digits in no order, the same each time. */
static void
make_id (char *id, const char *tag, int i)
{
  uint64_t a = (uint64_t)i + 1, b;

  for (const char *c = tag; *c; c++)
    a = a * 31 + (unsigned char)*c;
  for (int round = 0; round < 3; round++) { /* splitmix64 */
    a += 0x9e3779b97f4a7c15u;
    a = (a ^ (a >> 30)) * 0xbf58476d1ce4e5b9u;
    a = (a ^ (a >> 27)) * 0x94d049bb133111ebu;
    a ^= a >> 31;
  }
  b = a * 0x2545f4914f6cdd1du;
  snprintf (id, 40, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(a >> 32),
            (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xffff, (unsigned)(b >> 48),
            (unsigned long long)b & 0xffffffffffffu);
}

static const char *const statements[] = {
    [LOAD_INSERT] = "INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5, '2026-01-01T10:00:00.000Z')",
    [LOAD_UPDATE] = "UPDATE orders SET qty = qty + 1, note = ?5 WHERE id = ?1",
    [LOAD_UPSERT] = "INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5, '2026-01-01T10:00:00.000Z')"
                    " ON CONFLICT (id) DO UPDATE SET qty = qty + 1",
    [LOAD_DELETE] = "DELETE FROM orders WHERE id = ?1",
};

int
load_text (char *text, size_t size, const char *tag, int i)
{
  char id[40];

  make_id (id, tag, i);
  return snprintf (text, size,
                   "('%s', 'customer %d', %d, %g, 'leave at the back door, no. %d',"
                   " '2026-01-01T10:00:00.000Z')",
                   id, i % 5000, i % 100, (i % 20000) / 100.0, i);
}

int
load_json (char *text, size_t size, const char *tag, int i)
{
  char id[40];

  make_id (id, tag, i);
  return snprintf (text, size,
                   "[\"%s\",\"customer %d\",%d,%.2f,\"leave at the back door, no. %d\","
                   "\"2026-01-01T10:00:00.000Z\"]",
                   id, i % 5000, i % 100, (i % 20000) / 100.0, i);
}

static void
bind_row (sqlite3_stmt *statement, const char *tag, int i)
{
  char id[40], customer[40], note[60];
  int count = sqlite3_bind_parameter_count (statement);

  make_id (id, tag, i);
  snprintf (customer, sizeof customer, "customer %d", i % 5000);
  snprintf (note, sizeof note, "leave at the back door, no. %d", i);
  sqlite3_bind_text (statement, 1, id, -1, SQLITE_TRANSIENT);
  if (count >= 5) {
    sqlite3_bind_text (statement, 2, customer, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int (statement, 3, i % 100);
    sqlite3_bind_double (statement, 4, (i % 20000) / 100.0);
    sqlite3_bind_text (statement, 5, note, -1, SQLITE_TRANSIENT);
  }
}

double
load_run (const char *path, enum load load, int rows, int transaction, const char *tag)
{
  sqlite3 *db = open_file (path);
  sqlite3_stmt *statement;
  double start;

  run (db, "PRAGMA synchronous = normal; PRAGMA cache_size = -8000");
  if (sqlite3_prepare_v2 (db, statements[load], -1, &statement, NULL) != SQLITE_OK)
    exit (1);
  start = seconds ();
  run (db, "BEGIN IMMEDIATE");
  for (int i = 0; i < rows; i++) {
    bind_row (statement, tag, i);
    if (sqlite3_step (statement) != SQLITE_DONE) {
      fprintf (stderr, "bench: %s\n", sqlite3_errmsg (db));
      exit (1);
    }
    sqlite3_reset (statement);
    if (transaction && i % transaction == transaction - 1)
      run (db, "COMMIT; BEGIN IMMEDIATE");
  }
  run (db, "COMMIT");
  start = seconds () - start;
  sqlite3_finalize (statement);
  sqlite3_close (db);
  return start;
}

double
load_durable (const char *path, int rows, int transaction)
{
  sqlite3 *db = open_file (path);
  sqlite3_stmt *insert, *begin, *commit;
  double start;

  run (db, "PRAGMA synchronous = full; PRAGMA cache_size = -8000");
  if (sqlite3_prepare_v2 (db, statements[LOAD_INSERT], -1, &insert, NULL) ||
      sqlite3_prepare_v2 (db, "BEGIN IMMEDIATE", -1, &begin, NULL) ||
      sqlite3_prepare_v2 (db, "COMMIT", -1, &commit, NULL))
    exit (1);
  start = seconds ();
  for (int i = 0; i < rows; i++) {
    bool last = i % transaction == transaction - 1 || i == rows - 1;
    bind_row (insert, "durable", i);
    if ((i % transaction == 0 && sqlite3_step (begin) != SQLITE_DONE) ||
        sqlite3_step (insert) != SQLITE_DONE || (last && sqlite3_step (commit) != SQLITE_DONE)) {
      fprintf (stderr, "bench: %s\n", sqlite3_errmsg (db));
      exit (1);
    }
    sqlite3_reset (insert);
    if (last)
      sqlite3_reset (begin), sqlite3_reset (commit);
  }
  start = seconds () - start;
  sqlite3_finalize (insert);
  sqlite3_finalize (begin);
  sqlite3_finalize (commit);
  sqlite3_close (db);
  return start;
}

double
load_bytes (int rows)
{
  char id[40], customer[40], note[60];
  double bytes = 0;

  for (int i = 0; i < rows; i++) {
    make_id (id, "", i);
    bytes += (double)strlen (id);
    bytes += snprintf (customer, sizeof customer, "customer %d", i % 5000);
    bytes += snprintf (note, sizeof note, "leave at the back door, no. %d", i);
    bytes += snprintf (note, sizeof note, "%d%g", i % 100, (i % 20000) / 100.0);
    bytes += 24; /* updated */
  }
  return bytes;
}

void
load_warm (const char *path)
{
  sqlite3 *db = open_file (path);

  run (db, "SELECT sum(length(note)) FROM orders; SELECT count(id) FROM orders WHERE id > ''");
  sqlite3_close (db);
  sync ();
}

int64_t
load_count (const char *path)
{
  sqlite3 *db;
  sqlite3_stmt *statement;
  int64_t count = -1;

  if (sqlite3_open_v2 (path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
    sqlite3_busy_timeout (db, 5000);
    if (sqlite3_prepare_v2 (db, "SELECT coalesce (max (rowid), 0) FROM orders", -1, &statement,
                            NULL) == SQLITE_OK) {
      if (sqlite3_step (statement) == SQLITE_ROW)
        count = sqlite3_column_int64 (statement, 0);
      sqlite3_finalize (statement);
    }
  }
  sqlite3_close (db);
  return count;
}
