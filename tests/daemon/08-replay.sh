#!/bin/bash
# 08: mantisctl replay puts recorded conflicts to another policy and changes nothing: through the policy that decided, all come out as they did;
# through another one, column by column; what a record lacks is said; one that crashes, hangs or contradicts itself costs
# its own answer, and the server goes on.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires cc python3

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"*": {}, "stock": {"conflict_policy": {"plugin": "version", "columns": {"qty": "add"}}},
            "tasks": {"conflict_policy": {"plugin": "version", "second": "manual"}}}}
END
sql office "CREATE TABLE stock (id TEXT PRIMARY KEY, title TEXT, qty INTEGER CHECK (qty >= 0)); CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT);
  CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT); INSERT INTO tasks VALUES ('t', 'title'); INSERT INTO notes VALUES ('n', 'body');
  INSERT INTO stock SELECT value, 'title', 10 FROM json_each('[\"a\", \"b\", \"c\", \"d\"]')"
start_mantisd office --mode server

# push TABLE COLUMNS ROW WAS [MORE]: a change made on the row as it was before Mantis.
push ()
{
  call POST /sync/push -d "{\"changes\": [{\"table\": \"$1\", \"base\": 1, \"columns\": [$2], \"meta\": [\"was\"${5-}, \"rows\": [[$3, $4${6-}]]}]}" > said
}
sql office "UPDATE stock SET title = 'office', qty = qty - 2 WHERE id = 'a'; UPDATE stock SET title = 'office' WHERE id = 'b'; DELETE FROM stock WHERE id = 'c';
  UPDATE stock SET qty = 3 WHERE id = 'd'; UPDATE tasks SET title = 'office'; UPDATE notes SET body = 'office'"
sleep 0.01
push stock '"id", "title", "qty"' '"a", "tablet", 7' '{"title": "title", "qty": 10}' ']'          # 1: merged
push stock '"id", "title", "qty"' '"b", "tablet", 10' '{"title": "title"}' ', "updated_at"]' ', 1000' # 2: superseded
push stock '"id", "title", "qty"' '"c", "tablet", 10' '{"title": "title"}' ']'                     # 3: beaten
push stock '"id", "title", "qty"' '"d", "title", 3' '{"qty": 10}' ']'                              # 4: refused by the CHECK
push notes '"id", "body"' '"n", "tablet"' 'null' ']'                                               # 5: beaten
push tasks '"id", "title"' '"t", "tablet"' '{"title": "title"}' ']'                                # 6: deferred
[ "$(sql office "SELECT group_concat(outcome, ' ') FROM (SELECT outcome FROM __sync_conflicts ORDER BY id)")" = "merged superseded beaten rejected beaten deferred" ] ||
  fail "the conflicts: $(sql office "SELECT * FROM __sync_conflicts")"
# What it takes is kept: what the policy saw, and what came of it.
[ "$(sql office "SELECT json_extract(stands, '\$.qty') || json_extract(base_row, '\$.qty') || (json_extract(stamps, '\$.qty[0]') > 0) || (sent_time > 0) FROM __sync_conflicts WHERE id = 1")" = 51011 ] ||
  fail "the record: $(sql office "SELECT * FROM __sync_conflicts WHERE id = 1")"
wait_for_row office "SELECT 1 FROM __sync_heads" # the server's first look at its log
sql office .dump > before

# replay STATUS EXPRESSION ARGUMENT...: its answer, A, by conflict C.
replay ()
{
  local wanted=$1 true=$2 status=0

  shift 2
  ctl office --json replay "$@" > answer 2> said || status=$?
  [ $status = "$wanted" ] || fail "replay $*: status $status, not $wanted: $(cat said answer)"
  python3 - "$true" << 'END' || fail "replay $*: $true is not so: $(cat answer)"
import json, sys
A = json.load(open("answer"))
C = {c["id"]: c for c in A["conflicts"]}
sum = A["sum"]
sys.exit(not eval(f"({sys.argv[1]})"))
END
}

# The policies that decided, and the ones of another file.
replay 0 'sum["same"] == 5 and sum["left_out"] == 1 and sum["uncertain"] == 0 and C[4]["verdict"] == "left out"'
replay 4 'sum["different"] == 2 and C[1]["columns"] == {"qty": [5, 7]} and C[6]["now_outcome"] == "beaten" and C[2]["verdict"] == "same"' --policy timestamp
replay 4 'C[1]["columns"] == {"title": ["tablet", "office"]} and C[3]["then"]["title"] == "tablet" and C[3]["now"] is None and sum["columns"] == 1' \
  --table stock --policy '{"plugin": "version", "second": "server", "deletes": "win", "columns": {"qty": "add"}}'
# A record of timestamp has no base, and no stamps.
replay 5 'C[5]["lacks"] == ["base", "stamps"] and sum["lacking"]["base"] == 1 and sum["uncertain"] == 1 and list(C) == [5]' --id 5 --policy version
replay 0 'sorted(C) == [2, 3]' --id 2,3
replay 0 'len(C) == 6' --since 1d
replay 0 'not C' --since 2100-01-01
ctl office replay --policy timestamp > table && fail "status 0" || [ $? = 4 ]
grep -q '^1  *stock  *\["a"\]  *qty  *5  *7 ' table && grep -q '^different  *2 ' table || fail "for people: $(cat table)"
for arguments in "--id 99" "--id x" "--since never" "--policy nope" "--policy {" "--time-limit x"; do
  # shellcheck disable=SC2086
  ctl office replay $arguments > said 2>&1 && fail "replay $arguments: no error" || [ $? -lt 4 ] && [ "$(grep -c . said)" = 1 ] || fail "replay $arguments: $(cat said)"
done

ctl office replay --table stokc --policy timestamp > said 2>&1 && grep -q 'there is no conflict of a table "stokc"' said || fail "a table of which there is none: $(cat said)"
ctl office replay --table stock --policy '{"plugin": "version", "columns": {"nope": "add"}}' > said 2>&1 && fail "a column that is not there" || [ $? -lt 4 ] && grep -q nope said ||
  fail "a column that is not there: $(cat said)"

# A policy of one's own, and bad ones.
cat > own.c << 'END'
#include <mantis/resolver.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct own {
  const char *how;
};

static const struct mantis_option options[] = {
  MANTIS_TEXT_OPTION (struct own, how, "client", "client, crash, hang, leave, waver, rubbish"),
  { .name = NULL },
};

static enum mantis_status
start (void *self, struct mantis_error *error)
{
  (void) error;
  if (strcmp (((struct own *) self)->how, "dead") == 0)
    abort ();
  return MANTIS_OK;
}

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  const char *how = ((struct own *) self)->how;
  static int asked;

  (void) merged, (void) arena, (void) error;
  puts ("this is not for standard output");
  if (memcmp (conflict->remote->row[0].as.bytes, "b", 1) == 0) {
    if (strcmp (how, "crash") == 0)
      abort ();
    if (strcmp (how, "hang") == 0)
      pause ();
    if (strcmp (how, "leave") == 0)
      exit (0);
    if (strcmp (how, "waver") == 0)
      return asked++ ? MANTIS_KEEP_LOCAL : MANTIS_TAKE_REMOTE;
    if (strcmp (how, "rubbish") == 0)
      return (enum mantis_decision) 77;
  }
  return MANTIS_TAKE_REMOTE;
}

static const struct mantis_resolver ops = { .size = sizeof ops, .decide = decide };

MANTIS_RESOLVER_PLUGIN (own, &ops, .summary = "the client's, or harm", .version = "1.0", .start = start,
                        .self_size = sizeof (struct own), .options = options);
END
cc -std=gnu11 -Wall -fPIC -shared -fvisibility=hidden -I"$top/include" -I"$build/include" -o own.so own.c || fail "the resolver does not build"
replay 4 'C[2]["columns"]["title"] == ["office", "tablet"] and sum["failed"] == 0' --policy own.so
for how in crash leave waver rubbish; do
  replay 6 'sum["failed"] == 1 and C[2]["verdict"] == "failed" and sum["same"] == 2 and sum["different"] == 2' --policy "{\"plugin\": \"./own.so\", \"how\": \"$how\"}"
done
replay 6 'sum["failed"] == 1 and "no answer within" in C[2]["now_reason"] and len(C) == 6' --policy '{"plugin": "./own.so", "how": "hang"}' --time-limit 5s
ctl office replay --policy '{"plugin": "./own.so", "how": "dead"}' > said 2>&1 && fail "status 0" || [ $? = 1 ] && grep -q 'could not be started: it crashed' said ||
  fail "a policy that cannot start: $(cat said)"
# A program decides, run from here.
printf '%s\n' '#!/bin/sh' 'grep -q "\"title\":\"office\"" && echo "{\"decision\": \"merged\", \"row\": {\"title\": \"program\"}}" || echo "{\"decision\": \"local\"}"' > decide
chmod +x decide
replay 4 'C[1]["now"]["title"] == C[2]["now"]["title"] == "program" and C[3]["now"] is None and sum["failed"] == 0' --table stock --policy '{"plugin": "manual", "command": ["./decide"]}'
# The page's commands.
python3 - "$top/docs/conflicts.md" > page.sh << 'END'
import re, sys
print(re.search(r"^```sh replay\n(.*?)^```$", open(sys.argv[1]).read(), re.M | re.S)[1].replace("mantisctl --config office.json", "ctl office"))
END
while read -r command; do
  status=0
  eval "$command" > table || status=$?
  [ $status = 4 ] && grep -q '^different ' table || fail "$command: $status, $(cat table)"
done < <(grep . page.sh)
alive office || fail "the server has ended"
sql office .dump > after
cmp before after || fail "replay changes the database: $(diff before after)"

# Without a daemon: not one byte, though there is a table now that mantisd would watch.
stop_mantisd office
sql office "CREATE TABLE later (id TEXT PRIMARY KEY)"
sum=$(sha256sum office.db)
replay 4 'sum["different"] == 2' --policy timestamp
[ "$(sha256sum office.db)" = "$sum" ] || fail "replay without a daemon changes the file"
grep -q "no daemon is running" said && [ "$(grep -c . said)" = 1 ] || fail "said: $(cat said)"

# Records of before: what came out of a merge, stamps and times are not in them. A table that has got a column, and one that is gone.
cp office.db older.db
sed 's/office.db/older.db/' office.json > older.json
sql older "UPDATE __sync_conflicts SET stamps = NULL, stands = NULL, sent_time = NULL; UPDATE __sync_conflicts SET winner_time = loser_time + 1 WHERE id = 3;
  ALTER TABLE notes ADD COLUMN more TEXT; DROP TABLE tasks"
cp office.json kept.json
cp older.json office.json
replay 5 'C[1]["verdict"] == "unknown" and C[1]["now"]["qty"] == 5 and C[1]["lacks"] == ["stamps"] and C[3]["lacks"] == ["stamps", "time"] and C[5]["lacks"] == ["columns"] and
  C[6]["verdict"] == "left out" and sum["same"] == 3 and sum["lacking"] == {"base": 0, "stamps": 3, "time": 1, "columns": 1}'
cp kept.json office.json

# A client decides nothing.
server=office
configure_client tablet
sql tablet "CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT)"
ctl tablet replay > said 2>&1 && fail "a client replays" || [ $? = 2 ] && grep -q "its server decides" said || fail "a client: $(cat said)"
