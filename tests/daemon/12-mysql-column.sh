#!/bin/bash
# 12: a column is added on MariaDB, and gets a value, while a device has it already: a server that has not looked at the
# schema since does not tell the row without it, though another server let the device go on.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE note (id INT PRIMARY KEY, body VARCHAR(40)); INSERT INTO note VALUES (1, 'old')"
first=$port
cp shop.json looks.json
sed -i 's/"plugin": "mysql",/"plugin": "mysql", "schema_check": "1h",/' shop.json
start_mantisd shop --mode server
cp shop.password looks.password
port=$(free_port)
sed -i "s/:$first/:$port/; s/shop.control/looks.control/" looks.json
start_mantisd looks --mode server
second=$port

# A server that has not looked says nothing, or the row as it is now.
port=$first
call POST /sync/pull --data '{}' > answer
cursor=$(python3 -c 'import json; print(json.dumps(json.load(open("answer"))["cursor"]))')
maria "ALTER TABLE note ADD COLUMN colour VARCHAR(10) DEFAULT 'none'; UPDATE note SET colour = 'yes' WHERE id = 1"
told ()
{
  call POST /sync/pull --data "{\"cursor\": $cursor}" > answer && grep -qF '"changes":[{' answer
}
wait_for "the row" told
grep -q '"yes"' answer || fail "it is told without the new column: $(cat answer)"

# A device that has the column, and is answered by the one and the other.
start_balancer "$first" "$second"
configure_client tablet
sed -i 's/"interval_seconds": 60/"interval_seconds": 1/' tablet.json # it asks the one and the other
start_mantisd tablet --mode client
wait_for_maria tablet
goes_on ()
{
  ctl tablet sync > /dev/null 2>&1 || true
  says tablet 'T["note"]["state"] == "live"'
}

sql tablet "ALTER TABLE note ADD COLUMN red VARCHAR(10) DEFAULT 'none'"
wait_until tablet 'T["note"]["state"] == "paused"'
maria "ALTER TABLE note ADD COLUMN red VARCHAR(10) DEFAULT 'none'; UPDATE note SET red = 'yes' WHERE id = 1"
wait_for "the tablet to have met the server that looks" goes_on
wait_for_maria tablet
quiet tablet
