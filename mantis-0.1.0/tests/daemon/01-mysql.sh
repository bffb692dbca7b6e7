#!/bin/bash
# 01: a server on MariaDB and two devices on SQLite hold the same, whoever writes: the back office with MariaDB's own
# client, the devices with sqlite3, online and offline; a conflict is decided and the loser kept.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "
CREATE TABLE artist (id INT PRIMARY KEY, name VARCHAR(120) NOT NULL) CHARACTER SET latin1;
CREATE TABLE album (id CHAR(8) COLLATE utf8mb4_bin PRIMARY KEY, title VARCHAR(160) NOT NULL, artist INT NOT NULL, price DECIMAL(10,2),
  released DATE, sold DATETIME(3), cover BLOB, stars DOUBLE, total DECIMAL(30,8), UNIQUE KEY (title),
  FOREIGN KEY (artist) REFERENCES artist (id) ON DELETE CASCADE);
CREATE TABLE line (album CHAR(8) COLLATE utf8mb4_bin, place SMALLINT UNSIGNED, note TEXT, big BIGINT UNSIGNED, PRIMARY KEY (album, place));
INSERT INTO artist VALUES (1, 'AC/DC'), (2, 'Mötley Crüe');
INSERT INTO album VALUES ('a1', 'Let There Be Rock', 1, 0.99, '1977-03-21', '2024-01-02 03:04:05.678', x'00ff', 4.5, '12345678901234567890.12345678'),
  ('a2', 'Dr. Feelgood', 2, 12, NULL, NULL, NULL, 0.1, NULL);
INSERT INTO line VALUES ('a1', 1, 'it''s \"quoted\"', 18446744073709551615), ('a1', 2, NULL, 7)"
start_mantisd shop --mode server
start_mantisd tablet --mode client
start_mantisd phone --mode client
wait_for_maria tablet phone

# The back office writes; each statement arrives.
maria "INSERT INTO artist VALUES (3, 'Björk'); UPDATE album SET price = price + 1; DELETE FROM line WHERE place = 2"
wait_for_maria tablet phone
maria "REPLACE INTO line VALUES ('a1', 1, 'replaced', 5);
  INSERT INTO artist VALUES (1, 'x') ON DUPLICATE KEY UPDATE name = 'ACDC'; UPDATE album, artist SET title = concat(title, '!'),
  name = upper(name) WHERE album.artist = artist.id"
wait_for_maria tablet phone

# A device writes.
sql tablet "INSERT INTO album (id, title, artist, price, sold) VALUES ('a3', 'Debut', 3, 7.5, '2025-05-06 07:08:09.100');
  UPDATE line SET note = 'from the tablet' WHERE place = 1; DELETE FROM album WHERE id = 'a2'"
wait_for_maria tablet phone
[ "$(maria "SELECT price FROM album WHERE id = 'a3'")" = 7.50 ] || fail "the tablet's album"
[ -z "$(maria "SELECT 1 FROM album WHERE id = 'a2'")" ] || fail "the tablet's deletion"

# Both offline and at home: the later edit stands, the other is kept.
stop_mantisd phone
sql phone "UPDATE album SET title = 'the phone' WHERE id = 'a1'; INSERT INTO artist VALUES (9, 'offline')"
sql tablet "UPDATE album SET title = 'the tablet' WHERE id = 'a1'"

wait_for_maria tablet
start_mantisd phone --mode client
wait_for_maria tablet phone
[ "$(maria "SELECT title FROM album WHERE id = 'a1'")" = "the tablet" ] || fail "the later edit"
[ "$(maria "SELECT outcome FROM __sync_conflicts")" = superseded ] || fail "the loser is not kept"
[ "$(sql phone "SELECT count(*) FROM __sync_conflicts")" = 1 ] || fail "the phone does not know"
[ "$(maria "SELECT name FROM artist WHERE id = 9")" = offline ] || fail "what was written offline"

# Silence after that: nobody sends anything.
quiet tablet phone
head=$(maria "SELECT max(seq) FROM __sync_log")
ctl tablet sync > /dev/null
ctl phone sync > /dev/null
quiet tablet phone
[ "$(maria "SELECT max(seq) FROM __sync_log")" = "$head" ] || fail "rows travel though nobody wrote"
[ -z "$(maria "SELECT 1 FROM __sync_outbox LIMIT 1")" ] || fail "something was not numbered"
