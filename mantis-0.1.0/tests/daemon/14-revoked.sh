#!/bin/bash
# 14: whoever is turned away, by `mantisctl nodes disable' or by the configuration, by the id of the node or by its subject, loses
# what it has open at once, and every further request; what it writes is captured and kept, and gets through when it is let in again.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 curl
schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
for name in office tablet phone; do
  sql $name "$schema"
done
start_mantisd office --mode server -D pause.answer=paused
start_mantisd tablet --mode client
start_mantisd phone --mode client
sql tablet "INSERT INTO note VALUES ('a', 'before')"
settled office tablet phone
tablet=$(sql tablet "SELECT value FROM __sync_meta WHERE name = 'node'")

# guest NAME [OPTION...]: a WebSocket with the token of NAME, without the last letter.
guest ()
{
  rm -f "$1.open" "$1.closed"
  python3 -B "$top/tests/daemon/guest.py" "$1" "$port" "${1%?}.token" "${@:2}" > "$1.guest" 2>&1 &
  pids[$1]=$!
  wait_for "the WebSocket of $1" test -e "$1.open"
}

# closed NAME LINE...: the server has ended it so.
closed ()
{
  wait_for "the WebSocket of $1 to end" test -e "$1.closed"
  [ "$(cat "$1.closed")" = "$(printf '%s\n' "${@:2}")" ] || fail "$1: $(cat "$1.closed")"
}

# enabled NAME: what "nodes list" says of it.
enabled ()
{
  ctl office nodes list | sed -n "/\b$1\b/s/.*  //p"
}

let_in ()
{
  [ "$(enabled "$1")" = yes ]
}

turned_away ()
{
  wait_until tablet 'S["disabled"] and "disabled" in S["trouble"]'
}

# With Tab.
. "$top/conf/mantis.bash"
PATH=$build:$PATH COMP_WORDS=(mantisctl --config office.json nodes disable tab)
_mantis mantisctl tab disable
[ "${COMPREPLY[*]}" = tablet ] || fail "nodes disable tab<Tab>: ${COMPREPLY[*]}"

# One order each way.  Somebody else's connection and the other device notice nothing.
guest phone1
for name in tablet "$tablet"; do
  guest tablet1 --waits
  guest tablet2 --node "$tablet"
  let_in "$name" || fail "$name: $(enabled "$name")"
  ctl office nodes disable "$name" > said
  grep -q "$name is turned away" said && grep -q "$tablet .*no, by the administrator" said || fail "$(cat said)"
  [ "$(enabled "$name")" = "no, by the administrator" ] || fail "$name: $(enabled "$name")"
  curl -sS -D head -H "Authorization: Bearer $(cat tablet.token)" -H "Mantis-Node: $tablet" "http://127.0.0.1:$port/sync/schema" > body
  grep -q '^HTTP/1.1 403' head && grep -qi '^Connection: close' head && grep -q '"code":"disabled"' body || fail "$(cat head body)"
  closed tablet2 "3003 disabled"
  if [ "$name" = tablet ]; then
    closed tablet1 "3003 disabled"
  else # of the same user, but it speaks for no node
    [ ! -e tablet1.closed ] || fail "tablet1: $(cat tablet1.closed)"
    kill "$(pid_of tablet1)"
  fi
  turned_away
  sql tablet "INSERT INTO note VALUES ('$name', 'written meanwhile'); UPDATE note SET body = '$name' WHERE id = 'a'"
  sql phone "INSERT INTO note VALUES ('phone, $name', 'goes on')"
  wait_for_row office "SELECT 1 FROM note WHERE id = 'phone, $name'"
  wait_until tablet 'S["waiting"] == 2 and S["disabled"]'
  ctl tablet status | grep -q 'state .*disabled by the server: changes wait' || fail "$(ctl tablet status)"
  ctl office nodes enable "$name" > /dev/null
  let_in "$name" || fail "$name: $(enabled "$name")"
  ctl tablet sync > /dev/null
  wait_for_sync tablet office
  says tablet 'not S["disabled"]' || fail "still disabled: $(cat tablet.status)"
done

# The order comes while a push is in hand: that is stored, and acknowledged when the device is let in again.
touch paused
sql tablet "INSERT INTO note VALUES ('in hand', 'once')"
wait_for_row office "SELECT 1 FROM note WHERE id = 'in hand'"
sql tablet "INSERT INTO note VALUES ('after', 'x')"
ctl office nodes disable tablet > /dev/null
rm paused
turned_away
wait_until tablet 'S["waiting"] == 2'
[ -z "$(sql office "SELECT 1 FROM note WHERE id = 'after'")" ] || fail "it goes on: $(rows office note)"
ctl office nodes enable tablet > /dev/null
ctl tablet sync > /dev/null
wait_for_sync tablet office
[ "$(kept office)$(kept tablet)" = 00 ] || fail "a conflict with itself"

# The configuration, by subject and by id.
for name in tablet "$tablet"; do
  guest tablet2 --node "$tablet"
  sed -i "s/\"mode\": \"server\"/\"mode\": \"server\", \"nodes\": {\"$name\": {\"enabled\": false}, \"phone\": {\"enabled\": true}}/" office.json
  kill -HUP "$(pid_of office)"
  closed tablet2 "3003 disabled"
  turned_away
  [ "$(enabled "$tablet")" = "no, by the configuration" ] || fail "$tablet: $(enabled "$tablet")"
  ctl office nodes enable "$name" > said
  grep -q "$tablet .*no, by the configuration" said || fail "$(cat said)"
  sql tablet "INSERT INTO note VALUES ('$name, configured', 'written meanwhile')"
  sed -i 's/ "nodes": {.*}},//' office.json
  kill -HUP "$(pid_of office)"
  wait_for "the tablet to be let in" let_in "$tablet"
  ctl tablet sync > /dev/null
  wait_for_sync tablet office
done
settled office tablet phone
! has_message office 'needs a restart' || fail "nodes need a restart"
[ ! -e phone1.closed ] || fail "phone1: $(cat phone1.closed)"

# An order outlives the server, and one for somebody who has never called is told to be so.
ctl office nodes disable phone > /dev/null
ctl office nodes disable gone > said
grep -q 'No node of that id or subject has called yet' said || fail "$(cat said)"
closed phone1 "3003 disabled"
ctl office --json nodes list | grep -q '"disabled_by":"administrator"' || fail "$(ctl office --json nodes list)"
stop_mantisd office
ctl office nodes enable gone > /dev/null 2>&1 # without a daemon
start_mantisd office --mode server
[ "$(enabled phone)" = "no, by the administrator" ] && [ -z "$(enabled gone)" ] || fail "$(ctl office nodes list)"
[ "$(curl -s -o body -w '%{http_code}' -H "Authorization: Bearer $(cat phone.token)" "http://127.0.0.1:$port/sync/schema")" = 403 ] || fail "$(cat body)"
status=0
ctl tablet nodes list 2> said || status=$?
[ $status != 0 ] && grep -q 'its server knows the nodes' said || fail "nodes of a client: $status, $(cat said)"
