#!/usr/bin/env python3
# sight.py work SEED ROUND NAME: as a program on the file NAME.db, some random changes: of rows that other people see by them, or no more.
# sight.py check NAME...: each file has the rows that its owner may see of those in office.db, and no others.
# SPDX-License-Identifier: LGPL-2.1-or-later
import random, sqlite3, sys

PEOPLE, LISTS = ["ann", "bob", "cid"], ["home", "work", "club"]
SIGHT = {
    "items": "SELECT * FROM items WHERE owner = :me OR shared = 1",
    "members": "SELECT * FROM members WHERE user = :me",
    "tasks": "SELECT * FROM tasks WHERE EXISTS (SELECT 1 FROM members WHERE members.list = tasks.list AND members.user = :me)",
}


def connect(name):
    return sqlite3.connect(name + ".db", timeout=30, isolation_level=None)


def work(seed, round, name):
    chance = random.Random(f"{seed} {round} {name}")
    db = connect(name)

    def some(table):
        keys = [key for key, in db.execute(f"SELECT id FROM {table} ORDER BY id")]
        return chance.choice(keys) if keys else None

    for n in range(chance.randrange(3, 9)):
        db.execute("BEGIN IMMEDIATE")
        for step in range(chance.randrange(1, 4)):
            word, item, task = f"{name}-{round}-{n}-{step}", some("items"), some("tasks")
            what = chance.randrange(10 if name == "office" else 8)
            if what == 0:
                db.execute("INSERT INTO items VALUES (?, ?, ?, 10, 0)", (word, chance.choice(PEOPLE), word))
            elif what == 1:
                db.execute("INSERT INTO tasks VALUES (?, ?, ?)", (word, chance.choice(LISTS), word))
            elif what == 2:
                db.execute("UPDATE items SET owner = ? WHERE id = ?", (chance.choice(PEOPLE), item))
            elif what == 3:
                db.execute("UPDATE items SET title = ?, qty = qty + ? WHERE id = ?", (word, chance.randrange(-3, 4), item))
            elif what == 4:
                db.execute("UPDATE items SET shared = 1 - shared WHERE id = ?", (item,))
            elif what == 5:
                db.execute("UPDATE tasks SET list = ?, title = ? WHERE id = ?", (chance.choice(LISTS), word, task))
            elif what == 6:
                db.execute("UPDATE tasks SET title = ? WHERE id = ?", (word, task))
            elif what == 7 and chance.randrange(2):
                table = chance.choice(["items", "tasks"])
                db.execute(f"DELETE FROM {table} WHERE id = ?", (item if table == "items" else task,))
            elif what == 8:
                db.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (chance.choice(LISTS), chance.choice(PEOPLE)))
            elif what == 9:
                db.execute("DELETE FROM members WHERE (list, user) = (?, ?)", (chance.choice(LISTS), chance.choice(PEOPLE)))
        db.execute("COMMIT")


def check(names):
    wrong = []
    office = connect("office")
    for name in names:
        db = connect(name)
        for table, query in SIGHT.items():
            wanted = set(office.execute(query, {"me": name}).fetchall())
            found = set(db.execute(f"SELECT * FROM {table}").fetchall())
            wrong += [f"{name} lacks of {table}: {row}" for row in wanted - found] + [f"{name} has of {table}: {row}" for row in found - wanted]
            print(name, len(found), table)
    if wrong:
        sys.exit("\n".join(wrong[:20]))


if sys.argv[1] == "work":
    work(*sys.argv[2:])
else:
    check(sys.argv[2:])
