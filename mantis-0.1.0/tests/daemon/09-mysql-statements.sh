#!/bin/bash
# 09: many rows a statement: what a device has written is read, written, logged and deleted on MariaDB by the thousand,
# and so is what other programs wrote.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
rows=4000 most=400 # statements for that many rows, the bookkeeping of batches and pulls among them
start_mariadb shop
maria "CREATE TABLE note (id VARCHAR(36) COLLATE utf8mb4_bin PRIMARY KEY, body VARCHAR(80));
CREATE TABLE item (id INT PRIMARY KEY, code VARCHAR(20) UNIQUE, note VARCHAR(36) COLLATE utf8mb4_bin,
  FOREIGN KEY (note) REFERENCES note (id))"
start_mantisd shop --mode server --log-level debug -D mysql.sql=1
start_mantisd tablet --mode client
wait_for_maria tablet

# Of the server, without those that look for news.
statements ()
{
  grep "debug   mysql: " shop.log | grep -vc "mysql: SELECT seq, EXISTS\|mysql: SELECT count(\*), sum(crc32"
}

few ()
{
  local taken=$(($(statements) - before))

  echo "$1: $taken statements"
  [ "$taken" -lt $most ] || fail "$1: $taken statements for $rows rows"
}

numbers="WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $((rows / 2)))"
while IFS= read -r statement; do
  before=$(statements)
  sql tablet "$statement"
  wait_for_maria tablet
  quiet tablet
  few "$statement"
done << END
BEGIN; $numbers INSERT INTO note SELECT 'n' || i, 'body' FROM n; $numbers INSERT INTO item SELECT i, 'c' || i, 'n' || i FROM n; COMMIT
BEGIN; UPDATE note SET body = 'other'; UPDATE item SET code = code || '+'; COMMIT
BEGIN; DELETE FROM item; DELETE FROM note; COMMIT
END

maria "SET max_recursive_iterations = 100000; INSERT INTO note $numbers SELECT concat('m', i), '' FROM n"
before=$(statements)
maria "UPDATE note SET body = 'office'"
wait_for_maria tablet
few "of another program"
