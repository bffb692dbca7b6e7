#!/bin/bash
# 08: with the policy "manual" a person decides: the server's row stands until then and nothing blocks, both rows and the one that
# they were made of are kept; local, remote or a merged row is chosen with mantisctl or over REST, by an administrator alone; the
# decision is an ordinary change that reaches every node, after restarts too (K8); one about a row that has changed since is merged
# where the policy can, else refused with the row that stands (D20); a later change of a node takes its earlier one's place.
. "${0%/*}/functions.sh"

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}], "administrators": ["boss", "role:office"],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"note": {"conflict_policy": "manual"}, "plan": {"conflict_policy": {"plugin": "version", "second": "manual"}}}}
END
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, title TEXT, body TEXT); CREATE TABLE plan (id TEXT PRIMARY KEY, title TEXT, body TEXT);
  INSERT INTO note SELECT value, 'title', 'body' FROM json_each('[\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\"]'); INSERT INTO plan SELECT * FROM note"
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet

# stands TABLE KEY VALUES...: everywhere
stands ()
{
  local name got

  settled office tablet
  while [ $# -gt 2 ]; do
    for name in office tablet; do
      got=$(sql $name "SELECT title, body FROM $1 WHERE id = '$2'")
      [ "$got" = "$3" ] || fail "$1 $2 on the $name is \"$got\", not \"$3\""
    done
    shift 3
  done
}
# both OFFICE-SQL TABLETS-SQL: the tablet was away meanwhile.
both ()
{
  stop_mantisd tablet
  sql office "$1"
  sql tablet "$2"
  start_mantisd tablet --mode client
  wait_until tablet 'S["caught_up"] and S["waiting"] == 0'
}
# open_one TABLE KEY: the id of the open conflict about that row
open_one ()
{
  local id

  id=$(sql office "SELECT id FROM __sync_conflicts WHERE tbl = '$1' AND key = '[\"$2\"]' AND state = 'open'")
  [[ $id =~ ^[0-9]+$ ]] || fail "of $1 $2 there are these open conflicts: ${id:-none}"
  echo "$id"
}
# refused TEXT COMMAND...: it fails and says TEXT
refused ()
{
  local text=$1

  shift
  if "$@" > said 2>&1; then fail "$* was not refused: $(cat said)"; fi
  grep -qF -- "$text" said || fail "$*: $(cat said)"
}

# A conflict waits, with all three rows; the rest of the batch goes on.  Who did the same has none.
both "UPDATE note SET title = 'office' WHERE id <> 'g'; UPDATE note SET title = 'same' WHERE id = 'g'; UPDATE plan SET title = 'office', body = 'office' WHERE id IN ('a', 'b')" \
  "UPDATE note SET title = 'tablet' WHERE id <> 'g'; UPDATE note SET title = 'same' WHERE id = 'g'; INSERT INTO note VALUES ('new', 'tablet', ''); UPDATE plan SET title = 'tablet' WHERE id IN ('a', 'b')"
stands note a "office|body" note b "office|body" note f "office|body" note new "tablet|"
[ "$(sql office "SELECT count(*) FROM __sync_conflicts WHERE tbl = 'note' AND state = 'open' AND decided_by = 'manual' AND loser LIKE '%tablet%'
  AND winner LIKE '%office%' AND base_row LIKE '%\"title\":\"title\"%'")" = 6 ] || fail "$(sql office "SELECT * FROM __sync_conflicts")"
[ "$(ctl office --json conflicts list --state open --table note | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')" = 6 ] || fail "the list"
[ "$(sql tablet "SELECT count(*) FROM __sync_conflicts WHERE outcome = 'deferred' AND loser LIKE '%tablet%'")" = 8 ] || fail "the tablet keeps its own"

# A person chooses, also after the server was killed (K8).
kill_mantisd office
start_mantisd office --mode server
ctl office conflicts resolve "$(open_one note a)" local > said || fail "local: $(cat said)"
ctl office conflicts resolve "$(open_one note b)" remote > said || fail "remote: $(cat said)"
grep -q '"title": "tablet"' said || fail "the row is not shown: $(cat said)"
ctl office conflicts resolve "$(open_one note c)" --row '{"title": "both", "body": null}' > said || fail "a row: $(cat said)"
ctl office conflicts resolve "$(open_one note d)" --row null > said || fail "no row: $(cat said)"
stands note a "office|body" note b "tablet|body" note c "both|" note d ""
[ "$(sql office "SELECT group_concat(resolution || ' ' || resolved_by || ' ' || state, ', ') FROM __sync_conflicts WHERE tbl = 'note' AND resolution IS NOT NULL")" \
  = "local mantisctl closed, remote mantisctl closed, merged mantisctl closed, merged mantisctl closed" ] ||
  fail "$(sql office "SELECT id, state, resolution FROM __sync_conflicts")"

# Over REST an administrator decides, and nobody else.
id=$(open_one note e)
# answers CODE BODY [ID]: to a decision
answers ()
{
  [ "$(call POST "/sync/conflicts/${3:-$id}" -d "$2" -o said -w '%{http_code}')" = "$1" ] || fail "$2 is not answered $1: $(cat said)"
}
answers 403 '{"choose": "remote"}'
token boss > curl.token
call GET "/sync/conflicts/$id" | grep -q '"state":"open"' || fail "it is not shown, or closed"
answers 200 '{"choose": "remote"}'
answers 409 '{"choose": "local"}'
answers 404 '{"choose": "local"}' 99
id=$(open_one note f)
for body in '{}' '{"choose": "all"}' '{"choose": "merged"}' '{"choose": "merged", "row": {"no": 1}}' '{"choose": "merged", "row": {"id": "z"}}' \
  '{"choose": "local", "row": {}}' '['; do
  answers 400 "$body"
done

# The row has changed since: a policy that cannot merge refuses, and shows it (D20); one that can does.
sql tablet "UPDATE note SET body = 'weekend' WHERE id = 'f'; UPDATE plan SET body = 'weekend' WHERE id = 'a'; UPDATE plan SET title = 'weekend' WHERE id = 'b'"
stands note e "tablet|body" note f "office|weekend" plan a "office|weekend" plan b "weekend|office"
refused weekend ctl office conflicts resolve "$id" remote
answers 409 '{"choose": "remote"}'
rev=$(python3 -c 'import json; p = json.load(open("said")); assert p["code"] == "stale" and p["row"]["body"] == "weekend", p; print(p["rev"])')
refused "changed since" ctl office conflicts resolve "$id" remote --rev $((rev - 1))
before=$(kept office)
ctl office conflicts resolve "$id" remote --rev "$rev" > said || fail "with its revision: $(cat said)"
[ "$(sql office "SELECT count(*) FROM __sync_conflicts WHERE id > $before AND outcome = 'beaten' AND loser LIKE '%weekend%'")" = 1 ] || fail "the weekend is lost"
ctl office conflicts resolve "$(open_one plan a)" --row '{"title": "tablet"}' > said || fail "merged: $(cat said)"
refused weekend ctl office conflicts resolve "$(open_one plan b)" remote
ctl office conflicts resolve "$(open_one plan b)" local > said || fail "what stands, stays: $(cat said)"
stands note f "tablet|body" plan a "tablet|weekend" plan b "weekend|office"

# A later change of the tablet takes the place of its earlier one, which is kept.
both "UPDATE note SET body = 'one' WHERE id = 'a'" "UPDATE note SET body = 'two' WHERE id = 'a'"
id=$(open_one note a)
both "UPDATE note SET body = 'three' WHERE id = 'a'" "UPDATE note SET body = 'four' WHERE id = 'a'"
[ "$(open_one note a)" = "$id" ] || fail "two conflicts of one node and row"
[ "$(sql office "SELECT count(*) FROM __sync_conflicts WHERE outcome = 'superseded' AND loser LIKE '%two%' AND state = 'closed'")" = 1 ] || fail "the earlier one is lost"
stop_mantisd office
ctl office conflicts resolve "$id" remote > said 2> told || fail "without a daemon: $(cat said told)"
start_mantisd office --mode server
stands note a "office|four"
