#!/bin/bash
# 14: filter/where: rows by claims, for reading and, separately, for writing; what a token says is what counts from the next exchange
# on (R40, O28); a deletion comes to those who held the row, and to nobody else (R37); a membership that goes with what it let in
# (R38); edits of one who may see nothing any more are kept (R41); nobody reads or writes beyond the filter (O25).
. "${0%/*}/functions.sh"
requires python3

port=$(free_port)
configure () # READ
{
  cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"*": {},
   "orders": {"filters": [{"plugin": "where", "read": "$1", "write": "shop = :shop"}]},
   "members": {"filters": [{"plugin": "where", "read": "user = :sub", "write": "'admin' in (select value from json_each(:roles))"}]},
   "lists": {"filters": [{"plugin": "where", "uses": ["members"],
     "read": "exists (select 1 from members where members.list = lists.id and members.user = :sub)"}]},
   "todos": {"filters": [{"plugin": "where", "uses": ["members"],
     "read": "exists (select 1 from members where members.list = todos.list and members.user = :sub)"}]}}}
END
}
configure "shop in (:shop, 'ALL') and status = 'active'"
sql office "CREATE TABLE orders (id TEXT PRIMARY KEY, shop TEXT COLLATE NOCASE, status TEXT, note TEXT);
  INSERT INTO orders VALUES ('n1', 'north', 'active', ''), ('n2', 'NORTH', 'active', ''), ('n3', 'north', 'done', 'secret-1'),
    ('s1', 'south', 'active', 'secret-2'), ('s2', 'south', 'active', 'secret-3'), ('a1', 'all', 'active', '');
  CREATE TABLE members (list TEXT, user TEXT, PRIMARY KEY (list, user));
  CREATE TABLE lists (id TEXT PRIMARY KEY, name TEXT);
  CREATE TABLE todos (id TEXT PRIMARY KEY, list TEXT REFERENCES lists, title TEXT);
  INSERT INTO members VALUES ('home', 'ann'), ('home', 'bob'), ('work', 'bob');
  INSERT INTO lists VALUES ('home', 'Home'), ('work', 'secret-4');
  INSERT INTO todos VALUES ('t1', 'home', 'sweep'), ('t2', 'work', 'secret-5')"
start_mantisd office --mode server --log-level debug
configure_client ann
token_with '{"sub": "ann", "shop": "north"}' > ann.token
configure_client bob
token_with '{"sub": "bob", "shop": "south"}' > bob.token
start_mantisd ann --mode client
start_mantisd bob --mode client
has_now () # NAME TABLE KEYS
{
  [ "$(sql "$1" "SELECT group_concat(id, ' ') FROM (SELECT id FROM $2 ORDER BY id)")" = "$3" ]
}
has ()
{
  wait_for "$1 to have of $2: $3" has_now "$@"
}
has ann orders "a1 n1 n2"
has bob orders "a1 s1 s2"
has ann todos "t1"
has bob todos "t1 t2"
[ "$(sql ann "SELECT group_concat(list || user) FROM members")" = homeann ] || fail "ann has $(sql ann "SELECT * FROM members")"

# Who waits, and sees nothing of what comes meanwhile, is told so when its time is over, and when the server ends, with a cursor
# behind all that.
wait_in_vain () # SECONDS TIMES
{
  call POST /sync/pull -d '{}' > before.json
  cursor=$(python3 -c 'import json; print(json.dumps(json.load(open("before.json"))["cursor"]))')
  call POST /sync/pull -d "{\"cursor\": $cursor, \"wait\": $1}" > waited.json &
  waiting=$!
  wait_for_message office "pull from no node waits for news" "$2"
  sql office "UPDATE orders SET note = note || '.' WHERE id = 'w1'"
}
is_told_so ()
{
  wait $waiting || fail "the pull of one who waits failed"
  python3 -c 'import json
before, waited = json.load(open("before.json")), json.load(open("waited.json"))
assert waited["changes"] == [] and waited["cursor"]["rev"] > before["cursor"]["rev"], waited' || fail "told to one who waited: $(cat waited.json)"
}
sql office "INSERT INTO orders VALUES ('w1', 'west', 'done', '')"
wait_in_vain 1 1
is_told_so

# Written: out of its own sight, yes; what belongs to another shop, or would, no.
sql ann "UPDATE orders SET status = 'done' WHERE id = 'n1'; UPDATE orders SET note = 'mine' WHERE id = 'a1'; UPDATE orders SET shop = 'south' WHERE id = 'n2';
  INSERT INTO orders VALUES ('n4', 'north', 'active', 'new'), ('s3', 'south', 'active', 'foreign')"
has ann orders "a1 n2 n4"
quiet ann
[ "$(sql office "SELECT group_concat(id || shop || status || note, ' ') FROM (SELECT * FROM orders WHERE id IN ('n1', 'n2', 'n4', 'a1', 's3') ORDER BY id)")" = \
  "a1allactive n1northdone n2NORTHactive n4northactivenew" ] || fail "the office has $(sql office "SELECT * FROM orders")"
[ "$(sql ann "SELECT group_concat(key, ' ') FROM (SELECT key FROM __sync_conflicts WHERE outcome = 'rejected' ORDER BY key)")" = '["a1"] ["n2"] ["s3"]' ] ||
  fail "kept: $(sql ann "SELECT * FROM __sync_conflicts")"

# Deleted: who held it hears of it; who did not hears nothing, not even by name.
cp ann.token curl.token
cursor=$(call POST /sync/pull -d '{}' | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["cursor"]))')
sql office "DELETE FROM orders WHERE id IN ('n4', 's2', 'n3')"
has ann orders "a1 n2"
has bob orders "a1 s1"
told=$(call POST /sync/pull -d "{\"cursor\": $cursor}")
case $told in *n3* | *s2*) fail "ann is told of $told" ;; *n4*) ;; *) fail "ann is not told of n4: $told" ;; esac

# A membership that goes together with what it let in, and with the list itself; one that comes.
sql office "BEGIN; DELETE FROM members WHERE list = 'home'; DELETE FROM todos WHERE list = 'home'; DELETE FROM lists WHERE id = 'home';
  INSERT INTO members VALUES ('club', 'ann'); INSERT INTO lists VALUES ('club', 'Club'); INSERT INTO todos VALUES ('t3', 'club', 'dance'); COMMIT"
has ann todos "t3"
has ann lists "club"
has bob todos "t2"
sql ann "INSERT INTO members VALUES ('work', 'ann')" # nobody lets himself in
wait_for_row ann "SELECT 1 FROM __sync_conflicts WHERE tbl = 'members' AND outcome = 'rejected'"
quiet ann
[ -z "$(sql office "SELECT 1 FROM members WHERE list = 'work' AND user = 'ann'")" ] || fail "ann has let herself in"

# Another shop by another token; then none, with an edit that was not sent.
token_with '{"sub": "ann", "shop": "south"}' > ann.token
kill -HUP "$(pid_of ann)"
ctl ann sync > /dev/null || fail "ann: mantisctl sync"
has ann orders "a1 s1"
has ann todos "t3"
stop_mantisd ann
sql ann "UPDATE orders SET note = 'made offline' WHERE id = 's1'"
token_with '{"sub": "ann"}' > ann.token
start_mantisd ann --mode client
has ann orders "a1"
[ "$(sql ann "SELECT json_extract(loser, '\$.note') FROM __sync_conflicts WHERE key = '[\"s1\"]'")" = 'made offline' ] ||
  fail "the edit is lost: $(sql ann "SELECT * FROM __sync_conflicts")"
[ "$(sql office "SELECT note FROM orders WHERE id = 's1'")" = secret-2 ] || fail "the edit of one who may not was taken"
quiet ann # nothing is asked for again and again

# Another token while a WebSocket is open, and its client has nothing to say.
transport=websocket configure_client eve
token_with '{"sub": "eve", "shop": "north"}' > eve.token
start_mantisd eve --mode client
has eve orders "a1 n2"
quiet eve
token_with '{"sub": "eve", "shop": "south"}' > eve.token
kill -HUP "$(pid_of eve)"
has eve orders "a1 s1"
stop_mantisd eve

# What does not fit closes its table and no other, and says where; mended, it opens.
stop_mantisd ann
wait_in_vain 25 2
stop_mantisd office
is_told_so
sql office "DELETE FROM orders WHERE id = 'w1'"
configure "shop = :shop and statsu = 'active'"
start_mantisd office --mode server
wait_for_message office 'table "orders" is closed to all'
wait_for_message office '"read", character 18, at statsu = '
told=$(call POST /sync/pull -d '{}')
case $told in *'"n2"'*) fail "a table whose filter does not fit is read: $told" ;; esac
sql office "INSERT INTO todos VALUES ('t4', 'work', 'go on')"
has bob todos "t2 t4"
stop_mantisd office
configure "shop = :shop or :sub = 'ann'"
start_mantisd office --mode server
start_mantisd ann --mode client
has ann orders "a1 n1 n2 s1"
stop_mantisd ann
stop_mantisd bob
! grep -qa -e secret-1 -e secret-4 -e secret-5 ann.db* && ! grep -qa secret-1 bob.db* || fail "a device was told what it may not see"
