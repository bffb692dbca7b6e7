#!/bin/bash
# 00: a script of a few lines notes each order that arrives; a program before a push refuses one row, alters another, refuses a
# whole push, and no row is lost; what happens while it hangs, dies or is not there is what the configuration says; SIGHUP
# changes the hooks; one fills in what the device may not see; nothing of them is left when mantisd has stopped.
. "${0%/*}/functions.sh"
requires python3

cat > note << 'END'
#!/bin/sh
while read -r line; do
  case $line in
  *'"created":true'*) echo "$line" >> orders ;;
  esac
done
END
# "no" is refused, "dear" becomes cheap, "all" refuses the push, "hang" takes its time.
cat > judge << 'END'
#!/usr/bin/env python3
import json, os, sys, time
print("judge is here", file=sys.stderr, flush=True)
open("judges", "a").write(f"{os.getpid()}\n")
for line in sys.stdin:
    event = json.loads(line)
    rows, answer = [], {"id": event["id"]}
    for index, change in enumerate(event.get("changes", [])):
        what = change.get("row", {}).get("what")
        if what == "no":
            rows.append({"index": index, "refuse": "we do not sell this"})
        if what == "dear":
            rows.append({"index": index, "set": {"what": "cheap"}})
        if what == "weighed":
            rows.append({"index": index, "set": {"cost": 9}})
        if what == "all" and os.path.exists("strict"):
            answer["refuse"] = "not today"
        while what == "hang" and os.path.exists("hang"):
            time.sleep(0.05)
    print(json.dumps({**answer, "rows": rows}), flush=True)
END
chmod +x note judge
port=$(free_port)
configure () # HOOKS
{
  cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"*": {}, "order2": {"filters": [{"plugin": "columns", "hide": ["cost"]}]}},
 "hooks": [$1]}
END
}
note='{"plugin": "exec", "command": ["./note"], "on": ["after_apply"], "tables": ["orders"], "on_failure": "ignore"}'
judge='{"plugin": "exec", "command": ["./judge"], "on": ["before_push"], "tables": ["order?"], "time_limit": "LIMIT", "on_failure": "FAILURE"}'
configure "$note, $(sed 's/LIMIT/1h/; s/FAILURE/refuse/' <<< "$judge")"
for name in office tablet; do
  sql $name "CREATE TABLE orders (id TEXT PRIMARY KEY, what TEXT, qty INTEGER); CREATE TABLE other (id TEXT PRIMARY KEY, what TEXT)"
done
start_mantisd office --mode server
start_mantisd tablet --mode client

# Each order is noted, and nothing else.
sql tablet "INSERT INTO orders VALUES ('a', 'tea', 1); INSERT INTO other VALUES ('x', 'no')"
settled office tablet
wait_for "the order to be noted" grep -q '"table":"orders","key":{"id":"a"}' orders
wait_for_message office 'judge is here'
# One is refused, one altered: the tablet has what the office has, and its own row as a conflict.
sql tablet "INSERT INTO orders VALUES ('b', 'no', 2), ('c', 'dear', 3), ('d', 'tea', 4)"
settled office tablet
[ "$(sql office "SELECT group_concat(id || what || qty) FROM (SELECT * FROM orders ORDER BY id)")" = atea1,ccheap3,dtea4 ] ||
  fail "$(sql office "SELECT * FROM orders")"
kept=$(sql tablet "SELECT outcome || ' by ' || decided_by || ': ' || reason || ' ' || json_extract(loser, '\$.qty') FROM __sync_conflicts")
[ "$kept" = "rejected by exec: we do not sell this 2" ] || fail "kept: $kept"
[ "$(sql office "SELECT count(*) FROM __sync_conflicts WHERE decided_by = 'exec' AND json_extract(loser, '\$.what') = 'no'")" = 1 ] ||
  fail "the office keeps: $(sql office "SELECT * FROM __sync_conflicts")"
wait_for "the last order to be noted" grep -q '"key":{"id":"d"}' orders
[ "$(grep -c . orders)" = 2 ] && grep -q '"what":"cheap"' orders || fail "noted: $(cat orders)"

# A push that is refused waits, and gets through when it is not any more.
touch strict
sql tablet "INSERT INTO orders VALUES ('e', 'all', 5)"
wait_until tablet 'S["trouble"] and "not today" in S["trouble"]'
[ "$(sql office "SELECT count(*) FROM orders WHERE id = 'e'")" = 0 ] || fail "a push that was refused stands"
rm strict
ctl tablet sync
settled office tablet

# While it thinks, nobody is kept from the database, and reading goes on.
touch hang
sql tablet "INSERT INTO orders VALUES ('f', 'hang', 6)"
wait_until tablet 'S["waiting"] == 1'
call GET /healthz | grep -q . || fail "no health"
sql office "PRAGMA busy_timeout = 0; INSERT INTO other VALUES ('y', 'of the office')"
call POST /sync/pull -d '{}' | grep -q cursor || fail "reading does not go on"
# It hangs, and is killed: the push waits or is let through, as the configuration says.
configure "$note, $(sed 's/LIMIT/100ms/; s/FAILURE/refuse/' <<< "$judge")"
kill -HUP "$(pid_of office)"
wait_for_message office 'the hooks are as they are configured now'
kill -9 "$(tail -n 1 judges)"
wait_until tablet 'S["trouble"] and "hook" in S["trouble"]'
wait_for_message office 'gave no answer in 100 ms'
[ "$(sql office "SELECT count(*) FROM orders WHERE id = 'f'")" = 0 ] || fail "a push stands that its hook did not answer"
configure "$note, $(sed 's/LIMIT/100ms/; s/FAILURE/ignore/' <<< "$judge")"
kill -HUP "$(pid_of office)"
wait_for_message office 'the hooks are as they are configured now' 2
ctl tablet sync
settled office tablet
rm hang

# A hook that cannot be had leaves those of before in place; none is none.
configure '{"plugin": "exec", "command": ["./note"], "on": ["after_supper"]}'
kill -HUP "$(pid_of office)"
wait_for_message office 'there is no moment "after_supper"'
configure '{"plugin": "exec", "command": ["./missing"], "on": ["before_push"]}'
kill -HUP "$(pid_of office)"
wait_for_message office 'the hooks are as they are configured now' 3
has_message office "cannot run \"./missing\" in $PWD: No such file" || fail "a program that is not there is not told before it is needed"
sql tablet "INSERT INTO orders VALUES ('g', 'tea', 7)"
wait_for_message office 'cannot run "./missing"' 2
configure "$note"
kill -HUP "$(pid_of office)"
wait_for_message office 'the hooks are as they are configured now' 4
ctl tablet sync
settled office tablet
wait_for "order g to be noted" grep -q '"key":{"id":"g"}' orders

# It fills in a column that the device may not see: in a new row, and in one that is there.
configure "$(sed 's/LIMIT/1h/; s/FAILURE/refuse/' <<< "$judge")"
kill -HUP "$(pid_of office)"
wait_for_message office 'the hooks are as they are configured now' 5
sql office "CREATE TABLE order2 (id TEXT PRIMARY KEY, what TEXT, cost INTEGER); INSERT INTO order2 VALUES ('a', 'tea', 1)"
wait_for_row tablet "SELECT 1 FROM sqlite_master WHERE name = 'order2'"
wait_for_row tablet "SELECT 1 FROM order2"
sql tablet "UPDATE order2 SET what = 'weighed'; INSERT INTO order2 VALUES ('b', 'weighed')"
wait_for_row office "SELECT 1 WHERE (SELECT count(*) FROM order2 WHERE what = 'weighed' AND cost = 9) = 2"
quiet tablet
[ "$(sql tablet "SELECT count(*) FROM __sync_conflicts WHERE tbl = 'order2'")" = 0 ] || fail "it is refused: $(sql tablet "SELECT * FROM __sync_conflicts")"

stop_mantisd tablet
stop_mantisd office
[ "$ended" = 0 ] || fail "the server ended with $ended"
for pid in $(sed -n 's/.* started as process //p' office.log); do
  [ ! -e "/proc/$pid" ] || ! grep -q "judge\|note" "/proc/$pid/cmdline" || fail "process $pid is still there"
done
