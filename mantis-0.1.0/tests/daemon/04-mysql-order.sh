#!/bin/bash
# 04: on MariaDB a transaction that commits late is not passed over, ids that were rolled back hold up nobody, and
# with many writers at once every row arrives (R1, R2, R3, D13).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE t (id INT PRIMARY KEY, writer INT NOT NULL, n INT NOT NULL);
  CREATE TABLE u (id INT PRIMARY KEY, n INT NOT NULL); INSERT INTO u SELECT seq, 0 FROM seq_1_to_20"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet

# One writes first and commits last; the others' rows, with later ids, arrive meanwhile.
exec 8> >(mariadb_do "$maria_folder" -n shop > first.out)
echo "BEGIN; INSERT INTO t VALUES (1, 0, 0); UPDATE u SET n = n + 1 WHERE id = 20; SELECT 'written';" >&8
wait_for "the first one's rows" grep -q written first.out
for id in 2 3 4; do
  maria "INSERT INTO t VALUES ($id, 0, 0); BEGIN; INSERT INTO t VALUES (100 + $id, 0, 0); ROLLBACK"
  wait_for_row tablet "SELECT 1 FROM t WHERE id = $id"
done
[ -z "$(sql tablet "SELECT 1 FROM t WHERE id = 1")" ] || fail "what is not committed was sent"
echo "COMMIT;" >&8
exec 8>&-
wait_for_row tablet "SELECT 1 FROM t WHERE id = 1"
wait_for_maria tablet

# Eight writers, every third transaction rolled back, some slow; and the tablet.
writer ()
{
  local i

  for ((i = 0; i < 40; i++)); do
    echo "BEGIN; INSERT INTO t VALUES ($((1000 * $1 + i)), $1, $i); UPDATE u SET n = n + 1 WHERE id = $((1 + (i * 7 + $1) % 19));"
    [ $((i % 5)) != 0 ] || echo "DO sleep(0.02);"
    [ $((i % 3)) = 0 ] && echo "ROLLBACK;" || echo "COMMIT;"
  done | mariadb_do "$maria_folder" --force shop 2> "writer.$1"
}
for w in 1 2 3 4 5 6 7 8; do
  writer $w &
  writers[w]=$!
done
for ((i = 0; i < 20; i++)); do
  sql tablet "INSERT INTO t VALUES ($((20000 + i)), 99, $i)"
done
for w in 1 2 3 4 5 6 7 8; do
  wait "${writers[$w]}" || true
done
quiet tablet
wait_for_maria tablet
[ "$(maria "SELECT count(*) FROM t WHERE writer = 99")" = 20 ] || fail "rows of the tablet are missing"
[ -z "$(maria "SELECT 1 FROM __sync_outbox LIMIT 1")" ] || fail "something waits to be numbered"
[ "$(maria "SELECT count(*) - max(seq) FROM __sync_log")" = 0 ] || fail "there are gaps in the log"
