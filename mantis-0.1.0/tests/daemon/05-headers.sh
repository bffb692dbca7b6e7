#!/bin/bash
# 05: each request of a client's cycle carries the token, the node, the epoch once it is known, and the revisions of
# the tables that it is about, percent-encoded; read from the traffic of a real cycle.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE \"two, words=é\" (id TEXT PRIMARY KEY)"
sql office "$schema; INSERT INTO note VALUES ('a', 'old')"
sql tablet "$schema"
start_mantisd office --mode server
start_proxy
start_mantisd tablet --mode client
settled office tablet
sql tablet "INSERT INTO note VALUES ('b', 'new')"
wait_for_row office "SELECT 1 FROM note WHERE id = 'b'"
sql tablet "INSERT INTO \"two, words=é\" VALUES ('c')"
sql office "UPDATE note SET body = 'newer' WHERE id = 'a'"
settled office tablet
stop_mantisd tablet

cat > read.py << 'END_OF_PYTHON'
import json, sqlite3, urllib.parse
meta = dict(sqlite3.connect("tablet.db").execute("SELECT name, value FROM __sync_meta"))
epochs = {value for _, value in sqlite3.connect("office.db").execute("SELECT name, value FROM __sync_meta WHERE name = 'epoch'")}
token = open("tablet.token").read().strip()
asked = [json.loads(line) for line in open("requests")]
seen, pushed, revision = set(), set(), {}
for request in asked:
    path, fields = request["path"], request["headers"]
    seen.add(path)
    assert fields["authorization"] == "Bearer " + token, request
    assert fields["mantis-node"] == meta["node"], request
    assert fields.get("mantis-epoch") in epochs or path == "/sync/hello" and "mantis-epoch" not in fields, request
    if path in ("/sync/push", "/sync/pull") and fields.get("mantis-revision"):
        tables = {}
        for item in fields["mantis-revision"].split(", "):
            name, number = item.split("=")
            tables[urllib.parse.unquote(name)] = int(number)
        assert set(tables) <= {"note", "two, words=é"}, request
        if path == "/sync/push":
            pushed.add(tuple(tables))
        else:
            assert len(tables) == 2, request
            assert all(number >= revision.get(name, 0) for name, number in tables.items()), request
            revision = tables
    assert path != "/sync/push" or fields["mantis-revision"], request
assert {"/sync/hello", "/sync/push", "/sync/pull"} <= seen, seen
assert ("note",) in pushed and ("two, words=é",) in pushed, pushed # only the tables of this request
assert revision["note"] > 1, revision
END_OF_PYTHON
python3 read.py || fail "the headers of a cycle"
