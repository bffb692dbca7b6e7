#!/bin/bash
# 06: cascades on MariaDB while others write: what another program commits between the look of the capture trigger and the
# cascade is captured, too, at either isolation level; and who writes meanwhile neither waits for a cascade that waits,
# nor is told anything but a deadlock (C26).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "
CREATE TABLE firm (id INT PRIMARY KEY);
CREATE TABLE site (id INT PRIMARY KEY, firm INT, UNIQUE (id, firm), FOREIGN KEY (firm) REFERENCES firm (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE room (id INT PRIMARY KEY, site INT, firm INT, FOREIGN KEY (site, firm) REFERENCES site (id, firm) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE note (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO firm SELECT seq FROM seq_1_to_20; INSERT INTO site SELECT seq, seq FROM seq_1_to_20; INSERT INTO room SELECT seq, seq, seq FROM seq_1_to_20"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet

# Two programs, each with a transaction that is open until it is told to COMMIT.
exec 7> >(mariadb_do "$maria_folder" -n --force shop > mover.out 2> mover.err)
exec 8> >(mariadb_do "$maria_folder" -n --force shop > builder.out 2> builder.err)

# tell PROGRAM STATEMENTS; heard PROGRAM: what it was told last is done.
declare -A told=([mover]=0 [builder]=0)
tell ()
{
  told[$1]=$((told[$1] + 1))
  case $1 in
  mover) echo "$2; SELECT 'done ${told[$1]}';" >&7 ;;
  builder) echo "$2; SELECT 'done ${told[$1]}';" >&8 ;;
  esac
}

heard ()
{
  wait_for "the $1" grep -q "^done ${told[$1]}$" "$1.out"
}

waits ()
{
  wait_for "it to wait" gives_maria "SELECT 1 FROM information_schema.global_status
    WHERE variable_name = 'Innodb_row_lock_current_waits' AND variable_value > 0"
}

# A room that comes while the site that it belongs to is about to move or to go.  It has arrived on the device before the
# cascade is committed: only the trigger tells of what that does to it.
room=100
firm=1
for level in "READ COMMITTED" "REPEATABLE READ"; do
  for statement in "UPDATE firm SET id = id + 100 WHERE id" "DELETE FROM firm WHERE id"; do
    room=$((room + 1))
    tell builder "BEGIN; INSERT INTO room VALUES ($room, $((firm + 1)), $((firm + 1)))"
    heard builder
    tell mover "SET SESSION TRANSACTION ISOLATION LEVEL $level; BEGIN; $statement IN ($firm, $((firm + 1)))"
    waits
    tell builder COMMIT
    heard mover
    wait_for_row tablet "SELECT 1 FROM room WHERE id = $room AND firm = $((firm + 1))"
    tell mover COMMIT
    heard mover
    wait_for_maria tablet
    firm=$((firm + 2))
  done
done
[ -n "$(sql tablet "SELECT 1 FROM room WHERE id = 101 AND firm = 102")" ] || fail "the room did not move"

# One holds a room; the other has written much, moves the firm and waits for that room: the first one goes on, and so do
# others.
tell builder "BEGIN; SELECT id FROM room WHERE id = 20 FOR UPDATE"
heard builder
tell mover "BEGIN; INSERT INTO note SELECT seq, 'much' FROM seq_1_to_50; UPDATE firm SET id = 900 WHERE id = 20; COMMIT"
waits
maria "SET innodb_lock_wait_timeout = 1; INSERT INTO note VALUES (60, 'meanwhile')" || fail "a third one waits for them"
tell builder "INSERT INTO note VALUES (61, 'of the first'); COMMIT"
heard builder
heard mover
[ ! -s builder.err ] && [ ! -s mover.err ] || fail "they were told: $(cat builder.err mover.err)"
wait_for_maria tablet
[ "$(sql tablet "SELECT count(*) FROM note")" = 52 ] || fail "notes are missing"
