#!/bin/bash
# 14: a client without a token, with a wrong one and with one that has run out (R46) captures and says what is
# missing; it goes on by itself when the file holds a good one.
. "${0%/*}/functions.sh"

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
sql tablet "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server
touch tablet.token # empty: functions.sh shall not write one
start_mantisd tablet --mode client
wait_for_message tablet 'no token'
sql tablet "INSERT INTO note VALUES ('a', 'no token yet')"
wait_until tablet 'S["waiting"] == 1'

token tablet > good
printf 'x%s\n' "$(cat good)" > tablet.token
wait_for_message tablet 'token refused'
grep -q "$(cat good)" tablet.log office.log && fail "a token in a log"
[ -z "$(sql office "SELECT * FROM note")" ] || fail "written without a good token"
status=0
ctl tablet sync 2> said || status=$?
[ $status = 1 ] && grep -q 'refuses the token' said || fail "sync with a wrong token: $status, $(cat said)"

cp good tablet.token
wait_for_row office "SELECT 1 FROM note WHERE id = 'a'"

# One that runs out while it is in use: accepted for so long as clocks may differ, then replaced under way.
stop_mantisd office
stop_mantisd tablet
sed -i 's/"key_file"/"leeway": "0s", "key_file"/' office.json
start_mantisd office --mode server
token tablet --lifetime 2s > tablet.token
start_mantisd tablet --mode client
wait_for_sync tablet office
wait_for "the token to run out" bash -c "curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer $(cat tablet.token)' http://127.0.0.1:$port/sync/status | grep -q 401"
sql tablet "INSERT INTO note VALUES ('b', 'the token has run out')"
wait_for_message tablet 'token refused'
token tablet > tablet.token
wait_for_sync tablet office

# A new key, taken up by SIGHUP: tokens of the old one are no good any more.
head -c 48 /dev/urandom | base64 -w 0 > jwt.key
kill -HUP "$(pid_of office)"
wait_for_message office 'read again'
[ "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(cat tablet.token)" "http://127.0.0.1:$port/sync/status")" = 401 ] ||
  fail "the old key still opens"
sql tablet "INSERT INTO note VALUES ('c', 'the key was changed')"
wait_for_message tablet 'token refused' 2
token tablet > tablet.token
wait_for_sync tablet office

# A node that the configuration turns away.
stop_mantisd office
node=$(sql tablet "SELECT value FROM __sync_meta WHERE name = 'node'")
sed -i "s/\"mode\": \"server\"/\"mode\": \"server\", \"nodes\": {\"$node\": {\"enabled\": false}}/" office.json
start_mantisd office --mode server
sql tablet "INSERT INTO note VALUES ('d', 'turned away')"
wait_for_message tablet 'this node is disabled'
[ -z "$(sql office "SELECT * FROM note WHERE id = 'd'")" ] || fail "a disabled node has written"
