#!/bin/bash
# 08: what the policy "manual" leaves to a person, with the rows in MariaDB: the decision travels, a loser is brought back, a later change
# of a device takes its earlier one's place, a row that a back office changed since is not overwritten unseen; a program decides.
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
sed -i 's/"mode": "server"/&, "tables": {"note": {"conflict_policy": "manual"}, "price": {"conflict_policy": {"plugin": "manual", "command": ["sh", "-c", "cat > told; cat answer"], "time_limit": 60}}}/' shop.json
maria "CREATE TABLE note (id VARCHAR(40) PRIMARY KEY, v VARCHAR(40), at DATETIME(6)); CREATE TABLE price (id INT PRIMARY KEY, net DECIMAL(8,2));
  INSERT INTO note VALUES ('a', 'draft', '2026-01-02 03:04:05.678901'), ('b', 'draft', NULL), ('c', 'draft', NULL); INSERT INTO price VALUES (1, 10.50)"
echo '{"decision": "merged", "row": {"net": 11.25}, "reason": "the mean"}' > answer
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet
quiet tablet

# both SHOPS-SQL TABLETS-SQL: the tablet was away meanwhile.
both ()
{
  stop_mantisd tablet
  maria "$1"
  sql tablet "$2"
  start_mantisd tablet --mode client
  wait_until tablet 'S["caught_up"] and S["waiting"] == 0'
}
open_one ()
{
  maria "SELECT id FROM __sync_conflicts WHERE tbl = 'note' AND \`key\` = '[\"$1\"]' AND state = 'open'"
}
both "UPDATE note SET v = 'shop'; UPDATE price SET net = 12" "UPDATE note SET v = 'tablet'; UPDATE price SET net = 10.75"
wait_for_maria tablet
[ "$(maria "SELECT group_concat(v ORDER BY id) FROM note")" = shop,shop,shop ] || fail "not the shop's: $(maria "SELECT * FROM note")"
[ "$(maria "SELECT net FROM price")" = 11.25 ] || fail "not decided: $(maria "SELECT * FROM price; SELECT * FROM __sync_conflicts WHERE tbl = 'price'")"
python3 -c 'import json; c = json.load(open("told")); assert (float(c["local"]["net"]), float(c["remote"]["net"]), float(c["base"]["net"])) == (12, 10.75, 10.5), c'
ctl shop conflicts resolve "$(open_one a)" remote > said || fail "remote: $(cat said)"
wait_for_row tablet "SELECT 1 FROM note WHERE id = 'a' AND v = 'tablet'"
[ "$(maria "SELECT v, at FROM note WHERE id = 'a'")" = "tablet	2026-01-02 03:04:05.678901" ] || fail "$(maria "SELECT * FROM note")"
ctl shop conflicts restore "$(maria "SELECT max(id) FROM __sync_conflicts WHERE \`key\` = '[\"c\"]'")" > said || fail "restore: $(cat said)"
wait_for_row tablet "SELECT 1 FROM note WHERE id = 'c' AND v = 'tablet'"

# A later change of the tablet; then the back office writes once more.
id=$(open_one b)
both "UPDATE note SET v = 'shop 2' WHERE id = 'b'" "UPDATE note SET v = 'tablet 2' WHERE id = 'b'"
[ "$(open_one b)" = "$id" ] || fail "it waits as $(open_one b), not as $id"
[ "$(maria "SELECT count(*) FROM __sync_conflicts WHERE outcome = 'superseded' AND loser LIKE '%\"tablet\"%' AND \`key\` = '[\"b\"]'")" = 1 ] || fail "the earlier one is lost"
maria "UPDATE note SET v = 'shop 3' WHERE id = 'b'"
if ctl shop conflicts resolve "$id" remote > said 2>&1; then fail "overwritten unseen"; fi
grep -q 'shop 3' said || fail "stale: $(cat said)"
ctl shop conflicts resolve "$id" remote --rev "$(sed -n 's/.*has revision \([0-9]*\) now.*/\1/p' said)" > said 2>&1 || fail "seen: $(cat said)"
wait_for_row tablet "SELECT 1 FROM note WHERE id = 'b' AND v = 'tablet 2'"
wait_for_maria tablet
quiet tablet
