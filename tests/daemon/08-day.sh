#!/bin/bash
# 08: a shop's day: three tills in two shops sell from one stock, whose numbers are added up, see the orders of their shop alone, and may not
# write prices, though some try; a manager delivers, prices and sees all.  Most hours there is no server, one till is without power
# for a while, one is switched off at noon; in the evening everybody has what the books say.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

seed=${SEED:-1}
echo "SEED=$seed (any number makes another day)"
port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"*": {}, "stock": {"conflict_policy": {"plugin": "version", "columns": {"qty": "add", "broken": "add", "taken": "add"}}},
   "orders": {"filters": [{"plugin": "where", "read": "shop = :shop or 'manager' in (select value from json_each(:roles))", "write": "shop = :shop"}]},
   "prices": {"filters": [{"plugin": "where", "read": "true", "write": "'manager' in (select value from json_each(:roles))"}]}}}
END
sql office "CREATE TABLE stock (item TEXT PRIMARY KEY, qty INTEGER NOT NULL, broken INTEGER NOT NULL, taken REAL NOT NULL);
  CREATE TABLE prices (item TEXT PRIMARY KEY, price REAL NOT NULL);
  CREATE TABLE orders (id TEXT PRIMARY KEY, shop TEXT NOT NULL, item TEXT NOT NULL, n INTEGER NOT NULL, paid REAL NOT NULL, status TEXT NOT NULL);
  INSERT INTO stock SELECT value, 500, 0, 0 FROM json_each('[\"bread\", \"milk\", \"eggs\", \"salt\"]'); INSERT INTO prices SELECT item, 1.99 FROM stock"
people="one:north two:north three:south boss:"
hour ()
{
  python3 "$top/tests/daemon/day.py" hour "$1" "$seed" $people || fail "hour $1"
}

start_mantisd office --mode server
for person in $people; do
  name=${person%:*} shop=${person#*:}
  configure_client "$name"
  token_with "{\"sub\": \"$name\", $([ -n "$shop" ] && echo "\"shop\": \"$shop\"" || echo '"roles": ["manager"]')}" > "$name.token"
  start_mantisd "$name" --mode client
done
exchange one two three boss
hour 8
exchange three
# The line is down; the second till loses its power while people buy.
stop_mantisd office
hour 9
kill_mantisd two
hour 10
start_mantisd two --mode client
hour 11
# Noon: the third till is switched off; the line is there, for some of the time in the middle of sales.
stop_mantisd three
start_mantisd office --mode server
exchange one boss
hour 12 & selling=$!
exchange two
kill_mantisd office
wait $selling || fail "hour 12"
hour 13
start_mantisd three --mode client
kill_mantisd one
hour 14
start_mantisd one --mode client
# The evening.
start_mantisd office --mode server
exchange one two three boss # what it sends
exchange one two three boss # what the others have sent
quiet one two three boss
python3 "$top/tests/daemon/day.py" close office $people || fail "SEED=$seed: the books say something else"
[ -z "$(sql office "SELECT 1 FROM __sync_conflicts WHERE tbl <> 'prices'")" ] || fail "what is added up is no conflict: $(sql office "SELECT * FROM __sync_conflicts")"
[ -n "$(sql office "SELECT 1 FROM __sync_conflicts WHERE tbl = 'prices' AND outcome = 'rejected' AND loser LIKE '%0.01%'")" ] || fail "SEED=$seed: nobody cheated"
stop_mantisd three
! grep -qa -e one-1 -e two-1 three.db* || fail "the till in the south was told of orders in the north"
