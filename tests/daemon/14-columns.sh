#!/bin/bash
# 14: columns that a principal may not see stay on the server, and what it pushes to them, or to those that it may only read, is
# rejected by the column's name while the rest stands; roles exempt, as text and in arrays; with another role the
# column comes and goes.
. "${0%/*}/functions.sh"
requires python3

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}],
 "tables": {"*": {}, "items": {"filters": [
   {"plugin": "columns", "hide": ["cost"], "read_only": ["price"], "unless": {"role": "manager|owner"}}]},
   "codes": {"filters": [{"plugin": "columns", "hide": ["code"], "unless": {"role": "manager|owner"}}]}}}
END
codes="CREATE TABLE codes (id INTEGER PRIMARY KEY, name TEXT UNIQUE, code TEXT UNIQUE); CREATE UNIQUE INDEX spelt ON codes (lower(code))"
sql office "$codes; INSERT INTO codes VALUES (1, 'a', 'secret-a'), (2, 'b', 'secret-b'), (3, 'c', 'secret-c'), (4, 'd', 'secret-d')"
sql till "$codes"
sql office "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, price INTEGER NOT NULL DEFAULT 0, cost TEXT);
  INSERT INTO items VALUES (1, 'tea', 5, 'secret-1'), (2, 'milk', 2, 'secret-2')"
start_mantisd office --mode server
for who in till boss; do
  configure_client $who
done
token_with '{"sub": "till", "role": "cashier"}' > till.token
token_with '{"sub": "boss", "roles": ["cashier", "manager"]}' > boss.token
start_mantisd boss --mode client
start_mantisd till --mode client
wait_for_row till "SELECT 1 FROM items WHERE id = 2 AND price = 2"
settled office boss
sql office "UPDATE items SET cost = 'secret-3', name = 'green tea' WHERE id = 1"
wait_for_row till "SELECT 1 FROM items WHERE name = 'green tea'"
ctl till sync > /dev/null

# What a till writes.
sql till "UPDATE items SET name = 'black tea' WHERE id = 1; UPDATE items SET price = 1 WHERE id = 2; INSERT INTO items (id, name) VALUES (3, 'cake')"
wait_for_row office "SELECT 1 FROM items WHERE id = 1 AND name = 'black tea' AND cost = 'secret-3' AND price = 5"
wait_for_row office "SELECT 1 FROM items WHERE id = 3 AND name = 'cake' AND price = 0"
quiet till
wait_for_row till "SELECT 1 FROM items WHERE id = 2 AND price = 2"
[ "$(sql office "SELECT price FROM items WHERE id = 2")" = 2 ] || fail "a price was written"
sql till "SELECT reason FROM __sync_conflicts WHERE outcome = 'rejected'" | grep -qF '"price"' ||
  fail "the column is not named: $(sql till "SELECT * FROM __sync_conflicts")"

# Without mantisd: one that it must not know of, by name, with the rest of the batch standing.
till () # BLOCK
{
  curl -sS -m "$patience" -X POST -H "Authorization: Bearer $(cat till.token)" "http://127.0.0.1:$port/sync/push" -d "{\"changes\": [$1]}"
}
said=$(till '{"table": "items", "columns": ["id", "name"], "rows": [[4, "bread"]]}, {"table": "items", "columns": ["id", "name", "cost"], "rows": [[5, "salt", "mine"]]}')
grep -qF '"cost\"' <<< "$said" || fail "the column is not named: $said"
[ "$(sql office "SELECT count(*), sum(cost = 'mine') FROM items WHERE id IN (4, 5)")" = "1|" ] ||
  fail "the office has $(sql office "SELECT * FROM items")"
case $said in *secret*) fail "it is told: $said" ;; esac

# What a manager writes.
wait_for_row boss "SELECT 1 FROM items WHERE id = 4"
sql boss "UPDATE items SET price = 9, cost = 'new' WHERE id = 4"
wait_for_row office "SELECT 1 FROM items WHERE id = 4 AND price = 9 AND cost = 'new'"
wait_for_row till "SELECT 1 FROM items WHERE id = 4 AND price = 9"
stop_mantisd till
! grep -qa secret till.db* || fail "a hidden column came to the till"

# Another role: the column is there, as if it were new, and once the application has it too, all is.
# A row that waits to be sent says nothing of it.
token_with '{"sub": "till", "role": ["owner"]}' > till.token
sql till "UPDATE items SET name = 'red tea' WHERE id = 1"
start_mantisd till --mode client
wait_for_message till 'table "items" is paused: column "cost" is only on the server'
sql till "ALTER TABLE items ADD COLUMN cost TEXT"
settled office till boss
[ "$(sql office "SELECT name, cost FROM items WHERE id = 1")" = "red tea|secret-3" ] || fail "a column was emptied: $(sql office "SELECT * FROM items")"

# And back: nothing of it comes any more, and what the application has in it stays there, and stays as it is.
stop_mantisd till
token_with '{"sub": "till"}' > till.token
sql till "UPDATE items SET cost = 'of the till', name = 'white tea' WHERE id = 1; INSERT INTO items VALUES (6, 'rice', 0, 'its own')"
start_mantisd till --mode client
wait_for_row office "SELECT 1 FROM items WHERE id = 1 AND name = 'white tea' AND cost = 'secret-3'"
wait_for_row office "SELECT 1 FROM items WHERE id = 6 AND cost IS NULL"
sql office "UPDATE items SET cost = 'secret-4', name = 'oolong' WHERE id = 1; INSERT INTO items VALUES (7, 'corn', 1, 'secret-5')"
wait_for_row till "SELECT 1 FROM items WHERE name = 'oolong' AND cost = 'of the till'"
wait_for_row till "SELECT 1 FROM items WHERE id = 7 AND cost IS NULL"
quiet till
stop_mantisd till
sql till "INSERT INTO items VALUES (8, 'oats', 0, 'kept here')"
start_mantisd till --mode client
wait_for_row office "SELECT 1 FROM items WHERE id = 8 AND cost IS NULL"
stop_mantisd till
! grep -qa -e secret-4 -e secret-5 till.db* || fail "a hidden column came to the till"
[ "$(grep -c 'paused: column' till.log)" = 1 ] || fail "it was paused: $(grep 'is paused' till.log)"

# What the application keeps unique in a hidden column removes rows, and that is no secret; else nothing enters the log for it.
sql till "UPDATE codes SET code = 'x' WHERE id = 1; UPDATE OR REPLACE codes SET code = 'x' WHERE id = 2; INSERT INTO codes VALUES (5, 'e', NULL)"
[ "$(sql till "SELECT count(*) FROM __sync_log WHERE op = 'E' AND k0 <> 1")" = 0 ] || fail "the log has $(sql till "SELECT * FROM __sync_log")"
sql office "DELETE FROM codes WHERE id = 3"

# Shown again, all of it is as the server has it, also in rows that wait to be sent; where no row can be made without it, the
# table waits, and says why.
token_with '{"sub": "till", "role": ["owner"]}' > till.token
sql till "UPDATE items SET name = 'maize' WHERE id = 7; UPDATE items SET cost = 'ours', price = 6 WHERE id = 1; INSERT INTO items VALUES (9, 'rye', 0, 'new here')"
start_mantisd till --mode client
settled office till boss
[ "$(sql office "SELECT * FROM codes" | paste -sd ' ')" = "2|b|secret-b 4|d|secret-d 5|e|" ] || fail "the codes are $(sql office "SELECT * FROM codes")"
! grep -F 'writes may have gone unseen' till.log || fail "Mantis takes itself for somebody else"
[ "$(sql office "SELECT name, price, cost FROM items WHERE id IN (1, 7, 9) ORDER BY id" | paste -sd ' ')" = "oolong|6|secret-4 maize|1|secret-5 rye|0|new here" ] ||
  fail "a column was overwritten: $(sql office "SELECT * FROM items")"
[ "$(sql till "SELECT json_extract(loser, '\$.cost'), json_extract(winner, '\$.cost') FROM __sync_conflicts WHERE tbl = 'items' AND reason LIKE '%hid the column'")" = "ours|secret-4" ] ||
  fail "what was written there is lost: $(sql till "SELECT * FROM __sync_conflicts")"
stop_mantisd till
token_with '{"sub": "till"}' > till.token
sql till "CREATE TABLE copy (id INTEGER PRIMARY KEY, name TEXT, price INTEGER NOT NULL DEFAULT 0, cost TEXT NOT NULL);
  INSERT INTO copy SELECT id, name, price, coalesce(cost, '') FROM items; DROP TABLE items; ALTER TABLE copy RENAME TO items"
start_mantisd till --mode client
wait_for_message till 'table "items" is paused: column "cost" is hidden from this device, and NOT NULL without a default here'
ctl till sync | grep -qx 'Table "items" is paused: column "cost" is hidden .*' || fail "sync says nothing of it: $(ctl till sync)"
