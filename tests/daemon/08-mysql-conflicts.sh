#!/bin/bash
# 08: a device and a back office on MariaDB meet on the same rows: equal rows at first contact are no conflict (K10), times
# within one second are told apart (K4), deletion against edit (K6), a parent that goes while a child comes (K16), a parent
# that is edited keeps its children, also when it has got a column that the device has not (K17, O14), a key that changes while the row is
# edited (K20), one natural key twice (K22), one number counted twice (K23), many NULLs in a unique column (K24).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "
CREATE TABLE price (id INT PRIMARY KEY, net DECIMAL(8,2), at DATETIME, seen TIMESTAMP NULL, code CHAR(6), stars DOUBLE);
CREATE TABLE note (id INT PRIMARY KEY, v VARCHAR(40));
CREATE TABLE firm (id INT PRIMARY KEY, name VARCHAR(40));
CREATE TABLE site (id INT PRIMARY KEY, firm INT NOT NULL, FOREIGN KEY (firm) REFERENCES firm (id) ON DELETE CASCADE);
CREATE TABLE room (id INT PRIMARY KEY, site INT NOT NULL, FOREIGN KEY (site) REFERENCES site (id));
CREATE TABLE word (id INT PRIMARY KEY, w VARCHAR(20) UNIQUE, v VARCHAR(40));
INSERT INTO price VALUES (1, 12.50, '2026-01-02 03:04:05', '2026-01-02 03:04:05', 'a', 0.1), (2, 100, NULL, NULL, '', 1e300), (3, NULL, NULL, NULL, NULL, NULL);
INSERT INTO note SELECT seq, 'old' FROM seq_1_to_20; INSERT INTO firm SELECT seq, 'old' FROM seq_1_to_9;
INSERT INTO site SELECT seq, seq FROM seq_1_to_9; INSERT INTO room SELECT seq, seq FROM seq_7_to_9; INSERT INTO word VALUES (1, 'one', '')"

# All of it is on the device already, made by its own program.
sql tablet "
CREATE TABLE price (id INTEGER NOT NULL PRIMARY KEY, net NUMERIC, at TEXT, seen TEXT, code TEXT, stars REAL);
CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, v TEXT);
INSERT INTO price VALUES (1, 12.5, '2026-01-02 03:04:05', '2026-01-02 03:04:05', 'a', 0.1), (2, 100, NULL, NULL, '', 1e300), (3, NULL, NULL, NULL, NULL, NULL)"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet
quiet tablet
[ -z "$(maria "SELECT 1 FROM __sync_conflicts")" ] || fail "equal rows in conflict: $(maria "SELECT * FROM __sync_conflicts")"

conflict ()
{
  maria "SELECT concat(outcome, ' ', coalesce(loser, 'deletion')) FROM __sync_conflicts WHERE tbl = '$1' AND \`key\` = '[$2]' ORDER BY id DESC LIMIT 1"
}
now ()
{
  maria "SELECT coalesce(group_concat($3), 'gone') FROM $1 WHERE id = $2"
}
back ()
{
  start_mantisd tablet --mode client
  wait_for_maria tablet
  quiet tablet
  wait_for_maria tablet
}

# While the tablet is away: who came later, by milliseconds.
stop_mantisd tablet
for i in 1 2 3 4; do
  sql tablet "UPDATE note SET v = 'tablet' WHERE id = $i"
  maria "UPDATE note SET v = 'office' WHERE id IN ($i, 4 + $i)"
  sql tablet "UPDATE note SET v = 'tablet' WHERE id = 4 + $i"
done
# Deletion against edit, both ways and in both orders.
sql tablet "UPDATE note SET v = 'tablet' WHERE id = 11; DELETE FROM note WHERE id = 12"
maria "DELETE FROM note WHERE id IN (11, 13, 15); UPDATE note SET v = 'office' WHERE id IN (12, 14)"
sql tablet "UPDATE note SET v = 'tablet' WHERE id = 13; DELETE FROM note WHERE id IN (14, 15)"
# A parent goes, a child comes; and the other way round.
maria "DELETE FROM firm WHERE id = 1; INSERT INTO room VALUES (20, 2)"
sql tablet "PRAGMA foreign_keys = ON; INSERT INTO site VALUES (10, 1); INSERT INTO room VALUES (21, 10); DELETE FROM site WHERE id = 2; DELETE FROM firm WHERE id = 3"
maria "INSERT INTO site VALUES (30, 3)"
# A key changes while the row is edited.
maria "UPDATE note SET id = 116 WHERE id = 16; UPDATE note SET v = 'office' WHERE id = 17"
sql tablet "UPDATE note SET v = 'tablet' WHERE id = 16; UPDATE note SET id = 117 WHERE id = 17"
# One natural key, one number, and many NULLs.
maria "INSERT INTO word VALUES (2, 'two', 'office'), (3, 'three', 'office'), (4, NULL, 'office')"
sql tablet "INSERT INTO word VALUES (12, 'two', 'tablet'), (3, 'drei', 'tablet'), (5, NULL, 'tablet'), (6, NULL, 'tablet')"
back

for i in 1 2 3 4; do
  [ "$(now note $i v) $(now note $((4 + i)) v)" = "office tablet" ] || fail "the later of two within a second, $i: $(now note $i v) $(now note $((4 + i)) v)"
  [[ "$(conflict note $i)$(conflict note $((4 + i)))" == superseded*tablet*beaten*office* ]] || fail "the losers, $i"
done
[ "$(for i in 11 12 13 14 15; do now note $i v; done | xargs)" = "gone office tablet gone gone" ] || fail "deletion against edit: $(for i in 11 12 13 14 15; do now note $i v; done | xargs)"
[[ "$(for i in 11 12 13 14; do conflict note $i; done | xargs)" == "superseded "*tablet*"superseded deletion beaten deletion beaten "*office* ]] ||
  fail "their losers: $(for i in 11 12 13 14; do conflict note $i; done)"
[ -z "$(conflict note 15)" ] || fail "both deleted it"
[[ "$(conflict site 10)" == rejected* && "$(conflict room 21)" == rejected* ]] || fail "the children of a parent that went"
[[ "$(conflict site 2)" == "rejected deletion" && "$(now site 2 firm)" == 2 ]] || fail "a site that has got a room: $(conflict site 2)"
[ "$(now site 30 firm)$(now firm 3 name)" = gonegone ] || fail "what had arrived goes with its parent"
[ "$(sql tablet "PRAGMA foreign_key_check")" = "" ] || fail "orphans on the device"
[ "$(now note 116 v) $(now note 16 v)" = "old tablet" ] || fail "a key that changed: $(now note 116 v) $(now note 16 v)"
[ "$(now note 117 v) $(now note 17 v)" = "old gone" ] || fail "a key that the device changed: $(now note 117 v) $(now note 17 v)"
[[ "$(conflict note 17)" == beaten*office* ]] || fail "the edit of it: $(conflict note 17)"
[[ "$(conflict word 12)" == rejected*tablet* && "$(now word 2 v)" == office ]] || fail "one natural key: $(conflict word 12)"
reason=$(maria "SELECT reason FROM __sync_conflicts WHERE tbl = 'word' AND \`key\` = '[12]'") # values may be of others
[ "$reason" = "Duplicate entry '...' for key 'w'" ] || fail "$reason"
[[ "$(conflict word 3)" == beaten*office* && "$(now word 3 w)" == drei ]] || fail "one number: $(conflict word 3)"
[ "$(maria "SELECT group_concat(id) FROM word WHERE w IS NULL")" = 4,5,6 ] || fail "many NULLs"

# A parent is edited by a device that has not all of its columns yet: its children stay, and what the office wrote there is kept.
maria "ALTER TABLE firm ADD COLUMN vat VARCHAR(40) DEFAULT 'none'; UPDATE firm SET vat = 'kept'"
wait_until tablet 'T["firm"]["state"] == "paused"'
sql tablet "UPDATE firm SET name = 'edited' WHERE id = 8"
sql tablet "ALTER TABLE firm ADD COLUMN vat TEXT DEFAULT 'none'"
wait_for_maria tablet
quiet tablet
wait_for_maria tablet
[ "$(now firm 8 name) $(now site 8 firm) $(now firm 7 vat)" = "edited 8 kept" ] || fail "the parent: $(now firm 8 name) $(now site 8 firm) $(now firm 7 vat)"
[[ "$(conflict firm 8)" == beaten*kept* ]] || fail "the column that it did not have: $(conflict firm 8)"
