#!/bin/bash
# 10: the connection to MariaDB is cut before, within and behind each statement of a transaction that stores what a
# device sent, COMMIT and its answer included: nothing is lost, nothing is stored twice (R19); a database server that
# comes later than mantisd, or is started anew under load, is waited for.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40) NOT NULL, n INT NOT NULL DEFAULT 0); INSERT INTO t VALUES (1, 'old', 0);
  CREATE TABLE total (id INT PRIMARY KEY, n INT NOT NULL); INSERT INTO total VALUES (1, 0);
  CREATE TRIGGER counts AFTER INSERT ON t FOR EACH ROW UPDATE total SET n = n + 1 WHERE id = 1"
road=$(free_port)
sed -i "s|\"socket\": \"[^\"]*\"|\"host\": \"127.0.0.1\", \"port\": $road|" shop.json
server=shop
launch shop --config shop.json
wait_for_message shop "waiting for it"
python3 -B "$top/tests/daemon/dbproxy.py" "$road" "$maria_folder/socket" before half after 2> dbproxy.log &
pids[dbproxy]=$!
wait_for_message shop ready
start_mantisd tablet --mode client
wait_for_row tablet "SELECT 1 FROM t WHERE id = 1"

row=1000
until [ -e climbed.after ]; do
  row=$((row + 1))
  sql tablet "INSERT INTO t (id, v) VALUES ($row, 'tablet'); UPDATE t SET v = 'at $row', n = n + 1 WHERE id = 1"
  ctl tablet sync > /dev/null 2>&1 || true
  [ $row -lt 1300 ] || fail "the road is not at its end: $(tail -n 3 cuts)"
done
cat cuts
grep -q '^after.*COMMIT' cuts || fail "no answer to COMMIT was lost"
quiet tablet
wait_for_maria tablet
[ "$(maria "SELECT n FROM total WHERE id = 1")" = $((row - 1000)) ] || fail "rows were stored twice, or not at all"
[ "$(maria "SELECT n FROM t WHERE id = 1")" = $((row - 1000)) ] || fail "the edits of row 1"
[ "$(maria "SELECT count(*) FROM __sync_conflicts")" = 0 ] || fail "what was sent twice met itself"
! has_message tablet "was it restored?" || fail "the server said that it had stored what it had not"

# Started anew, and killed, while the device writes: nobody has to do anything.
for how in stop kill; do
  sql tablet "UPDATE t SET v = '$how' WHERE id = 1; INSERT INTO t (id, v) VALUES ($((row += 1)), 'before')"
  "mariadb_$how" "$maria_folder"
  for i in 1 2 3 4 5; do
    sql tablet "INSERT INTO t (id, v) VALUES ($((row += 1)), 'meanwhile')"
  done
  mariadb_start "$maria_folder" || fail "MariaDB does not come back"
  sql tablet "INSERT INTO t (id, v) VALUES ($((row += 1)), 'behind')"
  wait_for_maria tablet
done
quiet tablet
[ "$(maria "SELECT n FROM total WHERE id = 1")" = $((row - 1000)) ] || fail "rows were stored twice, or not at all"
alive shop || fail "mantisd gave up"
