#!/bin/bash
# 12: a column that one side has first pauses that table alone, says so, loses nothing and resumes by itself (D12, O14,
# O18, C12); tables that come later bring their history (O13), rows from before Mantis are sent (O12); what cannot be
# synced is refused by name and reason (C14, C17, C18).
. "${0%/*}/functions.sh"

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE other (id TEXT PRIMARY KEY, v TEXT)"
sql office "$schema; WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 500) INSERT INTO note SELECT 'n' || k, 'old' FROM k"
start_mantisd office --mode server
start_mantisd tablet --mode client
start_mantisd till --mode client
settled office tablet till

# ---- The server is first ----------------------------------------------------------------------------------
sql office "ALTER TABLE note ADD COLUMN vat REAL DEFAULT 0.19; UPDATE note SET vat = 0.07 WHERE id = 'n1'"
sql tablet "UPDATE note SET body = 'edited while paused' WHERE id = 'n2'; INSERT INTO note VALUES ('t1', 'new while paused')"
wait_until tablet 'T["note"]["state"] == "paused" and "vat" in T["note"]["reason"] and T["note"]["waiting"] == 2'
has_message tablet 'table "note" is paused' || fail "a pause that is not in the log"
ctl tablet status > said
grep -q 'paused' said && grep -q 'vat' said || fail "mantisctl status does not say it: $(cat said)"
# The other table goes on, both ways.
sql tablet "INSERT INTO other VALUES ('t', 'from the tablet')"
sql office "INSERT INTO other VALUES ('o', 'from the office')"
wait_for "the other table to go on" same_rows office tablet other
[ "$(sql office "SELECT body FROM note WHERE id = 'n2'")" = old ] || fail "a row without the new column went up"
sql tablet "ALTER TABLE note ADD COLUMN vat REAL"
wait_until tablet 'T["note"]["state"] == "live" and S["waiting"] == 0'
wait_for_sync tablet office
[ "$(sql tablet "SELECT group_concat(id || body, ';') FROM (SELECT * FROM note WHERE id IN ('n2', 't1') ORDER BY id)")" = \
  "n2edited while paused;t1new while paused" ] || fail "what was written while it was paused"
[ "$(sql tablet "SELECT vat FROM note WHERE id = 'n1'")-$(sql tablet "SELECT vat FROM note WHERE id = 'n6'")" = 0.07-0.19 ] ||
  fail "the server's values of the new column"
sql tablet "UPDATE note SET vat = 0.25 WHERE id = 'n3'" # only the new column (C12)
wait_for_row office "SELECT 1 FROM note WHERE id = 'n3' AND vat = 0.25"
[ "$(sql till "SELECT count(*) FROM note")" = 500 ] || fail "the till, which has no such column yet"
sql till "ALTER TABLE note ADD COLUMN vat REAL DEFAULT 9"
settled office tablet till

# ---- A device is first ------------------------------------------------------------------------------------
sql tablet "ALTER TABLE note ADD COLUMN colour TEXT; UPDATE note SET colour = 'red' WHERE id = 'n4'"
sql office "UPDATE note SET body = 'office meanwhile' WHERE id = 'n5'"
wait_until tablet 'T["note"]["state"] == "paused" and "colour" in T["note"]["reason"]'
wait_for_row till "SELECT 1 FROM note WHERE id = 'n5' AND body = 'office meanwhile'" # the others do not notice
sql office "ALTER TABLE note ADD COLUMN colour TEXT DEFAULT 'none'"
wait_until tablet 'T["note"]["state"] == "live"'
wait_for_sync tablet office
[ "$(sql office "SELECT colour FROM note WHERE id = 'n4'")" = red ] || fail "the tablet's column"
sql till "ALTER TABLE note ADD COLUMN colour TEXT"
settled office tablet till
[ "$(sql till "SELECT vat || colour FROM note WHERE id = 'n4'")" = 0.19red ] || fail "the till's columns: $(sql till "SELECT * FROM note WHERE id = 'n4'")"

# ---- Tables that come later, with rows --------------------------------------------------------------------
sql office "CREATE TABLE late (a TEXT, b TEXT, v BLOB, PRIMARY KEY (b, a)) WITHOUT ROWID; INSERT INTO late VALUES ('x', 'y', x'00')"
wait_for_sync tablet office
sql till "INSERT INTO late VALUES ('x', 'z', NULL)"
settled office tablet till
sql tablet "CREATE TABLE mine (id TEXT PRIMARY KEY, v TEXT); INSERT INTO mine VALUES ('before', 'the server has it')"
wait_until tablet 'T["mine"]["state"] == "paused" and "no such table" in T["mine"]["reason"]'
sql office "CREATE TABLE mine (id TEXT PRIMARY KEY, v TEXT)"
wait_for_row till "SELECT 1 FROM mine WHERE id = 'before'"
[ "$(grep 'table "mine": ' tablet.log | sed 's/.*"mine": //' | head -n 2 | paste -sd ';')" = "captured from now on;the server has it now" ] ||
  fail "the log on a table that the server lacked: $(grep '"mine"' tablet.log)"
[ "$(grep -c 'same columns again' tablet.log)" = 2 ] || fail "not twice: $(grep 'same columns again' tablet.log)"
settled office tablet till
# Of a list of tables, one more.
stop_mantisd till
sed -i 's/"mode": "client",/"mode": "client", "tables": ["note", "late"],/' till.json
start_mantisd till --mode client
sql office "INSERT INTO other VALUES ('unlisted', 'x'); INSERT INTO note (id, body) VALUES ('listed', 'x')"
sql till "INSERT INTO other VALUES ('on the till', 'while it is not listed')"
wait_for_row till "SELECT 1 FROM note WHERE id = 'listed'"
[ -z "$(sql till "SELECT 1 FROM other WHERE id = 'unlisted'")" ] || fail "a table that is not in the list was synced"
stop_mantisd till
sed -i 's/\["note", "late"\]/["note", "late", "other", "m*"]/' till.json
start_mantisd till --mode client
settled office tablet till
[ "$(sql office "SELECT count(*) FROM other WHERE id IN ('unlisted', 'on the till')")" = 2 ] || fail "rows of the time when it was not listed"

# ---- What cannot be synced ----------------------------------------------------------------------------------
sql tablet "CREATE TABLE keyless (a, b); INSERT INTO keyless VALUES (1, 2); CREATE VIRTUAL TABLE search USING fts5 (body)"
wait_until tablet 'T["keyless"]["state"] == "refused" and "key" in T["keyless"]["reason"]'
wait_until tablet 'any("search" == n and T[n]["state"] == "refused" and T[n]["reason"] for n in T)'
has_message tablet '"keyless" is not synced' || fail "not in the log"
sql tablet "DROP TABLE keyless; DROP TABLE search"
settled office tablet till
for name in office tablet till; do
  [ "$(kept $name)" = 0 ] || fail "conflicts in $name: $(sql $name "SELECT tbl, key, outcome, reason FROM __sync_conflicts")"
done
