#!/bin/bash
# 06: whatever another program does to MariaDB reaches the device: every kind of statement, cascades at any depth, the
# application's triggers (C26, C28); and what no trigger sees is noticed and healed: TRUNCATE, dropped triggers,
# swapped tables, columns that come and go (C27, C29, C30).
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop --secure-file-priv= --local-infile=1
maria "
CREATE TABLE firm (id INT PRIMARY KEY, code VARCHAR(10) NOT NULL UNIQUE);
CREATE TABLE site (id INT PRIMARY KEY, firm INT, name VARCHAR(20), FOREIGN KEY (firm) REFERENCES firm (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE room (site INT, nr INT, note VARCHAR(20), PRIMARY KEY (site, nr),
  FOREIGN KEY (site) REFERENCES site (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE seat (id INT PRIMARY KEY, site INT, nr INT, code VARCHAR(10),
  FOREIGN KEY (site, nr) REFERENCES room (site, nr) ON DELETE SET NULL ON UPDATE CASCADE,
  FOREIGN KEY (code) REFERENCES firm (code) ON UPDATE CASCADE ON DELETE SET NULL);
CREATE TABLE tree (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES tree (id) ON DELETE CASCADE);
CREATE TABLE stock (id INT PRIMARY KEY, n INT NOT NULL);
CREATE TABLE sale (id INT PRIMARY KEY, stock INT NOT NULL, n INT NOT NULL, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
CREATE TRIGGER sell AFTER INSERT ON sale FOR EACH ROW UPDATE stock SET n = n - NEW.n WHERE id = NEW.stock;
INSERT INTO firm VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO site VALUES (10, 1, 'x'), (11, 1, 'y'), (20, 2, 'z');
INSERT INTO room VALUES (10, 1, ''), (10, 2, ''), (11, 1, ''), (20, 1, '');
INSERT INTO seat VALUES (100, 10, 1, 'a'), (101, 10, 2, 'b'), (102, 20, 1, 'b');
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, 3), (5, 4), (6, 1);
INSERT INTO stock VALUES (1, 100), (2, 100)"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet

# Each of these alone, with what it does to others.
while IFS= read -r statement; do
  maria "$statement" || fail "MariaDB refuses: $statement"
  wait_for_maria tablet
  echo "arrived: $statement"
done << 'END'
UPDATE firm SET code = 'bb' WHERE id = 2
UPDATE site SET id = 19 WHERE id = 20
DELETE FROM firm WHERE id = 1
DELETE FROM tree WHERE id = 1
REPLACE INTO firm VALUES (7, 'c')
INSERT INTO firm VALUES (7, 'cc') ON DUPLICATE KEY UPDATE code = 'ccc'
UPDATE firm, site SET firm.code = 'd', site.name = 'dd' WHERE site.firm = firm.id
INSERT INTO sale (id, stock, n) VALUES (1, 1, 5), (2, 2, 6)
UPDATE sale SET n = 7 WHERE id = 1
DELETE sale, stock FROM sale JOIN stock ON sale.stock = stock.id WHERE stock.id = 2
INSERT IGNORE INTO firm VALUES (7, 'no'), (8, 'h')
END

printf '30\tone\n31\ttwo\n' > "$maria_folder/rows"
chmod 644 "$maria_folder/rows"
maria "LOAD DATA INFILE '$maria_folder/rows' INTO TABLE firm"
wait_for_maria tablet

# What no trigger sees.
maria "TRUNCATE seat"
wait_for_maria tablet
maria "DROP TRIGGER __sync_$(maria "SELECT id FROM __sync_tables WHERE name = 'stock'")_upd; UPDATE stock SET n = 55"
wait_for_maria tablet
has_message shop "table \"stock\": writes may have gone unseen" || fail "the lost trigger is not named"
maria "CREATE TABLE stock_new LIKE stock; INSERT INTO stock_new SELECT id, n + 1 FROM stock; INSERT INTO stock_new VALUES (9, 9);
  RENAME TABLE stock TO stock_old, stock_new TO stock; DROP TABLE stock_old"
wait_for_maria tablet
maria "ALTER TABLE stock ADD COLUMN place VARCHAR(20) DEFAULT 'shelf'"
sql tablet "ALTER TABLE stock ADD COLUMN place VARCHAR(20) DEFAULT 'shelf'"
maria "UPDATE stock SET place = 'cellar' WHERE id = 9"
wait_for_maria tablet
maria "ALTER TABLE seat DROP FOREIGN KEY seat_ibfk_2, DROP COLUMN code; INSERT INTO seat (id) VALUES (500)" || fail "a dropped column"
sql tablet "CREATE TABLE seat_new (id INTEGER NOT NULL, site INTEGER, nr INTEGER, PRIMARY KEY (id)); INSERT INTO seat_new SELECT id, site, nr FROM seat;
  DROP TABLE seat; ALTER TABLE seat_new RENAME TO seat"
wait_for_maria tablet
sql tablet "UPDATE stock SET n = 1000 WHERE id = 9"
wait_for_maria tablet
