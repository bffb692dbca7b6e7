#!/bin/bash
# 10: a first load, a backlog and a long push that are interrupted, by kill -9 of the client and of the server, go on
# from their last page: no more bytes cross than without it, but for the pages that were under way; and nothing is
# done twice.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

# Bytes that do not compress, so that they measure rows.
fill ()
{
  sql "$1" "WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < $3) INSERT INTO note SELECT '$2' || (1000000 + k), randomblob(150) FROM k"
}

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body BLOB)"
fill office old- 4000
start_mantisd office --mode server
start_proxy
for name in tablet till; do
  configure_client $name
  sed -i 's/"sync": {/"sync": {"batch_rows": 200, "whole_rows": 200, /' $name.json
done
sql tablet "CREATE TABLE note (id TEXT PRIMARY KEY, body BLOB)" # rows of its own, from before the first contact
fill tablet mine- 300

# crossed WAY PATH: bytes since the last "> requests".
crossed ()
{
  python3 -c 'import json, sys
print(sum(r.get(sys.argv[1], 0) for r in map(json.loads, open("requests")) if r["path"] == sys.argv[2]))' "$1" "$2"
}

# interrupted PATH: start the tablet, and kill it, and the server, again and again in the middle of it; a message of PATH
# is under way each time.
interrupted ()
{
  local i

  for i in 1 2 3 4; do
    touch gate
    road "$1 pass - 3" "$1 hold gate"
    if [ $i = 1 ]; then start_mantisd tablet --mode client; else launch tablet --config tablet.json; fi
    wait_for_road
    kill_mantisd tablet
    rm gate
    [ $i != 2 ] || { kill_mantisd office; start_mantisd office --mode server; }
  done
  touch gate
  road "$1 pass - 3" "$1 hold gate"
  start_mantisd tablet --mode client
  wait_for_road
  kill_mantisd office # under the client, this time
  rm gate
  start_mantisd office --mode server
  ctl tablet sync > /dev/null 2>&1 || true
}

# no_more WHAT BYTES PLAIN PAGES: BYTES are what crossed PLAIN, and at most a page for each time; it went in PAGES.
no_more ()
{
  echo "$1: $2 bytes, $3 if nobody is killed"
  [ "$2" -le $(($3 + 6 * ($3 / $4 + 2000))) ] || fail "$1: $2 bytes crossed, not about $3: it began again"
}

# The first load; beside it one that nobody interrupts, of the same rows.
start_mantisd till --mode client
settled office till
plain=$(crossed answer /sync/pull)
stop_mantisd till
: > requests
interrupted /sync/pull
settled office tablet
no_more "a load" "$(crossed answer /sync/pull)" "$plain" 20
[ "$(kept office) $(kept tablet)" = "0 0" ] || fail "conflicts: $(sql tablet "SELECT * FROM __sync_conflicts LIMIT 3")"
node=$(sql tablet "SELECT value FROM __sync_meta WHERE name = 'node'")
own="SELECT count(*) FROM __sync_log WHERE origin = '$node'"
[ "$(sql office "$own")" = 300 ] || fail "$(sql office "$own") of 300 rows of the tablet were written on the server"

# A backlog that comes: both were away.
stop_mantisd tablet
fill office new- 4000
: > requests
start_mantisd till --mode client
settled office till
plain=$(crossed answer /sync/pull)
stop_mantisd till
: > requests
interrupted /sync/pull
settled office tablet
no_more "a backlog" "$(crossed answer /sync/pull)" "$plain" 20

# One that goes.  What it is without being killed, the rows of the same size say that came.
stop_mantisd tablet
fill tablet sent- 4000
: > requests
interrupted /sync/push
settled office tablet
no_more "a push" "$(crossed length /sync/push)" "$plain" 20
[ "$(sql office "$own")" = 4300 ] || fail "$(sql office "$own") of 4300 rows of the tablet were written on the server"
[ "$(kept office) $(kept tablet)" = "0 0" ] || fail "conflicts: $(sql tablet "SELECT * FROM __sync_conflicts LIMIT 3")"
