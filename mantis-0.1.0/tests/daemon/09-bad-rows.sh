#!/bin/bash
# 09: rows that the server's database refuses, of each kind, in one push with good ones and with rows that can
# only be applied together: the bad ones alone are rejected, with the database's reason, and given back.
# K15, K18, K19, K22, K24, K26, R21, R22, K12, V14.
. "${0%/*}/functions.sh"

rows="WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 9) INSERT INTO seat SELECT k, k, 'x' FROM k;
  INSERT INTO person VALUES (1, NULL, 'a'), (2, 1, 'b'), (3, 2, 'c'); INSERT INTO exact VALUES (1, 1)"
sql office "CREATE TABLE seat (id INTEGER PRIMARY KEY, place INTEGER UNIQUE, who TEXT CHECK (who <> 'bad'));
  CREATE TABLE person (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES person, name TEXT);
  CREATE TABLE exact (id INTEGER PRIMARY KEY, n INTEGER) STRICT;
  CREATE TRIGGER no_kings BEFORE INSERT ON person WHEN NEW.name = 'king' BEGIN SELECT raise(ABORT, 'no kings here'); END; $rows"
sql tablet "CREATE TABLE seat (id INTEGER PRIMARY KEY, place INTEGER UNIQUE, who TEXT);
  CREATE TABLE person (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES person, name TEXT);
  CREATE TABLE exact (id INTEGER PRIMARY KEY, n INTEGER); $rows"
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet
stop_mantisd tablet

sql office "INSERT INTO seat VALUES (50, 77, 'first')"
sql tablet "BEGIN; UPDATE seat SET place = -place WHERE id IN (1, 2); UPDATE seat SET place = 3 + place WHERE place < 0; -- a swap
  UPDATE seat SET place = -place WHERE id IN (3, 4, 5); UPDATE seat SET place = CASE id WHEN 3 THEN 4 WHEN 4 THEN 5 ELSE 3 END
    WHERE id IN (3, 4, 5);                                                                                -- a rotation
  UPDATE seat SET id = id + 100, who = 'moved' WHERE id > 7;                                              -- keys
  UPDATE seat SET who = 'bad' WHERE id = 6;
  INSERT INTO seat VALUES (20, NULL, 'a'), (21, NULL, 'b'), (22, 22, 'bad'), (23, 77, 'second');
  INSERT INTO person VALUES (14, 13, 'd'), (13, 12, 'c'), (12, 11, 'b'), (11, NULL, 'a');                 -- backwards
  INSERT INTO person VALUES (40, NULL, 'king'), (41, 40, 'subject'), (42, 999, 'orphan');
  DELETE FROM person WHERE id = 1;
  UPDATE exact SET n = 'seven'; INSERT INTO exact VALUES (2, 2), (3, 3.5), (4, '4');
  COMMIT"
start_mantisd tablet --mode client
settled office tablet
# is QUERY RESULT: what stands at the office.
is ()
{
  local found

  found=$(sql office "$1")
  [ "$found" = "$2" ] || fail "$1: $found and not $2; conflicts: $(sql tablet "SELECT tbl, key, outcome, reason FROM __sync_conflicts")"
}
is "SELECT group_concat(place) FROM (SELECT place FROM seat WHERE id < 6 ORDER BY id)" 2,1,4,5,3
is "SELECT group_concat(id || who) FROM (SELECT * FROM seat WHERE id > 5 ORDER BY id)" 6x,7x,20a,21b,50first,108moved,109moved
is "SELECT group_concat(id) FROM (SELECT id FROM person ORDER BY id)" 1,2,3,11,12,13,14
is "SELECT group_concat(id || typeof(n)) FROM (SELECT * FROM exact ORDER BY id)" 1integer,2integer,4integer
# A circle, by itself.
sql tablet "INSERT INTO person VALUES (31, 32, 'loop'), (32, 33, 'loop'), (33, 31, 'loop')"
settled office tablet
is "SELECT group_concat(id) FROM (SELECT id FROM person WHERE name = 'loop' ORDER BY id)" 31,32,33
for node in office tablet; do
  [ "$(sql $node "SELECT group_concat(tbl || key, ' ') FROM (SELECT * FROM __sync_conflicts WHERE outcome = 'rejected' ORDER BY tbl, key)")" = \
    "exact[1] exact[3] person[1] person[40] person[41] person[42] seat[22] seat[23] seat[6]" ] ||
    fail "kept in $node: $(sql $node "SELECT tbl, key, outcome, reason FROM __sync_conflicts")"
done
[ "$(sql tablet "SELECT reason FROM __sync_conflicts WHERE tbl = 'person' AND key = '[40]'")" = "no kings here" ] || fail "the database's reason"
[ "$(sql tablet "SELECT json_extract(loser, '\$.name') FROM __sync_conflicts WHERE key = '[42]'")" = orphan ] || fail "what was lost"
