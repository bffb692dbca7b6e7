#!/bin/bash
# 17: Chinook on MariaDB, two servers behind a balancer, eight programs that write there and four devices, on the same
# rows, for a minute, while mantisd, MariaDB and its connections are killed: in the end all five databases hold the
# same, and each write that was acknowledged stands, or was built upon, or is kept with what won.
#
# MANTIS_TEST_SECONDS=10 is shorter; MANTIS_TEST_SEED=7 makes the same choices, which it prints.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3 xzcat
requires_shared data/chinook/chinook-mysql.sql.xz
seconds=${MANTIS_TEST_SECONDS:-60}
seed=${MANTIS_TEST_SEED:-$((RANDOM * 32768 + RANDOM))}
patience=$((patience * 2)) # eight programs and seven daemons on a small machine
devices=(tablet till phone van)
echo "MANTIS_TEST_SECONDS=$seconds MANTIS_TEST_SEED=$seed"

start_mariadb Chinook
xzcat "$shared/data/chinook/chinook-mysql.sql.xz" | grep -v -i -E '^ *(DROP DATABASE|CREATE DATABASE|USE )' > chinook.sql
mariadb_do "$maria_folder" Chinook < chinook.sql || fail "Chinook is not taken"
maria "$(python3 "$top/tests/daemon/minute.py" tables)"
start_pair Chinook depot
for device in "${devices[@]}"; do
  start_mantisd "$device" --mode client
done
wait_for_maria "${devices[@]}"

# ---- Kills ----
chance ()
{
  echo $((RANDOM % $1))
}

restart ()
{
  kill_mantisd "$1"
  sleep "0.$(chance 10)"
  launch "$1" --config "$1.json"
}

kill_connections ()
{
  local id

  for id in $(maria "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user IN ('mantis', 'root')
      ORDER BY rand($RANDOM) LIMIT $((1 + $(chance 4)))"); do
    maria "KILL CONNECTION $id" 2> /dev/null || true # it may be gone
  done
}

restart_mariadb ()
{
  mariadb_kill "$maria_folder"
  sleep "0.$(chance 10)"
  mariadb_start "$maria_folder" || fail "MariaDB does not come back"
}

# One of these: a client, a server, some connections, now and then MariaDB itself.
misfortune ()
{
  local name

  for name in "${!pids[@]}"; do
    alive "$name" || fail "$name has ended by itself: $(tail -n 1 "$name.log")"
  done
  case $(chance 10) in
  0 | 1 | 2) restart "${devices[$(chance 4)]}" ;;
  3 | 4) restart "$(printf 'Chinook\ndepot\n' | sed -n "$((1 + $(chance 2)))p")" ;;
  5 | 6 | 7 | 8) kill_connections ;;
  9) restart_mariadb ;;
  esac
}

RANDOM=$((seed % 32768))
python3 "$top/tests/daemon/minute.py" write "$seed" "$maria_folder/socket" Chinook "${devices[@]}" > minute.log 2>&1 &
pids[writers]=$!
began=$SECONDS
while [ $((SECONDS - began)) -lt "$seconds" ]; do
  sleep "$(chance 2).$(chance 10)"
  misfortune
done
touch enough
wait_for "the writers to end" gone writers
ended=0
wait "${pids[writers]}" || ended=$?
unset "pids[writers]"
[ ! -e failures ] || fail "$(cat failures)"
[ "$ended" = 0 ] || fail "the writers ended with status $ended"

# ---- The end ----
wait_for_maria "${devices[@]}"
quiet "${devices[@]}"
head=$(maria "SELECT max(seq) FROM __sync_log")
for device in "${devices[@]}"; do
  ctl "$device" sync > /dev/null || fail "$device: mantisctl sync"
done
quiet "${devices[@]}"
wait_for_maria "${devices[@]}"
[ "$(maria "SELECT max(seq) FROM __sync_log")" = "$head" ] || fail "rows travel though nobody writes"
[ -z "$(maria "SELECT 1 FROM __sync_outbox LIMIT 1")" ] || fail "something waits to be numbered"
[ "$(maria "SELECT count(*) - max(seq) FROM __sync_log")" = 0 ] || fail "there are gaps in the log"
for device in "${devices[@]}"; do
  [ "$(sql "$device" "PRAGMA integrity_check")" = ok ] || fail "$device.db is damaged"
done
python3 "$top/tests/daemon/account.py" "$maria_folder/socket" Chinook "${devices[@]}" || fail "not all is accounted for"
