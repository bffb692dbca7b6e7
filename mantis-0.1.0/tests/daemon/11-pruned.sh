#!/bin/bash
# 11: what is older than the retention leaves the server's log, also while a client stays away (R4, R36); status tells
# of that client; when it is back it compares its tables: rows that were deleted meanwhile go, its own writes count, and
# an edit of a deleted row is kept as a conflict.  On SQLite, and on MariaDB where that is installed.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3

# short NAME: with a retention of a second.
short ()
{
  sed -i 's/^{/{"retention": "1s", /' "$1.json"
}

# at_server SQL
at_server ()
{
  if [ "$storage" = sqlite ]; then sql "$server" "$1"; else maria "$1"; fi
}

# Only entries that say what stands are left, and few besides: the newest, and one that a client may have come to.
shrunk ()
{
  at_server "INSERT INTO notes VALUES ('n$((++written))', 'goes on')" # a log at rest keeps its newest
  [ "$(at_server "SELECT count(*) FROM __sync_log WHERE op = 'D'")" = 0 ] &&
    [ "$(at_server "SELECT count(*) FROM __sync_meta WHERE name = 'pruned'")" = 1 ]
}

loaded ()
{
  [ "$(sql phone "SELECT count(*) FROM notes" 2> /dev/null)" = 4 ]
}

for storage in sqlite mysql; do
  if [ $storage = mysql ]; then
    command -v mariadbd > /dev/null || break
    stop_mantisd tablet
    stop_mantisd phone
    rm -f tablet.* phone.*
    port=
    start_mariadb shop
    server=shop
  else
    server=office
    configure_server office
  fi
  short $server
  written=0
  at_server "CREATE TABLE notes (id VARCHAR(20) PRIMARY KEY, body VARCHAR(40))"
  at_server "INSERT INTO notes VALUES ('old', 'from before'), ('gone', 'x'), ('fought', 'x'), ('edited', 'x')"
  start_mantisd $server --mode server
  start_mantisd tablet --mode client
  start_mantisd phone --mode client
  wait_for "the rows on the phone" loaded
  quiet tablet phone
  stop_mantisd phone
  sql phone "INSERT INTO notes VALUES ('mine', 'offline'); UPDATE notes SET body = 'offline' WHERE id IN ('old', 'fought')"
  sql tablet "UPDATE notes SET body = 'tablet' WHERE id = 'edited'; DELETE FROM notes WHERE id IN ('gone', 'fought')"
  quiet tablet
  wait_for "the log to shrink" shrunk
  [ "$(at_server "SELECT count(*) FROM notes WHERE id IN ('old', 'edited')")" = 2 ] || fail "rows went with the log"
  quiet tablet
  ctl $server status > said || fail "$(cat said)"
  grep -q 'phone .*past the retention' said || fail "status does not tell who has stayed away: $(cat said)"
  ! grep -q 'tablet .*past the retention' said || fail "the tablet was here all the time: $(cat said)"

  start_mantisd phone --mode client
  wait_for_message phone "no longer keeps what came after our cursor"
  quiet phone tablet
  for name in phone tablet; do
    [ "$(sql $name "SELECT group_concat(id || '=' || body) FROM (SELECT * FROM notes WHERE id NOT LIKE 'n%' ORDER BY id)")" = \
      "edited=tablet,mine=offline,old=offline" ] || fail "$storage: $name has $(sql $name "SELECT * FROM notes")"
  done
  [ "$(sql phone "SELECT loser FROM __sync_conflicts")" = '{"id":"fought","body":"offline"}' ] ||
    fail "$storage: kept is $(sql phone "SELECT loser, winner, reason FROM __sync_conflicts")"
  stop_mantisd $server
done
