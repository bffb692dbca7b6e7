#!/bin/bash
# 12: a table of MariaDB is dropped, renamed, or gets another key, while a device is loading it: the device says hello
# again, goes on with the other tables, and loads it when it is back.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE album (id INT PRIMARY KEY, body VARCHAR(40)); INSERT INTO album SELECT seq, concat('body ', seq) FROM seq_1_to_1000;
  CREATE TABLE zone (id INT PRIMARY KEY); INSERT INTO zone VALUES (1)"
start_mantisd shop --mode server
start_proxy

loads tablet album zone
maria "RENAME TABLE album TO atlas"
rm gate # before the server has looked, perhaps
wait_until tablet 'T["album"]["state"] == "paused" and T["zone"]["state"] == "live" and T["atlas"]["state"] == "live"'
! grep '"path": "/sync/pull".*"status": 400' requests || fail "the device is told that its request is wrong"
maria "RENAME TABLE atlas TO album"
wait_until tablet 'T["album"]["state"] == "live" and T["atlas"]["state"] == "paused"'
sql tablet "DROP TABLE atlas"
wait_for_maria tablet

loads phone album zone
maria "ALTER TABLE album DROP PRIMARY KEY, ADD PRIMARY KEY (id, body)"
rm gate
wait_until phone 'T["album"]["state"] == "paused" and T["zone"]["state"] == "live"'
stop_mantisd phone

loads till album zone
maria "DROP TABLE album"
wait_until shop '"album" not in T'
rm gate
wait_until till 'T["album"]["state"] == "paused" and T["zone"]["state"] == "live"'
