#!/bin/bash
# 00: a thousand devices that call at once when the server comes back, which takes 950 connections: each answer is 200, or 503 with a Retry-After
# that is kept; none hangs, none is cut off, all are served; the server's memory stays bounded, and a real client
# syncs in the middle of it, both ways.  R45.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3
ulimit -n 4096 2> /dev/null || skip "a process may not have 4096 files here"

limit=49152 # kB
sql office "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT);
  INSERT INTO note SELECT value, hex(randomblob(50)) FROM generate_series(1, 2000)"
port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port", "max_connections": 950}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}]}
END
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet
token crowd > crowd.token
stop_mantisd office
sql tablet "INSERT INTO note VALUES (-1, 'waits for the server')"
python3 "$top/tests/daemon/crowd.py" "$port" crowd.token 1000 enough > crowd.said 2>&1 &
pids[crowd]=$!
wait_for "the crowd to knock" test -e knocking
launch office --config office.json
wait_for_row office "SELECT 1 FROM note WHERE id = -1"
sql office "INSERT INTO note VALUES (-2, 'from the office')"
wait_for_row tablet "SELECT 1 FROM note WHERE id = -2"
alive crowd || fail "the crowd: $(tail -n 5 crowd.said)"
touch enough
wait_for "the crowd to be served" gone crowd
status=0
wait "${pids[crowd]}" || status=$?
unset "pids[crowd]"
cat crowd.said
[ $status = 0 ] && grep -q '^1000 served' crowd.said || fail "the crowd: $(tail -n 5 crowd.said)"
grep -qE ' 503: |made room: ' crowd.said || fail "nobody was turned away or made room: this is no crowd"
peak=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(pid_of office)/status")
echo "the server: $peak kB at most"
[ "$peak" -le $limit ] || fail "the server took $peak kB"
settled office tablet
