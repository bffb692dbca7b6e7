#!/bin/bash
# 06: what happens to a whole table of MariaDB, where no trigger sees it, is noticed, named and healed by itself: partitions
# that are truncated, dropped or exchanged (C27), any name, a table renamed and back, swapped as pt-online-schema-change and
# gh-ost do it, with the old triggers gone or kept on the old table, triggers renamed and altered (C29); columns that come, go,
# change their name or type, those of the key too, with mantisd running or not (C30).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE part (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id)
    (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20), PARTITION p2 VALUES LESS THAN (30));
  CREATE TABLE aside (id INT PRIMARY KEY, v INT);
  CREATE TABLE \`we \"ird täble#1\` (id INT PRIMARY KEY, v INT);
  CREATE TABLE item (id INT PRIMARY KEY, n INT, name VARCHAR(20));
  INSERT INTO part VALUES (1, 1), (2, 2), (11, 11), (21, 21); INSERT INTO aside VALUES (22, 122), (23, 123);
  INSERT INTO \`we \"ird täble#1\` VALUES (1, 1), (2, 2); INSERT INTO item VALUES (1, 1, 'a'), (2, 2, 'b')"
sed -i '1s/{/{"tables": {"part": {}, "aside": {}, "item": {}, "_item_del": {}, "we*": {}}, /' shop.json
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet

# seen WHAT STATEMENT: it arrives, and the log has named the table of WHAT with it.
seen ()
{
  local before

  before=$(grep -cF -- "$1" shop.log || true)
  maria "$2" || fail "MariaDB refuses: $2"
  wait_for_maria tablet
  [ "$(grep -cF -- "$1" shop.log)" -gt "$before" ] || fail "nothing says \"$1\" after: $2"
  echo "arrived: $2"
}

seen "table \"part\": writes may have gone unseen" "ALTER TABLE part TRUNCATE PARTITION p0"
seen "table \"part\": writes may have gone unseen" "ALTER TABLE part DROP PARTITION p1"
seen "table \"aside\": writes may have gone unseen" "ALTER TABLE part EXCHANGE PARTITION p2 WITH TABLE aside"
seen "writes may have gone unseen" "TRUNCATE \`we \"ird täble#1\`"

item=__sync_$(maria "SELECT id FROM __sync_tables WHERE name = 'item'")
body=$(maria "SELECT action_statement FROM information_schema.triggers WHERE trigger_name = '${item}_upd'")
seen "table \"item\": writes may have gone unseen" \
  "DROP TRIGGER ${item}_upd; CREATE TRIGGER other_name AFTER UPDATE ON item FOR EACH ROW SET @x = 1; UPDATE item SET n = 10"
seen "table \"item\": writes may have gone unseen" \
  "CREATE OR REPLACE TRIGGER ${item}_upd AFTER UPDATE ON item FOR EACH ROW SET @x = 1; UPDATE item SET n = 11"
wait_for "the altered trigger to be put back" gives_maria \
  "SELECT 1 FROM information_schema.triggers WHERE trigger_name LIKE '\\_\\_sync%' AND action_statement = '${body//\'/\'\'}'"
maria "DROP TRIGGER other_name"

# Renamed, written under the other name, and back, at once and slowly.
maria "RENAME TABLE item TO elsewhere; UPDATE elsewhere SET n = 12; RENAME TABLE elsewhere TO item"
wait_for_maria tablet
maria "RENAME TABLE item TO elsewhere; UPDATE elsewhere SET n = 13"
wait_for "the table to be gone" gives_maria "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM __sync_tables WHERE name = 'item' AND state = 'watched')"
maria "UPDATE elsewhere SET n = 14; RENAME TABLE elsewhere TO item; UPDATE item SET n = n + id"
wait_for_maria tablet

# pt-online-schema-change: a copy fed by triggers, swapped, the old one dropped with all of its triggers.
seen "table \"item\": writes may have gone unseen" "CREATE TABLE _item_new LIKE item; ALTER TABLE _item_new ADD KEY (n);
  CREATE TRIGGER pt_ins AFTER INSERT ON item FOR EACH ROW REPLACE INTO _item_new VALUES (NEW.id, NEW.n, NEW.name);
  INSERT INTO _item_new SELECT * FROM item; INSERT INTO item VALUES (3, 3, 'c'); RENAME TABLE item TO _item_old, _item_new TO item;
  INSERT INTO item VALUES (4, 4, 'between'); UPDATE item SET n = 20 WHERE id = 1; DROP TABLE _item_old; UPDATE item SET n = 21 WHERE id = 2"
# gh-ost: the same without triggers, and the old table stays, with ours on it.
seen "table \"item\": writes may have gone unseen" "CREATE TABLE _item_gho LIKE item; INSERT INTO _item_gho SELECT * FROM item WHERE id < 4;
  RENAME TABLE item TO _item_del, _item_gho TO item; UPDATE item SET n = 30 WHERE id = 1; UPDATE _item_del SET n = 99"
maria "UPDATE item SET n = 31 WHERE id = 2; UPDATE _item_del SET n = 98"
wait_for_maria tablet
maria "DROP TABLE _item_del"

# ---- Columns ------------------------------------------------------------------------------------------------
# columns STATEMENT COPY: on MariaDB STATEMENT, and on the tablet the same by making item anew; COPY selects its rows.
columns ()
{
  maria "$1" || fail "MariaDB refuses: $1"
  [ -z "${4-}" ] || start_mantisd shop --mode server
  maria "$3" || fail "MariaDB refuses: $3"
  sql tablet "BEGIN IMMEDIATE; CREATE TABLE item_new ($2); ALTER TABLE item RENAME TO item_old; DROP TABLE item_old; ALTER TABLE item_new RENAME TO item; COMMIT"
  ctl tablet sync > /dev/null || true
  wait_for_maria tablet
  echo "arrived: $1"
}

# retried STATEMENTS: until mantisd has put in order what fails them.
retried ()
{
  wait_for "others to be able to write: $1" maria "$1"
}

columns "ALTER TABLE item ADD COLUMN place VARCHAR(20) DEFAULT 'shelf'" \
  "id INTEGER NOT NULL PRIMARY KEY, n INTEGER, name TEXT, place TEXT" "UPDATE item SET place = 'cellar' WHERE id = 1"
columns "ALTER TABLE item DROP COLUMN name" \
  "id INTEGER NOT NULL PRIMARY KEY, n INTEGER, place TEXT" "UPDATE item SET n = 40 WHERE id = 1; INSERT INTO item VALUES (40, 40, 'x')"
columns "ALTER TABLE item RENAME COLUMN n TO number, MODIFY place TEXT" \
  "id INTEGER NOT NULL PRIMARY KEY, number INTEGER, place TEXT" "UPDATE item SET number = 41 WHERE id = 1"
# The key: the triggers name its columns, so others cannot write until mantisd has seen it.
maria "ALTER TABLE item RENAME COLUMN id TO nr"
retried "UPDATE item SET number = 42 WHERE nr = 1"
columns "SELECT 1" "nr INTEGER NOT NULL PRIMARY KEY, number INTEGER, place TEXT" "INSERT INTO item VALUES (42, 42, 'y')"
has_message shop 'table "item": writes may have gone unseen: its primary key was altered' || fail "the key is not named"

# The same while no mantisd runs: one column comes, one goes, one changes its type.
stop_mantisd shop
columns "ALTER TABLE item ADD COLUMN late INT DEFAULT 5, DROP COLUMN place, MODIFY number BIGINT; UPDATE item SET number = 50, late = 6 WHERE nr = 1" \
  "nr INTEGER NOT NULL PRIMARY KEY, number INTEGER, late INTEGER" "UPDATE item SET late = 7 WHERE nr = 2" start
quiet tablet
