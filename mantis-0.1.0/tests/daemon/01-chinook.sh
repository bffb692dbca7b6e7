#!/bin/bash
# 01: a real shop (Chinook: 11 tables, 15,607 rows, foreign keys) on a server; two empty devices get all of
# it; then all three write, offline and online, with plain sqlite3, until they are the same row for row.
# K16 (parent deleted here, child added there), K14, C16 (PlaylistTrack), R14, R24, K10.
. "${0%/*}/functions.sh"
requires xzcat
requires_shared data/chinook/chinook-sqlite.sql.xz

xzcat "$shared/data/chinook/chinook-sqlite.sql.xz" | sqlite3 office.db > loaded
start_mantisd office --mode server
start_mantisd till --mode client
start_mantisd tablet --mode client
settled office till tablet
[ "$(sql tablet "SELECT count(*) FROM Track")" = 3503 ] || fail "not all tracks"

# order NAME FIRST: three invoices with four lines each, the total made by the database; ids from FIRST on.
order ()
{
  sql "$1" "PRAGMA foreign_keys = ON; BEGIN IMMEDIATE;
    WITH n(i) AS (VALUES (0), (1), (2)) INSERT INTO Invoice SELECT $2 + i, 1 + ($2 + i) % 59, datetime('now'), 'Straße ' || i,
      'Košice', NULL, 'Slovakia', NULL, 0 FROM n;
    INSERT INTO InvoiceLine SELECT 10 * InvoiceId + t, InvoiceId, 1 + (InvoiceId * 7 + t * 13) % 3503, 0.99 + t, t + 1
      FROM Invoice, (SELECT 0 AS t UNION SELECT 1 UNION SELECT 2 UNION SELECT 3) WHERE InvoiceId BETWEEN $2 AND $2 + 2;
    UPDATE Invoice SET Total = (SELECT sum(UnitPrice * Quantity) FROM InvoiceLine l WHERE l.InvoiceId = Invoice.InvoiceId)
      WHERE InvoiceId BETWEEN $2 AND $2 + 2;
    COMMIT"
}

# Online: everybody at once.
order till 100000 & a=$!
order tablet 200000 & b=$!
order office 300000
wait $a $b
sql till "DELETE FROM PlaylistTrack WHERE PlaylistId = 5 AND TrackId % 2"
sql office "UPDATE Track SET UnitPrice = UnitPrice * 1.1 WHERE GenreId = 3"
sql tablet "UPDATE Customer SET Company = 'Émile & Söhne', Fax = NULL WHERE CustomerId % 3 = 0"
settled office till tablet
[ "$(kept office)" = 0 ] || fail "conflicts though nobody wrote what another wrote"

# Offline: the till's Mantis is not running; the tablet's is, but the server is not.
stop_mantisd till
kill_mantisd office
order till 110000
order tablet 210000
order office 310000
sql till "UPDATE Track SET Name = Name || ' (till)' WHERE TrackId BETWEEN 1 AND 40; UPDATE Employee SET ReportsTo = 1 WHERE EmployeeId > 5"
sql tablet "UPDATE Track SET Name = Name || ' (tablet)' WHERE TrackId BETWEEN 21 AND 60; DELETE FROM PlaylistTrack WHERE PlaylistId = 8 AND TrackId < 500"
sql office "UPDATE Track SET Name = Name || ' (office)' WHERE TrackId BETWEEN 31 AND 70; REPLACE INTO Genre VALUES (1, 'Röck')"
# The till deletes invoices with their lines, the tablet adds lines to them.
sql till "PRAGMA foreign_keys = ON; DELETE FROM InvoiceLine WHERE InvoiceId < 9; DELETE FROM Invoice WHERE InvoiceId < 9"
sql tablet "PRAGMA foreign_keys = ON; INSERT INTO InvoiceLine SELECT 900000 + InvoiceId, InvoiceId, 1, 0.5, 1 FROM Invoice WHERE InvoiceId < 12"
start_mantisd office --mode server
start_mantisd till --mode client
settled office till tablet

[ "$(sql office "SELECT count(*) FROM Invoice WHERE InvoiceId >= 100000")" = 18 ] || fail "orders are missing"
[ "$(sql tablet "SELECT count(*) FROM InvoiceLine WHERE InvoiceId >= 100000")" = 72 ] || fail "lines of orders are missing"
[ -z "$(sql till "SELECT InvoiceId FROM Invoice i WHERE InvoiceId >= 100000 AND abs(Total - (SELECT sum(UnitPrice * Quantity)
  FROM InvoiceLine l WHERE l.InvoiceId = i.InvoiceId)) > 0.001")" ] || fail "totals do not fit their lines"
# Loses nothing: whoever was beaten on a track is kept with what it wrote.
for wrote in "till 25" "tablet 25" "till 35" "tablet 35" "office 35" "tablet 45" "office 45" "tablet 55" "office 55"; do
  read -r who id <<< "$wrote"
  [ "$(sql office "SELECT (SELECT count(*) FROM Track WHERE TrackId = $id AND Name LIKE '%($who)')
    + (SELECT count(*) FROM __sync_conflicts WHERE tbl = 'Track' AND key = '[$id]' AND loser LIKE '%($who)%')")" -ge 1 ] ||
    fail "what $who wrote to track $id is nowhere"
done
# Lines that were added to a deleted invoice stand, with their invoice, or are kept.
for id in 1 8; do
  [ "$(sql office "SELECT (SELECT count(*) FROM InvoiceLine WHERE InvoiceLineId = 900000 + $id)
    + (SELECT count(*) FROM __sync_conflicts WHERE key = '[' || (900000 + $id) || ']')")" -ge 1 ] || fail "line 90000$id is nowhere"
done
