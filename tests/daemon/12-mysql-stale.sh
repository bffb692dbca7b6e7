#!/bin/bash
# 12: a server that has not noticed yet that another one made a table does not answer a device as if it had: the device
# would not ask again.  "schema_check" is an hour, so that only what a hello finds in the database can tell it.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE old (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO old VALUES (1, 'x')"
configure_maria depot
sed -i 's/{"mode"/{"create_tables": true, "mode"/; s/"plugin": "mysql",/"plugin": "mysql", "schema_check": "1h",/' shop.json depot.json
start_mantisd depot --mode server
depot_port=$port
port=$(sed -n 's/.*127.0.0.1:\([0-9]*\).*/\1/p' shop.json)
start_mantisd shop --mode server
start_mantisd phone --mode client
wait_for_maria phone
sql phone "CREATE TABLE young (id TEXT PRIMARY KEY, v TEXT); INSERT INTO young VALUES ('a', 'made on the phone')"
wait_for "the phone's table in MariaDB" gives_maria "SELECT 1 FROM young"

port=$depot_port
start_mantisd tablet --mode client
wait_for_row tablet "SELECT 1 FROM young WHERE v = 'made on the phone'"
! has_message depot 'made as a client offered it' || fail "the depot made what was there"
wait_for_maria phone tablet
