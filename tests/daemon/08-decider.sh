#!/bin/bash
# 08: a program decides, in any language: it is told all three rows on its standard input and answers on its standard output; while it
# thinks no transaction is open, and the application, other devices and other rows go on; one that hangs (its children too), crashes,
# prints rubbish or too much costs its own row a decision, which is left to a person with the reason; an answer about a row that has
# changed since is not taken; a third-party .so that waits decides in the same way.  K9.
. "${0%/*}/functions.sh"
requires cc python3

cat > decide.sh << 'END'
#!/bin/sh
read -r line
case $line in
*'"base":{"id":"'*'","body":"draft"}}') ;;
*) exit 1 ;;
esac
case $line in
*'"remote":{"id":"local"'*) echo '{"decision": "local", "reason": "so it was"}' ;;
*'"remote":{"id":"remote"'* | *'"local":null,'*'"remote":{"id":"gone"'*) echo '{"decision": "remote"}' ;;
*'"remote":{"id":"merged"'*) echo "$line" > told; echo '{"decision": "merged", "row": {"body": "both"}}' ;;
*'"remote":{"id":"defer"'*) echo '{"decision": "defer", "reason": "ask Ann"}' ;;
*'"remote":{"id":"refuse"'*) echo '{"decision": "refuse", "reason": "not now"}' ;;
*'"remote":{"id":"rubbish"'*) echo rubbish ;;
*'"remote":{"id":"word"'*) echo '{"decision": "perhaps"}' ;;
*'"remote":{"id":"column"'*) echo '{"decision": "merged", "row": {"no": 1}}' ;;
*'"remote":{"id":"silent"'*) ;;
*'"remote":{"id":"crash"'*) kill -SEGV $$ ;;
*'"remote":{"id":"status"'*) echo '{"decision": "remote"}'; echo "it is not so" >&2; exit 1 ;;
*'"remote":{"id":"much"'*) head -c 100000 /dev/zero | tr '\0' x ;;
esac
END
chmod +x decide.sh
cat > hang.sh << 'END'
sleep 1000 &
echo $! > child
trap '' TERM
wait
END
cat > wait.c << 'END'
#include <mantis/resolver.h>
#include <stdio.h>
#include <unistd.h>

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged, struct mantis_arena *arena, struct mantis_error *error)
{
  FILE *shown = fopen ("shown", "a");

  (void) self, (void) merged, (void) arena, (void) error;
  fprintf (shown, "%.*s\n", (int) conflict->local->row[1].length, conflict->local->row[1].as.bytes);
  fclose (shown);
  while (access ("go", F_OK) != 0)
    usleep (5000);
  fclose (fopen ("decided", "w"));
  return MANTIS_TAKE_REMOTE;
}

static const struct mantis_resolver ops = { .size = sizeof ops, .decide = decide };

MANTIS_RESOLVER_PLUGIN (wait, &ops, .summary = "waits for a file", .version = "1.0", .threads = MANTIS_WAITS);
END
cc -std=gnu11 -Wall -fPIC -shared -fvisibility=hidden -I"$top/include" -I"$build/include" -o wait.so wait.c || fail "the resolver does not build"

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}], "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "plugins": ["sqlite", "rest", "jwt", "timestamp", "manual", "./wait.so"],
 "tables": {"*": {}, "slow": {"conflict_policy": "wait"},
            "note": {"conflict_policy": {"plugin": "manual", "command": ["./decide.sh"], "time_limit": 60, "answer_bytes": 1024}},
            "hang": {"conflict_policy": {"plugin": "manual", "command": ["sh", "hang.sh"], "time_limit": "500ms"}},
            "stuck": {"conflict_policy": {"plugin": "manual", "command": ["sh", "-c", "echo \$\$ > stuck; sleep 1000 & wait"], "time_limit": 3600}}}}
END
keys="local remote gone merged defer refuse rubbish word column silent crash status much"
for table in note hang slow other stuck; do
  sql office "CREATE TABLE $table (id TEXT PRIMARY KEY, body TEXT)"
done
for key in $keys; do
  sql office "INSERT INTO note VALUES ('$key', 'draft')"
done
sql office "INSERT INTO slow VALUES ('a', 'draft'), ('b', 'draft'); INSERT INTO stuck SELECT * FROM slow; INSERT INTO hang VALUES ('a', 'draft')"
start_mantisd office --mode server
start_mantisd tablet --mode client
start_mantisd till --mode client
settled office tablet till

# ends FILE: the process whose id it holds; whose parent is gone may be left as a zombie for a while.
ends ()
{
  pids[$1]=$(cat "$1")
  wait_for "process $1 to end" gone "$1"
  unset "pids[$1]"
}

# It decides, or a person does.
stop_mantisd tablet
sql office "UPDATE note SET body = 'office'; UPDATE hang SET body = 'office'; DELETE FROM note WHERE id = 'gone'"
sql tablet "UPDATE note SET body = 'tablet'; UPDATE hang SET body = 'tablet'"
start_mantisd tablet --mode client
settled office tablet till
for key in $keys; do
  case $key in
  remote | gone) body=tablet ;;
  merged) body=both ;;
  *) body=office ;;
  esac
  [ "$(sql till "SELECT body FROM note WHERE id = '$key'")" = "$body" ] || fail "$key: $(sql till "SELECT body FROM note WHERE id = '$key'")"
done
sql office "SELECT json_extract(key, '\$[0]') || ' ' || outcome || ' ' || state || ' ' || reason FROM __sync_conflicts WHERE tbl = 'note'" > said
while read -r text; do
  grep -q "^$text" said || fail "$text is not among: $(cat said)"
done << 'END'
local superseded closed so it was
defer deferred open ask Ann
refuse rejected closed not now
rubbish deferred open a person decides, as ./decide.sh did not: what it wrote is not one JSON object
word deferred open .*"decision" is none of
column deferred open .*has no column "no"
silent deferred open .*not one JSON object
crash deferred open .*killed by signal 11
status deferred open .*exit status 1
much deferred open .*answer_bytes
END
grep -q './decide.sh: it is not so' office.log || fail "what it complains of is not told"

python3 -c '
import json
c = json.load(open("told"))
assert c["table"] == "note" and c["key"] == ["id"] and c["local"] == {"id": "merged", "body": "office"}, c
assert c["remote"] == {"id": "merged", "body": "tablet"} and c["base"] == {"id": "merged", "body": "draft"}, c
assert c["remote_origin"] and c["local_updated_at"] > 1e12 and c["remote_updated_at"] > 1e12, c' || fail "what it is told"
# It hangs, and so does what it has started: after its time both are killed.
[[ $(sql office "SELECT reason FROM __sync_conflicts WHERE tbl = 'hang'") == *"sh did not: it took more than 0.5 s, and was killed" ]] ||
  fail "hang: $(sql office "SELECT reason FROM __sync_conflicts WHERE tbl = 'hang'")"
ends child

# While it thinks: the application writes, another device does, other rows of the same device do.
stop_mantisd tablet
sql office "UPDATE slow SET body = 'office' WHERE id = 'a'; UPDATE stuck SET body = 'office' WHERE id = 'a'"
sql tablet "UPDATE slow SET body = 'tablet'; UPDATE stuck SET body = 'tablet' WHERE id = 'a'; INSERT INTO other VALUES ('tablet', 'x')"
start_mantisd tablet --mode client
wait_for "the resolver to be asked" test -s shown
sql office "INSERT INTO other VALUES ('office', 'x')"
sql till "INSERT INTO other VALUES ('till', 'x')"
for name in till office tablet; do
  wait_for_row till "SELECT 1 FROM other WHERE id = '$name'"
done
wait_for_row till "SELECT 1 FROM slow WHERE id = 'b' AND body = 'tablet'"
wait_until till 'S["waiting"] == 0'
wait_until tablet 'S["waiting"] == 2'
[ ! -e decided ] || fail "it has not waited"
# The row is changed meanwhile: what was decided about the old one does not count.
sql office "UPDATE slow SET body = 'later' WHERE id = 'a'"
touch go
wait_for_row till "SELECT 1 FROM slow WHERE id = 'a' AND body = 'tablet'"
[ "$(paste -sd ' ' shown)" = "office later" ] || fail "it was shown $(cat shown)"
[ "$(sql office "SELECT count(*) FROM __sync_conflicts WHERE tbl = 'slow' AND outcome = 'beaten' AND loser LIKE '%later%'")" = 1 ] || fail "the loser is not kept"

# The server ends while a program thinks: at once, and nothing is left of it; then it is asked again.
stop_mantisd office
[ "$ended" = 0 ] || fail "it ended with $ended"
ends stuck
[ "$(sql office "SELECT body FROM stuck WHERE id = 'a'")" = office ] || fail "decided without an answer"
sed -i 's/"echo [^"]*"/"echo \x27{\\"decision\\": \\"remote\\"}\x27"/' office.json
start_mantisd office --mode server
settled office tablet till
[ "$(sql till "SELECT body FROM stuck WHERE id = 'a'")" = tablet ] || fail "stuck: $(sql till "SELECT * FROM stuck")"
