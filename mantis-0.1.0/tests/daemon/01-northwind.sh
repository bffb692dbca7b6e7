#!/bin/bash
# 01: a trading company (Northwind: names with spaces, pictures as BLOBs, composite keys, views, CHECKs) on a
# server and two empty devices; all three write.  C16, C22, V8, K26, AUTOINCREMENT.
. "${0%/*}/functions.sh"
requires xzcat
requires_shared data/northwind/northwind-sqlite.sql.xz

xzcat "$shared/data/northwind/northwind-sqlite.sql.xz" | sqlite3 -cmd "PRAGMA synchronous = OFF" office.db > loaded
start_mantisd office --mode server
start_mantisd till --mode client
start_mantisd tablet --mode client
settled office till tablet
[ "$(sql tablet 'SELECT count(*) FROM "Order Details"')" = 2155 ] || fail "not all details"
[ "$(sql till "SELECT sum(length(Picture)) FROM Categories")" = "$(sqlite3 office.db "SELECT sum(length(Picture)) FROM Categories")" ] ||
  fail "pictures"

stop_mantisd tablet
sql tablet "PRAGMA foreign_keys = ON; BEGIN IMMEDIATE;
  INSERT INTO Orders (OrderID, CustomerID, EmployeeID, OrderDate, ShipVia, ShipName) VALUES (20001, 'Val2 ', 1, '2026-01-31', 2, 'O''Brien & \"Søn\"');
  INSERT INTO \"Order Details\" SELECT 20001, ProductID, UnitPrice, 3, 0.15 FROM Products WHERE ProductID < 20;
  UPDATE Products SET UnitsInStock = max(0, UnitsInStock - 3) WHERE ProductID < 20; COMMIT;
  UPDATE Categories SET Picture = randomblob(100000) WHERE CategoryID = 1;
  UPDATE Categories SET Picture = zeroblob(0) WHERE CategoryID = 2;
  UPDATE Categories SET Picture = NULL WHERE CategoryID = 3;
  UPDATE Categories SET Picture = CAST(Picture AS TEXT) WHERE CategoryID = 4"
sql till "INSERT INTO Orders (OrderID, CustomerID) SELECT 30000 + EmployeeID, 'ALFKI' FROM Employees;
  DELETE FROM EmployeeTerritories WHERE EmployeeID = 2; UPDATE Territories SET RegionID = 1 WHERE RegionID = 2;
  UPDATE Customers SET CustomerID = 'ALFK2' WHERE CustomerID = 'WOLZA'; UPDATE Orders SET CustomerID = 'ALFK2' WHERE CustomerID = 'WOLZA'"
sql office "UPDATE \"Order Details\" SET Discount = 1.0 / 3 WHERE Quantity > 100; UPDATE Products SET UnitPrice = 21.35 WHERE ProductID BETWEEN 15 AND 30;
  DELETE FROM \"Order Details\" WHERE OrderID = 10248; DELETE FROM Orders WHERE OrderID = 10248"
start_mantisd tablet --mode client
settled office till tablet
[ "$(sql office 'SELECT count(*) FROM "Order Details" WHERE OrderID = 20001')" = 19 ] || fail "the tablet's order"
[ "$(sql till "SELECT group_concat(typeof(Picture) || length(Picture)) FROM Categories WHERE CategoryID < 3")" = blob100000,blob0 ] || fail "the tablet's pictures"
[ "$(sql tablet "SELECT count(*) FROM Orders WHERE CustomerID = 'ALFK2'")" = 7 ] || fail "orders of the customer whose key changed"
