#!/bin/bash
# 10: mantisd is killed before each statement with which it sets up a database of MariaDB, there is no transaction around
# those: the next start makes of it what an undisturbed one makes, and writes are captured (O17).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3 mariadb-dump
start_mariadb shop
road=$(free_port)
sed -i "s|\"socket\": \"[^\"]*\"|\"host\": \"127.0.0.1\", \"port\": $road|" shop.json
server=shop
echo 1000000 > place
python3 -B "$top/tests/daemon/dbstop.py" "$road" "$maria_folder/socket" 2> dbstop.log &
pids[dbstop]=$!
wait_for "the road" bash -c "exec 3<> /dev/tcp/127.0.0.1/$road"

# A database as it was before Mantis came: parents whose deletion acts on children, a key of two columns.
anew ()
{
  mariadb_do "$maria_folder" -e "DROP DATABASE shop; CREATE DATABASE shop CHARACTER SET utf8mb4"
  maria "CREATE TABLE firm (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO firm VALUES (1, 'old');
    CREATE TABLE site (firm INT, n INT, PRIMARY KEY (firm, n), FOREIGN KEY (firm) REFERENCES firm (id) ON DELETE CASCADE); INSERT INTO site VALUES (1, 1)"
}

# What stands there, but for what may be another thing each time: moments, whose triggers they were last.
picture ()
{
  mariadb-dump --no-defaults --socket="$maria_folder/socket" -u root --triggers --skip-dump-date --skip-comments --no-data shop | sed 's/AUTO_INCREMENT=[0-9]*//'
  maria "SELECT name, \`key\`, fingerprint, state FROM __sync_tables ORDER BY name; SELECT name FROM __sync_meta ORDER BY name;
    SELECT seq, tbl, op FROM __sync_log ORDER BY seq; SELECT seq FROM __sync_counter WHERE id = 1; SELECT tbl, phase, generation FROM __sync_state ORDER BY tbl"
}

anew
start_mantisd shop --mode server
picture > whole
stop_mantisd shop
place=0
for ((;; place++)); do
  anew
  rm -f stopped
  echo $place > place
  launch shop --config shop.json
  wait_for "it to be stopped" eval '[ -e stopped ] || has_message shop ready'
  if [ ! -e stopped ]; then
    stop_mantisd shop
    break
  fi
  kill_mantisd shop
  echo 1000000 > place
  start_mantisd shop --mode server
  picture > mended
  cmp -s whole mended || fail "killed before \"$(head -c 200 stopped)\", it becomes: $(diff whole mended)"
  maria "DELETE FROM firm; INSERT INTO firm VALUES (2, 'new')"
  wait_for "what was written to be numbered" gives_maria "SELECT 1 FROM __sync_log HAVING group_concat(op ORDER BY op) = 'D,D,I,M'"
  kill_mantisd shop
done
echo "killed in $place places"
[ $place -ge 20 ] || fail "that is not all of them"
