#!/bin/bash
# 00: mantisctl explain PRINCIPAL TABLE says which rows and columns somebody sees and may write, and by which filter; with claims or a token; of one row, with its
# reasons; with a daemon and without; and changes nothing.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"*": {}, "orders": {"filters": [{"plugin": "where", "read": "shop = :shop or owner = :sub", "write": "shop = :shop"},
   {"plugin": "columns", "hide": ["cost"], "unless": {"role": "manager"}}, {"plugin": "where", "read": "status <> 'secret'", "write": "true"}]},
   "broken": {"filters": [{"plugin": "where", "read": "nope = 1"}]}}}
END
sql office "CREATE TABLE orders (id INTEGER PRIMARY KEY, shop INTEGER, owner TEXT, status TEXT, cost REAL, note TEXT);
  CREATE TABLE broken (id INTEGER PRIMARY KEY); CREATE TABLE free (id INTEGER PRIMARY KEY); INSERT INTO free VALUES (1);
  WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 12000)
    INSERT INTO orders SELECT k, k % 4, CASE WHEN k = 11 THEN 'alice' END, CASE WHEN k % 10 = 0 THEN 'secret' ELSE 'open' END, 1.5, NULL FROM k"
start_mantisd office --mode server
start_mantisd alice --mode client
# What alice really gets: her shop is none, so the row that she owns.
wait_until alice 'T["orders"]["state"] == "live"'
[ "$(sql alice "SELECT group_concat(id) FROM orders")" = 11 ] || fail "alice has $(sql alice "SELECT id FROM orders LIMIT 9")"

# What a filter refuses is told as its doing, and no policy is asked about that.
sql alice "UPDATE orders SET note = 'mine' WHERE id = 11"
wait_for_row office "SELECT 1 FROM __sync_conflicts WHERE decided_by = 'where'"
quiet alice
ctl office explain --conflict 1 | grep -q '^decided by  *where (a filter)' || fail "$(ctl office explain --conflict 1)"
ctl office --json replay > replayed && grep -q '"left_out":1[,}]' replayed && grep -q 'a filter, or a hook' replayed || fail "replay: $(cat replayed)"
stop_mantisd alice
wait_for_row office "SELECT 1 FROM __sync_heads" # the server's first look at its log

# explains EXPRESSION ARGUMENT...: of the answer A.
explains ()
{
  local true=$1

  shift
  ctl office --json explain "$@" > answer 2> said || fail "explain $*: $(cat said)"
  python3 - "$true" << 'END' || fail "explain $*: $true is not so: $(cut -c1-3000 answer)"
import json, sys
A = json.load(open("answer"))
H = {c["column"]: c["hidden_by"] for c in A.get("columns", [])}
E = A.get("example") or A.get("row")
sys.exit(not eval(f"({sys.argv[1]})"))
END
}
sql office .dump > before
# Rows, in several looks: of 3000 of the shop 600 are secret; what is not of the shop is hidden by the first filter.
shop='A["rows"] == 12000 and A["seen"] == 2400 and A["hidden_by"] == [9000, 0, 600] and A["principal"] == "bob"'
explains "$shop and H['cost'] == 1 and H['note'] is None and E['writes']['note'] is None and E['writes']['cost'] == 'it is hidden' and E['writes']['shop'] and E['removes'] is None" \
  bob orders --claims '{"shop": 2}'
explains "$shop and H['cost'] is None and A['keys'] == [[2], [6], [14]] and A['example']['key'] == [2]" bob orders --claims '{"shop": 2, "role": "manager"}' --keys 3
explains 'A["rows"] == 12000 and A["seen"] == 1 and E["key"] == [11] and E["writes"]["note"] and E["removes"]' alice orders
explains 'A["row"]["there"] and not A["row"]["seen"] and A["row"]["hidden_by"] == 2' bob orders --claims '{"shop": 2}' --key '[10]'
explains 'A["row"]["there"] and not A["row"]["seen"] and A["row"]["hidden_by"] == 0' bob orders --claims '{"shop": 3}' --key '[10]'
explains 'A["row"]["seen"] and A["row"]["hidden_by"] is None and A["row"]["writes"]["status"] is None' bob orders --claims '{"shop": 2}' --key '[6]'
explains 'not A["row"]["there"] and not A["row"]["seen"]' bob orders --claims '{"shop": 2}' --key '[99999]'
explains 'A["rows"] == A["seen"] == 1 and A["filters"] == []' bob free
explains '"does not fit" in A["unfit"] and A.get("seen", 0) == 0' bob broken
# Whoever shows a token.
token carol > carol.token
explains 'A["principal"] == "carol" and A["seen"] == 0 and A["claims"]["sub"] == "carol"' orders --token-file carol.token
# For people.
ctl office explain bob orders --claims '{"shop": 2}' > people
! grep -n ' $' people || fail "blanks at the end of a line"
for line in 'rows  *2400 of 12000 are seen' '  *9000 are hidden  *1. where' '  *600 are hidden  *3. where' '  *cost  *2. columns' 'tried on  *\[2\]' 'may write  *note  *yes' 'may write  *shop  *' 'filters  *{"plugin":"where".*tables.orders.filters\[0\]'; do
  grep -q "^$line" people || fail "\"$line\" is not said: $(cat people)"
done
ctl office explain bob orders --key '[10]' --claims '{"shop": 2}' | grep -q '^the row  *is hidden  *3. where' || fail "one row, for people"
# The page's command.
sed -n '/^```sh explain$/,/^```$/{/^```/d;s|mantisctl --config /etc/mantis/server.json|ctl office|p}' "$top/docs/operate.md" > page.sh
[ -s page.sh ] && . ./page.sh > people && grep -q '^the row  *is hidden  *1. where' people || fail "the page's command: $(cat people)"
for arguments in "bob orders --claims x" "bob orders --key 7" "bob orders --keys x" "orders --token-file none" "orders" "bob orders --token-file carol.token" "bob nope"; do
  # shellcheck disable=SC2086
  ctl office explain $arguments > said 2>&1 && fail "explain $arguments: no error" || grep -q '^mantisctl: ' said || fail "explain $arguments: $(cat said)"
done
sql office .dump > after
cmp before after || fail "explain changes the database: $(diff before after | head -20)"

# Without a daemon: the same, and not one byte is changed.
stop_mantisd office
sum=$(sha256sum office.db)
explains "$shop and H['cost'] == 1" bob orders --claims '{"shop": 2}'
[ "$(grep -c "no daemon is running" said)" = 1 ] || fail "said: $(cat said)"
[ "$(sha256sum office.db)" = "$sum" ] || fail "explain without a daemon changes the file"
