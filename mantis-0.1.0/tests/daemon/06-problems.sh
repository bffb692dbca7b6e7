#!/bin/bash
# 06: a table in which writes may have gone unseen is named in the status, with what happened, since when and what comes
# next, on both sides, until it has been compared; then it is not.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE other (id INTEGER PRIMARY KEY, v TEXT)"
sql office "$schema; INSERT INTO note VALUES ('a', '1'), ('b', '2')"
for name in tablet till; do
  sql $name "$schema"
done
start_mantisd office --mode server
start_mantisd tablet --mode client
start_mantisd till --mode client
settled office tablet till
says office 'S["problems"] == []' && says tablet 'S["problems"] == []' || fail "problems of a table that has none"

# unseen NAME WHAT: triggers of note go, and a write with them.
unseen ()
{
  sql "$1" "SELECT 'DROP TRIGGER \"' || name || '\";' FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'note'" > drop.sql
  sql "$1" "BEGIN IMMEDIATE; $(cat drop.sql) UPDATE note SET body = '$2' WHERE id = 'a'; COMMIT"
}

# one_problem NAME NEXT: of note, since a moment ago, for programs and for people.
one_problem ()
{
  wait_until "$1" "([p['table'] for p in S['problems']] == ['note'] and 'a trigger of the capture was dropped' in S['problems'][0]['what']
    and $began <= S['problems'][0]['since'] <= $began + 60000 and '$2' in S['problems'][0]['next'])"
  ctl "$1" status > said
  grep -q "^note  *20.*a trigger of the capture was dropped.*$2" said || fail "for people: $(cat said)"
}

# ---- On the server: until all devices know ----------------------------------------------------------------
stop_mantisd till
began=$(date +%s%3N)
unseen office 'unseen at the office'

one_problem office "1 of 2 devices has yet to be told"
wait_for_row tablet "SELECT 1 FROM note WHERE body = 'unseen at the office'"
stop_mantisd office
says office 'len(S["problems"]) == 1' || fail "without a daemon: $(cat office.status)"
start_mantisd office --mode server
start_mantisd till --mode client
wait_until office 'S["problems"] == []'
settled office tablet till

# ---- On a device: until it has compared the table ------------------------------------------------------------
stop_mantisd office
began=$(date +%s%3N)
unseen tablet 'unseen on the tablet'
one_problem tablet "will be compared with the server"
stop_mantisd tablet
start_mantisd tablet --mode client
one_problem tablet "will be compared with the server"
start_mantisd office --mode server
settled office tablet till
wait_until tablet 'S["problems"] == []'
[ "$(sql till "SELECT body FROM note WHERE id = 'a'")" = 'unseen on the tablet' ] || fail "the unseen write was not found"

# ---- A scan: until all devices know ----------------------------------------------------------------------------
stop_mantisd till
ctl office scan note > /dev/null
wait_until office '[(p["table"], "scan" in p["what"]) for p in S["problems"]] == [("note", True)]'
start_mantisd till --mode client
wait_until office 'S["problems"] == []'
