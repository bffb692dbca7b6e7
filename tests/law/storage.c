/* storage.c - the laws that every storage keeps: include/mantis/storage.h, said as a test.
 *
 * SQL is only what an application would write; the words used here (CREATE TABLE with INTEGER, REAL
 * and VARCHAR, INSERT, UPDATE, DELETE) are the same for all engines.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "storage_rig.h"

#include <poll.h>
#include <unistd.h>

/* ---- Capture ---- */

START_TEST (an_application_write_enters_the_log)
{
  int64_t before, now = mantis_now ();

  WRITES (notes);
  start (MANTIS_CLIENT);
  ck_assert_int_eq (find ("notes")->watch, MANTIS_NEW);
  before = head ();
  WRITES ("INSERT INTO notes VALUES (1, 'milk', 1.5)");
  head (); /* a storage may find out what was written when a transaction begins */
  WRITES ("UPDATE notes SET price = 2 WHERE id = 1");
  head ();
  WRITES ("DELETE FROM notes WHERE id = 1");
  ck_assert_str_eq (log_text (before), "I1 U1 D1");
  ck_assert_ptr_eq (entries[0].table, table_of ("notes"));
  ck_assert_ptr_null (entries[0].origin);
  ck_assert_int_ge (entries[0].time, now - 2000);
  ck_assert_int_le (entries[0].time, now + 60000);
}
END_TEST

START_TEST (a_key_change_is_a_deletion_and_a_new_row)
{
  int64_t before;

  WRITES (notes);
  WRITES ("INSERT INTO notes VALUES (1, 'milk', 1.5)");
  start (MANTIS_CLIENT);
  before = head ();
  WRITES ("UPDATE notes SET id = 9 WHERE id = 1");
  if (strcmp (log_text (before), "D1 I9") !=
      0) /* where all that is seen is that one went and one came */
    ck_assert_str_eq (log_text (before), "D1 U9");
}
END_TEST

START_TEST (what_is_rolled_back_was_never_logged)
{
  int64_t before;

  WRITES (notes);
  start (MANTIS_CLIENT);
  before = head ();
  WRITES ("BEGIN; INSERT INTO notes VALUES (1, 'milk', 1.5); ROLLBACK");
  ck_assert_str_eq (log_text (before), "");
}
END_TEST

START_TEST (numbers_never_come_twice)
{
  int64_t last;

  WRITES (notes);
  start (MANTIS_CLIENT);
  WRITES ("INSERT INTO notes VALUES (1, 'milk', 1.5), (2, 'bread', 2.5)");
  last = head ();
  begin (MANTIS_WRITE);
  OK (storage->log_trim (session, last, &error));
  commit ();
  ck_assert_int_eq (head (), last);
  WRITES ("INSERT INTO notes VALUES (3, 'salt', 0.5)");
  ck_assert_int_gt (head (), last);
  ck_assert_str_eq (log_text (last), "I3");
  close_session ();
  start (MANTIS_CLIENT);
  ck_assert_str_eq (log_text (last), "I3");
}
END_TEST

/* Drop what log_spare() finds up to UPTO, and say how many that was. */
static size_t
drop_spare (int64_t after, int64_t upto, size_t limit)
{
  int64_t *seqs;
  size_t count;

  begin (MANTIS_READ);
  OK (storage->log_spare (session, after, upto, limit, arena, &seqs, &count, &error));
  commit ();
  begin (MANTIS_WRITE);
  OK (storage->log_drop (session, seqs, count, &error));
  commit ();
  return count;
}

/* C8 */
START_TEST (what_the_log_tells_twice_may_leave_it)
{
  int64_t before;

  WRITES (notes);
  start (MANTIS_CLIENT);
  NEEDS (log_spare);
  NEEDS (log_drop);
  before = head ();
  WRITES ("INSERT INTO notes VALUES (1, 'milk', 1.5)");
  WRITES ("UPDATE notes SET price = 2; UPDATE notes SET price = 3; UPDATE notes SET price = 4");
  WRITES ("INSERT INTO notes VALUES (2, 'bread', 2.5); UPDATE notes SET price = 5 WHERE id = 2");
  WRITES ("DELETE FROM notes WHERE id = 1; INSERT INTO notes VALUES (1, 'oil', 9)");
  ck_assert_str_eq (log_text (before), "I1 U1 U1 U1 I2 U2 D1 I1");
  ck_assert_uint_eq (drop_spare (before + 4, INT64_MAX, 100), 0);
  ck_assert_uint_eq (drop_spare (before, before + 3, 100), 1);
  ck_assert_str_eq (log_text (before), "I1 U1 U1 I2 U2 D1 I1");
  ck_assert_uint_eq (drop_spare (before, INT64_MAX, 1), 1);
  ck_assert_str_eq (log_text (before), "I1 U1 I2 U2 D1 I1");
  ck_assert_uint_eq (drop_spare (before, INT64_MAX, 100), 2);
  ck_assert_str_eq (log_text (before), "I1 I2 U2 I1");
  ck_assert_int_eq (head (), before + 8);
  ck_assert_uint_eq (drop_spare (before, INT64_MAX, 100), 0);
}
END_TEST

/* Among entries that may mean nothing, the one that does stays. */
START_TEST (what_the_log_tells_of_evictions_stays_with_what_was_written)
{
  int64_t before;

  WRITES ("CREATE TABLE seats (id INTEGER PRIMARY KEY, code TEXT UNIQUE)");
  WRITES ("INSERT INTO seats VALUES (1, 'a')");
  start (MANTIS_CLIENT);
  NEEDS (log_spare);
  NEEDS (log_drop);
  before = head ();
  WRITES ("REPLACE INTO seats VALUES (2, 'a')");
  WRITES ("INSERT INTO seats VALUES (1, 'b'); UPDATE seats SET code = 'c' WHERE id = 1");
  WRITES ("REPLACE INTO seats VALUES (3, 'c')");
  ck_assert_str_eq (log_text (before), "E1 I2 I1 U1 E1 I3");
  ck_assert_uint_eq (drop_spare (before, INT64_MAX, 100), 1);
  ck_assert_str_eq (log_text (before), "E1 I2 I1 E1 I3");
}
END_TEST

START_TEST (the_log_is_read_in_parts)
{
  size_t count;
  int64_t before;

  WRITES (notes);
  start (MANTIS_CLIENT);
  before = head ();
  WRITES ("INSERT INTO notes VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)");
  begin (MANTIS_READ);
  OK (storage->log_read (session, before, before + 2, 100, arena, &entries, &count, &error));
  ck_assert_uint_eq (count, 2);
  ck_assert_int_eq (entries[1].seq, before + 2);
  OK (storage->log_read (session, before, INT64_MAX, 1, arena, &entries, &count, &error));
  ck_assert_uint_eq (count, 1);
  OK (storage->log_read (session, before + 3, INT64_MAX, 1, arena, &entries, &count, &error));
  ck_assert_uint_eq (count, 0);
  commit ();
}
END_TEST

/* A client has always a place up to which it has read. */
START_TEST (the_log_of_a_server_is_never_empty)
{
  size_t count;
  int64_t newest;

  start (MANTIS_SERVER);
  newest = head ();
  ck_assert_int_ge (newest, 1);
  begin (MANTIS_READ);
  OK (storage->log_read (session, newest - 1, newest, 1, arena, &entries, &count, &error));
  commit ();
  ck_assert_uint_eq (count, 1);
  ck_assert_int_eq (entries[0].operation, MANTIS_START);
  ck_assert_ptr_null (entries[0].table);
}
END_TEST

/* ---- Transactions ---- */

START_TEST (a_read_transaction_sees_one_moment)
{
  const struct mantis_table *table;
  mantis_row row, found;

  WRITES (notes);
  start (MANTIS_CLIENT);
  table = table_of ("notes");
  row = key_of (table, 1);
  begin (MANTIS_READ);
  WRITES ("INSERT INTO notes VALUES (1, 'milk', 1.5)");
  OK (storage->read (session, table, &row, 1, arena, &found, &error));
  ck_assert_ptr_null (found);
  commit ();
  ck_assert_ptr_nonnull (read_one (table, 1));
}
END_TEST

START_TEST (a_write_transaction_keeps_others_out)
{
  struct mantis_session *other;

  WRITES (notes);
  start (MANTIS_SERVER);
  OK (storage->open (self, MANTIS_SERVER, &other, &error));
  begin (MANTIS_WRITE);
  GIVES (MANTIS_BUSY, storage->begin (other, MANTIS_WRITE, &error));
  commit ();
  OK (storage->begin (other, MANTIS_WRITE, &error));
  storage->rollback (other);
  storage->close (other);
}
END_TEST

START_TEST (savepoints_nest)
{
  const struct mantis_table *table;

  WRITES (notes);
  start (MANTIS_SERVER);
  table = table_of ("notes");
  begin (MANTIS_WRITE);
  OK (try_apply (change (table, note (1, "a", 1), false, "x", 1)));
  OK (storage->savepoint (session, &error));
  OK (try_apply (change (table, note (2, "b", 1), false, "x", 1)));
  OK (storage->savepoint (session, &error));
  OK (try_apply (change (table, note (3, "c", 1), false, "x", 1)));
  OK (storage->rollback_to (session, &error));
  OK (try_apply (change (table, note (4, "d", 1), false, "x", 1)));
  OK (storage->release (session, &error));
  OK (storage->rollback_to (session, &error));
  OK (storage->release (session, &error));
  ck_assert_int_ne (storage->release (session, &error), MANTIS_OK);
  commit ();
  ck_assert_ptr_nonnull (read_one (table, 1));
  ck_assert_ptr_null (read_one (table, 2));
  ck_assert_ptr_null (read_one (table, 3));
  ck_assert_ptr_null (read_one (table, 4));
}
END_TEST

START_TEST (close_rolls_back)
{
  WRITES (notes);
  start (MANTIS_SERVER);
  begin (MANTIS_WRITE);
  OK (try_apply (change (table_of ("notes"), note (1, "a", 1), false, "x", 1)));
  close_session ();
  start (MANTIS_SERVER);
  ck_assert_ptr_null (read_one (table_of ("notes"), 1));
}
END_TEST

/* ---- Schema ---- */

START_TEST (a_table_is_described)
{
  const struct mantis_table *table;

  WRITES ("CREATE TABLE pairs (a VARCHAR(20) NOT NULL, n INTEGER DEFAULT 3, b INTEGER NOT NULL,"
          " PRIMARY KEY (b, a), UNIQUE (n))");
  start (MANTIS_SERVER);
  table = table_of ("pairs");
  ck_assert_uint_eq (table->column_count, 3);
  ck_assert_uint_eq (table->key_count, 2);
  ck_assert_uint_eq (table->key[0], 2);
  ck_assert_uint_eq (table->key[1], 0);
  ck_assert_uint_eq (table->columns[0].type_class, MANTIS_CLASS_TEXT);
  ck_assert_uint_eq (table->columns[1].type_class, MANTIS_CLASS_INTEGER);
  ck_assert (table->columns[0].not_null && !table->columns[1].not_null);
  ck_assert_str_eq (table->columns[1].default_value, "3");
  ck_assert_uint_eq (table->unique_count, 1);
  ck_assert_str_eq (table->uniques[0].columns[0], "n");
  ck_assert (table->plain);
  ck_assert_str_ne (table->fingerprint, "");
}
END_TEST

START_TEST (the_order_of_columns_does_not_change_the_fingerprint)
{
  WRITES ("CREATE TABLE one (id INTEGER PRIMARY KEY, a REAL, b VARCHAR(9))");
  WRITES ("CREATE TABLE two (b VARCHAR(9), id INTEGER PRIMARY KEY, a REAL)");
  WRITES ("CREATE TABLE three (b VARCHAR(9), id INTEGER PRIMARY KEY, a REAL NOT NULL)");
  start (MANTIS_SERVER);
  ck_assert_str_eq (table_of ("one")->fingerprint, table_of ("two")->fingerprint);
  ck_assert_str_ne (table_of ("one")->fingerprint, table_of ("three")->fingerprint);
}
END_TEST

START_TEST (parents_come_before_children)
{
  size_t order[3] = {0};
  static const char *const names[] = {"z_parent", "m_child", "a_grandchild"};

  WRITES ("CREATE TABLE z_parent (id INTEGER PRIMARY KEY)");
  WRITES ("CREATE TABLE m_child (id INTEGER PRIMARY KEY, p INTEGER, FOREIGN KEY (p) REFERENCES"
          " z_parent (id))");
  WRITES ("CREATE TABLE a_grandchild (id INTEGER PRIMARY KEY, p INTEGER, FOREIGN KEY (p) REFERENCES"
          " m_child (id) ON DELETE CASCADE)");
  start (MANTIS_SERVER);
  for (size_t i = 0; i < schema->count; i++)
    for (size_t n = 0; n < 3; n++)
      if (strcmp (schema->tables[i].table->name, names[n]) == 0)
        order[n] = i;
  ck_assert_uint_lt (order[0], order[1]);
  ck_assert_uint_lt (order[1], order[2]);
  ck_assert (!table_of ("m_child")->plain);
  ck_assert_str_eq (table_of ("a_grandchild")->foreign_keys[0].parent, "m_child");
  ck_assert_str_eq (table_of ("a_grandchild")->foreign_keys[0].on_delete, "CASCADE");
}
END_TEST

START_TEST (a_table_without_key_is_refused_with_a_reason) /* C18 */
{
  WRITES ("CREATE TABLE heap (a INTEGER)");
  start (MANTIS_CLIENT);
  ck_assert_ptr_nonnull (find ("heap"));
  ck_assert_int_eq (find ("heap")->watch, MANTIS_NOT_WATCHED);
  ck_assert_ptr_nonnull (strstr (find ("heap")->table->refusal, "primary key"));
}
END_TEST

START_TEST (a_changed_schema_is_stale_once_and_attach_cures_it)
{
  WRITES (notes);
  start (MANTIS_CLIENT);
  WRITES ("ALTER TABLE notes ADD COLUMN vat INTEGER");
  GIVES (MANTIS_STALE, storage->begin (session, MANTIS_READ, &error));
  attach ();
  ck_assert_int_eq (find ("notes")->watch, MANTIS_WATCHED);
  ck_assert_uint_eq (table_of ("notes")->column_count, 4);
  begin (MANTIS_READ);
  commit ();
}
END_TEST

START_TEST (attaching_again_finds_all_as_it_was)
{
  int64_t before;

  WRITES (notes);
  start (MANTIS_SERVER);
  WRITES ("INSERT INTO notes VALUES (1, 'milk', 1.5)");
  before = head ();
  close_session ();
  start (MANTIS_SERVER);
  ck_assert_int_eq (find ("notes")->watch, MANTIS_WATCHED);
  ck_assert_int_eq (head (), before);
  read_log (0);
  ck_assert_uint_eq (entry_count, 1);
}
END_TEST

START_TEST (patterns_choose_and_the_others_are_left_alone)
{
  static const char *const patterns[] = {"n*", "t?o", NULL};
  int64_t before;

  WRITES (notes);
  WRITES ("CREATE TABLE two (id INTEGER PRIMARY KEY)");
  WRITES ("CREATE TABLE other (id INTEGER PRIMARY KEY)");
  start (MANTIS_CLIENT);
  begin (MANTIS_WRITE);
  OK (storage->attach (session, patterns, &schema, &error));
  commit ();
  ck_assert_ptr_nonnull (find ("notes"));
  ck_assert_ptr_nonnull (find ("two"));
  ck_assert_ptr_null (find ("other"));
  before = head ();
  WRITES ("INSERT INTO other VALUES (1)");
  ck_assert_int_eq (head (), before);
  attach ();
  ck_assert_int_eq (find ("other")->watch, MANTIS_REWATCHED);
}
END_TEST

START_TEST (earlier_schemas_stay_valid)
{
  const struct mantis_table *earlier;

  WRITES (notes);
  start (MANTIS_CLIENT);
  earlier = table_of ("notes");
  WRITES ("CREATE TABLE later (id INTEGER PRIMARY KEY)");
  GIVES (MANTIS_STALE, storage->begin (session, MANTIS_WRITE, &error));
  attach ();
  ck_assert_str_eq (earlier->name, "notes");
  ck_assert_int_eq (earlier->id, table_of ("notes")->id);
  WRITES ("INSERT INTO notes VALUES (1, 'milk', 1.5)");
  ck_assert_ptr_nonnull (read_one (earlier, 1));
}
END_TEST

static const struct mantis_column own_columns[] = {
    {.name = "name",
     .declared = "TEXT",
     .type_class = MANTIS_CLASS_TEXT,
     .key_position = 1,
     .not_null = true},
    {.name = "value", .declared = "", .type_class = MANTIS_CLASS_ANY},
    {.name = "added", .declared = "INTEGER", .type_class = MANTIS_CLASS_INTEGER},
};
static const uint32_t own_key[] = {0};
static const struct mantis_table own = {.size = sizeof own,
                                        .name = "__sync_meta",
                                        .columns = own_columns,
                                        .column_count = 2,
                                        .key = own_key,
                                        .key_count = 1,
                                        .fingerprint = "",
                                        .plain = true};

static void
create (const struct mantis_table *table)
{
  begin (MANTIS_WRITE);
  OK (storage->create (session, table, &error));
  commit ();
}

START_TEST (own_tables_are_made_widened_and_never_logged)
{
  struct mantis_table wider = own;
  const struct mantis_value row[] = {text ("node"), text ("abc"), integer (4)};
  mantis_row asked = row, found;
  int64_t before;

  OK (storage->open (self, MANTIS_SERVER, &session, &error));
  create (&own);
  create (&own);
  attach ();
  ck_assert_ptr_null (find ("__sync_meta"));
  before = head ();
  apply (change (&own, row, false, NULL, 0));
  wider.column_count = 3;
  begin (MANTIS_WRITE);
  OK (storage->create (session, &wider, &error));
  OK (try_apply (change (&wider, row, false, NULL, 0)));
  OK (storage->read (session, &wider, &asked, 1, arena, &found, &error));
  storage->commit (session, &error);
  ck_assert_int_eq (found[2].as.integer, 4);
  ck_assert_int_eq (found[1].type, MANTIS_TEXT);
  begin (MANTIS_READ);
  commit ();
  ck_assert_int_eq (head (), before);
}
END_TEST

START_TEST (a_table_of_a_peer_is_made_with_its_fingerprint)
{
  const struct mantis_table *table;
  struct mantis_table copy;

  WRITES ("CREATE TABLE parent (id INTEGER PRIMARY KEY)");
  WRITES ("CREATE TABLE child (a VARCHAR(9) NOT NULL, b INTEGER NOT NULL, p INTEGER, q REAL "
          "DEFAULT 1.5,"
          " PRIMARY KEY (b, a), UNIQUE (q), FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET "
          "NULL)");
  start (MANTIS_SERVER);
  table = table_of ("child");
  copy = *table;
  copy.name = "copy";
  create (&copy);
  GIVES (MANTIS_STALE, storage->begin (session, MANTIS_READ, &error));
  attach ();
  ck_assert_str_eq (table_of ("copy")->fingerprint, table->fingerprint);
  ck_assert_uint_eq (table_of ("copy")->unique_count, 1);
  ck_assert_str_eq (table_of ("copy")->foreign_keys[0].on_delete, "SET NULL");
}
END_TEST

START_TEST (detach_leaves_nothing)
{
  WRITES (notes);
  start (MANTIS_CLIENT);
  create (&own);
  begin (MANTIS_WRITE);
  OK (storage->detach (session, &error));
  commit ();
  close_session ();
  WRITES ("INSERT INTO notes VALUES (1, 'milk', 1.5)");
  start (MANTIS_CLIENT);
  ck_assert_int_eq (find ("notes")->watch, MANTIS_NEW);
  ck_assert_str_eq (log_text (0), "");
}
END_TEST

/* ---- Rows ---- */

START_TEST (apply_inserts_updates_and_deletes)
{
  const struct mantis_table *table;
  mantis_row row;

  WRITES (notes);
  start (MANTIS_SERVER);
  table = table_of ("notes");
  apply (change (table, note (1, "milk", 1.5), false, "x", 1));
  apply (change (table, note (1, NULL, 2.5), false, "x", 2));
  row = read_one (table, 1);
  ck_assert_ptr_nonnull (row);
  ck_assert (mantis_value_equal (&row[1], &null));
  ck_assert (row[2].type == MANTIS_REAL && row[2].as.real == 2.5);
  apply (change (table, key_of (table, 1), true, "x", 3));
  ck_assert_ptr_null (read_one (table, 1));
  apply (change (table, key_of (table, 1), true, "x", 4)); /* R20 */
}
END_TEST

START_TEST (apply_sets_only_what_is_carried) /* O14, K17, K25 */
{
  const struct mantis_table *table;
  struct mantis_value part[3] = {integer (1), text ("new"), {.type = MANTIS_NONE}};
  mantis_row row;

  WRITES ("CREATE TABLE notes (id INTEGER PRIMARY KEY, title VARCHAR(50), price REAL NOT NULL)");
  WRITES ("INSERT INTO notes VALUES (1, 'old', 1.5)");
  start (MANTIS_SERVER);
  table = table_of ("notes");
  apply (change (table, part, false, "x", 1));
  row = read_one (table, 1);
  ck_assert_str_eq (row[1].as.bytes, "new");
  ck_assert (row[2].as.real == 1.5);
  apply (change (table, key_of (table, 1), false, "x", 1));
  ck_assert_ptr_nonnull (read_one (table, 1));
  part[0] = integer (2);
  begin (MANTIS_WRITE);
  GIVES (MANTIS_REFUSED, try_apply (change (table, part, false, "x", 1)));
  ck_assert_ptr_nonnull (strstr (error.text, "price"));
  commit ();
}
END_TEST

START_TEST (a_refused_row_leaves_those_before_it) /* R21, R22 */
{
  const struct mantis_table *table;
  const struct mantis_change *changes[3];
  size_t done;

  WRITES ("CREATE TABLE notes (id INTEGER PRIMARY KEY, title VARCHAR(50) UNIQUE, price REAL)");
  start (MANTIS_SERVER);
  table = table_of ("notes");
  changes[0] = change (table, note (1, "same", 1), false, "x", 1);
  changes[1] = change (table, note (2, "same", 1), false, "x", 1);
  changes[2] = change (table, note (3, "other", 1), false, "x", 1);
  begin (MANTIS_WRITE);
  GIVES (MANTIS_REFUSED, storage->apply (session, table, changes, 3, &done, &error));
  ck_assert_uint_eq (done, 1);
  ck_assert_ptr_nonnull (strstr (error.text, "title"));
  OK (storage->apply (session, table, changes + 2, 1, &done, &error));
  commit ();
  ck_assert_ptr_nonnull (read_one (table, 1));
  ck_assert_ptr_null (read_one (table, 2));
  ck_assert_ptr_nonnull (read_one (table, 3));
}
END_TEST

START_TEST (values_come_back_as_they_went) /* V1, V4, V8, V10 */
{
  static const char bytes[] = "a\0b'\"\xc3\xa9";
  const struct mantis_value values[] = {integer (INT64_MIN), integer (INT64_MAX),
                                        integer ((INT64_C (1) << 53) + 1)};
  const struct mantis_table *table;
  struct mantis_value row[3];
  mantis_row found;

  WRITES ("CREATE TABLE vals (id INTEGER PRIMARY KEY, t VARCHAR(99), r REAL)");
  start (MANTIS_SERVER);
  table = table_of ("vals");
  row[1] = (struct mantis_value){MANTIS_TEXT, sizeof bytes - 1, {.bytes = bytes}};
  row[2] = real (1.0 / 3);
  for (size_t i = 0; i < 3; i++) {
    row[0] = values[i];
    apply (change (table, row, false, "x", 1));
    found = read_one (table, values[i].as.integer);
    ck_assert_ptr_nonnull (found);
    for (size_t c = 0; c < 3; c++)
      ck_assert (mantis_value_equal (&found[c], &row[c]));
    row[1] = text ("");
    row[2] = real (5e-324);
  }
}
END_TEST

START_TEST (a_scan_goes_in_pages_by_key) /* R8 */
{
  const struct mantis_table *table;
  mantis_row after = NULL, upto;
  size_t seen = 0;
  bool end = false;

  WRITES ("CREATE TABLE pairs (b INTEGER NOT NULL, a INTEGER NOT NULL, PRIMARY KEY (a, b))");
  start (MANTIS_SERVER);
  table = table_of ("pairs");
  for (int i = 0; i < 21; i++) {
    const struct mantis_value row[] = {integer (i % 3), integer (i / 3)};
    apply (change (table, row, false, "x", 1));
  }
  begin (MANTIS_READ);
  while (!end) {
    const mantis_row *rows;
    size_t count;
    OK (storage->scan (session, table, after, NULL, 7, SIZE_MAX, arena, &rows, &count, &end,
                       &error));
    for (size_t i = 0; i < count; i++, seen++)
      ck_assert_int_eq (rows[i][1].as.integer * 3 + rows[i][0].as.integer, (int64_t)seen);
    ck_assert_msg (count == 7, "%zu rows, %zu seen", count, seen);
    after = rows[count - 1];
    ck_assert (seen <= 21 && end == (seen == 21));
  }
  {
    const struct mantis_value low[] = {integer (1), integer (2)},
                              high[] = {integer (0), integer (4)};
    const mantis_row *rows;
    size_t count;
    after = low;
    upto = high;
    OK (storage->scan (session, table, after, upto, 100, SIZE_MAX, arena, &rows, &count, &end,
                       &error));
    ck_assert_uint_eq (count, 5);
    ck_assert (end);
    OK (storage->scan (session, table, NULL, upto, 100, 1, arena, &rows, &count, &end, &error));
    ck_assert_uint_eq (count, 1);
    ck_assert (!end);
  }
  commit ();
}
END_TEST

/* Where the storage can: of a row that is too large the key, and how large the rest is; until the transaction ends. */
START_TEST (a_row_over_the_limit_is_cut_to_its_key) /* V27 */
{
  struct mantis_value small[] = {integer (1), text ("x"), real (1)}, large[3];
  const struct mantis_table *table;
  const mantis_row *rows;
  char bytes[2001] = "";
  mantis_row key, found;
  size_t count;
  bool end;

  NEEDS (limit_rows);
  WRITES ("CREATE TABLE vals (id INTEGER PRIMARY KEY, t TEXT, r REAL)");
  start (MANTIS_SERVER);
  table = table_of ("vals");
  memset (bytes, 'x', 2000);
  memcpy (large, small, sizeof large);
  large[0] = integer (2);
  large[1] = text (bytes);
  apply (change (table, small, false, "x", 1));
  apply (change (table, large, false, "x", 1));
  begin (MANTIS_READ);
  storage->limit_rows (session, 1000);
  OK (storage->scan (session, table, NULL, NULL, 10, SIZE_MAX, arena, &rows, &count, &end, &error));
  ck_assert_uint_eq (count, 2);
  key = key_of (table, 2);
  OK (storage->read (session, table, &key, 1, arena, &found, &error));
  commit ();
  ck_assert (mantis_value_equal (&rows[0][1], &small[1]));
  for (int i = 0; i < 2; i++) {
    mantis_row cut = i ? rows[1] : found;
    ck_assert_int_eq (cut[0].as.integer, 2);
    ck_assert_int_eq (cut[1].type, MANTIS_NONE);
    ck_assert_int_eq (cut[2].type, MANTIS_NONE);
    ck_assert_uint_eq (cut[1].length, 2000);
  }
  found = read_one (table, 2);
  ck_assert (mantis_value_equal (&found[1], &large[1]));
}
END_TEST

START_TEST (unique_values_can_be_swapped) /* K18 */
{
  const struct mantis_table *table;
  const struct mantis_change *changes[2];
  size_t done;

  WRITES (
      "CREATE TABLE notes (id INTEGER PRIMARY KEY, title VARCHAR(50) NOT NULL UNIQUE, price REAL)");
  WRITES ("INSERT INTO notes VALUES (1, 'a', 1), (2, 'b', 2)");
  start (MANTIS_SERVER);
  table = table_of ("notes");
  changes[0] = change (table, note (1, "b", 1), false, "x", 1);
  changes[1] = change (table, note (2, "a", 2), false, "x", 1);
  begin (MANTIS_WRITE);
  GIVES (MANTIS_REFUSED, storage->apply (session, table, changes, 2, &done, &error));
  ck_assert_uint_eq (done, 0);
  OK (storage->park (session, table, changes, 2, &error));
  OK (storage->apply (session, table, changes, 2, &done, &error));
  ck_assert_uint_eq (done, 2);
  commit ();
  ck_assert_str_eq (read_one (table, 1)[1].as.bytes, "b");
  ck_assert_str_eq (read_one (table, 2)[1].as.bytes, "a");
}
END_TEST

/* ---- Roles ---- */

START_TEST (a_client_logs_nothing_that_it_applies) /* R14 */
{
  const struct mantis_table *table;
  int64_t before;

  WRITES (notes);
  WRITES ("INSERT INTO notes VALUES (1, 'milk', 1.5), (2, 'bread', 2.5)");
  start (MANTIS_CLIENT);
  table = table_of ("notes");
  before = head ();
  apply (change (table, note (1, "oil", 4), false, "x", 1));
  apply (change (table, key_of (table, 2), true, "x", 1));
  apply (change (table, note (3, NULL, 1), false, "x", 1));
  ck_assert_int_eq (head (), before);
  ck_assert_str_eq (read_one (table, 1)[1].as.bytes, "oil");
  WRITES ("UPDATE notes SET price = 5 WHERE id = 1");
  ck_assert_str_eq (log_text (before), "U1"); /* and goes on to tell what others write */
  close_session ();
  start (MANTIS_CLIENT);
  ck_assert_str_eq (log_text (before), "U1");
  ck_assert_ptr_null (read_one (table_of ("notes"), 2));
  ck_assert_ptr_nonnull (read_one (table_of ("notes"), 3));
}
END_TEST

START_TEST (a_client_applies_without_a_trace) /* R14, D4 */
{
  int64_t before;

  WRITES ("CREATE TABLE parent (id INTEGER PRIMARY KEY)");
  WRITES ("CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER, FOREIGN KEY (p) REFERENCES"
          " parent (id) ON DELETE CASCADE)");
  WRITES ("INSERT INTO parent VALUES (1)");
  WRITES ("INSERT INTO child VALUES (1, 1)");
  start (MANTIS_CLIENT);
  before = head ();
  apply (change (table_of ("parent"), key_of (table_of ("parent"), 1), true, "x", 1));
  ck_assert_int_eq (head (), before);
  ck_assert_ptr_nonnull (read_one (table_of ("child"), 1));
}
END_TEST

START_TEST (a_server_logs_what_it_applies_and_what_follows) /* R15, D4 */
{
  const struct mantis_table *parent, *child;
  int64_t before;

  WRITES ("CREATE TABLE parent (id INTEGER PRIMARY KEY)");
  WRITES ("CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER, FOREIGN KEY (p) REFERENCES"
          " parent (id) ON DELETE CASCADE)");
  WRITES ("INSERT INTO parent VALUES (1)");
  WRITES ("INSERT INTO child VALUES (7, 1)");
  start (MANTIS_SERVER);
  parent = table_of ("parent");
  child = table_of ("child");
  before = head ();
  apply (change (parent, key_of (parent, 1), true, "tablet", 1234));
  read_log (before);
  ck_assert_uint_eq (entry_count, 2);
  for (size_t i = 0; i < 2; i++)
    if (entries[i].table == parent) {
      ck_assert_str_eq (entries[i].origin, "tablet");
      ck_assert_int_eq (entries[i].time, 1234);
    } else {
      ck_assert_ptr_eq (entries[i].table, child);
      ck_assert_int_eq (entries[i].key[0].as.integer, 7);
      ck_assert_ptr_null (entries[i].origin);
      ck_assert_int_gt (entries[i].time, 1234);
    }
}
END_TEST

START_TEST (versions_tell_the_newest_entry)
{
  const struct mantis_table *table;
  struct mantis_version version[3];
  mantis_row rows[3];

  WRITES (notes);
  WRITES ("INSERT INTO notes VALUES (3, 'before', 1)");
  start (MANTIS_SERVER);
  table = table_of ("notes");
  apply (change (table, note (1, "a", 1), false, "tablet", 5000));
  apply (change (table, note (2, "b", 1), false, "till", 6000));
  for (int i = 0; i < 3; i++)
    rows[i] = key_of (table, i + 1);
  begin (MANTIS_WRITE);
  OK (storage->versions (session, table, rows, 3, arena, version, &error));
  ck_assert_int_eq (version[1].rev, version[0].rev + 1);
  ck_assert_str_eq (version[0].origin, "tablet");
  ck_assert_str_eq (version[1].origin, "till");
  ck_assert_int_eq (version[1].updated_at, 6000);
  ck_assert_int_eq (version[2].rev, 0);
  OK (storage->log_disown (session, table, rows, 1, &error));
  OK (storage->versions (session, table, rows, 1, arena, version, &error));
  ck_assert_ptr_null (version[0].origin);
  commit ();
  apply (change (table, note (2, "c", 1), false, "till", INT64_C (9000000000000)));
  WRITES ("UPDATE notes SET price = 4 WHERE id = 2");
  begin (MANTIS_READ);
  OK (storage->versions (session, table, rows, 3, arena, version, &error));
  commit ();
  ck_assert_int_eq (version[1].updated_at, INT64_C (9000000000001));
  ck_assert_ptr_null (version[1].origin);
  ck_assert_int_eq (version[1].rev, head ());
}
END_TEST

/* R4, R36: versions of rows that are there stay, deletions are forgotten. */
START_TEST (what_is_old_leaves_the_log)
{
  const struct mantis_table *table;
  struct mantis_version before[4], after[4];
  mantis_row rows[4];
  int64_t start_of_log, old, last;

  NEEDS (log_prune);
  WRITES (notes);
  WRITES ("INSERT INTO notes VALUES (4, 'before', 1)");
  start (MANTIS_SERVER);
  table = table_of ("notes");
  for (int i = 0; i < 4; i++)
    rows[i] = key_of (table, i + 1);
  start_of_log = head ();
  apply (change (table, note (1, "a", 1), false, "tablet", 5000));
  apply (change (table, note (2, "b", 1), false, "till", 6000));
  apply (change (table, note (3, "c", 1), false, "till", 6000));
  apply (change (table, note (1, "d", 1), false, "till", 7000));
  WRITES ("DELETE FROM notes WHERE id = 3");
  old = head ();
  WRITES ("UPDATE notes SET price = 4 WHERE id = 2");
  begin (MANTIS_WRITE);
  OK (storage->versions (session, table, rows, 4, arena, before, &error));
  ck_assert_int_eq (before[2].rev, old);
  OK (storage->log_prune (session, start_of_log - 1, start_of_log, &error));
  OK (storage->log_prune (session, start_of_log, old, &error));
  commit ();
  ck_assert_str_eq (log_text (old), "U2");
  begin (MANTIS_READ);
  OK (storage->versions (session, table, rows, 4, arena, after, &error));
  commit ();
  ck_assert_int_eq (after[0].rev, before[0].rev);
  ck_assert_int_eq (after[0].updated_at, 7000);
  ck_assert_str_eq (after[0].origin, "till");
  ck_assert_int_eq (after[1].rev, before[1].rev);
  ck_assert_int_eq (after[2].rev, 0);
  ck_assert_int_eq (after[3].rev, 0);
  last = head ();
  begin (MANTIS_WRITE); /* never the newest of all */
  OK (storage->log_prune (session, old, last, &error));
  commit ();
  ck_assert_str_eq (log_text (old), "U2");
}
END_TEST

/* The one column that is remembered, of the table "notes". */
static bool
looks_at (void *context, const struct mantis_schema *tables, const struct mantis_table *table,
          bool *columns)
{
  const char *column = context;

  ck_assert_int_ge ((int64_t)tables->count, 1);
  for (size_t i = 0; i < table->column_count; i++) {
    ck_assert (!columns[i]);
    columns[i] = strcmp (table->columns[i].name, column) == 0;
  }
  return strcmp (table->name, "notes") == 0;
}

/* "I1 fresh, U1 milk, ..." for the entries after AFTER: "?": what it was is not known. */
static const char *
past_text (int64_t after, size_t column)
{
  struct mantis_buf buf = MANTIS_BUF_INIT;
  struct mantis_before *before;
  char *copy;

  begin (MANTIS_READ);
  OK (storage->log_recall (session, after, INT64_MAX, 1000, arena, &entries, &before, &entry_count,
                           &error));
  commit ();
  for (size_t i = 0; i < entry_count; i++) {
    if (!entries[i].table)
      continue;
    ck_assert (!before[i].fresh || !before[i].row);
    mantis_buf_printf (&buf, "%s%c%lld %s", buf.length ? ", " : "", entries[i].operation,
                       (long long)entries[i].key[0].as.integer,
                       before[i].fresh  ? "fresh"
                       : !before[i].row ? "?"
                                        : "");
    if (!before[i].row)
      continue;
    for (size_t c = 0; c < entries[i].table->column_count; c++) /* nothing but the key and that */
      ck_assert ((before[i].row[c].type == MANTIS_NONE) == (c != 0 && c != column));
    ck_assert_int_eq (before[i].row[0].as.integer, entries[i].key[0].as.integer);
    if (before[i].row[column].type == MANTIS_TEXT)
      mantis_buf_add (&buf, before[i].row[column].as.bytes, before[i].row[column].length);
    else if (before[i].row[column].type == MANTIS_REAL)
      mantis_buf_printf (&buf, "%.17g", before[i].row[column].as.real);
    else
      mantis_buf_text (&buf, "NULL");
  }
  copy = mantis_arena_copy (arena, buf.bytes ? buf.bytes : "", buf.length);
  mantis_buf_free (&buf);
  return copy;
}

static void
start_remembering (const char *column)
{
  OK (storage->open (self, MANTIS_SERVER, &session, &error));
  if (column)
    storage->remember (session, looks_at, (void *)(uintptr_t)column);
  attach ();
}

/* D10 */
START_TEST (what_rows_were_stands_beside_each_change)
{
  int64_t before;

  NEEDS (remember);
  NEEDS (log_recall);
  WRITES (notes);
  WRITES ("INSERT INTO notes VALUES (1, 'milk', 1.5)");
  start_remembering ("title");
  before = head ();
  WRITES (
      "UPDATE notes SET title = 'oil'; UPDATE notes SET price = 2; UPDATE notes SET title = NULL");
  WRITES ("UPDATE notes SET id = 2; INSERT INTO notes VALUES (1, 'salt', 1); DELETE FROM notes "
          "WHERE id = 2");
  ck_assert_str_eq (past_text (before, 1),
                    "U1 milk, U1 oil, U1 oil, D1 NULL, U2 fresh, I1 fresh, D2 NULL");
  before = head ();
  apply (change (table_of ("notes"), note (1, "it's \"ü\"", 1), false, "tablet", 5000));
  apply (change (table_of ("notes"), note (1, "last", 1), false, "tablet", 6000));
  apply (change (table_of ("notes"), note (1, "", 1), true, "tablet", 7000));
  apply (change (table_of ("notes"), note (3, "new", 1), false, "tablet", 8000));
  ck_assert_str_eq (past_text (before, 1), "U1 salt, U1 it's \"ü\", D1 last, I3 fresh");
  ck_assert_str_eq (entries[0].origin, "tablet");
  WRITES ("UPDATE notes SET price = 0.1");
  before = head ();
  close_session ();
  start_remembering ("price");
  ck_assert_int_eq (find ("notes")->watch, MANTIS_WATCHED);
  ck_assert_str_eq (past_text (before - 1, 2), "U3 ?"); /* of another column */
  WRITES ("UPDATE notes SET title = 'x'");
  ck_assert_str_eq (past_text (before, 2), "U3 0.10000000000000001");
}
END_TEST

/* A row is parked for a moment that nobody sees: it never was what it is parked at. */
START_TEST (what_a_row_is_parked_at_it_never_was)
{
  const struct mantis_change *changes[2];
  const struct mantis_table *table;
  int64_t before;
  const char *past;
  size_t done;

  NEEDS (remember);
  NEEDS (log_recall);
  WRITES ("CREATE TABLE notes (id INTEGER PRIMARY KEY, title VARCHAR(50) UNIQUE, price REAL)");
  WRITES ("INSERT INTO notes VALUES (1, 'a', 1), (2, 'b', 2)");
  start_remembering ("title");
  table = table_of ("notes");
  before = head ();
  changes[0] = change (table, note (1, "b", 1), false, "x", 1);
  changes[1] = change (table, note (2, "a", 2), false, "x", 1);
  begin (MANTIS_WRITE);
  OK (storage->park (session, table, changes, 2, &error));
  OK (storage->apply (session, table, changes, 2, &done, &error));
  commit ();
  past = past_text (before, 1);
  ck_assert_msg (strcmp (past, "U1 ?, U2 ?") == 0 || strcmp (past, "U1 a, U2 b") == 0,
                 "they were \"%s\"", past);
  before = head ();
  apply (change (table, note (1, "c", 1), false, "x", 2)); /* and the next one is known again */
  ck_assert_str_eq (past_text (before, 1), "U1 b");
}
END_TEST

START_TEST (who_remembers_other_columns_lost_nothing)
{
  int64_t before;

  NEEDS (remember);
  NEEDS (log_recall);
  WRITES (notes);
  for (int round = 0; round < 2; round++) {
    static const char *const columns[] = {NULL, "title", "title", "price", NULL, "title"};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
      start_remembering (columns[i]);
      ck_assert_int_eq (find ("notes")->watch, round || i ? MANTIS_WATCHED : MANTIS_NEW);
      before = head ();
      WRITES ("INSERT INTO notes VALUES (9, 'x', 1); DELETE FROM notes");
      ck_assert_int_eq (head (), before + 2);
      attach ();
      ck_assert_int_eq (find ("notes")->watch, MANTIS_WATCHED);
      close_session ();
    }
  }
  start_remembering ("title");
  begin (MANTIS_WRITE);
  OK (storage->detach (session, &error));
  commit ();
}
END_TEST

static bool
is_price (void *context, const char *table, const char *column)
{
  (void)context, (void)table;
  return strcmp (column, "price") == 0 || strcmp (column, "id") == 0;
}

START_TEST (a_column_that_is_left_out_stays_as_it_is)
{
  const struct mantis_table *table;
  struct mantis_value row[] = {integer (1), text ("oil")};

  NEEDS (leave_out);
  WRITES (notes);
  WRITES ("CREATE TABLE needs (id INTEGER PRIMARY KEY, price REAL NOT NULL)");
  WRITES ("INSERT INTO notes VALUES (1, 'milk', 1.5)");
  start (MANTIS_CLIENT);
  ck_assert_uint_eq (table_of ("notes")->column_count, 3);
  storage->leave_out (session, is_price, NULL);
  attach ();
  ck_assert_uint_eq (table_of ("needs")->column_count, 2); /* no row could be made */
  table = table_of ("notes");
  ck_assert_uint_eq (table->column_count, 2); /* but for the key, which is never left out */
  ck_assert_str_eq (table->columns[1].name, "title");
  ck_assert_str_eq (read_one (table, 1)[1].as.bytes, "milk");
  apply (change (table, row, false, "x", 1));
  row[0] = integer (2);
  apply (change (table, row, false, "x", 1));
  storage->leave_out (session, NULL, NULL);
  attach ();
  ck_assert_int_eq (find ("notes")->watch, MANTIS_WATCHED);
  table = table_of ("notes");
  ck_assert_str_eq (read_one (table, 1)[1].as.bytes, "oil");
  row[0] = real (1.5);
  ck_assert (mantis_value_equal (&read_one (table, 1)[2], &row[0]));
  ck_assert (mantis_value_equal (&read_one (table, 2)[2], &null));
}
END_TEST

START_TEST (foreign_keys_hold_at_commit) /* K14 */
{
  const struct mantis_table *child, *parent;
  const struct mantis_value row[] = {integer (1), integer (5)};

  WRITES ("CREATE TABLE parent (id INTEGER PRIMARY KEY)");
  WRITES ("CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER, FOREIGN KEY (p) REFERENCES"
          " parent (id))");
  start (MANTIS_SERVER);
  parent = table_of ("parent");
  child = table_of ("child");
  begin (MANTIS_WRITE);
  OK (try_apply (change (child, row, false, "x", 1)));
  GIVES (MANTIS_REFUSED, storage->check (session, &error));
  GIVES (MANTIS_REFUSED, storage->commit (session, &error));
  OK (try_apply (change (parent, key_of (parent, 5), false, "x", 1)));
  OK (storage->check (session, &error));
  commit ();
  begin (MANTIS_WRITE);
  OK (storage->defer (session, false, &error));
  GIVES (MANTIS_REFUSED, try_apply (change (parent, key_of (parent, 5), true, "x", 1)));
  storage->rollback (session);
}
END_TEST

/* ---- Notice ---- */

START_TEST (look_tells_of_others_only)
{
  bool changed;
  struct pollfd poll_for = {.events = POLLIN};
  char events[4096];

  WRITES (notes);
  start (MANTIS_SERVER);
  OK (storage->look (session, &changed, &error));
  apply (change (table_of ("notes"), note (1, "a", 1), false, "x", 1));
  OK (storage->look (session, &changed, &error));
  ck_assert (!changed);
  poll_for.fd = storage->watch (self, &error);
  if (poll_for.fd >= 0) {
    OK (storage->look (session, &changed, &error));
    while (read (poll_for.fd, events, sizeof events) > 0)
      ;
  }
  WRITES ("INSERT INTO notes VALUES (2, 'milk', 1.5)");
  if (poll_for.fd >= 0)
    ck_assert_int_eq (poll (&poll_for, 1, 10000), 1);
  OK (storage->look (session, &changed, &error));
  ck_assert (changed);
  OK (storage->look (session, &changed, &error));
  ck_assert (!changed);
}
END_TEST

/* ---- All of them ---- */

/* clang-format off */
#define LAWS(law) \
  law (an_application_write_enters_the_log) \
  law (a_key_change_is_a_deletion_and_a_new_row) \
  law (what_is_rolled_back_was_never_logged) \
  law (numbers_never_come_twice) \
  law (what_the_log_tells_twice_may_leave_it) \
  law (what_the_log_tells_of_evictions_stays_with_what_was_written) \
  law (the_log_is_read_in_parts) \
  law (the_log_of_a_server_is_never_empty) \
  law (a_read_transaction_sees_one_moment) \
  law (a_write_transaction_keeps_others_out) \
  law (savepoints_nest) \
  law (close_rolls_back) \
  law (a_table_is_described) \
  law (the_order_of_columns_does_not_change_the_fingerprint) \
  law (parents_come_before_children) \
  law (a_table_without_key_is_refused_with_a_reason) \
  law (a_changed_schema_is_stale_once_and_attach_cures_it) \
  law (attaching_again_finds_all_as_it_was) \
  law (patterns_choose_and_the_others_are_left_alone) \
  law (earlier_schemas_stay_valid) \
  law (own_tables_are_made_widened_and_never_logged) \
  law (a_table_of_a_peer_is_made_with_its_fingerprint) \
  law (detach_leaves_nothing) \
  law (apply_inserts_updates_and_deletes) \
  law (apply_sets_only_what_is_carried) \
  law (a_refused_row_leaves_those_before_it) \
  law (values_come_back_as_they_went) \
  law (a_scan_goes_in_pages_by_key) \
  law (a_row_over_the_limit_is_cut_to_its_key) \
  law (unique_values_can_be_swapped) \
  law (a_client_logs_nothing_that_it_applies) \
  law (a_client_applies_without_a_trace) \
  law (a_server_logs_what_it_applies_and_what_follows) \
  law (versions_tell_the_newest_entry) \
  law (what_is_old_leaves_the_log) \
  law (what_rows_were_stands_beside_each_change) \
  law (what_a_row_is_parked_at_it_never_was) \
  law (who_remembers_other_columns_lost_nothing) \
  law (a_column_that_is_left_out_stays_as_it_is) \
  law (foreign_keys_hold_at_commit) \
  law (look_tells_of_others_only)
/* clang-format on */

#ifdef LAW_COMMAND

static void
obey (void (*law) (void))
{
  prepare_engine ();
  set_up ();
  law ();
  tear_down ();
}

#define RUN(law)                                                                                   \
  static void run_##law (void)                                                                     \
  {                                                                                                \
    obey (law);                                                                                    \
  }
LAWS (RUN)
#define ROW(law) {#law, NULL, run_##law},
const struct law laws_of_storages[] = {LAWS (ROW){NULL, NULL, NULL}};

#else

int
main (void)
{
  Suite *suite = suite_create ("laws of storages");
  TCase *laws = tcase_create (engine->name);
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (laws, set_up, tear_down);
  tcase_set_timeout (laws, 60);
#define ADD(law) tcase_add_test (laws, law);
  LAWS (ADD)
  suite_add_tcase (suite, laws);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
