#!/bin/bash
# 16: a deadlock ends a transaction in which mantisd attaches: it keeps no lock, and tries again, and so can others.
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

# A program that has written more, so that the engine rolls back the other one.
mkfifo program
mariadb_do "$maria_folder" shop --unbuffered < program > said &
pids[program]=$!
exec {program}> program
echo "BEGIN; INSERT INTO other.heavy SELECT seq FROM seq_1_to_1000; SELECT 'has', seq FROM __sync_counter WHERE id = 2 FOR UPDATE;" >&"$program"
wait_for "the program to have its lock" grep -q has said
maria "CREATE TABLE more (id INT PRIMARY KEY)"
wait_for "mantisd to wait for it" gives_maria "SELECT 1 FROM information_schema.processlist WHERE user = 'mantis' AND info LIKE 'REPLACE INTO __sync_counter%'"
echo "SELECT 'both', seq FROM __sync_counter WHERE id = 1 FOR UPDATE; ROLLBACK; \\q" >&"$program"
exec {program}>&-
wait_for "the deadlock" grep -q both said
wait_for_maria tablet
maria "INSERT INTO more VALUES (1); INSERT INTO note VALUES (2, 'new')"
wait_for_maria tablet
wait_for "mantisd to leave its lock" gives_maria "SELECT 1 FROM DUAL WHERE IS_FREE_LOCK('mantis/shop')"

configure_maria depot
start_mantisd depot --mode server
maria "ALTER TABLE note ADD COLUMN extra INT"
wait_until depot 'S["problems"] == []'
! has_message depot "another mantisd is attaching" || fail "depot was kept out"
