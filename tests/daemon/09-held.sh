#!/bin/bash
# 09: rows of the server that only a device's own schema refuses are held there alone: the status says which table and
# why, all else goes on, and once the schema was mended they come by themselves (K26).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE seat (id TEXT PRIMARY KEY, place INTEGER);
  CREATE TABLE size (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO note VALUES ('old', 'loaded'), ('early', 'bad')"
sql tablet "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT CHECK (body <> 'bad')); CREATE TABLE seat (id TEXT PRIMARY KEY, place INTEGER);
  CREATE UNIQUE INDEX one_place ON seat (place); CREATE TABLE size (id INTEGER PRIMARY KEY, n INTEGER) STRICT"
start_mantisd office --mode server
start_mantisd tablet --mode client
start_mantisd till --mode client

# One is refused while its table is loaded, the others out of one transaction with good ones.
wait_for_row tablet "SELECT 1 FROM note WHERE id = 'old'"
sql office "BEGIN; INSERT INTO note VALUES ('n1', 'bad'), ('n2', 'good'); UPDATE note SET body = 'bad' WHERE id = 'old';
  INSERT INTO seat VALUES ('s1', 7), ('s2', 7), ('s3', 8); INSERT INTO size VALUES (1, 'wide'), (2, 2); COMMIT"
wait_for_row tablet "SELECT 1 FROM size WHERE id = 2"
wait_until tablet 'S["held"] == 5 and S["waiting"] == 0'
cat > expected << 'END'
note|n2|good
note|old|loaded
seat|s1|7
seat|s3|8
size|2|2
END
sql tablet "SELECT 'note', * FROM note UNION ALL SELECT 'seat', * FROM seat UNION ALL SELECT 'size', * FROM size ORDER BY 1, 2" > found
diff expected found || fail "what the device took"
# stuck TABLE ROWS REASON: by the status?
stuck ()
{
  says tablet "[(s['rows'], s['what']) for s in S['stuck'] if s['table'] == '$1' and '$3' in s['reason']] == [($2, 'held')]" ||
    fail "the status does not tell $1: $(cat tablet.status)"
}
stuck note 3 'CHECK'
stuck seat 1 'UNIQUE'
stuck size 1 'TEXT'
says tablet '[s["key"] for s in S["stuck"] if s["table"] == "seat"] == [["s2"]]' || fail "which row: $(cat tablet.status)"
ctl tablet status > said
grep -q '^held  *note  *3 .*CHECK constraint failed' said || fail "for people: $(cat said)"

# All else goes on, also of these tables, both ways; also edits of a held row.
sql tablet "INSERT INTO seat VALUES ('t', 20); INSERT INTO note VALUES ('t', 'from the tablet')"
sql office "UPDATE note SET body = 'better' WHERE id = 'n1'; UPDATE seat SET place = 9 WHERE id = 's3'"
wait_for_row office "SELECT 1 FROM note JOIN seat USING (id) WHERE id = 't'"
wait_for_row tablet "SELECT 1 FROM note WHERE id = 'n1' AND body = 'better'"
wait_for_row tablet "SELECT 1 FROM seat WHERE id = 's3' AND place = 9"
wait_until tablet 'S["held"] == 4'
sql tablet "UPDATE note SET body = 'edited on the tablet' WHERE id = 'old'" # it never saw the other: a conflict, and the later wins
wait_for_row office "SELECT 1 FROM note WHERE id = 'old' AND body = 'edited on the tablet'"
wait_until tablet 'S["held"] == 3 and S["waiting"] == 0'
[ "$(sql office "SELECT outcome || ' ' || json_extract(loser, '\$.body') FROM __sync_conflicts")" = "beaten bad" ] ||
  fail "what the edit beat: $(sql office "SELECT * FROM __sync_conflicts")"

# What never got in was not deleted there, when the tables are compared.
ctl tablet scan > said || fail "scan: $(cat said)"
wait_for_message tablet 'compared with the server' 3
wait_until tablet 'S["held"] == 3 and S["waiting"] == 0 and all(t["state"] == "live" for t in S["tables"])'
[ "$(kept tablet)" = 0 ] || fail "these are no conflicts: $(sql tablet "SELECT * FROM __sync_conflicts")"

# The schema is mended: an index dropped, tables rebuilt; what was held comes at once.
sql tablet "DROP INDEX one_place"
wait_for_row tablet "SELECT 1 FROM seat WHERE id = 's2'"
# The others were tried again with it; the log has each once all the same.
[ "$(grep -c 'from the server cannot be stored here' tablet.log)" = 5 ] || fail "the log"
sql tablet "BEGIN; CREATE TABLE made (id TEXT PRIMARY KEY, body TEXT); INSERT INTO made SELECT * FROM note; DROP TABLE note;
  ALTER TABLE made RENAME TO note; COMMIT"
sql tablet "BEGIN; CREATE TABLE made (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO made SELECT * FROM size; DROP TABLE size;
  ALTER TABLE made RENAME TO size; COMMIT"
settled office tablet till
[ "$(sql tablet "SELECT typeof(n) FROM size WHERE id = 1")" = text ] || fail "the wide one"
wait_until tablet 'S["stuck"] == []'
ctl tablet status > said
! grep -q STUCK said || fail "nothing is stuck: $(cat said)"

# A schema that is mended while no mantisd runs.
sql tablet "CREATE UNIQUE INDEX one_body ON note (body)"
sql office "INSERT INTO note VALUES ('x1', 'same'), ('x2', 'same')"
wait_until tablet 'S["held"] == 1'
stop_mantisd tablet
sql tablet "DROP INDEX one_body"
start_mantisd tablet --mode client
settled office tablet till
