#!/bin/bash
# 00: each moment comes on the side, and with what mantis-hook(3) says, in order: before, then after; a client's hook holds a row back
# without losing it, and stops its pushes and pulls; a node in an application has its hooks, too, and their complaints reach the application.
. "${0%/*}/functions.sh"
requires python3

cat > record << 'END'
#!/usr/bin/env python3
import json, os, sys
name = sys.argv[1]
for line in sys.stdin:
    event = json.loads(line)
    with open(name + ".events", "a") as file:
        file.write(line)
    if not event["event"].startswith("before_"):
        continue
    answer = {"id": event["id"]}
    if event["event"] in sys.argv[2:] and os.path.exists(name + ".stop"):
        answer["refuse"] = "not now"
    if os.path.exists(name + ".picky"):
        answer["rows"] = [{"index": i, "refuse": "not for us"} for i, change in enumerate(event.get("changes", []))
                          if change.get("row", {}).get("body") == "bad"]
    print(json.dumps(answer), flush=True)
END
# told NAME EVENT EXPRESSION [EVENT EXPRESSION...]: is there such an EVENT, E, with its changes C, of which the expression is true?
cat > told.py << 'END'
import json, sys
events = [json.loads(line) for line in open(sys.argv[1] + ".events")]
def told(name, expression):
    return any(E["event"] == name and eval(expression, {"E": E, "C": E.get("changes", [])}) for E in events)
for name, expression in zip(sys.argv[2::2], sys.argv[3::2]):
    if not told(name, expression):
        sys.exit(f"{name}: {expression}")
END
chmod +x record
told ()
{
  wait_for "$1 to be told: $2 $3" python3 told.py "$@"
}

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "hooks": [{"plugin": "exec", "command": ["./record", "office"], "time_limit": "1h"}]}
END
server=office
configure_client tablet
configure_client phone
sed -i 's|^{|{"hooks": [{"plugin": "exec", "command": ["./record", "tablet", "before_push", "before_pull", "before_connect"], "time_limit": "1h"}],\n|' tablet.json
for name in office tablet phone; do
  sql $name "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
done
start_mantisd office --mode server
start_mantisd tablet --mode client
start_mantisd phone --mode client
settled office tablet phone
told office before_connect 'E["subject"] == "tablet" and len(E["node"]) == 32 and E["claims"]["sub"] == "tablet"'
told office after_connect 'E["subject"] == "tablet"'
told tablet before_connect '"subject" not in E and len(E["node"]) == 32' after_connect True

sql tablet "INSERT INTO note VALUES ('a', 'of the tablet')"
settled office tablet phone
told office before_push 'E["subject"] == "tablet" and C[0]["table"] == "note" and C[0]["row"] == {"id": "a", "body": "of the tablet"}' \
  before_apply 'C[0]["key"] == {"id": "a"}' after_push 'C[0]["outcome"] == "applied"' \
  after_apply 'C[0]["key"] == {"id": "a"} and C[0]["created"]'
sql phone "INSERT INTO note VALUES ('b', 'of the phone')"
settled office tablet phone
told office before_pull 'E["subject"] == "tablet"' after_pull 'E["subject"] == "tablet"'
told tablet before_push 'not C' after_push 'not C' before_pull True after_pull True \
  before_apply 'C[0]["row"]["body"] == "of the phone" and C[0]["rev"] > 0' after_apply 'C[0]["key"] == {"id": "b"}'
order=$(python3 -c 'import json
print(*[e["event"] for e in map(json.loads, open("office.events")) if e.get("subject") == "tablet" and e["event"].endswith(("_push", "_apply"))][:4])')
[ "$order" = "before_push before_apply after_push after_apply" ] || fail "the order: $order"
python3 - << 'END' || fail "what the tablet wrote came back to its own hook"
import json
rows = [c for e in map(json.loads, open("tablet.events")) if e["event"] == "after_apply" for c in e["changes"]]
assert not [c for c in rows if c["key"]["id"] == "a"], rows
END

# A conflict, where it is decided and where somebody loses.
stop_mantisd tablet
sql tablet "UPDATE note SET body = 'earlier' WHERE id = 'b'"
sleep 0.01
sql phone "UPDATE note SET body = 'later' WHERE id = 'b'"
settled office phone
start_mantisd tablet --mode client
settled office tablet phone
told office after_conflict 'C[0]["outcome"] == "superseded" and C[0]["row"]["body"] == "earlier" and C[0]["standing"]["body"] == "later"'
told tablet after_conflict 'C[0]["decided_by"] == "timestamp" and C[0]["row"]["body"] == "earlier" and C[0]["standing"]["body"] == "later"' \
  after_apply 'C[0]["row"]["body"] == "later"'

# A row that the client's hook refuses is held, others are not, and it comes when nobody minds any more.
touch tablet.picky
sql office "INSERT INTO note VALUES ('c', 'bad'), ('d', 'good')"
wait_until tablet 'S["held"] == 1'
[ "$(sql tablet "SELECT group_concat(id) FROM note WHERE id IN ('c', 'd')")" = d ] || fail "the rows: $(sql tablet "SELECT * FROM note")"
sql tablet "SELECT reason FROM __sync_held" | grep -q 'hook "exec": not for us' || fail "$(sql tablet "SELECT * FROM __sync_held")"
rm tablet.picky
ctl tablet sync
settled office tablet phone

# Nothing is sent while it does not want that, and nothing is lost.
touch tablet.stop
sql tablet "INSERT INTO note VALUES ('e', 'waits')"
wait_until tablet 'S["trouble"] and "not now" in S["trouble"] and S["waiting"] == 1'
told tablet on_error '"not now" in E["error"]'
stop_mantisd tablet
rm tablet.stop
start_mantisd tablet --mode client
settled office tablet phone
call POST /sync/push -d '{"changes": 1}' | grep -q '"status":400' || fail "nonsense is taken"
told office on_error 'E["subject"] == "curl" and E["message"] == "push"'

# Inside an application: its program is started and ended with the node, and complains to the application alone.
cat > inside.py << 'END'
import json, os, sqlite3, sys, threading
sys.path.insert(0, sys.argv[1])
import notes
told, words = threading.Event(), []
def report(r):
    if r.kind == 1:
        words.append(r.text.decode())
        if "program complains" in words[-1]:
            told.set()
base = sqlite3.connect("inside.db", isolation_level=None, timeout=20)
base.execute("CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)")
program = "echo $$ > inside.pid; while read -r line; do echo \"$line\" >> inside.events; echo the program complains >&2; done"
config = {"storage": {"plugin": "sqlite", "path": "inside.db"},
          "sync": {"server_url": sys.argv[2], "token_file": "tablet.token", "transport": "rest"},
          "hooks": [{"plugin": "exec", "command": ["sh", "-c", program], "on": ["after_apply"]}]}
with notes.Mantis(config, report) as node:
    node.ask("sync")
    assert told.wait(int(sys.argv[3])), words
assert not os.path.exists(f"/proc/{open('inside.pid').read().strip()}/exe"), "the program is still there"
rows = [c["key"]["id"] for line in open("inside.events") for c in json.loads(line)["changes"]]
assert set(rows) >= {"a", "b", "e"}, rows
END
folders=("$build"/plugins/*/*/.libs)
LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} MANTIS_PLUGIN_PATH=$(IFS=:; echo "${folders[*]}") \
  python3 inside.py "$top/docs/examples/embed" "http://127.0.0.1:$port" "$patience" > inside.out 2>&1 || fail "inside an application: $(cat inside.out)"
[ ! -s inside.out ] || fail "it writes by itself: $(cat inside.out)"
