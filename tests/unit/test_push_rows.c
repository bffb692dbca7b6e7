/* core/sync apply and record: what the server's database makes of pushed rows: constraints, foreign
 * keys, unique values that move, triggers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/base.h"
#include "server_rig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define LL (long long)

static struct mantis_buf text;

static void
set_up (void)
{
  rig_start ("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL CHECK "
             "(price >= 0), code TEXT UNIQUE);"
             "CREATE TABLE box (id INTEGER PRIMARY KEY, label TEXT);"
             "CREATE TABLE thing (id INTEGER PRIMARY KEY, box INTEGER REFERENCES box (id), twin "
             "INTEGER REFERENCES thing (id));"
             "CREATE TABLE slot (id INTEGER PRIMARY KEY, place INTEGER NOT NULL UNIQUE, colour "
             "TEXT UNIQUE);"
             "CREATE TABLE shout (id INTEGER PRIMARY KEY, v TEXT);"
             "CREATE TRIGGER louder AFTER INSERT ON shout BEGIN UPDATE shout SET v = upper(v) "
             "WHERE id = NEW.id; END;"
             "CREATE TRIGGER louder2 AFTER UPDATE OF v ON shout WHEN NEW.v <> upper(NEW.v) BEGIN"
             " UPDATE shout SET v = upper(v) WHERE id = NEW.id; END");
}

static void
tear_down (void)
{
  mantis_buf_free (&text);
  rig_stop ();
}

static void
nothing_is_broken (void)
{
  is (NULL, "PRAGMA foreign_key_check");
  is ("ok", "PRAGMA integrity_check");
}

/* ---- One bad row blocks nobody (guarantee 9) ---- */

/* R21, R22, K26, V14: each for its own reason; the others stand. */
START_TEST (what_the_database_refuses_is_rejected_alone)
{
  ck_assert_int_eq (
      push (&node_a, 1,
            "{'table':'item','columns':['id','name','price','code'],'rows':["
            "[1,'good',1.5,'c1'],[2,'negative',-1.0,'c2'],[3,null,1.0,'c3'],[4,'text','dear','c4'],"
            "[5,'number',2,'c5'],[6,7,1.0,'c6'],[7,'again',1.0,'c1'],[8,'late',3.0,null]]}"),
      200);
  ck_assert_str_eq (outcome_of ("item", "[1]"), "applied");
  ck_assert_str_eq (outcome_of ("item", "[2]"), "rejected");
  ck_assert_str_eq (outcome_of ("item", "[3]"), "rejected");
  ck_assert_str_eq (outcome_of ("item", "[5]"), "rejected"); /* an integer in a REAL column */
  ck_assert_str_eq (outcome_of ("item", "[6]"), "rejected");
  ck_assert_str_eq (outcome_of ("item", "[7]"), "rejected");
  ck_assert_str_eq (outcome_of ("item", "[8]"), "applied");
  ck_assert (strstr (json_string_value (json_object_get (exception_of ("item", "[2]"), "reason")),
                     "CHECK"));
  ck_assert (strstr (json_string_value (json_object_get (exception_of ("item", "[3]"), "reason")),
                     "NOT NULL"));
  ck_assert (strstr (json_string_value (json_object_get (exception_of ("item", "[7]"), "reason")),
                     "UNIQUE"));
  ck_assert (json_is_null (json_object_get (exception_of ("item", "[2]"), "row")));
  is ("rejected database {\"id\":2,\"name\":\"negative\",\"price\":-1.0,\"code\":\"c2\"}",
      "SELECT outcome || ' ' || decided_by || ' ' || loser FROM __sync_conflicts WHERE key = "
      "'[2]'");
  is ("0", "SELECT count(*) FROM __sync_log WHERE k0 IN (2, 3, 5, 6, 7)");
  /* mended, they are taken */
  ck_assert_int_eq (push (&node_a, 2,
                          "{'table':'item','columns':['id','name','price','code'],'created':true,'"
                          "rows':[[2,'mended',1.0,'c2']]}"),
                    200);
  ck_assert_int_eq (outcomes ("applied"), 1);
}
END_TEST

/* An edit that is refused leaves the row as it was. */
START_TEST (a_refused_edit_gives_the_row_back)
{
  sql ("INSERT INTO item VALUES (1, 'old', 1, 'c1')");
  ck_assert_int_eq (push (&node_a, 1,
                          "{'table':'item','columns':['id','price'],'base':%lld,'rows':[[1,-2.5]]}",
                          LL head ()),
                    200);
  ck_assert_str_eq (outcome_of ("item", "[1]"), "rejected");
  ck_assert_str_eq (json_string_value (json_object_get (
                        json_object_get (exception_of ("item", "[1]"), "row"), "name")),
                    "old");
  is ("1.0", "SELECT price FROM item");
}
END_TEST

/* V30, O14: columns that are not named keep what they hold. */
START_TEST (only_named_columns_change)
{
  sql ("INSERT INTO item VALUES (1, 'old', 1, 'c1')");
  push (&node_a, 1, "{'table':'item','columns':['price','id'],'base':%lld,'rows':[[2.5,1]]}",
        LL head ());
  is ("old 2.5 c1", "SELECT name || ' ' || price || ' ' || code FROM item");
}
END_TEST

/* ---- Foreign keys ---- */

/* K14: whatever the order in the changeset. */
START_TEST (children_may_come_first)
{
  ck_assert_int_eq (push (&node_a, 1,
                          "{'table':'thing','columns':['id','box'],'rows':[[1,10],[2,11]]},"
                          "{'table':'box','columns':['id','label'],'rows':[[11,'b'],[10,'a']]}"),
                    200);
  ck_assert_int_eq (outcomes ("applied"), 4);
  ck_assert_int_eq (push (&node_a, 2,
                          "{'table':'box','base':%lld,'deleted':[[10],[11]]},"
                          "{'table':'thing','base':%lld,'deleted':[[1],[2]]}",
                          LL head (), LL head ()),
                    200);
  ck_assert_int_eq (outcomes ("applied"), 4);
  is ("0", "SELECT count(*) FROM box");
  nothing_is_broken ();
}
END_TEST

/* A child moves to another parent while its old one goes. */
START_TEST (a_child_changes_hands)
{
  sql ("INSERT INTO box VALUES (1, 'old'); INSERT INTO thing VALUES (1, 1, NULL)");
  ck_assert_int_eq (
      push (&node_a, 1,
            "{'table':'box','base':%lld,'columns':['id'],'rows':[[2]],'deleted':[[1]]},"
            "{'table':'thing','base':%lld,'columns':['id','box'],'rows':[[1,2]]}",
            LL head (), LL head ()),
      200);
  ck_assert_int_eq (outcomes ("applied"), 3);
  is ("2", "SELECT box FROM thing");
  nothing_is_broken ();
}
END_TEST

/* K15: a tree in reversed order, and two rows that need each other. */
START_TEST (rows_that_refer_to_their_own_table)
{
  ck_assert_int_eq (push (&node_a, 1,
                          "{'table':'thing','columns':['id','twin'],'rows':[[1,2],[2,3],[3,4],[4,5]"
                          ",[5,null],[6,7],[7,6],[8,8]]}"),
                    200);
  ck_assert_int_eq (outcomes ("applied"), 8);
  nothing_is_broken ();
}
END_TEST

/* The same beside rows that are refused: each stands or falls with what it needs, and no other. */
START_TEST (bad_rows_beside_trees_and_circles)
{
  sql ("CREATE TABLE staff (id INTEGER PRIMARY KEY, team INTEGER NOT NULL REFERENCES team (id), "
       "pay INTEGER CHECK (pay > 0));"
       "CREATE TABLE team (id INTEGER PRIMARY KEY, boss INTEGER NOT NULL REFERENCES staff (id))");
  ck_assert_int_eq (push (&node_a, 1,
                          "{'table':'thing','columns':['id','box','twin'],'rows':[[1,null,2],[2,"
                          "null,3],[3,null,4],[4,null,5],[5,null,null],"
                          "[6,null,7],[7,null,6],[8,99,null],[9,null,8],[10,null,6],[11,99,12],[12,"
                          "null,11],[13,null,13]]},"
                          "{'table':'staff','columns':['id','team','pay'],'rows':[[1,1,5],[2,2,-5],"
                          "[3,1,5],[4,2,5]]},"
                          "{'table':'team','columns':['id','boss'],'rows':[[1,1],[2,2]]}"),
                    200);
  is ("1 2 3 4 5 6 7 10 13", "SELECT group_concat(id, ' ') FROM thing");
  is ("1 3", "SELECT group_concat(id, ' ') FROM staff");
  is ("1", "SELECT group_concat(id, ' ') FROM team");
  ck_assert_int_eq (outcomes ("rejected"), 7);
  ck_assert (strstr (json_string_value (json_object_get (exception_of ("thing", "[8]"), "reason")),
                     "FOREIGN KEY"));
  nothing_is_broken ();
  /* and they go together, beside one that may not */
  ck_assert_int_eq (push (&node_a, 2,
                          "{'table':'staff','base':%lld,'deleted':[[1],[3]]},{'table':'team','base'"
                          ":%lld,'deleted':[[1]]},"
                          "{'table':'thing','base':%lld,'columns':['id','box'],'rows':[[1,99]]}",
                          LL head (), LL head (), LL head ()),
                    200);
  ck_assert_int_eq (outcomes ("applied"), 3);
  ck_assert_int_eq (outcomes ("rejected"), 1);
  nothing_is_broken ();
}
END_TEST

/* K16, D6: with a parent that is refused its children are, too, and theirs; no others. */
START_TEST (dependents_of_a_refused_row_are_set_aside)
{
  sql ("CREATE TABLE pallet (id INTEGER PRIMARY KEY, weight INTEGER CHECK (weight < 100));"
       "CREATE TABLE crate (id INTEGER PRIMARY KEY, pallet INTEGER NOT NULL REFERENCES pallet "
       "(id))");
  ck_assert_int_eq (push (&node_a, 1,
                          "{'table':'crate','columns':['id','pallet'],'rows':[[1,1],[2,2],[3,2]]},"
                          "{'table':'pallet','columns':['id','weight'],'rows':[[1,50],[2,500]]},"
                          "{'table':'box','columns':['id'],'rows':[[1]]}"),
                    200);
  ck_assert_str_eq (outcome_of ("pallet", "[2]"), "rejected");
  ck_assert_str_eq (outcome_of ("crate", "[2]"), "rejected");
  ck_assert_str_eq (outcome_of ("crate", "[3]"), "rejected");
  ck_assert_int_eq (outcomes ("applied"), 3);
  ck_assert (strstr (json_string_value (json_object_get (exception_of ("crate", "[2]"), "reason")),
                     "FOREIGN KEY"));
  nothing_is_broken ();
}
END_TEST

/* K16: the parent went while the child was made offline. */
START_TEST (an_orphan_is_rejected)
{
  sql ("INSERT INTO box VALUES (1, 'x'); DELETE FROM box");
  ck_assert_int_eq (
      push (&node_a, 1, "{'table':'thing','columns':['id','box'],'rows':[[1,1],[2,null]]}"), 200);
  ck_assert_str_eq (outcome_of ("thing", "[1]"), "rejected");
  is ("2", "SELECT group_concat(id) FROM thing");
  /* and the other way round: the parent may not go while somebody needs it */
  sql ("INSERT INTO box VALUES (2, 'y'); INSERT INTO thing VALUES (3, 2, NULL)");
  ck_assert_int_eq (push (&node_a, 2, "{'table':'box','base':%lld,'deleted':[[2]]}", LL head ()),
                    200);
  ck_assert_str_eq (outcome_of ("box", "[2]"), "rejected");
  is ("1", "SELECT count(*) FROM box");
  nothing_is_broken ();
}
END_TEST

/* A chain against the order of keys, longer than any patience, beside one bad row. */
START_TEST (a_long_chain_beside_a_bad_row)
{
  enum { LENGTH = 500 };

  mantis_buf_text (&text, "{'table':'thing','columns':['id','twin','box'],'rows':[[9999,null,1]");
  for (int i = 1; i < LENGTH; i++)
    mantis_buf_printf (&text, ",[%d,%d,null]", i, i + 1);
  mantis_buf_printf (&text, ",[%d,null,null]]}", LENGTH);
  ck_assert_int_eq (push (&node_a, 1, "%s", text.bytes), 200);
  ck_assert_int_eq (outcomes ("applied"), LENGTH);
  ck_assert_int_eq (outcomes ("rejected"), 1);
  nothing_is_broken ();
}
END_TEST

/* C26 for SQLite: what a foreign key's action does to other rows travels, and is nobody's verbatim.
 */
START_TEST (actions_of_foreign_keys_travel)
{
  sql ("CREATE TABLE leaf (id INTEGER PRIMARY KEY, box INTEGER REFERENCES box (id) ON DELETE "
       "CASCADE);"
       "INSERT INTO box VALUES (1, 'x'); INSERT INTO leaf VALUES (7, 1)");
  ck_assert_int_eq (push (&node_a, 1, "{'table':'box','base':%lld,'deleted':[[1]]}", LL head ()),
                    200);
  ck_assert_int_eq (outcomes ("applied"), 1);
  is ("0", "SELECT count(*) FROM leaf");
  ck_assert_int_eq (
      number_of ("SELECT count(*) FROM __sync_log l JOIN __sync_tables t ON t.id = l.tbl"
                 " WHERE t.name = 'leaf' AND op = 'D' AND k0 = 7 AND origin IS NULL"),
      1);
}
END_TEST

/* ---- Unique values that move ---- */

static void
three_slots (void)
{
  sql ("INSERT INTO slot VALUES (1, 10, 'red'), (2, 20, 'green'), (3, 30, NULL)");
}

/* K18 */
START_TEST (unique_values_swap)
{
  three_slots ();
  ck_assert_int_eq (push (&node_a, 1,
                          "{'table':'slot','base':%lld,'columns':['id','place','colour'],'rows':[["
                          "1,20,'green'],[2,10,'red']]}",
                          LL head ()),
                    200);
  ck_assert_int_eq (outcomes ("applied"), 2);
  is ("20green 10red 30", "SELECT group_concat(place || coalesce(colour, ''), ' ') FROM (SELECT * "
                          "FROM slot ORDER BY id)");
}
END_TEST

/* K18: round in a circle, with a bad row beside, and a row from outside that takes what becomes
 * free. */
START_TEST (unique_values_rotate)
{
  three_slots ();
  ck_assert_int_eq (push (&node_a, 1,
                          "{'table':'slot','base':%lld,'columns':['id','place'],'rows':[[1,20],[2,"
                          "30],[3,10],[4,null],[5,50]]}",
                          LL head ()),
                    200);
  ck_assert_str_eq (outcome_of ("slot", "[4]"), "rejected");
  ck_assert_int_eq (outcomes ("applied"), 4);
  is ("20 30 10 50", "SELECT group_concat(place, ' ') FROM (SELECT place FROM slot ORDER BY id)");
  is ("red green", "SELECT group_concat(colour, ' ') FROM (SELECT colour FROM slot ORDER BY id)");
}
END_TEST

START_TEST (a_unique_value_changes_hands)
{
  three_slots ();
  ck_assert_int_eq (
      push (&node_a, 1,
            "{'table':'slot','base':%lld,'columns':['id','place'],'rows':[[4,10]],'deleted':[[1]]}",
            LL head ()),
      200);
  ck_assert_int_eq (outcomes ("applied"), 2);
  is ("20 30 10", "SELECT group_concat(place, ' ') FROM (SELECT place FROM slot ORDER BY id)");
}
END_TEST

/* K19: UPDATE slot SET id = id + 1 over 100 rows: each key but the last holds its neighbour now. */
START_TEST (keys_shift)
{
  sql ("INSERT INTO slot (id, place) WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
       "< 100) SELECT i, i * 10 FROM n");
  mantis_buf_printf (
      &text, "{'table':'slot','base':%lld,'columns':['id','place'],'deleted':[[1]],'rows':[",
      LL head ());
  for (int i = 2; i <= 101; i++)
    mantis_buf_printf (&text, "%s[%d,%d]", i > 2 ? "," : "", i, (i - 1) * 10);
  mantis_buf_text (&text, "]}");
  ck_assert_int_eq (push (&node_a, 1, "%s", text.bytes), 200);
  ck_assert_int_eq (outcomes ("applied"), 101);
  is ("100", "SELECT count(*) FROM slot WHERE place = (id - 1) * 10");
}
END_TEST

/* K24 */
START_TEST (many_nulls_are_no_clash)
{
  ck_assert_int_eq (push (&node_a, 1,
                          "{'table':'slot','columns':['id','place','colour'],'rows':[[1,1,null],[2,"
                          "2,null],[3,3,null]]}"),
                    200);
  ck_assert_int_eq (outcomes ("applied"), 3);
}
END_TEST

/* K22: who comes second with a natural key is told, and keeps its row. */
START_TEST (one_natural_key_under_two_ids)
{
  push (&node_a, 1, "{'table':'item','columns':['id','name','code'],'rows':[[1,'a','same']]}");
  push (&node_b, 1, "{'table':'item','columns':['id','name','code'],'rows':[[2,'b','same']]}");
  ck_assert_str_eq (outcome_of ("item", "[2]"), "rejected");
  is ("{\"id\":2,\"name\":\"b\",\"code\":\"same\"}", "SELECT loser FROM __sync_conflicts");
  is ("a", "SELECT group_concat(name) FROM item");
}
END_TEST

/* ---- What the database makes of a row ---- */

/* R16: the altered row goes back to its author, then there is silence. */
START_TEST (a_trigger_alters_a_row)
{
  int64_t before;

  ck_assert_int_eq (
      push (&node_a, 1, "{'table':'shout','columns':['id','v'],'rows':[[1,'quiet'],[2,'LOUD']]}"),
      200);
  ck_assert_str_eq (outcome_of ("shout", "[1]"), "merged");
  ck_assert_str_eq (outcome_of ("shout", "[2]"), "applied");
  ck_assert_str_eq (json_string_value (json_object_get (
                        json_object_get (exception_of ("shout", "[1]"), "row"), "v")),
                    "QUIET");
  ck_assert_int_eq (json_integer_value (json_object_get (exception_of ("shout", "[1]"), "rev")),
                    number_of ("SELECT max(seq) FROM __sync_log WHERE k0 = 1"));
  is (NULL, "SELECT origin FROM __sync_log WHERE k0 = 1 ORDER BY seq DESC LIMIT 1");
  is (NODE_A, "SELECT origin FROM __sync_log WHERE k0 = 2 ORDER BY seq DESC LIMIT 1");
  is ("0", "SELECT count(*) FROM __sync_conflicts"); /* nobody lost */
  before = head ();
  push (&node_a, 2, "{'table':'shout','columns':['id','v'],'base':%lld,'rows':[[1,'QUIET']]}",
        LL before);
  ck_assert_uint_eq (json_array_size (json_object_get (rig_answer, "exceptions")), 0);
  push (&node_b, 1, "{'table':'shout','columns':['id','v'],'rows':[[1,'QUIET']]}");
  ck_assert_int_eq (outcomes ("same"), 1);
}
END_TEST

/* R17: a value that the column would turn into another one is rejected, not stored otherwise. */
START_TEST (no_value_is_stored_otherwise)
{
  sql ("CREATE TABLE kinds (id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, n NUMERIC, b BLOB)");
  push (&node_a, 1,
        "{'table':'kinds','columns':['id','i','r','t','n','b'],'rows':["
        "[1,1,1.5,'x',1.5,{'b':'AA=='}],[2,1.0,null,null,null,null],[3,'7',null,null,null,null],[4,"
        "null,1,null,null,null],"
        "[5,null,'1.5',null,null,null],[6,null,null,7,null,null],[7,null,null,7.5,null,null],[8,"
        "null,null,null,'0012',null],"
        "[9,'seven',1e400,'007','x','1']]}");
  ck_assert_int_eq (rig_reply.status, 400); /* 1e400 is no number */
  push (&node_a, 1,
        "{'table':'kinds','columns':['id','i','r','t','n','b'],'rows':["
        "[1,1,1.5,'x',1.5,{'b':'AA=='}],[2,1.0,null,null,null,null],[3,'7',null,null,null,null],[4,"
        "null,1,null,null,null],"
        "[5,null,'1.5',null,null,null],[6,null,null,7,null,null],[7,null,null,7.5,null,null],[8,"
        "null,null,null,'0012',null],"
        "[9,'seven',{'r':'inf'},'007','x','1']]}");
  ck_assert_int_eq (outcomes ("rejected"), 7);
  is ("1 9", "SELECT group_concat(id, ' ') FROM kinds");
  is ("text real text text text", "SELECT typeof(i) || ' ' || typeof(r) || ' ' || typeof(t) || ' ' "
                                  "|| typeof(n) || ' ' || typeof(b) FROM kinds WHERE id = 9");
}
END_TEST

/* V25 */
START_TEST (generated_columns_are_the_databases)
{
  sql ("CREATE TABLE line (id INTEGER PRIMARY KEY, price INTEGER, twice INTEGER GENERATED ALWAYS "
       "AS (price * 2) VIRTUAL)");
  ck_assert_int_eq (
      push (&node_a, 1, "{'table':'line','columns':['id','price','twice'],'rows':[[1,2,4]]}"), 400);
  ck_assert_int_eq (push (&node_a, 1, "{'table':'line','columns':['id','price'],'rows':[[1,2]]}"),
                    200);
  is ("4", "SELECT twice FROM line");
}
END_TEST

/* C17 */
START_TEST (a_key_that_holds_null_is_rejected)
{
  sql ("CREATE TABLE loose (k TEXT PRIMARY KEY, v TEXT)");
  ck_assert_int_eq (
      push (&node_a, 1, "{'table':'loose','columns':['k','v'],'rows':[[null,'x'],['a','y']]}"),
      200);
  ck_assert_int_eq (outcomes ("rejected"), 1);
  is ("a", "SELECT group_concat(k) FROM loose");
}
END_TEST

/* ---- Size ---- */

/* Tables that alternate row by row are nothing special. */
START_TEST (alternating_tables_fit)
{
  enum { ROWS = 4000 };

  for (int i = 1; i <= ROWS; i++)
    mantis_buf_printf (&text, "%s{'table':'%s','columns':['id'],'rows':[[%d]]}", i > 1 ? "," : "",
                       i % 2 ? "box" : "thing", i);
  rig_server.limits.body_bytes = 1 << 23;
  ck_assert_int_eq (push (&node_a, 1, "%s", text.bytes), 200);
  ck_assert_int_eq (outcomes ("applied"), ROWS);
}
END_TEST

/* R47: over the limit nothing is done, and that is said. */
START_TEST (a_batch_over_the_limit_is_refused)
{
  for (int i = 1; i <= 4000; i++)
    mantis_buf_printf (&text, "%s[%d]", i > 1 ? "," : "", i);
  rig_server.limits.body_bytes = 1 << 17;
  ck_assert_int_eq (push (&node_a, 1, "{'table':'box','columns':['id'],'rows':[%s]}", text.bytes),
                    503);
  is ("0", "SELECT count(*) FROM box");
  ck_assert_int_eq (push (&node_a, 1, "{'table':'box','columns':['id'],'rows':[[1]]}"), 200);
}
END_TEST

/* V27: what the edit is in conflict with could not be told to its author: that edit waits, and no other. */
START_TEST (an_edit_of_a_row_that_no_message_carries_waits_alone)
{
  sql ("INSERT INTO box VALUES (1, printf ('%.900000c', 'x'))");
  rig_server.limits.body_bytes = 1 << 20;
  ck_assert_int_eq (
      push (&node_a, 1,
            "{'table':'box','columns':['id','label'],'base':1,'rows':[[1,'mine'],[2,'other']]}"),
      200);
  ck_assert_str_eq (outcome_of ("box", "[1]"), "retry");
  is ("900000", "SELECT length(label) FROM box WHERE id = 1");
  is ("other", "SELECT label FROM box WHERE id = 2");
  sql ("UPDATE box SET label = 'small again' WHERE id = 1");
  ck_assert_int_eq (
      push (&node_a, 2, "{'table':'box','columns':['id','label'],'base':1,'rows':[[1,'mine']]}"),
      200);
  ck_assert_str_ne (outcome_of ("box", "[1]"), "retry");
}
END_TEST

/* What lost is kept for weeks, whatever its size: nobody makes the server put all of it into one answer. */
START_TEST (large_conflicts_come_in_pages)
{
  ck_assert_int_eq (ask_raw (&node_a, "conflicts", "", 0), 200);
  ck_assert (json_is_true (json_object_get (rig_answer, "end")));
  sql ("WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) "
       "INSERT INTO __sync_conflicts (id, tbl, key, outcome, state, loser) SELECT i, 'box', '[1]', "
       "'rejected', 'closed', json_object ('label', hex (zeroblob (1500000))) FROM n");
  ck_assert_int_eq (ask_raw (&node_a, "conflicts", "limit=1000", 0), 200);
  ck_assert_uint_lt (rig_reply.body.length, 8 * 1024 * 1024);
  ck_assert_uint_eq (json_array_size (json_object_get (rig_answer, "conflicts")), 2);
  ck_assert (json_is_false (json_object_get (rig_answer, "end")));
  ck_assert_int_eq (json_integer_value (json_object_get (rig_answer, "after")), 2);
  ck_assert_int_eq (ask_raw (&node_a, "conflicts", "after=4", 0), 200);
  ck_assert_uint_eq (json_array_size (json_object_get (rig_answer, "conflicts")), 1);
  ck_assert (json_is_true (json_object_get (rig_answer, "end")));
}
END_TEST

static Suite *
rows_suite (void)
{
  Suite *suite = suite_create ("push_rows");
  TCase *tests = tcase_create ("push_rows");

  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_set_timeout (tests, 30);
  tcase_add_test (tests, what_the_database_refuses_is_rejected_alone);
  tcase_add_test (tests, a_refused_edit_gives_the_row_back);
  tcase_add_test (tests, only_named_columns_change);
  tcase_add_test (tests, children_may_come_first);
  tcase_add_test (tests, a_child_changes_hands);
  tcase_add_test (tests, rows_that_refer_to_their_own_table);
  tcase_add_test (tests, bad_rows_beside_trees_and_circles);
  tcase_add_test (tests, dependents_of_a_refused_row_are_set_aside);
  tcase_add_test (tests, an_orphan_is_rejected);
  tcase_add_test (tests, a_long_chain_beside_a_bad_row);
  tcase_add_test (tests, actions_of_foreign_keys_travel);
  tcase_add_test (tests, unique_values_swap);
  tcase_add_test (tests, unique_values_rotate);
  tcase_add_test (tests, a_unique_value_changes_hands);
  tcase_add_test (tests, keys_shift);
  tcase_add_test (tests, many_nulls_are_no_clash);
  tcase_add_test (tests, one_natural_key_under_two_ids);
  tcase_add_test (tests, a_trigger_alters_a_row);
  tcase_add_test (tests, no_value_is_stored_otherwise);
  tcase_add_test (tests, generated_columns_are_the_databases);
  tcase_add_test (tests, a_key_that_holds_null_is_rejected);
  tcase_add_test (tests, alternating_tables_fit);
  tcase_add_test (tests, an_edit_of_a_row_that_no_message_carries_waits_alone);
  tcase_add_test (tests, a_batch_over_the_limit_is_refused);
  tcase_add_test (tests, large_conflicts_come_in_pages);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  SRunner *runner = srunner_create (rows_suite ());
  int failed;

  log_set_level (MANTIS_WARNING);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
