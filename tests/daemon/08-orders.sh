#!/bin/bash
# 08: random histories of 2 to 5 devices, in every order in which they can reach the server, end in the state that the one-page
# definition of the policy in docs/conflicts.md says (orders.py is written from it): timestamp; version with the second policies
# timestamp, server, client, with groups, add and max, and deletions that lose or win; manual, before somebody decides and after that;
# and on every device (K3, K6, K11, K13).  Whatever a
# device wrote stands or is found by SQL (K12); each conflict that was kept on the way comes out so once more from its record alone.
. "${0%/*}/functions.sh"
requires python3

seed=${SEED:-1}
echo "SEED=$seed (any number makes other histories)"
port=$(free_port)
policy ()
{
  echo "{\"conflict_policy\": {\"plugin\": \"version\", \"second\": \"$1\", \"deletes\": \"$2\", \"groups\": [[\"start\", \"stop\"]],
    \"columns\": {\"qty\": \"add\", \"top\": \"max\"}}}"
}
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"timestamp": {}, "latest": $(policy timestamp lose), "first": $(policy server lose), "last": $(policy client lose),
            "final": $(policy timestamp win), "manual": {"conflict_policy": "manual"}}, "administrators": ["curl"]}
END
for table in timestamp latest first last final manual; do
  # 2! + 3 * 3! + 4! + 5! orders
  sql office "CREATE TABLE \"$table\" (id INTEGER PRIMARY KEY, title TEXT, note TEXT, start TEXT, stop TEXT, qty INTEGER, top INTEGER);
    WITH RECURSIVE k(k) AS (VALUES (0) UNION ALL SELECT k + 1 FROM k WHERE k < 163) INSERT INTO \"$table\" SELECT k, 't', 'n', 'a', 'z', 10, 10 FROM k"
done
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet
token curl > curl.token
python3 "$top/tests/daemon/orders.py" "http://127.0.0.1:$port" curl.token "$seed" > expected || fail "the pushes"
settled office tablet
sql tablet "$(for table in timestamp latest first last final manual; do
  echo "SELECT '$table|' || k.id || '|' || coalesce((SELECT json_array(title, note, start, stop, qty, top) FROM \"$table\" WHERE id = k.id), '')
    FROM (WITH RECURSIVE k(id) AS (VALUES (0) UNION ALL SELECT id + 1 FROM k WHERE id < 163) SELECT id FROM k) AS k;"
done)" > got
diff expected got > difference || { head -20 difference; fail "SEED=$seed: other rows than the page says: $(grep -c '^<' difference)"; }

# Each of these conflicts, put to its policy once more from its record alone, comes out as it did.
ctl office replay > replayed || fail "SEED=$seed: replay: status $?, $(head -20 replayed)"
same=$(awk '/^the same/ { print $3 }' replayed)
[ "$same" -gt 0 ] && [ "$same" = "$(kept office)" ] || fail "SEED=$seed: replay: $(cat replayed)"

python3 - << 'END' || fail "SEED=$seed: what lost is not found"
import json, sqlite3, sys
db = sqlite3.connect("office.db")
found = set()
for table in ("timestamp", "latest", "first", "last", "final", "manual"):
    for row in db.execute(f'SELECT id, title, note, start, stop, qty, top FROM "{table}"'):
        found |= {(table, row[0], column, value) for column, value in zip(("title", "note", "start", "stop", "qty", "top"), row[1:])}
for table, key, *rows in db.execute("SELECT tbl, key, loser, winner FROM __sync_conflicts"):
    for row in rows:
        found |= {(table, json.loads(key)[0], column, value) for column, value in json.loads(row or "{}").items()}
lost = sorted(set(map(tuple, json.load(open("written.json")))) - found)
print(f"{len(lost)} values neither stand nor are kept:", lost[:10])
sys.exit(bool(lost))
END

# What is left to a person is all there, nothing else is, and what is chosen then stands everywhere: of some rows all that waits, one
# after the other, of others none.
python3 - "http://127.0.0.1:$port" > expected << 'END' || fail "SEED=$seed: what waits, and is decided"
import json, sys, urllib.error, urllib.request
waits = {int(key): rows for key, rows in json.load(open("waits.json")).items()}
def call(path, body=None):
    request = urllib.request.Request(sys.argv[1] + path, body and json.dumps(body).encode(), {"Authorization": "Bearer " + open("curl.token").read().strip()})
    return json.load(urllib.request.urlopen(request, timeout=60))
found = {key: [] for key in waits}
page = {"after": 0, "end": False}
while not page["end"]:
    page = call("/sync/conflicts?table=manual&state=open&limit=1000&after=%d" % page["after"])
    for conflict in page["conflicts"]:
        row = conflict["loser"]
        found[conflict["key"][0]].append((conflict["id"], row and {name: value for name, value in row.items() if name != "id"}))
for key, rows in waits.items():
    assert [row for number, row in found[key]] == rows, (key, found[key], rows)
for key in range(14):
    for number, row in found[key] if key % 3 else []:
        choice = {"choose": "remote" if key % 3 == 1 else "local"}
        try:
            call("/sync/conflicts/%d" % number, choice)
        except urllib.error.HTTPError as refusal:  # another one was chosen before
            problem = json.load(refusal)
            assert problem["code"] == "stale" and choice["choose"] == "remote", problem
            call("/sync/conflicts/%d" % number, dict(choice, rev=problem["rev"]))
    if key % 3 == 1 and waits[key]:
        last = waits[key][-1]
        print("%d|%s" % (key, json.dumps([last[x] for x in ("title", "note", "start", "stop", "qty", "top")], separators=(",", ":")) if last else ""))
END
settled office tablet
while IFS='|' read -r key row; do
  got=$(sql tablet "SELECT json_array(title, note, start, stop, qty, top) FROM manual WHERE id = $key")
  [ "$got" = "$row" ] || fail "SEED=$seed: $key was decided to be $row, and is $got"
done < expected
[ "$(wc -l < expected)" -gt 2 ] || fail "SEED=$seed: $(cat expected)"
