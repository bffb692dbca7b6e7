#!/bin/bash
# 02: the power fails.  A server that answered a push has it, whatever it had not written out yet: it comes up with what
# fsync had made durable (tests/daemon/power.c), and nobody notices (O8).  A device may forget its last commits: it
# finds out, goes on as another node, and nothing that the server had is lost (R32).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires gcc

gcc -O1 -D_GNU_SOURCE -shared -fPIC -o power.so "$top/tests/daemon/power.c" -ldl || fail "power.c"

# with_power NAME COMMAND...: run, and remember what becomes durable of NAME.db.
with_power ()
{
  local name=$1

  shift
  POWER_DATABASE=$work/$name.db POWER_KEPT=$work/$name.kept LD_PRELOAD=$work/power.so "$@"
}

# power_on NAME: all that is there now was written out long ago.
power_on ()
{
  local file inode

  rm -rf "$1.kept"
  mkdir "$1.kept"
  for file in "$1.db" "$1.db-wal" "$1.db-journal"; do
    [ -e "$file" ] || continue
    inode=$(stat -c %i "$file")
    cp "$file" "$1.kept/synced.$inode"
    cp "$file" "$1.kept/$file"
    echo "$inode" > "$1.kept/$file.inode"
  done
}

# power_off NAME: what is running on it is gone, and of its files there is what was durable.
power_off ()
{
  local file

  kill_mantisd "$1"
  rm -f "$1.db"*
  for file in "$1.db" "$1.db-wal" "$1.db-journal"; do
    [ ! -e "$1.kept/$file" ] || cp "$1.kept/$file" "$file"
  done
}

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE tally (who TEXT PRIMARY KEY, n INTEGER)"

# ---- The server ----------------------------------------------------------------------------------------
# Its file begins with it: that the file is there at all has to be durable as well.
configure_server office
sed -i 's/{"mode"/{"create_tables": true, "mode"/' office.json
sql tablet "$schema; INSERT INTO tally VALUES ('tablet', 0)"
power_on office
with_power office start_mantisd office --mode server
start_mantisd tablet --mode client
start_mantisd till --mode client
wait_for_sync tablet office
wait_for_sync till office

# acked: the rows that the tablet no longer has to send, while nothing runs on it.
acked ()
{
  sql tablet "SELECT id || body FROM note WHERE id NOT IN (SELECT k0 FROM __sync_log JOIN __sync_tables AS t ON t.id = tbl
      WHERE t.name = 'note' AND seq > (SELECT value FROM __sync_meta WHERE name = 'acked_seq'))
    AND id NOT IN (SELECT json_extract(key, '\$[0]') FROM __sync_pending)" | LC_ALL=C sort
}

# Once it says that nothing waits.
for rows in 1 1 700 1 40; do
  sql tablet "BEGIN; UPDATE tally SET n = n + $rows; WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < $rows)
    INSERT INTO note SELECT 't-' || hex(randomblob(8)), hex(zeroblob(200)) FROM k; COMMIT"
  wait_until tablet 'S["waiting"] == 0'
  power_off office
  [ -s office.db ] || fail "the server's database itself is not there"
  same_table tablet office note tally
  power_on office
  with_power office start_mantisd office --mode server
done
# In the middle of writing and sending.
write ()
{
  local i=0

  until [ -e enough ]; do
    i=$((i + 1))
    sql tablet "BEGIN IMMEDIATE; INSERT INTO note VALUES ('s-$1-$i', 'new'); UPDATE tally SET n = n + 1; COMMIT"
  done
}
for round in 1 2; do
  head=$(sql office "SELECT max(seq) FROM __sync_log")
  write $round &
  writer=$!
  wait_for_row office "SELECT 1 FROM __sync_log WHERE seq > $head + $round * 20"
  power_off office
  touch enough
  wait $writer
  rm enough
  stop_mantisd tablet
  acked > acked
  sql office "SELECT id || body FROM note" | LC_ALL=C sort > durable
  [ "$(comm -23 acked durable | wc -l)" = 0 ] || fail "acknowledged, and gone with the power: $(comm -23 acked durable | head -n 5)"
  power_on office
  with_power office start_mantisd office --mode server
  start_mantisd tablet --mode client
done
settled office tablet till
[ "$(sql office "SELECT count(*) FROM note")" = "$(sql office "SELECT n FROM tally")" ] || fail "rows and their tally"
[ "$(sql office "SELECT count(*) FROM __sync_nodes")" = 2 ] || fail "a device took another node id"
[ "$(kept office) $(kept tablet)" = "0 0" ] || fail "conflicts: $(sql office "SELECT * FROM __sync_conflicts LIMIT 3")"
for name in tablet till; do
  ! grep -F 'history is not the one' $name.log || fail "$name was told what the server then forgot"
done
stop_mantisd tablet

# ---- A device ------------------------------------------------------------------------------------------
# app STATEMENTS: of an application that writes with SYNCHRONOUS as it is set.
app ()
{
  with_power tablet sqlite3 -bail -cmd '.timeout 20000' -cmd "PRAGMA synchronous = $synchronous" tablet.db "$1"
}
number="SELECT value FROM __sync_meta WHERE name = 'number'"
forks=0
for synchronous in full normal; do
  power_on tablet
  with_power tablet start_mantisd tablet --mode client
  wait_until tablet 'S["caught_up"]'
  app "INSERT INTO note VALUES ('$synchronous-1', 'from the tablet'), ('$synchronous-2', 'from the tablet')"
  sql office "INSERT INTO note VALUES ('$synchronous-o', 'from the office')"
  settled office tablet
  app "UPDATE note SET body = 'second' WHERE id = '$synchronous-1'; DELETE FROM note WHERE id = '$synchronous-2'"
  settled office tablet till
  before=$(sql tablet "$number")
  power_off tablet
  [ "$(sql tablet "$number")" -lt "$before" ] || fail "the device forgot nothing: nothing is tried here"
  # Before Mantis runs again, the application goes on with what it finds.
  synchronous_was=$synchronous synchronous=full
  power_on tablet
  app "INSERT INTO note VALUES ('$synchronous_was-3', 'after the failure'); INSERT OR REPLACE INTO note VALUES ('$synchronous_was-o', 'edited after the failure')"
  synchronous=$synchronous_was
  start_mantisd tablet --mode client
  settled office tablet till
  forks=$((forks + 1))
  has_message tablet 'it goes on as node' || fail "nobody noticed"
  [ "$(sql office "SELECT count(*) FROM __sync_nodes")" = $((2 + forks)) ] || fail "the nodes"
  [ "$(sql office "SELECT group_concat(id || ' ' || body, '; ') FROM (SELECT * FROM note WHERE id LIKE '$synchronous-%' ORDER BY id)")" = \
    "$synchronous-1 second; $synchronous-3 after the failure; $synchronous-o edited after the failure" ] ||
    fail "$synchronous: $(sql office "SELECT * FROM note WHERE id LIKE '$synchronous-%'"); $(sql office "SELECT * FROM __sync_conflicts")"
  stop_mantisd tablet
done
# In the middle of writing, from both sides.
synchronous=normal
for round in 3 4; do
  power_on tablet
  with_power tablet start_mantisd tablet --mode client
  (for ((i = 1;; i++)); do
    [ ! -e enough ] || break
    app "INSERT INTO note VALUES ('s-$round-$i', 'new')"
  done) &
  writer=$!
  (for ((i = 1; i < 40; i++)); do sql office "INSERT INTO note VALUES ('o-$round-$i', 'new')"; done) &
  other=$!
  wait_for_row office "SELECT 1 FROM note WHERE id = 's-$round-20'"
  sql office "SELECT id || body FROM note WHERE id LIKE 's-%'" | LC_ALL=C sort > had
  touch enough
  wait $writer
  rm enough
  power_off tablet
  wait $other
  start_mantisd tablet --mode client
  settled office tablet till
  sql office "SELECT id || body FROM note WHERE id LIKE 's-%'" | LC_ALL=C sort > has
  [ "$(comm -23 had has | wc -l)" = 0 ] || fail "the server had it, and lost it: $(comm -23 had has | head -n 5)"
  stop_mantisd tablet
done
