#!/bin/bash
# 03: through a proxy that keeps all that it may, nothing old is used: the client learns of new tables and rows, and
# who asks for the status sees it as it is.  R42.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server
start_proxy
road "/ cache - *"
start_mantisd tablet --mode client
sql office "INSERT INTO note VALUES ('a', 'one')"
settled office tablet
for table in plan map; do # its schema is asked for anew each time
  sql office "CREATE TABLE $table (id TEXT PRIMARY KEY); INSERT INTO $table VALUES ('a')"
  wait_for "the table $table" gives_row tablet "SELECT 1 FROM sqlite_master WHERE name = '$table'"
  settled office tablet
done
[ "$(grep -c '"/sync/schema"' requests)" -ge 2 ] || fail "the schema went another way"

# All that is asked for by GET: as it is now.
server_port=$port
for path in /sync/status /sync/schema /sync/conflicts /metrics /healthz /readyz; do
  port=$proxy
  call GET $path > old
  port=$server_port
  sql office "CREATE TABLE new_${path##*/} (id TEXT PRIMARY KEY)"
  wait_for "the table new_${path##*/}" bash -c "sqlite3 office.db \"SELECT 1 FROM __sync_tables WHERE name = 'new_${path##*/}'\" | grep -q 1"
  port=$proxy
  call GET $path > new
  port=$server_port
  case $path in
  /sync/status | /sync/schema) grep -q "new_${path##*/}" new || fail "$path is an old one: $(cat new)" ;;
  /metrics) cmp -s old new && fail "$path is an old one: $(cat new)" ;;
  esac
  call GET $path -o /dev/null -D - | grep -qi '^cache-control:.*no-store' || fail "$path may be kept"
done
settled office tablet
