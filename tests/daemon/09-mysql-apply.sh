#!/bin/bash
# 09: what a device writes is stored in MariaDB as it is or refused alone, with the reason: values that do not fit, keys
# that only the collation calls equal (V22), CHECKs, foreign keys in any order and in circles (K14, K15), swapped unique
# values and shifted keys (K18, K19), rows that the database alters (R16, R17): those go back once, then there is silence.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "
CREATE TABLE fits (id INT PRIMARY KEY, small TINYINT, price DECIMAL(6,2), code VARCHAR(4), day DATE, at DATETIME, kind ENUM('a','b'),
  twice INT AS (small * 2) STORED, CHECK (price < 1000));
CREATE TABLE word (w VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, n INT);
CREATE TABLE place (id INT PRIMARY KEY, code VARCHAR(8) NOT NULL UNIQUE, nr INT DEFAULT 1, UNIQUE (id, nr));
CREATE TABLE visit (id INT PRIMARY KEY, code VARCHAR(8), place INT, nr INT, FOREIGN KEY (code) REFERENCES place (code) ON UPDATE CASCADE,
  FOREIGN KEY (place, nr) REFERENCES place (id, nr));
CREATE TABLE box (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES box (id));
CREATE TABLE he (id INT PRIMARY KEY, she INT); CREATE TABLE she (id INT PRIMARY KEY, he INT, FOREIGN KEY (he) REFERENCES he (id));
ALTER TABLE he ADD FOREIGN KEY (she) REFERENCES she (id);
CREATE TABLE stamp (id INT PRIMARY KEY, v CHAR(10), at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  total DECIMAL(20,4));
CREATE TABLE loud (id INT PRIMARY KEY, v VARCHAR(20));
CREATE TABLE few (n INT PRIMARY KEY) PARTITION BY LIST (n) (PARTITION p VALUES IN (1)); CREATE TABLE teller (id INT PRIMARY KEY);
CREATE TRIGGER tells BEFORE INSERT ON teller FOR EACH ROW INSERT INTO few VALUES (4711);
CREATE TRIGGER louder BEFORE INSERT ON loud FOR EACH ROW SET NEW.v = upper(NEW.v);
INSERT INTO word VALUES ('Apple', 1); INSERT INTO place (id, code) VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO visit VALUES (1, 'a', 1, 1), (2, 'b', 3, 1), (3, NULL, NULL, 2);
INSERT INTO fits (id, small) VALUES (1, 1)"
sed -i 's/"password_file"/"lock_timeout": 3, "password_file"/' shop.json
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet

# One bad row blocks nobody.
sql tablet "INSERT INTO fits (id, small) VALUES (2, 2), (3, 300), (4, 4); INSERT INTO fits (id, price) VALUES (5, 5000), (6, 1.005), (7, 1.5);
  INSERT INTO fits (id, code) VALUES (8, 'too long'), (9, 'good'); INSERT INTO fits (id, day) VALUES (10, '2024-02-30'), (11, '2024-02-29');
  INSERT INTO fits (id, at) VALUES (12, '2024-01-01 10:00:00.5'), (13, '2024-01-01 10:00:00'); INSERT INTO fits (id, kind) VALUES (14, 'z'), (15, 'b')"
wait_for_maria tablet
quiet tablet
[ "$(maria "SELECT group_concat(id ORDER BY id) FROM fits")" = 1,2,4,7,9,11,13,15 ] || fail "stored: $(maria "SELECT group_concat(id ORDER BY id) FROM fits")"
[ "$(sql tablet "SELECT count(*) FROM __sync_conflicts WHERE outcome = 'rejected' AND reason <> ''")" = 7 ] || fail "the refused rows are not kept"

# Why, without a value: it may be one that whoever is told does not see.
sql tablet "INSERT INTO teller VALUES (1)"
wait_for_row tablet "SELECT 1 FROM __sync_conflicts WHERE tbl = 'teller' AND outcome = 'rejected'"
reason=$(sql tablet "SELECT reason FROM __sync_conflicts WHERE tbl = 'teller'")
[[ $reason == *1526* && $reason != *4711* ]] || fail "$reason"

# Keys that the collation calls equal are not made one.
sql tablet "INSERT INTO word VALUES ('apple', 2), ('pear', 3)"
wait_for_maria tablet
[ "$(maria "SELECT group_concat(w ORDER BY n) FROM word")" = Apple,pear ] || fail "words: $(maria "SELECT * FROM word")"

# Unique values swapped and turned, while others refer to them; keys shifted.
sql tablet "BEGIN; UPDATE place SET code = 'tmp' WHERE id = 1; UPDATE place SET code = 'a' WHERE id = 3; UPDATE place SET code = 'c' WHERE id = 2;
  UPDATE place SET code = 'b' WHERE id = 1; COMMIT"
wait_for_maria tablet
[ "$(maria "SELECT group_concat(code ORDER BY id) FROM place")" = b,c,a ] || fail "the rotation"
[ "$(maria "SELECT group_concat(coalesce(code, '-') ORDER BY id) FROM visit")" = a,b,- ] || fail "who refers to what was turned: $(maria "SELECT * FROM visit")"
sql tablet "DELETE FROM visit; WITH RECURSIVE k(k) AS (VALUES (4) UNION ALL SELECT k + 1 FROM k WHERE k < 100) INSERT INTO place SELECT k, 'p' || k, 1 FROM k"
wait_for_maria tablet
sql tablet "BEGIN; UPDATE place SET id = -id; UPDATE place SET id = 1 - id; COMMIT"
wait_for_maria tablet
[ "$(maria "SELECT concat(min(id), ' ', max(id), ' ', count(*), ' ', sum(code = concat('p', id - 1))) FROM place")" = "2 101 100 97" ] || fail "the keys' shift"

# Children first, and rows that need each other.
sql tablet "BEGIN; INSERT INTO box VALUES (3, 2), (2, 1), (1, NULL), (5, 4), (4, 3); INSERT INTO she VALUES (1, 1); INSERT INTO he VALUES (1, 1); COMMIT"
wait_for_maria tablet
[ "$(maria "SELECT (SELECT count(*) FROM box) + (SELECT count(*) FROM he) + (SELECT count(*) FROM she)")" = 7 ] || fail "rows that need each other"
sql tablet "BEGIN; DELETE FROM box; COMMIT"
wait_for_maria tablet
[ -z "$(maria "SELECT id FROM box")" ] || fail "the boxes are still there"

# One orphan among many is found without looking at all of them for each of them.
questions ()
{
  maria "SHOW GLOBAL STATUS LIKE 'Questions'" | cut -f 2
}
asked=$(questions)
sql tablet "WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 300) INSERT INTO box SELECT 1000 + k, iif(k = 150, 999, NULL) FROM k"
wait_for_maria tablet
quiet tablet
[ "$(maria "SELECT count(*) FROM box")" = 299 ] || fail "the orphan's neighbours"
[ $(($(questions) - asked)) -lt 20000 ] || fail "$(($(questions) - asked)) statements for 300 rows"
sql tablet "DELETE FROM box"
wait_for_maria tablet

# A row whose parent is not there is refused alone.
sql tablet "INSERT INTO box VALUES (50, 49), (51, NULL)"
wait_for_maria tablet
[ "$(maria "SELECT group_concat(id) FROM box")" = 51 ] || fail "an orphan"

# What the database makes of a row goes back, once.
sql tablet "INSERT INTO stamp (id, v, at, total) VALUES (1, 'x  ', '2020-01-01 00:00:00', '1.5'); INSERT INTO loud VALUES (1, 'hush')"
wait_for_maria tablet
[ "$(sql tablet "SELECT v FROM loud")" = HUSH ] || fail "what a trigger made of the row"
quiet tablet
head=$(maria "SELECT max(seq) FROM __sync_log")
for i in 1 2 3; do
  ctl tablet sync > /dev/null
  quiet tablet
done
[ "$(maria "SELECT max(seq) FROM __sync_log")" = "$head" ] || fail "the altered row goes to and fro"

# A deadlock, on purpose: the office holds the second row and wants the first, the batch the other way round.
maria "CREATE TABLE dead (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO dead VALUES (1, ''), (2, ''), (10, '')"
wait_for_maria tablet
exec 8> >(mariadb_do "$maria_folder" -n --force shop > office.out 2> office.err)
echo "BEGIN; UPDATE dead SET v = 'office' WHERE id = 2; INSERT INTO dead VALUES (11, ''), (12, ''), (13, ''); SELECT 'written';" >&8
wait_for "the office's rows" grep -q written office.out
sql tablet "UPDATE dead SET v = 'tablet' WHERE id < 10"
wait_for "the batch to wait" gives_maria "SELECT 1 FROM information_schema.processlist WHERE user = 'mantis' AND info LIKE 'INSERT INTO %dead%'"
echo "UPDATE dead SET v = 'office' WHERE id = 1; COMMIT;" >&8
exec 8>&-
wait_for_maria tablet
quiet tablet
wait_for_maria tablet
[ "$(maria "SELECT count(*) FROM dead WHERE v <> ''")" = 2 ] || fail "a write is missing: $(maria "SELECT * FROM dead")"

# A program had written a row before the batch did, and commits while the batch waits for it: that is a conflict, and
# what lost is kept; it is not overwritten unseen (D3).
exec 8> >(mariadb_do "$maria_folder" -n --force shop > second.out 2> second.err)
echo "BEGIN; UPDATE dead SET v = 'seen by nobody' WHERE id = 10; SELECT 'written';" >&8
wait_for "the office's row" grep -q written second.out
sql tablet "UPDATE dead SET v = 'the tablet' WHERE id = 10"
wait_for "the batch to wait" gives_maria "SELECT 1 FROM information_schema.processlist WHERE user = 'mantis' AND info LIKE 'INSERT INTO %dead%'"
echo "COMMIT;" >&8
exec 8>&-
wait_for_maria tablet
quiet tablet
gives_maria "SELECT 1 FROM __sync_conflicts WHERE tbl = 'dead' AND (loser LIKE '%seen by nobody%' OR winner LIKE '%seen by nobody%')" ||
  fail "the office's write was overwritten unseen"
