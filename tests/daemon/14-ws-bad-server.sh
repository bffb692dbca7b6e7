#!/bin/bash
# 14: a server that breaks RFC 6455, or our own protocol, in all ways that we know does no harm to its clients: they leave with the
# right code, say why, stay small, and sync when it behaves.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'from the office')"
start_mantisd office --mode server
road=$(free_port)
touch bad
python3 "$top/tests/daemon/badws.py" "$road" "$port" 2> badws.err &
pids[road]=$!
wait_for "the bad server" bash -c "exec 3<> /dev/tcp/127.0.0.1/$road"
clients="c1 c2 c3 c4 c5 c6 c7 c8"
for name in $clients; do
  token $name > $name.token
  cat > $name.json << END
{"mode": "client", "storage": {"plugin": "sqlite", "path": "$name.db"},
 "plugins": ["sqlite", {"path": "websocket", "options": {"connect_timeout": "1s", "ping_interval": "1s", "message_timeout": "1s", "max_answer_bytes": "4M"}}],
 "sync": {"server_url": "http://127.0.0.1:$road", "token_file": "$name.token", "transport": "websocket", "interval_seconds": 1}}
END
  start_mantisd $name --mode client --log-level debug
  sql $name "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('$name', 'x')"
done
wait_for "all that it can do" test -e done
! grep BAD results || fail "the clients did not leave as they should"
for name in $clients; do
  alive $name || fail "$name died"
  kb=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(pid_of $name)/status")
  [ "$kb" -lt 65536 ] || fail "$name took $kb kB"
done
settled office $clients
for text in 'masks nothing' 'a reserved bit' 'not UTF-8' 'Sec-WebSocket-Accept' 'subprotocol' 'larger than max_answer_bytes' 'has closed the WebSocket (4999' 'stops (1001' 'comes too slowly' 'is silent'; do
  grep -qF -- "$text" c?.log || fail "no client says \"$text\""
done
! grep -l $'\x1b' c?.log || fail "what the server wrote stands in a log as it came"
