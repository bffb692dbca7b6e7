#!/bin/bash
# 02: MariaDB has no room for what a device sends: nothing is lost, nothing is taken for stored, the log and the status say
# why; once there is room it all arrives by itself (O9, R6, R44).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
disk=(--innodb-file-per-table=0 --innodb-data-file-path=ibdata1:12M:autoextend)
start_mariadb shop "${disk[@]}:max:28M"
maria "CREATE TABLE ballast (id INT PRIMARY KEY, b LONGBLOB); CREATE TABLE note (id INT PRIMARY KEY, b MEDIUMBLOB);
  CREATE TABLE small (id INT PRIMARY KEY)"
sed -i 's/"mode": "server",/"mode": "server", "tables": {"note": {}, "small": {}},/' shop.json
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_until tablet 'S["caught_up"]'
for i in $(seq 1 50); do
  maria "INSERT INTO ballast VALUES ($i, repeat('x', 1000000))" 2> full.err || break
done
grep -q "1114" full.err || fail "it does not get full: $(cat full.err)"

sql tablet "BEGIN; INSERT INTO small VALUES (1); WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 5)
  INSERT INTO note SELECT k, randomblob(1000000) FROM k; COMMIT"
wait_until tablet 'S["waiting"] == 6 and "is full" in S["trouble"]'
wait_for_message tablet 'is full'
[ "$(maria "SELECT (SELECT count(*) FROM note) + (SELECT count(*) FROM small)")" = 0 ] || fail "a part of it is there"
sql tablet "INSERT INTO small VALUES (2)"

mariadb_stop "$maria_folder"
mariadb_start "$maria_folder" "${disk[@]}:max:64M" || fail "MariaDB does not come back"
maria "DROP TABLE ballast"
patience=$((patience * 2))
quiet tablet
wait_for_maria tablet
[ "$(maria "SELECT count(*) FROM note")$(maria "SELECT count(*) FROM small")" = 52 ] || fail "not all has arrived"
[ -z "$(maria "SELECT 1 FROM __sync_conflicts")" ] || fail "it was rejected: $(maria "SELECT tbl, outcome, reason FROM __sync_conflicts")"
