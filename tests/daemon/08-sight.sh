#!/bin/bash
# 08: whatever happens, each device ends with the rows that its owner may see, and no others (R37, R38, R39, R40): three people and the
# office change random rows, give them away, share them, and lose their memberships, with devices and server away by turns; one table
# merges, the other does not.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

seed=${SEED:-2}
echo "SEED=$seed (any number makes other histories)"
RANDOM=$seed
port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"*": {},
   "items": {"conflict_policy": {"plugin": "version", "columns": {"qty": "add"}},
     "filters": [{"plugin": "where", "read": "owner = :sub or shared = 1", "write": "true"}]},
   "members": {"filters": [{"plugin": "where", "read": "user = :sub", "write": "false"}]},
   "tasks": {"filters": [{"plugin": "where", "uses": ["members"], "write": "true",
     "read": "exists (select 1 from members where members.list = tasks.list and members.user = :sub)"}]}}}
END
sql office "CREATE TABLE items (id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT, qty INTEGER NOT NULL, shared INTEGER NOT NULL);
  CREATE TABLE members (list TEXT, user TEXT, PRIMARY KEY (list, user)); CREATE TABLE tasks (id TEXT PRIMARY KEY, list TEXT, title TEXT);
  INSERT INTO members VALUES ('home', 'ann'), ('home', 'bob'), ('work', 'bob'), ('club', 'cid')"
work () # ROUND NAME...
{
  local name

  for name in "${@:2}"; do
    python3 "$top/tests/daemon/sight.py" work "$seed" "$1" "$name" || fail "SEED=$seed: the program of $name"
  done
}
start_mantisd office --mode server
for name in ann bob cid; do
  start_mantisd $name --mode client
done
exchange ann bob cid
for round in 1 2 3 4; do
  away=$((RANDOM % 5)) # nobody, or one of them, or the server
  who=$(cut -d ' ' -f "$away" <<< "ann bob cid office" 2> /dev/null || true)
  [ -z "$who" ] || stop_mantisd "$who" "$([ $((RANDOM % 2)) = 0 ] && echo KILL || echo TERM)"
  work $round office ann bob cid
  case $who in
  office) start_mantisd office --mode server ;;
  ?*) start_mantisd "$who" --mode client ;;
  esac
  work $round-again bob office
done
# What each sends, and then what the others have sent.
for time in 1 2 3; do
  exchange ann bob cid
done
quiet ann bob cid
python3 "$top/tests/daemon/sight.py" check ann bob cid || fail "SEED=$seed: they do not see what they may"
