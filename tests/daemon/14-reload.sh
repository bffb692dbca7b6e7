#!/bin/bash
# 14: filters of rows and columns are other ones after SIGHUP, without a restart: the first, others, none again; those that cannot be had
# leave all of before in force; devices that are there compare and get or lose rows, load nothing again and lose nothing that is queued.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

port=$(free_port)
configure () # MORE
{
  cat > office.json << JSON
{"mode": "server", "workers": 3, "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}]${1:+, $1}}
JSON
}
reloads=0
reload () # MORE: until the log says that it is done
{
  configure "$1"
  kill -HUP "$(pid_of office)"
  reloads=$((reloads + 1))
  wait_for_message office 'office.json: read again' $reloads
}
orders () # FILTERS
{
  echo "\"tables\": {\"*\": {}, \"orders\": {\"filters\": [$1]}}"
}
where () # READ
{
  echo "{\"plugin\": \"where\", \"read\": \"$1\", \"write\": \"true\"}"
}
has () # NAME KEYS
{
  wait_for "$1 to have the orders $2" has_now "$1" "$2"
}
has_now ()
{
  [ "$(sql "$1" "SELECT group_concat(id, ' ') FROM (SELECT id FROM orders ORDER BY id)")" = "$2" ]
}
configure '"tables": {"*": {}, "membres": {}}'
sql office "CREATE TABLE orders (id TEXT PRIMARY KEY, owner TEXT, title TEXT, cost INTEGER); CREATE TABLE notes (id TEXT PRIMARY KEY);
  CREATE TABLE members (id TEXT, user TEXT, PRIMARY KEY (id, user)); INSERT INTO members VALUES ('x1', 'north'), ('s1', 'south');
  INSERT INTO orders VALUES ('n1', 'north', 'one', 1), ('s1', 'south', 'two', 2), ('x1', NULL, 'three', 3)"
start_mantisd office --mode server
start_mantisd north --mode client
transport=websocket
[ -e "$build/plugins/transport/websocket/websocket.la" ] || transport=rest
start_mantisd south --mode client
settled office north south
has_message office '"tables" names "membres": there is no such table yet, did you mean "members"' || fail "a name that no table has is not told"

# The first filter at all, while both wait for news.
reload "$(orders "$(where "owner = :sub")")"
has north "n1"
has south "s1"
[ "$(grep -c 'starting filter plugin' office.log)" = 1 ] || fail "one filter is started: $(grep 'starting filter' office.log)"
! grep -q restart office.log || fail "it wants a restart: $(grep restart office.log)"

# What cannot be had: all is as it was, and the log says what is wrong, and where.
token north > curl.token
in_status () # TEXT
{
  ctl office status > status 2>&1 || : # where mantisctl itself cannot read the configuration, it says so
  grep -qF -- "$1" status
}
refused () # MORE TEXT
{
  reload "$1"
  has_message office "the filters of before go on: office.json: $2" || fail "not told: $2"
  in_status "office.json: $2" || fail "not in the status: $2: $(cat status)"
  case $(call POST /sync/pull -d '{"load": {"table": "orders"}}') in
  *'"s1"'* | *'"x1"'*) fail "after $2 other rows are seen" ;;
  *'"n1"'*) ;;
  *) fail "after $2 nothing is seen" ;;
  esac
}
refused "$(orders "$(where "owner = :sub"), {\"plugin\": \"columns\", \"hidden\": [\"cost\"]}")" '$.tables.orders.filters[1].hidden'
refused "$(orders "$(where "owner = = :sub")")" '$.tables.orders.filters[0]: table "orders": its filter "where" does not fit: "read", character 9'
refused "$(orders "$(where "owner = :sub"), $(where "shop = :shop")")" '$.tables.orders.filters[1]: table "orders": its filter "where" does not fit'
refused "\"filters\": [$(where "true")], $(orders "{\"plugin\": \"nosuch\"}")" '$.tables.orders.filters[0]: there is no plugin "nosuch"'
refused "\"tables\": {\"orders\": {\"filters\": [$(where "true")]}}" '"tables" names other tables'
in_status 'the filters of before go on: office.json: "tables" names other tables' || fail "not in the status: $(cat status)"
has_message office 'what changed in "tables" needs a restart' || fail "a restart is not asked for"
in_status 'office.json: what changed in "tables" needs a restart' || fail "the status asks for no restart: $(cat status)"

# Rows of another table are borrowed; while the database is away nobody knows whether that fits, and it is not made anew.
mv office.db away
wait_for_message office 'the database is gone'
members='"read": "exists (select 1 from members where members.id = orders.id and members.user = :sub)"'
configure "$(orders "{\"plugin\": \"where\", \"uses\": [\"members\"], $members, \"write\": \"true\"}")"
kill -HUP "$(pid_of office)"
filters_wait ()
{
  has_message office 'the filters of before go on until the database can be asked' || has_message office 'read again' $((reloads + 1))
}
wait_for "office to read its filters" filters_wait
[ ! -e office.db ] || fail "another database was made"
mv away office.db
reloads=$((reloads + 1))
wait_for_message office 'office.json: read again' $reloads
! in_status 'NOT IN FORCE' || fail "what was refused before is still in the status: $(cat status)"
has north "x1"
sql office "INSERT INTO members VALUES ('n1', 'north')"
has north "n1 x1"
has south "s1"

# Other ones, at both places; a device is away, and has something queued, that stays although its row leaves its sight; what it may not write is kept.
stop_mantisd south
sql south "INSERT INTO orders VALUES ('s2', 'south', 'queued', 5); UPDATE orders SET title = 'edited' WHERE id = 's1'"
reload "\"filters\": [$(where "true")], $(orders "$(where "owner = :sub or title = 'three'")")"
has north "n1 x1"
ctl office explain north orders | grep -q 'three' || fail "explain tells $(ctl office explain north orders)"
ctl office --json explain north notes | grep -q '"path": *"$.filters\[0\]"' || fail "explain tells $(ctl office --json explain north notes)"
sql office "UPDATE orders SET title = 'other columns' WHERE id = 'x1'" # what is remembered beside it is no more the owner alone
has north "n1"
start_mantisd south --mode client
has south "s1 s2"
wait_for_row office "SELECT 1 FROM orders WHERE id = 's2' AND title = 'queued'"
wait_for_row office "SELECT 1 FROM orders WHERE id = 's1' AND title = 'edited'"

# A column is hidden, and shown again: then the device gets what became of it meanwhile.
reload "$(orders "$(where "owner = :sub"), {\"plugin\": \"columns\", \"hide\": [\"cost\"]}")"
wait_for_message north 'columns that the server hides stay as they are here: {"orders":["cost"]}'
case $(call POST /sync/pull -d '{"load": {"table": "orders"}}') in *cost*) fail "cost is told" ;; *n1*) ;; *) fail "nothing is told" ;; esac
sql office "UPDATE orders SET cost = 77 WHERE id = 'n1'"
reload "$(orders "$(where "owner = :sub")")"
wait_for_row north "SELECT 1 FROM orders WHERE cost = 77"

# Nobody is answered by the old ones once the log says that the new ones are in force: whoever is in hand is waited for, all others are not.
stop_mantisd office
touch hold
start_mantisd office --mode server -D pause.answer="$PWD/hold"
reloads=0
token curl > curl.token
call POST /sync/push -d '{"changes": [{"table": "notes", "columns": ["id"], "rows": [["held"]]}]}' > held &
pids[held]=$!
wait_for_message office 'answer: paused'
configure "$(orders "$(where "id = 's2'")")"
kill -HUP "$(pid_of office)"
sees_s2 ()
{
  case $(call POST /sync/pull -d '{"load": {"table": "orders"}}') in *'"s2"'*) ;; *) return 1 ;; esac
}
wait_for "the new filter to be asked" sees_s2
! has_message office 'read again' || fail "it is told while somebody is in hand"
rm hold
wait_for_message office 'filtered as they are configured now'
reloads=1
wait_for "the push to be answered" test -s held
unset "pids[held]"
has north "s2"
has south "s2"

# A name that no table has is told: its filter keeps nobody from anything.
reload "\"tables\": {\"*\": {}, \"ordres\": {\"filters\": [$(where "false")]}}"
has_message office '"tables" names "ordres": there is no such table yet, did you mean "orders"' || fail "a name that no table has is not told"

# The last one goes.  Nobody has loaded anything a second time, and nothing was lost.
reload ""
settled office north south
for name in north south; do
  [ "$(grep -c 'table "orders": loaded' $name.log)" = 1 ] || fail "$name loads again: $(cat $name.log)"
  [ "$(kept $name)" = 0 ] || fail "$name: $(sql $name "SELECT * FROM __sync_conflicts")"
done
[ "$(sql office "SELECT group_concat(id || title, ' ') FROM (SELECT * FROM orders ORDER BY id)")" = "n1one s1edited s2queued x1other columns" ] ||
  fail "$(sql office "SELECT * FROM orders")"

# Who waits is told of what he was passed over with.
token curl > curl.token
reload "$(orders "$(where "owner = :sub")")"
cursor=$(call POST /sync/pull -d '{}' | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["cursor"]))')
call POST /sync/pull -d "{\"cursor\": $cursor, \"wait\": 20}" > polled &
pids[polled]=$!
sql office "UPDATE orders SET title = 'passed over' WHERE id = 'n1'"
wait_for_row north "SELECT 1 FROM orders WHERE title = 'passed over'"
reload "$(orders "$(where "title = 'passed over'")")"
wait_for "the poll to be answered" grep -q '"passed over"' polled
unset "pids[polled]"
sql office "UPDATE orders SET title = 'one' WHERE id = 'n1'"
reload ""

# Who administrates.
decides () # STATUS
{
  local got

  got=$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(cat curl.token)" -d '{"choose": "local"}' "http://127.0.0.1:$port/sync/conflicts/1")
  [ "$got" = "$1" ] || fail "it is $got, not $1"
}
decides 403
reload '"administrators": ["boss", "curl"]'
decides 404
reload ""
decides 403

# Over and over, while others ask: one filter or the other, and what is not used any more is given back.
sql office "DELETE FROM orders; WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 100)
    INSERT INTO orders SELECT c || k, NULL, 'title', 1 FROM k, (SELECT 'a' AS c UNION SELECT 'b')"
stop_mantisd north
stop_mantisd south
for name in b a; do
  reload "$(orders "$(where "substr(id, 1, 1) = '$name'")")"
  cp office.json $name.json
done
resident ()
{
  sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(pid_of office)/status"
}
descriptors ()
{
  ls "/proc/$(pid_of office)/fd" | wc -l
}
hundreds () # ROUNDS (even: the first one is in force before and after) CALLERS
{
  python3 "$top/tests/daemon/reload.py" "$port" "$(pid_of office)" office.log "$1" "$2" || fail "filters that are changed while others ask"
}
hundreds 16 6
before=$(resident)
open=$(descriptors)
hundreds 40 1
after=$(resident)
grep -q 'lib[at]san' "/proc/$(pid_of office)/maps" || # whose memory is not its own
  [ $((after - before)) -lt 2560 ] || fail "it grows: $before kB after 16 times, $after kB after 56"
[ $(($(descriptors) - open)) -lt 20 ] || fail "there were $open files open, and now $(descriptors)"
stop_mantisd office
! grep -h -A 20 'Sanitizer' ./*.log || fail "a sanitizer found something"
