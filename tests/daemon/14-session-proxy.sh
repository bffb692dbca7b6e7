#!/bin/bash
# 14: behind a proxy that the server trusts wrong passwords are counted for who called it, and nobody gets a count of his own by
# naming other addresses; without one it is who holds the connection.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

behind=$(free_port)
open=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$behind", "trusted_proxies": ["10.0.0.0/8", "127.0.0.1"]},
            {"transport": "rest", "address": "127.0.0.1:$open"}],
 "auth": [{"plugin": "session", "cost": 12, "failures": 3, "failure_interval": "1h"}]}
END
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
port=$behind
start_mantisd office --mode server

# login PORT FORWARDED: the status of a wrong password, of another stranger each time.
strangers=0
login ()
{
  strangers=$((strangers + 1))
  status=$(curl -sS -m "$patience" -o answer -w '%{http_code}' -H "X-Forwarded-For: $2" \
    -d "{\"user\": \"stranger-$strangers\", \"password\": \"long enough\"}" "http://127.0.0.1:$1/auth/login")
}

# three PORT FORWARDED: that many are answered as wrong, and the next one is too many.
three ()
{
  for _ in 1 2 3; do
    login "$1" "$2"
    [ "$status" = 401 ] || fail "$2 is answered $status"
  done
  login "$1" "$2"
  [ "$status" = 429 ] || fail "$2 is answered $status"
}

three "$behind" 192.0.2.1
login "$behind" "198.51.100.7, 192.0.2.1"
[ "$status" = 429 ] || fail "who names another address before his own is another one"
login "$behind" "198.51.100.8, 192.0.2.1, 10.1.1.1"
[ "$status" = 429 ] || fail "the same by way of two proxies"
three "$behind" 192.0.2.2
grep -q 'login from 192.0.2.2 refused: no such user' office.log || fail "the log names another address"

three "$open" 192.0.2.3
login "$open" 192.0.2.4
[ "$status" = 429 ] || fail "who is no trusted proxy has a count for each address that he names"
grep -q 'login from 127.0.0.1 refused: no such user' office.log || fail "the log names another address"
stop_mantisd office
