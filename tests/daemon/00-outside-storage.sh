#!/bin/bash
# 00: the storage of docs/write-a-storage.md is built outside the tree against an installed copy, keeps the laws that can be
# tried on it, and is a server's: devices load from it and converge over it, conflicts are decided and kept, and what was
# acknowledged is there after kill -9.
. "${0%/*}/functions.sh"
requires make cc pkg-config python3

root=$work/root
installed_copy "$root"
cp -r "$top/docs/examples/shelf" shelf
chmod -R u+w shelf
page_shows "$top/docs/write-a-storage.md" shelf/*.[ch]
make -C shelf CFLAGS='-Wall -Wextra -Werror' > shelf.log 2>&1 || fail "the example does not build: $(cat shelf.log)"
installed_programs "$root"
make -C shelf check-server MANTIS_PLUGIN_TEST='mantis-plugin-test --seconds 300' > laws 2>&1 || fail "shelf.so breaks a law: $(cat laws)"
grep -qx 'ok *savepoints_nest' laws && grep -qx 'ok *a_scan_goes_in_pages_by_key' laws || fail "its laws were not tried: $(cat laws)"

port=$(free_port)
cat > office.json << END
{"mode": "server",
 "storage": {"plugin": "shelf", "path": "office.shelf", "tables": {"notes": "id TEXT, body TEXT, pieces INTEGER"}},
 "plugins": ["rest", "jwt", "timestamp", "./shelf/shelf.so"],
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}]}
END
start_mantisd office --mode server
start_mantisd tablet --mode client
wait_for_row tablet "SELECT 1 FROM sqlite_master WHERE name = 'notes'"
sql tablet "INSERT INTO notes VALUES ('a', 'of the tablet', 1), ('b', x'00ff', 9007199254740993), ('c', NULL, NULL), ('d', 'goes', 0)"
quiet tablet
start_mantisd phone --mode client # loads what is there
wait_for_sync tablet phone
sql phone "UPDATE notes SET body = 'of the phone' WHERE id = 'a'; DELETE FROM notes WHERE id = 'd'"
quiet phone
wait_for_sync tablet phone

# A conflict: the later edit stands, the other one is kept.
stop_mantisd phone
sql phone "UPDATE notes SET body = 'earlier' WHERE id = 'a'"
sleep 0.01
sql tablet "UPDATE notes SET body = 'later' WHERE id = 'a'"
quiet tablet
start_mantisd phone --mode client
quiet phone tablet
wait_for_sync tablet phone
[ "$(sql phone "SELECT body FROM notes WHERE id = 'a'")" = later ] || fail "decided: $(sql phone "SELECT * FROM notes")"
ctl office conflicts list > conflicts && grep -q notes conflicts || fail "what lost is not kept: $(cat conflicts)"

# What was acknowledged, and what comes while it is away.
for i in 1 2 3; do
  sql tablet "INSERT INTO notes VALUES ('k$i', 'before', $i)"
  quiet tablet
  kill_mantisd office
  sql phone "INSERT INTO notes VALUES ('p$i', 'meanwhile', $i)"
  start_mantisd office --mode server
  quiet phone tablet
done
wait_for_sync tablet phone
[ "$(sql phone "SELECT count(*) FROM notes")" = 9 ] || fail "rows are missing: $(sql phone "SELECT * FROM notes")"

# A device that comes new sees the same, and a client cannot have its database there without a folder.
stop_mantisd phone
rm phone.db*
start_mantisd phone --mode client
wait_for_sync tablet phone
stop_mantisd phone
sed -i 's/"sqlite", "path": "phone.db"/"shelf", "path": "phone.shelf"/; 1s/{/{"plugins": ["rest", ".\/shelf\/shelf.so"], /' phone.json
status=0
timeout "$patience" "$build/mantisd" --config phone.json --once > refused.log 2>&1 || status=$?
[ $status != 0 ] && grep -q 'a client.s shelf needs a "folder"' refused.log || fail "a client on a shelf: $status, $(cat refused.log)"
