#!/bin/bash
# 14: of two servers on one MariaDB, over TLS, either turns away whom the other was told to, within a second: what is open there ends, the next
# request is refused, a device's writes wait, and get through when it is let in again.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 openssl sqlite3 curl
speak_tls
start_mariadb shop
maria "CREATE TABLE note (id VARCHAR(40) PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'office')"
encrypt ()
{
  sed -i "s#\"address\": \"[^\"]*\"#&, \"tls\": $tls#" "$1.json"
}
head -c 18 /dev/urandom | base64 > alice.password
more_auth ()
{
  sed -i 's#"key_file": "jwt.key"}#&, {"plugin": "session", "cost": 10}#' "$1.json"
}
encrypt shop
more_auth shop
start_mantisd shop --mode server
configure_maria depot
encrypt depot
more_auth depot
start_mantisd depot --mode server
server=depot
transport=auto # over WebSocket
start_mantisd tablet --mode client
start_mantisd phone --mode client
wait_for_maria tablet phone
tablet=$(sql tablet "SELECT value FROM __sync_meta WHERE name = 'node'")

# guest NAME [OPTION...]: a WebSocket at the depot with the token of NAME.
guest ()
{
  rm -f "$1.open" "$1.closed"
  python3 -B "$top/tests/daemon/guest.py" "$1" "$port" "$1.token" --ca ca.crt "${@:2}" > "$1.guest" 2>&1 &
  pids[guest of $1]=$!
  wait_for "the WebSocket of $1" test -e "$1.open"
}

# What is $1 answered at the depot?
answered ()
{
  [ "$(curl -s --cacert ca.crt -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(cat tablet.token)" -H "Mantis-Node: $tablet" "https://127.0.0.1:$port/sync/schema")" = "$1" ]
}

# $2 says so, to the server $1: how long until the other one does $3?
ordered ()
{
  local began=${EPOCHREALTIME/./}

  ctl "$1" nodes "$2" "$3" > said || fail "$2 $3"
  echo "$2 $3 took $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
  began=${EPOCHREALTIME/./}
  wait_for "the depot to hear of it" answered "$4"
  echo "the other server knew after $(((${EPOCHREALTIME/./} - began) / 1000)) ms more"
}

guest phone
for name in tablet "$tablet"; do
  guest tablet --node "$tablet" --waits
  ordered shop disable "$name" 403
  wait_for "the WebSocket to end" test -e tablet.closed
  [ "$(cat tablet.closed)" = "3003 disabled" ] || fail "tablet: $(cat tablet.closed)"
  wait_until tablet 'S["disabled"] and "disabled" in S["trouble"]'
  sql tablet "INSERT INTO note VALUES ('$name', 'written meanwhile')"
  sql phone "INSERT INTO note VALUES ('phone, $name', 'goes on')"
  wait_for "the phone's row" gives_maria "SELECT 1 FROM note WHERE id = 'phone, $name'"
  wait_until tablet 'S["waiting"] == 1'
  ctl depot nodes list | grep -q "$tablet .*no, by the administrator" || fail "$(ctl depot nodes list)"
  [ "$(maria "SELECT disabled FROM __sync_nodes WHERE node = '$tablet'")" = 1 ] || fail "its row does not say so"
  ordered shop enable "$name" 200
  ctl tablet sync > /dev/null
  wait_for_maria tablet phone
done
[ ! -e phone.closed ] || fail "phone: $(cat phone.closed)"

# A user, whose session is known to both.
ctl shop user add alice < alice.password
curl -s --cacert ca.crt -d "{\"user\": \"alice\", \"password\": \"$(cat alice.password)\"}" "https://127.0.0.1:$port/auth/login" |
  sed 's/.*"token": *"\([^"]*\)".*/\1/' > alice.token
guest alice
ctl shop user disable alice
wait_for "the WebSocket to end" test -e alice.closed
[ "$(cat alice.closed)" = "3000 the credentials are not accepted any more" ] || fail "alice: $(cat alice.closed)"
[ ! -e phone.closed ] || fail "phone: $(cat phone.closed)"

# Where no mantisd runs, mantisctl works on the database; the other server hears of it.
stop_mantisd shop
ctl shop nodes disable phone > said 2>&1 || fail "$(cat said)"
wait_for "the WebSocket to end" test -e phone.closed
wait_until phone 'S["disabled"]'
ctl depot nodes enable phone > /dev/null
ctl phone sync > /dev/null
quiet tablet phone
wait_for_maria tablet phone
