#!/bin/bash
# 09: a resolver that sleeps holds up those who write and nobody else; one that answers at random leaves all alike and
# loses nothing; one that crashes takes the server with it, and no row: its batch is decided again.  K9.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires cc python3

cat > naughty.c << 'END'
#include <mantis/resolver.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct naughty {
  const char *how;
};

static const struct mantis_option options[] = {
  MANTIS_TEXT_OPTION (struct naughty, how, "random", "sleep, crash, random"),
  { .name = NULL },
};

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged,
        struct mantis_arena *arena, struct mantis_error *error)
{
  const struct naughty *naughty = self;
  static int asked;

  (void) merged, (void) arena, (void) error;
  if (strcmp (naughty->how, "sleep") == 0)
    for (close (creat ("asked", 0600)); access ("sleep", F_OK) == 0; usleep (5000))
      ;
  if (strcmp (naughty->how, "crash") == 0 && access ("crash", F_OK) == 0)
    *(volatile int *) 8 = 1;
  if (strcmp (naughty->how, "random") == 0)
    return (enum mantis_decision) (++asked % 10 ? 1 + rand () % 5 : asked); /* 10, 20...: nonsense */
  return mantis_change_order (conflict->local, conflict->remote) < 0 ? MANTIS_TAKE_REMOTE
                                                                      : MANTIS_KEEP_LOCAL;
}

static const struct mantis_resolver ops = { .size = sizeof ops, .decide = decide };

MANTIS_RESOLVER_PLUGIN (naughty, &ops, .summary = "harm of several kinds", .version = "1.0",
                        .self_size = sizeof (struct naughty), .options = options);
END
cc -std=gnu11 -Wall -fPIC -shared -fvisibility=hidden -I"$top/include" -I"$build/include" -o naughty.so naughty.c ||
  fail "the resolver does not build"

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}], "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "plugins": ["sqlite", "rest", "jwt", "timestamp", "./naughty.so"],
 "tables": {"*": {}, "slow": {"conflict_policy": {"plugin": "naughty", "how": "sleep"}}, "deadly": {"conflict_policy": {"plugin": "naughty", "how": "crash"}},
   "lots": {"conflict_policy": {"plugin": "naughty", "how": "random"}}}}
END
for table in slow deadly lots note; do
  sql office "CREATE TABLE $table (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO $table VALUES (1, 'draft'), (2, 'draft')"
done
start_mantisd office --mode server
for name in tablet till; do
  start_mantisd $name --mode client
done
settled office tablet till

# differ TABLE: row 1 is edited on both sides, the tablet's is the later one.
differ ()
{
  stop_mantisd tablet
  sql office "UPDATE $1 SET body = 'office' WHERE id = 1"
  later
  sql tablet "UPDATE $1 SET body = 'tablet' WHERE id = 1; UPDATE $1 SET body = 'beside it' WHERE id = 2"
  start_mantisd tablet --mode client
}

# It sleeps: who reads is answered; who writes waits, and then goes on.
touch sleep
differ slow
wait_for "the resolver to be asked" test -e asked
for path in /healthz /readyz /metrics /sync/status /sync/schema /sync/conflicts; do
  curl -fsS -m 5 -H "Authorization: Bearer $(cat till.token)" "http://127.0.0.1:$port$path" > /dev/null || fail "$path waits for the resolver"
done
call POST /sync/pull -m 5 -d '{"load": {"table": "slow"}}' | grep -q '"office"' || fail "who loads a table waits for the resolver"
sql till "UPDATE note SET body = 'till' WHERE id = 1"
wait_until till 'S["waiting"] == 1'
[ "$(sql office "SELECT body FROM slow WHERE id = 1")" = office ] || fail "decided in its sleep"
rm sleep
settled office tablet till
[ "$(sql till "SELECT group_concat(body, ', ') FROM slow")" = "tablet, beside it" ] || fail "slow: $(sql till "SELECT * FROM slow")"

# It crashes: the row waits on the device, and is decided when the server comes up again, however often that takes.
touch crash
differ deadly
for i in 1 2; do
  wait_for "the server to crash" gone office
  ended=0
  wait "${pids[office]}" 2> /dev/null || ended=$?
  [ $ended = 139 ] || fail "the server ended with $ended"
  [ "$(sql office "SELECT group_concat(body, ', ') FROM deadly")" = "office, draft" ] || fail "half a batch: $(sql office "SELECT * FROM deadly")"
  wait_until tablet 'S["waiting"] == 2'
  [ $i = 1 ] || rm crash
  launch office --config office.json
done
settled office tablet till
[ "$(sql till "SELECT group_concat(body, ', ') FROM deadly")" = "tablet, beside it" ] || fail "deadly: $(sql till "SELECT * FROM deadly")"
[ "$(sql office "SELECT json_extract(loser, '\$.body') FROM __sync_conflicts WHERE tbl = 'deadly'")" = office ] || fail "the loser is not kept"

# It answers at random, nonsense too: all come to the same, and each value stands or is kept.
stop_mantisd tablet
stop_mantisd till
for name in office tablet till; do
  sql $name "WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 40) INSERT OR REPLACE INTO lots SELECT k, '$name ' || k FROM k"
done
for name in tablet till; do
  start_mantisd $name --mode client
done
settled office tablet till
grep -q 'resolver "naughty" gave no decision' office.log || fail "nonsense is not told"
cat > look.py << 'END'
import json, sqlite3
db = sqlite3.connect("office.db")
stands = {body for body, in db.execute("SELECT body FROM lots")}
kept = {json.loads(row)["body"] for rows in db.execute("SELECT loser, winner FROM __sync_conflicts WHERE tbl = 'lots'") for row in rows if row}
lost = {f"{name} {k}" for name in ("office", "tablet", "till") for k in range(1, 41)} - stands - kept
assert not lost, f"neither stands nor kept: {sorted(lost)}"
outcomes = dict(db.execute("SELECT outcome, count(*) FROM __sync_conflicts WHERE tbl = 'lots' GROUP BY 1"))
print(outcomes)
assert {"superseded", "beaten", "deferred", "rejected"} <= outcomes.keys(), outcomes
END
python3 look.py || fail "the conflicts"
