#!/bin/bash
# 12: while a push is on its way the server's table gets another primary key, and another one is dropped: the push is not
# repeated for ever, nothing of it is lost, other tables go on, and when the tables are as they were all of it arrives.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

schema="CREATE TABLE note (id TEXT PRIMARY KEY, code TEXT NOT NULL, body TEXT); CREATE TABLE mark (id TEXT PRIMARY KEY); CREATE TABLE other (id TEXT PRIMARY KEY)"
sql office "$schema; INSERT INTO note VALUES ('old', 'o', 'to be deleted'), ('n', 'x', 'to be edited')"
start_mantisd office --mode server
start_proxy
start_mantisd tablet --mode client
settled office tablet

# The push is lost, again and again, and so is all that would tell the client of the change.
road "/sync/push drop-request - *" "/sync/hello drop-request - *" "/sync/pull drop-request - *"
sql office "INSERT INTO other VALUES ('ends the pull that waits')"
wait_for_row tablet "SELECT 1 FROM other"
: > requests
sql tablet "BEGIN; INSERT INTO note VALUES ('new', 'c', 'written offline'); UPDATE note SET body = 'edited' WHERE id = 'n';
  DELETE FROM note WHERE id = 'old'; INSERT INTO mark VALUES ('m'); INSERT INTO other VALUES ('go on'); COMMIT"
wait_for "a push" grep -q '"/sync/push"' requests
# The values of one column are keys of the other's, so that a wrong reading would find rows.
sql office "BEGIN; CREATE TABLE n2 (id TEXT, code TEXT PRIMARY KEY, body TEXT); INSERT INTO n2 SELECT * FROM note; INSERT INTO n2 VALUES ('x', 'new', 'office');
  DROP TABLE note; ALTER TABLE n2 RENAME TO note; DROP TABLE mark; COMMIT"
road "/sync/hello drop-request - *" "/sync/pull drop-request - *"
wait_for "the push to be answered" grep -q '"/sync/push".*"status": [1-9]' requests
road
wait_until tablet 'T["note"]["state"] == "paused" and T["mark"]["state"] == "paused" and T["other"]["waiting"] == 0 and S["waiting"] == 4'
wait_for_row office "SELECT 1 FROM other WHERE id = 'go on'"
[ "$(sql office "SELECT count(*) FROM note WHERE body IN ('edited', 'written offline')")" = 0 ] || fail "rows went into a table with another key"

sql office "BEGIN; CREATE TABLE n3 (id TEXT PRIMARY KEY, code TEXT NOT NULL, body TEXT); INSERT INTO n3 SELECT * FROM note WHERE id <> 'x';
  DROP TABLE note; ALTER TABLE n3 RENAME TO note; CREATE TABLE mark (id TEXT PRIMARY KEY); COMMIT"
wait_until tablet 'T["note"]["state"] == "live" and T["mark"]["state"] == "live" and S["waiting"] == 0'
settled office tablet
[ "$(sql office "SELECT group_concat(id || ' ' || body, ';') FROM (SELECT * FROM note ORDER BY id)")" = "n edited;new written offline" ] ||
  fail "notes: $(sql office "SELECT * FROM note")"
[ "$(sql office "SELECT count(*) FROM mark")" = 1 ] || fail "a row of the table that was dropped for a while"
