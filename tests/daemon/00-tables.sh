#!/bin/bash
# 00: docs/tables.md is true: its questions are asked with plain sqlite3 and answered, and every table and column of
# Mantis's own stands on the page, with none besides.
. "${0%/*}/functions.sh"
requires python3

sql office "CREATE TABLE notes (id TEXT PRIMARY KEY, title TEXT); CREATE TABLE pairs (a INTEGER, b TEXT, v, PRIMARY KEY (a, b));
  INSERT INTO notes VALUES ('old', 'from before')"
configure_server office
sed -i 's/"auth": \[/&"session", /; s/^{/&"tables": {"*": {}, "notes": {"filters": [{"plugin": "where", "read": "title is not null"}]}}, /' office.json
start_mantisd office --mode server
start_mantisd tablet --mode client
wait_for_sync tablet office
sql tablet "INSERT INTO notes VALUES ('a', 'one'), ('b', 'two'); INSERT INTO pairs VALUES (1, 'x', 2.5)"
settled office tablet
stop_mantisd tablet
sql tablet "UPDATE notes SET title = 'tablet' WHERE id = 'a'"
later
sql office "UPDATE notes SET title = 'office' WHERE id = 'a'"
start_mantisd tablet --mode client
wait_for_row tablet "SELECT 1 FROM __sync_conflicts"
settled office tablet
stop_mantisd tablet
sql tablet "UPDATE notes SET title = 'waits' WHERE id = 'b'; DELETE FROM pairs"

# Each ```sql block, on the side that it names: into answers as {"side: first line": rows}.
cat > ask.py << 'END'
import json, re, sqlite3, subprocess, sys
answers = {}
for side, query in re.findall(r"^```sql (\w+)\n(.*?)^```$", open(sys.argv[1]).read(), re.M | re.S):
    for name in {"both": ["office", "tablet"], "client": ["tablet"], "server": ["office"]}[side]:
        said = subprocess.run(["sqlite3", "-bail", "-json", f"{name}.db", query], capture_output=True, text=True)
        assert said.returncode == 0 and not said.stderr, (name, query, said.stderr)
        answers.setdefault(name, []).append((query, json.loads(said.stdout or "[]")))

def the(name, word):
    found = [rows for query, rows in answers[name] if word in query]
    assert len(found) == 1, (word, len(found))
    return found[0]

waits = {row["name"]: row for row in the("tablet", "acked_seq")}
assert waits["notes"]["entries"] == 1 and waits["pairs"]["entries"] == 1 and waits["notes"]["since"], waits
assert the("tablet", "__sync_pending") == []
far = {row["tbl"]: row for row in the("tablet", "AS pushed")}
assert set(far) == {"*", "notes", "pairs"} and all(row["phase"] == "live" and row["pulled"] for row in far.values()), far
for name in "office", "tablet":
    lost, = the(name, "decided_by")
    assert json.loads(lost["loser"])["title"] == "tablet" and json.loads(lost["winner"])["title"] == "office", lost
    assert lost["tbl"] == "notes" and lost["key"] == '["a"]' and lost["outcome"] == "superseded", lost
    assert lost["decided_by"] == "timestamp" and lost["decided"], lost
    assert [row["title"] for row in the(name, "json_extract")] == ["tablet"]
    rows = {row["id"]: row for row in the(name, "USING (id)")}
    assert set(rows) == {"old", "a", "b"} and all(row["__rev"] for row in rows.values()), rows
    changed = {row["id"]: row for row in the(name, "FROM __sync_row_notes ORDER")}
    assert changed["b"]["changed"] and changed["b"]["__origin"], changed
assert the("tablet", "__sync_held") == []
node, = the("office", "__sync_nodes")
assert node["subject"] == "tablet" and node["batches"] >= 2 and node["seen"], node
assert [(row["name"], row["op"], row["k0"]) for row in the("office", "l.origin IS NULL")] == [("notes", "U", "a")]

# The page's tables of columns against the database's.
page = open(sys.argv[1]).read().replace("\\_", "_")
sections = dict(re.findall(r"^## (__sync_\w+)[^\n]*\n(.*?)(?=^## |\Z)", page, re.M | re.S))
for name in "office", "tablet":
    db = sqlite3.connect(f"{name}.db")
    for table, in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name LIKE '\\_\\_sync\\_%' ESCAPE '\\'"):
        columns = {row[1] for row in db.execute(f'PRAGMA table_info("{table}")')}
        if re.match(r"__sync_(versions_\d+|bases|seen)$", table):
            assert re.sub(r"\d+", "N", table) in page, table
            continue
        section = sections["__sync_row_TABLE" if table.startswith("__sync_row_") else table]
        if table == "__sync_meta":
            told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", section, re.M))))
            columns = {row[0] for row in db.execute("SELECT name FROM __sync_meta")}
            assert columns <= told, f"{table}: {columns - told}"
            continue
        told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", section, re.M))))
        if table == "__sync_log":
            assert ("was" in columns) == ("w0" in columns) == (name == "office"), columns
            columns = {c for c in columns if not re.match(r"[kw]\d", c)} | {"k0", "k1", "was", "w0", "w1"}
        elif table.startswith("__sync_row_"):
            columns = {c for c in columns if c.startswith("__")}
        assert columns == told, f"{table}: {columns ^ told}"
END
python3 ask.py "$top/docs/tables.md" || fail "docs/tables.md"

# What the views show: an unsent edit, and the floor for what is older than Mantis.
[ "$(sql tablet "SELECT __origin = (SELECT value FROM __sync_meta WHERE name = 'node') FROM __sync_row_notes WHERE id = 'b'")" = 1 ] ||
  fail "an unsent edit is not shown as this node's"
[ "$(sql office "SELECT __rev, __updated_at = (SELECT value FROM __sync_meta WHERE name = 'floor_time') FROM __sync_row_notes WHERE id = 'old'")" = "1|1" ] ||
  fail "a row from before Mantis does not show the floor"
[ "$(sql office "SELECT count(*) FROM __sync_row_pairs")" = 1 ] || fail "a composite key in its view"

# What REPLACE removed for another row's sake stands in the view on, as the page says; joined with the table it does not.
sql office "CREATE TABLE code (id TEXT PRIMARY KEY, code INTEGER UNIQUE)"
wait_for_row office "SELECT 1 FROM sqlite_master WHERE name = '__sync_row_code'"
sql office "INSERT INTO code VALUES ('gone', 1), ('there', 2)"
sql office "REPLACE INTO code VALUES ('new', 1)"
[ "$(sql office "SELECT group_concat(id) FROM (SELECT id FROM __sync_row_code ORDER BY id)")" = gone,new,there ] || fail "the view: $(sql office "SELECT * FROM __sync_row_code")"
[ "$(sql office "SELECT group_concat(id) FROM (SELECT id FROM code JOIN __sync_row_code USING (id) ORDER BY id)")" = new,there ] || fail "joined with its table"
