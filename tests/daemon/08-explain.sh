#!/bin/bash
# 08: mantisctl explain tells of a conflict who decided, when and why: both sides with their authors and times, also where the clock
# rule moved one, which column came from whom, and what has become of the row; on the server and, of what it lost, on a device.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "hooks": [{"plugin": "exec", "command": ["./hook"], "on": ["after_apply"], "tables": ["sto*"], "on_failure": "ignore"}],
 "tables": {"*": {}, "stock": {"conflict_policy": {"plugin": "version", "second": "client", "columns": {"qty": "add"}}}}}
END
printf '#!/bin/sh\ncat > /dev/null\n' > hook
chmod +x hook
sql office "CREATE TABLE stock (id TEXT PRIMARY KEY, title TEXT, note TEXT, place TEXT, qty INTEGER CHECK (qty >= 0), left INTEGER);
  CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT); INSERT INTO notes VALUES ('n', 'body');
  INSERT INTO stock SELECT value, 'title', 'note', 'place', 10, 1 FROM json_each('[\"a\", \"d\", \"e\"]')"
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet
stop_mantisd tablet
sql office "UPDATE stock SET title = 'office', note = 'office', qty = qty - 2 WHERE id = 'a'; UPDATE stock SET qty = 3 WHERE id = 'd'; UPDATE stock SET title = 'office' WHERE id = 'e'; DELETE FROM notes"
sql tablet "UPDATE stock SET title = 'tablet', place = 'tablet', qty = qty - 3 WHERE id = 'a'; UPDATE stock SET qty = 3 WHERE id = 'd'"
start_mantisd tablet --mode client
settled office tablet
# A clock that is behind: what it wrote counts as later than what it replaces.
call POST /sync/push -d '{"changes": [{"table": "stock", "base": 1, "updated_at": 1000, "columns": ["id", "title", "note", "place", "qty", "left"], "meta": ["was"],
  "rows": [["e", "curl", "note", "place", 10, 1, {"title": "title"}]]}]}' > said
call POST /sync/push -d '{"changes": [{"table": "notes", "base": 1, "updated_at": 1000, "columns": ["id", "body"], "rows": [["n", "curl"]]}]}' > said
sql office "UPDATE stock SET note = 'again' WHERE id = 'e'"

# explains NAME ID EXPRESSION: the answer A, its columns C, its record R.
explains ()
{
  ctl "$1" --json explain --conflict "$2" > answer || fail "$1 explain --conflict $2: status $?"
  python3 - "$3" << 'END' || fail "$1 explain --conflict $2: $3 is not so: $(cat answer)"
import json, sys
A = json.load(open("answer"))
C, R = A["columns"], A["conflict"]
sys.exit(not eval(f"({sys.argv[1]})"))
END
}
id ()
{
  sql office "SELECT id FROM __sync_conflicts WHERE key = '[\"$1\"]' AND outcome = '$2'"
}
merged=$(id a merged) beaten=$(id e beaten) rejected=$(id d rejected) deleted=$(id n superseded)
explains office "$merged" 'C["title"]["from"] == "device" and C["title"]["changed_by"] == "both" and C["qty"]["from"] == "both" and C["qty"]["stands"] == 5 and
  C["note"]["from"] == C["note"]["changed_by"] == "server" and C["place"]["from"] == C["place"]["changed_by"] == "device" and C["left"]["changed_by"] == "nobody" and
  A["nodes"][R["node"]] == "tablet" and A["now"]["row"]["qty"] == 5 and A["policy"]["path"] == "$.tables.stock.conflict_policy" and A["policy"]["options"]["second"] == "client"'
explains office "$rejected" 'R["decided_by"] == "database" and "CHECK" in R["reason"]'
explains office "$deleted" 'R["decided_by"] == "timestamp" and A["now"]["row"] is None and A["policy"]["plugin"] == "timestamp"'
sed -n '/^```sh explain$/,/^```$/{/^```/d;s/mantisctl --config office.json/ctl office/p}' "$top/docs/conflicts.md" > page.sh
grep -q "explain --conflict $merged" page.sh && . ./page.sh > people || fail "the page's command"
for line in 'decided by  *version' 'outcome  *merged' "the change  *made on revision [0-9]*, written 20.*\.[0-9][0-9][0-9].* by node [0-9a-f]* (tablet)" "the server's  *revision [0-9]*, written 20.* by the server's own side" \
  'the row now  *still as it was decided' 'policy today  *version (.*office.json: \$.tables.stock.conflict_policy)' 'qty  *10  *8  *7  *5  *made of both' \
  'note  *note  *office  *note  *office  *server, which alone had changed it' 'title  *title  *office  *tablet  *tablet  *device, both had changed it: '; do
  grep -q "^$line" people || fail "\"$line\" is not said: $(cat people)"
done
ctl office explain --conflict "$beaten" > people
grep -q '^the row now  *has changed since: .* by the server' people && grep -q '^the change  .* written 1970-01-01T.*\.000' people && grep -q '^the clock  *it counts as written 20' people ||
  fail "not what the clock rule did, or what has become of it: $(cat people)"
ctl office explain --conflict "$deleted" > people
grep -q "^the server's  *a deletion, revision" people && grep -q '^the row now  *still as it was decided: deleted' people || fail "of a deletion: $(cat people)"

# A person brings it back, which is told of the conflict, and is none that a policy could be asked about.
ctl office conflicts restore "$deleted" > said
explains office "$deleted" 'R["resolved_by"] == "mantisctl" and A["now"]["row"]["body"] == "curl"'
ctl office explain --conflict "$deleted" > people
grep -q '^resolved  *loser, chosen by mantisctl, 20' people && grep -q '^the row now  *has changed since: ' people || fail "who brought it back: $(cat people)"
ctl office conflicts restore "$beaten" --rev "$(sql office "SELECT __rev FROM __sync_row_stock WHERE id = 'e'")" > said
ctl office --json replay > said || [ $? = 5 ] || fail "replay beside a decision: $(cat said)"
python3 -c 'import json; A = json.load(open("said")); assert [c["why"] for c in A["conflicts"] if c["decided_by"] == "mantisctl"][0].startswith("a person"), A' || fail "replay of a decision"

# A principal and a table: who is let in by what, who decides, and where that stands.
ctl office nodes disable tablet > said
ctl office explain tablet stock > people
for line in 'is  *turned away  *mantisctl nodes disable' 'by a token of  .*"jwt".*  .*office.json: \$.auth\[0\]' 'its nodes  *[0-9a-f]\{32\}' 'filters  *none: all' \
  'conflicts by  *{"plugin":"version".*office.json: \$.tables.stock.conflict_policy' 'hooks  *{"plugin":"exec".*office.json: \$.hooks\[0\]'; do
  grep -q "^$line" people || fail "\"$line\" is not said: $(cat people)"
done
ctl office nodes enable tablet > said
ctl office --json explain nobody notes > answer
python3 -c 'import json; A = json.load(open("answer")); assert A["disabled_by"] is None and A["nodes"] == [] and A["policy"]["plugin"] == "timestamp" and A["hooks"] == [], A' || fail "nobody"
ctl office explain tablet nope > said 2>&1 && fail "a table that is not there" || grep -q 'no table "nope"' said || fail "$(cat said)"

# The device that lost it.
explains tablet "$(sql tablet "SELECT id FROM __sync_conflicts WHERE outcome = 'merged'")" 'C["title"]["device"] == "tablet" and C["qty"]["stands"] == 5 and C["qty"]["from"] == "server"'
for arguments in "--conflict 99" "--conflict x" "--conflict 0" "" "tablet" "--conflict 1 tablet stock"; do
  # shellcheck disable=SC2086
  ctl office explain $arguments > said 2>&1 && fail "explain $arguments: no error" || [ "$(grep -c . said)" = 1 ] || fail "explain $arguments: $(cat said)"
done
stop_mantisd office
sum=$(sha256sum office.db)
explains office "$merged" 'C["qty"]["stands"] == 5'
[ "$(sha256sum office.db)" = "$sum" ] || fail "explain changes the file"
