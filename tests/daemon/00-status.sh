#!/bin/bash
# 00: what mantisctl status says is so: the remote, waiting rows and the age of the oldest, last push and pull, conflicts, a table
# that is paused and why, on both sides; the same over HTTP; the metrics are Prometheus's.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 curl

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE plan (id TEXT PRIMARY KEY, body TEXT)"
sql office "$schema; INSERT INTO note VALUES ('a', 'old')"
sql tablet "$schema"
began=$(date +%s%3N)
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet
wait_until tablet 'T["note"]["state"] == "live" and T["note"]["waiting"] == 0 and not T["note"].get("oldest")'
wait_until tablet "T['note']['last_pull'] >= $began"
# The remote is told, for people too: it is the one remote of all the tables.
says tablet "S['remote'] == 'http://127.0.0.1:$port'" || fail "the remote: $(cat tablet.status)"
ctl tablet status > said
grep -qx "client of  *http://127.0.0.1:$port" said || fail "the remote, for people: $(cat said)"

# Rows from before Mantis: whether they wait is not known before the server was met, and that is what is said.
sql till "$schema; INSERT INTO note VALUES ('a', 'old'), ('t1', 'ours'), ('t2', 'ours'); INSERT INTO plan SELECT 'p' || value, '' FROM generate_series(1, 1500)"
configure_client till
sed -i "s/$port/$(free_port)/" till.json
start_mantisd till --mode client
sql till "UPDATE note SET body = 'edited since' WHERE id = 't2'"
wait_until till 'S["trouble"] and T["note"]["uncompared"] == 2 and T["note"]["waiting"] == 1 and not T["note"]["uncompared_more"]'
says till 'T["plan"]["uncompared"] == 1000 and T["plan"]["uncompared_more"] and T["plan"]["waiting"] == 0' || fail "of many: $(cat till.status)"
ctl till status > said
grep -q '^note .* 2 rows not compared' said && grep -q '^plan .* 1000 rows or more not compared' said || fail "for people: $(cat said)"
stop_mantisd till
rm till.json
sql till "DELETE FROM plan"
start_mantisd till --mode client
settled office till tablet
says till 'not any("uncompared" in t for t in S["tables"])' || fail "compared, and not so: $(cat till.status)"
stop_mantisd till

# How far a client is that only reads, without another hello.
behind ()
{
  wait_until office "[node['behind'] for node in S['nodes'] if node['subject'] == 'tablet'] == [$1]"
}
sql office "INSERT INTO plan VALUES ('r1', ''), ('r2', ''), ('r3', '')"
wait_for_row tablet "SELECT 1 FROM plan WHERE id = 'r3'"
behind 0
revs=$(sql office "SELECT rev FROM __sync_nodes")
stop_mantisd tablet
sql office "INSERT INTO plan VALUES ('r4', ''), ('r5', '')"
behind 2
[ "$(sql office "SELECT rev FROM __sync_nodes")" = "$revs" ] || fail "a pull has written to the database"
start_mantisd tablet --mode client
settled office tablet
behind 0

# A column that the server has first: that table waits, says which column, and holds up no other.
sql office "ALTER TABLE note ADD COLUMN colour TEXT"
wait_until tablet 'T["note"]["state"] == "paused" and "colour" in T["note"]["reason"] and T["plan"]["state"] == "live"'
before=$(date +%s%3N)
sql tablet "INSERT INTO note VALUES ('b', 'waits'), ('c', 'waits too')"
after=$(date +%s%3N)
sql tablet "INSERT INTO plan VALUES ('p', 'goes')"
wait_for_row office "SELECT 1 FROM plan WHERE id = 'p'"
wait_until tablet 'T["note"]["waiting"] == 2 and T["plan"]["waiting"] == 0 and S["waiting"] == 2'
says tablet "$before <= T['note']['oldest'] <= $after" || fail "the oldest: $(cat tablet.status), $before to $after"
says tablet "T['plan']['last_push'] >= $before and not T['note'].get('last_push')" || fail "the last push: $(cat tablet.status)"
ctl tablet status > said
grep -q '^note  *paused  *2 .*colour' said && grep -q '^plan  *live  *0 ' said || fail "for people: $(cat said)"
sql tablet "ALTER TABLE note ADD COLUMN colour TEXT"
settled office tablet
wait_until tablet "T['note']['state'] == 'live' and S['waiting'] == 0 and T['note']['last_push'] >= $before"

# A conflict, on both sides; what cannot be synced.
stop_mantisd tablet
sql tablet "UPDATE note SET body = 'early' WHERE id = 'a'"
later
sql office "UPDATE note SET body = 'late' WHERE id = 'a'"
says tablet 'S["waiting"] == 1' || fail "without a daemon: $(cat tablet.status)"
start_mantisd tablet --mode client
settled office tablet
for name in office tablet; do
  says $name 'S["conflicts"] == 1' || fail "conflicts of $name: $(cat $name.status)"
done
sql office "CREATE TABLE heap (x)"
wait_until office '"heap" in T and T["heap"]["state"] == "refused" and "primary key" in T["heap"]["reason"] and T["note"]["policy"] == "timestamp"'

# Over HTTP.
call GET /sync/status > status
call GET "/sync/conflicts?table=note" > conflicts
call GET "/sync/conflicts?table=plan" > none
call GET "/sync/conflicts?tabel=plan" > wrong || true
call GET /metrics > metrics
cat > read.py << 'END_OF_PYTHON'
import json, re
status, own = json.load(open("status")), json.load(open("office.status"))
assert status["mode"] == "server" and status["conflicts"] == 1, status
assert {node["subject"] for node in status["nodes"]} == {"tablet", "till"}, status
assert {t["table"]: t["state"] for t in status["tables"]} == {t["table"]: t["state"] for t in own["tables"]}, status
conflict, = json.load(open("conflicts"))["conflicts"]
assert conflict["loser"]["body"] == "early" and conflict["winner"]["body"] == "late" and conflict["key"] == ["a"], conflict
assert json.load(open("none"))["conflicts"] == []
assert "conflicts" not in open("wrong").read() or json.load(open("wrong"))["status"] == 400
seen, told = {}, set()
for line in open("metrics").read().splitlines():
    if line.startswith("# TYPE "):
        told.add(line.split()[2])
        assert line.split()[3] in ("counter", "gauge"), line
    elif not line.startswith("# HELP "):
        name, value = re.fullmatch(r'(mantis_[a-z_]+(?:\{[a-z]+="[a-z]+"\})?) (-?\d+)', line).groups()
        assert name.split("{")[0] in told and name not in seen, line
        seen[name] = int(value)
assert seen["mantis_changes_total{outcome=\"superseded\"}"] == 1, seen
assert seen["mantis_changes_total{outcome=\"applied\"}"] >= 3, seen
END_OF_PYTHON
python3 read.py || fail "over HTTP"
