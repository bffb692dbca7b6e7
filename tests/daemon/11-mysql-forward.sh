#!/bin/bash
# 11: MariaDB and mantisd with the settings of docs/operate.md; a backup that is rolled forward with the binary log, as that page says, is
# what it was: devices notice nothing, no row is lost or changed once more, writing goes on.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3 mariadb-dump mariadb-binlog

# block KIND NAME: of the page.
block ()
{
  local text

  text=$(sed -n "/^\`\`\`$1 $2\$/,/^\`\`\`\$/{/^\`\`\`/!p}" "$top/docs/operate.md")
  [ -n "$text" ] || fail "docs/operate.md has no $1 $2"
  echo "$text"
}

# page NAME: what the page says, to this MariaDB.
page ()
{
  printf '[client]\nsocket=%s/socket\nuser=root\n' "$maria_folder" > .my.cnf
  HOME=$work logs=$work/logs bash -e -o pipefail -c "$(block sh "$1")" || fail "docs/operate.md: $1"
}
settings=()
while IFS='= ' read -r name value; do
  case $name in
  \[*) ;;
  *) settings+=("--${name//_/-}=$value") ;;
  esac
done < <(block ini settings)
start_mariadb shop "${settings[@]}"
for setting in binlog_format=ROW log_bin=1 innodb_flush_log_at_trx_commit=1 log_bin_trust_function_creators=1 sync_binlog=1; do
  [ "$(maria "SELECT @@global.${setting%=*}")" = "${setting#*=}" ] || fail "$setting is not set"
done
block json configuration | sed "s|/run/mysqld/mysqld.sock|$maria_folder/socket|; s|/etc/mantis|$work|
  s|mysql.password|shop.password|; s|:8080|:$port|" > shop.json
maria "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40) NOT NULL); CREATE TABLE total (id INT PRIMARY KEY, n INT NOT NULL);
  INSERT INTO t VALUES (1, 'a'), (2, 'b'); INSERT INTO total VALUES (1, 0);
  CREATE TRIGGER counts AFTER INSERT ON t FOR EACH ROW UPDATE total SET n = n + 1 WHERE id = 1"
start_mantisd shop --mode server
! has_message shop innodb_flush || fail "it warns of the page's own settings"
start_mantisd tablet --mode client
wait_for_maria tablet
sql tablet "INSERT INTO t VALUES (3, 'before the backup')"
quiet tablet
page backup-forward

# One after the other: to find a key in a table of so few rows the engine locks all of them, and who holds one and waits for
# the row of total is told of a deadlock, as by any other writer.
sql tablet "INSERT INTO t VALUES (4, 'from the tablet'); UPDATE t SET v = 'edited' WHERE id = 1"
wait_for_maria tablet
maria "INSERT INTO t VALUES (5, 'from the office'); DELETE FROM t WHERE id = 2"
wait_for_maria tablet
maria "FLUSH BINARY LOGS"
sql tablet "INSERT INTO t VALUES (6, 'in another log')"
wait_for_maria tablet
quiet tablet
stop_mantisd shop
state="SELECT * FROM t ORDER BY id; SELECT * FROM total; SELECT seq, tbl, op, origin FROM __sync_log ORDER BY seq;
  SELECT * FROM __sync_counter ORDER BY id; SELECT count(*) FROM __sync_outbox"
maria "$state" > before
mkdir logs
cp "$maria_folder"/data/*-bin.0* logs
page restore
[ "$(maria "SELECT max(id) FROM t")" = 3 ] || fail "this is not the backup"
page forward
maria "$state" > after
cmp -s before after || fail "it is not what it was: $(diff before after)"
sql tablet "INSERT INTO t VALUES (7, 'while it was away')"
start_mantisd shop --mode server
wait_for_maria tablet
quiet tablet
! has_message tablet "restored" || fail "the tablet takes it for another one"
[ "$(sql tablet "SELECT count(*) FROM __sync_conflicts")" = 0 ] || fail "something met itself"
[ "$(maria "SELECT n FROM total WHERE id = 1")" = 5 ] || fail "a trigger acted once more, or never: $(maria "SELECT * FROM total")"
maria "INSERT INTO t VALUES (8, 'office again')"
wait_for_maria tablet
