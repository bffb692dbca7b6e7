#!/bin/bash
# 11: another server is put into a device's configuration: nothing of the one before is taken for news of the other.  All
# tables are compared anew; no row goes that only one of them had, what differs is settled as at a first meeting, unsent
# writes reach the new one, and the way back works too (R28).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE line (id TEXT PRIMARY KEY, note TEXT REFERENCES note, n INTEGER)"
sql shop "$schema; INSERT INTO note VALUES ('same', 'same'), ('both', 'of the shop'), ('edited', 'of the shop'), ('shop', 'of the shop');
  INSERT INTO line VALUES ('shop-1', 'shop', 1)"
sql office "$schema; INSERT INTO note VALUES ('same', 'same'), ('both', 'of the office'), ('edited', 'of the office'), ('gone', 'x'), ('office', 'of the office');
  INSERT INTO line VALUES ('office-1', 'office', 1)"
# Revisions of the one are nothing to the other: the shop's are far behind, and then ahead.
sql office "WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 300) INSERT INTO note SELECT 'bulk-' || k, k FROM k"
start_mantisd shop --mode server
shop_port=$port
port=
start_mantisd office --mode server
office_port=$port
start_mantisd tablet --mode client
sql office "UPDATE note SET body = body || '.' WHERE id LIKE 'bulk-%'"
sql tablet "INSERT INTO note VALUES ('tablet', 'sent to the office')"
settled office tablet
stop_mantisd tablet

# move NAME: the tablet's server is NAME from now on.
move ()
{
  server=$1 port=$2
  sed -i "s|127.0.0.1:[0-9]*|127.0.0.1:$port|" tablet.json
  token tablet > tablet.token
}

# Written for the one, and on its way there when the configuration changes: the batch was noted, and may have arrived.
sql tablet "UPDATE note SET body = 'edited on the tablet' WHERE id = 'edited'; DELETE FROM note WHERE id = 'gone';
  INSERT INTO note VALUES ('new', 'unsent'); INSERT INTO line VALUES ('new-1', 'new', 1)"
on_its_way ()
{
  gives_row tablet "SELECT 1 FROM __sync_meta WHERE name = 'in_flight' AND value IS NOT NULL"
}
for ((count = 1; count < 6; count++)); do
  { "$build/mantisd" --config tablet.json --once -D die.send=$count >> tablet.log 2>&1 || true; } 2> /dev/null
  ! on_its_way || break
done
on_its_way || fail "nothing is under way: is this built with --enable-testing?"
sql tablet "INSERT INTO note VALUES ('newer', 'unsent')"
move shop "$shop_port"
start_mantisd tablet --mode client
wait_for_message tablet 'is another server than before'
settled shop tablet
sql shop "SELECT id || ' ' || body FROM note WHERE id NOT LIKE 'bulk-%' ORDER BY id" > found
cat > expected << 'END'
both of the shop
edited edited on the tablet
new unsent
newer unsent
office of the office
same same
shop of the shop
tablet sent to the office
END
diff expected found || fail "what the shop has; conflicts: $(sql shop "SELECT * FROM __sync_conflicts")"
[ "$(sql shop "SELECT group_concat(id) FROM (SELECT id FROM line ORDER BY id)")" = new-1,office-1,shop-1 ] || fail "the lines"
[ "$(sql shop "SELECT count(*) FROM note WHERE id LIKE 'bulk-%'")" = 300 ] || fail "the many"
# What lost is kept, on both sides: the tablet's 'both', by nobody edited since; and the shop's 'edited', which was older.
[ "$(sql tablet "SELECT group_concat(outcome || ' ' || key || json_extract(loser, '\$.body')) FROM __sync_conflicts")" = 'superseded ["both"]of the office' ] ||
  fail "kept on the tablet: $(sql tablet "SELECT * FROM __sync_conflicts")"
[ "$(sql shop "SELECT group_concat(outcome || key, ' ') FROM (SELECT * FROM __sync_conflicts ORDER BY key)")" = 'superseded["both"] beaten["edited"]' ] ||
  fail "kept in the shop: $(sql shop "SELECT * FROM __sync_conflicts")"
# The office lost nothing by it.
[ "$(sql office "SELECT count(*) FROM note WHERE id LIKE 'bulk-%' OR id IN ('same', 'both', 'office', 'tablet')")" = 304 ] || fail "the office"

# And back, after both went on.
sql shop "UPDATE note SET body = 'shop again' WHERE id = 'shop'; DELETE FROM note WHERE id = 'bulk-7'"
sql office "UPDATE note SET body = 'office again' WHERE id = 'office'; INSERT INTO note VALUES ('meanwhile', 'office')"
settled shop tablet
sql tablet "UPDATE note SET body = 'edited later' WHERE id = 'both'"
settled shop tablet
stop_mantisd tablet
sql tablet "INSERT INTO note VALUES ('last', 'unsent')"
move office "$office_port"
start_mantisd tablet --mode client
wait_for_row office "SELECT 1 FROM note WHERE id = 'last'"
settled office tablet
sql office "SELECT id || ' ' || body FROM note WHERE id NOT LIKE 'bulk-%' ORDER BY id" > found
cat > expected << 'END'
both of the office
edited of the office
gone x
last unsent
meanwhile office
new unsent
newer unsent
office office again
same same
shop shop again
tablet sent to the office
END
diff expected found || fail "what the office has after all; conflicts: $(sql office "SELECT * FROM __sync_conflicts")"
[ "$(sql office "SELECT count(*) FROM note WHERE id LIKE 'bulk-%'")" = 300 ] || fail "the many, again"
[ "$(sql office "SELECT group_concat(key || json_extract(loser, '\$.body'), ' ') FROM (SELECT * FROM __sync_conflicts ORDER BY key)")" = \
  '["both"]edited later ["edited"]edited on the tablet ["office"]of the office' ] || fail "what is kept of the tablet's: $(sql office "SELECT * FROM __sync_conflicts")"
