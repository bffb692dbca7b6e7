#!/usr/bin/env python3
# typetable.py PAGE SOCKET DATABASE FILE STEP: what docs/types.md says, tried out.  The steps, in their order:
#   server    make a table for each type, column default and refused table of the page, with the values
#   came      the device's tables: their types and defaults, and the values as the page writes them
#   device    write the values, what is refused and what is stored otherwise, on the device
#   stored    MariaDB holds them bit for bit, nothing of the refused, and the device what the page says
# SPDX-License-Identifier: LGPL-2.1-or-later
import re, sqlite3, subprocess, sys

page, socket, database, file, step = sys.argv[1:]
wrong = []


def maria(sql):
    sql = "SET NAMES utf8mb4; SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES';\n" + sql
    run = subprocess.run(["mariadb", "--no-defaults", "--socket=" + socket, "--user=root", "-N", "-B",
                          "--default-character-set=utf8mb4", database], input=sql.encode(), stdout=subprocess.PIPE, check=True)
    return [line.split("\t") for line in run.stdout.decode("utf-8", "surrogateescape").splitlines()]


def expect(true, text):
    if not true:
        wrong.append(text)


# The tables of the page, by their first heading.
tables, rows = {}, None
for line in open(page, encoding="utf-8"):
    if not line.startswith("| "):
        rows = None
    elif rows is None:
        rows = tables.setdefault(line.split("|")[1].strip(), [])
    elif not line.startswith("| ---"):
        rows.append([cell.strip() for cell in line.strip()[2:].removesuffix("|").split(" | ")])


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


class Type:
    """A column of the table "altering", where MariaDB may store another value than it is given, or of "plain"."""

    def __init__(self, number, row):
        row += [""] * 5
        self.sql, self.declared, self.column, self.id = quoted(row[0])[0], quoted(row[1])[0], f"c{number}", number * 1000
        self.values, self.refused, altered = quoted(row[2]), quoted(row[3]), quoted(row[4])
        self.altered = list(zip(altered[::2], altered[1::2]))
        self.table = "altering" if altered or re.match("DATE|TIME|FLOAT", self.declared) else "plain"

    def inserts(self, first, literals):
        return "".join(f"INSERT INTO {self.table} (id, {self.column}) VALUES ({self.id + first + n}, {literal});\n"
                       for n, literal in enumerate(literals))


types = [Type(n, row) for n, row in enumerate(tables["type"])]
defaults = [(f"c{n}", quoted(row[0])[0], (quoted((row + [""])[1]) or [None])[0]) for n, row in enumerate(tables["column"])]
refused = [(f"r{n}", quoted(row[0])[0], row[1]) for n, row in enumerate(tables["a table with"])]
VALUE, DEVICE, REFUSED, ALTERED = 1, 101, 201, 301  # rows of a type, after its id


def of_maria(literal):
    """Integers beyond what SQLite's are."""
    return literal[1:-1] if re.fullmatch(r"'\d{19,20}'", literal) else literal


def server():
    sql = "".join(f"CREATE TABLE {n} ({'' if 'KEY' in c or 'UNIQUE' in c else 'id INT PRIMARY KEY, '}{c});\n" for n, c, _ in refused)
    for table in "plain", "altering":
        columns = ", ".join(f"{t.column} {t.sql}" for t in types if t.table == table)
        sql += f"CREATE TABLE {table} (id INT PRIMARY KEY, {columns});\n"
    sql += f"CREATE TABLE defaults (id INT PRIMARY KEY, {', '.join(f'{n} {c}' for n, c, _ in defaults)});\nBEGIN;\n"
    maria(sql + "".join(t.inserts(VALUE, map(of_maria, t.values)) for t in types) + "COMMIT")


def holds(t, id, literal):
    return device.execute(f"SELECT {t.column} IS ({literal}) AND typeof({t.column}) = typeof({literal}) AND quote({t.column})"
                          f" = quote({literal}) FROM {t.table} WHERE id = {t.id + id}").fetchone() == (1,)


def shown(t, id):
    return str(device.execute(f"SELECT quote({t.column}) FROM {t.table} WHERE id = {t.id + id}").fetchone())


def of_column(table, column, what):
    return device.execute(f"SELECT {what} FROM pragma_table_info('{table}') WHERE name = '{column}'").fetchone()


def came():
    for t in types:
        declared = of_column(t.table, t.column, "type")
        expect(declared == (t.declared,), f"{t.sql} is {declared} on the device")
        for n, v in enumerate(t.values):
            expect(holds(t, VALUE + n, v), f"{t.sql}: {v} came as {shown(t, VALUE + n)}")
    for name, column, default in defaults:
        made = of_column("defaults", name, "dflt_value")
        expect(made == (default,), f"{column}: the default is {made}")
    log = open("shop.log", encoding="utf-8").read()
    for name, column, reason in refused:
        expect(re.search(f'table "{name}" is not synced: .*{re.escape(reason)}', log), f"{column}: not refused so: {reason}")


def write():
    for t in types:
        device.executescript(t.inserts(DEVICE, t.values) + t.inserts(REFUSED, t.refused) + t.inserts(ALTERED, [a for a, _ in t.altered]))
    device.execute("INSERT INTO defaults (id) VALUES (2)")


def stored():
    reasons = {(t, k): r for t, k, r in device.execute("SELECT tbl, key, reason FROM __sync_conflicts WHERE outcome = 'rejected'"
                                                       " AND tbl IN ('plain', 'altering')")}
    lines = iter(maria("".join(
        f"SELECT a.{t.column} <=> b.{t.column} AND hex(a.{t.column}) <=> hex(b.{t.column}) FROM {t.table} AS a"
        f" LEFT JOIN {t.table} AS b ON b.id = a.id + 100 WHERE a.id BETWEEN {t.id + VALUE} AND {t.id + DEVICE - 1} ORDER BY a.id;"
        f" SELECT count(*) FROM {t.table} WHERE id BETWEEN {t.id + REFUSED} AND {t.id + ALTERED - 1};\n" for t in types)))
    for t in types:
        for v in t.values:
            expect(next(lines)[0] == "1", f"{t.sql}: {v} of the device is another in MariaDB")
        expect(next(lines)[0] == "0", f"{t.sql}: something was stored that is to be refused")
        for n, literal in enumerate(t.refused):
            expect(reasons.pop((t.table, f"[{t.id + REFUSED + n}]"), ""), f"{t.sql}: {literal} is not refused with a reason")
        for n, (literal, other) in enumerate(t.altered):
            expect(holds(t, ALTERED + n, other), f"{t.sql}: of {literal} becomes {shown(t, ALTERED + n)}")
    expect(not reasons, f"also refused: {reasons}")
    # A row that names no value has the same on both sides, but for the time, and for what has no form.
    known = [(n, c) for n, c, default in defaults if default and not re.search("CURRENT|'now'", default)]
    maria("INSERT INTO defaults (id) VALUES (1)")
    [same] = maria(f"SELECT {', '.join(f'count({n}) = 2 AND min(hex({n})) = max(hex({n}))' for n, _ in known)} FROM defaults")
    for (name, column), one in zip(known, same):
        expect(one == "1", f"{column}: the defaults differ")


device = sqlite3.connect(file, timeout=20)
{"server": server, "came": came, "device": write, "stored": stored}[step]()
device.commit()
sys.exit("\n".join(wrong) or 0)
