#!/bin/bash
# 16: attaching to a live table of a million rows changes and rebuilds nothing of it, and its writer commits on; where a
# transaction on it is open for long, nobody waits behind Mantis for more than a second at a time, and seldom; the same
# when triggers were lost at work.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop --innodb-buffer-pool-size=128M --innodb-flush-log-at-trx-commit=0 --general-log \
  --general-log-file=statements.log
maria "CREATE TABLE big (id INT PRIMARY KEY, n INT NOT NULL DEFAULT 0, v VARCHAR(40) NOT NULL);
  CREATE TABLE beat (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6) NOT NULL);
  INSERT INTO big (id, v) SELECT seq, concat('row ', seq) FROM seq_1_to_1000000"
sed -i 's/"listen"/"tables": {"big": {}, "late": {}}, &/' shop.json

# The writer: one commit after the other on the table, for ever.  Who stands behind Mantis for more than two seconds gets an
# error.  Its commits are counted in the table beat.
(
  awk 'BEGIN {
    print "SET SESSION lock_wait_timeout = 2;"
    for (;;)
      printf "UPDATE big SET n = n + 1 WHERE id = %d; INSERT INTO beat (at) VALUES (SYSDATE(6)); DO SLEEP(0.001);\n", ++i % 1000 + 1000
  }' 2> awk.err | mariadb_do "$maria_folder" shop > writer.out 2> writer.err
) &

beats ()
{
  maria "SELECT count(*) FROM beat"
}

more_beats ()
{
  [ -s writer.err ] || [ "$(beats)" -gt "$1" ]
}

# until_beats COUNT
until_beats ()
{
  wait_for "the writer to go on" more_beats "$1"
  [ ! -s writer.err ] || fail "the writer: $(cat writer.err)"
}

# What InnoDB calls it: a table that is rebuilt is another one.
innodb_id ()
{
  maria "SELECT table_id, space FROM information_schema.innodb_sys_tables WHERE name = 'shop/big'"
}

longest_wait ()
{
  maria "SELECT round(max(gap), 3) FROM (SELECT timestampdiff(MICROSECOND, lag(at) OVER (ORDER BY id), at) / 1e6 AS gap FROM beat
    WHERE id > $1) AS gaps"
}
until_beats 100

# ---- A table that is in use by short transactions ----
id=$(innodb_id)
before=$(beats)
: > "$maria_folder/data/statements.log"
start_mantisd shop --mode server
echo "the writer: $(($(beats) - before)) commits while Mantis attached, the longest wait $(longest_wait "$before") s"
until_beats $((before + 200))
[ "$(innodb_id)" = "$id" ] || fail "the table was rebuilt"
cp "$maria_folder/data/statements.log" statements
grep -q 'CREATE OR REPLACE TRIGGER `__sync_.*` AFTER INSERT ON `big`' statements || fail "this log tells nothing"
! grep -E '(ALTER|LOCK|OPTIMIZE|ANALYZE|CREATE|RENAME|DROP) TABLES? [^_]*`?(shop`?\.)?`?big' statements ||
  fail "Mantis did that to the application's table"
stop_mantisd shop

# ---- A transaction that is open for long, before Mantis comes ----
# tries COUNT: has Mantis asked so often to change the table?
tries ()
{
  [ "$(grep -c "$1" "$maria_folder/data/statements.log")" -ge "$2" ]
}

for trigger in $(maria "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = 'shop'"); do
  maria "DROP TRIGGER $trigger"
done
long_transaction "BEGIN; SELECT v FROM big WHERE id = 1;"
before=$(beats)
: > "$maria_folder/data/statements.log"
launch shop --config shop.json
wait_for "three tries" tries 'CREATE OR REPLACE TRIGGER' 3
until_beats $(($(beats) + 50))
calm=$(maria "SELECT round(max(calm), 3) FROM (
  SELECT timestampdiff(MICROSECOND, lag(until) OVER (ORDER BY until), since) / 1e6 AS calm FROM (
    SELECT lag(at) OVER (ORDER BY id) AS since, at AS until FROM beat WHERE id > $before) AS gaps
  WHERE timestampdiff(MICROSECOND, since, until) > 500000) AS times")
echo "the writer: $calm s without a wait between two tries"
[ "${calm%.*}" -ge 1 ] || fail "it does not leave the application alone"
[ "$(grep -c 'table "big" is not synced: a transaction that uses it is open' shop.log)" = 1 ] ||
  fail "it does not say, once, what it waits for"
until_beats $(($(beats) + 50))
echo "the writer: the longest wait $(longest_wait "$before") s behind a long transaction"
end_it
wait_for_message shop 'it is captured again'

# ---- The same at work: a table that comes with a transaction ----
: > "$maria_folder/data/statements.log"
before=$(beats)
long_transaction "CREATE TABLE late (id INT PRIMARY KEY); BEGIN; INSERT INTO late VALUES (1); SELECT 1;"
wait_for "two tries" tries 'CREATE OR REPLACE TRIGGER.*`late`' 2
[ "$(grep -c 'table "late" is not synced: a transaction that uses it is open' shop.log)" = 1 ] || fail "it does not say, once, what it waits for"
until_beats $((before + 50))
echo "the writer: the longest wait $(longest_wait "$before") s meanwhile"
end_it
wait_for_message shop 'table "late": captured'
until_beats $(($(beats) + 50))
wait_for "the row to be numbered" gives_maria "SELECT 1 FROM __sync_log JOIN __sync_tables ON tbl = __sync_tables.id WHERE name = 'big'"
