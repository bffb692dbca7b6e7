#!/bin/bash
# 14: a WebSocket listener has a port of its own, with certificate and limits of its own, and nothing else answers there.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 openssl
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
authority ca
certificate office ca IP:127.0.0.1
port=$(free_port)
own=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"address": "127.0.0.1:$port"},
            {"transport": "websocket", "address": "127.0.0.1:$own", "max_connections": 3, "max_body_bytes": "10k",
             "tls": {"certificate_file": "office.crt", "key_file": "office.key"}}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}]}
END
start_mantisd office --mode server
token office > office.token

# at PATH [ARGUMENT...]: what the listener answers to HTTP.
at ()
{
  local path=$1

  shift
  curl -sS -o answer -D head -w '%{http_code}' -m "$patience" --cacert ca.crt "$@" "https://127.0.0.1:$own$path"
}
bearer="Authorization: Bearer $(cat office.token)"
for path in / /healthz /readyz /metrics /sync/status /sync/schema /sync/conflicts /sync/wss /sync/ws/; do
  got=$(at $path -H "$bearer")
  [ "$got" = 404 ] || fail "$path: $got"
done
for path in /sync/push /sync/pull /sync/hello /sync/conflicts/1 /auth/login /auth/logout; do
  got=$(at $path -H "$bearer" -d '{}')
  [ "$got" = 404 ] || fail "POST $path: $got"
done
got=$(at /sync/ws -H "$bearer")
[ "$got" = 426 ] || fail "no upgrade: $got"
grep -qi '^Upgrade: websocket' head || fail "$(cat head)"
got=$(at /sync/ws)
[ "$got" = 401 ] || fail "nobody: $got"
got=$(at /sync/ws -H "$bearer" -d '{}')
[ "$got" = 405 ] || fail "POST /sync/ws: $got"
[ "$(curl -s -o plain -w '%{http_code}' "http://127.0.0.1:$own/sync/ws")" != 200 ] || fail "without TLS"

cat > port.py << END
import sys
sys.path.insert(0, "$top/tests/daemon")
from ws import *
port, own = $port, $own
END
cat >> port.py << 'END'
token = open("office.token").read().strip()
push = {"type": "push", "id": 1, "body": {"changes": [{"table": "note", "columns": ["id", "body"], "rows": [["a", "x" * 9000]]}]}}
w = WebSocket(own, token, cafile="ca.crt")
assert w.ask(push)["status"] == 200
push["body"]["changes"][0]["rows"][0][1] *= 2
small = WebSocket(own, token, cafile="ca.crt")
small.send(push)
assert small.closes() == 1009
shared = WebSocket(port, token) # REST's port has WebSockets, too, and its own limits
assert shared.ask(push)["status"] == 200
held = [w]
try:
    while True:
        assert len(held) <= 3
        held.append(WebSocket(own, token, cafile="ca.crt"))
except Refused as refused:
    assert refused.status == 503, refused.head
END
python3 -B port.py > port.out 2>&1 || { cat port.out; fail "port.py"; }
stop_mantisd office
[ "$ended" = 0 ] || fail "ended with $ended"

# Without the transport there is nothing to listen for; beyond this machine nothing goes in the clear.
refused ()
{
  "$build/mantisd" --config office.json --mode server > refused.out 2>&1 && fail "it started"
  grep -qF -- "$1" refused.out || { cat refused.out; fail "not \"$1\""; }
}
sed -i 's/^ "auth"/ "plugins": ["rest", "sqlite", "jwt", "timestamp"],\n&/' office.json
refused 'the transport "websocket" is not open'
sed -i '/"plugins"/d; s/"tls": {[^}]*}/"max_connections": 5/; s/"max_connections": 3, //; s/127.0.0.1:'"$own"'/0.0.0.0:'"$own"'/' office.json
refused 'what travels there is not encrypted'
