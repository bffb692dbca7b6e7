#!/bin/bash
# 08: mantisctl replay with the rows in MariaDB: values of types that SQLite has not come out as they did, with add, max and groups; another policy is told
# column by column; nothing in the database changes, with a daemon and without.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 mariadb-dump
start_mariadb shop
maria "CREATE TABLE stock (id VARCHAR(9) PRIMARY KEY, title VARCHAR(40), price DECIMAL(20,2), big BIGINT UNSIGNED, seen DATETIME, picture BLOB);
INSERT INTO stock SELECT CONCAT('k', seq), 'title', 10, 9223372036854775800, '2026-01-01 00:00:00', 'old' FROM seq_1_to_4"
cat > policies << 'TABLES'
"tables": {"stock": {"conflict_policy": {"plugin": "version", "groups": [["title", "picture"]], "columns": {"price": "add", "big": "add", "seen": "max"}}}},
TABLES
sed -i '2r policies' shop.json
start_mantisd shop --mode server

# push KEY TITLE PICTURE: made on the row as it was before Mantis, with more added, and later.
push ()
{
  call POST /sync/push -d "{\"changes\": [{\"table\": \"stock\", \"base\": 1, \"columns\": [\"id\", \"title\", \"price\", \"big\", \"seen\", \"picture\"], \"meta\": [\"was\"],
    \"rows\": [[\"$1\", \"$2\", \"12.50\", \"9223372036854775810\", \"2026-03-01 00:00:00\", {\"b\": \"$3\"},
      {\"title\": \"title\", \"price\": \"10.00\", \"big\": 9223372036854775800, \"seen\": \"2026-01-01 00:00:00\", \"picture\": {\"b\": \"b2xk\"}}]]}]}" > said
}
maria "UPDATE stock SET title = 'office', price = price + 1.25, big = big + 7, seen = '2026-02-01 00:00:00' WHERE id <> 'k3'; DELETE FROM stock WHERE id = 'k3'"
sleep 0.01
push k1 device bmV3 # the group is the device's, amounts are added
push k2 title bmV3  # the same, though the device changed the picture alone
push k3 device b2xk # comes back
[ "$(maria "SELECT CONCAT(title, ' ', price, ' ', big, ' ', seen, ' ', picture) FROM stock WHERE id = 'k1'")" = "device 13.75 9223372036854775817 2026-03-01 00:00:00 new" ] ||
  fail "merged: $(maria "SELECT * FROM stock"), $(cat said)"

# Rows and definitions.
dump ()
{
  mariadb-dump --no-defaults --socket="$maria_folder/socket" -u root --skip-comments --skip-dump-date --triggers shop > "$1" || fail "the dump"
}
wait_for "the server's first look at its log" gives_maria "SELECT 1 FROM __sync_heads"
wait_for "the outbox to be empty" gives_maria "SELECT 1 FROM (SELECT count(*) AS n FROM __sync_outbox) AS o WHERE n = 0"
dump before
for way in "with a daemon" without; do
  ctl shop --json replay > answer 2> said || fail "$way: status $?: $(cat said answer)"
  python3 -c 'import json; s = json.load(open("answer"))["sum"]; assert s["same"] == 3 and s["different"] == s["uncertain"] == 0, s' || fail "$way: $(cat answer)"
  ctl shop replay --policy timestamp > table 2> said && fail "$way: status 0" || [ $? = 4 ] || fail "$way: $(cat said table)"
  grep -q '^1  *stock  *\["k1"\]  *price  *13.75  *12.5' table && grep -q '^1  *stock  *\["k1"\]  *big  *9223372036854775817  *9223372036854775810' table || fail "$way: $(cat table)"
  ctl shop explain --conflict 1 > people 2> said && grep -q '^price  *10.00  *11.25  *12.50  *13.75  *made of both' people || fail "$way: $(cat said people)"
  dump after
  cmp before after || fail "$way: the database is another one: $(diff before after)"
  [ "$way" = without ] || stop_mantisd shop
done
grep -q "no daemon is running" said || fail "not without a daemon: $(cat said)"
