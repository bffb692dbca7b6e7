#!/bin/bash
# 04: of two servers on one MariaDB behind a balancer one loses its way to it: who waits there is told at once, and not
# when his time is over, so that a device that asks again is answered by the other one; also when the way is back.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40) NOT NULL); INSERT INTO t VALUES (1, 'old')"

# A road for each of them: shop and depot.
open_road ()
{
  python3 -B "$top/tests/daemon/dbroad.py" "$(cat "$1.road")" "$maria_folder/socket" 2>> dbroad.log &
  pids[$1.road]=$!
  wait_for "the road of $1" bash -c "exec 3<> /dev/tcp/127.0.0.1/$(cat "$1.road")"
}

cut_road ()
{
  stop_mantisd "$1.road" KILL
}
echo open > road
for name in shop depot; do
  free_port > $name.road
  configure_maria $name
  sed -i "s|\"socket\": \"[^\"]*\"|\"host\": \"127.0.0.1\", \"port\": $(cat $name.road), \"retry_pause\": \"200ms\"|" $name.json
  open_road $name
  start_mantisd $name --mode server --log-level debug
  eval "$name=\$port"
done

# ---- One that waits --------------------------------------------------------------------------------------
# pull PORT BODY: its answer, with the status and Retry-After.
pull ()
{
  curl -sS -m 60 -o "answer.$1" -w '%{http_code} %header{retry-after}' -H "Authorization: Bearer $(cat curl.token)" \
    --data "$2" "http://127.0.0.1:$1/sync/pull"
}
token curl > curl.token
pull "$shop" '{}' > said
cursor=$(python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))["cursor"]))' "answer.$shop")
pull "$shop" "{\"cursor\": $cursor, \"wait\": 20}" > said.shop & # is told nothing for 20 s
other=$!
wait_for_message shop "pull from no node waits"
pull "$depot" "{\"cursor\": $cursor, \"wait\": 25}" > said.depot &
asked=$!
wait_for_message depot "pull from no node waits"
python3 -B - "$top/tests/daemon" "$depot" "$cursor" > said.socket 2>&1 << 'END' &
import json, sys
sys.path.insert(0, sys.argv[1])
from ws import *
w = WebSocket(int(sys.argv[2]), open("curl.token").read().strip(), "Mantis-Node: " + "ab" * 16)
a = w.ask({"type": "pull", "body": {"cursor": json.loads(sys.argv[3]), "wait": 25}})
try:
    w.receive()
except Closed as closed:
    print(a["status"], closed.code)
END
socket=$!
wait_for_message depot "pull from abababababababababababababababab waits"
cut_road depot
wait_for "an answer" test -s said.depot
[ "$(cut -c1-3 said.depot)" = 503 ] && [ "$(cut -d' ' -f2 said.depot)" -ge 1 ] || fail "it says: $(cat said.depot)"
wait "$socket" && [ "$(cat said.socket)" = "503 1013" ] || fail "over a WebSocket: $(cat said.socket)"
kill -0 $other || fail "it was told when its time was over"
kill $asked $other 2> /dev/null || true
open_road depot

# ---- A device that waits, whoever of the two answers it ------------------------------------------------------
start_balancer keep "$shop" "$depot"
server=shop
start_mantisd tablet --mode client
wait_for_maria tablet
quiet tablet
for name in shop depot; do
  cut_road $name
  maria "INSERT INTO t SELECT max(id) + 1, '$name is away' FROM t"
  sql tablet "INSERT INTO t SELECT max(id) + 1000, '$name was away' FROM t"
  wait_for_maria tablet
  open_road $name
  wait_for_message $name "the database is open again" "$([ $name = shop ] && echo 1 || echo 2)"
  maria "INSERT INTO t SELECT max(id) + 1, '$name is back' FROM t"
  wait_for_maria tablet
  quiet tablet
done
