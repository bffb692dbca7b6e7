#!/bin/bash
# 14: when a key leaves the JWK set, SIGHUP ends the connections whose tokens it has signed, and the polls that wait; those of another key notice
# nothing, not even that they were looked at.  With a new token the device goes on, and nothing is lost.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 openssl
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'office')"
configure_server office
sed -i 's/"key_file": "jwt.key"/"jwks_file": "keys.json"/' office.json
for name in old new; do
  openssl rand 48 | base64 -w 0 | tr '+/' '-_' | tr -d = > $name.key
done

# keys NAME...: the set; the first one signs.
keys ()
{
  local name list=

  for name; do
    list+="${list:+, }{\"kty\": \"oct\", \"kid\": \"$name\", \"alg\": \"HS256\", \"k\": \"$(cat "$name.key")\"}"
  done
  (umask 077; echo "{\"keys\": [$list]}" > keys.json)
}

# guest NAME TOKEN: a WebSocket with a pull that waits.
guest ()
{
  python3 -B "$top/tests/daemon/guest.py" "$1" "$port" "$2.token" --waits > "$1.guest" 2>&1 &
  pids[guest of $1]=$!
  wait_for "the WebSocket of $1" test -e "$1.open"
}

keys old
start_mantisd office --mode server
start_mantisd tablet --mode client
keys new old
kill -HUP "$(pid_of office)"
wait_for_message office 'read again'
start_mantisd phone --mode client
wait_for_sync phone office
wait_for_sync tablet office
quiet tablet phone
for i in 1 2 3; do
  guest "tablet$i" tablet
done
guest phone1 phone

keys new
kill -HUP "$(pid_of office)"
for i in 1 2 3; do
  wait_for "the WebSocket to end" test -e "tablet$i.closed"
  [ "$(tail -n 1 "tablet$i.closed")" = "3000 the credentials are not accepted any more" ] || fail "tablet$i: $(cat "tablet$i.closed")"
done
wait_for_message tablet 'token refused'
sql tablet "INSERT INTO note VALUES ('b', 'with no good token')"
guest phone2 phone # and whoever comes now
for i in 1 2; do
  [ ! -e "phone$i.closed" ] || fail "phone$i: $(cat "phone$i.closed")"
done
sql phone "INSERT INTO note VALUES ('c', 'of the new key')"
wait_for_row office "SELECT 1 FROM note WHERE id = 'c'"
[ -z "$(sql office "SELECT 1 FROM note WHERE id = 'b'")" ] || fail "written with the old key"
! has_message phone 'refused' || fail "the phone was refused"

token tablet > tablet.token
settled office tablet phone

# A set that cannot be read changes nothing.
echo nothing > keys.json
kill -HUP "$(pid_of office)"
wait_for_message office 'goes on with its old keys'
ctl office status | grep -q 'auth "jwt" goes on with its old keys: ' || fail "not in the status: $(ctl office status 2>&1)"
[ ! -e phone1.closed ] || fail "phone1: $(cat phone1.closed)"
