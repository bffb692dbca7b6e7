#!/bin/bash
# 02: SIGHUP in the middle of a batch, on either side, changes nothing of it (O20); SIGTERM twenty times over while all of
# them write: each time a clean end, nothing lost, nothing twice (O21).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE tally (who TEXT PRIMARY KEY, n INTEGER)"
for name in office tablet till; do
  sql $name "$schema; INSERT INTO tally VALUES ('$name', 0)"
done
configure_server office
mode_of ()
{
  case $1 in
  office) echo server ;;
  *) echo client ;;
  esac
}

# ---- SIGHUP in the middle of a batch ---------------------------------------------------------------------
start_mantisd office --mode server -D pause.commit="$work/commit" -D pause.answer="$work/answer"
configure_client tablet
cp tablet.json tablet.usual
start_mantisd tablet --mode client -D pause.answered="$work/answered"
settled office tablet
batches=$(sql tablet "SELECT value FROM __sync_meta WHERE name = 'number'")

# write COUNT: rows of a batch.
rows=0
write ()
{
  sql tablet "BEGIN; WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < $1)
    INSERT INTO note SELECT 'hup-' || ($rows + k), k FROM k; UPDATE tally SET n = n + 1 WHERE who = 'tablet'; COMMIT"
  rows=$((rows + $1))
}
# hup NAME: and wait until it was heard.
hup ()
{
  local before

  before=$(grep -c 'read again' "$1.log" || true)
  kill -HUP "$(pid_of "$1")"
  wait_for_message "$1" 'read again' $((before + 1))
}
for place in commit answer answered; do
  touch $place
  write 300
  wait_for_message "$([ $place = answered ] && echo tablet || echo office)" "$place: paused"
  hup office
  sed 's/"sync": {/"log_level": "debug", "sync": {"batch_rows": 7, "whole_rows": 10, "batch_bytes": "2k", /' tablet.usual > tablet.json
  hup tablet
  cp tablet.usual tablet.json
  hup tablet
  hup office
  rm $place
  wait_for_row office "SELECT 1 FROM tally WHERE who = 'tablet' AND n = $((rows / 300))"
  wait_until tablet 'S["waiting"] == 0'
done
settled office tablet
[ "$(sql office "SELECT count(*) FROM note")" = $rows ] || fail "rows"
[ "$(sql tablet "SELECT value FROM __sync_meta WHERE name = 'number'")" = $((batches + 3)) ] || fail "a batch was cut, given up or sent again"
stop_mantisd tablet
stop_mantisd office

# ---- SIGTERM, again and again ----------------------------------------------------------------------------
sql tablet "UPDATE tally SET n = 0 WHERE who = 'tablet'"
for name in office tablet till; do
  start_mantisd $name --mode "$(mode_of $name)"
done
for name in office tablet till; do
  keep_writing $name 0.02 &
done
for ((round = 0; round < 20; round++)); do
  case $((round % 4)) in
  0 | 2) name=office ;;
  1) name=tablet ;;
  3) name=till ;;
  esac
  kill -HUP "$(pid_of $name)" # and right after it:
  stop_mantisd $name
  [ "$ended" = 0 ] || fail "round $round: $name ended with $ended"
  [ ! -e $name.db.control ] || fail "round $round: $name left its socket"
  head=$(sql office "SELECT max(seq) FROM __sync_log")
  start_mantisd $name --mode "$(mode_of $name)"
  wait_for_row office "SELECT 1 FROM __sync_log WHERE seq > $head + 20" # work goes on
done
touch enough
for job in $(jobs -p); do
  case " ${pids[*]} " in
  *" $job "*) ;;
  *) wait "$job" ;;
  esac
done
[ ! -e failures ] || fail "the application's writes failed: $(sort failures | uniq -c | head -n 5)"
settled office tablet till
for name in office tablet till; do
  [ "$(sql office "SELECT count(*) FROM note WHERE id LIKE '$name-%'")" = "$(sql office "SELECT n FROM tally WHERE who = '$name'")" ] ||
    fail "not all rows of $name are there"
done
[ "$(kept office) $(kept tablet) $(kept till)" = "0 0 0" ] || fail "conflicts: $(sql office "SELECT * FROM __sync_conflicts LIMIT 5")"
[ "$(sql office "SELECT count(*) FROM __sync_nodes")" = 2 ] || fail "a device took another node id"
! grep -E ' error ' office.log tablet.log till.log || fail "errors"
