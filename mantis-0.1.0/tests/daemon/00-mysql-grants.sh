#!/bin/bash
# 00: a server on MariaDB names each privilege that it lacks before it touches anything, the binary log that forbids
# triggers, a log that is not flushed, and each table that it cannot sync; docs/operate.md grants all that it needs.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop --log-bin="bin" --innodb-flush-log-at-trx-commit=2
maria "CREATE TABLE good (id INT PRIMARY KEY); CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY);
  CREATE TABLE old (id INT PRIMARY KEY) ENGINE = MyISAM; CREATE TABLE keyless (id INT)"

# refused TEXT...: mantisd ends with the status for a wrong configuration, and one line of its log holds each TEXT.
refused ()
{
  local text ended=0

  : > shop.log
  timeout "$patience" "$build/mantisd" --config shop.json > shop.log 2>&1 || ended=$?
  [ $ended = 2 ] || fail "ended with status $ended instead of 2"
  [ "$(grep -c ' ERROR \|error' shop.log)" = 1 ] || fail "this is not one error"
  for text; do
    grep -qF -- "$text" shop.log || fail "nothing is said of $text"
  done
  [ -z "$(maria "SHOW TABLES LIKE '\\_\\_sync%'")" ] || fail "it made tables before it looked"
}

# Nobody yet lets this user make triggers; then somebody does.
refused "log_bin_trust_function_creators = 1" 1419
maria "SET GLOBAL log_bin_trust_function_creators = 1"
all="SELECT INSERT UPDATE DELETE CREATE ALTER DROP TRIGGER REFERENCES"
maria "REVOKE ALL PRIVILEGES, GRANT OPTION FROM mantis@localhost"
refused "GRANT ${all// /, } ON \`shop\`.* TO"

# Each alone, the last two together, by way of a pattern; what is granted on another database does not count.
maria "GRANT ALL ON \`s_op\`.* TO mantis@localhost; GRANT ALL ON shopping.* TO mantis@localhost"
for one in $all; do
  maria "REVOKE $one ON \`s_op\`.* FROM mantis@localhost"
  refused "lacks privileges: GRANT $one ON \`shop\`.* TO 'mantis'@'localhost'"
  maria "GRANT $one ON \`s_op\`.* TO mantis@localhost"
done
maria "REVOKE TRIGGER, ALTER ON \`s_op\`.* FROM mantis@localhost"
refused "GRANT ALTER, TRIGGER ON"

# What is missing comes by way of a role, and nothing more than is asked for is needed.
maria "REVOKE ALL PRIVILEGES, GRANT OPTION FROM mantis@localhost; CREATE ROLE syncing; GRANT ${all// /, } ON shop.* TO syncing;
  GRANT syncing TO mantis@localhost; SET DEFAULT ROLE syncing FOR mantis@localhost"
start_mantisd shop --mode server
has_message shop "innodb_flush_log_at_trx_commit is 2" || fail "no word about a log that is not flushed"
has_message shop "has not the privilege PROCESS" || fail "no word about PROCESS"
grep -q 'table "old".*MyISAM' shop.log || fail "no reason why old is left out"
grep -q 'table "keyless".*no primary key' shop.log || fail "no reason why keyless is left out"
grep -q 'table "counted".*AUTO_INCREMENT' shop.log || fail "no warning of a key that two sides count"
stop_mantisd shop

# And with what the page says, word for word, there is no complaint.
maria "DROP USER mantis@localhost; DROP ROLE syncing; SET GLOBAL innodb_flush_log_at_trx_commit = 1;
  SET GLOBAL log_bin_trust_function_creators = 0"
maria "$(sed -n '/^```sql$/,/^```$/{/^```/!p}' "$top/docs/operate.md")"
printf 'a long password\n' > shop.password
start_mantisd shop --mode server
for word in "has not the privilege" innodb_flush; do
  ! has_message shop "$word" || fail "docs/operate.md leaves out $word"
done
says shop '"primary key" in T["keyless"]["reason"]' || fail "the status does not say why: $(cat shop.status)"
start_mantisd tablet --mode client
wait_for_row tablet "SELECT 1 FROM sqlite_master WHERE name = 'good'"
sql tablet "INSERT INTO good VALUES (1)"
quiet tablet
[ "$(maria "SELECT count(*) FROM good")" = 1 ] || fail "the tablet's row"
[ "$(sql tablet "SELECT count(*) FROM sqlite_master WHERE name IN ('old', 'keyless')")" = 0 ] || fail "refused tables were sent"
