#!/bin/bash
# 13: the tables that a device makes from a schema of MariaDB mean the same there: keys, NOT NULL, unique keys whose
# collation ignores case, foreign keys with their actions, counted keys, generated columns; what SQLite cannot have is left
# out and named, and stops no other table.  A CHECK is the server's to refuse.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "
CREATE TABLE firm (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE, place VARCHAR(20) COLLATE utf8mb4_bin UNIQUE, turkish VARCHAR(20)
  COLLATE utf8mb4_turkish_ci UNIQUE, code VARCHAR(40), a INT, b INT, part INT, UNIQUE (code(3)), UNIQUE (a, b), KEY (part));
CREATE TABLE site (id INT PRIMARY KEY, firm INT, name VARCHAR(20), part INT, FOREIGN KEY (firm) REFERENCES firm (id) ON DELETE CASCADE ON UPDATE CASCADE,
  FOREIGN KEY (name) REFERENCES firm (name) ON DELETE SET NULL ON UPDATE CASCADE, FOREIGN KEY (part) REFERENCES firm (part));
CREATE TABLE heap (n INT UNIQUE);
CREATE TABLE lone (id INT PRIMARY KEY, heap INT, FOREIGN KEY (heap) REFERENCES heap (n));
CREATE TABLE made (id INT PRIMARY KEY, a INT, b INT, n INT AS (a * 3 + b) UNIQUE, half INT AS (a / 2), name VARCHAR(20) AS (concat(a, 'x')) STORED UNIQUE,
  hidden INT INVISIBLE DEFAULT 3);
CREATE TABLE \`sqlite_odd\` (id INT PRIMARY KEY);
CREATE TABLE tiny (id TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v INT); CREATE TABLE big (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v INT);
CREATE TABLE far (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v INT) AUTO_INCREMENT = 18446744073709551000;
CREATE TABLE old (id INT PRIMARY KEY, v INT, since TIMESTAMP(6) GENERATED ALWAYS AS ROW START, upto TIMESTAMP(6) GENERATED ALWAYS AS ROW END,
  PERIOD FOR SYSTEM_TIME (since, upto)) WITH SYSTEM VERSIONING;
CREATE TABLE worth (id INT PRIMARY KEY, price INT NOT NULL DEFAULT 1, CONSTRAINT dear CHECK (price < 1000));
CREATE SEQUENCE numbers;
INSERT INTO firm (id, name, part) VALUES (1, 'Bob', 5), (2, 'Eve', 6); INSERT INTO site VALUES (1, 1, 'Bob', 5), (2, 1, NULL, 6), (3, 2, 'Eve', NULL);
INSERT INTO made (id, a, b) VALUES (1, 3, 1); INSERT INTO old (id, v) VALUES (1, 1); UPDATE old SET v = 2; INSERT INTO big (v) VALUES (1);
INSERT INTO far VALUES (18446744073709550999, 1)"
sed -i 's/{"mode"/{"create_tables": true, "mode"/' shop.json
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_row tablet "SELECT 1 FROM sqlite_master WHERE name = 'worth'"
wait_for_row tablet "SELECT 1 FROM site WHERE id = 3"
quiet tablet

# like NAME TEXT: the device's table is made with that.
like ()
{
  sql tablet "SELECT sql FROM sqlite_master WHERE name = '$1'" | grep -qF -- "$2" || fail "$1: not \"$2\": $(sql tablet "SELECT sql FROM sqlite_master WHERE name = '$1'")"
}
like firm '"id" INT NOT NULL'
like firm '"name" VARCHAR(20) NOT NULL COLLATE NOCASE'
like firm '"place" VARCHAR(20),'
like firm '"turkish" VARCHAR(20),'
like firm 'UNIQUE ("a", "b")'
like firm 'UNIQUE ("code")'
like site 'FOREIGN KEY ("firm") REFERENCES "firm" ("id") ON DELETE CASCADE ON UPDATE CASCADE'
like site 'FOREIGN KEY ("name") REFERENCES "firm" ("name") ON DELETE SET NULL ON UPDATE CASCADE'
like made '"n" INT GENERATED ALWAYS AS ("a" * 3 + "b") VIRTUAL'
like made '"hidden" INT DEFAULT (3)'
like tiny '"id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT'
like big '"id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT'
like far '"id" BLOB NOT NULL'
[ "$(sql tablet "SELECT group_concat(name) FROM pragma_table_xinfo('made')")" = id,a,b,n,hidden ] || fail "columns: $(sql tablet ".schema made")"
[ "$(sql tablet "SELECT group_concat(name) FROM pragma_table_xinfo('old')")" = id,v ] || fail "columns: $(sql tablet ".schema old")"
[ "$(sql tablet "SELECT n FROM made; SELECT v FROM old; SELECT typeof(id) FROM far" | tr '\n' ' ')" = "10 2 text " ] || fail "values"
for line in 'table "site": made without its foreign key to "firm", where what it refers to is not unique' \
  'table "lone": made without its foreign key to "heap", which is not synced' 'table made: made without the generated column half' \
  'table made: made without the generated column name' 'table "sqlite_odd" is not synced'; do
  has_message tablet "$line" || fail "the device's log does not say: $line"
done

# refuses_both TABLE COLUMNS VALUES: neither side takes such a row.
refuses_both ()
{
  maria "INSERT INTO $1 ($2) VALUES ($3)" 2> /dev/null && fail "MariaDB takes $3 into $1"
  sql tablet "PRAGMA foreign_keys = ON; INSERT INTO $1 ($2) VALUES ($3)" 2> /dev/null && fail "the device takes $3 into $1"
  true
}
refuses_both firm "name" "'no key'"
refuses_both firm "id, name" "NULL, 'no key'"
refuses_both firm "id, name" "1, 'the same key'"
refuses_both firm "id, name" "9, NULL"
refuses_both firm "id" "9"
refuses_both firm "id, name" "9, 'bOB'"
refuses_both site "id, firm" "9, 77"
refuses_both worth "id, price" "9, NULL"

# Both count, a place that may be empty is empty twice, and 'B' and 'b' are two where the column says so.
sql tablet "INSERT INTO tiny (v) VALUES (7); INSERT INTO big (v) VALUES (8); INSERT INTO firm (id, name, place) VALUES (3, 'x', 'B'), (4, 'y', 'b');
  INSERT INTO made (id, a, b) VALUES (2, 1, 1); INSERT INTO worth (id) VALUES (1); INSERT INTO worth VALUES (2, 5000), (3, 999); UPDATE old SET v = 3"
quiet tablet
[ "$(maria "SELECT concat_ws('/', (SELECT v FROM tiny WHERE id = 1), (SELECT v FROM big WHERE id = 2), (SELECT count(*) FROM firm),
  (SELECT concat_ws(' ', n, half, name, hidden) FROM made WHERE id = 2), (SELECT group_concat(id, '=', price ORDER BY id) FROM worth),
  (SELECT v FROM old))")" = 7/8/4/"4 1 1x 3"/1=1,3=999/3 ] || fail "what arrived: $(maria "SELECT * FROM made; SELECT * FROM worth; SELECT * FROM firm")"
[ "$(sql tablet "SELECT key || reason FROM __sync_conflicts")" = "[2]CONSTRAINT \`dear\` failed for \`shop\`.\`worth\`" ] ||
  fail "refused: $(sql tablet "SELECT key, reason FROM __sync_conflicts")"

# Actions of foreign keys: on the device at once, or when the server has acted; nothing is done twice.
sql tablet "PRAGMA foreign_keys = ON; UPDATE site SET part = NULL; UPDATE firm SET name = 'Robert', id = 11 WHERE id = 1"
quiet tablet # an edit of a row that then goes with its parent would be kept as a conflict
sql tablet "DELETE FROM firm WHERE id = 2"
wait_for_row tablet "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM site WHERE id = 3)"
quiet tablet
for side in maria "sql tablet"; do
  found=$($side "SELECT firm.id, firm.name, site.id, site.firm, site.name FROM firm JOIN site ON site.firm = firm.id ORDER BY 3" | tr '\t|\n' ':: ')
  [ "$found" = "11:Robert:1:11:Robert 11:Robert:2:11: " ] || [ "$found" = "11:Robert:1:11:Robert 11:Robert:2:11:NULL " ] || fail "$side: $found"
done
[ "$(kept tablet)" = 1 ] || fail "conflicts: $(sql tablet "SELECT tbl, key, outcome, reason FROM __sync_conflicts")"

# The other way round: what MariaDB has no type for stops no other table, either.
sql tablet "CREATE TABLE odd (id INTEGER PRIMARY KEY, n NUMERIC); CREATE TABLE plain (id TEXT PRIMARY KEY, v TEXT); INSERT INTO plain VALUES ('a', 'b')"
wait_for "the device's table in MariaDB" gives_maria "SELECT 1 FROM plain WHERE id = 'a' AND v = 'b'"
has_message shop 'a table that a client offers is not made: table odd, column n: there is no type here' || fail "the server does not say so"
wait_until tablet 'T["odd"]["state"] == "paused" and T["plain"]["state"] == "live"'
