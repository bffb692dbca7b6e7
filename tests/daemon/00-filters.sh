#!/bin/bash
# 00: rows that a filter keeps from a device never come to it; rows move in and out of its sight, also while it is away; what it
# edited meanwhile is kept; what it pushes to rows that it does not see is answered as what it pushes to none.
. "${0%/*}/functions.sh"

port=$(free_port)
configure () # READ
{
  cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"*": {}, "orders": {"filters": [{"plugin": "where", "read": "$1", "write": "true"}]},
            "tasks": {"filters": [{"plugin": "where", "uses": ["members"],
              "read": "exists (select 1 from members where members.list = tasks.list and members.user = :sub)"}]}}}
END
}
configure "owner = :sub"
sql office "CREATE TABLE orders (id TEXT PRIMARY KEY, owner TEXT, title TEXT);
  INSERT INTO orders VALUES ('n1', 'north', 'one'), ('n2', 'north', 'two'), ('s1', 'south', 'secret-1'), ('x1', NULL, 'secret-2');
  CREATE TABLE members (list TEXT, user TEXT, PRIMARY KEY (list, user));
  CREATE TABLE tasks (id TEXT PRIMARY KEY, list TEXT, title TEXT);
  INSERT INTO members VALUES ('home', 'north');
  INSERT INTO tasks VALUES ('t1', 'home', 'sweep'), ('t2', 'work', 'secret-3')"
start_mantisd office --mode server
start_mantisd north --mode client
start_mantisd south --mode client
settled_at () # NAME TABLE KEYS
{
  [ "$(sql "$1" "SELECT group_concat(id, ' ') FROM (SELECT id FROM $2 ORDER BY id)")" = "$3" ]
}
has () # NAME KEYS
{
  wait_for "$1 to have the orders $2" settled_at "$1" orders "$2"
}
has north "n1 n2"
has south "s1"
wait_for "north to have its tasks" settled_at north tasks t1

# Rows move, by the server's own programs and by a device.
sql office "UPDATE orders SET owner = 'south' WHERE id = 'n1'"
has north "n2"
has south "n1 s1"
sql south "UPDATE orders SET owner = 'north' WHERE id = 's1'"
has north "n2 s1"
has south "n1"
sql office "INSERT OR REPLACE INTO orders VALUES ('n1', 'north', 'replaced'); UPDATE orders SET id = 'n9' WHERE id = 'n2'"
has north "n1 n9 s1"
has south ""

# While the device is away, and edits.
stop_mantisd north
sql office "UPDATE orders SET owner = 'south' WHERE id = 'n1'; UPDATE orders SET owner = 'nobody' WHERE id IN ('n1', 's1'); DELETE FROM orders WHERE id = 'n9';
  INSERT INTO orders VALUES ('n10', 'north', 'new')"
sql north "UPDATE orders SET title = 'edited offline' WHERE id = 's1'"
start_mantisd north --mode client
has north "n10"
[ "$(sql north "SELECT json_extract(loser, '\$.title') FROM __sync_conflicts WHERE tbl = 'orders' AND outcome = 'rejected'")" = 'edited offline' ] ||
  fail "the edit is lost: $(sql north "SELECT * FROM __sync_conflicts")"
[ "$(sql office "SELECT title FROM orders WHERE id = 's1'")" = secret-1 ] || fail "the edit went through"
[ "$(sql south "SELECT count(*) FROM orders")" = 0 ] || fail "south has $(sql south "SELECT * FROM orders")"

# A member more, a member less.
sql office "INSERT INTO members VALUES ('work', 'north')"
wait_for "north to have the tasks of both lists" settled_at north tasks "t1 t2"
sql office "DELETE FROM members WHERE list = 'home'"
wait_for "north to have the other list's tasks" settled_at north tasks "t2"

# Keys at random.
token south > curl.token
push () # KEY [deleted]
{
  local rows="\"columns\": [\"id\", \"title\"], \"rows\": [[\"$1\", \"taken\"]]"

  [ $# = 1 ] || rows="\"deleted\": [[\"$1\"]]"
  call POST /sync/push -d "{\"changes\": [{\"table\": \"orders\", \"base\": 2, $rows}]}" |
    python3 -c 'import json, sys; answer = json.load(sys.stdin); [answer.pop(name) for name in ("clock", "took", "head")]; print(json.dumps(answer))' |
    sed "s/$1/KEY/g"
}
[ "$(push n10)" = "$(push nowhere)" ] || fail "$(push n10) and $(push nowhere)"
[ "$(push n10 deleted)" = "$(push nowhere deleted)" ] || fail "$(push n10 deleted) and $(push nowhere deleted)"
case $(push n10) in *rejected*) ;; *) fail "$(push n10)" ;; esac
keys=$(call POST /sync/pull -d '{"keys": [{"table": "orders", "keys": [["n10"], ["nowhere"]]}], "load": {"table": "orders"}}')
case $keys in
*secret* | *new*) fail "it told: $keys" ;;
*'"deleted":[["n10"],["nowhere"]]'*) ;;
*) fail "not the same: $keys" ;;
esac
case $(call GET /sync/conflicts) in *n10* | *s1* | *edited*) fail "$(call GET /sync/conflicts)" ;; esac

# Another configuration: devices compare.
reconfigure () # READ
{
  configure "$1"
  stop_mantisd office
  start_mantisd office --mode server
  ctl north sync > /dev/null || fail "north: mantisctl sync"
  ctl south sync > /dev/null || fail "south: mantisctl sync"
}
reconfigure "owner = :sub or title = 'secret-2'"
has north "n10 x1"
has south "x1"
reconfigure "owner = :sub and title <> 'new'"
has north ""
has south ""
stop_mantisd south
! grep -qa -e n10 -e secret-3 -e 'edited offline' south.db* || fail "south was told what it may not see"
