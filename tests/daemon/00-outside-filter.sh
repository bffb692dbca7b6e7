#!/bin/bash
# 00: a filter that is built outside the tree as docs/write-a-filter.md says, against an installed copy, and named by its path in
# "plugins", decides what devices see and write; the page shows the code that is built.
. "${0%/*}/functions.sh"
requires make cc pkg-config python3

root=$work/root
installed_copy "$root"
cp -r "$top/docs/examples/branch" branch
chmod -R u+w branch
make -C branch CFLAGS='-Wall -Wextra -Werror' > branch.log 2>&1 || fail "the example does not build: $(cat branch.log)"
case $(pkg-config --cflags mantis) in
*"$root"*) ;;
*) fail "not built against the installed copy: $(pkg-config --cflags mantis)" ;;
esac
installed_programs "$root"
"$build/mantisd" --dump-plugin branch/branch.so > dump || fail "--dump-plugin: $(cat dump)"
grep -q 'to each office' dump && grep -q 'the column with the office' dump || fail "--dump-plugin: $(cat dump)"
python3 - "$top/docs/write-a-filter.md" branch/branch.c << 'END' || fail "the page and the example differ"
import re, sys
code = open(sys.argv[2]).read()
blocks = re.findall(r"^```c\n(.*?)^```", open(sys.argv[1]).read(), re.M | re.S)
sys.exit(not blocks or any(print("not in branch.c:", block) or True for block in blocks if block not in code))
END

port=$(free_port)
office () # COLUMN
{
  cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "plugins": ["sqlite", "rest", "jwt", "timestamp", "./branch/branch.so"],
 "tables": {"*": {}, "prices": {"filters": [{"plugin": "branch", "column": "$1"}]}}}
END
}
office office
sql office "CREATE TABLE prices (id TEXT PRIMARY KEY, office TEXT, price INTEGER);
  INSERT INTO prices VALUES ('a', 'emea', 1), ('b', 'emea/de/ulm', 2), ('c', 'emea/d', 3), ('d', 'emea/fr', 4), ('e', NULL, 5)"
start_mantisd office --mode server
configure_client till
token emea/de/ulm/till-3 > till.token
start_mantisd till --mode client
holds () # KEYS
{
  [ "$(sql till "SELECT group_concat(id, ' ') FROM (SELECT id FROM prices ORDER BY id)")" = "$1" ]
}
wait_for "its rows and those above" holds "a b"

# Rows move between offices; a row of another office is not to be written.
sql office "UPDATE prices SET office = 'emea/de' WHERE id = 'd'; UPDATE prices SET office = 'apac' WHERE id = 'a'"
wait_for "the row that came and the one that went" holds "b d"
sql till "UPDATE prices SET price = 20 WHERE id = 'b'; UPDATE prices SET price = 40 WHERE id = 'd';
  INSERT INTO prices VALUES ('f', 'emea/de/ulm', 6), ('g', 'apac', 7)"
wait_for_row office "SELECT 1 FROM prices WHERE id = 'b' AND price = 20"
wait_for "the row of another office to go" holds "b d f"
quiet till
[ "$(sql office "SELECT group_concat(id || price, ' ') FROM (SELECT * FROM prices ORDER BY id)")" = "a1 b20 c3 d4 e5 f6" ] ||
  fail "the office has $(sql office "SELECT * FROM prices")"
[ "$(sql till "SELECT group_concat(reason, '; ') FROM (SELECT DISTINCT reason FROM __sync_conflicts WHERE tbl = 'prices')")" = '"office" is not your office' ] ||
  fail "why is not kept: $(sql till "SELECT * FROM __sync_conflicts")"

# A column that there is not: the table is closed to all, and the log says why.
stop_mantisd till
stop_mantisd office
office region
start_mantisd office --mode server
wait_for_message office 'table "prices" has no column "region"'
case $(call POST /sync/pull -d '{"load": {"table": "prices"}}') in
*emea*) fail "a table whose filter does not fit is read" ;;
esac
