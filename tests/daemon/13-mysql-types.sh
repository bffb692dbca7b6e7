#!/bin/bash
# 13: each type of MariaDB has the form on devices that docs/types.md tells, and its values cross in both directions bit for
# bit; what a column cannot hold is refused alone, with the reason, and what MariaDB stores otherwise comes back once
# (V1-V32).  Keys are stored as they are or refused.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop --default-time-zone=+05:30

# types STEP
types ()
{
  python3 "$top/tests/daemon/typetable.py" "$top/docs/types.md" "$maria_folder/socket" shop tablet.db "$1" > wrong 2>&1 ||
    fail "docs/types.md, step $1: $(head -n 40 wrong)"
}

types server
maria "CREATE TABLE k_char (id CHAR(5) PRIMARY KEY); CREATE TABLE k_binary (id BINARY(4) PRIMARY KEY); INSERT INTO k_binary VALUES (x'09');
  CREATE TABLE k_decimal (id DECIMAL(20,2) PRIMARY KEY); CREATE TABLE k_uuid (id UUID PRIMARY KEY); CREATE TABLE k_enum (id ENUM('red', 'Blue') PRIMARY KEY);
  CREATE TABLE k_time (id TIME(3) PRIMARY KEY); CREATE TABLE k_moved (id VARCHAR(20) PRIMARY KEY);
  CREATE TRIGGER moves BEFORE INSERT ON k_moved FOR EACH ROW SET NEW.id = upper(NEW.id);
  CREATE TABLE k_counted (id BIGINT ZEROFILL PRIMARY KEY, v INT); INSERT INTO k_counted VALUES (7, 1), (18446744073709551615, 1)"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for "the tables to be made" gives_row tablet "SELECT 1 FROM sqlite_master WHERE name = 'plain'"
quiet tablet
types came

# A device writes.
types device
sql tablet "UPDATE k_counted SET v = 2; INSERT INTO k_counted VALUES (8, 1);
  INSERT INTO k_char VALUES ('b '), ('c'); INSERT INTO k_binary VALUES (x'02'), (x'09'), (x'01020304'); INSERT INTO k_decimal VALUES ('1.5'), ('2.50');
  INSERT INTO k_uuid VALUES ('123E4567-E89B-12D3-A456-426655440000'), ('123e4567-e89b-12d3-a456-426655440001');
  INSERT INTO k_enum VALUES ('BLUE'), ('red'); INSERT INTO k_time VALUES ('01:02:03'), ('-01:00:00.250'); INSERT INTO k_moved VALUES ('small'), ('LARGE')"
quiet tablet
types stored
wait_for_row tablet "SELECT 1 FROM defaults WHERE id = 1"

# Keys: stored as they are, or refused, and nothing else.
keys=$(maria "SELECT * FROM k_char; SELECT hex(id) FROM k_binary; SELECT * FROM k_decimal; SELECT * FROM k_uuid; SELECT * FROM k_enum; SELECT * FROM k_time;
  SELECT * FROM k_moved; SELECT id, v FROM k_counted" | tr '\n\t' ' :')
[ "$keys" = "c 01020304 09000000 2.50 123e4567-e89b-12d3-a456-426655440001 red -01:00:00.250 LARGE 00000000000000000007:2 00000000000000000008:1 18446744073709551615:2 " ] ||
  fail "the keys in MariaDB: $keys"
[ "$(sql tablet "SELECT count(*) FROM __sync_conflicts WHERE tbl LIKE 'k\_%' ESCAPE '\' AND reason LIKE '%another key%'")" = 8 ] ||
  fail "keys refused: $(sql tablet "SELECT tbl, key, reason FROM __sync_conflicts WHERE tbl LIKE 'k\_%' ESCAPE '\'")"
[ "$(sql tablet "SELECT count(*) FROM k_char, k_decimal, k_uuid, k_enum, k_time, k_moved")" = 1 ] || fail "refused keys are still on the device"
[ "$(sql tablet "SELECT group_concat(hex(id)) FROM k_binary")" = 09000000,01020304 ] || fail "k_binary: $(sql tablet "SELECT hex(id) FROM k_binary")"

# Then silence.
head=$(maria "SELECT max(seq) FROM __sync_log")
ctl tablet sync > sync.out
quiet tablet
[ "$(maria "SELECT max(seq) FROM __sync_log")" = "$head" ] || fail "rows travel though nobody wrote"
