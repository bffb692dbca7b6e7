#!/bin/bash
# 00: changes travel as they are committed: to the server by inotify, to other devices by the waiting pull, not by
# the interval (an hour here); also those that another program makes on the server.
. "${0%/*}/functions.sh"

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server
for name in till tablet; do
  configure_client $name
  sed -i 's/"interval_seconds": 60/"interval_seconds": 3600/' $name.json
  start_mantisd $name --mode client
  wait_until $name 'S["caught_up"]'
done

# hop FROM TO ID: milliseconds until what is written at FROM is seen at TO.
cat > hop.py << 'END'
import sqlite3, sys, time
source, target = (sqlite3.connect(n + ".db", timeout=20, isolation_level=None) for n in sys.argv[1:3])
times = []
for i in range(40):
    key = f"{sys.argv[1]}-{i}"
    source.execute("INSERT INTO note VALUES (?, 'now')", (key,))
    began = time.monotonic()
    while not target.execute("SELECT 1 FROM note WHERE id = ?", (key,)).fetchone():
        if time.monotonic() - began > 20:
            sys.exit(f"{key} did not arrive within 20 s")
        time.sleep(0.0002)
    times.append((time.monotonic() - began) * 1000)
times.sort()
print(f"{sys.argv[1]} -> {sys.argv[2]}: p50 {times[20]:.1f} ms, worst {times[-1]:.1f} ms")
sys.exit(times[20] > 500) # far from any interval or poll; the bench measures
END
for pair in "till tablet" "office till" "tablet office"; do
  # shellcheck disable=SC2086  # two words
  python3 hop.py $pair || fail "$pair"
done

# Nobody is kept busy by waiting: in a quiet time neither asks.
pulls ()
{
  call GET /metrics | sed -n 's/^mantis_pulls_total //p'
}
settled office till tablet
before=$(pulls)
sleep 1
after=$(pulls)
[ $((after - before)) -le 4 ] || fail "$((after - before)) pulls in a second in which nothing happened"
