#!/bin/bash
# 06: what tells the triggers on MariaDB that Mantis writes lasts no longer than its transaction, so that it leaks to nobody
# (C33); a trigger reads and writes as much in a table of 30,000 rows as in one of 30 (C34); a row that the server's
# triggers and ON UPDATE alter goes back to its writer once, and then nothing travels; the version of each row can be asked for.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE plain (id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE total (id INT PRIMARY KEY, n INT NOT NULL); INSERT INTO total VALUES (1, 0);
  CREATE TABLE kept (id INT PRIMARY KEY, v VARCHAR(20), at TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP);
  CREATE TABLE sum (id INT PRIMARY KEY, a INT, b INT, both_of_them INT); INSERT INTO kept (id) VALUES (1);
  CREATE TRIGGER adds BEFORE UPDATE ON sum FOR EACH ROW SET NEW.both_of_them = NEW.a + NEW.b;
  CREATE TRIGGER counts AFTER UPDATE ON sum FOR EACH ROW UPDATE total SET n = n + 1 WHERE id = 1; INSERT INTO sum VALUES (1, 1, 1, 2)"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet
maria "SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = 1"

# ---- Back once, then silence ------------------------------------------------------------------------------------
sql tablet "UPDATE sum SET a = 10 WHERE id = 1"
quiet tablet
wait_for_row tablet "SELECT 1 FROM sum WHERE both_of_them = 11"
sql tablet "UPDATE kept SET v = 'x' WHERE id = 1" # carries its time: the engine leaves that alone
quiet tablet
wait_for_maria tablet
[ "$(maria "SELECT n FROM total")$(maria "SELECT at FROM kept")" = "12020-01-01 00:00:00" ] || fail "the row was written more than once"
maria "UPDATE kept SET v = 'y'" # and this is the engine's
wait_for_maria tablet
quiet tablet
head=$(maria "SELECT max(seq) FROM __sync_log")
for i in 1 2 3; do
  ctl tablet sync > /dev/null
done
[ "$(maria "SELECT max(seq) FROM __sync_log")" = "$head" ] || fail "rows travel though nobody wrote"

# ---- C33 ----------------------------------------------------------------------------------------------------------
sql tablet "INSERT INTO plain VALUES (1, 'tablet'); INSERT INTO sum VALUES (2, 1, 1, 2); UPDATE sum SET a = 5 WHERE id = 2"
sql tablet "INSERT INTO plain VALUES (2, 'tablet'); UPDATE plain SET v = 'again'; DELETE FROM plain WHERE id = 1"
quiet tablet
wait_for_maria tablet
maria "SET GLOBAL general_log = 0"
maria "SELECT thread_id, replace(argument, '\n', ' ') FROM mysql.general_log WHERE command_type = 'Query' AND user_host LIKE 'mantis%'" > spoken
cat > look.py << 'END_OF_PYTHON'
import sys
set_by, transactions = {}, 0
for line in open("spoken"):
    thread, packet = line.rstrip("\n").split("\t", 1)
    for statement in map(str.strip, packet.split(";")):
        if statement.startswith("SET @__sync_quiet"):
            usual = statement == "SET @__sync_quiet = NULL, @__sync_session = NULL"
            set_by[thread] = None if usual else statement
            transactions += not usual
        elif statement in ("COMMIT", "ROLLBACK"):
            assert not set_by.get(thread), (thread, set_by[thread])
assert transactions >= 4 and not any(set_by.values()), (transactions, set_by)
END_OF_PYTHON
python3 look.py || fail "what Mantis said of itself outlives its transaction: $(grep __sync_quiet spoken | tail -3)"

# ---- The version of each row, as docs/tables.md asks for it ---------------------------------------------------------
maria "SET @__sync_quiet = 1; INSERT INTO plain VALUES (77, 'as from before')" # it has no entry
maria "$(sed -n '/^```versions$/,/^```$/{/^```/!p}' "$top/docs/tables.md" | sed 's/notes/plain/g')" > versions
node=$(sql tablet "SELECT value FROM __sync_meta WHERE name = 'node'")
floor=$(maria "SELECT value FROM __sync_meta WHERE name = 'floor_time'")
newest=$(maria "SELECT max(seq) FROM __sync_log WHERE k0 = '2' AND tbl = (SELECT id FROM __sync_tables WHERE name = 'plain')")
awk -v node="$node" -v floor="$floor" -v newest="$newest" '$1 == 2 && $3 == newest && $4 == node && $2 > floor { a = 1 }
  $1 == 77 && $2 == floor && $3 == 1 && $4 == "NULL" { b = 1 } END { exit !(a && b && NR == 2) }' versions || fail "versions: $(cat versions)"

# ---- C34 ----------------------------------------------------------------------------------------------------------
maria "CREATE TABLE small (id INT PRIMARY KEY, v INT); CREATE TABLE large LIKE small;
  CREATE TABLE small_child (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES small (id) ON DELETE CASCADE ON UPDATE CASCADE);
  CREATE TABLE large_child (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES large (id) ON DELETE CASCADE ON UPDATE CASCADE);
  INSERT INTO small SELECT seq, 0 FROM seq_1_to_30; INSERT INTO large SELECT seq, 0 FROM seq_1_to_30000;
  INSERT INTO small_child SELECT seq, 1 + seq DIV 2 FROM seq_1_to_50; INSERT INTO large_child SELECT seq, 1 + seq DIV 2 FROM seq_1_to_50000"
wait_for "the new tables to be watched" gives_maria "SELECT 1 FROM information_schema.triggers WHERE event_object_table = 'large' HAVING count(*) = 5"
wait_for "the new child to be watched" gives_maria "SELECT 1 FROM information_schema.triggers WHERE event_object_table = 'large_child' HAVING count(*) = 3"

# costs STATEMENT: how many rows it reads, writes and looks for, with its triggers.
costs ()
{
  maria "FLUSH STATUS; $1; SELECT sum(variable_value) FROM information_schema.session_status WHERE variable_name LIKE 'HANDLER\\_READ%'
    OR variable_name IN ('HANDLER_WRITE', 'HANDLER_UPDATE', 'HANDLER_DELETE')"
}

while IFS= read -r statement; do
  few=$(costs "${statement//TABLE/small}")
  many=$(costs "${statement//TABLE/large}")
  echo "$few of 30 rows, $many of 30,000: $statement"
  [ "$few" -ge 2 ] || fail "no trigger ran for $statement"
  [ "$many" -le 100 ] || fail "$statement takes $many steps in a table of 30,000 rows"
done << 'END'
UPDATE TABLE SET v = v + 1 WHERE id = 7
INSERT INTO TABLE VALUES (100000, 1)
UPDATE TABLE SET id = 100001 WHERE id = 5
DELETE FROM TABLE WHERE id = 9
UPDATE TABLE_child SET up = 3 WHERE id = 40
END
