#!/bin/bash
# 10: kill -9 of a client at every point of its cycle, with edits of both sides in between: each next run goes on
# by itself, nothing is lost or doubled, and nothing looks like a conflict.  R6, R10, R11, R13, R18-R20, R23, K10.
. "${0%/*}/functions.sh"

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE tally (who TEXT PRIMARY KEY, n INTEGER);
  CREATE TABLE line (note TEXT REFERENCES note, n INTEGER, PRIMARY KEY (note, n))"
sql office "$schema; INSERT INTO tally VALUES ('office', 0);
  WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 900) INSERT INTO note SELECT 'old-' || k, k FROM k"
sql tablet "$schema; INSERT INTO tally VALUES ('tablet', 0)"
start_mantisd office --mode server
configure_client tablet
sed -i 's/"sync": {/"sync": {"batch_rows": 300, "whole_rows": 100, /' tablet.json

edits=0
# An insert, updates, a child, a deletion, and a row that comes and goes, on each side; rows of its own.
edit ()
{
  local name

  edits=$((edits + 1))
  for name in office tablet; do
    sql $name "PRAGMA foreign_keys = ON; BEGIN IMMEDIATE;
      INSERT INTO note VALUES ('$name-$edits', 'new'); INSERT INTO line VALUES ('$name-$edits', 1);
      UPDATE note SET body = body || '.' WHERE id = '$name-$((edits - 1))';
      DELETE FROM line WHERE note = '$name-$((edits - 3))'; DELETE FROM note WHERE id = '$name-$((edits - 3))';
      INSERT INTO note VALUES ('$name-brief', 'x'); DELETE FROM note WHERE id = '$name-brief' AND $edits % 2;
      UPDATE tally SET n = n + 1 WHERE who = '$name'; COMMIT"
    sql $name "DELETE FROM note WHERE id = '$name-brief'"
  done
}

# once [OPTION...]: a cycle, its status in $ended.
once ()
{
  ended=0
  { timeout "$patience" "$build/mantisd" --config tablet.json --once "$@" >> tablet.log 2>&1; } 2> /dev/null || ended=$?
}

# First dying again and again on the way back, the first load included; then with a whole run after each death.
for after in again recover; do
  for ((point = 1; ; point++)); do
    edit
    once -D die=$point
    [ $ended != 0 ] || break
    [ $ended = 137 ] || fail "point $point: ended with $ended"
    [ $point -lt 400 ] || fail "a cycle has no end"
    [ $after = again ] || { once; [ $ended = 0 ] || fail "point $point: the next run ended with $ended"; }
  done
  echo "$after: died at $((point - 1)) points"
  [ $point -gt 10 ] || fail "only $point points: is this built with --enable-testing?"
done
# The longest way: dying at each place by its name, in the middle of many.
for name in commit committed apply answered send; do
  for count in 1 2 3 5 8; do
    edit
    once -D die.$name=$count
    [ $ended = 0 ] || [ $ended = 137 ] || fail "$name $count: ended with $ended"
  done
done

start_mantisd tablet --mode client
settled office tablet
for name in office tablet; do
  [ "$(sql office "SELECT n FROM tally WHERE who = '$name'")" = $edits ] || fail "the tally of $name"
  [ "$(sql office "SELECT count(*) FROM note WHERE id LIKE '$name-%'")" = 3 ] || fail "the notes of $name"
done
[ "$(kept office) $(kept tablet)" = "0 0" ] || fail "conflicts: $(sql office "SELECT * FROM __sync_conflicts") $(sql tablet "SELECT * FROM __sync_conflicts")"
[ "$(sql tablet "SELECT value FROM __sync_meta WHERE name = 'node'" | wc -l)" = 1 ] || fail "no node"
[ "$(sql office "SELECT count(*) FROM __sync_nodes")" = 1 ] || fail "the device took another node id: $(sql office "SELECT node FROM __sync_nodes")"
