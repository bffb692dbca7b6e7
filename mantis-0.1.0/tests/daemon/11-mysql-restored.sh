#!/bin/bash
# 11: a MariaDB that came back from a backup, made and restored as docs/operate.md says, gets from the devices what it
# lacks; where both have a row the server's stands and the device's is kept; writing goes on in both directions.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3 mariadb-dump
start_mariadb shop
maria "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40) NOT NULL); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')"

# page NAME: what the page says, to this MariaDB.
page ()
{
  local commands

  commands=$(sed -n "/^\`\`\`sh $1\$/,/^\`\`\`\$/{/^\`\`\`/!p}" "$top/docs/operate.md")
  [ -n "$commands" ] || fail "docs/operate.md does not say how to $1"
  printf '[client]\nsocket=%s/socket\nuser=root\n' "$maria_folder" > .my.cnf
  HOME=$work bash -e -c "$commands" || fail "docs/operate.md: $1"
}

test_rows ()
{
  [ "$(maria "SELECT count(*) FROM t")" = 7 ]
}

start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet
sql tablet "INSERT INTO t VALUES (4, 'before the backup')"
quiet tablet
page backup

sql tablet "INSERT INTO t VALUES (5, 'from the tablet'); UPDATE t SET v = 'edited' WHERE id = 1"
maria "INSERT INTO t VALUES (6, 'from the office'); DELETE FROM t WHERE id = 2"
wait_for_maria tablet
quiet tablet
stop_mantisd shop
sql tablet "INSERT INTO t VALUES (7, 'while it was away')"
page restore
[ "$(maria "SELECT max(id) FROM t")" = 4 ] || fail "this is not the backup"
launch shop --config shop.json
wait_for_message shop ready
wait_for "the tablet's rows" test_rows
wait_for_maria tablet
quiet tablet
[ "$(maria "SELECT group_concat(id ORDER BY id) FROM t")" = 1,2,3,4,5,6,7 ] || fail "rows are missing: $(maria "SELECT * FROM t")"
[ "$(maria "SELECT v FROM t WHERE id = 1")" = a ] || fail "the server's row does not stand"
[ "$(maria "SELECT loser FROM __sync_conflicts WHERE loser LIKE '%edited%'")" ] || fail "the tablet's edit is not kept"
maria "UPDATE t SET v = 'office again' WHERE id = 3"
sql tablet "UPDATE t SET v = 'tablet again' WHERE id = 4"
wait_for_maria tablet
[ "$(sql tablet "SELECT v FROM t WHERE id = 3")$(maria "SELECT v FROM t WHERE id = 4")" = "office againtablet again" ] || fail "it does not go on"
