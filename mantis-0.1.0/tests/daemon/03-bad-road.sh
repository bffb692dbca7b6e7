#!/bin/bash
# 03: messages that are lost, cut, repeated, delayed, damaged or overtaken by later ones, on the way there and on
# the way back: the result is the same as if each had arrived once.  R9-R13, R18, R20, R47, K10, guarantees 3 and 10.
. "${0%/*}/functions.sh"

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE tally (who TEXT PRIMARY KEY, n INTEGER)"
sql office "$schema; INSERT INTO tally VALUES ('office', 0), ('tablet', 0)"
start_mantisd office --mode server
start_proxy
start_mantisd tablet --mode client
quiet tablet

edits=0
# On both sides, rows of its own: a new one, an update of the last, a deletion of one before; and a counter.
edit ()
{
  local name

  edits=$((edits + 1))
  for name in ${*:-tablet office}; do
    sql $name "BEGIN IMMEDIATE; INSERT INTO note VALUES ('$name-$edits', 'new'); UPDATE note SET body = body || '.' WHERE id = '$name-$((edits - 1))';
      DELETE FROM note WHERE id = '$name-$((edits - 3))'; UPDATE tally SET n = $edits WHERE who = '$name'; COMMIT"
  done
}

# try RULE...: edit on such a road, until all rules were followed, then without them.
try ()
{
  road "$@"
  edit
  ctl tablet sync > /dev/null 2>&1 || true # do not wait for a backoff
  wait_for_road
  ctl tablet sync > /dev/null 2>&1 || true
  wait_for "both to be the same after: $*" same_contents office tablet
}

# kinds PATH: each kind of accident.
for path in /sync/push /sync/pull /sync/hello; do
  [ $path != /sync/hello ] || greet=yes
  for rule in "drop-answer - 2" "drop-request - 2" "cut-answer 1" "cut-answer 40" "cut-answer -1" "cut-answer -30" \
    "cut-request 30" "cut-request 400" "cut-request -1" "twice -" "late 1" "late 3" "flip 20" "refuse 500 2" "refuse 502" "refuse 429"; do
    if [ -n "${greet-}" ]; then
      case $rule in late* | flip* | refuse*) continue ;; esac
      stop_mantisd tablet
      road "$path $rule"
      edit
      start_mantisd tablet --mode client
      wait_for_road
      ctl tablet sync > /dev/null 2>&1 || true
      wait_for "both to be the same after: $path $rule" same_contents office tablet
    elif [ "$path ${rule%% *}" = "/sync/pull flip" ]; then
      continue # a question that is damaged is another question
    else
      try "$path $rule"
    fi
  done
done
# Several at once.
try "/sync/push late 2" "/sync/push drop-answer -" "/sync/push twice -" "/sync/pull cut-answer 100"
try "/sync/push late 1" "/sync/push drop-request -" "/sync/push drop-answer -"

# The server writes, and the application too, while an answer is on its way (R9, R10).
for path in push pull; do
  touch held
  road "/sync/$path hold held"
  edit
  wait_for_road
  edit
  edit tablet
  [ $path = push ] || sql office "UPDATE tally SET n = $edits WHERE who = 'office'"
  edit
  rm held
  wait_for "both to be the same after a slow $path" same_contents office tablet
done

settled office tablet
for name in office tablet; do
  [ "$(sql office "SELECT n FROM tally WHERE who = '$name'")" = $edits ] || fail "the tally of $name"
done
[ "$(kept office) $(kept tablet)" = "0 0" ] || fail "conflicts though nobody wrote what another wrote: $(sql office "SELECT * FROM __sync_conflicts LIMIT 3")"
[ "$(sql office "SELECT count(*) FROM __sync_nodes")" = 1 ] || fail "the device took another node id: $(grep 'goes on as node' tablet.log)"
