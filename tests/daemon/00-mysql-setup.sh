#!/bin/bash
# 00: a server on MariaDB by host and port says what it misses: each privilege, a password, a database; it leaves out what
# it cannot sync, with the reason (C32), warns of AUTO_INCREMENT keys (K23), and takes any names, character sets and
# time zones (C22, C35, C36, V18).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
maria_port=$(free_port)
start_mariadb shop --port="$maria_port" --default-time-zone=+05:00 --sql-mode=
long=$(printf 'n%.0s' $(seq 1 63))
maria "
CREATE TABLE heap (a INT); CREATE TABLE isam (id INT PRIMARY KEY) ENGINE = MyISAM; CREATE TABLE rough (id DOUBLE PRIMARY KEY);
CREATE VIEW seen AS SELECT * FROM heap;
CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, v INT);
CREATE TABLE \`${long}1\` (id INT PRIMARY KEY, v INT); CREATE TABLE \`${long}2\` (id INT PRIMARY KEY, v INT);
CREATE TABLE \`we'ird \"täble\` (\`order\` INT PRIMARY KEY, \`a b\` INT, \`_deleted\` INT, \`timestamp\` INT);
CREATE TABLE zone (id INT PRIMARY KEY, at TIMESTAMP(3) NULL, d DATETIME(6));
CREATE TABLE latin (k VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb3);
INSERT INTO zone VALUES (1, '2024-06-01 12:00:00.5', '2024-06-01 12:00:00.000001'); INSERT INTO latin VALUES ('Käse', 'žluť')"
good=$(cat shop.json)

# refused TEXT JSON: mantisd ends, saying TEXT.
refused ()
{
  echo "$2" > shop.json
  launch shop --config shop.json
  wait_for "the server to end" gone shop
  wait "${pids[shop]}" 2> /dev/null || true
  unset "pids[shop]"
  has_message shop "$1" || { cat shop.log; fail "it does not say: $1"; }
}

refused "wrong.password: cannot read" "${good/shop.password/wrong.password}"
echo "not this one" > wrong.password
chmod 600 wrong.password
refused "turns \"user\" mantis away" "${good/shop.password/wrong.password}"
refused "turns \"user\" mantis away" "${good/\"database\": \"shop\"/\"database\": \"other\"}"
mariadb_do "$maria_folder" -e "REVOKE TRIGGER, ALTER ON shop.* FROM mantis@localhost"
refused "lacks privileges: GRANT ALTER, TRIGGER ON" "$good"
mariadb_do "$maria_folder" -e "GRANT TRIGGER, ALTER ON shop.* TO mantis@localhost;
  REVOKE PROCESS ON *.* FROM mantis@localhost"
echo "$good" | sed "s#\"socket\": \"[^\"]*\"#\"host\": \"127.0.0.1\", \"port\": $maria_port#" > shop.json
chmod 640 shop.password
start_mantisd shop --mode server
for why in 'table "heap" is not synced: it has no primary key' 'table "isam" is not synced: its engine is MyISAM' \
  'table "rough" is not synced: its primary key has the column "id"' \
  'table "counted": its AUTO_INCREMENT key' 'has not the privilege PROCESS'; do
  has_message shop "$why" || fail "it does not say: $why"
done
maria "DROP VIEW seen; DROP TABLE heap, isam, rough"
start_mantisd tablet --mode client
wait_for_maria tablet
[ "$(grep -c 'shop.password holds a password and others may read it' shop.log)" = 1 ] || fail "that others may read the password is said once: $(cat shop.log)"
[ "$(sql tablet "SELECT at FROM zone")" = "2024-06-01 07:00:00.500" ] || fail "a TIMESTAMP is not in UTC: $(sql tablet "SELECT at FROM zone")"

sql tablet "INSERT INTO zone VALUES (2, '2024-12-24 18:00:00.000', '1000-01-01 00:00:00.000000'); INSERT INTO latin VALUES ('Öl', 'x');
  UPDATE \"we'ird \"\"täble\" SET \"a b\" = 1; INSERT INTO \"we'ird \"\"täble\" VALUES (1, 2, 3, 4); INSERT INTO ${long}1 VALUES (1, 1); INSERT INTO ${long}2 VALUES (1, 2)"
wait_for_maria tablet
[ "$(maria "SELECT at FROM zone WHERE id = 2")" = "2024-12-24 23:00:00.000" ] || fail "a TIMESTAMP from the tablet"
maria "UPDATE \`we'ird \"täble\` SET \`order\` = 9; UPDATE latin SET v = 'ž'; UPDATE \`${long}2\` SET v = 5; UPDATE zone SET at = '2024-07-07 00:00:00'"
wait_for_maria tablet
quiet tablet
