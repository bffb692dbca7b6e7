#!/bin/bash
# 00: the transport of docs/write-a-transport.md is built outside the tree against an installed copy, keeps the laws of its
# kind, and carries everything between a server and a client that have no other one: also when the server was killed.
. "${0%/*}/functions.sh"
requires make cc pkg-config python3
pkg-config --exists libevent || skip "libevent's headers are not installed"

root=$work/root
installed_copy "$root"
cp -r "$top/docs/examples/line" line
chmod -R u+w line
page_shows "$top/docs/write-a-transport.md" line/*.[ch]
make -C line CFLAGS='-Wall -Wextra -Werror' > line.log 2>&1 || fail "the example does not build: $(cat line.log)"
installed_programs "$root"
make -C line check MANTIS_PLUGIN_TEST='mantis-plugin-test --seconds 300' > laws 2>&1 || fail "line.so breaks a law: $(cat laws)"
grep -q '^ok  *messages_arrive_whole' laws && grep -q '^ok  *rubbish_is_survived' laws || fail "its laws were not tried: $(cat laws)"

# rest is for what asks whether the server is ready, and for nobody else.
port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "plugins": ["sqlite", "rest", "jwt", "timestamp", "./line/line.so"],
 "listen": [{"transport": "line", "path": "office.socket"}, {"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}]}
END
cat > tablet.json << END
{"mode": "client", "storage": {"plugin": "sqlite", "path": "tablet.db"},
 "plugins": ["sqlite", {"path": "./line/line.so", "options": {"path": "office.socket"}}],
 "sync": {"transport": "line", "server_url": "http://localhost", "token_file": "tablet.token", "interval_seconds": 60}}
END
sql office "CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT); INSERT INTO notes VALUES ('o', 'of the office')"
start_mantisd office --mode server
[ "$(stat -c %a office.socket)" = 660 ] || fail "the mode of the socket: $(stat -c %a office.socket)"
start_mantisd tablet --mode client
wait_for_sync tablet office
sql tablet "INSERT INTO notes VALUES ('t', 'of the tablet')"
wait_for_row office "SELECT 1 FROM notes WHERE id = 't'"
sql office "UPDATE notes SET body = 'read' WHERE id = 't'"
wait_for_row tablet "SELECT 1 FROM notes WHERE body = 'read'"

kill_mantisd office
sql tablet "INSERT INTO notes VALUES ('u', 'while it was away')"
start_mantisd office --mode server # whose socket still lies there
wait_for_row office "SELECT 1 FROM notes WHERE id = 'u'"
settled office tablet

# Somebody else's token.
echo nonsense > tablet.token
stop_mantisd tablet
status=0
"$build/mantisd" --config tablet.json --once > refused.log 2>&1 || status=$?
[ $status != 0 ] && grep -q token refused.log || fail "a bad token: status $status, $(cat refused.log)"
