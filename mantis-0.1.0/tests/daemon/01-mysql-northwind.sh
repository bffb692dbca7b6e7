#!/bin/bash
# 01: Northwind for MySQL (latin1 and utf8, LONGBLOB, DECIMAL(19,4), foreign keys) comes to an empty device as it is,
# and edits of both sides meet.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3 zcat
requires_shared data/northwind/mywind-northwind.sql.gz
start_mariadb northwind
zcat "$shared/data/northwind/mywind-northwind.sql.gz" "$shared/data/northwind/mywind-northwind-data.sql.gz" |
  grep -v -i -E '^ *(DROP SCHEMA|DROP DATABASE|CREATE SCHEMA|CREATE DATABASE)' > northwind.sql
mariadb_do "$maria_folder" northwind < northwind.sql || fail "Northwind is not taken"
start_mantisd northwind --mode server
start_mantisd tablet --mode client
wait_for_maria tablet
[ "$(sql tablet "SELECT count(*) FROM customers")" = 29 ] || fail "not all customers"
maria "UPDATE orders SET shipping_fee = shipping_fee + 0.0001; UPDATE customers SET city = 'Zürich', attachments = x'00ff10' WHERE id < 5"
sql tablet "UPDATE products SET list_price = '12.3456' WHERE id % 2 = 0; UPDATE employees SET notes = 'Käse 🧀' WHERE id = 3"
wait_for_maria tablet
quiet tablet
head=$(maria "SELECT max(seq) FROM __sync_log")
ctl tablet sync > /dev/null
quiet tablet
[ "$(maria "SELECT max(seq) FROM __sync_log")" = "$head" ] || fail "rows travel though nobody wrote"
