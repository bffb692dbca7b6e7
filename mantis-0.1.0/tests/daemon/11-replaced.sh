#!/bin/bash
# 11: a database that is replaced or removed under a running mantisd is noticed, opened again and never made anew
# (O5, C21, R32): a client's older copy goes on as another node, with what it had not sent.
. "${0%/*}/functions.sh"

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'before')"
start_mantisd office --mode server
start_mantisd tablet --mode client
wait_for_sync tablet office
sql tablet "VACUUM INTO 'backup.db'"
sql tablet "INSERT INTO note VALUES ('b', 'after the backup')"
wait_for_sync tablet office

# replace NAME FILE: as mv does it, and what belonged to the old file goes.
replace ()
{
  mv "$1.db" old.db
  rm -f "$1.db-wal" "$1.db-shm"
  cp "$2" new.db
  mv new.db "$1.db"
}

sqlite3 backup.db "INSERT INTO note VALUES ('c', 'written into the backup')"
replace tablet backup.db
wait_for_message tablet 'the database is open again'
wait_for_row office "SELECT 1 FROM note WHERE id = 'c'"
wait_for_sync tablet office
wait_for_row tablet "SELECT 1 FROM note WHERE id = 'b'"

# Away for a while: nothing is made in its place.
mv tablet.db away.db
wait_for_message tablet 'put it back'
sleep 1.5 # it looks each second
[ ! -e tablet.db ] || fail "an empty database was made"
mv away.db tablet.db
wait_for_message tablet 'the database is open again' 2
sql tablet "INSERT INTO note VALUES ('d', 'after it was away')"
wait_for_row office "SELECT 1 FROM note WHERE id = 'd'"

# The server's, by a copy of itself.
sql office "VACUUM INTO 'copy.db'"
replace office copy.db
wait_for_message office 'the database is open again'
sql office "INSERT INTO note VALUES ('e', 'into the new file')"
wait_for_row tablet "SELECT 1 FROM note WHERE id = 'e'"
sql tablet "INSERT INTO note VALUES ('f', 'to the new file')"
wait_for_row office "SELECT 1 FROM note WHERE id = 'f'"
settled office tablet
