#!/bin/bash
# 00: mantisd from start to end: one on a database (O7), stops at once and clean (O21), reads its configuration
# again, runs once; the examples start as they stand.
. "${0%/*}/functions.sh"

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'first')"
start_mantisd office --mode server
start_mantisd tablet --mode client
wait_for_sync tablet office

# ---- One on a database -----------------------------------------------------------------------------
refused ()
{
  status=0
  timeout "$patience" "$build/mantisd" "$@" > second.log 2>&1 || status=$?
  [ $status = 1 ] || fail "a second mantisd ended with $status"
  grep -q "in use by another mantisd, process $(pid_of "$first")" second.log || fail "$(cat second.log)"
}
first=tablet
refused --config tablet.json
ln -s tablet.db other-name.db
refused --config tablet.json --database other-name.db
first=office
refused --config office.json --listen 127.0.0.1:0
kill_mantisd tablet # the lock dies with the process, the socket is replaced
start_mantisd tablet --mode client
wait_until tablet 'S["caught_up"]'

# ---- SIGHUP ----------------------------------------------------------------------------------------
sed -i 's/"interval_seconds": 60/"enabled": false, "interval_seconds": 5/' tablet.json
kill -HUP "$(pid_of tablet)"
wait_for_message tablet 'read again'
sql tablet "INSERT INTO note VALUES ('b', 'kept back')"
wait_until tablet 'S["enabled"] is False and S["waiting"] == 1'
[ -z "$(sql office "SELECT * FROM note WHERE id = 'b'")" ] || fail "enabled is false, and a row went up"
status=0
ctl tablet sync 2> said || status=$?
[ $status = 1 ] && grep -q '"enabled" is false' said || fail "sync while not enabled: $status, $(cat said)"
sed -i 's/"enabled": false, //; s/\(127.0.0.1\):[0-9]*/\1:1/' tablet.json
kill -HUP "$(pid_of tablet)"
wait_for_row office "SELECT 1 FROM note WHERE id = 'b'"
has_message tablet 'what changed in "sync" needs a restart' || fail "a change that is not taken over is not told"
sed -i "s/127.0.0.1:1\"/127.0.0.1:$port\"/" tablet.json
echo '{"mode": ' > broken.json
cp office.json office.good
cp broken.json office.json
kill -HUP "$(pid_of office)"
wait_for_message office 'going on as before'
ctl tablet status --json | grep -q '"unapplied":.*what changed in .*needs a restart' || fail "no restart in the status: $(ctl tablet status --json)"
cp office.good office.json
ctl office status > said
grep -A1 'NOT IN FORCE' said | grep -q 'going on as before: .*office.json' || fail "that the file is broken is not in the status: $(cat said)"
call GET /sync/status > answer
grep -q '"mode":"server"' answer || fail "after a broken configuration: $(cat answer)"

# ---- SIGTERM, whatever it is doing: with writes going on, and while a pull waits -------------------
(while sql tablet "INSERT INTO note VALUES (hex(randomblob(8)), 'busy')"; do :; done) 2> /dev/null &
writer=$!
cleanup_fn "kill $writer 2> /dev/null"
wait_for_row office "SELECT 1 FROM note WHERE body = 'busy'"
for name in tablet office; do
  began=$(date +%s%N)
  stop_mantisd "$name"
  took=$((($(date +%s%N) - began) / 1000000))
  [ "$ended" = 0 ] || fail "$name ended with $ended"
  [ $took -lt 4000 ] || fail "$name took $took ms to stop"
  [ ! -e "$name.db.control" ] || fail "$name left its socket"
done
kill $writer
wait $writer 2> /dev/null || true
start_mantisd office --mode server
start_mantisd tablet --mode client
wait_for_sync tablet office
stop_mantisd tablet INT
[ "$ended" = 0 ] || fail "SIGINT ended it with $ended"
[ "$(sql tablet "PRAGMA integrity_check")" = ok ] || fail "tablet.db is damaged"

# ---- --once ----------------------------------------------------------------------------------------
sql tablet "INSERT INTO note VALUES ('once', 'up')"
sql office "INSERT INTO note VALUES ('once more', 'down')"
timeout "$patience" "$build/mantisd" --config tablet.json --once > once.log 2>&1 || fail "--once: $(cat once.log)"
same_table tablet office note
stop_mantisd office
status=0
timeout "$patience" "$build/mantisd" --config tablet.json --once > once.log 2>&1 || status=$?
[ $status = 1 ] || fail "--once without a server ended with $status"
grep -q 'cannot connect to' once.log || fail "$(cat once.log)"

# ---- The example of the first design, byte for byte ------------------------------------------------
first_example
export STATE_DIRECTORY=$work/state
launch example --config example.json
wait_for_message example 'ready'
wait_for_message example 'mantisctl token'
ln -s state/client.db example.db
sql example "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'offline')"
wait_for_row example "SELECT 1 FROM sqlite_master WHERE name = '__sync_log'"
wait_for_message example 'captured from now on'
ctl example status > said
grep -q 'there is no token' said || fail "the status does not say what is missing: $(cat said)"
stop_mantisd example

# ---- No configuration at all -----------------------------------------------------------------------
if (exec 3<> /dev/tcp/127.0.0.1/8080) 2> /dev/null; then
  echo "SKIP: something listens on 127.0.0.1:8080: the pair without a configuration"
  exit 0
fi
export STATE_DIRECTORY=$work/pair
launch server --mode server
launch client --mode client
wait_for_message server 'ready'
wait_for_message client 'ready'
ln -s pair/server.db server.db
ln -s pair/client.db client.db
[ "$(stat -c %a pair/client.token pair/jwt.key | sort -u)" = 600 ] || fail "token or key can be read by others"
sql client "CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT); INSERT INTO t VALUES ('x', 'from the client')"
wait_for_row server "SELECT 1 FROM sqlite_master WHERE name = 't'"
sql server "INSERT INTO t VALUES ('y', 'from the server')"
wait_for_sync client server
