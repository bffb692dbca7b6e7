#!/usr/bin/env python3
# graph.py schema SEED: CREATE statements for MariaDB of five tables that refer to each other and to themselves, also in circles, some
# with keys of two columns, each with a unique value.
# graph.py work SEED FILE COUNT: as a program on FILE that has these tables, COUNT transactions, each of which holds at its end alone:
# children before parents, parents that go before their children do, unique values and keys that change hands.
# SPDX-License-Identifier: LGPL-2.1-or-later
import random, sqlite3, sys

TABLES = 5


def shape(seed):  # of each table: two key columns?, and the tables that it refers to: (table, required?)
    chance = random.Random(seed)
    tables = []
    for t in range(TABLES):
        refers = [(chance.randrange(TABLES), False) for i in range(chance.randrange(1, 3))]
        if t and chance.random() < 0.5:  # only to those before: a circle of required ones could never begin
            refers.append((chance.randrange(t), True))
        tables.append((chance.random() < 0.5, refers))
    return tables


def schema(tables):
    for t, (wide, refers) in enumerate(tables):
        columns = ["a INT NOT NULL", "b INT NOT NULL", "u INT UNIQUE"]
        for i, (to, required) in enumerate(refers):
            columns += [f"r{i}a INT" + " NOT NULL" * required, f"r{i}b INT" + " NOT NULL" * required]
        # every table has an unique (a, b) to refer to; its key is that, or a alone
        columns.append("PRIMARY KEY (a, b)" if wide else "PRIMARY KEY (a), UNIQUE (a, b)")
        print(f"CREATE TABLE t{t} ({', '.join(columns)});")
    for t, (wide, refers) in enumerate(tables):
        for i, (to, required) in enumerate(refers):
            print(f"ALTER TABLE t{t} ADD FOREIGN KEY (r{i}a, r{i}b) REFERENCES t{to} (a, b);")


class Program:
    def __init__(self, tables, db, chance):
        self.tables, self.db, self.chance = tables, db, chance

    def keys(self, t):
        return self.db.execute(f"SELECT a, b FROM t{t} ORDER BY a, b").fetchall()

    def target(self, to, required, also=()):
        rows = self.keys(to) + list(also)
        return (None, None) if not rows or not required and self.chance.random() < 0.3 else self.chance.choice(rows)

    def insert(self):  # some at once: what they refer to may be among those that come later
        new = []
        for i in range(self.chance.randrange(1, 6)):
            t = self.chance.randrange(TABLES)
            taken = {a for a, b in self.keys(t)} | {n[1][0] for n in new if n[0] == t}
            a = self.chance.choice([a for a in range(1, 200) if a not in taken])
            new.append((t, (a, self.chance.randrange(3))))
        for t, key in new:
            if any(required and not self.keys(to) and all(n[0] != to for n in new) for to, required in self.tables[t][1]):
                new = [n for n in new if n != (t, key)]
        for t, key in new:
            values = list(key) + [self.unique(t)]
            for to, required in self.tables[t][1]:
                values += self.target(to, required, [n[1] for n in new if n[0] == to])
            self.db.execute(f"INSERT INTO t{t} VALUES ({', '.join('?' * len(values))})", values)

    def unique(self, t):
        taken = {u for u, in self.db.execute(f"SELECT u FROM t{t}")}
        return self.chance.choice([None] + [u for u in range(300) if u not in taken])

    def point_elsewhere(self):
        t = self.chance.randrange(TABLES)
        if self.keys(t):
            i = self.chance.randrange(len(self.tables[t][1]))
            to, required = self.tables[t][1][i]
            self.db.execute(f"UPDATE t{t} SET r{i}a = ?, r{i}b = ? WHERE (a, b) = (?, ?)", self.target(to, required) + self.chance.choice(self.keys(t)))

    def delete(self):  # the row, and then what hangs on it
        t = self.chance.randrange(TABLES)
        if self.keys(t):
            self.remove(t, self.chance.choice(self.keys(t)))

    def remove(self, t, key):
        self.db.execute(f"DELETE FROM t{t} WHERE (a, b) = (?, ?)", key)
        for child, (wide, refers) in enumerate(self.tables):
            for i, (to, required) in enumerate(refers):
                if to == t and required:
                    for row in self.db.execute(f"SELECT a, b FROM t{child} WHERE (r{i}a, r{i}b) = (?, ?) ORDER BY a, b", key).fetchall():
                        self.remove(child, row)
                elif to == t:
                    self.db.execute(f"UPDATE t{child} SET r{i}a = NULL, r{i}b = NULL WHERE (r{i}a, r{i}b) = (?, ?)", key)

    def turn(self):  # unique values, round in a circle
        t = self.chance.randrange(TABLES)
        rows = self.db.execute(f"SELECT a, b, u FROM t{t} WHERE u IS NOT NULL ORDER BY a, b").fetchall()
        if len(rows) > 2:
            some = self.chance.sample(rows, 3)
            for a, b, u in some:
                self.db.execute(f"UPDATE t{t} SET u = -u - 1 WHERE (a, b) = (?, ?)", (a, b))
            for (a, b, u), (c, d, v) in zip(some, some[1:] + some[:1]):
                self.db.execute(f"UPDATE t{t} SET u = ? WHERE (a, b) = (?, ?)", (v, a, b))

    def shift(self):  # all keys of a table, and who refers to them
        t = self.chance.randrange(TABLES)
        for sign in ("-a - 1", "-a"):  # 1, 2, 3... are 2, 3, 4...
            for child, (wide, refers) in enumerate(self.tables):
                for i, (to, required) in enumerate(refers):
                    if to == t:
                        self.db.execute(f"UPDATE t{child} SET r{i}a = {sign.replace('a', f'r{i}a')} WHERE r{i}a IS NOT NULL")
            self.db.execute(f"UPDATE t{t} SET a = {sign}")

    def work(self, count):
        for i in range(count):
            self.db.execute("BEGIN IMMEDIATE")
            self.db.execute("PRAGMA defer_foreign_keys = ON")
            for step in range(self.chance.randrange(1, 8)):
                self.chance.choice([self.insert] * 4 + [self.point_elsewhere, self.point_elsewhere, self.delete, self.turn, self.shift])()
            self.db.execute("COMMIT")


seed = int(sys.argv[2])
tables = shape(seed)
if sys.argv[1] == "schema":
    schema(tables)
else:
    db = sqlite3.connect(sys.argv[3], timeout=30, isolation_level=None)
    db.execute("PRAGMA foreign_keys = ON")
    Program(tables, db, random.Random(f"{seed} {sys.argv[4]}")).work(int(sys.argv[4]))
    print(sum(db.execute(f"SELECT count(*) FROM t{t}").fetchone()[0] for t in range(TABLES)), "rows")
