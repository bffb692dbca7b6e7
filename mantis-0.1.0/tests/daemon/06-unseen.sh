#!/bin/bash
# 06: what no trigger saw is noticed and healed while mantisd runs, on both sides: a rebuilt table (C11), a renamed
# one (C13), writes while the triggers were dropped (mantisctl scan), a backup written over the file in place (C21), a
# table dropped and made again (O15), VACUUM and reused rowids (C15); the rest goes on meanwhile.
. "${0%/*}/functions.sh"

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE other (id INTEGER PRIMARY KEY, v TEXT)"
sql office "$schema; INSERT INTO note VALUES ('a', '1'), ('b', '2'), ('c', '3'), ('d', '4')"
sql tablet "$schema"
start_mantisd office --mode server
start_mantisd tablet --mode client
start_mantisd till --mode client
settled office tablet till

# rebuild NAME STATEMENTS: as SQLite's documentation advises for what ALTER TABLE cannot do.
rebuild ()
{
  sql "$1" "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; CREATE TABLE new_note (id TEXT PRIMARY KEY, body TEXT);
    INSERT INTO new_note SELECT id, body FROM note; DROP TABLE note; ALTER TABLE new_note RENAME TO note; $2; COMMIT"
}

# triggers NAME: capture's, on note.
triggers ()
{
  sql "$1" "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'note' AND name LIKE '\\_\\_sync%' ESCAPE '\\'"
}
has_triggers ()
{
  [ "$(triggers "$1")" -ge 3 ]
}

# ---- Rebuilt, on the device, with writes in the same transaction that no trigger saw --------------------
rebuild tablet "UPDATE note SET body = 'unseen' WHERE id = 'a'; INSERT INTO note VALUES ('e', 'unseen'); DELETE FROM note WHERE id = 'b'"
wait_for "the triggers to be back on the tablet" has_triggers tablet
wait_for_message tablet 'table "note": writes may have gone unseen: a trigger of the capture was dropped, or the table was rebuilt'
settled office tablet till
[ "$(sql till "SELECT group_concat(id || body) FROM (SELECT * FROM note ORDER BY id)")" = aunseen,c3,d4,eunseen ] || fail "$(sql till "SELECT * FROM note")"
sql tablet "UPDATE note SET body = 'seen' WHERE id = 'a'"
settled office tablet till

# ---- Rebuilt, on the server ------------------------------------------------------------------------------
rebuild office "UPDATE note SET body = 'office, unseen' WHERE id = 'c'; DELETE FROM note WHERE id = 'd'"
wait_for "the triggers to be back on the server" has_triggers office
settled office tablet till
[ "$(sql till "SELECT body FROM note WHERE id = 'c'")$(sql tablet "SELECT count(*) FROM note WHERE id = 'd'")" = "office, unseen0" ] ||
  fail "what the rebuild on the server wrote: $(sql till "SELECT * FROM note")"

# ---- Triggers dropped, written, and asked to scan ---------------------------------------------------------
for name in tablet office; do
  stop_mantisd $name
  sql $name "SELECT 'DROP TRIGGER \"' || name || '\";' FROM sqlite_master WHERE type = 'trigger'" > drop.sql
  sql $name "SELECT sql || ';' FROM sqlite_master WHERE type = 'trigger'" > make.sql
  sql $name "BEGIN; $(cat drop.sql) INSERT INTO note VALUES ('scan $name', 'behind its back'); UPDATE note SET body = 'behind' WHERE id = 'a'; $(cat make.sql) COMMIT"
  start_mantisd $name --mode $([ $name = office ] && echo server || echo client)
  quiet tablet
  ctl $name scan note > said || fail "scan: $(cat said)"
  wait_for_sync till $name
  settled office tablet till
  [ -n "$(sql till "SELECT 1 FROM note WHERE id = 'scan $name'")" ] || fail "scan on $name found nothing"
done

# ---- Renamed away and back; dropped and made again --------------------------------------------------------
sql tablet "BEGIN; ALTER TABLE note RENAME TO moved; INSERT INTO moved VALUES ('renamed', 'x'); ALTER TABLE moved RENAME TO note; COMMIT"
sql tablet "INSERT INTO note VALUES ('after', 'renaming')"
settled office tablet till
[ -n "$(sql office "SELECT 1 FROM note WHERE id = 'renamed'")" ] || fail "what was written under another name"
sql tablet "BEGIN; DROP TABLE other; CREATE TABLE other (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO other VALUES (1, 'made again'); COMMIT"
settled office tablet till
[ "$(sql office "SELECT v FROM other")" = "made again" ] || fail "a table that was made again"
sql tablet "DROP TABLE other" # that is not to delete its rows
wait_for_row tablet "SELECT 1 FROM other"
settled office tablet till
[ "$(sql office "SELECT v FROM other")" = "made again" ] || fail "a table that was dropped on one device"

# ---- A backup written over the file, in place and by the backup API ----------------------------------------
sql tablet ".backup saved.db"
sql tablet "INSERT INTO note VALUES ('sent', 'after the backup'); UPDATE note SET body = 'newer' WHERE id = 'a'"
settled office tablet till
sqlite3 saved.db "INSERT INTO note VALUES ('in the backup', 'unsent')"
sqlite3 -cmd '.timeout 20000' tablet.db ".restore saved.db"
settled office tablet till
[ "$(sql tablet "SELECT count(*) FROM note WHERE id IN ('sent', 'in the backup')")" = 2 ] || fail "after a restore: $(sql tablet "SELECT * FROM note")"
[ "$(sql till "SELECT body FROM note WHERE id = 'a'")" = newer ] || fail "a restored file undid what was newer"

# ---- rowid ---------------------------------------------------------------------------------------------------
sql tablet "INSERT INTO other VALUES (10, 'x')"
settled office tablet till
sql tablet "DELETE FROM other WHERE id = 10"
sql tablet "INSERT INTO other (v) VALUES ('takes the number again')"
sql tablet "DELETE FROM note WHERE id IN ('after', 'sent')"
sql tablet "VACUUM"
sql tablet "INSERT INTO note VALUES ('vacuumed', 'x')"
sql office "VACUUM"
settled office tablet till
for name in office tablet till; do
  [ "$(sql $name "SELECT count(*) FROM __sync_conflicts")" = 0 ] || fail "conflicts in $name: $(sql $name "SELECT tbl, key, outcome, reason, loser, winner FROM __sync_conflicts")"
done
