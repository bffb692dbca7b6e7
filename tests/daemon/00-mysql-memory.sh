#!/bin/bash
# 00: memory does not grow with the tables of MariaDB: a first load, and a first contact where both sides have rows, of
# ten times as many rows take hardly more of either daemon, and all stay below a limit.  O10.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
without_sanitizer

start_mariadb shop
for rows in 15000 150000; do
  mariadb_do "$maria_folder" -e "DROP DATABASE shop; CREATE DATABASE shop CHARACTER SET utf8mb4"
  maria "CREATE TABLE item (id INT PRIMARY KEY, body VARCHAR(100) NOT NULL, n INT); CREATE TABLE note LIKE item;
    INSERT INTO item SELECT seq, lpad(seq, 90, '0'), seq % 7 FROM seq_1_to_$rows;
    INSERT INTO note SELECT seq, lpad(seq, 90, '0'), seq % 7 FROM seq_1_to_$((rows - 1000))"
  rm -f tablet.db*
  sql tablet "CREATE TABLE note (id INT PRIMARY KEY NOT NULL, body VARCHAR(100) NOT NULL, n INT);
    INSERT INTO note SELECT value, CASE WHEN value % ($rows / 1000) = 0 THEN 'of the tablet' ELSE printf('%090d', value) END, value % 7
      FROM generate_series(1001, $rows)"
  start_mantisd shop --mode server
  start_mantisd tablet --mode client
  patience=180 quiet tablet
  [ "$(maria "SELECT count(*) FROM note")" = $rows ] || fail "$(maria "SELECT count(*) FROM note") notes on the server"
  [ "$(sql tablet "SELECT count(*) FROM item")" = $rows ] || fail "$(sql tablet "SELECT count(*) FROM item") items on the tablet"
  note_peaks $rows shop tablet
  stop_mantisd tablet
  stop_mantisd shop
done
compare_peaks 15000 150000 shop tablet
