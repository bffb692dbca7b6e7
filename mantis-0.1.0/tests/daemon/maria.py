#!/usr/bin/env python3
# maria.py SOCKET DATABASE FILE...: write all rows of all tables, in one notation, to maria.rows and FILE.rows;
# the status is 0 when they are the same.  Of MariaDB's tables, and of the columns that are not generated.
# SPDX-License-Identifier: LGPL-2.1-or-later
import os, sqlite3, subprocess, sys

socket, database, files = sys.argv[1], sys.argv[2], sys.argv[3:]


def ask(sql):
    run = subprocess.run(["mariadb", "--no-defaults", "--socket=" + socket, "--user=root",
                          "--default-character-set=utf8mb4", "-N", "-B", database],
                         input=("SET time_zone = '+00:00';" + sql).encode(), stdout=subprocess.PIPE, check=True)
    return [line.split("\t") for line in run.stdout.decode().splitlines()]


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


GEOMETRIES = ("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection")


# The notation: - for NULL, i or r with a number, x with bytes in hexadecimal.
def expression(name, kind, column_type, precision):
    column = quoted(name)
    text = f"concat('x', hex(convert({column} USING utf8mb4)))"
    if kind in ("double", "float") or kind == "decimal" and precision <= 15:
        form = f"concat('r', {column} * 1e0)"
    elif "bigint" in column_type and "unsigned" in column_type or kind == "bit":
        form = f"if({column} > 9223372036854775807, concat('x', hex(concat({column} + 0))), concat('i', {column} + 0))"
    elif kind in GEOMETRIES:
        form = f"concat('x', hex({column}))"
    elif kind.endswith("int") or kind == "year":
        form = f"concat('i', {column} + 0)"
    elif kind.endswith("blob") or kind.endswith("binary"):
        form = f"concat('x', hex({column}))"
    else:
        form = text
    return f"coalesce({form}, '-')"


def plain(value):
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"i{value}"
    if isinstance(value, float):
        return f"r{value!r}"
    return "x" + (value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value).hex().upper()


def number(field, real):
    if real and field[0] in "ri":
        return f"r{float(field[1:])!r}"
    return field


tables = {}
for table, name, kind, column_type, precision in ask(
        "SELECT c.table_name, c.column_name, c.data_type, c.column_type, coalesce(c.numeric_precision, 0)"
        " FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_schema, table_name)"
        " WHERE table_schema = DATABASE() AND t.table_type = 'BASE TABLE' AND table_name NOT LIKE '\\_\\_sync\\_%'"
        " AND coalesce(c.generation_expression, '') IN ('', 'NULL') ORDER BY table_name, column_name"):
    real = kind in ("double", "float") or kind == "decimal" and int(precision) <= 15
    tables.setdefault(table, []).append((name, expression(name, kind, column_type, int(precision)), real))

wanted = []
if tables:
    rows = ask("".join(f"SELECT {n}, {', '.join(c[1] for c in columns)} FROM {quoted(table)};"
                       for n, (table, columns) in enumerate(tables.items())))
    columns_of = list(tables.values())
    for row in rows:
        wanted.append("|".join([row[0]] + [number(f, c[2]) for f, c in zip(row[1:], columns_of[int(row[0])])]))
wanted = sorted(wanted)
open("maria.rows", "w").write("\n".join(wanted) + "\n")

same = True
for file in files:
    base = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)
    base.text_factory = lambda b: b.decode("utf-8", "surrogateescape")
    found = []
    for n, (table, columns) in enumerate(tables.items()):
        names = ", ".join('"' + c[0].replace('"', '""') + '"' for c in columns)
        try:
            for row in base.execute('SELECT %s FROM "%s"' % (names, table.replace('"', '""'))):
                found.append("|".join([str(n)] + [number(plain(v), c[2]) for v, c in zip(row, columns)]))
        except sqlite3.OperationalError as error:
            found.append(f"{table}: {error}")
    found.sort()
    open(os.path.basename(file) + ".rows", "w").write("\n".join(found) + "\n")
    same = same and found == wanted
sys.exit(not same)
