#!/bin/bash
# 09: many rows a statement: what a device has written is read, written, logged and deleted on MariaDB by the thousand,
# and so is what other programs wrote.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
rows=4000 most=60 # statements for that many rows; a dozen are the bookkeeping of a batch
start_mariadb shop
maria "CREATE TABLE note (id VARCHAR(36) COLLATE utf8mb4_bin PRIMARY KEY, body VARCHAR(80));
CREATE TABLE item (id INT PRIMARY KEY, code VARCHAR(20) UNIQUE, note VARCHAR(36) COLLATE utf8mb4_bin,
  FOREIGN KEY (note) REFERENCES note (id))"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet

# Those that write: looking for news does not.
statements ()
{
  maria "SELECT sum(variable_value) FROM information_schema.global_status WHERE variable_name IN ('COM_INSERT',
    'COM_INSERT_SELECT', 'COM_UPDATE', 'COM_UPDATE_MULTI', 'COM_DELETE', 'COM_DELETE_MULTI', 'COM_REPLACE')" | cut -d. -f1
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
before=$(($(statements) + rows / 2)) # each trigger's INSERT counts
maria "UPDATE note SET body = 'office'"
wait_for_maria tablet
few "of another program"
