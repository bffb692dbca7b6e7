#!/bin/bash
# 10: a server whose connection to MariaDB ends while it reads who may come in, the last that it reads before it starts,
# tries again.  (10-mysql-setup.sh: killed before that.)
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40) NOT NULL); INSERT INTO t VALUES (1, 'old')"
start_mantisd shop --mode server
stop_mantisd shop
road=$(free_port)
sed -i "s|\"socket\": \"[^\"]*\"|\"host\": \"127.0.0.1\", \"port\": $road|" shop.json
python3 -B "$top/tests/daemon/dbcut.py" "$road" "$maria_folder/socket" 'FROM `__sync_disabled`' 2> dbcut.log &
pids[dbcut]=$!
wait_for "the road" bash -c "exec 3<> /dev/tcp/127.0.0.1/$road"

start_mantisd shop --mode server
[ -s cut ] || fail "its connection was not cut"
has_message shop ": waiting for it" || fail "it did not wait for it: $(tail -n 3 shop.log)"
