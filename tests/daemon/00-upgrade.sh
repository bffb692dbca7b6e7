#!/bin/bash
# 00: Mantis's own tables as an older version left them get the columns that they lack, on both sides, and all goes on:
# what waits is sent, conflicts are kept, the status tells all.  A file of a newer format is refused with one clear
# line, and left as it is.  O16.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE plan (id TEXT PRIMARY KEY, body TEXT)"
sql office "$schema; INSERT INTO note VALUES ('a', 'old'), ('b', 'old')"
sql tablet "$schema"
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet

# A row that is set aside, a kept conflict, and entries of the log: there is something in the tables.
sql office "ALTER TABLE plan ADD COLUMN due TEXT"
wait_until tablet 'T["plan"]["state"] == "paused"'
sql tablet "INSERT INTO plan VALUES ('p', 'set aside')"
wait_for_row tablet "SELECT 1 FROM __sync_pending"
stop_mantisd tablet
sql tablet "UPDATE note SET body = 'early' WHERE id = 'a'"
later
sql office "UPDATE note SET body = 'late' WHERE id = 'a'"
start_mantisd tablet --mode client
wait_until office 'S["conflicts"] == 1'
wait_until tablet 'S["conflicts"] == 1 and T["note"]["waiting"] == 0'
stop_mantisd tablet
stop_mantisd office

columns ()
{
  sql "$1" "SELECT t.name || '.' || c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c
    WHERE t.type = 'table' AND t.name GLOB '__sync_*' AND t.name NOT GLOB '__sync_versions_*' ORDER BY 1"
}

# older NAME: as a version made it that did not know these columns yet, be they the last ones or not.
older ()
{
  local column

  columns "$1" > "$1.columns"
  for column in __sync_state.generation __sync_state.detail __sync_state.loaded __sync_state.last_push \
    __sync_conflicts.decided_by __sync_conflicts.winner_origin __sync_conflicts.reason \
    __sync_pending.reason __sync_pending.next_try __sync_pending.tries __sync_held.reason __sync_held.next_try \
    __sync_nodes.disabled __sync_nodes.rev __sync_nodes.seen_at; do
    grep -qx "$column" "$1.columns" || continue
    sql "$1" "ALTER TABLE ${column%.*} DROP COLUMN ${column#*.}" || fail "$column cannot be left out"
  done
  columns "$1" | cmp -s - "$1.columns" && fail "$1 lacks no column"
  sql "$1" "UPDATE __sync_meta SET value = 0 WHERE name = 'format'"
}
older office
older tablet
sql tablet "INSERT INTO note VALUES ('c', 'written in between')"
start_mantisd office --mode server
start_mantisd tablet --mode client
for name in office tablet; do
  columns $name | diff - $name.columns || fail "the columns of $name: missing are those with >"
  [ "$(sql $name "SELECT value FROM __sync_meta WHERE name = 'format'")" -ge 1 ] || fail "the format of $name stays"
done
wait_for_row office "SELECT 1 FROM note WHERE id = 'c'"
says tablet 'T["plan"]["state"] == "paused" and T["plan"]["waiting"] == 1' || fail "what was set aside: $(cat tablet.status)"
sql tablet "ALTER TABLE plan ADD COLUMN due TEXT"
settled office tablet
[ "$(sql office "SELECT body FROM plan")" = "set aside" ] || fail "what was set aside did not come: $(rows office plan)"
stop_mantisd tablet
sql tablet "UPDATE note SET body = 'early' WHERE id = 'b'"
later
sql office "UPDATE note SET body = 'late' WHERE id = 'b'"
start_mantisd tablet --mode client
settled office tablet
[ "$(kept office) $(kept tablet)" = "2 2" ] || fail "conflicts kept: $(kept office) and $(kept tablet)"
ctl office conflicts list > said
[ "$(grep -c note said)" = 2 ] || fail "the conflicts, old and new: $(cat said)"
stop_mantisd tablet
stop_mantisd office

# Of a newer format: a table that is not as this version knows it stays as it is.
for name in office tablet; do
  sql $name "UPDATE __sync_meta SET value = 99 WHERE name = 'format'; ALTER TABLE __sync_state DROP COLUMN detail"
  sqlite3 $name.db .dump > $name.dump
  status=0
  timeout "$patience" "$build/mantisd" --config $name.json --log-level warning > refused 2>&1 || status=$?
  [ $status = 2 ] && [ "$(grep -c . refused)" = 1 ] && grep -q 'newer Mantis (format 99.*install that version' refused ||
    fail "$name: status $status, $(cat refused)"
  sqlite3 $name.db .dump | diff $name.dump - || fail "$name.db was touched"
  sql $name "INSERT INTO note VALUES ('$name', 'the application goes on')"
done
