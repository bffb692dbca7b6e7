#!/bin/bash
# 10: server and clients are killed again and again while all of them write; nothing is lost, nothing is there
# twice, and all converge (2, 3, R6, R11, R23).
. "${0%/*}/functions.sh"

rounds=${MANTIS_TEST_ROUNDS:-12}
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE tally (who TEXT PRIMARY KEY, n INTEGER)"
start_mantisd office --mode server
start_mantisd till --mode client
start_mantisd tablet --mode client
wait_for_sync till office
wait_for_sync tablet office

writers=()
for name in office till tablet; do
  sql $name "INSERT INTO tally VALUES ('$name', 0)"
  keep_writing $name 0.01 &
  writers+=($!)
done
RANDOM=4711
for ((round = 0; round < rounds; round++)); do
  case $((RANDOM % 3)) in
  0) name=office mode=server ;;
  1) name=till mode=client ;;
  2) name=tablet mode=client ;;
  esac
  sleep "0.$((RANDOM % 40 + 10))" # at a moment that nothing announces
  kill_mantisd $name
  start_mantisd $name --mode $mode
done
touch enough
wait "${writers[@]}"
[ ! -e failures ] || fail "the application's writes failed: $(sort failures | uniq -c | head -n 5)"
settled office till tablet
for name in office till tablet; do
  [ "$(sql office "SELECT count(*) FROM note WHERE id LIKE '$name-%'")" = "$(sql office "SELECT n FROM tally WHERE who = '$name'")" ] ||
    fail "not all rows of $name are there"
done
[ "$(kept office)" = 0 ] || fail "conflicts though nobody wrote what another wrote: $(sql office "SELECT * FROM __sync_conflicts LIMIT 5")"
