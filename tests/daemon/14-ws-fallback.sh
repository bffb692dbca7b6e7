#!/bin/bash
# 14: what breaks the upgrade on the way (a proxy that strips it, answers itself, cuts or swallows) keeps nothing from syncing: it goes
# over REST, the status says so and why, and WebSocket comes back when it is mended; "websocket" alone says what is wrong.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'from the office')"
start_mantisd office --mode server
road=$(free_port)
python3 "$top/tests/daemon/badws.py" "$road" "$port" 2> badws.err &
pids[road]=$!
wait_for "the road" bash -c "exec 3<> /dev/tcp/127.0.0.1/$road"

# configure NAME TRANSPORT: a client whose upgrades meet NAME.
configure ()
{
  token "$1" > "$1.token"
  cat > "$1.json" << END
{"mode": "client", "storage": {"plugin": "sqlite", "path": "$1.db"},
 "plugins": ["rest", "sqlite", {"path": "websocket", "options": {"connect_timeout": "1s"}}],
 "sync": {"server_url": "http://127.0.0.1:$road/${3-$1}", "token_file": "$1.token", "transport": "$2", "interval_seconds": 60}}
END
}

over ()
{
  ctl "$1" status > "$1.said" && grep -q "^over  *$2" "$1.said"
}

roads="strips 404 403-page 502 200 cuts cuts-after-101 swallows cuts-soon"
for name in $roads; do
  configure $name auto
  start_mantisd $name --mode client
done
for name in $roads; do
  sql $name "CREATE TABLE IF NOT EXISTS note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('$name', 'x')"
done
for name in $roads; do
  wait_for_row office "SELECT 1 FROM note WHERE id = '$name'"
  wait_for_row $name "SELECT 1 FROM note WHERE id = 'a'"
  wait_for "$name over REST" over $name 'rest, because .*127.0.0.1'
  [ "$(grep -c 'going on over rest' $name.log)" = 1 ] || fail "$name: $(cat $name.log)"
done
grep -q 'answered 426' strips.said || fail "$(cat strips.said)"
grep -q 'answered 403' 403-page.said || fail "$(cat 403-page.said)"
grep -q 'closed instead of an answer' cuts.said || fail "$(cat cuts.said)"
grep -q 'cut as soon as' cuts-after-101.said || fail "$(cat cuts-after-101.said)"
grep -q 'nothing comes through' swallows.said || fail "$(cat swallows.said)"

# Without REST: why stands in the status, and nothing is lost.
configure alone websocket 404
start_mantisd alone --mode client
wait_for "the trouble" bash -c "'$build/mantisctl' --config alone.json status | grep -q '^trouble .*answered 404'"
over alone 'websocket$' || fail "$(cat alone.said)"
sql alone "CREATE TABLE IF NOT EXISTS note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('alone', 'x')"

# It is mended.
touch mended
kill -HUP "$(pid_of strips)" # others look later
wait_for_message strips 'over websocket again'
wait_for "strips over WebSocket" over strips 'websocket$'
settled office strips alone 404
over 404 rest || fail "$(cat 404.said)"
