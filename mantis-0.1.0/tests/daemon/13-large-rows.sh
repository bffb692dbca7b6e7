#!/bin/bash
# 13: rows of several megabytes, text and BLOBs, go both ways under the default limits, many of them too; one that the
# server has no room for stays on the device, with the reason in status and log, holds up nothing, and goes once
# there is room; one that no message can carry is passed over by who is to get it, and told (V27).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

sql office "CREATE TABLE doc (id TEXT PRIMARY KEY, body)"
sql tablet "CREATE TABLE doc (id TEXT PRIMARY KEY, body)"
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet

# large NAME SIZE...: a text (with what JSON has to escape) and a BLOB of so many bytes each.
large ()
{
  local name=$1 size

  shift
  for size; do
    echo "INSERT INTO doc VALUES ('$name-t$size', substr(replace(hex(zeroblob($size)), '0000', char(9) || 'ä\"x'), 1, $size - $size / 5)),
      ('$name-b$size', randomblob($size));"
  done
}
# alike: at rest, and with the same rows; in one look, as they are too many bytes to compare again and again.
sum ()
{
  sql "$1" "SELECT id, typeof(body), hex(body) FROM doc ORDER BY id" | md5sum
}
alike ()
{
  wait_until tablet "S['caught_up'] and S['waiting'] == 0 and S['held'] == 0 and S['rev'] == $(sql office "SELECT max(seq) FROM __sync_log")"
  [ "$(sum office)" = "$(sum tablet)" ] || fail "not the same: $(sql office "SELECT id, length(body) FROM doc"); $(sql tablet "SELECT id, length(body) FROM doc")"
}
sql tablet "BEGIN; $(large tablet 1000000 4000000 7000000) COMMIT"
wait_until tablet 'S["waiting"] == 0'
sql office "BEGIN; $(large office 1000000 4000000 7000000) COMMIT"
alike
[ "$(sql office "SELECT count(*) FROM doc WHERE length(CAST(body AS BLOB)) >= 1000000")" = 12 ] || fail "they are not large"
sql tablet "UPDATE doc SET body = body || 'y' WHERE id = 'office-t7000000'"
wait_until tablet 'S["waiting"] == 0'
sql office "UPDATE doc SET body = randomblob(7000001) WHERE id = 'tablet-b7000000'; DELETE FROM doc WHERE id LIKE '%-b4000000'"
alike

# A page, or a push, ends before it has too many of them.
sql tablet "INSERT INTO doc VALUES ('more-1', randomblob(7000000)), ('more-2', randomblob(7000000))"
wait_until tablet 'S["waiting"] == 0'
sql office "WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 10) INSERT INTO doc SELECT 'many-' || k, randomblob(7000000) FROM k"
alike
! grep -E 'memory|limit' office.log || fail "it was too much at once"
[ "$(kept office) $(kept tablet)" = "0 0" ] || fail "conflicts: $(sql office "SELECT id, tbl, key, outcome, reason FROM __sync_conflicts")"
sql office "DELETE FROM doc WHERE id NOT LIKE 'more-%'"
alike

# ---- Larger than the server takes ------------------------------------------------------------------------
stop_mantisd office
sed -i 's/"transport": "rest"/"transport": "rest", "max_body_bytes": "2M"/' office.json
start_mantisd office --mode server
sql tablet "BEGIN; INSERT INTO doc VALUES ('before', 'small'), ('huge', randomblob(2000000)), ('vast', hex(zeroblob(1500000))), ('after', 'small');
  UPDATE doc SET body = 'small now' WHERE id = 'more-1'; COMMIT"
wait_for_row office "SELECT 1 FROM doc WHERE id = 'after'"
wait_for_row office "SELECT 1 FROM doc WHERE id = 'more-1' AND body = 'small now'"
# (When one is just being tried again, that is what the status tells of it.)
wait_until tablet 'S["waiting"] == 2 and [s["rows"] for s in S["stuck"] if s["what"] == "waiting" and "413" in s["reason"] and "max_body_bytes" in s["reason"]] == [2]'
told ()
{
  ctl tablet status | grep -q '^waiting  *doc  *2 .*413'
}
wait_for "the status for people" told
[ "$(grep -c 'too large for the server and stays here' tablet.log)" = 2 ] || fail "the log"
# All goes on, both ways; an edit of such a row stays with it, and one that makes it small goes.
sql tablet "INSERT INTO doc VALUES ('later', 'small'); UPDATE doc SET body = body || x'00' WHERE id = 'huge'"
sql office "INSERT INTO doc VALUES ('down', randomblob(5000000))"
wait_for_row office "SELECT 1 FROM doc WHERE id = 'later'"
wait_for_row tablet "SELECT 1 FROM doc WHERE id = 'down'"
[ -z "$(sql office "SELECT id FROM doc WHERE id IN ('huge', 'vast')")" ] || fail "how did it come there?"
sql tablet "UPDATE doc SET body = 'no longer' WHERE id = 'vast'"
wait_for_row office "SELECT 1 FROM doc WHERE id = 'vast' AND body = 'no longer'"
wait_until tablet 'S["waiting"] == 1'

# Killed and started again, it still waits; once there is room it goes by itself.
kill_mantisd tablet
start_mantisd tablet --mode client
wait_until tablet 'S["caught_up"] and S["waiting"] == 1'
stop_mantisd office
sed -i 's/"max_body_bytes": "2M"/"max_body_bytes": "5M"/' office.json
start_mantisd office --mode server
wait_for_row office "SELECT 1 FROM doc WHERE id = 'huge' AND length(CAST(body AS BLOB)) = 2000001"
settled office tablet
wait_until tablet 'S["stuck"] == []'

# ---- Larger than any message -----------------------------------------------------------------------------
# Written on the server: who cannot get it says so, keeps what it has, and gets all else.
sql office "UPDATE doc SET body = zeroblob(70000000) WHERE id = 'more-2'; INSERT INTO doc VALUES ('behind it', 'small')"
wait_for_row tablet "SELECT 1 FROM doc WHERE id = 'behind it'"
held_alone='S["caught_up"] and "trouble" not in S and S["waiting"] == 0 and [(s["rows"], s["table"], s["key"]) for s in S["stuck"] if s["what"] == "held" and "larger than an answer" in s["reason"]] == [(1, "doc", ["more-2"])]'
wait_until tablet "$held_alone"
# A comparison does not take it for one that the server lacks, nor for one that was edited here.
ctl tablet scan doc
wait_for "the comparison" grep -q 'table "doc": compared with the server' tablet.log
sql office "INSERT INTO doc VALUES ('after the scan', 'small')"
wait_for_row tablet "SELECT 1 FROM doc WHERE id = 'after the scan'"
wait_until tablet "$held_alone"
[ "$(sql tablet "SELECT length(body) FROM doc WHERE id = 'more-2'")" = 7000000 ] || fail "the row that was there"
[ "$(sql office "SELECT length(body) FROM doc WHERE id = 'more-2'")" = 70000000 ] || fail "the server's row"
# Smaller, it comes as any change.
sql office "UPDATE doc SET body = 'tame' WHERE id = 'more-2'"
wait_for_row tablet "SELECT 1 FROM doc WHERE id = 'more-2' AND body = 'tame'"
settled office tablet
wait_until tablet 'S["stuck"] == []'
[ "$(kept office) $(kept tablet)" = "0 0" ] || fail "conflicts: $(sql office "SELECT tbl, key, outcome, reason FROM __sync_conflicts") $(sql tablet "SELECT tbl, key, outcome, reason FROM __sync_conflicts")"
