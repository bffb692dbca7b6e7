#!/bin/bash
# 02: a full disk: under a client that takes in rows (O9), under an application that writes (C8), under the server
# (503, nothing acknowledged that is not there).  Each says so, loses nothing, and goes on when there is room.
. "${0%/*}/functions.sh"
[ "$(id -u)" = 0 ] || skip "only root can mount a small file system"
mkdir small
mount -t tmpfs -o size=1500k mantis-test small 2> /dev/null || skip "a tmpfs cannot be mounted here"
cleanup_fn "umount -l '$work/small'"

schema="CREATE TABLE note (id INTEGER PRIMARY KEY, body BLOB); CREATE TABLE line (id INTEGER PRIMARY KEY, note INTEGER REFERENCES note)"
many="BEGIN; WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 3000) INSERT INTO note SELECT k, randomblob(1000) FROM k;
  INSERT INTO line SELECT id, id FROM note; COMMIT"
# room NAME: give the small disk enough of it.
room ()
{
  mount -o remount,size=60m small
}

# ---- The client ----------------------------------------------------------------------------------------
ln -s small/tablet.db tablet.db
sql office "$schema"
start_mantisd office --mode server
configure_client tablet
sed -i 's|"tablet.db"|"small/tablet.db"|' tablet.json
start_mantisd tablet --mode client
settled office tablet
sql tablet "INSERT INTO note VALUES (-1, 'written before')"
sql office "$many"
wait_for_message tablet 'full'
has_message tablet 'all is well again' && fail "what is well?"
alive tablet || fail "the client gave up"
[ "$(sql tablet "SELECT count(*) FROM line WHERE note NOT IN (SELECT id FROM note)")" = 0 ] || fail "half a transaction"
wait_for_row office "SELECT 1 FROM note WHERE id = -1"
# The application finds no room either: it is told, and nothing of it is half there.
sqlite3 -bail tablet.db "BEGIN; INSERT INTO note SELECT 5000 + key, randomblob(4000) FROM json_each('[' || substr(replace(hex(zeroblob(600)), '00', ',1'), 2) || ']'); COMMIT" \
  2> app.err && fail "the application wrote to a full disk"
grep -qi 'full\|I/O' app.err || fail "the application was told: $(cat app.err)"
[ "$(sql tablet "SELECT count(*) FROM note WHERE id >= 5000")" = 0 ] || fail "half of the application's transaction"
room
ctl tablet sync > /dev/null || true
settled office tablet

# ---- A file that may not grow ----------------------------------------------------------------------------
# The application's own limit: its insert fails in the trigger as well as in the table, never in silence.
pages=$(sql tablet "PRAGMA page_count")
sqlite3 -bail tablet.db "PRAGMA max_page_count = $pages" "INSERT INTO note SELECT 7000 + id, randomblob(3000) FROM note WHERE id > 0" 2> app.err > /dev/null &&
  fail "the application wrote to a file that may not grow"
sqlite3 tablet.db "PRAGMA max_page_count = $pages" "INSERT INTO line VALUES (900000, 1)" > /dev/null 2>&1 || true
settled office tablet
stop_mantisd tablet
stop_mantisd office

# ---- The server ------------------------------------------------------------------------------------------
umount -l small
mount -t tmpfs -o size=1500k mantis-test small
rm -f office.db* tablet.db* office.json tablet.json tablet.token curl.token jwt.key
ln -s small/office.db office.db
port=$(free_port)
configure_server office
sed -i 's|"office.db"|"small/office.db"|' office.json
sql tablet "$schema"
sql office "$schema"
start_mantisd office --mode server
start_mantisd tablet --mode client
settled office tablet
sql tablet "$many"
wait_for_message tablet 'the server answers 5'
alive office || fail "the server gave up"
[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/healthz")" = 200 ] || fail "healthz of a server with a full disk"
[ "$(sql office "SELECT count(*) FROM line WHERE note NOT IN (SELECT id FROM note)")" = 0 ] || fail "half a transaction on the server"
room
ctl tablet sync > /dev/null || true
settled office tablet
[ "$(sql office "SELECT count(*) FROM note")" = 3000 ] || fail "not all arrived"
[ "$(kept office) $(kept tablet)" = "0 0" ] || fail "a full disk is no conflict"
stop_mantisd tablet
stop_mantisd office
