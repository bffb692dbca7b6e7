#!/bin/bash
# 06: rows on MariaDB that come and go: made and deleted between two pulls (R18), the same key again (R19), deleted where
# there is none (R20), a thousand of one moment (R7); what a cascade or a trigger of the server derives from a device's
# change goes back to it once (R14, R15, R16); a table dropped and made again (O15), and one that comes later (O13).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "
CREATE TABLE note (id INT PRIMARY KEY, v VARCHAR(40));
CREATE TABLE firm (id INT PRIMARY KEY, name VARCHAR(40), changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
CREATE TABLE site (id INT PRIMARY KEY, firm INT, FOREIGN KEY (firm) REFERENCES firm (id) ON DELETE CASCADE);
CREATE TABLE room (id INT PRIMARY KEY, site INT, FOREIGN KEY (site) REFERENCES site (id) ON DELETE SET NULL);
CREATE TABLE total (id INT PRIMARY KEY, n INT NOT NULL);
CREATE TRIGGER adds AFTER INSERT ON room FOR EACH ROW UPDATE total SET n = n + 1 WHERE id = 1;
CREATE TRIGGER names BEFORE UPDATE ON firm FOR EACH ROW SET NEW.name = upper(NEW.name);
INSERT INTO note SELECT seq, 'old' FROM seq_1_to_9; INSERT INTO firm (id, name) SELECT seq, 'old' FROM seq_1_to_9;
INSERT INTO site SELECT seq, seq FROM seq_1_to_9; INSERT INTO total VALUES (1, 0); INSERT INTO room SELECT seq, seq FROM seq_1_to_9"
start_mantisd shop --mode server
start_mantisd tablet --mode client
start_mantisd till --mode client
wait_for_maria tablet till

# silence: nothing travels though all of them ask.
silence ()
{
  local head name

  wait_for_maria tablet till
  quiet tablet till
  head=$(maria "SELECT max(seq) FROM __sync_log")
  for name in tablet till tablet; do
    ctl "$name" sync > /dev/null
    quiet "$name"
  done
  wait_for_maria tablet till
  [ "$(maria "SELECT max(seq) FROM __sync_log")" = "$head" ] || fail "rows travel though nobody wrote: $(maria "SELECT * FROM __sync_log WHERE seq > $head")"
}

# On the server while the till is away, on the till, and on the server again.
stop_mantisd till
maria "INSERT INTO note VALUES (100, 'short'); DELETE FROM note WHERE id = 100; DELETE FROM note WHERE id = 1; INSERT INTO note VALUES (1, 'again');
  SET timestamp = 1767323045; INSERT INTO note SELECT 1000 + seq, 'of one moment' FROM seq_1_to_1000"
sql till "INSERT INTO note VALUES (200, 'short'); DELETE FROM note WHERE id = 200; DELETE FROM note WHERE id = 2; INSERT INTO note VALUES (2, 'again');
  DELETE FROM note WHERE id = 3"
sql tablet "DELETE FROM note WHERE id = 3; DELETE FROM note WHERE id = 4"
wait_for_maria tablet
start_mantisd till --mode client
silence
maria "INSERT INTO note VALUES (4, 'back')"
silence
sql till "DELETE FROM note WHERE id = 4"
silence
sql tablet "INSERT INTO note VALUES (4, 'back again')"
silence
[ "$(maria "SELECT group_concat(concat(id, v) ORDER BY id) FROM note WHERE id < 1000")" = "1again,2again,4back again,5old,6old,7old,8old,9old" ] ||
  fail "the notes: $(maria "SELECT * FROM note WHERE id < 1000")"
[ -z "$(maria "SELECT 1 FROM __sync_conflicts")" ] || fail "conflicts: $(maria "SELECT * FROM __sync_conflicts")"

# The tablet deletes a firm (and knows of no foreign keys), the till adds rooms, both edit firms.
sql tablet "DELETE FROM firm WHERE id = 5; UPDATE firm SET name = 'by the tablet' WHERE id = 6"
sql till "INSERT INTO room VALUES (50, 7), (51, 8); UPDATE firm SET name = 'by the till' WHERE id = 7"
silence
for name in tablet till; do
  [ -z "$(sql $name "SELECT 1 FROM site WHERE id = 5")" ] || fail "$name: the site of the firm that went"
  [ "$(sql $name "SELECT quote(site) FROM room WHERE id = 5")" = NULL ] || fail "$name: the room of that site"
  [ "$(sql $name "SELECT n FROM total")" = 11 ] || fail "$name: the trigger's total is $(sql $name "SELECT n FROM total")"
  [ "$(sql $name "SELECT group_concat(name) FROM firm WHERE id IN (6, 7)")" = "BY THE TABLET,BY THE TILL" ] || fail "$name: what the trigger made of the names"
done

# The same name with another key and other columns; and a new one.
maria "DROP TABLE note; CREATE TABLE note (code CHAR(4) PRIMARY KEY, n INT); INSERT INTO note VALUES ('a', 1), ('b', 2);
  CREATE TABLE later (id INT PRIMARY KEY); INSERT INTO later VALUES (1), (2)"
for name in tablet till; do
  wait_until $name 'T["note"]["state"] == "paused"'
  sql $name "DROP TABLE note; CREATE TABLE note (code TEXT NOT NULL PRIMARY KEY, n INTEGER)"
done
silence
sql till "INSERT INTO note VALUES ('c', 3); DELETE FROM note WHERE code = 'a'; INSERT INTO later VALUES (3)"
maria "UPDATE note SET n = 22 WHERE code = 'b'"
silence
[ "$(maria "SELECT group_concat(concat(code, n) ORDER BY n) FROM note")" = c3,b22 ] || fail "the table that was made again"
