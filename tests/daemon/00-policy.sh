#!/bin/bash
# 00: all of a table's policy in one example: a merge by column with groups and "add", rows by status, writing by shop, a hidden
# column, and a program that is told of new orders.
. "${0%/*}/functions.sh"
requires python3

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
"tables": {"orders": {"conflict_policy": {"plugin": "version", "second": "timestamp", "groups": [["start", "end"]], "columns": {"qty": "add"}}, "filters": [{"plugin": "where", "read": "status = 'active'",
"write": "shop = :shop"}, {"plugin": "columns", "hide": ["cost"], "unless": {"role": "manager"}}]}}, "hooks": [{"plugin": "exec", "command": ["./notify"], "on": ["after_apply"], "tables": ["orders"],
"on_failure": "ignore"}]}
END
cat > notify << 'END'
#!/bin/sh
exec cat >> told
END
chmod +x notify
sql office "CREATE TABLE orders (id TEXT PRIMARY KEY, shop TEXT, status TEXT, qty INTEGER, start INTEGER, \"end\" INTEGER, cost INTEGER);
  INSERT INTO orders VALUES ('o1', 'north', 'active', 10, 8, 9, 77), ('o2', 'north', 'done', 1, 1, 2, 78)"
"$build/mantisd" --config office.json --check-config > said 2>&1 || fail "the example is refused: $(cat said)"
start_mantisd office --mode server
for till in a b; do
  configure_client $till
  token_with '{"sub": "'$till'", "shop": "north"}' > $till.token
  start_mantisd $till --mode client
done
configure_client boss
token_with '{"sub": "boss", "role": "manager"}' > boss.token
start_mantisd boss --mode client
shows () # NAME ROWS
{
  [ "$(sql "$1" "SELECT group_concat(id || ':' || qty || ':' || start || '-' || \"end\", ' ') FROM (SELECT * FROM orders ORDER BY id)")" = "$2" ]
}
for name in a b boss; do
  wait_for "$name to have the active order" shows $name "o1:10:8-9"
  wait_until $name 'T["orders"]["state"] == "live" and S["caught_up"]'
done
[ "$(sql boss "SELECT cost FROM orders")" = 77 ] || fail "the manager has $(sql boss "SELECT * FROM orders")"

# Both tills sell, one moves the order in time; a new one; one out of sight; the manager, who has no shop, writes nothing.
stop_mantisd a
stop_mantisd b
sql a "UPDATE orders SET qty = qty - 3, start = 10, \"end\" = 12; INSERT INTO orders VALUES ('o3', 'north', 'active', 1, 1, 2)"
sql b "UPDATE orders SET qty = qty - 4"
start_mantisd a --mode client
start_mantisd b --mode client
for name in a b boss; do
  wait_for "$name to have what was merged" shows $name "o1:3:10-12 o3:1:1-2"
done
sql b "UPDATE orders SET status = 'done' WHERE id = 'o3'"
sql boss "UPDATE orders SET cost = 1 WHERE id = 'o1'"
for name in a b boss; do
  wait_for "$name to have the active order" shows $name "o1:3:10-12"
done
wait_for_row boss "SELECT 1 FROM __sync_conflicts WHERE outcome = 'rejected'"
quiet a b boss
[ "$(sql office "SELECT group_concat(id || shop || status || qty || coalesce(cost, ''), ' ') FROM (SELECT * FROM orders ORDER BY id)")" = \
  "o1northactive377 o2northdone178 o3northdone1" ] || fail "the office has $(sql office "SELECT * FROM orders")"

# The program has heard of the new order; the tills' files have no cost.
wait_for "the program to be told" grep -q '"o3"' told
stop_mantisd a
! grep -q cost <<< "$(sql a "SELECT sql FROM sqlite_master WHERE name = 'orders'")" || fail "the till's table has the hidden column"
