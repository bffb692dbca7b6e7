#!/bin/bash
# 10: mantisd is killed at the moment when it has put back the triggers that were lost, and has not yet written down that
# every device has to compare the table: the next start finds it again.  The same for a table that was swapped or truncated.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE note (id INT PRIMARY KEY, body VARCHAR(40)); INSERT INTO note VALUES (1, 'old'), (2, 'old')"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet
quiet tablet
stop_mantisd shop

trigger=__sync_$(maria "SELECT id FROM __sync_tables WHERE name = 'note'")_upd
while IFS= read -r statement; do
  maria "$statement" || fail "MariaDB refuses: $statement"
  launch shop --config shop.json -D die.attach=1
  wait_for "mantisd to be killed" gone shop
  wait "${pids[shop]}" 2> /dev/null || true
  unset "pids[shop]"
  start_mantisd shop --mode server
  wait_for_maria tablet
  echo "found again: $statement"
  stop_mantisd shop
done << END
DROP TRIGGER $trigger; UPDATE note SET body = 'trigger dropped' WHERE id = 1
TRUNCATE note; INSERT INTO note VALUES (3, 'truncated')
CREATE TABLE note_new LIKE note; INSERT INTO note_new VALUES (4, 'swapped'); RENAME TABLE note TO note_old, note_new TO note
END
