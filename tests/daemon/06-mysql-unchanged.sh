#!/bin/bash
# 06: with "skip_unchanged" an UPDATE that changes nothing makes no version and sends no row (C28); one that changes
# anything does, where the engine's comparison calls it equal, too, and while columns come and go with no mantisd there.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
TZ=CET-1CEST,M3.5.0,M10.5.0/3 start_mariadb shop
sed -i 's/"plugin": "mysql",/"plugin": "mysql", "skip_unchanged": ["all_*"],/' shop.json
maria "SET time_zone = '+00:00'; CREATE TABLE all_types (id INT PRIMARY KEY, i BIGINT, u BIGINT UNSIGNED, d DECIMAL(10,2), r DOUBLE, f FLOAT, bits BIT(5), v VARCHAR(20), t TEXT, c CHAR(5),
    e ENUM('a','b'), s SET('x','y'), j JSON, b BLOB, n VARBINARY(9), at DATETIME(6), ts TIMESTAMP NULL, other TIMESTAMP NULL, da DATE, ti TIME(3), y YEAR, twice BIGINT AS (i * 2));
  CREATE TABLE all_kept (id INT PRIMARY KEY, v VARCHAR(20));
  CREATE TRIGGER keeps BEFORE UPDATE ON all_kept FOR EACH ROW SET NEW.v = 'kept';
  CREATE TABLE plain (id INT PRIMARY KEY, v VARCHAR(20));
  INSERT INTO all_types (id, i, u, d, r, f, bits, v, t, c, e, s, j, b, n, at, ts, other, da, ti, y) VALUES
    (1, 5, 18446744073709551615, 1.50, 0.0, 0.1, 3, 'word', 'text', 'ch', 'a', 'x,y', '{\"a\": 1}', x'00ff', x'01', '2026-01-02 03:04:05.123456', '2026-10-25 00:30', '2026-10-25 01:30',
     '2026-01-02', '10:11:12.5', 2026), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
  INSERT INTO all_kept VALUES (1, 'kept');
  INSERT INTO plain VALUES (1, 'same')"
start_mantisd shop --mode server
start_mantisd tablet --mode client
wait_for_maria tablet

versions ()
{
  maria "SELECT (SELECT count(*) FROM __sync_log) + (SELECT count(*) FROM __sync_outbox)"
}

before=$(versions)
while IFS= read -r statement; do
  maria "$statement" || fail "MariaDB refuses: $statement"
  [ "$(versions)" = "$before" ] || fail "made a version: $statement"
done << 'END'
UPDATE all_types SET i = i, r = r, v = v
UPDATE all_types SET i = 5, u = 18446744073709551615, d = 1.5, r = 0, f = 0.1, bits = 3, v = 'word', t = 'text', c = 'ch', e = 'a', s = 'x,y', j = '{"a": 1}' WHERE id = 1
UPDATE all_types SET b = x'00ff', n = x'01', at = '2026-01-02 03:04:05.123456', ts = ts, da = '2026-01-02', ti = '10:11:12.5', y = 2026 WHERE id = 1
INSERT INTO all_types (id, i) VALUES (1, 7) ON DUPLICATE KEY UPDATE v = 'word'
END
maria "UPDATE plain SET v = 'same'"
[ "$(versions)" = $((before + 1)) ] || fail "a table that is not among them is told as ever"

# In that zone ts and other are both 02:30, an hour apart.
while IFS= read -r statement; do
  before=$(versions)
  maria "$statement" || fail "MariaDB refuses: $statement"
  [ "$(versions)" = $((before + 1)) ] || fail "made no version: $statement"
done << 'END'
UPDATE all_types SET r = 0.1 WHERE id = 1
UPDATE all_types SET r = 0.1e0 + 2e-17 WHERE id = 1
UPDATE all_types SET f = 0.10000001 WHERE id = 1
UPDATE all_types SET v = 'Word' WHERE id = 1
UPDATE all_types SET v = 'Word ' WHERE id = 1
UPDATE all_types SET v = 'Wörd' WHERE id = 1
UPDATE all_types SET e = 'b' WHERE id = 1
UPDATE all_types SET s = 'y' WHERE id = 1
UPDATE all_types SET j = '{"a":1}' WHERE id = 1
UPDATE all_types SET b = x'00fe' WHERE id = 1
UPDATE all_types SET ts = other WHERE id = 1
UPDATE all_types SET at = '2026-01-02 03:04:05.123457' WHERE id = 1
UPDATE all_types SET i = 0 WHERE id = 2
UPDATE all_types SET v = '' WHERE id = 2
UPDATE all_types SET v = NULL WHERE id = 2
END
wait_for_maria tablet

# What a device sends gets its version, though MariaDB makes of it what there was.
before=$(versions)
sql tablet "UPDATE all_kept SET v = 'mine'"
wait_for_maria tablet
[ "$(versions)" -gt "$before" ] || fail "what a device sent has no version"

# Nobody is there to make the trigger anew.
kill_mantisd shop
maria "ALTER TABLE all_types DROP COLUMN y, ADD COLUMN late INT DEFAULT 1"
maria "UPDATE all_types SET late = 2 WHERE id = 1" || fail "an UPDATE fails as a column is gone"
maria "UPDATE all_types SET i = 6 WHERE id = 1"
sql tablet "ALTER TABLE all_types DROP COLUMN y"
sql tablet "ALTER TABLE all_types ADD COLUMN late INTEGER DEFAULT 1"
launch shop --config shop.json
wait_for_maria tablet
[ "$(sql tablet "SELECT late, i FROM all_types WHERE id = 1")" = "2|6" ] || fail "$(sql tablet "SELECT late, i FROM all_types WHERE id = 1")"
