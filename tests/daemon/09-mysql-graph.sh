#!/bin/bash
# 09: whatever a device's transactions leave behind arrives in MariaDB, which knows no deferred foreign keys: rows of random tables that
# refer to each other and to themselves, in circles too (K14, K15), unique values and keys that change hands (K18, K19), keys of two
# columns (K21); nothing is refused.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
seed=${SEED:-5}
echo "SEED=$seed (any number makes other tables and rows)"
start_mariadb shop
maria "$(python3 "$top/tests/daemon/graph.py" schema "$seed")"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet
for count in 5 10; do
  stop_mantisd tablet
  python3 "$top/tests/daemon/graph.py" work "$seed" tablet.db $count || fail "SEED=$seed: the program"
  start_mantisd tablet --mode client
  wait_until tablet 'S["caught_up"] and S["waiting"] == 0'
  [ -z "$(maria "SELECT 1 FROM __sync_conflicts")" ] || fail "SEED=$seed: refused: $(maria "SELECT tbl, \`key\`, outcome, reason, loser FROM __sync_conflicts")"
  wait_for_maria tablet
done
