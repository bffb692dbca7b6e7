#!/bin/bash
# 04: two servers on one MariaDB behind a plain balancer; devices are answered by one and the other, the back office
# writes, and one server after the other is killed: in the end all hold the same, and nobody sent anything twice.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40) NOT NULL); INSERT INTO t SELECT seq, 'old' FROM seq_1_to_50;
  CREATE TABLE total (id INT PRIMARY KEY, n INT NOT NULL); INSERT INTO total VALUES (1, 0);
  CREATE TRIGGER counts AFTER INSERT ON t FOR EACH ROW UPDATE total SET n = n + 1 WHERE id = 1"
start_pair shop depot
start_mantisd tablet --mode client
start_mantisd phone --mode client
wait_for_maria tablet phone

for i in $(seq 1 30); do
  sql tablet "INSERT INTO t VALUES (1000 + $i, 'tablet'); UPDATE t SET v = 'tablet $i' WHERE id = $i"
  sql phone "INSERT INTO t VALUES (2000 + $i, 'phone'); UPDATE t SET v = 'phone $i' WHERE id = 51 - $i"
  maria "INSERT INTO t VALUES (3000 + $i, 'office'); UPDATE t SET v = 'office $i' WHERE id = $((i + 10))"
  case $i in
  8) kill_mantisd shop ;;
  16)
    port=$first launch shop --config shop.json
    ;;
  22) kill_mantisd depot ;;
  esac
done
wait_for_maria tablet phone
quiet tablet phone
wait_for_maria tablet phone
[ "$(maria "SELECT count(*) FROM t WHERE id > 1000")" = 90 ] || fail "rows are missing"
[ "$(maria "SELECT n FROM total WHERE id = 1")" = 90 ] || fail "rows were stored twice, or not at all"

# A scan that one of them is told to make is heard of from the other.
launch depot --config depot.json
wait_for_message depot ready
maria "SET @__sync_quiet = 1; UPDATE t SET v = 'unseen' WHERE id = 3; SET @__sync_quiet = NULL"
ctl depot scan t > /dev/null
wait_for_maria tablet phone
