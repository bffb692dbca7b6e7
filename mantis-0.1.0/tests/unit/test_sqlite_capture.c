/* test_sqlite_capture.c - every way in which an application can write to SQLite enters the log.
 *
 * The application is a plain connection of its own.  The oracle compares the table before and after
 * each statement with what the log says: a changed row is in the log; the newest entry of a key
 * tells whether the row is there; a statement that changed nothing logs no insert, update or
 * deletion.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sqlite_rig.h"

#include <math.h>
#include <sqlite3.h>

/* ---- The oracle ---- */

struct shape {
  const char *name;   /* of the table, quoted */
  const char *create; /* with indexes and first rows */
  const char *key;    /* of a row, as one text */
  const char *log;    /* of an entry, likewise */
};

static long
ask_shape (const struct shape *shape, const char *format, long before)
{
  struct mantis_buf sql = MANTIS_BUF_INIT;
  long value;

  for (; *format; format++)
    if (format[0] == '$' && strchr ("tklb", format[1])) {
      format++;
      if (*format == 'b')
        mantis_buf_printf (&sql, "%ld", before);
      else
        mantis_buf_text (&sql, *format == 't'   ? shape->name
                               : *format == 'k' ? shape->key
                                                : shape->log);
    } else
      mantis_buf_char (&sql, *format);
  value = number (sql.bytes);
  ck_assert_msg (value >= 0, "%s", sql.bytes);
  mantis_buf_free (&sql);
  return value;
}

#define CHANGED                                                                                    \
  "(SELECT $k AS key FROM (SELECT * FROM $t EXCEPT SELECT * FROM temp.snap) UNION"                 \
  " SELECT $k FROM (SELECT * FROM temp.snap EXCEPT SELECT * FROM $t))"
#define NEWEST "(SELECT $l AS key, op, max(seq) FROM __sync_log WHERE seq > $b GROUP BY key)"

static void
check_log (const struct shape *shape, const char *sql, long before)
{
  long missing = ask_shape (
      shape, "SELECT count(*) FROM " CHANGED " WHERE key NOT IN (SELECT key FROM " NEWEST ")",
      before);
  long gone = ask_shape (shape,
                         "SELECT count(*) FROM " NEWEST " WHERE op IN ('I', 'U')"
                         " AND key NOT IN (SELECT $k FROM $t)",
                         before);
  long there = ask_shape (
      shape, "SELECT count(*) FROM " NEWEST " WHERE op = 'D' AND key IN (SELECT $k FROM $t)",
      before);

  ck_assert_msg (missing == 0, "%ld changed rows are not in the log after %s", missing, sql);
  ck_assert_msg (gone == 0, "%ld rows in the log are not in the table after %s", gone, sql);
  ck_assert_msg (there == 0, "%ld deletions of rows that are there after %s", there, sql);
}

/* Run the statement, which may fail, and compare.  UNDO: in a transaction that is rolled back. */
static void
try_statement (const struct shape *shape, const char *sql, bool undo)
{
  struct mantis_buf snap = MANTIS_BUF_INIT;
  long before = number ("SELECT max(seq) FROM __sync_log"), after;

  mantis_buf_printf (&snap,
                     "DROP TABLE IF EXISTS temp.snap; CREATE TEMP TABLE snap AS SELECT * FROM %s",
                     shape->name);
  WRITES (snap.bytes);
  mantis_buf_free (&snap);
  if (undo)
    WRITES ("BEGIN");
  engine->write (sql);
  check_log (shape, sql, before);
  after = ask_shape (shape, "SELECT count(*) FROM __sync_log WHERE seq > $b AND op <> 'E'", before);
  if (strncmp (sql, "INSERT OR IGNORE", 16) == 0 &&
      ask_shape (shape, "SELECT count(*) FROM " CHANGED, 0) == 0)
    ck_assert_msg (after == 0, "%ld false touches by %s", after, sql); /* C2 */
  if (undo)
    engine->write ("ROLLBACK"); /* unless the statement did */
}

static void
write_and_check (const struct shape *shape, const char *sql)
{
  try_statement (shape, sql, false);
}

/* ---- Every statement under every conflict clause: C1, C2, C3, C16, C22 ---- */

static const struct shape shapes[] = {
    {"t", /* rowid alias, unique column */
     "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INTEGER);"
     "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (-1, 'minus', 9)",
     "quote(id)", "quote(k0)"},
    {"t", /* text key, two unique constraints, one of two columns */
     "CREATE TABLE t (id TEXT PRIMARY KEY, a TEXT UNIQUE, b INTEGER, UNIQUE (b, a));"
     "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), ('x', NULL, NULL)",
     "quote(id)", "quote(k0)"},
    {"t", /* case does not count in the index */
     "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER);"
     "CREATE UNIQUE INDEX ta ON t (a COLLATE NOCASE);"
     "INSERT INTO t VALUES (1, 'A', 1), (2, 'B', 2), (3, 'C', 3)",
     "quote(id)", "quote(k0)"},
    {"t", /* partial */
     "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER);"
     "CREATE UNIQUE INDEX ta ON t (a /* WHERE (no) */) WHERE b > 1 AND a <> 'where';"
     "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'a', 7)",
     "quote(id)", "quote(k0)"},
    {"t", /* an expression */
     "CREATE TABLE t (id TEXT PRIMARY KEY, a TEXT, b INTEGER);"
     "CREATE UNIQUE INDEX ta ON t (lower(a) DESC, coalesce(b, ',') % 2);"
     "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
     "quote(id)", "quote(k0)"},
    {"t", /* the table's own clause */
     "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE ON CONFLICT REPLACE, b INTEGER);"
     "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
     "quote(id)", "quote(k0)"},
    {"t", /* a generated column is unique */
     "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c TEXT AS (upper(a)) UNIQUE);"
     "INSERT INTO t (id, a, b) VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
     "quote(id)", "quote(k0)"},
    {"t", /* two key columns, not in the order of the table, no rowid */
     "CREATE TABLE t (b INTEGER, id INTEGER, a TEXT UNIQUE, PRIMARY KEY (a, id)) WITHOUT ROWID;"
     "INSERT INTO t (id, a, b) VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
     "quote(a) || quote(id)", "quote(k0) || quote(k1)"},
    {"t", /* key columns without type: 1 and '1' are two rows (C19) */
     "CREATE TABLE t (id, a, b, PRIMARY KEY (id), UNIQUE (b));"
     "INSERT INTO t VALUES (1, 'a', 1), ('1', 'b', 2), (x'31', 'c', 3), (2, 'd', 4), (3, 'e', 5)",
     "quote(id)", "quote(k0)"},
};

static const char *const statements[] = {
    "INSERT OR % INTO t (id, a, b) VALUES (10, 'new', 10)",
    "INSERT OR % INTO t (id, a, b) VALUES (1, 'other', 11)",
    "INSERT OR % INTO t (id, a, b) VALUES (11, 'b', 12)",
    "INSERT OR % INTO t (id, a, b) VALUES (12, 'C', 13)",
    "INSERT OR % INTO t (id, a, b) VALUES (2, 'c', 3)",
    "INSERT OR % INTO t (a, b) VALUES ('a', 1)",
    "INSERT OR % INTO t (a, b) VALUES ('minus', 1)",
    "INSERT OR % INTO t (id, a, b) VALUES (-1, 'c', 14)",
    "INSERT OR % INTO t (id, a, b) SELECT id + 20, a, b + 1 FROM t",
    "UPDATE OR % t SET b = b + 1",
    "UPDATE OR % t SET a = 'b' WHERE id = 3",
    "UPDATE OR % t SET a = 'b', b = 2 WHERE id = 1",
    "UPDATE OR % t SET id = 2 WHERE id = 1",
    "UPDATE OR % t SET id = 77 WHERE id = 2",
    "UPDATE OR % t SET id = id + 1",
    "UPDATE OR % t SET b = b",
    "INSERT OR % INTO t (id, a, b) VALUES (1, 'a', 1) ON CONFLICT DO UPDATE SET b = 99, a = 'u'",
    "DELETE FROM t WHERE id = '1' -- %",
    "DELETE FROM t -- %",
};
static const char *const clauses[] = {"ROLLBACK", "ABORT", "FAIL", "IGNORE", "REPLACE"};

static void
try_all (const struct shape *shape, const char *clause, bool undo)
{
  WRITES ("DROP TABLE IF EXISTS t");
  WRITES (shape->create);
  attach (MANTIS_CLIENT);
  ck_assert_str_eq (refusal_of ("t"), "");
  for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
    struct mantis_buf sql = MANTIS_BUF_INIT;
    const char *at = strchr (statements[i], '%');
    mantis_buf_add (&sql, statements[i], (size_t)(at - statements[i]));
    mantis_buf_printf (&sql, "%s%s", clause, at + 1);
    try_statement (shape, sql.bytes, undo);
    mantis_buf_free (&sql);
  }
}

START_TEST (every_statement_under_every_clause)
{
  const struct shape *shape = &shapes[_i];

  for (int recursive = 0; recursive < 2; recursive++) {
    WRITES (recursive ? "PRAGMA recursive_triggers = ON" : "PRAGMA recursive_triggers = OFF");
    for (size_t c = 0; c < sizeof clauses / sizeof *clauses; c++) {
      try_all (shape, clauses[c], true);
      try_all (shape, clauses[c], false);
    }
  }
}
END_TEST

/* ---- Names: C16, C22, C23 ---- */

START_TEST (awkward_names)
{
  const struct shape shape = {"\"we\"\"ird 'tàble\"", NULL, "quote(\"or\"\"der\")", "quote(k0)"};

  WRITES ("CREATE TABLE \"we\"\"ird 'tàble\" (\"or\"\"der\" TEXT PRIMARY KEY, rowid TEXT "
          "UNIQUE, oid, [select]"
          " UNIQUE, __updated_at, node_id, seq, tbl)");
  WRITES ("CREATE UNIQUE INDEX \"in\"\"dex\" ON \"we\"\"ird 'tàble\" (lower([select]) || "
          "\"oid\")"
          " WHERE \"select\" IS NOT NULL");
  attach (MANTIS_CLIENT);
  ck_assert_str_eq (refusal_of ("we\"ird 'tàble"), "");
  write_and_check (&shape,
                   "INSERT INTO \"we\"\"ird 'tàble\" VALUES ('k', 'r', 1, 's', 2, 3, 4, 5)");
  write_and_check (&shape,
                   "REPLACE INTO \"we\"\"ird 'tàble\" VALUES ('l', 'x', 1, 'S', 2, 3, 4, 5)");
  write_and_check (&shape,
                   "REPLACE INTO \"we\"\"ird 'tàble\" VALUES ('m', 'x', 1, 'z', 2, 3, 4, 5)");
  ck_assert_int_eq (number ("SELECT count(*) FROM \"we\"\"ird 'tàble\""), 1);
  write_and_check (&shape, "UPDATE \"we\"\"ird 'tàble\" SET \"or\"\"der\" = 'n'");
}
END_TEST

START_TEST (a_key_named_rowid)
{
  const struct shape shape = {"t", NULL, "quote(rowid)", "quote(k0)"};

  WRITES ("CREATE TABLE t (oid INTEGER, rowid TEXT PRIMARY KEY, a UNIQUE)");
  attach (MANTIS_CLIENT);
  write_and_check (&shape, "INSERT INTO t VALUES (1, 'x', 1)");
  write_and_check (&shape, "REPLACE INTO t VALUES (2, 'y', 1)");
  write_and_check (&shape, "UPDATE t SET _rowid_ = 50");
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_log WHERE k0 = 'y'"), 2);
}
END_TEST

START_TEST (the_rowid_alias_by_another_name)
{
  const struct shape shape = {"t", NULL, "quote(id)", "quote(k0)"};

  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)");
  WRITES ("INSERT INTO t VALUES (1, 1)");
  attach (MANTIS_CLIENT);
  write_and_check (&shape, "UPDATE t SET rowid = 9");
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_log WHERE op = 'D' AND k0 = 1"), 1);
}
END_TEST

/* ---- Triggers and actions of the application: C4, C20, K15 ---- */

START_TEST (inner_writes_of_triggers_and_cascades)
{
  const struct shape shape = {"t", NULL, "quote(id)", "quote(k0)"};

  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER REFERENCES t (id) ON DELETE CASCADE ON"
          " UPDATE CASCADE, n INTEGER)");
  WRITES ("CREATE TRIGGER touch AFTER UPDATE OF p ON t BEGIN UPDATE t SET n = n + 1 WHERE id = "
          "NEW.id; END");
  attach (MANTIS_CLIENT);
  write_and_check (&shape, "INSERT INTO t VALUES (1, NULL, 0), (2, 1, 0), (3, 2, 0), (4, NULL, 0)");
  write_and_check (&shape, "UPDATE t SET id = 10 WHERE id = 1");
  ck_assert_int_eq (number ("SELECT n FROM t WHERE id = 2"), 1);
  write_and_check (&shape, "DELETE FROM t WHERE id = 10");
  ck_assert_int_eq (number ("SELECT count(*) FROM t"), 1);
}
END_TEST

START_TEST (counters_of_the_application_stay)
{
  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE)");
  attach (MANTIS_CLIENT);
  WRITES ("INSERT INTO t VALUES (40, 1), (41, 2)");
  ck_assert_int_eq (number ("SELECT last_insert_rowid()"), 41);
  ck_assert_int_eq (number ("SELECT changes()"), 2);
  WRITES ("UPDATE t SET a = a + 10");
  ck_assert_int_eq (number ("SELECT changes()"), 2);
  WRITES ("DELETE FROM t");
  ck_assert_int_eq (number ("SELECT changes()"), 2);
}
END_TEST

START_TEST (blobs_and_wide_tables) /* C5, C6 */
{
  const struct shape shape = {"t", NULL, "quote(c0)", "quote(k0)"};
  struct mantis_buf sql = MANTIS_BUF_INIT;

  mantis_buf_text (&sql, "CREATE TABLE t (c0 BLOB PRIMARY KEY");
  for (int i = 1; i < 500; i++)
    mantis_buf_printf (&sql, ", c%d", i);
  mantis_buf_text (&sql, ")");
  WRITES (sql.bytes);
  mantis_buf_free (&sql);
  attach (MANTIS_CLIENT);
  write_and_check (&shape, "INSERT INTO t (c0, c499) VALUES (x'00ff', x'')");
  write_and_check (&shape, "UPDATE t SET c499 = 'x'");
}
END_TEST

/* ---- What becomes of the schema ---- */

START_TEST (a_rebuilt_table_is_watched_again) /* C11 */
{
  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)");
  WRITES ("INSERT INTO t VALUES (1, 1)");
  attach (MANTIS_CLIENT);
  WRITES (
      "CREATE TABLE new_t (id INTEGER PRIMARY KEY, a, b); INSERT INTO new_t SELECT id, a, 0 FROM t;"
      "DROP TABLE t; ALTER TABLE new_t RENAME TO t");
  WRITES ("UPDATE t SET a = 2");
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (find ("t")->watch, MANTIS_REWATCHED);
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_tables WHERE state = 'watched'"), 1);
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (find ("t")->watch, MANTIS_WATCHED);
  WRITES ("UPDATE t SET a = 3");
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_log WHERE op = 'U' AND k0 = 1"), 1);
}
END_TEST

START_TEST (a_rebuild_that_brings_the_triggers_is_noticed) /* C11 */
{
  char *triggers;

  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)");
  attach (MANTIS_CLIENT);
  triggers =
      engine->ask ("SELECT group_concat(sql, ';') FROM sqlite_master WHERE type = 'trigger'");
  WRITES ("CREATE TABLE new_t (id INTEGER PRIMARY KEY, a, b); INSERT INTO new_t VALUES (5, 5, 5);"
          "DROP TABLE t; ALTER TABLE new_t RENAME TO t");
  WRITES (triggers);
  free (triggers);
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (find ("t")->watch, MANTIS_REWATCHED);
}
END_TEST

START_TEST (vacuum_is_no_rebuild) /* C15 */
{
  WRITES ("CREATE TABLE junk (id INTEGER PRIMARY KEY, a); CREATE TABLE t (id TEXT PRIMARY KEY, a)");
  attach (MANTIS_CLIENT);
  WRITES ("DROP TABLE junk");
  WRITES ("VACUUM");
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (find ("t")->watch, MANTIS_WATCHED);
}
END_TEST

START_TEST (a_dropped_or_altered_trigger_is_put_back)
{
  char *name;

  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)");
  attach (MANTIS_CLIENT);
  name =
      engine->ask ("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%_upd'");
  ck_assert_str_eq (name, "__sync_1_upd");
  free (name);
  WRITES ("DROP TRIGGER __sync_1_upd");
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (find ("t")->watch, MANTIS_REWATCHED);
  WRITES ("DROP TRIGGER __sync_1_ins; CREATE TRIGGER __sync_1_ins AFTER INSERT ON t BEGIN SELECT "
          "1; END");
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (find ("t")->watch, MANTIS_REWATCHED);
  WRITES ("INSERT INTO t VALUES (1, 1)");
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_log WHERE k0 = 1"), 1);
}
END_TEST

START_TEST (a_renamed_table_is_another_table) /* C13 */
{
  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)");
  attach (MANTIS_CLIENT);
  WRITES ("INSERT INTO t VALUES (1, 1)");
  WRITES ("ALTER TABLE t RENAME TO u; CREATE TABLE t (id INTEGER PRIMARY KEY, a)");
  WRITES ("INSERT INTO u VALUES (2, 2)");
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (find ("u")->watch, MANTIS_NEW);
  ck_assert_int_eq (find ("t")->watch, MANTIS_REWATCHED);
  ck_assert_int_ne (find ("u")->table->id, 1);
  ck_assert_int_ne (find ("t")->table->id, 1);
  WRITES ("INSERT INTO u VALUES (3, 3); INSERT INTO t VALUES (4, 4)");
  ck_assert_int_eq (number ("SELECT tbl FROM __sync_log WHERE k0 = 3"), find ("u")->table->id);
  ck_assert_int_eq (number ("SELECT tbl FROM __sync_log WHERE k0 = 4"), find ("t")->table->id);
}
END_TEST

START_TEST (columns_come_and_go) /* C12, C13 */
{
  const struct shape shape = {"t", NULL, "quote(nid)", "quote(k0)"};

  WRITES ("CREATE TABLE t (id TEXT PRIMARY KEY, a UNIQUE, b)");
  attach (MANTIS_CLIENT);
  WRITES ("ALTER TABLE t ADD COLUMN c DEFAULT 4; ALTER TABLE t RENAME COLUMN id TO nid;"
          "ALTER TABLE t RENAME COLUMN a TO na; ALTER TABLE t DROP COLUMN b");
  write_and_check (&shape, "INSERT INTO t VALUES ('x', 1, 2)");
  write_and_check (&shape, "UPDATE t SET c = 5");
  write_and_check (&shape, "REPLACE INTO t VALUES ('y', 1, 2)");
  attach (MANTIS_CLIENT);
  ck_assert_uint_eq (find ("t")->table->column_count, 3);
  write_and_check (&shape, "REPLACE INTO t VALUES ('z', 1, 2)");
}
END_TEST

START_TEST (a_table_dropped_and_made_again) /* O15 */
{
  int64_t id;

  WRITES ("CREATE TABLE t (id TEXT PRIMARY KEY, a)");
  attach (MANTIS_CLIENT);
  id = find ("t")->table->id;
  WRITES ("DROP TABLE t");
  attach (MANTIS_CLIENT);
  WRITES ("CREATE TABLE t (id TEXT PRIMARY KEY, a)");
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (find ("t")->watch, MANTIS_NEW);
  ck_assert_int_ne (find ("t")->table->id, id);
  WRITES ("DROP TABLE t; CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY (a, b))");
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (find ("t")->watch, MANTIS_REWATCHED);
  WRITES ("INSERT INTO t VALUES ('a', 'b')");
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_log WHERE k1 = 'b'"), 1);
}
END_TEST

START_TEST (a_later_unique_index_is_captured) /* C1 */
{
  const struct shape shape = {"t", NULL, "quote(id)", "quote(k0)"};

  WRITES ("CREATE TABLE t (id TEXT PRIMARY KEY, a); INSERT INTO t VALUES ('x', 1)");
  attach (MANTIS_CLIENT);
  WRITES ("CREATE UNIQUE INDEX later ON t (a)");
  attach (MANTIS_CLIENT);
  write_and_check (&shape, "REPLACE INTO t VALUES ('y', 1)");
  WRITES ("DROP INDEX later");
  attach (MANTIS_CLIENT);
  ck_assert_int_eq (find ("t")->watch, MANTIS_WATCHED);
  ck_assert_int_eq (number ("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"), 3);
}
END_TEST

START_TEST (what_cannot_be_synced_is_refused_with_a_reason) /* C10, C14, C18, V22 */
{
  WRITES ("CREATE TABLE heap (a); CREATE TABLE nocase (id TEXT PRIMARY KEY COLLATE NOCASE);"
          "CREATE TABLE nocase2 (id TEXT, PRIMARY KEY (id COLLATE NOCASE));"
          "CREATE TABLE fine (id TEXT PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE);"
          "CREATE VIRTUAL TABLE fts USING fts5 (a); CREATE VIEW v AS SELECT 1");
  attach (MANTIS_SERVER);
  ck_assert_ptr_nonnull (strstr (refusal_of ("heap"), "no primary key"));
  ck_assert_ptr_nonnull (strstr (refusal_of ("nocase"), "NOCASE"));
  ck_assert_ptr_nonnull (strstr (refusal_of ("nocase2"), "NOCASE"));
  ck_assert_ptr_nonnull (strstr (refusal_of ("fts"), "virtual"));
  ck_assert_str_eq (refusal_of ("fine"), "");
  ck_assert_uint_eq (schema->count, 5); /* no view, no shadow tables */
}
END_TEST

static int
compare (void *context, int a_length, const void *a, int b_length, const void *b)
{
  (void)context;
  return a_length != b_length ? a_length - b_length : memcmp (a, b, (size_t)a_length);
}

START_TEST (what_only_the_application_has) /* C9, C10 */
{
  char *path = engine->ask ("SELECT file FROM pragma_database_list");
  sqlite3 *db;

  WRITES ("CREATE TABLE plain (id TEXT PRIMARY KEY)");
  ck_assert_int_eq (sqlite3_open (path, &db), SQLITE_OK);
  free (path);
  sqlite3_create_collation (db, "mine", SQLITE_UTF8, NULL, compare);
  ck_assert_int_eq (
      sqlite3_exec (db, "CREATE TABLE t (id TEXT PRIMARY KEY, a TEXT COLLATE mine UNIQUE)", NULL,
                    NULL, NULL),
      SQLITE_OK);
  sqlite3_close (db);
  attach (MANTIS_CLIENT);
  ck_assert_ptr_nonnull (strstr (refusal_of ("t"), "mine"));
  ck_assert_str_eq (refusal_of ("plain"), "");
}
END_TEST

START_TEST (a_full_text_index_follows_what_is_applied) /* C14 */
{
  const struct mantis_table *table;
  struct mantis_value row[2] = {{.type = MANTIS_INTEGER, .as.integer = 1},
                                {MANTIS_TEXT, 10, {.bytes = "fresh milk"}}};
  struct mantis_change change = {.row = row, .updated_at = 1, .origin = "x"};
  const struct mantis_change *changes = &change;
  size_t done;
  long before;

  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);"
          "CREATE VIRTUAL TABLE fts USING fts5 (a, content='t', content_rowid='id');"
          "CREATE TRIGGER t1 AFTER INSERT ON t BEGIN INSERT INTO fts(rowid, a) VALUES (NEW.id, "
          "NEW.a); END;"
          "CREATE TRIGGER t2 AFTER UPDATE ON t BEGIN INSERT INTO fts(fts, rowid, a) VALUES "
          "('delete', OLD.id,"
          " OLD.a); INSERT INTO fts(rowid, a) VALUES (NEW.id, NEW.a); END;"
          "CREATE TRIGGER t3 AFTER DELETE ON t BEGIN INSERT INTO fts(fts, rowid, a) VALUES "
          "('delete', OLD.id,"
          " OLD.a); END");
  attach (MANTIS_CLIENT);
  change.table = table = find ("t")->table;
  before = number ("SELECT max(seq) FROM __sync_log");
  OK (storage->begin (session, MANTIS_WRITE, &error));
  OK (storage->apply (session, table, &changes, 1, &done, &error));
  row[1].as.bytes = "dried plum";
  OK (storage->apply (session, table, &changes, 1, &done, &error));
  OK (storage->commit (session, &error));
  ck_assert_int_eq (number ("SELECT count(*) FROM fts WHERE fts MATCH 'milk'"), 0);
  ck_assert_int_eq (number ("SELECT count(*) FROM fts WHERE fts MATCH 'plum'"), 1);
  ck_assert_int_eq (number ("SELECT max(seq) FROM __sync_log"), before);
  WRITES ("INSERT INTO t VALUES (2, 'local')");
  ck_assert_int_eq (number ("SELECT count(*) FROM __sync_log WHERE k0 = 2"), 1);
}
END_TEST

START_TEST (a_full_disk_fails_the_write_and_loses_nothing) /* C8 */
{
  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)");
  attach (MANTIS_CLIENT);
  WRITES ("PRAGMA max_page_count = 1");
  while (engine->write ("INSERT INTO t (a) VALUES (zeroblob(500))"))
    ;
  ck_assert_int_eq (number ("SELECT count(*) FROM t"),
                    number ("SELECT count(*) FROM __sync_log WHERE op = 'I'"));
}
END_TEST

START_TEST (a_value_that_would_be_altered_is_refused) /* guarantee 13, V7, V12, V31 */
{
  static const struct {
    const char *column;
    struct mantis_value value;
    bool fits;
  } cases[] = {
      {"i", {MANTIS_TEXT, 3, {.bytes = "007"}}, false},
      {"i", {MANTIS_TEXT, 4, {.bytes = " 1e5"}}, false},
      {"i", {MANTIS_TEXT, 3, {.bytes = "1e+"}}, true},
      {"i", {MANTIS_TEXT, 1, {.bytes = "."}}, true},
      {"i", {MANTIS_TEXT, 0, {.bytes = NULL}}, true},
      {"i",
       {MANTIS_TEXT,
        3,
        {.bytes = "1\0"
                  "2"}},
       true},
      {"i", {MANTIS_REAL, 0, {.real = 5.0}}, false},
      {"i", {MANTIS_REAL, 0, {.real = 5.5}}, true},
      {"i", {MANTIS_REAL, 0, {.real = 1e300}}, true},
      {"i", {MANTIS_BLOB, 1, {.bytes = "5"}}, true},
      {"n", {MANTIS_TEXT, 5, {.bytes = "12.50"}}, false},
      {"n", {MANTIS_INTEGER, 0, {.integer = INT64_MAX}}, true},
      {"r", {MANTIS_INTEGER, 0, {.integer = 1}}, false},
      {"r", {MANTIS_REAL, 0, {.real = 1.0}}, true},
      {"r", {MANTIS_REAL, 0, {.real = -0.0}}, false},
      {"r", {MANTIS_REAL, 0, {.real = 5e-324}}, true},
      {"r", {MANTIS_REAL, 0, {.real = -HUGE_VAL}}, true},
      {"t", {MANTIS_INTEGER, 0, {.integer = 1}}, false},
      {"t", {MANTIS_TEXT, 3, {.bytes = "007"}}, true},
      {"t", {MANTIS_TEXT, 2, {.bytes = "\xff\xfe"}}, true},
      {"a", {MANTIS_REAL, 0, {.real = -0.0}}, true},
      {"a", {MANTIS_TEXT, 1, {.bytes = "5"}}, true},
  };
  struct mantis_arena *arena = mantis_arena_new (0);

  WRITES ("CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, n DECIMAL(10,2), r DOUBLE, t "
          "VARCHAR(9), a)");
  attach (MANTIS_SERVER);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct mantis_table *table = find ("t")->table;
    struct mantis_value row[6] = {{.type = MANTIS_INTEGER, .as.integer = (int64_t)i}};
    struct mantis_change change = {.table = table, .row = row, .origin = "x"};
    const struct mantis_change *changes = &change;
    enum mantis_status status;
    mantis_row asked = row, found;
    size_t done, c = strcspn ("dinrta", cases[i].column);
    row[c] = cases[i].value;
    OK (storage->begin (session, MANTIS_WRITE, &error));
    status = storage->apply (session, table, &changes, 1, &done, &error);
    ck_assert_msg (status == (cases[i].fits ? MANTIS_OK : MANTIS_REFUSED), "case %zu: %s", i,
                   error.text);
    OK (storage->read (session, table, &asked, 1, arena, &found, &error));
    ck_assert_msg (cases[i].fits == (found != NULL) &&
                       (!found || mantis_value_equal (&found[c], &row[c])),
                   "case %zu is not as it was", i);
    OK (storage->commit (session, &error));
  }
  mantis_arena_free (arena);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("sqlite capture");
  TCase *cases = tcase_create ("capture");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (cases, set_up, tear_down);
  tcase_set_timeout (cases, 60);
  tcase_add_loop_test (cases, every_statement_under_every_clause, 0,
                       sizeof shapes / sizeof *shapes);
  tcase_add_test (cases, awkward_names);
  tcase_add_test (cases, a_key_named_rowid);
  tcase_add_test (cases, the_rowid_alias_by_another_name);
  tcase_add_test (cases, inner_writes_of_triggers_and_cascades);
  tcase_add_test (cases, counters_of_the_application_stay);
  tcase_add_test (cases, blobs_and_wide_tables);
  tcase_add_test (cases, a_rebuilt_table_is_watched_again);
  tcase_add_test (cases, a_rebuild_that_brings_the_triggers_is_noticed);
  tcase_add_test (cases, vacuum_is_no_rebuild);
  tcase_add_test (cases, a_dropped_or_altered_trigger_is_put_back);
  tcase_add_test (cases, a_renamed_table_is_another_table);
  tcase_add_test (cases, columns_come_and_go);
  tcase_add_test (cases, a_table_dropped_and_made_again);
  tcase_add_test (cases, a_later_unique_index_is_captured);
  tcase_add_test (cases, what_cannot_be_synced_is_refused_with_a_reason);
  tcase_add_test (cases, what_only_the_application_has);
  tcase_add_test (cases, a_full_text_index_follows_what_is_applied);
  tcase_add_test (cases, a_full_disk_fails_the_write_and_loses_nothing);
  tcase_add_test (cases, a_value_that_would_be_altered_is_refused);
  suite_add_tcase (suite, cases);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
