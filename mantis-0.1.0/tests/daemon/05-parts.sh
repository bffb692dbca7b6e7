#!/bin/bash
# 05: a backlog that goes in parts.  A key travels where it was first written to, as it is now: a parent's deletion
# can come parts before its children's, a child before its parent, a unique value before it is free again.  What
# does not fit yet waits for the parts that follow; what never fits is rejected alone.  K14, K18, K20, R21, R22, R24.
. "${0%/*}/functions.sh"

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT, seat INTEGER UNIQUE, CHECK (body <> 'bad'));
  CREATE TABLE line (note TEXT REFERENCES note, n INTEGER, PRIMARY KEY (note, n))"
sql office "$schema; WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 40)
  INSERT INTO note SELECT 'n' || k, 'old', k FROM k; INSERT INTO line SELECT id, 1 FROM note"
sql tablet "${schema/, CHECK (body <> \'bad\')/}"
start_mantisd office --mode server
configure_client tablet
sed -i 's/"sync": {/"sync": {"batch_rows": 10, "whole_rows": 10, /' tablet.json
start_mantisd tablet --mode client
settled office tablet
stop_mantisd tablet

sql tablet "PRAGMA foreign_keys = ON; BEGIN IMMEDIATE;
  UPDATE note SET body = 'touched';                                   -- every parent is in the log first
  UPDATE line SET n = 2 WHERE note IN ('n1', 'n2', 'n3');
  INSERT INTO note VALUES ('m1', 'bad', 101), ('m2', 'good', 102);
  UPDATE line SET note = 'm2' WHERE note = 'n4';                      -- a child of what comes later than itself
  DELETE FROM line WHERE note IN ('n5', 'n6', 'n7'); DELETE FROM note WHERE id IN ('n5', 'n6', 'n7');
  UPDATE note SET seat = -seat WHERE seat BETWEEN 10 AND 20; UPDATE note SET seat = 30 + seat WHERE seat BETWEEN -20 AND -10;
  COMMIT"
sql office "UPDATE note SET body = 'office' WHERE id = 'n40'; UPDATE line SET n = 3 WHERE note = 'n39'"
start_mantisd tablet --mode client
settled office tablet
[ "$(sql office "SELECT group_concat(note || n) FROM (SELECT * FROM line WHERE note IN ('m2', 'n1', 'n4', 'n5') ORDER BY 1)")" = m21,n12 ] ||
  fail "lines: $(sql office "SELECT * FROM line")"
[ "$(sql office "SELECT count(*) FROM note WHERE id IN ('n5', 'n6', 'n7')")" = 0 ] || fail "deleted notes are there"
# Nothing but the bad row, and one of the two that wrote to n40.
[ "$(sql tablet "SELECT group_concat(key || outcome) FROM (SELECT * FROM __sync_conflicts ORDER BY key)")" = '["m1"]rejected,["n40"]superseded' ] ||
  fail "conflicts: $(sql tablet "SELECT key, outcome, reason FROM __sync_conflicts")"
