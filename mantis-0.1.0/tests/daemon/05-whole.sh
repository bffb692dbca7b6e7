#!/bin/bash
# 05: no reader sees half of a transaction over several tables, neither beside a device that receives it nor beside the
# server that a device pushes it to; also not of one with more rows than a message, up to the stated size.  R24, R26.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

# The books: a ledger whose entries add up to each account, orders that know how many lines they have and what these
# come to, and a stamp in each of many rows that every restock writes alike.
schema="CREATE TABLE account (id TEXT PRIMARY KEY, amount INTEGER); CREATE TABLE ledger (id TEXT PRIMARY KEY, account TEXT REFERENCES account, change INTEGER);
  CREATE TABLE \"order\" (id TEXT PRIMARY KEY, lines INTEGER, total INTEGER);
  CREATE TABLE line (\"order\" TEXT REFERENCES \"order\", n INTEGER, price INTEGER, PRIMARY KEY (\"order\", n));
  CREATE TABLE stock (id INTEGER PRIMARY KEY, stamp INTEGER); CREATE TABLE stamp (id TEXT PRIMARY KEY, value INTEGER)"
sql office "$schema; WITH RECURSIVE k(k) AS (VALUES (0) UNION ALL SELECT k + 1 FROM k WHERE k < 7) INSERT INTO account SELECT 'a' || k, 0 FROM k;
  WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 1500) INSERT INTO stock SELECT k, 0 FROM k;
  INSERT INTO stamp VALUES ('stock', 0)"
start_mantisd office --mode server
for name in tablet till; do
  configure_client $name
  sed -i 's/"sync": {/"sync": {"batch_rows": 100, "whole_rows": 5000, /' $name.json
  start_mantisd $name --mode client
done
settled office tablet till

cat > books.py << 'END'
import os, random, sqlite3, sys, time

def open_database(name):
    db = sqlite3.connect(name + ".db", timeout=20, isolation_level=None)
    db.execute("PRAGMA foreign_keys = ON")
    return db

# Each row by one writer only, so that nothing loses against another: halves would then be right.
def write(name, accounts, stamps):
    db, chance = open_database(name), random.Random(name)
    for i in range(40):
        db.execute("BEGIN IMMEDIATE")
        source, target = chance.sample(accounts, 2)
        amount = chance.randrange(1, 100)
        for n, (account, change) in enumerate([(source, -amount), (target, amount)]):
            db.execute("INSERT INTO ledger VALUES (?, ?, ?)", (f"{name}-{i}-{n}", account, change))
            db.execute("UPDATE account SET amount = amount + ? WHERE id = ?", (change, account))
        prices = [chance.randrange(1, 50) for _ in range(chance.randrange(1, 9))]
        order = f"{name}-{i}"
        db.execute('INSERT INTO "order" VALUES (?, ?, ?)', (order, len(prices), sum(prices)))
        db.executemany("INSERT INTO line VALUES (?, ?, ?)", [(order, n, price) for n, price in enumerate(prices)])
        before = f"{name}-{i - 3}"
        if i % 3 == 0:  # an order is changed: a line less
            db.execute('DELETE FROM line WHERE "order" = ? AND n = 0', (before,))
            db.execute('UPDATE "order" SET lines = (SELECT count(*) FROM line WHERE "order" = id),'
                       ' total = (SELECT coalesce(sum(price), 0) FROM line WHERE "order" = id) WHERE id = ?', (before,))
        elif i % 3 == 1:  # or given up
            db.execute('DELETE FROM line WHERE "order" = ?', (before,))
            db.execute('DELETE FROM "order" WHERE id = ?', (before,))
        if stamps and i % 8 == 0:  # all of the stock, fifteen messages full
            db.execute("UPDATE stock SET stamp = ?", (i + 1,))
            db.execute("UPDATE stamp SET value = ?", (i + 1,))
        db.execute("COMMIT")
        time.sleep(0.01 + chance.random() / 50)

questions = {
    "accounts": "SELECT a.id, amount, sum(change) FROM account AS a JOIN ledger ON account = a.id GROUP BY a.id HAVING amount <> sum(change)",
    "sum": "SELECT sum(amount) FROM account HAVING sum(amount) <> 0",
    "transfers": "SELECT substr(id, 1, length(id) - 2) AS i, sum(change), count(*) FROM ledger GROUP BY i HAVING sum(change) <> 0 OR count(*) <> 2",
    "orders": 'SELECT o.id, lines, count(n), total, sum(price) FROM "order" AS o LEFT JOIN line ON "order" = o.id GROUP BY o.id'
              " HAVING lines <> count(n) OR total <> coalesce(sum(price), 0)",
    "lines": 'SELECT * FROM line WHERE "order" NOT IN (SELECT id FROM "order")',
    "stock": "SELECT DISTINCT stamp FROM stock WHERE stamp <> (SELECT value FROM stamp)",
}

def read(name):
    db, states = open_database(name), set()
    while True:
        last = not os.path.exists("writing")
        db.execute("BEGIN")
        for what, question in questions.items():
            wrong = db.execute(question).fetchall()
            if wrong:
                print(f"{name}: half a transaction in {what}: {wrong[:5]}")
                sys.exit(1)
        states.add(db.execute("SELECT (SELECT count(*) FROM ledger), (SELECT value FROM stamp)").fetchone())
        db.execute("COMMIT")
        time.sleep(0.003)
        if last:
            break
    print(len(states))

if sys.argv[1] == "read":
    read(sys.argv[2])
else:
    write(sys.argv[2], sys.argv[3].split(), sys.argv[4] == "stamps")
END
touch writing
declare -A readers=()
for name in office tablet till; do
  python3 books.py read $name > $name.read &
  readers[$name]=$!
  pids[reader-$name]=$!
done
python3 books.py write office "a0 a1 a2 a3" stamps &
pids[writer-office]=$!
python3 books.py write tablet "a4 a5 a6 a7" no &
pids[writer-tablet]=$!
wait "${pids[writer-office]}" "${pids[writer-tablet]}"
settled office tablet till
rm writing
for name in office tablet till; do
  wait "${readers[$name]}" || fail "$(cat $name.read)"
  # A reader that saw nothing on the way has shown nothing.
  [ "$(cat $name.read)" -ge 20 ] || fail "the reader of $name saw only $(cat $name.read) states"
done
for name in office tablet till; do
  [ "$(kept $name)" = 0 ] || fail "conflicts in $name: $(sql $name "SELECT * FROM __sync_conflicts LIMIT 3")"
  [ "$(sql $name "SELECT count(*) || ' ' || (SELECT value FROM stamp) FROM ledger")" = "160 33" ] || fail "not all of it is in $name"
done
