#!/bin/bash
# 08: the policy "version" with the rows in MariaDB: equal rows of before are no conflict, and merge from then on (K10);
# columns that one side changed are merged in either order of arrival, INT, DECIMAL of both kinds, BIGINT UNSIGNED on either side of 2^63
# and DOUBLE are added, DATETIME and TIMESTAMP take the later and the earlier one, groups stand as one (K11), what lost is kept (K12), a
# deletion meets an edit as the configuration says (K6), what a CHECK refuses is kept whole (K26), a row of which a column is
# required comes back whole (K25); a program of the office is a side like any other.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
start_mariadb shop
maria "
CREATE TABLE stock (id VARCHAR(9) PRIMARY KEY, title VARCHAR(40), note VARCHAR(40) NOT NULL, start DATE, stop DATE, qty INT CHECK (qty >= 0),
  price DECIMAL(8,2), total DECIMAL(20,4), big BIGINT UNSIGNED, stars DOUBLE, seen DATETIME, made TIMESTAMP(3) NULL, CHECK (start <= stop));
CREATE TABLE plain (id VARCHAR(9) PRIMARY KEY, title VARCHAR(40), note VARCHAR(40) NOT NULL);
CREATE TABLE gone (id VARCHAR(9) PRIMARY KEY, title VARCHAR(40) NOT NULL, note VARCHAR(40));
INSERT INTO stock SELECT id, 'title', 'note', '2026-01-01', '2026-01-09', 10, 10, '10.0000', big, 1, '2026-01-01 00:00:00', '2026-01-01 00:00:00'
  FROM (SELECT 't' AS id, 9223372036854775800 AS big UNION SELECT 'p', 9223372036854775810 UNION SELECT 'seven', 1 UNION SELECT 'office', 1) AS r;
INSERT INTO plain VALUES ('t', 'title', 'note'), ('p', 'title', 'note'); INSERT INTO gone VALUES ('t', 'title', 'note'), ('p', 'title', 'note')"
cat > policies << 'TABLES'
"tables": {"*": {}, "stock": {"conflict_policy": {"plugin": "version", "second": "timestamp", "groups": [["start", "stop"]],
    "columns": {"qty": "add", "price": "add", "total": "add", "big": "add", "stars": "add", "seen": "max", "made": "min"}}},
  "plain": {"conflict_policy": "version"}, "gone": {"conflict_policy": {"plugin": "version", "deletes": "win"}}},
TABLES
sed -i '2r policies' shop.json
# The tablet has equal rows of its own.
sql tablet "CREATE TABLE plain (id TEXT NOT NULL PRIMARY KEY, title TEXT, note TEXT NOT NULL); INSERT INTO plain VALUES ('t', 'title', 'note'), ('p', 'title', 'note')"
start_mantisd shop --mode server
start_mantisd tablet --mode client
start_mantisd phone --mode client

# All are the same, nothing waits, and it stays so; and the devices know what they agreed on.
all_settled ()
{
  local name

  quiet tablet phone
  wait_for_maria tablet phone
  for name in tablet phone; do
    ctl $name sync > /dev/null
    quiet $name
    wait_for "$name to keep what both agreed on" eval "[ \"\$(sql $name \"SELECT (SELECT count(*) FROM __sync_base WHERE row IS NOT NULL)
      = (SELECT count(*) FROM stock) + (SELECT count(*) FROM plain) + (SELECT count(*) FROM gone)\")\" = 1 ]"
  done
  wait_for_maria tablet phone
}
all_settled
[ -z "$(maria "SELECT 1 FROM __sync_conflicts")" ] || fail "equal rows in conflict: $(maria "SELECT * FROM __sync_conflicts")"

both () # ORDER TABLETS-SQL PHONES-SQL
{
  apart "$@"
  all_settled
}
# stands TABLE KEY COLUMNS VALUES
stands ()
{
  local got

  got=$(maria "SELECT concat_ws('|', $3) FROM $1 WHERE id = '$2'")
  [ "$got" = "$4" ] || fail "$1 $2: $3 is \"$got\", not \"$4\""
}
conflicts ()
{
  maria "SELECT count(*) FROM __sync_conflicts WHERE $1"
}

for order in "tablet phone" "phone tablet"; do
  k=${order:0:1}
  both "$order" "UPDATE stock SET title = 'new', qty = qty - 3, price = price - 0.1, total = '9.9', stars = stars - 0.1, seen = '2026-02-02 00:00:00',
      made = '2026-03-03 00:00:00.000', start = '2026-01-03' WHERE id = '$k'; UPDATE plain SET title = 'new' WHERE id = '$k'; UPDATE gone SET title = 'edited' WHERE id = '$k'" \
    "UPDATE stock SET note = 'more', qty = qty - 3, price = price - 0.2, total = '9.8000', stars = stars - 0.2, seen = '2026-02-03 00:00:00',
      made = '2025-12-31 23:59:59.999', stop = '2026-01-08' WHERE id = '$k'; UPDATE plain SET note = 'more' WHERE id = '$k'; DELETE FROM gone WHERE id = '$k'"
  stands stock $k "title, note, qty, price, total, stars" "new|more|4|9.70|9.7000|0.7"
  stands stock $k "start, stop, seen, made" "2026-01-01|2026-01-08|2026-02-03 00:00:00|2025-12-31 23:59:59.999"
  stands plain $k "title, note" "new|more"
  stands gone $k title ""
  [ "$(conflicts "\`key\` = '[\"$k\"]' AND tbl = 'stock' AND base_row LIKE '%\"qty\":10,%' AND concat(loser, winner) LIKE '%\"start\":\"2026-01-03\"%'
      AND concat(loser, winner) LIKE '%2026-02-02%' AND concat(loser, winner) LIKE '%2026-03-03%'")" = 1 ] || fail "$order: what was lost is not found"
  [ "$(conflicts "\`key\` = '[\"$k\"]' AND tbl = 'gone' AND concat(coalesce(loser, ''), coalesce(winner, '')) LIKE '%edited%'")" = 1 ] || fail "$order: the edit of a deleted row"
  [ "$(conflicts "tbl = 'plain'")" = 0 ] || fail "$order: what nobody lost is no conflict"
done

# Across 2^63, up and down: numbers on one side of it, text on the other.  An edit brings back what was deleted, whole.  Who clears a
# number leaves nothing to add to.  What a CHECK refuses of a sum is refused whole, and kept.
both "tablet phone" "UPDATE stock SET big = '9223372036854775812' WHERE id = 't'; UPDATE stock SET big = 9223372036854775800, qty = NULL, price = 1 WHERE id = 'p';
    UPDATE plain SET title = 'kept' WHERE id = 't'; UPDATE stock SET qty = qty - 7, title = 'tablet' WHERE id = 'seven'" \
  "UPDATE stock SET big = '9223372036854775813' WHERE id = 't'; UPDATE stock SET big = '9223372036854775808', qty = 7, price = 2 WHERE id = 'p';
    DELETE FROM plain WHERE id = 't'; UPDATE stock SET qty = qty - 7, note = 'phone' WHERE id = 'seven'"
stands stock t big 9223372036854775825
stands stock p "big, qty, price" "9223372036854775798|7|-6.70"
stands plain t "title, note" "kept|more"
stands stock seven "title, note, qty" "tablet|note|3"
[ "$(sql phone "SELECT json_extract(loser, '\$.note') || json_extract(loser, '\$.qty') FROM __sync_conflicts WHERE outcome = 'rejected' AND reason LIKE '%CONSTRAINT%'")" = phone3 ] ||
  fail "rejected: $(sql phone "SELECT * FROM __sync_conflicts")"
[ "$(conflicts "outcome = 'rejected' AND loser LIKE '%phone%'")" = 1 ] || fail "rejected, at the office"

# The office sells, too.
stop_mantisd tablet
sql tablet "UPDATE stock SET qty = qty - 1, title = 'tablet' WHERE id = 'office'; UPDATE plain SET title = 'tablet' WHERE id = 'p'"
maria "UPDATE stock SET qty = qty - 2, note = 'office', price = 8 WHERE id = 'office'; UPDATE plain SET note = 'office' WHERE id = 'p'"
start_mantisd tablet --mode client
all_settled
stands stock office "title, note, qty, price" "tablet|office|7|8.00"
stands plain p "title, note" "tablet|office"
