#!/bin/bash
# 16: an outbox as older versions made it, whose AUTO_INCREMENT let programs wait for each other's cascades, is renewed:
# a statement with cascades that waits for somebody's row holds up no other program, that one least of all.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "
CREATE TABLE firm (id INT PRIMARY KEY, name VARCHAR(20));
CREATE TABLE site (id INT PRIMARY KEY, firm INT, FOREIGN KEY (firm) REFERENCES firm (id) ON DELETE CASCADE);
CREATE TABLE note (a INT, b INT, body VARCHAR(20), PRIMARY KEY (a, b));
INSERT INTO firm VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO site VALUES (10, 1), (20, 2), (30, 3);
INSERT INTO note VALUES (1, 1, '')"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet

stop_mantisd shop
maria "ALTER TABLE __sync_outbox MODIFY id BIGINT UNSIGNED AUTO_INCREMENT, MODIFY k1 VARBINARY(3072)"
start_mantisd shop --mode server
wait_for_maria tablet

# One holds firm 2; another deletes all firms, and waits for it with the entries of firm 1 written; the first goes on.
exec 8> >(mariadb_do "$maria_folder" -n --force shop > first.out 2> first.err)
echo "BEGIN; UPDATE firm SET name = 'held' WHERE id = 2; SELECT 'holds';" >&8
wait_for "the first program" grep -q holds first.out
maria "DELETE FROM firm" > second.out 2>&1 &
wait_for "the second program to wait" gives_maria "SELECT 1 FROM information_schema.global_status WHERE variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS' AND variable_value > 0"
echo "UPDATE note SET body = 'went on'; SELECT 'went on'; COMMIT;" >&8
wait_for "the first program to go on" grep -q "went on" first.out
exec 8>&-
wait $! || fail "the second program: $(cat second.out)"
[ ! -s first.err ] || fail "the first program: $(cat first.err)"
wait_for_maria tablet
[ "$(sql tablet "SELECT body FROM note")" = "went on" ] || fail "the note has not arrived"
[ -z "$(maria "SELECT 1 FROM __sync_outbox LIMIT 1")" ] || fail "something was not numbered"
