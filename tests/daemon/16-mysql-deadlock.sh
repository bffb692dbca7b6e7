#!/bin/bash
# 16: a deadlock ends a transaction in which mantisd attaches: it keeps no lock, and tries again, and so can others.
# A trigger that is dropped while mantisd makes others, after it has looked at that one, is noticed.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "CREATE TABLE note (id INT PRIMARY KEY, body VARCHAR(40)); INSERT INTO note VALUES (1, 'old')"
mariadb_do "$maria_folder" -e "CREATE DATABASE other; CREATE TABLE other.heavy (id INT PRIMARY KEY)"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet
quiet tablet

# program: a connection that is told what to do.
program ()
{
  rm -f program said
  mkfifo program
  mariadb_do "$maria_folder" shop --unbuffered < program > said &
  pids[program]=$!
  exec {program}> program
}

# does STATEMENTS: in that connection, to their end.
does ()
{
  : > said
  echo "$1; SELECT 'done';" >&"$program"
  wait_for "an answer to $1" grep -q done said
}

program_ends ()
{
  echo "\\q" >&"$program"
  exec {program}>&-
}

# mantis_does TEXT: some connection of mantisd is busy with that statement.
mantis_does ()
{
  wait_for "mantisd to come to $1" gives_maria "SELECT 1 FROM information_schema.processlist WHERE user = 'mantis' AND info LIKE '$1%'"
}

# ---- A deadlock with a program that has written more, so that the engine rolls back the other one ----------------
program
does "BEGIN; INSERT INTO other.heavy SELECT seq FROM seq_1_to_1000; SELECT seq FROM __sync_counter WHERE id = 2 FOR UPDATE"
maria "CREATE TABLE more (id INT PRIMARY KEY)"
mantis_does "REPLACE INTO __sync_counter"
does "SELECT seq FROM __sync_counter WHERE id = 1 FOR UPDATE; ROLLBACK"
program_ends
wait_for_maria tablet
maria "INSERT INTO more VALUES (1); INSERT INTO note VALUES (2, 'new')"
wait_for_maria tablet
wait_for "mantisd to leave its lock" gives_maria "SELECT 1 FROM DUAL WHERE IS_FREE_LOCK('mantis/shop')"

configure_maria depot
start_mantisd depot --mode server
maria "CREATE TABLE again (id INT PRIMARY KEY)"
wait_until depot "\"again\" in T and S['problems'] == []"
! has_message depot "another mantisd is attaching" || fail "depot was kept out"
stop_mantisd depot

# ---- mantisd is held up before it looks at the triggers, and again before it writes down which there are ------------
program
does "SELECT GET_LOCK('mantis/shop', 60)"
maria "CREATE TABLE third (id INT PRIMARY KEY)"
mantis_does "SELECT GET_LOCK"
does "BEGIN; SELECT seq FROM __sync_counter WHERE id = 1 FOR UPDATE; DO RELEASE_LOCK('mantis/shop')"
wait_for "the triggers of the new table" gives_maria "SELECT 1 FROM information_schema.triggers WHERE event_object_table = 'third' HAVING count(*) = 3"
maria "DROP TRIGGER __sync_$(maria "SELECT id FROM __sync_tables WHERE name = 'note'")_upd; UPDATE note SET body = 'unseen' WHERE id = 1"
does ROLLBACK
program_ends
wait_for_maria tablet
has_message shop 'table "note": writes may have gone unseen' || fail "the lost trigger is not named"
