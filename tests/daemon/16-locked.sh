#!/bin/bash
# 16: an application that holds its write lock for long holds Mantis up, and nothing else: no loss, no spinning,
# and it goes on by itself (O1); and Mantis, while it takes in 200,000 rows, is hardly noticed by an application that
# writes with BEGIN IMMEDIATE and a busy timeout of 250 ms (O2, O3), whose WAL stays small (O4).
. "${0%/*}/functions.sh"

sql office "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT); CREATE TABLE mine (id TEXT PRIMARY KEY, n INTEGER)"
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet

cat > app.py << 'END'
"""app.py hold FILE: a write transaction for as long as FILE exists.
app.py change: a quarter of the notes, in fifty transactions.
app.py fill: 20,000 notes of 1 kB, in 400.
app.py write FILE: writes until FILE exists; prints how many there were, and the longest and how many errors."""
import os, sqlite3, sys, time
db = sqlite3.connect("tablet.db", timeout=0.25, isolation_level=None)
if sys.argv[1] == "hold":
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO mine VALUES ('held', 1)")
    open("holding", "w").close()
    while os.path.exists(sys.argv[2]):
        time.sleep(0.02)
    db.execute("COMMIT")
    sys.exit()
if sys.argv[1] == "change":
    db.execute("PRAGMA busy_timeout = 20000")
    for first in range(10, 200010, 4000):
        db.execute("UPDATE note SET body = 'changed' WHERE id % 4 = 0 AND id BETWEEN ? AND ?", (first, first + 3999))
        time.sleep(0.05)
    sys.exit()
if sys.argv[1] == "fill":
    for i in range(400):
        db.execute("WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 50) INSERT INTO note SELECT 1000000 + ? * 50 + k, hex(randomblob(500)) FROM k", (i,))
    sys.exit()
count = errors = longest = 0
while not os.path.exists(sys.argv[2]):
    began = time.monotonic()
    try:
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO mine VALUES (?, ?)", ("app-%d" % count, count))
        db.execute("COMMIT")
        count += 1
    except sqlite3.OperationalError as e:
        errors += 1
        print(time.strftime("%H:%M:%S", time.gmtime()), "after %.0f ms:" % ((time.monotonic() - began) * 1000), e)
        if db.in_transaction:
            db.execute("ROLLBACK")
    longest = max(longest, time.monotonic() - began)
    time.sleep(0.002)
print(f"{count} writes, the longest took {longest * 1000:.0f} ms, {errors} errors")
open("count", "w").write(str(count))
sys.exit(errors > 0)
END

# cpu NAME: ticks that it used.
cpu ()
{
  awk '{print $14 + $15}' "/proc/$(pid_of "$1")/stat"
}

# ---- The application holds the lock ------------------------------------------------------------------
touch hold
python3 app.py hold hold &
app=$!
wait_for "the application to hold the lock" test -e holding
sql office "INSERT INTO note VALUES (1, 'comes while the tablet is locked')"
before=$(cpu tablet)
began=$EPOCHSECONDS
wait_for_message tablet 'database is locked'
while [ $((EPOCHSECONDS - began)) -lt 7 ]; do # longer than the busy timeout: the time itself is the matter here
  sleep 0.1
done
used=$(($(cpu tablet) - before))
[ $used -lt 100 ] || fail "$used ticks of CPU while the application held its lock"
alive tablet || fail "the tablet gave up"
# One that is started now waits, too.
stop_mantisd tablet
launch tablet --config tablet.json
wait_for_message tablet 'waiting for it'
rm hold
wait $app
wait_for_message tablet ready
settled office tablet
[ "$(sql office "SELECT n FROM mine WHERE id = 'held'")" = 1 ] || fail "what was written under the lock"

# ---- Mantis takes in many rows -------------------------------------------------------------------------
# Indexes make the same rows three times as long to take in: transactions are sized by time, not by rows.
for column in "body" "body DESC, id" "substr(body, 3)" "lower(body)" "substr(body, 10), id"; do
  sql tablet "CREATE INDEX i$RANDOM ON note ($column)"
done
python3 app.py write enough > app.out &
app=$!
sql office "WITH RECURSIVE k(k) AS (VALUES (10) UNION ALL SELECT k + 1 FROM k WHERE k < 200009) INSERT INTO note SELECT k, 'note ' || k || hex(randomblob(20)) FROM k"
patience=$((patience * 8)) # many rows with many indexes, on a small machine
wait_for_row tablet "SELECT 1 FROM note WHERE id = 200009"
wait_until tablet 'not S["in_parts"]'
# And sends many, of another application that leaves time for the first.
python3 app.py change
wait_for_row office "SELECT 1 FROM (SELECT count(*) AS n FROM note WHERE body = 'changed') WHERE n = 50000"
touch enough
wait $app || fail "the application: $(tail -n 5 app.out)"
cat app.out
settled office tablet
[ "$(sql office "SELECT count(*) FROM mine")" = $(($(cat count) + 1)) ] || fail "writes of the application are missing"

# ---- A slow upload: nothing is read in the meantime, so that the WAL can be emptied (O4) ----------------------
stop_mantisd tablet
rm tablet.json
start_proxy
start_mantisd tablet --mode client
quiet tablet
touch held
road "/sync/push hold held"
sql tablet "INSERT INTO mine VALUES ('slow', 1)"
wait_for_road
for index in $(sql tablet "SELECT name FROM sqlite_master WHERE type = 'index' AND sql <> ''"); do
  sql tablet "DROP INDEX $index"
done
sql tablet "PRAGMA wal_checkpoint(TRUNCATE)" > /dev/null
python3 app.py fill
wal=$(stat -c %s tablet.db-wal)
[ "$wal" -lt $((24 << 20)) ] || fail "the WAL grew to $((wal >> 20)) MB during a slow upload"
rm held
settled office tablet
