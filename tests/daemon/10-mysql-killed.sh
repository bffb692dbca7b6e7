#!/bin/bash
# 10: connections to MariaDB are killed at any moment, MariaDB itself is killed and comes back, mantisd is killed: nobody
# has to do anything, nothing is lost and nothing is stored twice.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40) NOT NULL); CREATE TABLE total (id INT PRIMARY KEY, n INT NOT NULL);
  INSERT INTO t SELECT seq, 'old' FROM seq_1_to_50; INSERT INTO total VALUES (1, 0);
  CREATE TRIGGER counts AFTER INSERT ON t FOR EACH ROW UPDATE total SET n = n + 1 WHERE id = 1"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet

kill_connections ()
{
  local id

  for id in $(maria "SELECT id FROM information_schema.processlist WHERE user = 'mantis'"); do
    maria "KILL $id" 2> /dev/null || true
  done
}

for i in $(seq 1 40); do
  sql tablet "INSERT INTO t VALUES (1000 + $i, 'tablet'); UPDATE t SET v = 'tablet $i' WHERE id = $i"
  [ $((i % 4)) != 0 ] || maria "INSERT INTO t VALUES (3000 + $i, 'office')"
  [ $((i % 3)) != 0 ] || kill_connections
  [ $i != 20 ] || kill_mantisd shop
  [ $i != 22 ] || start_mantisd shop --mode server
done
wait_for_maria tablet

mariadb_kill "$maria_folder"
sql tablet "INSERT INTO t VALUES (5000, 'while it was away')"
wait_for "the server to notice" has_message shop "mysql:shop: cannot"
mariadb_start "$maria_folder" || fail "MariaDB does not come back"
sql tablet "INSERT INTO t VALUES (5001, 'after it came back')"
wait_for_maria tablet
maria "INSERT INTO t VALUES (5002, 'from the office')"
wait_for_maria tablet
quiet tablet
[ "$(maria "SELECT count(*) FROM t WHERE id > 1000")" = 53 ] || fail "rows are missing"
[ "$(maria "SELECT n FROM total WHERE id = 1")" = 53 ] || fail "rows were stored twice, or not at all"

# Each way of dying around a commit: before it, behind it, and before the answer.
stop_mantisd shop
row=6000
for where in commit=1 commit=2 committed=1 committed=2 answer=1; do
  launch shop --config shop.json -D "die.$where" # it may die before it has answered anybody who asks whether it is ready
  until gone shop; do
    row=$((row + 1))
    sql tablet "INSERT INTO t VALUES ($row, '$where')"
    ctl tablet sync > /dev/null 2>&1 || true
  done
  wait "${pids[shop]}" 2> /dev/null || true
  unset "pids[shop]"
done
start_mantisd shop --mode server
wait_for "an exchange" ctl tablet sync # whose pauses have grown with each that failed
wait_for_maria tablet
[ "$(maria "SELECT n FROM total WHERE id = 1")" = $((53 + row - 6000)) ] || fail "rows were stored twice, or not at all"
