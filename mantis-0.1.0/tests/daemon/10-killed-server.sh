#!/bin/bash
# 10: kill -9 of the server at every point of its work, with edits of all sides in between: it comes up again by
# itself, what it had acknowledged is there, and the devices go on.  R6, R11, R12, R23, O8.
. "${0%/*}/functions.sh"

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE tally (who TEXT PRIMARY KEY, n INTEGER);
  CREATE TABLE line (note TEXT REFERENCES note, n INTEGER, PRIMARY KEY (note, n))"
for name in office tablet till; do
  sql $name "$schema; INSERT INTO tally VALUES ('$name', 0)"
done
configure_server office
token curl > curl.token # and the key
configure_client tablet
configure_client till
sed -i 's/"sync": {/"sync": {"batch_rows": 3, "whole_rows": 2, /' till.json # everything in parts

edits=0
edit ()
{
  local name

  edits=$((edits + 1))
  for name in office tablet till; do
    sql $name "PRAGMA foreign_keys = ON; BEGIN IMMEDIATE;
      INSERT INTO note VALUES ('$name-$edits', 'new'); INSERT INTO line VALUES ('$name-$edits', 1);
      UPDATE note SET body = body || '.' WHERE id = '$name-$((edits - 1))';
      DELETE FROM line WHERE note = '$name-$((edits - 3))'; DELETE FROM note WHERE id = '$name-$((edits - 3))';
      UPDATE tally SET n = n + 1 WHERE who = '$name'; COMMIT"
  done
}

# once NAME: a cycle, if the server lives through it.
once ()
{
  timeout "$patience" "$build/mantisd" --config "$1.json" --once >> "$1.log" 2>&1
}

# serve [OPTION...]: start; it may die on the way.
serve ()
{
  launch office --config office.json "$@"
  wait_for "office to be ready" started office server
}

# What the server acknowledged: a device that has nothing waiting can lose its file.
for ((point = 1; ; point++)); do
  edit
  serve -D die=$point
  once tablet || true
  once till || true
  alive office && break
  wait "${pids[office]}" 2> /dev/null || ended=$?
  [ "$ended" = 137 ] || fail "point $point: ended with $ended"
  [ $point -lt 300 ] || fail "there is no end"
done
echo "died at $((point - 1)) points"
[ $point -gt 10 ] || fail "only $point points: is this built with --enable-testing?"
stop_mantisd office
for count in 1 2 3 5; do
  for name in commit committed answer apply; do
    edit
    serve -D die.$name=$count
    once tablet || true
    once till || true
    if alive office; then stop_mantisd office; else wait "${pids[office]}" 2> /dev/null || true; fi
  done
done

serve
start_mantisd tablet --mode client
start_mantisd till --mode client
settled office tablet till
for name in office tablet till; do
  [ "$(sql office "SELECT n FROM tally WHERE who = '$name'")" = $edits ] || fail "the tally of $name"
  [ "$(sql office "SELECT count(*) FROM note WHERE id LIKE '$name-%'")" = 3 ] || fail "the notes of $name"
  [ "$(kept $name)" = 0 ] || fail "conflicts in $name: $(sql $name "SELECT * FROM __sync_conflicts LIMIT 3")"
done
[ "$(sql office "SELECT count(*) FROM __sync_nodes")" = 2 ] || fail "a device took another node id"
