#!/bin/bash
# 08: a resolver's .so in a process of its own (mantisctl decide, as the program of "manual"): it decides as it does inside the
# server, deletions, blobs and two key columns among it; one that crashes, hangs, prints or gives no decision costs its own row a
# decision, and the server that asked goes on.  K9.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires cc python3

# It does what the first column of the key says.
cat > word.c << 'EOF'
#include <mantis/resolver.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct word {
  const char *column;
};

static const struct mantis_option options[] = {
  MANTIS_TEXT_OPTION (struct word, column, "body", "the column that is merged"),
  { .name = NULL },
};

static enum mantis_status
suits (void *self, const struct mantis_table *table, struct mantis_error *error)
{
  const struct word *word = self;

  for (size_t i = 0; i < table->column_count; i++)
    if (strcmp (table->columns[i].name, word->column) == 0)
      return MANTIS_OK;
  return mantis_fail (error, MANTIS_INVALID, "no column \"%s\"", word->column);
}

static void
merge (const struct word *word, const struct mantis_conflict *conflict, struct mantis_value *merged, struct mantis_arena *arena)
{
  const struct mantis_table *table = conflict->table;

  for (size_t i = 0; i < table->column_count; i++) {
    const struct mantis_value *local = &conflict->local->row[i], *remote = &conflict->remote->row[i];
    if (strcmp (table->columns[i].name, word->column) == 0) {
      char *both = mantis_arena_printf (arena, "%.*s, %.*s", (int) local->length, local->as.bytes, (int) remote->length, remote->as.bytes);
      merged[i] = (struct mantis_value){ .type = MANTIS_TEXT, .length = strlen (both), .as.bytes = both };
    } else if (table->columns[i].type_class == MANTIS_CLASS_INTEGER && !table->columns[i].key_position) {
      merged[i] = *local;
      merged[i].as.integer += remote->as.integer - (conflict->base ? conflict->base[i].as.integer : 0);
    }
  }
}

static enum mantis_decision
decide (void *self, const struct mantis_conflict *conflict, struct mantis_value *merged, struct mantis_arena *arena, struct mantis_error *error)
{
  const struct mantis_value *name = &conflict->remote->row[conflict->table->key[0]];
  char what[20];

  snprintf (what, sizeof what, "%.*s", (int) name->length, name->as.bytes);
  printf ("%s is asked about\n", what);
  mantis_fail (error, MANTIS_OK, "%s%s, %d keys, %s", conflict->local->deleted ? "deleted here" : conflict->remote->deleted ? "deleted there" : what,
               conflict->base ? " with a base" : "", (int) conflict->table->key_count, mantis_change_order (conflict->local, conflict->remote) < 0 ? "later" : "earlier");
  if (strcmp (what, "merge") == 0 || strcmp (what, "join") == 0) {
    merge (self, conflict, merged, arena);
    return *what == 'm' ? MANTIS_MERGE : MANTIS_JOIN;
  }
  if (strcmp (what, "crash") == 0)
    abort ();
  if (strcmp (what, "hang") == 0)
    pause ();
  if (strcmp (what, "exit") == 0)
    exit (0);
  return strcmp (what, "local") == 0 ? MANTIS_KEEP_LOCAL : strcmp (what, "defer") == 0 ? MANTIS_DEFER : strcmp (what, "refuse") == 0 ? MANTIS_REFUSE
         : strcmp (what, "none") == 0 ? (enum mantis_decision) 77 : MANTIS_TAKE_REMOTE;
}

static const struct mantis_resolver ops = { .size = sizeof ops, .decide = decide, .wants = MANTIS_WANTS_BASE, .suits = suits };

MANTIS_RESOLVER_PLUGIN (word, &ops, .summary = "as the key says", .version = "1.0", .self_size = sizeof (struct word), .options = options);
EOF
cc -std=gnu11 -Wall -Wextra -fPIC -shared -fvisibility=hidden -I"$top/include" -I"$build/include" -o word.so word.c || fail "the resolver does not build"

export PATH=$build:$PATH
port=$(free_port)
apart='{"plugin": "manual", "command": ["mantisctl", "decide", "--policy", "./word.so"], "time_limit": "60s"}'
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}], "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "plugins": ["sqlite", "rest", "jwt", "timestamp", "manual", "./word.so"],
 "tables": {"inside": {"conflict_policy": "word"}, "apart": {"conflict_policy": $apart},
            "bad": {"conflict_policy": $apart}, "hung": {"conflict_policy": ${apart/60s/1s}},
            "unfit": {"conflict_policy": {"plugin": "manual", "command": ["mantisctl", "decide", "--policy", "{\"plugin\": \"./word.so\", \"column\": \"text\"}"], "time_limit": "60s"}}}}
END
for table in inside apart bad hung unfit; do
  sql office "CREATE TABLE \"$table\" (body TEXT, place INTEGER, word TEXT, count INTEGER, picture BLOB, weight REAL, PRIMARY KEY (word, place))"
done
words="local remote merge join defer refuse gone back"
for word in $words; do
  sql office "INSERT INTO inside VALUES ('draft', 1, '$word', 10, x'00ff', 1.5); INSERT INTO apart SELECT * FROM inside WHERE word = '$word'"
done
for word in crash exit none local; do
  sql office "INSERT INTO bad VALUES ('draft', 1, '$word', 10, NULL, NULL)"
done
sql office "INSERT INTO unfit SELECT * FROM bad WHERE word = 'local'; INSERT INTO hung VALUES ('draft', 1, 'hang', 10, NULL, NULL)"
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet

stop_mantisd tablet
server=$(pid_of office)
for table in inside apart bad hung unfit; do
  sql office "UPDATE $table SET body = 'office', count = 12, weight = NULL; DELETE FROM $table WHERE word = 'gone'"
done
later
for table in inside apart bad hung unfit; do
  sql tablet "UPDATE $table SET body = 'tablet', count = 7, picture = x'01'; DELETE FROM $table WHERE word = 'back'"
done
start_mantisd tablet --mode client
settled office tablet
[ "$(pid_of office)" = "$server" ] || fail "the server did not go on"

# As inside the server.
for table in inside apart; do
  sql office "SELECT body, place, word, count, hex(picture), weight FROM $table ORDER BY word" > $table.rows
  sql office "SELECT json_extract(key, '\$[0]'), outcome, state, reason, loser, winner, base_row FROM __sync_conflicts WHERE tbl = '$table' ORDER BY 1" > $table.kept
done
diff inside.rows apart.rows || fail "the rows differ"
diff inside.kept apart.kept || fail "what is kept differs"
[ "$(sql office "SELECT body || count FROM apart WHERE word = 'merge'")" = "office, tablet9" ] || fail "merged: $(cat apart.rows)"
[ "$(cut -d'|' -f1 apart.kept | paste -sd ' ')" = "back defer gone local merge refuse remote" ] || fail "kept: $(cat apart.kept)"
grep -q 'gone|beaten|closed|deleted here with a base, 2 keys, later' apart.kept && grep -q 'back|beaten|closed|deleted there with a base' apart.kept || fail "deletions: $(cat apart.kept)"

# What goes wrong costs its own row a decision.
sql office "SELECT json_extract(key, '\$[0]') || ' ' || outcome || ' ' || state || ' ' || reason FROM __sync_conflicts WHERE tbl IN ('bad', 'hung', 'unfit')" > said
while read -r text; do
  grep -q "^$text" said || fail "$text is not among: $(cat said)"
done << 'END'
crash deferred open a person decides, as mantisctl did not: it has ended: killed by signal 6
hang deferred open a person decides, as mantisctl did not: it took more than 1 s, and was killed
exit deferred open a person decides, as mantisctl did not: what it wrote is not one JSON object
none deferred open a person decides, as mantisctl did not: it has ended: exit status 1
local superseded closed local with a base, 2 keys, later
local deferred open a person decides, as mantisctl did not: it has ended: exit status 2
END
for why in 'resolver "word" gave no decision: none with a base' 'no column "text"' 'local is asked about'; do
  grep -q "mantisctl: .*$why" office.log || fail "not in the log: $why"
done

# By hand, what a program is told.
echo '{"table": "t", "key": ["id"], "columns": {"id": "INTEGER"}, "local": {"id": 1}, "local_updated_at": 5, "remote": null, "remote_updated_at": 6}' > letter
[ "$("$build/mantisctl" decide --policy timestamp < letter)" = '{"decision":"remote","reason":"the later change wins"}' ] || fail "it decides by hand"
for wrong in '' '{}' '{"table": "t", "key": ["id"], "columns": {"id": "INTEGER"}, "local": null, "remote": null}' \
  '{"table": "t", "key": ["no"], "columns": {"id": "INTEGER"}, "local": {"id": 1}}' '{"table": "t", "key": ["id"], "columns": {"id": 7}, "local": {"id": 1}}' \
  '{"table": "t", "key": ["id"], "columns": {"id": "INTEGER"}, "local": 5}' '{"table": "t", "key": ["id"], "columns": {"id": "INTEGER", "a": "TEXT"}, "local": {"a": "x"}}'; do
  ! "$build/mantisctl" decide --policy timestamp <<< "$wrong" > answer 2> said || fail "it takes $wrong"
  [ ! -s answer ] && [ -s said ] || fail "it says: $(cat answer said)"
done
! "$build/mantisctl" decide --policy version < letter 2> said && grep -q 'only mantisd knows' said || fail "version: $(cat said)"
