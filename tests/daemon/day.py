#!/usr/bin/env python3
# day.py hour HOUR SEED NAME:SHOP...: what the people at these tills do in that hour, each on the file NAME.db as their program does;
# what they did stands in the file "books", as they would write it on paper.  NAME: is the manager, who delivers and prices.
# day.py close NAME[:SHOP]...: each file holds what the books say, and of the orders those of its shop (without one: all).
# SPDX-License-Identifier: LGPL-2.1-or-later
import json, random, sqlite3, sys

ITEMS = ["bread", "milk", "eggs", "salt"]
OPENING = {"qty": 500, "broken": 0, "taken": 0.0}


def book(**line):
    with open("books", "a") as books:
        books.write(json.dumps(line) + "\n")


def read_books():
    with open("books") as books:
        return [json.loads(line) for line in books]


class Till:
    def __init__(self, name, shop, hour, chance):
        self.name, self.shop, self.hour, self.chance = name, shop, hour, chance
        self.db = sqlite3.connect(name + ".db", timeout=30, isolation_level=None)
        self.count = 0

    def work(self):
        for step in range(self.chance.randrange(4, 9)):
            what = self.chance.choice([self.sell] * 6 + [self.take_back, self.drop, self.cheat]) if self.shop else self.deliver
            self.db.execute("BEGIN IMMEDIATE")
            line = what(self.chance.choice(ITEMS))
            self.db.execute("COMMIT")
            if line:
                book(till=self.name, shop=self.shop, **line)
        self.db.close()

    def sell(self, item):
        number, n = f"{self.name}-{self.hour}-{self.count}", self.chance.randrange(1, 4)
        self.count += 1
        price, = self.db.execute("SELECT price FROM prices WHERE item = ?", (item,)).fetchone()
        paid = round(n * price, 2)
        self.db.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, 'paid')", (number, self.shop, item, n, paid))
        self.db.execute("UPDATE stock SET qty = qty - ?, taken = round(taken + ?, 2) WHERE item = ?", (n, paid, item))
        return dict(item=item, qty=-n, taken=paid, order=number, row=[self.shop, item, n, paid, "paid"])

    def take_back(self, item):
        order = self.db.execute("SELECT * FROM orders WHERE id LIKE ? AND status = 'paid' ORDER BY id LIMIT 1", (self.name + "-%",)).fetchone()
        if not order:
            return self.sell(item)
        number, shop, item, n, paid, status = order
        self.db.execute("UPDATE orders SET status = 'returned' WHERE id = ?", (number,))
        self.db.execute("UPDATE stock SET qty = qty + ?, taken = round(taken - ?, 2) WHERE item = ?", (n, paid, item))
        return dict(item=item, qty=n, taken=-paid, order=number, row=[shop, item, n, paid, "returned"])

    def drop(self, item):
        self.db.execute("UPDATE stock SET qty = qty - 1, broken = broken + 1 WHERE item = ?", (item,))
        return dict(item=item, qty=-1, broken=1)

    def cheat(self, item):  # no till writes prices: nothing for the books
        self.db.execute("UPDATE prices SET price = 0.01 WHERE item = ?", (item,))

    def deliver(self, item):
        n, price = self.chance.randrange(5, 50), self.chance.randrange(20, 400) / 100
        self.db.execute("UPDATE stock SET qty = qty + ? WHERE item = ?", (n, item))
        self.db.execute("UPDATE prices SET price = ? WHERE item = ?", (price, item))
        return dict(item=item, qty=n, price=price)


def work(hour, seed, people):
    for person in people:
        name, shop = person.split(":")
        Till(name, shop, hour, random.Random(f"{seed} {hour} {name}")).work()


def close(people):
    stock, orders, prices = {item: dict(OPENING) for item in ITEMS}, {}, {}
    for line in read_books():
        for column in OPENING:
            stock[line["item"]][column] += line.get(column, 0)
        if "order" in line:
            orders[line["order"]] = line["row"]
        if "price" in line:
            prices[line["item"]] = line["price"]
    print(len(orders), "orders,", sum(row[4] == "returned" for row in orders.values()), "returned")
    wrong = []
    for person in people:
        name, _, shop = person.partition(":")
        db = sqlite3.connect(f"file:{name}.db?mode=ro", uri=True, timeout=30)
        for item, counted in stock.items():
            found = db.execute("SELECT qty, broken, taken FROM stock WHERE item = ?", (item,)).fetchone()
            wanted = (counted["qty"], counted["broken"], round(counted["taken"], 2))
            if found != wanted:
                wrong.append(f"{name}: {item} {found}, the books say {wanted}")
            found = db.execute("SELECT price FROM prices WHERE item = ?", (item,)).fetchone()
            if item in prices and found != (prices[item],):
                wrong.append(f"{name}: the price of {item} is {found}, the books say {prices[item]}")
        found = {row[0]: list(row[1:]) for row in db.execute("SELECT * FROM orders")}
        wanted = {number: row for number, row in orders.items() if shop in ("", row[0])}
        for number in sorted(found.keys() | wanted.keys()):
            if found.get(number) != wanted.get(number):
                wrong.append(f"{name}: order {number} is {found.get(number)}, the books say {wanted.get(number)}")
    if wrong:
        sys.exit("\n".join(wrong[:20]))


if sys.argv[1] == "hour":
    work(sys.argv[2], sys.argv[3], sys.argv[4:])
else:
    close(sys.argv[2:])
