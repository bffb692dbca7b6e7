#!/bin/bash
# 08: what lost, whatever policy decided, is found by SQL and with mantisctl, and brought back with one command, as a new change that
# wins everywhere (K12); not over what came since, unseen; conflicts go after the retention, those that are open stay.
. "${0%/*}/functions.sh"

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}], "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"latest": {}, "merged": {"conflict_policy": {"plugin": "version", "second": "server"}}, "person": {"conflict_policy": "manual"}}}
END
sql office "CREATE TABLE latest (id TEXT PRIMARY KEY, body TEXT CHECK (body <> 'wrong')); CREATE TABLE merged (id TEXT PRIMARY KEY, body TEXT, note TEXT);
  CREATE TABLE person (id TEXT PRIMARY KEY, body TEXT);
  INSERT INTO latest SELECT value, 'draft' FROM json_each('[\"tablet\", \"office\", \"gone\", \"check\", \"since\"]');
  INSERT INTO merged VALUES ('a', 'draft', 'draft'); INSERT INTO person VALUES ('a', 'draft'), ('b', 'draft')"
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet

# A loser on either side, one that was deleted, one that the database refused, one of a merge, one that waits for a person.
stop_mantisd tablet
sql tablet "UPDATE latest SET body = 'tablet' WHERE id IN ('tablet', 'since')"
later
sql office "UPDATE latest SET body = 'office'; UPDATE merged SET body = 'office'; UPDATE person SET body = 'office'; UPDATE latest SET body = 'check' WHERE id = 'check'"
later
sql tablet "UPDATE latest SET body = 'tablet' WHERE id = 'office'; DELETE FROM latest WHERE id = 'gone'; PRAGMA ignore_check_constraints = 1;
  UPDATE latest SET body = 'wrong' WHERE id = 'check'; UPDATE merged SET body = 'tablet', note = 'tablet'; UPDATE person SET body = 'tablet'"
start_mantisd tablet --mode client
settled office tablet

# lost TABLE KEY: the number of the conflict, found by SQL
lost ()
{
  sql office "SELECT id FROM __sync_conflicts WHERE tbl = '$1' AND key = '[\"$2\"]' ORDER BY id DESC LIMIT 1"
}
# back TABLE KEY BEFORE AFTER: from BEFORE, everywhere, to AFTER with one command
back ()
{
  local name

  [ "$(sql office "SELECT * FROM $1 WHERE id = '$2'")" = "$3" ] || fail "$1 $2 is $(sql office "SELECT * FROM $1 WHERE id = '$2'") at first"
  ctl office conflicts restore "$(lost "$1" "$2")" > said || fail "restore $1 $2: $(cat said)"
  for name in office tablet; do
    wait_for_row $name "SELECT 1 WHERE '$4' = coalesce((SELECT $5 FROM $1 WHERE id = '$2'), '')"
  done
}
back latest tablet 'tablet|office' tablet body
back latest office 'office|tablet' office body
back latest gone '' office body
back merged a 'a|office|tablet' 'tablet tablet' "body || ' ' || note"
back person a 'a|office' tablet body
[ -z "$(sql office "SELECT id FROM __sync_conflicts WHERE tbl = 'person' AND key = '[\"a\"]' AND state = 'open'")" ] || fail "it still waits"
if ctl office conflicts restore "$(lost latest check)" > said 2>&1; then fail "what the database refused is back"; fi
grep -q 'does not take the row' said || fail "refused: $(cat said)"
[ "$(sql office "SELECT body FROM latest WHERE id = 'check'")" = check ] || fail "half restored"

# Once more, and back again: what is overwritten is found, too.
ctl office conflicts restore "$(lost latest tablet)" > said || fail "the same once more: $(cat said)"
sql office "UPDATE latest SET body = 'later' WHERE id = 'since'"
id=$(lost latest since)
if ctl office conflicts restore "$id" > said 2>&1; then fail "the later change is overwritten unseen"; fi
grep -q '"later"' said || fail "the row is not shown: $(cat said)"
rev=$(sed -n 's/.*has revision \([0-9]*\) now.*/\1/p' said)
ctl office conflicts restore "$id" --rev "$rev" > said || fail "seen: $(cat said)"
wait_for_row tablet "SELECT 1 FROM latest WHERE id = 'since' AND body = 'tablet'"
ctl office conflicts restore "$(lost latest since)" > said || fail "and back: $(cat said)"
wait_for_row tablet "SELECT 1 FROM latest WHERE id = 'since' AND body = 'later'"
settled office tablet
if ctl tablet conflicts restore 1 > said 2>&1; then fail "a client decides"; fi

# They go after the retention, but what is open does not.
stop_mantisd office
sed -i 's/"mode": "server"/&, "retention": 1/' office.json
start_mantisd office --mode server
wait_for_row office "SELECT 1 WHERE (SELECT count(*) FROM __sync_conflicts) = 1"
[ "$(sql office "SELECT tbl || key || state FROM __sync_conflicts")" = 'person["b"]open' ] || fail "left: $(sql office "SELECT * FROM __sync_conflicts")"
ctl office conflicts resolve "$(lost person b)" local > said || fail "resolve: $(cat said)"
wait_for_row office "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM __sync_conflicts)"
stop_mantisd tablet
[ "$(kept tablet)" -gt 1 ] || fail "the tablet has kept nothing"
sed -i 's/"mode": "client"/&, "retention": 1/' tablet.json
start_mantisd tablet --mode client
wait_for_row tablet "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM __sync_conflicts)"
