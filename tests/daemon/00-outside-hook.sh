#!/bin/bash
# 00: the hooks of docs/write-a-hook.md, in shell, in Python and in C, work outside the tree with an installed copy: called in the
# order of the configuration, each sees what those before have left, and no row is lost.
. "${0%/*}/functions.sh"
requires make cc pkg-config python3

root=$work/root
installed_copy "$root"
cp -r "$top/docs/examples/bell" bell
chmod -R u+w bell
page_shows "$top/docs/write-a-hook.md" bell/bell bell/clerk bell/limit.c
make -C bell CFLAGS='-Wall -Wextra -Werror' > bell.log 2>&1 || fail "the example does not build: $(cat bell.log)"
[ "$(wc -l < bell/bell)" -le 10 ] || fail "bell is longer than 10 lines"
installed_programs "$root"
mantisd --dump-plugin bell/limit.so > dump || fail "--dump-plugin: $(cat dump)"
grep -q 'pieces that may be ordered at once' dump || fail "--dump-plugin: $(cat dump)"

for cut in false true; do
  mantis-plugin-test --seconds 300 bell/limit.so -o most=10 -o cut=$cut --column qty=INTEGER > laws || fail "limit.so breaks a law: $(cat laws)"
done

port=$(free_port)
configure () # OPTION-OF-LIMIT
{
  cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "plugins": ["sqlite", "rest", "jwt", "timestamp", "exec", "./bell/limit.so"],
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "hooks": [{"plugin": "limit", "most": 10, "tables": ["orders"]$1},
           {"plugin": "exec", "folder": "bell", "command": ["./clerk"], "on": ["before_push"], "tables": ["orders"], "time_limit": "1h"},
           {"plugin": "exec", "folder": "bell", "command": ["./bell"], "on": ["after_apply"], "tables": ["orders"], "on_failure": "ignore"}]}
END
}
configure ''
for name in office tablet; do
  sql $name "CREATE TABLE orders (id TEXT PRIMARY KEY, code TEXT, qty INTEGER)"
done
start_mantisd office --mode server
start_mantisd tablet --mode client
sql tablet "INSERT INTO orders VALUES ('a', 'a4', 2), ('b', 'B5', 0), ('c', 'c5', 11), ('d', 'd6', 10)"
settled office tablet
[ "$(sql tablet "SELECT group_concat(id || code || qty) FROM (SELECT * FROM orders ORDER BY id)")" = aA42,dD610 ] ||
  fail "the orders: $(sql tablet "SELECT * FROM orders")"
[ "$(sql tablet "SELECT group_concat(why) FROM (SELECT decided_by || ': ' || reason AS why FROM __sync_conflicts ORDER BY key)")" = \
  "exec: an order is of one piece at least,limit: more than 10 pieces" ] || fail "kept: $(sql tablet "SELECT * FROM __sync_conflicts")"
wait_for "both orders to be written down" grep -q '"key":{"id":"d"}' bell/new-orders
[ "$(grep -c . bell/new-orders)" -le 2 ] || fail "written down: $(cat bell/new-orders)"

configure ', "cut": true'
kill -HUP "$(pid_of office)"
wait_for_message office 'the hooks are as they are configured now'
sql tablet "INSERT INTO orders VALUES ('e', 'e7', 12); UPDATE orders SET qty = 3 WHERE id = 'a'; DELETE FROM orders WHERE id = 'd'"
settled office tablet
[ "$(sql tablet "SELECT group_concat(id || code || qty) FROM (SELECT * FROM orders ORDER BY id)")" = aA43,eE710 ] ||
  fail "the orders: $(sql tablet "SELECT * FROM orders")"
