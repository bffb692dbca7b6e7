#!/bin/bash
# 16: while somebody's transaction keeps the triggers of one table from being made, that table waits, with those that refer
# to it, and all others are synced; when it has ended they are synced as well, and nothing is lost: the same for a new
# table and for one whose triggers were lost while a device was at work.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE note (id INT PRIMARY KEY, body VARCHAR(40));
  CREATE TABLE busy (id INT PRIMARY KEY, body VARCHAR(40));
  CREATE TABLE line (id INT PRIMARY KEY, busy INT, FOREIGN KEY (busy) REFERENCES busy (id));
  INSERT INTO note VALUES (1, 'office'); INSERT INTO busy VALUES (1, 'office')"
sql tablet "CREATE TABLE busy (id INT NOT NULL PRIMARY KEY, body VARCHAR(40));
  CREATE TABLE line (id INT NOT NULL PRIMARY KEY, busy INT REFERENCES busy (id));
  INSERT INTO busy VALUES (2, 'tablet'); INSERT INTO line VALUES (2, 2)"

# ---- New tables ----
long_transaction "BEGIN; SELECT count(*) FROM busy;"
start_mantisd shop --mode server
says shop 'T["note"]["state"] == "live" and T["busy"]["state"] == "refused" and T["line"]["state"] == "refused"' ||
  fail "the state of the tables: $(cat shop.status)"
start_mantisd tablet --mode client
wait_until tablet 'T["note"]["state"] == "live" and T["busy"]["state"] == "paused" and T["line"]["state"] == "paused"'
wait_for_row tablet "SELECT 1 FROM note WHERE id = 1"
sql tablet "INSERT INTO note VALUES (2, 'tablet')"
wait_for "the tablet's note" gives_maria "SELECT 1 FROM note WHERE id = 2"
maria "INSERT INTO note VALUES (3, 'office')"
wait_for_row tablet "SELECT 1 FROM note WHERE id = 3"
maria "INSERT INTO busy VALUES (3, 'unseen')"
says shop 'T["busy"]["state"] == "refused"' || fail "it did not wait"
end_it
wait_until tablet 'T["busy"]["state"] == "live" and T["line"]["state"] == "live"'
wait_for_maria tablet
quiet tablet
[ "$(maria "SELECT group_concat(id ORDER BY id) FROM busy")" = 1,2,3 ] || fail "busy"
[ "$(maria "SELECT group_concat(id) FROM line")" = 2 ] || fail "line"
[ "$(kept tablet)" = 0 ] || fail "conflicts"

# ---- Triggers that were lost ----
stop_mantisd shop
for trigger in $(maria "SELECT trigger_name FROM information_schema.triggers WHERE event_object_table = 'busy'"); do
  maria "DROP TRIGGER $trigger"
done
maria "INSERT INTO busy VALUES (4, 'unseen'); UPDATE busy SET body = 'unseen' WHERE id = 1"
long_transaction "BEGIN; SELECT count(*) FROM busy;"
start_mantisd shop --mode server
sql tablet "INSERT INTO busy VALUES (5, 'tablet'); INSERT INTO line VALUES (5, 5); INSERT INTO note VALUES (5, 'tablet')"
wait_until tablet 'T["note"]["state"] == "live" and T["busy"]["state"] == "paused" and T["line"]["state"] == "paused"'
wait_for "the tablet's note" gives_maria "SELECT 1 FROM note WHERE id = 5"
maria "INSERT INTO line VALUES (4, 4)"
says shop 'T["busy"]["state"] == "refused" and T["line"]["state"] == "refused"' || fail "it did not wait"
end_it
wait_until tablet 'T["busy"]["state"] == "live" and T["line"]["state"] == "live"'
wait_for_maria tablet
quiet tablet
[ "$(maria "SELECT group_concat(id ORDER BY id) FROM busy")" = 1,2,3,4,5 ] || fail "busy"
[ "$(maria "SELECT group_concat(id ORDER BY id) FROM line")" = 2,4,5 ] || fail "line"
[ "$(maria "SELECT body FROM busy WHERE id = 1")" = unseen ] || fail "what went unseen was written over"
[ "$(kept tablet)" = 0 ] || fail "conflicts"
stop_mantisd tablet
stop_mantisd shop
