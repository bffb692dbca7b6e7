#!/bin/bash
# 00: a MariaDB that is away is asked again after pauses that double up to "retry_pause", less some chance, whether mantisd
# waits for it at its start or lost it at work; no peer is told where it is; the log says so once, and once that it is back.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)"
road=$(free_port)
sed -i "s|\"socket\": \"[^\"]*\"|\"host\": \"127.0.0.1\", \"port\": $road, \"retry_pause\": \"800ms\"|" shop.json
echo shut > road
python3 -B "$top/tests/daemon/dbroad.py" "$road" "$maria_folder/socket" 2> dbroad.log &
pids[dbroad]=$!

# tried COUNT: has mantisd come so often since the file arrivals was cut?
tried ()
{
  [ "$(wc -l < arrivals)" -ge "$1" ]
}
wait_for "the road" bash -c "exec 3<> /dev/tcp/127.0.0.1/$road"
wait_for "this one to be noted" tried 1

# pauses_grow: between the tries in the file arrivals.  Those that come together are one.
pauses_grow ()
{
  python3 - << 'END' || fail "the pauses between the tries"
times = [float(line) for line in open("arrivals")]
tries = [b for a, b in zip([times[0] - 1] + times, times) if b - a > 0.02]
pauses = [b - a for a, b in zip(tries, tries[1:])]
print("pauses:", *(f"{pause:.3f}" for pause in pauses))
late = pauses[3:] # by now it has doubled to the longest
assert pauses[0] < 0.5, "the first pause is short"
for at, pause in enumerate(pauses[:3]):
    assert pause > 0.05 * 2**at - 0.005, "and may be as long"
assert late and min(late) >= 0.4 - 0.005, "the last ones are at least half of the longest"
assert sum(late) / len(late) < 2, "and not much longer than that"
assert min(late) < 0.8, "and by chance less than the longest"
END
}

# At the start.
: > arrivals
server=shop
launch shop --config shop.json
wait_for "some tries" tried 9
pauses_grow
[ "$(grep -c "waiting for it" shop.log)" = 1 ] || fail "it said more than once that it waits"
[ "$(grep -c "starting storage plugin" shop.log)" = 1 ] || fail "it started its storage more than once"
echo open > road
wait_for_message shop ready
start_mantisd tablet --mode client
wait_for_maria tablet

# At work, with requests that come all the time.
lines=$(wc -l < shop.log)
echo shut > road
: > arrivals
for id in $(maria "SELECT id FROM information_schema.processlist WHERE user = 'mantis'"); do
  maria "KILL $id" 2> /dev/null || true
done
until tried 9; do
  call GET /sync/schema > answer
  python3 -c 'import json, sys; a = json.load(open("answer")); sys.exit(a["status"] != 503 or "127.0.0.1" in str(a))' ||
    fail "what a peer is told: $(cat answer)"
done
pauses_grow
sql tablet "INSERT INTO t VALUES (2)"
echo open > road
wait_for_maria tablet
quiet tablet
call GET /sync/status > answer # with each of the workers' sessions
wait_for_message shop "connected again"
tail -n +$((lines + 1)) shop.log > log
[ "$(grep -c "connected again" log)" = 1 ] || fail "it said more than once that it is back"
[ "$(grep -c "mysql://" log)" -le 4 ] || fail "it speaks of each try: $(cat log)"
cat log
