#!/bin/bash
# 00: docs/protocol.md is enough to write a client: this one, in Python, is written from the page alone.  It greets,
# loads, pushes, pulls, gives up a batch, loses a conflict; computes fingerprints and checksums as the page says; and
# finds each member of every answer on the page.
. "${0%/*}/functions.sh"
requires python3

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT NOT NULL, any);
  CREATE TABLE pair (b INTEGER NOT NULL, a VARCHAR(9), x REAL, n NUMERIC(3), g AS (b + 1), PRIMARY KEY (a, b)) WITHOUT ROWID;
  CREATE TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT REFERENCES note ON DELETE CASCADE, c TEXT UNIQUE COLLATE NOCASE DEFAULT 'x') STRICT;
  INSERT INTO note VALUES ('a', 'one', 1), ('b', 'two', 2.5), ('c', 'three', x'00ff'), ('d', 'four', NULL), ('e', 'five', 'é');
  INSERT INTO pair (b, a, x) VALUES (1, 'x', 1e300), (2, 'x', -0.5)"
start_mantisd office --mode server
token tablet > tablet.token

cat > client.py << 'END_OF_PYTHON'
import json, re, sqlite3, struct, sys, urllib.error, urllib.request
port, page = sys.argv[1], open(sys.argv[2]).read()
token, node = open("tablet.token").read().strip(), "0123456789abcdef" * 2
columns = re.search(r"^## .*sync.*conflicts\n(.*?)^## ", open(sys.argv[3]).read(), re.M | re.S)[1]  # the page points there
told = set(re.findall(r"`(\w+)`", columns)) | set(re.findall(r'"(\w+)":', page)) | set(re.findall(r"`(\w+)`", page)) | set(re.findall(r'"(\w+)"', page))

def members(value, inside=None):
    if isinstance(value, dict):
        for name, member in value.items():
            if inside not in ("tables", "policies", "row", "loser", "winner", "outcomes"):  # names of tables, columns, outcomes
                assert name in told, f"{name} is not on the page"
            members(member, name)
    elif isinstance(value, list):
        for member in value:
            members(member)

def ask(name, body=None, node=node, status=200, code=None):
    headers = {"Authorization": "Bearer " + token, **({"Mantis-Node": node} if node else {})}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"http://127.0.0.1:{port}/sync/{name}", data, headers)
    try:
        got, answer = 200, json.load(urllib.request.urlopen(request))
    except urllib.error.HTTPError as problem:
        got, answer = problem.code, json.load(problem)
    assert got == status and answer.get("code") == code, (name, body, got, answer)
    members(answer)
    return answer

def changes_of(blocks):
    for block in blocks:
        for kind in "rows", "deleted":
            for row in block.get(kind, []):
                width = len(row) - len(block.get("meta", []))
                facts = {fact: block[fact] for fact in ("rev",) if fact in block}
                for name, value in zip(block.get("meta", []), row[width:]):
                    facts[name.lstrip("+")] = value + (block[name[1:]] if name[0] == "+" else 0)
                yield block["table"], kind, dict(zip(block["columns"], row)) if kind == "rows" else row[:width], facts

# Fingerprints.
def affinity(declared):
    declared = declared.upper()
    for number, words in (3, ("INT",)), (1, ("CHAR", "CLOB", "TEXT")), (0, ("BLOB",)), (4, ("REAL", "FLOA", "DOUB")):
        if any(word in declared for word in words):
            return number
    return 2 if declared else 0

def fingerprint(table):
    total = 14695981039346656037
    for column in sorted(table["columns"], key=lambda c: c["name"].encode()):
        if "generated" in column:
            continue
        text = column["name"].encode() + bytes([0, affinity(column.get("type", "")), column.get("not_null", False) or column.get("key", 0) > 0, column.get("key", 0)])
        for byte in text:
            total = (total ^ byte) * 1099511628211 % 2**64
    return f"{total:016x}"

schema = {table["table"]: table for table in ask("schema")["tables"]}
assert set(schema) == {"note", "pair", "child"}
prints = {name: fingerprint(table) for name, table in schema.items()}
for name, table in schema.items():
    assert prints[name] == table["fingerprint"], name

# Hello, and all of a table in pages of two.
hello = ask("hello", {"protocol": 1, "number": 0, "tables": prints})
assert hello["verdict"] == "ok" and hello["cursor"] == "none", hello
assert {about["state"] for about in hello["tables"].values()} == {"live"}, hello
cursor, rows, after = hello["head"], {}, None
while True:
    load = {"table": "note", "limit": 2, **({"after": after} if after else {})}
    answer = ask("pull", {"cursor": cursor, "load": load})
    assert answer["complete"] and answer["generation"] == hello["generation"]
    cursor = answer["cursor"]
    for table, kind, row, _ in changes_of(answer["load"]["changes"]):
        rows[row["id"]], after = row, [row["id"]]
    if answer["load"]["end"]:
        break
assert list(rows) == ["a", "b", "c", "d", "e"] and rows["c"]["any"] == {"b": "AP8="}, rows

# What is known does not travel.
P = 11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261
def rotl(x, r):
    return (x << r | x >> 64 - r) % 2**64
def round64(acc, lane):
    return rotl((acc + lane * P[1]) % 2**64, 31) * P[0] % 2**64
def xxh64(data, seed=0):
    at = 0
    if len(data) >= 32:
        lanes = [(seed + P[0] + P[1]) % 2**64, (seed + P[1]) % 2**64, seed, (seed - P[0]) % 2**64]
        while at + 32 <= len(data):
            lanes = [round64(lane, struct.unpack_from("<Q", data, at + 8 * i)[0]) for i, lane in enumerate(lanes)]
            at += 32
        h = sum(rotl(lane, r) for lane, r in zip(lanes, (1, 7, 12, 18))) % 2**64
        for lane in lanes:
            h = ((h ^ round64(0, lane)) * P[0] + P[3]) % 2**64
    else:
        h = (seed + P[4]) % 2**64
    h = (h + len(data)) % 2**64
    while at + 8 <= len(data):
        h, at = (rotl(h ^ round64(0, struct.unpack_from("<Q", data, at)[0]), 27) * P[0] + P[3]) % 2**64, at + 8
    if at + 4 <= len(data):
        h, at = (rotl(h ^ struct.unpack_from("<I", data, at)[0] * P[0] % 2**64, 23) * P[1] + P[2]) % 2**64, at + 4
    while at < len(data):
        h, at = rotl(h ^ data[at] * P[4] % 2**64, 11) * P[0] % 2**64, at + 1
    h = (h ^ h >> 33) * P[1] % 2**64
    h = (h ^ h >> 29) * P[2] % 2**64
    return h ^ h >> 32

def text(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
def checksum(row):
    total = sum(xxh64(text(value), xxh64(name.encode())) for name, value in row.items()) % 2**64
    return xxh64(struct.pack("<Q", total))
def ranges(*groups):
    return [{"to": [keys[-1]], "rows": len(keys), "sum": f"{sum(checksum(rows[k]) for k in keys) % 2**64:016x}"} for keys in groups]

load = ask("pull", {"cursor": cursor, "load": {"table": "note", "known": ranges("abc", "de")}})["load"]
assert load["after"] == ["e"] and load["end"] and not list(changes_of(load["changes"])), load
rows["d"]["body"] = "not this"
load = ask("pull", {"cursor": cursor, "load": {"table": "note", "known": ranges("abc", "de")}})["load"]
assert load["after"] == ["c"] and [row["id"] for _, _, row, _ in changes_of(load["changes"])] == ["d", "e"], load

# A batch, again, too far ahead, and another one by its number.
def batch(number, nonce, *blocks):
    return {"number": number, "nonce": nonce, "changes": list(blocks)}
def note(base, *rows, **facts):
    return {"table": "note", "schema": prints["note"], "columns": ["id", "body", "any"], "base": base, "rows": list(rows), **facts}

values = [2**63 - 1, -2**63, 1.0, 5e-324, {"r": "-inf"}, "\0", {"t": "/w=="}, {"b": ""}, None, "", "007"]
first = batch(1, "n1", note(0, *[[f"v{i}", "value", value] for i, value in enumerate(values)], created=1),
              {"table": "child", "columns": ["id", "note"], "created": 1, "rows": [[7, "v0"]]})
answer = ask("push", first)
assert answer["outcomes"] == {"applied": len(values) + 1} and not answer["exceptions"] and answer["number"] == 1, answer
assert ask("push", first) == answer
ask("push", batch(3, "n3"), status=409, code="expected")
ask("push", batch(1, "other"), status=409, code="fork")
keys = ask("pull", {"cursor": cursor, "keys": [{"table": "note", "keys": [[f"v{i}"] for i in range(len(values))] + [["none"]]}]})
back = {row["id"]: row["any"] for _, kind, row, _ in changes_of(keys["keys"]) if kind == "rows"}
assert all(repr(back[f"v{i}"]) == repr(value) for i, value in enumerate(values)), back
assert [row for _, kind, row, _ in changes_of(keys["keys"]) if kind == "deleted"] == [["none"]]
assert keys["number"] == 1 and keys["nonce"] == "n1" and not list(changes_of(keys["changes"])), "own changes do not come back"

# Another shape; lost against a later edit; refused by the database.
db = sqlite3.connect("office.db", timeout=20)
with db:
    db.execute("UPDATE note SET body = 'later' WHERE id = 'a'")
    db.execute("DELETE FROM note WHERE id = 'b'")
base = cursor["rev"]
changes = note(base, ["a", "earlier", None], ["w", None, 1], updated_at=1000)
ask("push", batch(2, "n2", changes, {**note(base, ["x", "y", None]), "schema": "0" * 16}), status=409, code="schema")
answer = ask("push", batch(2, "n2", changes))
lost, refused = sorted(answer["exceptions"], key=lambda e: e["key"])
assert lost["outcome"] == "superseded" and lost["decided_by"] == "timestamp" and lost["row"]["body"] == "later", lost
assert refused["outcome"] == "rejected" and refused["decided_by"] == "database" and refused["row"] is None, refused
# Made on the version that came in the answer, or following up on itself: no conflict.
assert ask("push", batch(3, "n3", note(base, ["a", "seen", None], seen=lost["rev"], updated_at=1000)))["outcomes"] == {"applied": 1}
assert ask("push", batch(4, "n4", note(base, ["a", "again", None], updated_at=1)))["outcomes"] == {"applied": 1}

# What others did comes once; the cursor holds; a batch that never arrived is given up.
answer = ask("pull", {"cursor": cursor, "skip": ["pair"], "limit": 1000, "bytes": 100000})
assert [(kind, row) for _, kind, row, _ in changes_of(answer["changes"])] == [("deleted", ["b"])], answer
assert all(facts["rev"] > cursor["rev"] for _, _, _, facts in changes_of(answer["changes"]))
cursor = answer["cursor"]
assert ask("push", {"abandon": {"number": 5, "nonce": "n5"}})["void"] is True
assert ask("push", batch(5, "n5", note(0, ["late", "late", None])))["void"] is True
assert not db.execute("SELECT 1 FROM note WHERE id = 'late'").fetchall()
ask("pull", {"cursor": {**cursor, "mark": "0" * 16}}, status=409, code="foreign")

# Hello again: known; an older copy of this file; another shape; a table that the server lacks.
known = ask("hello", {"number": 5, "nonce": "n5", "cursor": cursor, "tables": {**prints, "note": "0" * 16, "mine": "0" * 16}})
assert known["verdict"] == "ok" and known["cursor"] == "known" and known["number"] == 5, known
assert known["tables"]["note"]["state"] == "paused" and known["tables"]["mine"]["state"] == "unknown", known
assert ask("hello", {"number": 5, "nonce": "n5"})["tables"]["pair"]["state"] == "missing"
assert ask("hello", {"number": 2, "nonce": "n2"})["verdict"] == "fork"
assert ask("hello", {"number": 4, "nonce": "n4", "in_flight": {"number": 5, "nonce": "n5"}})["verdict"] == "ok"

# Without a node, and the rest.
assert ask("push", {}, node=None)["outcomes"] == {}
assert ask("push", {"changes": [{"table": "note", "columns": ["id", "body"], "rows": [["e", "curl"]]}]}, node=None)["outcomes"]
ask("push", batch(1, "n1"), node=None, status=400)
ask("push", {"changes": [{"table": "none", "rows": []}]}, status=400)
ask("status")
assert [c["outcome"] for c in ask("conflicts?table=note&limit=9")["conflicts"]][:2] == ["superseded", "rejected"]
assert ask("conflicts/1")["id"] == 1
ask("conflicts/1", {"choose": "local"}, status=403)
END_OF_PYTHON
python3 client.py "$port" "$top/docs/protocol.md" "$top/docs/tables.md" || fail "a client written from docs/protocol.md"
[ "$(sql office "PRAGMA foreign_key_check")" = "" ] || fail "a child without its parent"
