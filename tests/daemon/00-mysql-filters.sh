#!/bin/bash
# 00: row filters with the rows in MariaDB: rows move in and out of a device's sight by programs, by devices, by cascades and by unique
# values that are swapped, also while it is away; a deletion is told to who held the row; what an application does to the tables
# fails none of its writes; a membership; two servers, whose configuration is changed one after the other; without a restart. (D10, R37 to R40)
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
filter () # SERVER ORDERS
{
  python3 - "$1.json" "$2" << 'END'
import json, sys
file, read = sys.argv[1:]
config = json.load(open(file))
where = lambda read, **more: {"filters": [{"plugin": "where", "read": read, "write": "true", **more}]}
config["tables"] = {"*": {}, "orders": where(read), "seats": where("owner = :sub or seat = 1"), "due": where("at < '2026-06-01' and owner = :sub"),
                    "lines": where("kind = :sub"), "tasks": where("exists (select 1 from members where members.list = tasks.list"
                    " and members.user = :sub)", uses=["members"])}
json.dump(config, open(file, "w"))
END
}
maria "CREATE TABLE orders (id VARCHAR(10) PRIMARY KEY, owner VARCHAR(20), title VARCHAR(40), body TEXT);
  INSERT INTO orders VALUES ('n1', 'north', 'one', ''), ('n2', 'North', 'case', ''), ('n3', 'north', 'three', ''), ('s1', 'south', 'secret-1', ''), ('x1', NULL, 'secret-2', '');
  CREATE TABLE \`lines\` (id VARCHAR(10) PRIMARY KEY, orders VARCHAR(10), kind VARCHAR(20), FOREIGN KEY (orders) REFERENCES orders (id) ON DELETE CASCADE ON UPDATE SET NULL);
  INSERT INTO \`lines\` VALUES ('l1', 'n1', 'north'), ('l2', 'n1', 'south'), ('l3', 'n3', 'north');
  CREATE TABLE seats (id VARCHAR(10) PRIMARY KEY, owner VARCHAR(20), seat INT UNIQUE); INSERT INTO seats VALUES ('a', 'south', 1), ('b', 'south', 2);
  CREATE TABLE due (id VARCHAR(10) PRIMARY KEY, owner VARCHAR(20), at TIMESTAMP NULL); INSERT INTO due VALUES ('d1', 'north', '2026-05-31 23:30:00'), ('d2', 'north', '2026-06-02 00:00:00');
  CREATE TABLE members (list VARCHAR(10), user VARCHAR(20), PRIMARY KEY (list, user)); INSERT INTO members VALUES ('home', 'north');
  CREATE TABLE tasks (id VARCHAR(10) PRIMARY KEY, list VARCHAR(10)); INSERT INTO tasks VALUES ('t1', 'home'), ('t2', 'work')"
filter shop "owner = :sub"
start_mantisd shop --mode server
start_mantisd north --mode client
start_mantisd south --mode client
has_now () # NAME TABLE KEYS
{
  [ "$(sql "$1" "SELECT group_concat(id, ' ') FROM (SELECT id FROM $2 ORDER BY id)")" = "$3" ]
}
has ()
{
  wait_for "$1 to have of $2: $3" has_now "$@"
}
has north orders "n1 n3" # SQLite's meaning: the case counts
has south orders "s1"
has north lines "l1 l3"
has south lines "l2"
has north seats "a"
has south seats "a b"
has north due "d1"
has north tasks "t1"

# By programs, in whatever time zone; by a device.
maria "UPDATE orders SET owner = 'south' WHERE id = 'n1'; SET time_zone = '-05:00'; UPDATE due SET at = '2026-06-01 03:00:00' WHERE id = 'd1'"
has north orders "n3"
has south orders "n1 s1"
has north due ""
sql south "UPDATE orders SET owner = 'north' WHERE id = 's1'"
has north orders "n3 s1"
has south orders "n1"
maria "REPLACE INTO orders VALUES ('n3', 'south', 'replaced', ''); INSERT INTO orders VALUES ('s1', 'south', 'x', '') ON DUPLICATE KEY UPDATE owner = 'north', title = 'again';
  UPDATE orders SET id = 's9' WHERE id = 's1'"
has north orders "s9"
has south orders "n1 n3"

# By a cascade; a deletion comes to those who held the row, and to nobody else.
token north > curl.token
cursor=$(call POST /sync/pull -d '{}' | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["cursor"]))')
maria "INSERT INTO \`lines\` VALUES ('l4', 's9', 'north'), ('l5', 's9', 'south')"
has north lines "l1 l4"
has south lines "l2 l5"
maria "DELETE FROM orders WHERE id IN ('s9', 'n1'); DELETE FROM orders WHERE id = 'x1'"
has north lines ""
has south lines ""
has north orders ""
told=$(call POST /sync/pull -d "{\"cursor\": $cursor}")
case $told in *x1* | *l2*) fail "north is told of $told" ;; *s9*) ;; *) fail "north is not told of s9: $told" ;; esac

# Swapped: neither row was ever without its seat, or on another.
sql south "UPDATE seats SET seat = NULL; UPDATE seats SET seat = 2 WHERE id = 'a'; UPDATE seats SET seat = 1 WHERE id = 'b'"
has north seats "b"
has south seats "a b"

# While the device is away, and edits.
maria "INSERT INTO orders VALUES ('n4', 'north', 'four', ''), ('n5', 'north', 'five', ''), ('n6', 'north', 'six', '')"
has north orders "n4 n5 n6"
stop_mantisd north
maria "UPDATE orders SET owner = 'south' WHERE id = 'n4'; UPDATE orders SET owner = NULL WHERE id IN ('n4', 'n5'); DELETE FROM orders WHERE id = 'n6'; INSERT INTO orders VALUES ('n7', 'north', 'seven', '')"
sql north "UPDATE orders SET title = 'edited offline' WHERE id = 'n5'"
start_mantisd north --mode client
has north orders "n7"
[ "$(sql north "SELECT json_extract(loser, '\$.title') FROM __sync_conflicts WHERE tbl = 'orders' AND outcome = 'rejected'")" = 'edited offline' ] ||
  fail "the edit is lost: $(sql north "SELECT * FROM __sync_conflicts")"
[ "$(maria "SELECT title FROM orders WHERE id = 'n5'")" = five ] || fail "the edit went through"

# A membership; a bulk load; columns that go fail nobody.
maria "INSERT INTO members VALUES ('work', 'north'); DELETE FROM members WHERE list = 'home'"
has north tasks "t2"
maria "INSERT INTO orders SELECT concat('m', seq), 'north', '', '' FROM seq_1_to_2000; UPDATE orders SET owner = 'south' WHERE id LIKE 'm%' AND id <> 'm7'"
has north orders "m7 n7"
wait_for_row south "SELECT 1 WHERE (SELECT count(*) FROM orders WHERE id LIKE 'm%') = 1999"
maria "ALTER TABLE seats DROP COLUMN owner; UPDATE seats SET seat = seat + 1; INSERT INTO seats VALUES ('c', 1)" || fail "a program's write fails"
wait_for_message shop 'table "seats" is closed to all'

# Two servers: one has the new configuration, then the other. Both serve, and neither undoes the other's triggers.
maria "DELETE FROM orders WHERE id LIKE 'm%'"
cp shop.json depot.json
shop_port=$port
port=$(free_port)
sed -i "s/127.0.0.1:$shop_port/127.0.0.1:$port/; s/shop.control/depot.control/" depot.json
filter depot "owner = :sub and title <> 'hidden'"
start_mantisd depot --mode server
maria "UPDATE orders SET title = 'hidden' WHERE id = 'n7'; INSERT INTO orders VALUES ('n8', 'north', 'eight', '')"
has north orders "n7 n8" # shop knows nothing of it
triggers="SELECT group_concat(created ORDER BY trigger_name) FROM information_schema.triggers WHERE trigger_schema = 'shop'"
wait_for "the shop to note both columns" gives_maria "SELECT 1 FROM __sync_looks WHERE columns LIKE '%owner%title%'"
before=$(maria "$triggers")
stop_mantisd shop
filter shop "owner = :sub and title <> 'hidden'"
sed -i "s/127.0.0.1:$port/127.0.0.1:$shop_port/" shop.json
port=$shop_port
start_mantisd shop --mode server
has north orders "n8"
maria "UPDATE orders SET title = 'hidden' WHERE id = 'n8'; UPDATE orders SET title = 'seen' WHERE id = 'n7'"
has north orders "n7"
[ "$(maria "$triggers")" = "$before" ] || fail "triggers were made again: $before; now $(maria "$triggers")"

# At SIGHUP other columns are looked at, and remembered from then on.
filter shop "owner = :sub and body = ''"
kill -HUP "$(pid_of shop)"
wait_for_message shop 'rows and columns are filtered as they are configured now'
has north orders "n7 n8"
cursor=$(call POST /sync/pull -d '{}' | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["cursor"]))')
maria "UPDATE orders SET body = 'secret-2' WHERE id = 'n7'"
has north orders "n8"
told=$(call POST /sync/pull -d "{\"cursor\": $cursor}")
case $told in *compare*) fail "what n7 was is not known: $told" ;; *deleted*n7*) ;; *) fail "north is not told of n7: $told" ;; esac
stop_mantisd north
stop_mantisd south
! grep -qa -e secret-1 -e secret-2 -e x1 north.db* || fail "north was told what it may not see"
