#!/bin/bash
# 00: one table with all that a configuration can say of it: a policy that merges, a filter of rows, one of columns, and a hook; tills
# sell and book offline, and see what is active without what it costs; a client may have the same words; by SIGHUP the table
# gets another policy, and what was queued is not lost.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

port=$(free_port)
merges='{"plugin": "version", "second": "timestamp", "groups": [["start", "end"]], "columns": {"qty": "add"}}'
configure () # POLICY
{
  cat > office.json << JSON
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"orders": {"conflict_policy": $1, "filters": [{"plugin": "where", "read": "status = 'active'",
   "write": "shop = :shop"}, {"plugin": "columns", "hide": ["cost"], "unless": {"role": "manager"}}]}},
 "hooks": [{"plugin": "exec", "command": ["./notify"], "on": ["after_apply"], "tables": ["orders"], "on_failure": "ignore"}]}
JSON
}
configure "$merges"
printf '#!/bin/sh\ncat >> notified\n' > notify
chmod +x notify
sql office "CREATE TABLE orders (id TEXT PRIMARY KEY, shop TEXT, status TEXT, start TEXT, \"end\" TEXT, qty INTEGER, cost INTEGER);
  INSERT INTO orders VALUES ('hall', 'north', 'active', 'mon', 'tue', 10, 777001), ('old', 'north', 'done', 'a', 'b', 1, 777002)"
start_mantisd office --mode server
for name in one two boss; do
  configure_client $name
  token_with "{\"sub\": \"$name\", \"shop\": \"north\", \"role\": \"$([ $name = boss ] && echo manager || echo till)\"}" > $name.token
done
sed -i "s/^{/{\"tables\": {\"orders\": {\"conflict_policy\": $merges}}, /" two.json
for name in one two boss; do
  start_mantisd $name --mode client
  wait_for_row $name "SELECT 1 FROM orders"
done
[ "$(sql boss "SELECT id || cost FROM orders") $(sql one "SELECT * FROM orders")" = "hall777001 hall|north|active|mon|tue|10" ] ||
  fail "what they see: $(sql boss "SELECT * FROM orders"); $(sql one "SELECT * FROM orders")"

# Both offline: each sells, one moves the beginning, the other the end; the manager changes what it costs.
stop_mantisd one
stop_mantisd two
sql one "UPDATE orders SET qty = qty - 3, start = 'sun' WHERE id = 'hall'; INSERT INTO orders VALUES ('new', 'north', 'active', 'x', 'y', 1)"
later
sql two "UPDATE orders SET qty = qty - 4, \"end\" = 'wed' WHERE id = 'hall'; INSERT INTO orders VALUES ('foreign', 'south', 'active', 'x', 'y', 1)"
sql boss "UPDATE orders SET cost = 777003 WHERE id = 'hall'"
quiet boss
for name in one two; do
  start_mantisd $name --mode client
  quiet $name
done
merged ()
{
  [ "$(sql "$1" "SELECT start || \"end\" || qty FROM orders WHERE id = 'hall'")" = "$2" ]
}
for name in office one two boss; do
  wait_for "$name to have what was merged" merged $name monwed3
done
[ "$(sql boss "SELECT cost FROM orders WHERE id = 'hall'")" = 777003 ] || fail "the manager's cost"
[ "$(sql office "SELECT count(*) FROM __sync_conflicts WHERE loser || winner LIKE '%\"start\":\"sun\"%'")" = 1 ] || fail "what lost: $(sql office "SELECT * FROM __sync_conflicts")"
[ "$(sql two "SELECT outcome FROM __sync_conflicts WHERE key = '[\"foreign\"]'")" = rejected ] || fail "an order of another shop"
wait_for "the order to be told" grep -q '"new"' notified
! grep -q foreign notified || fail "what was not taken is told"

# Done: it leaves the tills, and stays at the office.
sql one "UPDATE orders SET status = 'done' WHERE id = 'new'"
wait_for "the order to leave" eval '[ -z "$(sql one "SELECT 1 FROM orders WHERE id = '"'new'"'")" ]'
wait_for_row office "SELECT 1 FROM orders WHERE id = 'new' AND status = 'done'"

# Another policy, while one till has something queued.
stop_mantisd two
sql two "UPDATE orders SET qty = qty - 1 WHERE id = 'hall'"
configure '"timestamp"'
kill -HUP "$(pid_of office)"
wait_for_message office 'decided by the policies as they are now'
start_mantisd two --mode client
for name in office one boss; do
  wait_for_row $name "SELECT 1 FROM orders WHERE id = 'hall' AND qty = 2"
done
quiet two
stop_mantisd one
stop_mantisd two
! grep -qa 77700 one.db* two.db* || fail "a till was told what it costs"
