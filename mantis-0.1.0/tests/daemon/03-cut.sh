#!/bin/bash
# 03: each kind of message cut at each of its bytes, on the way there and on the way back: nothing is half applied,
# nothing twice, and it recovers.  R47.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE plan (id TEXT PRIMARY KEY, note TEXT REFERENCES note);
  INSERT INTO note VALUES ('a', 'one'), ('b', 'two')"
start_mantisd office --mode server
start_proxy
n=0

cat > climb.py << 'END'
import json, os, socket, sqlite3, sys

# climb.py NAME ROWS FILE...: let the tablet sync until all FILEs are there, one byte more each time.  Until then NAME
# has none of the rows that are under way; ever, all of them or none.
name, expected, files = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
database = sqlite3.connect(name + ".db", timeout=20, isolation_level=None)
control = socket.socket(socket.AF_UNIX)
control.connect("tablet.db.control")
answers = control.makefile("rb")

def rows():
    try:
        return database.execute("SELECT (SELECT count(*) FROM note) + (SELECT count(*) FROM plan)").fetchone()[0]
    except sqlite3.OperationalError:
        return 0  # not made yet

before, times = rows(), 0
while not all(map(os.path.exists, files)):
    control.sendall(b'{"message": "sync"}\n')
    answers.readline()
    there = rows() - before
    assert there in (0, expected), f"{there} of {expected} rows of a transaction"
    assert there == 0 or any(map(os.path.exists, files)), "applied, though its end has not arrived"
    times += 1
    assert times < 5000, "there is no end"
print(f"{files}: {times} times")
assert times > 100, "nothing was cut"
END
climb ()
{
  python3 climb.py "$@" || fail "climb $*"
}

# All that is said at first: hello, the schema, the first page of a table.
road "/sync/hello climb-answer hello *" "/sync/schema climb-answer schema *" "/sync/pull climb-answer page *"
start_mantisd tablet --mode client
climb tablet 2 hello schema page
settled office tablet
# Changes that come; larger ones are compressed.
for body in "'small'" "hex(randomblob(420))"; do
  road "/sync/pull climb-answer changes$((++n)) *"
  sql office "BEGIN; INSERT INTO note VALUES ('c$n', $body); INSERT INTO plan VALUES ('c$n', 'c$n'); UPDATE note SET body = 'new' WHERE id = 'a'; COMMIT"
  climb tablet 2 changes$n
  settled office tablet
done
road "/sync/pull climb-request question *"
sql office "BEGIN; INSERT INTO note VALUES ('d', 'd'); INSERT INTO plan VALUES ('d', 'd'); COMMIT"
climb tablet 2 question
# Changes that go: the question, then the answer.
road "/sync/push climb-request push *"
sql tablet "BEGIN; INSERT INTO note VALUES ('e', 'e'); INSERT INTO plan VALUES ('e', 'e'); COMMIT"
climb office 2 push
settled office tablet
road "/sync/push climb-answer outcome *"
sql tablet "BEGIN; INSERT INTO note VALUES ('f', 'f'); INSERT INTO plan VALUES ('f', 'f'); COMMIT"
wait_for_row office "SELECT 1 FROM plan WHERE id = 'f'"
climb tablet 0 outcome
settled office tablet

[ "$(kept office) $(kept tablet)" = "0 0" ] || fail "conflicts: $(sql tablet "SELECT * FROM __sync_conflicts")"
[ "$(sql office "SELECT count(*) FROM __sync_log WHERE origin IS NOT NULL")" = 4 ] || fail "not each change once: $(sql office "SELECT * FROM __sync_log")"
[ "$(sql office "SELECT count(*) FROM __sync_nodes")" = 1 ] || fail "the tablet took another node id"
