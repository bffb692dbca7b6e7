#!/bin/bash
# 11: an SQLite server that came back from a backup, made while it ran and restored as docs/operate.md says, gets from the devices
# what it lacks; where both have a row the server's stands and the device's is kept; writing goes on in both directions.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires sqlite3
sql office "CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT NOT NULL); INSERT INTO t VALUES ('1', 'a'), ('2', 'b'), ('3', 'c')"

# page NAME: what the page says.
page ()
{
  local commands

  commands=$(sed -n "/^\`\`\`sh $1\$/,/^\`\`\`\$/{/^\`\`\`/!p}" "$top/docs/operate.md")
  [ -n "$commands" ] || fail "docs/operate.md does not say how to $1"
  bash -e -c "$commands" || fail "docs/operate.md: $1"
}

start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet
sql tablet "INSERT INTO t VALUES ('4', 'before the backup')"
settled office tablet
page sqlite-backup

sql tablet "INSERT INTO t VALUES ('5', 'from the tablet'); UPDATE t SET v = 'edited' WHERE id = '1'"
sql office "INSERT INTO t VALUES ('6', 'from the office'); DELETE FROM t WHERE id = '2'"
settled office tablet
kill -9 "$(pid_of office)" # its log stays behind
wait "$(pid_of office)" 2> /dev/null || true
unset "pids[office]"
sql tablet "INSERT INTO t VALUES ('7', 'while it was away')"
page sqlite-restore
[ "$(sql office "SELECT max(id) FROM t")" = 4 ] || fail "this is not the backup"
start_mantisd office --mode server
wait_for_row office "SELECT 1 WHERE (SELECT count(*) FROM t) = 7"
settled office tablet
[ "$(sql office "SELECT v FROM t WHERE id = '1'")" = a ] || fail "the server's row does not stand"
wait_for_row tablet "SELECT 1 FROM __sync_conflicts WHERE loser LIKE '%edited%'"
sql office "UPDATE t SET v = 'office again' WHERE id = '3'"
sql tablet "UPDATE t SET v = 'tablet again' WHERE id = '4'"
settled office tablet
[ "$(sql tablet "SELECT v FROM t WHERE id = '3'")$(sql office "SELECT v FROM t WHERE id = '4'")" = "office againtablet again" ] || fail "it does not go on"
