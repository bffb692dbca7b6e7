#!/bin/bash
# 02: Mantis's own data stay small beside the data: a key for each row, an entry for a write, and on a device none once
# it has been sent, however often the same rows are updated (O11); a log that has become large because
# nothing could be sent says so in good time, and is folded (C8).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

# size NAME: bytes of its database, without what is free in it.
size ()
{
  sql "$1" "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
}

count ()
{
  sql "$1" "SELECT count(*) FROM $2"
}

# ---- A key for each row ----------------------------------------------------------------------------------
sql office "CREATE TABLE note (id INTEGER PRIMARY KEY, who TEXT, n INTEGER, body TEXT);
  WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 5000)
  INSERT INTO note SELECT k, CASE WHEN k <= 200 THEN 'office' WHEN k <= 400 THEN 'tablet' END, 0, printf('%0100d', k) FROM k"
plain=$(size office)
start_mantisd office --mode server
configure_client tablet
sed -i 's/"sync": {/"sync": {"warn_entries": 1000, /' tablet.json
start_mantisd tablet --mode client
settled office tablet
for name in office tablet; do
  echo "$name: $(size $name) bytes, $plain without Mantis"
  [ "$(size $name)" -le $((plain + 5000 * 20 + 100000)) ] || fail "$name: $(size $name) bytes for $plain of rows"
done

# ---- The same rows, again and again ----------------------------------------------------------------------
# round N: 400 rows are updated three times, half of them on each side.
round ()
{
  local i name

  for i in 1 2 3; do
    for name in office tablet; do
      sql $name "UPDATE note SET n = $1 * 10 + $i WHERE who = '$name'"
    done
  done
  settled office tablet
}

for ((n = 1; n <= 4; n++)); do
  round $n
  [ "$(count tablet __sync_log)" = 1 ] || fail "the tablet's log is not emptied: $(count tablet __sync_log) entries"
  for table in __sync_pending __sync_held __sync_seen __sync_conflicts; do
    [ "$(count tablet $table)" = 0 ] || fail "$table: $(sql tablet "SELECT * FROM $table LIMIT 3")"
  done
  [ "$(count tablet __sync_bases)" -le 1 ] || fail "__sync_bases: $(sql tablet "SELECT * FROM __sync_bases")"
  [ $n != 2 ] || early=$(size tablet) log=$(count office __sync_log) file=$(size office)
done
echo "tablet: $early bytes after two rounds, $(size tablet) after four"
[ "$(size tablet)" -le $((early + 20000)) ] || fail "the tablet's file grew from $early to $(size tablet) bytes"
# On a server entries stay; one is small.
entry=$((($(size office) - file) / ($(count office __sync_log) - log)))
echo "office: $entry bytes an entry"
[ $entry -le 120 ] || fail "$entry bytes an entry"
id=$(sql tablet "SELECT id FROM __sync_tables WHERE name = 'note'")
[ "$(count tablet "__sync_versions_$id")" = 5000 ] || fail "versions of $(count tablet "__sync_versions_$id") rows"

# ---- Conflicts: one row for each, on both sides ----------------------------------------------------------
for n in 1 2; do
  stop_mantisd tablet
  sql tablet "UPDATE note SET body = 'tablet $n' WHERE id = 1"
  later
  sql office "UPDATE note SET body = 'office $n' WHERE id = 1"
  start_mantisd tablet --mode client
  settled office tablet
done
[ "$(kept office) $(kept tablet)" = "2 2" ] || fail "conflicts kept: $(kept office) on the server, $(kept tablet) on the tablet"

# ---- A log that cannot be sent ---------------------------------------------------------------------------
says tablet 'S["entries"] == 0 and "warning" not in S' || fail "warned of nothing: $(cat tablet.status)"
sed -i 's/"sync": {/"sync": {"enabled": false, /' tablet.json
kill -HUP "$(pid_of tablet)"
wait_for_message tablet 'read again'
before=$(size tablet)
sql tablet "UPDATE note SET n = -1 WHERE id <= 900"
wait_until tablet 'S["entries"] == 900'
has_message tablet 'wait in __sync_log' && fail "warned too early"
sql tablet "UPDATE note SET n = -2 WHERE id <= 900"
wait_for_message tablet '1800 entries wait in __sync_log'
says tablet 'S["entries"] == 1800 and "large" in S["warning"]' || fail "the status does not warn: $(cat tablet.status)"
ctl tablet status > said
grep -q '^warning .*large' said || fail "for people: $(cat said)"
entry=$((($(size tablet) - before) / 1800))
echo "tablet: $entry bytes an entry"
[ $entry -le 60 ] || fail "$entry bytes an entry"
sql tablet "UPDATE note SET n = -3 WHERE id <= 900"
wait_until tablet 'S["entries"] == 2700'
has_message tablet 'wait in __sync_log' 2 && fail "told again before it has doubled"
sql tablet "UPDATE note SET n = -4 WHERE id <= 900"
wait_for_message tablet '3600 entries wait in __sync_log'
# Rows that are written to again and again: three entries each are enough, however often that is.
python3 - << 'END'
import sqlite3
db = sqlite3.connect("tablet.db", timeout=20, isolation_level=None)
db.execute("BEGIN IMMEDIATE") # or a part of them would come after it was folded, and be too few
for n in range(60):
    db.execute("UPDATE note SET n = ? WHERE id <= 900", (-10 - n,))
db.execute("COMMIT")
END
folded ()
{
  [ "$(count tablet __sync_log)" -le 2701 ]
}
wait_for "the log of 57,600 writes to be folded" folded
wait_until tablet 'S["entries"] <= 2700 and S["waiting"] == 900'
sed -i 's/"enabled": false, //' tablet.json
kill -HUP "$(pid_of tablet)"
settled office tablet
[ "$(count tablet __sync_log)" = 1 ] || fail "the tablet's log is not emptied"
says tablet 'S["entries"] == 0 and "warning" not in S' || fail "still warned: $(cat tablet.status)"
[ "$(sql office "SELECT count(*) FROM note WHERE id <= 900 AND n = -69")" = 900 ] || fail "not what was written last"
[ "$(kept office) $(kept tablet)" = "2 2" ] || fail "conflicts: $(sql office "SELECT key, reason FROM __sync_conflicts")"
