#!/bin/bash
# 01: Chinook for MySQL on the server: empty devices pull everything; the office edits with MariaDB's client, the devices
# with sqlite3, online and offline, until all hold the same values.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3 xzcat
requires_shared data/chinook/chinook-mysql.sql.xz
start_mariadb Chinook
xzcat "$shared/data/chinook/chinook-mysql.sql.xz" | grep -v -i -E '^ *(DROP DATABASE|CREATE DATABASE|USE )' > chinook.sql
mariadb_do "$maria_folder" Chinook < chinook.sql || fail "Chinook is not taken"
start_mantisd Chinook --mode server
start_mantisd tablet --mode client
start_mantisd till --mode client
wait_for_maria tablet till
[ "$(sql tablet "SELECT count(*) FROM Track")" = 3503 ] || fail "not all tracks"

# All three write.
maria "UPDATE Track SET UnitPrice = UnitPrice * 1.1 WHERE GenreId = 3; DELETE FROM PlaylistTrack WHERE PlaylistId = 5 AND TrackId % 2 = 0;
  INSERT INTO Artist (ArtistId, Name) VALUES (1000, 'Émile & Söhne')"
sql tablet "UPDATE Customer SET Company = 'Émile & Söhne', Fax = NULL WHERE CustomerId % 3 = 0;
  INSERT INTO Playlist VALUES (500, 'tablet'); INSERT INTO PlaylistTrack SELECT 500, TrackId FROM Track WHERE TrackId <= 200"
sql till "UPDATE Invoice SET BillingCity = 'Köln' WHERE InvoiceId % 7 = 0; DELETE FROM PlaylistTrack WHERE PlaylistId = 1 AND TrackId < 300"
wait_for_maria tablet till

# The same rows on both sides, while the till is away.
stop_mantisd till
sql till "UPDATE Track SET Name = Name || ' (till)' WHERE TrackId BETWEEN 1 AND 40; UPDATE Employee SET ReportsTo = 1 WHERE EmployeeId > 5"
maria "UPDATE Track SET Name = concat(Name, ' (office)') WHERE TrackId BETWEEN 21 AND 60; UPDATE Employee SET Title = 'Boss' WHERE EmployeeId = 1"
sql tablet "UPDATE Track SET Composer = 'nobody' WHERE TrackId BETWEEN 31 AND 80"
wait_for_maria tablet
start_mantisd till --mode client
wait_for_maria tablet till
quiet tablet till
[ "$(maria "SELECT count(*) > 0 FROM __sync_conflicts")" = 1 ] || fail "no conflict was kept"

# An empty device gets all of it.
start_mantisd phone --mode client
wait_for_maria tablet till phone
