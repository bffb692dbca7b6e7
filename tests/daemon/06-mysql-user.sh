#!/bin/bash
# 06: Mantis's user on MariaDB is dropped (C31), loses what its triggers need, or is locked: within one interval that is
# named in the log and in the status with the way out, others can write, and when the user is back all they wrote arrives.
# A server that comes with another user makes the triggers its own.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
privileges="SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, TRIGGER, REFERENCES"
maria "CREATE TABLE note (id INT PRIMARY KEY, body VARCHAR(20)); INSERT INTO note VALUES (1, 'old')"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet

# others_can_write ID: a back office that tries again and again.
others_can_write ()
{
  wait_for "others to write $1" maria "INSERT INTO note VALUES ($1, 'office')"
}

# fails_with ERROR STATEMENT ID: after it others cannot write a row, unless mantisd was there already.
fails_with ()
{
  if maria "$2; INSERT INTO note VALUES ($3, 'fails'); DELETE FROM note WHERE id = $3" 2> refused; then
    [ "$(maria "$triggers 'mantis@localhost'")" = 0 ] || fail "its triggers work after $2"
  else
    grep -q "ERROR $1 " refused || fail "another error than $1: $(cat refused)"
  fi
}

# shows TEXT: the status for people does.
shows ()
{
  ctl shop status > said && grep -q "^all .*$1" said
}

# problem TEXT: it stands in the status, as JSON and for people.  Whoever connects anew may be told before all are.
problem ()
{
  wait_until shop "any(__import__('re').search(r'''$1''', p['what']) and not p.get('table') and p['since'] > 1700000000000 for p in S['problems'])"
  wait_for "the status for people to show $1" shows "$1"
}

# Without its pauses, which have grown while the server did not answer.
no_problem ()
{
  ctl tablet sync && says shop 'S["problems"] == []'
}

well ()
{
  wait_for "no problem" no_problem
  wait_for_maria tablet
}

triggers="SELECT count(*) FROM information_schema.triggers WHERE trigger_schema = 'shop' AND definer ="
well

# ---- Dropped -----------------------------------------------------------------------------------------------
fails_with 1449 "DROP USER mantis@localhost" 2
problem "'mantis'@'localhost' was dropped.*1449.*CREATE USER it again and GRANT $privileges"
has_message shop "'mantis'@'localhost' was dropped" || fail "nothing in the log"
others_can_write 2
maria "UPDATE note SET body = 'meanwhile' WHERE id = 1"
sql tablet "INSERT INTO note VALUES (20, 'tablet')"
maria "CREATE USER mantis@localhost IDENTIFIED BY '$(cat shop.password)'; GRANT $privileges ON shop.* TO mantis@localhost;
  GRANT PROCESS ON *.* TO mantis@localhost"
well
quiet tablet
[ "$(maria "SELECT count(*) FROM note WHERE id IN (1, 2, 20)")" = 3 ] || fail "the tablet's row did not arrive"
maria "INSERT INTO note VALUES (3, 'captured')"
wait_for_maria tablet

# ---- Without what its triggers need: to be triggers, and to append --------------------------------------------
for privilege in TRIGGER INSERT; do
  fails_with 1142 "REVOKE $privilege ON shop.* FROM mantis@localhost" 4
  problem "lacks privileges: GRANT $privilege ON"
  others_can_write "$((100 + ${#privilege}))"
  has_message shop "are removed, so that others can write" || fail "nothing in the log"
  maria "GRANT $privilege ON shop.* TO mantis@localhost"
  well
  maria "UPDATE note SET body = 'after $privilege'"
  wait_for_maria tablet
done

# ---- Locked: triggers go on, and what will fail is said ----------------------------------------------------------
maria "ALTER USER mantis@localhost ACCOUNT LOCK"
maria "INSERT INTO note VALUES (5, 'locked')"
problem "is locked"
wait_for_maria tablet
maria "ALTER USER mantis@localhost ACCOUNT UNLOCK"
well

# ---- Another user comes while no mantisd runs ---------------------------------------------------------------------
stop_mantisd shop
maria "CREATE USER second@localhost IDENTIFIED BY '$(cat shop.password)'; GRANT $privileges ON shop.* TO second@localhost;
  GRANT PROCESS ON *.* TO second@localhost; DROP USER mantis@localhost"
! maria "INSERT INTO note VALUES (6, 'fails')" 2> refused || fail "the triggers of a user that is gone work"
sed -i 's/"user": "mantis"/"user": "second"/' shop.json
start_mantisd shop --mode server
maria "INSERT INTO note VALUES (6, 'second')"
[ "$(maria "$triggers 'second@localhost'")" = 3 ] || fail "the triggers are still another user's"
! has_message shop "may have gone unseen" || fail "a compare of all devices for nothing"
wait_for_maria tablet

# Two servers with different users do not take the triggers from each other for ever.
maria "CREATE USER mantis@localhost IDENTIFIED BY '$(cat shop.password)'; GRANT $privileges ON shop.* TO mantis@localhost;
  GRANT PROCESS ON *.* TO mantis@localhost"
configure_maria depot
start_mantisd depot --mode server
[ "$(maria "$triggers 'mantis@localhost'")" = 3 ] || fail "the triggers are still the first server's"
sql tablet "CREATE TABLE more (id INTEGER PRIMARY KEY NOT NULL)"
maria "CREATE TABLE more (id INT PRIMARY KEY)" # both attach, and each makes what it finds missing
wait_for "more to be captured" gives_maria "SELECT 1 FROM information_schema.triggers WHERE event_object_table = 'more'"
maria "INSERT INTO more VALUES (1)"
wait_for_maria tablet
[ "$(maria "SELECT count(*) FROM information_schema.triggers WHERE trigger_schema = 'shop'")" = 6 ] || fail "triggers"
for name in shop depot; do
  ! has_message $name "may have gone unseen" || fail "$name had a table compared for nothing"
done
