#!/bin/bash
# 06: TRUNCATE on MariaDB is noticed where Mantis's user has not the privilege PROCESS, with rows written behind it and
# without, of a partition, with mantisd running or not; a table that cannot have been meant is not compared.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "REVOKE PROCESS ON *.* FROM mantis@localhost;
  CREATE TABLE bare (id INT PRIMARY KEY, v INT); CREATE TABLE filled (id INT PRIMARY KEY, v INT); CREATE TABLE calm (id INT PRIMARY KEY, v INT);
  CREATE TABLE part (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20));
  INSERT INTO bare VALUES (1, 1), (2, 2); INSERT INTO filled VALUES (1, 1), (2, 2), (3, 3); INSERT INTO calm VALUES (1, 1);
  INSERT INTO part VALUES (1, 1), (11, 11)"
start_mantisd shop --mode server
has_message shop "has not the privilege PROCESS" || fail "no word about PROCESS"
start_mantisd tablet --mode client
wait_for_maria tablet
# The engine tells times of writes in seconds: what was written just before a look may have been written behind it.
wait_for "the last write to be some time ago" gives_maria "SELECT 1 FROM information_schema.tables WHERE table_schema = 'shop' AND table_name = 'calm'
  AND update_time < now() - INTERVAL 5 SECOND"

maria "TRUNCATE bare"
wait_for_maria tablet
maria "TRUNCATE filled; INSERT INTO filled VALUES (2, 20), (4, 40)"
wait_for_maria tablet
maria "ALTER TABLE part TRUNCATE PARTITION p0"
wait_for_maria tablet
for table in bare filled part; do
  has_message shop "table \"$table\": writes may have gone unseen" || fail "nothing says so of $table"
done

maria "INSERT INTO bare VALUES (5, 5)"
wait_for_maria tablet
stop_mantisd shop
maria "TRUNCATE filled; INSERT INTO filled VALUES (9, 9)"
start_mantisd shop --mode server
ctl tablet sync > /dev/null || true
wait_for_maria tablet
! has_message shop 'table "calm": writes' || fail "a table was compared that nobody had touched"
quiet tablet

# What Mantis alters itself, for filters, is nobody's TRUNCATE.
stop_mantisd shop
sed -i 's/"mode": "server"/&, "tables": {"*": {"filters": [{"plugin": "where", "read": "v < 1000"}]}}/' shop.json
said=$(grep -c 'writes may have gone unseen' shop.log)
maria "INSERT INTO calm VALUES (2, 2)"
start_mantisd shop --mode server
ctl tablet sync > /dev/null || true
wait_for_maria tablet
maria "INSERT INTO calm VALUES (3, 1000); UPDATE calm SET v = 1001 WHERE id = 2"
wait_for_row tablet "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM calm WHERE id = 2)"
[ "$(grep -c 'writes may have gone unseen' shop.log)" = "$said" ] || fail "$(grep 'writes may have gone unseen' shop.log)"
