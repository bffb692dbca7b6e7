#!/bin/bash
# 03: history is not sent again: after 100,000 changes an idle cycle, and the first one of a device that was started
# again, costs what it cost before.  R27, guarantee 7.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

sql office "CREATE TABLE note (id INTEGER PRIMARY KEY, who TEXT, n INTEGER DEFAULT 0);
  WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 1000)
  INSERT INTO note (id, who) SELECT k, 'office' FROM k UNION ALL SELECT 1000 + k, 'tablet' FROM k"
start_mantisd office --mode server
start_proxy
start_mantisd tablet --mode client
settled office tablet

# idle: bytes of five cycles with nothing to do, and of a start.
idle ()
{
  local i

  : > requests
  stop_mantisd tablet
  start_mantisd tablet --mode client
  quiet tablet
  for i in 1 2 3 4 5; do
    ctl tablet sync > /dev/null || fail "mantisctl sync"
  done
  python3 -c 'import json
requests = list(map(json.loads, open("requests")))
assert len(requests) >= 6, requests
print(sum(r["length"] + r["answer"] for r in requests) // len(requests))'
}

idle > before
python3 - << 'END' &
import sqlite3
for name in "office", "tablet":
    db = sqlite3.connect(name + ".db", timeout=20, isolation_level=None)
    for n in range(1, 51):
        db.execute("UPDATE note SET n = ? WHERE who = ?", (n, name))
END
pids[writer]=$!
wait "${pids[writer]}"
settled office tablet
[ "$(sql office "SELECT count(*) FROM note WHERE n = 50")" = 2000 ] || fail "not all has come"
idle > after
echo "an idle request and its answer: $(cat before) bytes, $(cat after) after 100,000 changes"
[ "$(cat after)" -le $(($(cat before) + 100)) ] || fail "an idle cycle has become larger"
