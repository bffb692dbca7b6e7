#!/bin/bash
# 06: SQLite lets NULL into a primary key, and such a row is told apart by nothing: it stays on its device, written down
# with the reason, holds up nobody, and goes once it has a key (C17).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE seat (hall TEXT, place INTEGER, who TEXT, PRIMARY KEY (hall, place))"
sql office "$schema"
sql tablet "$schema; INSERT INTO note VALUES (NULL, 'from before'), ('k', 'from before')"
start_mantisd office --mode server
start_mantisd tablet --mode client
wait_for_row office "SELECT 1 FROM note WHERE id = 'k'"

sql tablet "BEGIN; INSERT INTO note VALUES ('a', 'good'); INSERT INTO note VALUES (NULL, 'no key'), (NULL, 'nor this');
  INSERT INTO seat VALUES ('red', NULL, 'Ann'), ('red', 1, 'Bob'), (NULL, 2, 'Cid'); INSERT INTO note VALUES ('b', 'good'); COMMIT"
wait_for_row office "SELECT 1 FROM note JOIN seat ON who = 'Bob' WHERE id = 'b'"
wait_until tablet 'S["waiting"] == 0 and S["caught_up"] and S["conflicts"] == 3'
has_message tablet '"note": 1 rows have NULL in their primary key' || fail "a row from before that is passed over in silence"
# kept: what is written down, once for each key however often such rows are written to.
cat > expected << 'END'
note|[null]|rejected|mantis|a row with NULL in its primary key cannot be synced: give it a key
seat|["red",null]|rejected|mantis|a row with NULL in its primary key cannot be synced: give it a key
seat|[null,2]|rejected|mantis|a row with NULL in its primary key cannot be synced: give it a key
END
kept_rows ()
{
  sql tablet "SELECT tbl, key, outcome, decided_by, reason FROM __sync_conflicts ORDER BY tbl, key" > found
  diff expected found || fail "what is written down"
}
kept_rows
sql tablet "UPDATE note SET body = 'still no key' WHERE body = 'nor this'; DELETE FROM note WHERE body = 'no key'; INSERT INTO note VALUES ('c', 'good')"
wait_for_row office "SELECT 1 FROM note WHERE id = 'c'"
[ "$(sql office "SELECT count(*) FROM note")$(sql office "SELECT count(*) FROM seat")" = 41 ] || fail "what came to the office"
[ "$(sql tablet "SELECT count(*) FROM note WHERE id IS NULL")" = 2 ] || fail "what stays on the tablet"

# They get a key, one of them while no mantisd runs; and one more without, after the restart.
sql tablet "UPDATE note SET id = 'n1' WHERE body = 'still no key'; UPDATE seat SET place = 9 WHERE who = 'Ann'"
wait_for_row office "SELECT 1 FROM note JOIN seat ON who = 'Ann' AND place = 9 WHERE id = 'n1' AND body = 'still no key'"
stop_mantisd tablet
sql tablet "UPDATE seat SET hall = 'x' WHERE who = 'Cid'; UPDATE note SET id = 'n2' WHERE id IS NULL"
start_mantisd tablet --mode client
settled office tablet
kept_rows

# The server has such rows of its own.
sql office "INSERT INTO note VALUES (NULL, 'of the office'); INSERT INTO seat VALUES ('o', NULL, 'Dan'); INSERT INTO note VALUES ('o1', 'good')"
wait_for_row tablet "SELECT 1 FROM note WHERE id = 'o1'"
quiet tablet
sql office "UPDATE note SET id = 'o2' WHERE id IS NULL; UPDATE seat SET place = 3 WHERE who = 'Dan'"
wait_for_row tablet "SELECT 1 FROM note JOIN seat ON who = 'Dan' WHERE id = 'o2'"
settled office tablet
! grep -E ' error ' office.log tablet.log || fail "errors"
