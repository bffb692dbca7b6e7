#!/bin/bash
# 01: two devices that hold different halves of a shop meet at a server that has none of it: first one that
# has the schema, then one that has not even that and makes the tables as they are offered.  What both have
# is no conflict.  K10, K14, O12 (rows from before Mantis), D12.
. "${0%/*}/functions.sh"
requires xzcat
requires_shared data/chinook/chinook-sqlite.sql.xz

xzcat "$shared/data/chinook/chinook-sqlite.sql.xz" | sqlite3 all.db > loaded
# Half NAME with PARITY: artists, albums and tracks, customers and invoices, odd or even; the rest is in both.
half ()
{
  cp all.db "$1.db"
  sql "$1" "DELETE FROM Artist WHERE ArtistId % 2 <> $2; DELETE FROM Album WHERE ArtistId NOT IN (SELECT ArtistId FROM Artist);
    DELETE FROM Track WHERE AlbumId NOT IN (SELECT AlbumId FROM Album);
    DELETE FROM PlaylistTrack WHERE TrackId NOT IN (SELECT TrackId FROM Track);
    DELETE FROM Customer WHERE CustomerId % 2 <> $2; DELETE FROM Invoice WHERE CustomerId NOT IN (SELECT CustomerId FROM Customer);
    DELETE FROM InvoiceLine WHERE InvoiceId NOT IN (SELECT InvoiceId FROM Invoice) OR TrackId NOT IN (SELECT TrackId FROM Track)"
}

# both NAME: what the server has to hold when it has heard of both halves.
half odd 1
half even 0
tables all | while IFS= read -r table; do
  echo "INSERT OR IGNORE INTO \"$table\" SELECT * FROM half.\"$table\";"
done > union.sql
cp odd.db both.db
{ echo "ATTACH 'even.db' AS half; BEGIN;"; cat union.sql; echo "COMMIT;"; } | sqlite3 both.db

meet ()
{
  start_mantisd "$1" --mode server
  cp odd.db "till$1.db"
  cp even.db "tablet$1.db"
  start_mantisd "till$1" --mode client
  start_mantisd "tablet$1" --mode client
  wait_for_sync "$1" both
  settled "$1" "till$1" "tablet$1"
  [ "$(kept "$1")" = 0 ] || fail "conflicts between equal rows"
  stop_mantisd "till$1"
  stop_mantisd "tablet$1"
  stop_mantisd "$1"
}

sqlite3 all.db .schema | grep -v sqlite_sequence | sqlite3 empty.db
meet empty

port=$(free_port)
cat > nothing.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "nothing.db"}, "create_tables": true,
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}]}
END
meet nothing
