#!/bin/bash
# 10: a MariaDB that hangs, before it has let Mantis in or in the middle of a statement, COMMIT too, is given up after
# "connect_timeout" and "read_timeout": requests are answered, /readyz says so in time, SIGTERM is obeyed; when it goes
# on, everything does, and nothing is lost or stored twice.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40) NOT NULL); CREATE TABLE total (id INT PRIMARY KEY, n INT NOT NULL);
  INSERT INTO t VALUES (1, 'old'); INSERT INTO total VALUES (1, 0);
  CREATE TRIGGER counts AFTER INSERT ON t FOR EACH ROW UPDATE total SET n = n + 1 WHERE id = 1"
road=$(free_port)
sed -i "s|\"socket\": \"[^\"]*\"|\"host\": \"127.0.0.1\", \"port\": $road, TIMEOUTS|" shop.json
cp shop.json shop.template
python3 -B "$top/tests/daemon/dbroad.py" "$road" "$maria_folder/socket" 2> dbroad.log &
pids[dbroad]=$!
echo mute > road
wait_for "the road" bash -c "exec 3<> /dev/tcp/127.0.0.1/$road"

# with SETTING...: the configuration with these.  The one worker is connected at the start.
with ()
{
  sed "s|TIMEOUTS|$*|; s|{\"mode|{\"workers\": 1, \"mode|" shop.template > shop.json
}

status ()
{
  curl -s -o answer -w '%{http_code}' -m "$patience" "http://127.0.0.1:$port$1"
}

ready ()
{
  [ "$(status /readyz)" = "$1" ]
}

freeze ()
{
  kill -STOP "${mariadb_pids[$maria_folder]}"
}

thaw ()
{
  kill -CONT "${mariadb_pids[$maria_folder]}"
}
cleanup_fn 'kill -CONT "${mariadb_pids[$maria_folder]}"'

# A wrong order of the two is said.
with '"read_timeout": "5s", "lock_timeout": "5s"'
! "$build/mantisd" --config shop.json 2> refusal || fail "it waits less for an answer than for a lock"
grep -q 'read_timeout.*longer than.*lock_timeout' refusal || fail "$(cat refusal)"

# It accepts, and says nothing: with the default of 120 s for an answer this is a matter of one for a connection.
with '"connect_timeout": "1s"'
server=shop
launch shop --config shop.json
wait_for_message shop "waiting for it"
grep -q "cannot connect.*waiting for it" shop.log || fail "it waits for something else"
echo open > road
wait_for_message shop ready
start_mantisd tablet --mode client
wait_for_maria tablet

# It stops with the default of 120 s: monitors hear of it, and mantisd can be stopped.
freeze
wait_for "readyz to say so" ready 503
grep -q '"detail":"the server waits for its database"' answer || fail "$(cat answer)"
[ "$(status /healthz)" = 200 ] || fail "it lives, and says that it does not"
stop_mantisd shop
[ $ended = 1 ] || fail "it ended with $ended"
has_message shop "leaving without it" || fail "it left something behind and does not say so"
thaw

# It stops in the middle of a transaction that stores what a device sent, at its COMMIT.
with '"connect_timeout": "1s", "read_timeout": "2s", "lock_timeout": "1s"'
start_mantisd shop --mode server -D pause.commit=hold
quiet tablet
touch hold
sql tablet "INSERT INTO t VALUES (101, 'tablet'); UPDATE t SET v = 'tablet' WHERE id = 1"
wait_for_message shop "commit: paused"
freeze
rm hold
wait_for_message shop "cannot use the database: Lost connection"
ready 503 || fail "readyz: $(cat answer)"
call GET /sync/status > status
grep -q '"status":503' status || fail "what is asked meanwhile: $(cat status)"
sql tablet "INSERT INTO t VALUES (102, 'meanwhile')"
thaw
wait_for "readyz to be well again" ready 200
wait_for_maria tablet
quiet tablet
[ "$(maria "SELECT n FROM total WHERE id = 1")" = 2 ] || fail "rows were stored twice, or not at all"
[ "$(maria "SELECT count(*) FROM __sync_conflicts")" = 0 ] || fail "what was sent twice met itself"
maria "INSERT INTO t VALUES (103, 'office')"
wait_for_maria tablet
stop_mantisd shop
[ $ended = 0 ] || fail "it ended with $ended"
