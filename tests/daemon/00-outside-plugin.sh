#!/bin/bash
# 00: a resolver that is built outside the tree against an installed copy, named by its path in "plugins" and by its
# name in one table's conflict_policy, decides in that table and in no other; what does not use a deleted plugin
# still starts.
. "${0%/*}/functions.sh"
requires make cc pkg-config python3

root=$work/root
installed_copy "$root"
cp -r "$top/docs/examples/vote" vote
chmod -R u+w vote
make -C vote CFLAGS='-Wall -Wextra -Werror' > vote.log 2>&1 || fail "the example does not build against the installed copy"
case $(pkg-config --cflags mantis) in
*"$root"*) ;;
*) fail "not built against the installed copy: $(pkg-config --cflags mantis)" ;;
esac

page_shows "$top/docs/write-a-resolver.md" vote/vote.c
installed_programs "$root"
mantis-plugin-test vote/vote.so -o quorum=3 --column votes=INTEGER > laws || fail "vote.so breaks a law: $(cat laws)"
"$build/mantisd" --dump-plugin vote/vote.so > dump || fail "--dump-plugin: $(cat dump)"
grep -q quorum dump && grep -q 'more votes' dump || fail "--dump-plugin: $(cat dump)"

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "plugins": ["sqlite", "rest", "jwt", "timestamp", "./vote/vote.so"],
 "tables": {"*": {}, "ideas": {"conflict_policy": {"plugin": "vote", "quorum": 3}}}}
END
for table in ideas plans; do
  sql office "CREATE TABLE $table (id TEXT PRIMARY KEY, title TEXT, votes INTEGER);
    INSERT INTO $table VALUES ('a', 'draft', 0), ('b', 'draft', 0)"
done
start_mantisd office --mode server
start_mantisd tablet --mode client
wait_for_sync tablet office
[ "$(call GET /sync/schema | python3 -c 'import json, sys; p = json.load(sys.stdin)["policies"]; print(p["ideas"], p["plans"])')" = "vote timestamp" ] ||
  fail "the policies: $(call GET /sync/schema)"

# Row a: the tablet's has the votes, the office's is later.  Row b: below the quorum, the later one wins.
stop_mantisd tablet
for table in ideas plans; do
  sql tablet "UPDATE $table SET title = 'tablet', votes = CASE id WHEN 'a' THEN 5 ELSE 2 END"
  later
  sql office "UPDATE $table SET title = 'office', votes = 1"
done
start_mantisd tablet --mode client
wait_for_row office "SELECT 1 FROM (SELECT count(*) AS n FROM __sync_conflicts) WHERE n = 4"
settled office tablet
got=$(sql office "SELECT group_concat(title, ' ') FROM (SELECT title FROM ideas UNION ALL SELECT title FROM plans)")
[ "$got" = "tablet office office office" ] || fail "decided: $got"
[ "$(sql office "SELECT DISTINCT tbl || ' ' || decided_by FROM __sync_conflicts ORDER BY 1" | tr '\n' ,)" = "ideas vote,plans timestamp," ] ||
  fail "who decided: $(sql office "SELECT * FROM __sync_conflicts")"
[ "$(sql office "SELECT reason FROM __sync_conflicts WHERE tbl = 'ideas' AND outcome = 'beaten'")" = "more votes" ] ||
  fail "why is not kept: $(sql office "SELECT * FROM __sync_conflicts")"
stop_mantisd tablet
stop_mantisd office

# A plugin that nobody uses may be gone; one that is used is missed with one clear line.
rm "$MANTIS_PLUGIN_PATH/timestamp.so"
sed -i 's/"timestamp", //; s/"tables"/"sync": {"conflict_policy": "vote"}, "tables"/' office.json
start_mantisd office --mode server
rm "$MANTIS_PLUGIN_PATH/jwt.so"
start_mantisd tablet --mode client
settled office tablet
stop_mantisd tablet
stop_mantisd office
status=0
timeout "$patience" "$build/mantisd" --config office.json > refused 2>&1 || status=$?
[ $status != 0 ] && [ "$(grep -c . refused)" = 1 ] && grep -q jwt refused || fail "without jwt.so: $status, $(cat refused)"
