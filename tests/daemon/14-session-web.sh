#!/bin/bash
# 14: a browser's session is a cookie that counts only for pages of the server or of allowed_origins, on REST and on the handshake of a
# WebSocket; tokens are a subprotocol there and never stand in an address; who guesses passwords is held up, and the honest are not; who logs
# out, or whose password changes, loses what is open.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 openssl curl
speak_tls
port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port", "allowed_origins": ["https://app.example.org"], "tls": $tls}],
 "auth": [{"plugin": "jwt", "key_file": "jwt.key"}, {"plugin": "session", "cost": 10, "failures": 3, "failure_interval": "1h"}]}
END
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server --log-level debug
for user in alice bob; do
  head -c 18 /dev/urandom | base64 > $user.password
  ctl office user add $user < $user.password
done

url=https://127.0.0.1:$port
ask () # METHOD PATH [CURL-ARGUMENT...]: the status; headers in head, body in answer
{
  curl -sS -m "$patience" --cacert ca.crt -D head -o answer -w '%{http_code}' -X "$1" "${@:3}" "$url$2"
}
expect ()
{
  [ "$1" = "$2" ] || fail "$2 instead of $1: $(cat head answer)"
}
body () # USER [MORE]
{
  echo "{\"user\": \"$1\", \"password\": \"$(cat "$1.password")\"${2-}}"
}

# ---- The cookie, as curl keeps it ----
page=(-b jar -H "Origin: $url")
expect 200 "$(ask POST /auth/login -c jar -H "Origin: $url" -d "$(body alice ', "cookie": true')")"
! grep -q token answer || fail "scripts of the page see the token: $(cat answer)"
grep -qi '^set-cookie: __Host-mantis=mst_[^;]*; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=[0-9]*.$' head || fail "$(cat head)"
awk '$6 == "__Host-mantis" {print $7}' jar > alice.token
[ -s alice.token ] || fail "no cookie in $(cat jar)"
expect 200 "$(ask GET /sync/status -b jar)"
expect 200 "$(ask POST /sync/push "${page[@]}" -d '{}')"
expect 200 "$(ask POST /sync/push -b jar -H "Origin: https://app.example.org" -d '{}')"
grep -qi '^access-control-allow-origin: https://app.example.org' head || fail "$(cat head)"
expect 403 "$(ask POST /sync/push -b jar -d '{}')"
for origin in https://evil.example "http://127.0.0.1:$port" https://127.0.0.1 null; do
  expect 403 "$(ask POST /sync/push -b jar -H "Origin: $origin" -d '{}')"
  ! grep -qi '^access-control' head || fail "$(cat head)"
done
expect 403 "$(ask POST /auth/login -H "Origin: https://evil.example" -d "$(body alice ', "cookie": true')")"
expect 204 "$(ask OPTIONS /sync/push -H "Origin: https://app.example.org" -H "Access-Control-Request-Method: POST")"
expect 401 "$(ask OPTIONS /sync/push -H "Origin: https://evil.example" -H "Access-Control-Request-Method: POST")"

# ---- WebSockets ----
cat > handshakes.py << 'END'
import socket, ssl, sys
port, session, jwt = int(sys.argv[1]), open("alice.token").read().strip(), open("jwt.token").read().strip()
context = ssl.create_default_context(cafile="ca.crt")
own, foreign = f"Origin: https://127.0.0.1:{port}", "Origin: https://evil.example"
cookie = f"Cookie: a=b; __Host-mantis={session}"
def status(fields):
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1") as s:
        s.sendall("\r\n".join(["GET /sync/ws HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
                               "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==", "Sec-WebSocket-Version: 13", *fields, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += s.recv(4096)
    assert session.encode() not in head and jwt.encode() not in head, head
    return int(head.split()[1])
for expected, fields in [(101, [cookie, own]), (101, [cookie, "Origin: https://app.example.org"]), (403, [cookie]), (403, [cookie, foreign]), (401, [own]),
                         (101, [f"Sec-WebSocket-Protocol: mantis.v1, mantis.bearer.{session}", foreign]),
                         (101, [f"Sec-WebSocket-Protocol: mantis.v1, mantis.bearer.{jwt}"]),
                         (401, ["Sec-WebSocket-Protocol: mantis.v1, mantis.bearer.mst_no"])]:
    got = status(fields)
    assert got == expected, (got, expected, fields)
END
token tablet > jwt.token
python3 handshakes.py "$port" || fail "WebSockets"

# ---- Tokens in addresses ----
for name in token access_token; do
  expect 400 "$(ask GET "/sync/status?$name=$(cat alice.token)")"
  expect 400 "$(ask GET "/sync/ws?$name=$(cat jwt.token)" -H "Authorization: Bearer $(cat jwt.token)")"
done

# ---- Out: what is open ends, here at once ----
open_with () # TOKEN-FILE: a WebSocket
{
  rm -f guest.open guest.closed
  python3 -B "$top/tests/daemon/guest.py" guest "$port" "$1" --ca ca.crt --waits > guest.out 2>&1 &
  pids[guest]=$!
  wait_for "a WebSocket" test -e guest.open
}
open_with alice.token
expect 200 "$(ask POST /auth/logout "${page[@]}")"
grep -qi '^set-cookie: __Host-mantis=; .*Max-Age=0' head || fail "the cookie stays: $(cat head)"
wait_for "the WebSocket of who logged out to end" test -e guest.closed
grep -q '^3000' guest.closed || fail "$(cat guest.closed)"
expect 401 "$(ask POST /sync/push "${page[@]}" -d '{}')"
for order in "passwd bob" "disable bob"; do
  expect 200 "$(ask POST /auth/login -d "$(body bob)")"
  python3 -c 'import json; print(json.load(open("answer"))["token"])' > bob.token
  open_with bob.token
  # shellcheck disable=SC2086  # two words
  ctl office user $order < bob.password
  wait_for "the WebSocket of bob to end" test -e guest.closed
  grep -q '^3000' guest.closed || fail "$order: $(cat guest.closed)"
done

# ---- Guessing: three tries for an address, and for a user; another address without a failure gets in ----
ask_from () # ADDRESS USER [PASSWORD]
{
  ask POST /auth/login --interface "$1" -d "{\"user\": \"$2\", \"password\": \"${3-guessed wrong}\"}"
}
for try in 1 2 3; do
  expect 401 "$(ask_from 127.0.0.2 alice)"
done
expect 429 "$(ask_from 127.0.0.2 alice)"
grep -qi '^retry-after: [1-9]' head || fail "$(cat head)"
expect 429 "$(ask_from 127.0.0.2 carol)"
expect 429 "$(ask_from 127.0.0.2 alice "$(cat alice.password)")"
expect 200 "$(ask_from 127.0.0.3 alice "$(cat alice.password)")"
expect 401 "$(ask_from 127.0.0.4 alice)"
expect 429 "$(ask_from 127.0.0.4 alice)"
expect 401 "$(ask_from 127.0.0.4 dora)"
for try in 1 2 3 4 5; do
  expect 200 "$(ask_from 127.0.0.3 alice "$(cat alice.password)")"
done

# ---- Nothing of it is told ----
for secret in alice.token bob.token alice.password jwt.token; do
  ! grep -qF -- "$(cat $secret)" office.log || fail "$secret stands in the log"
done
