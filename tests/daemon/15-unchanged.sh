#!/bin/bash
# 15: bad input of every kind gets problem+json with the place and the reason, and changes nothing, in the tables of
# the application as in Mantis's own; the server lives on, in bounded memory.  R47, R48, O25, O26, O27, V11.
. "${0%/*}/functions.sh"

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT, n INTEGER); CREATE TABLE \"strict\" (id INTEGER PRIMARY KEY, v INTEGER) STRICT;
  INSERT INTO note VALUES ('a', 'first', 1); INSERT INTO \"strict\" VALUES (1, 1)"
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet
stop_mantisd tablet
token curl > curl.token
token_with '{"sub": "ann", "role": "admin"}' > admin.token

cat > bad.py << 'END'
"""bad.py PORT TOKEN NODE: bad requests; each line of trouble is printed, and the end says how many there were."""
import gzip, http.client, json, sys
port, token, node = int(sys.argv[1]), open(sys.argv[2]).read().strip(), sys.argv[3]
count = trouble = 0

def ask(what, path, body, headers={}, want=(400, 409, 413, 415, 422), method="POST"):
    global count, trouble
    count += 1
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        c.request(method, path, body, {"Authorization": "Bearer " + token, **headers})
        r = c.getresponse()
        text = r.read()
        kind = r.getheader("Content-Type")
    except OSError as e:
        print("%s: no answer: %s" % (what, e))
        trouble += 1
        return
    bad = []
    if r.status not in want:
        bad.append("status %d" % r.status)
    if r.status >= 400:
        if kind != "application/problem+json":
            bad.append("type %s" % kind)
        else:
            p = json.loads(text)
            if p.get("status") != r.status or not p.get("detail") or not p.get("title"):
                bad.append("an incomplete problem")
            for word in ("SELECT", "INSERT", "sqlite3_", ".c:", token):
                if word in p.get("detail", ""):
                    bad.append("it tells too much")
    if bad:
        trouble += 1
        print("%s: %s: %s" % (what, ", ".join(bad), text[:300]))

def push(what, changes, want=(400, 409, 413, 422), **more):
    ask(what, "/sync/push", {"changes": changes, **more}, want=want)

block = {"table": "note", "columns": ["id", "body", "n"], "rows": [["b", "x", 1]]}
wrong = [None, 1, -1, 1.5, "text", True, [], {}, [[]], [{}], {"$blob": 1}, {"$what": "x"}]
# Wrong types, in each place.
for member in ("table", "columns", "rows", "deleted", "meta", "schema"):
    for value in wrong:
        if value is None and member != "table" or value == [] and member in ("deleted", "meta", "rows"):
            continue # as if it were not there; empty
        push("%s = %r" % (member, value), [{**block, member: value}])
for value in (1, "x", True, {}, [1], ["x"], [[]], [None]):
    push("changes = %r" % (value,), value)
for value in wrong:
    if value is not None and not isinstance(value, (dict,)):
        ask("body = %r" % (value,), "/sync/push", json.dumps(value))
for row in ([], ["b"], ["b", "x", 1, 2], ["b", [], 1], ["b", {"$blob": "!"}, 1], ["b", {"$blob": "QQ==", "$more": 1}, 1], ["b", {}, 1], "row", 7, {"id": "b"}):
    push("row %r" % (row,), [{**block, "rows": [["c", "good", 1], row]}])
# Unknown tables and columns, and names that are more than names.
for name in ("nothing", "", "note; DROP TABLE note", 'note" --', "__sync_log", "__sync_nodes", "sqlite_master", "main.note", "note\0", "x" * 100000, "NOTE "):
    push("table %r" % name[:30], [{**block, "table": name}])
for name in ("nothing", "", 'id", body', "rowid", "id)--", "body\0", "x" * 100000):
    push("column %r" % name[:30], [{**block, "columns": ["id", name, "n"]}])
push("a column twice", [{**block, "columns": ["id", "body", "body"]}])
push("no key", [{**block, "columns": ["body", "n"], "rows": [["x", 1]]}])
push("a key twice", [{**block, "rows": [["b", "x", 1], ["b", "y", 2]]}])
push("good and bad blocks", [block, {**block, "table": "nothing"}])
# Numbers of batches.
for number, nonce in ((0, "x"), (-1, "x"), (1.5, "x"), ("1", "x"), (1, ""), (1, "x" * 1000), (1, 7), (2**63, "x")):
    ask("number %r, nonce %r" % (number, str(nonce)[:9]), "/sync/push", {"number": number, "nonce": nonce, "changes": [block]}, {"Mantis-Node": "0" * 32})
ask("a number without a node", "/sync/push", {"number": 1, "nonce": "x", "changes": [block]})
ask("another's node", "/sync/push", {"number": 1000, "nonce": "x", "changes": [block]}, {"Mantis-Node": node}, want=(400, 403, 409))
# Depth, size, lies.
for n in (10000, 100000):
    ask("%d levels of lists" % n, "/sync/push", '{"changes":' + "[" * n + "]" * n + "}")
    ask("%d levels of objects" % n, "/sync/push", '{"changes":' + '{"a":' * n + "1" + "}" * (n + 1))
ask("a long number", "/sync/push", '{"changes":[{"table":"note","columns":["id","n"],"rows":[["b",' + "9" * 100000 + "]]}]}")
ask("a number out of range", "/sync/push", '{"changes":[{"table":"note","columns":["id","n"],"rows":[["b",1e999]]}]}')
ask("over the limit", "/sync/push", b'{"changes":"' + b"x" * (17 << 20) + b'"}', want=(413,))
ask("a gzip bomb", "/sync/push", gzip.compress(b'{"changes":"' + b"x" * (200 << 20) + b'"}'), {"Content-Encoding": "gzip"}, want=(413,))
body = gzip.compress(json.dumps({"changes": [block]}).encode())
ask("gzip, cut short", "/sync/push", body[:-9], {"Content-Encoding": "gzip"})
ask("gzip, a bit turned", "/sync/push", body[:-6] + bytes([body[-6] ^ 1]) + body[-5:], {"Content-Encoding": "gzip"})
ask("gzip that is none", "/sync/push", "{}", {"Content-Encoding": "gzip"})
ask("an unknown encoding", "/sync/push", "{}", {"Content-Encoding": "br"}, want=(400, 415))
ask("a foreign type", "/sync/push", "<x/>", {"Content-Type": "text/xml"}, want=(415,))
whole = json.dumps({"changes": [block]}).encode()
for cut in range(0, len(whole)):
    ask("cut after %d bytes" % cut, "/sync/push", whole[:cut], want=(400,))
for raw in (b"\xff", b'{"changes":"\xc3\x28"}', b'{"changes":"\xed\xa0\x80"}', b'{"changes":[]}x', b"\0", b'{"a":"\\ud800"}', b"{'a':1}", b'{"changes":[]'):
    ask("bytes %r" % raw, "/sync/push", raw)
# Other messages.
for value in wrong:
    for member in ("cursor", "limit", "wait", "keys", "loads", "rows", "bytes"):
        ask("pull: %s = %r" % (member, value), "/sync/pull", {member: value}, {"Mantis-Node": "f" * 32}, want=(200, 400, 409, 410, 422))
    for member in ("number", "tables", "cursor", "clock", "create", "nonce"):
        ask("hello: %s = %r" % (member, value), "/sync/hello", {member: value}, {"Mantis-Node": "f" * 32}, want=(200, 400, 409, 422))
ask("pull: a negative wait", "/sync/pull", {"wait": -5}, want=(200, 400, 409, 410))
for header in ("Mantis-Node", "Mantis-Epoch", "Mantis-Revision"):
    for value in ("x" * 300, "a b", "note=x", "=", ",,,", "note=1;", "%zz=1", "../../x", "'--"):
        ask("%s: %s" % (header, value[:20]), "/sync/push", {}, {header: value}, want=(200, 400, 409))
for path in ("/sync/nothing", "/sync/push/", "/sync//push", "/sync/push%2e", "/SYNC/push", "/sync/./push", "/../sync/push", "/"):
    ask("POST " + path, path, {}, want=(400, 404, 405))
admin = {"Authorization": "Bearer " + open("admin.token").read().strip()}
ask("a decision of anybody", "/sync/conflicts/1", {"choose": "remote"}, want=(403,))
for value in wrong:
    for member in ("choose", "row", "rev", "id"):
        for path in ("/sync/conflicts/1", "/sync/conflicts/x", "/sync/conflicts/99999999999999999999", "/sync/conflicts"):
            ask("decision at %s: %s = %r" % (path, member, value), path, {"choose": "merged", "row": {}, member: value}, admin, want=(400, 404, 405, 409))
ask("GET push", "/sync/push", None, method="GET", want=(405,))
for query in ("state=x", "limit=x", "limit=-1", "%00", "after='%20OR%201"):
    ask("conflicts?" + query, "/sync/conflicts?" + query, None, method="GET", want=(200, 400))
print("%d bad requests, %d not answered as they should be" % (count, trouble))
sys.exit(trouble > 0)
END

# all: every table by its bits, less who called (__sync_nodes knows that) and marks.
all ()
{
  sqlite3 office.db .dump | grep -v '__sync_nodes\|__sync_marks' | sha256sum
}

before=$(all)
node=$(sql tablet "SELECT value FROM __sync_meta WHERE name = 'node'")
status=0
python3 bad.py "$port" curl.token "$node" > bad.out || status=$?
[ "$before" = "$(all)" ] || { sqlite3 office.db .dump | grep "^INSERT"; cat bad.out; fail "bad input changed the database; $(tail -n 1 bad.out)"; }
[ $status = 0 ] || { head -n 40 bad.out | cut -c1-400; fail "$(tail -n 1 bad.out | cut -c1-300)"; }
tail -n 1 bad.out
alive office || fail "the server died"
peak=$(awk '/VmHWM/ {print $2}' "/proc/$(pid_of office)/status")
[ "$peak" -lt 262144 ] || fail "the server took $peak kB"
# And a good one is taken.
call POST /sync/push -d '{"changes": [{"table": "note", "columns": ["id", "body"], "rows": [["good", "one"]]}]}' > said
[ "$(sql office "SELECT body FROM note WHERE id = 'good'")" = one ] || fail "a good push after all that: $(cat said)"
start_mantisd tablet --mode client
settled office tablet
