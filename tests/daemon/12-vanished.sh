#!/bin/bash
# 12: a table is renamed on the server, or gets another key, while a device is loading it: the device says hello again,
# goes on with the other tables, and loads it when it is back.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

sql office "CREATE TABLE album (id INTEGER PRIMARY KEY NOT NULL, body TEXT); CREATE TABLE zone (id INTEGER PRIMARY KEY NOT NULL);
  INSERT INTO zone VALUES (1);
  WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 1000) INSERT INTO album SELECT k, 'body ' || k FROM k"
start_mantisd office --mode server
start_proxy

loads tablet album zone
sql office "ALTER TABLE album RENAME TO atlas"
wait_until office '"atlas" in T and "album" not in T'
rm gate
wait_until tablet 'T["album"]["state"] == "paused" and T["zone"]["state"] == "live" and T["atlas"]["state"] == "live"'
! grep '"path": "/sync/pull".*"status": 400' requests || fail "the device is told that its request is wrong"
sql office "ALTER TABLE atlas RENAME TO album"
wait_until tablet 'T["album"]["state"] == "live" and T["atlas"]["state"] == "paused"'
same_table office tablet album zone

loads phone album zone
sql office "CREATE TABLE new (id INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (id, body)); INSERT INTO new SELECT * FROM album;
  DROP TABLE album; ALTER TABLE new RENAME TO album"
wait_until office 'T["album"]["state"] == "live"'
rm gate
wait_until phone 'T["album"]["state"] == "paused" and T["zone"]["state"] == "live"'
