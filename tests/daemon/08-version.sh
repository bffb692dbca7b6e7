#!/bin/bash
# 08: with the policy "version", as docs/conflicts.md defines it: columns that one side changed are merged, in either order of
# arrival; two tills that sell the last pieces both count, also in the same way (add);
# groups stand as one (K11); what both changed goes to the second policy, and is kept (K12); an edit meets a deletion as the
# configuration says; what a CHECK refuses is rejected whole, and kept; equal rows of before Mantis are no conflict, and merge from then on
# like others (K10).
. "${0%/*}/functions.sh"

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"*": {}, "stock": {"conflict_policy": {"plugin": "version", "second": "timestamp", "groups": [["start", "end"]],
                     "columns": {"qty": "add", "seen": "max"}}},
            "plain": {"conflict_policy": "version"}, "gone": {"conflict_policy": {"plugin": "version", "deletes": "win"}}}}
END
sql office "CREATE TABLE stock (id TEXT PRIMARY KEY, title TEXT, note TEXT, start TEXT, \"end\" TEXT, qty INTEGER CHECK (qty >= 0), seen INTEGER);
  CREATE TABLE plain (id TEXT PRIMARY KEY, title TEXT, note TEXT); CREATE TABLE gone (id TEXT PRIMARY KEY, title TEXT);
  INSERT INTO stock SELECT value, 'title', 'note', 'a', 'z', 10, 1 FROM json_each('[\"t\", \"p\", \"tick\"]');
  INSERT INTO plain SELECT value, 'title', 'note' FROM json_each('[\"t\", \"p\"]'); INSERT INTO gone SELECT value, 'title' FROM json_each('[\"t\", \"p\"]')"
sql tablet "CREATE TABLE plain (id TEXT PRIMARY KEY, title TEXT, note TEXT); INSERT INTO plain VALUES ('t', 'title', 'note'), ('p', 'title', 'note')"
start_mantisd office --mode server
start_mantisd tablet --mode client
start_mantisd phone --mode client
settled office tablet phone
[ "$(kept office)" = 0 ] || fail "equal rows in conflict: $(sql office "SELECT * FROM __sync_conflicts")"

# stands TABLE KEY COLUMNS VALUES: on the phone, and on the server
stands ()
{
  local got name

  for name in phone office; do
    got=$(sql $name "SELECT $3 FROM $1 WHERE id = '$2'")
    [ "$got" = "$4" ] || fail "$1 $2 on the $name: $3 is \"$got\", not \"$4\""
  done
}
both () # ORDER TABLETS-SQL PHONES-SQL
{
  apart "$@"
  settled office tablet phone
}
for order in "tablet phone" "phone tablet"; do
  k=${order:0:1}
  before=$(kept office)
  both "$order" "UPDATE stock SET title = 'new', qty = qty - 3, seen = 5, start = 'b' WHERE id = '$k'; UPDATE plain SET title = 'new' WHERE id = '$k';
      UPDATE gone SET title = 'edited' WHERE id = '$k'" \
    "UPDATE stock SET note = 'more', qty = qty - 3, seen = 4, \"end\" = 'y' WHERE id = '$k'; UPDATE plain SET note = 'more' WHERE id = '$k';
      DELETE FROM gone WHERE id = '$k'"
  stands stock $k 'title, note, start, "end", qty, seen' "new|more|a|y|4|5"
  stands plain $k "title, note" "new|more"
  stands gone $k title ""
  # What was lost: the tablet's start, the phone's seen; and an edit against a deletion.
  [ $(($(kept office) - before)) = 2 ] || fail "$order: $(sql office "SELECT tbl, outcome, reason FROM __sync_conflicts")"
  [ "$(sql office "SELECT count(*) FROM __sync_conflicts WHERE key = '[\"$k\"]' AND tbl = 'stock' AND base_row LIKE '%\"qty\":10%' AND
    loser || winner LIKE '%\"start\":\"b\"%' AND loser || winner LIKE '%\"seen\":4%'")" = 1 ] || fail "$order: what was lost is not found"
done

# Both changed one column: the later one, column by column, whatever else came between (the row's time is the phone's by then).
sql office "INSERT INTO plain VALUES ('x', 'title', 'note')"
settled office tablet phone
start_mantisd till --mode client
settled office till
stop_mantisd till
both "tablet phone" "UPDATE plain SET title = 'first' WHERE id = 'x'" "SELECT 1"
sql till "UPDATE plain SET title = 'second' WHERE id = 'x'"
later
sql phone "UPDATE plain SET note = 'third' WHERE id = 'x'"
settled office tablet phone
start_mantisd till --mode client
settled office tablet phone till
stands plain x "title, note" "second|third"

# An edit brings back what was deleted meanwhile, as it was but for that edit.
both "tablet phone" "UPDATE plain SET title = 'kept' WHERE id = 't'" "DELETE FROM plain WHERE id = 't'"
stands plain t "title, note" "kept|more"

# What the CHECK refuses is refused whole, and kept: both sold seven of ten.
sql office "INSERT INTO stock VALUES ('seven', 'title', 'note', 'a', 'z', 10, 1)"
settled office tablet phone till
both "tablet phone" "UPDATE stock SET qty = qty - 7, title = 'tablet' WHERE id = 'seven'" "UPDATE stock SET qty = qty - 7, note = 'phone' WHERE id = 'seven'"
stands stock seven "title, note, qty" "tablet|note|3"
[ "$(sql phone "SELECT json_extract(loser, '$.note') || json_extract(loser, '$.qty') || (reason LIKE '%CHECK%') FROM __sync_conflicts WHERE outcome = 'rejected'")" = phone31 ] ||
  fail "rejected: $(sql phone "SELECT * FROM __sync_conflicts")"

# A policy that names what a table has not, or cannot be added, is told when the server starts, by its place.
sql office "CREATE TABLE times (id TEXT PRIMARY KEY, at DATETIME, name VARCHAR(20), twice AS (1))"
refuses () # COLUMNS-AND-GROUPS WHY
{
  sed "s/\"plain\": {[^}]*}/\"times\": {\"conflict_policy\": {\"plugin\": \"version\", $1}}/" office.json > other.json
  timeout "$patience" "$build/mantisd" --mode server --config other.json > other.log 2>&1 && fail "it starts with $1"
  grep -qF "\$.tables.times.conflict_policy: $2" other.log || fail "$1: $(cat other.log)"
}
stop_mantisd office
refuses '"columns": {"qyt": "add"}' 'there is no column "qyt"'
refuses '"columns": {"at": "add"}' 'column "at" is of the type DATETIME, which cannot be added'
refuses '"columns": {"at": "max", "name": "add"}' 'column "name" is of the type VARCHAR(20)'
refuses '"columns": {"id": "max"}' 'column "id" belongs to the key'
refuses '"groups": [["at", "nmae"]]' 'there is no column "nmae"'
refuses '"groups": [["at", "twice"]]' 'column "twice" is generated'
