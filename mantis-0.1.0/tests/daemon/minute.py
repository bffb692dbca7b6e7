#!/usr/bin/env python3
"""minute.py - everybody writes at once: 17-mysql-minute.sh.

    minute.py tables                               print the tables that are written beside Chinook's
    minute.py write SEED SOCKET DATABASE DEVICE... until there is a file "enough"

Eight writers use MariaDB's plain client, one for each DEVICE.db the plain shell sqlite3, and one more watches each file.
What each was told is in a file journal.WHO, a line of JSON for each transaction; account.py reads them.  Rows have a
trail: each write of a row appends a word of its own, so that a row tells on which writes it was made.  The choices
come from SEED; in which order they meet does not.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import random
import subprocess
import sys
import threading
import time

OFFICES = 8
TABLES = """
SET sql_mode = 'STRICT_ALL_TABLES,PIPES_AS_CONCAT';
CREATE TABLE spot (id INT PRIMARY KEY, trail MEDIUMTEXT NOT NULL);
CREATE TABLE badge (id INT PRIMARY KEY, code VARCHAR(30) NOT NULL UNIQUE, trail MEDIUMTEXT NOT NULL);
CREATE TABLE branch (id INT PRIMARY KEY, trail MEDIUMTEXT NOT NULL);
CREATE TABLE leaf (id VARCHAR(30) PRIMARY KEY, branch INT NOT NULL, trail MEDIUMTEXT NOT NULL,
  FOREIGN KEY (branch) REFERENCES branch (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE twig (id VARCHAR(30) PRIMARY KEY, leaf VARCHAR(30), trail MEDIUMTEXT NOT NULL,
  FOREIGN KEY (leaf) REFERENCES leaf (id) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE note (id VARCHAR(30) PRIMARY KEY, body VARCHAR(100) NOT NULL);
CREATE TABLE tally (who VARCHAR(20) PRIMARY KEY, n INT NOT NULL);
CREATE TABLE purse (id INT PRIMARY KEY, n INT NOT NULL);
CREATE TABLE stock (id INT PRIMARY KEY, n INT NOT NULL);
CREATE TABLE sale (id VARCHAR(30) PRIMARY KEY, stock INT NOT NULL);
CREATE TRIGGER sell AFTER INSERT ON sale FOR EACH ROW UPDATE stock SET n = n + 1 WHERE id = NEW.stock;
INSERT INTO spot SELECT seq, '>old.' || seq FROM seq_1_to_12;
INSERT INTO badge SELECT seq, 'code' || seq, '>old.' || seq FROM seq_1_to_30;
INSERT INTO branch SELECT seq, '>old.' || seq FROM seq_1_to_12;
INSERT INTO purse SELECT seq, 100 FROM seq_1_to_10;
INSERT INTO stock SELECT seq, 0 FROM seq_1_to_6;
"""
# What the client says when its connection is no more.
LOST = tuple(f"ERROR {code} " for code in (1053, 1152, 1927, 2002, 2003, 2006, 2013, 2026, 1040))


class Lost(Exception):
    """The connection is."""


class Undone(Exception):
    """The transaction is: a deadlock."""


# ---- What is done, in words that both databases understand ------------------------------------------


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Steps:
    """The statements of one transaction.  Those of one step go together: the second tells what the first did."""

    def __init__(self, chance, office, who, number):
        self.chance, self.office, self.who, self.number, self.words = chance, office, who, number, 0
        self.steps, self.invoiced = [], False

    def word(self):
        self.words += 1
        return f"{self.who}.{self.number}.{self.words}"

    def add(self, statement):
        self.steps.append(statement)

    def look(self, facts, source):
        """Facts about rows that are about to go."""
        self.add(f"SELECT {facts} FROM {source}" + (" FOR UPDATE" if self.office else ""))

    def write(self, statement, *facts):
        told = ", ".join(fact if fact.startswith("(") else quoted(fact) for fact in facts)
        changed = "ROW_COUNT()" if self.office else "changes()"
        self.add(f"{statement}; SELECT {told} WHERE {changed} > 0" if facts else statement)

    def upsert(self, table, key, columns, values, update):
        conflict = "ON DUPLICATE KEY UPDATE" if self.office else f"ON CONFLICT ({key}) DO UPDATE SET"
        return f"INSERT INTO {table} ({columns}) VALUES ({values}) {conflict} {update}"

    # Rows that all write, each with its trail.

    def spot(self):
        key, way = self.chance.randint(1, 12), self.chance.random()
        word = self.word()
        if way < 0.5:
            self.write(f"UPDATE spot SET trail = trail || '>{word}' WHERE id = {key}", "wrote", word)
        elif way < 0.65:
            self.look(f"'wrote', '{word}.' || id", f"spot WHERE id BETWEEN {key} AND {key + 3}")
            self.write(f"UPDATE spot SET trail = trail || '>{word}.' || id WHERE id BETWEEN {key} AND {key + 3}")
        elif way < 0.8:
            self.write(self.upsert("spot", "id", "id, trail", f"{key}, '>{word}'", f"trail = trail || '>{word}'"), "wrote", word)
        elif way < 0.9:
            self.write(f"REPLACE INTO spot SELECT id, trail || '>{word}' FROM spot WHERE id = {key}", "wrote", word)
        else:
            self.look("'gone', 'spot', id, trail", f"spot WHERE id = {key}")
            self.write(f"DELETE FROM spot WHERE id = {key}")

    def badge(self):
        key, other, way = self.chance.randint(1, 30), self.chance.randint(1, 30), self.chance.random()
        word = self.word()
        if way < 0.5:
            self.write(f"UPDATE badge SET trail = trail || '>{word}' WHERE id = {key}", "wrote", word)
        elif way < 0.7 and key != other:  # swapped
            self.add(f"UPDATE badge SET code = '{word}' WHERE id = {key}")
            self.add(f"UPDATE badge SET code = 'code{key}', trail = trail || '>{word}' WHERE id = {other} AND NOT EXISTS"
                     f" (SELECT 1 FROM (SELECT id FROM badge WHERE code = 'code{key}') AS b)")
            self.write(f"UPDATE badge SET code = '{word}.2', trail = trail || '>{word}.2' WHERE id = {key}", "wrote", word + ".2")
        elif way < 0.85:  # REPLACE, also of the one that has the code
            self.look("'gone', 'badge', id, trail", f"badge WHERE id = {key} OR code = 'code{other}'")
            self.write(f"REPLACE INTO badge VALUES ({key}, 'code{other}', '>{word}')", "wrote", word)
        else:
            self.look("'gone', 'badge', id, trail", f"badge WHERE id = {key}")
            self.write(f"DELETE FROM badge WHERE id = {key}")

    def branch(self):
        key, way = self.chance.randint(1, 12), self.chance.random()
        word = self.word()
        if way < 0.6:
            self.write(self.upsert("branch", "id", "id, trail", f"{key}, '>{word}'", f"trail = trail || '>{word}'"), "wrote", word)
        elif way < 0.8:  # its leaves go with it
            self.look("'gone', 'leaf', id, trail, branch", f"leaf WHERE branch = {key}")
            self.look("'gone', 'branch', id, trail", f"branch WHERE id = {key}")
            self.write(f"DELETE FROM branch WHERE id = {key}")
        else:  # and move with it
            self.look("'gone', 'branch', id, trail", f"branch WHERE id = {key}")
            self.write(f"UPDATE branch SET id = id + 100, trail = trail || '>{word}' WHERE id = {key} AND NOT EXISTS"
                       f" (SELECT 1 FROM (SELECT id FROM branch WHERE id = {key + 100}) AS b)", "wrote", word)

    def leaf(self):
        key, way = self.chance.randint(1, 12), self.chance.random()
        word = self.word()
        some = f"leaf WHERE id >= '{self.chance.choice('cw')}{self.chance.randint(1, 8)}' ORDER BY id LIMIT 1"
        if way < 0.4:
            self.write(f"INSERT INTO leaf SELECT '{word}', id, '>{word}' FROM branch WHERE id = {key}", "wrote", word, "leaf", word)
        elif way < 0.75:
            self.look(f"'wrote', '{word}', 'leaf', id", some)
            self.write(f"UPDATE leaf SET trail = trail || '>{word}' WHERE id = (SELECT id FROM (SELECT id FROM {some}) AS l)")
        elif way < 0.85:
            self.look(f"'wrote', '{word}', 'leaf', id", some)
            self.write(f"UPDATE leaf SET trail = trail || '>{word}', branch = {key} WHERE id = (SELECT id FROM (SELECT id FROM {some}) AS l)")
        else:
            self.look("'gone', 'leaf', id, trail, branch", f"leaf WHERE branch = {key} ORDER BY id LIMIT 1")
            self.write(f"DELETE FROM leaf WHERE id = (SELECT id FROM (SELECT id FROM leaf WHERE branch = {key} ORDER BY id LIMIT 1) AS l)")

    def twig(self):
        key, way = self.chance.randint(1, 12), self.chance.random()
        word = self.word()
        if way < 0.6:
            self.write(f"INSERT INTO twig SELECT '{word}', id, '>{word}' FROM leaf WHERE branch = {key} LIMIT 1", "wrote", word)
        else:
            self.write(f"UPDATE twig SET trail = trail || '>{word}' WHERE id = (SELECT id FROM (SELECT id FROM twig WHERE id >="
                       f" '{self.chance.choice('cw')}{self.chance.randint(1, 8)}' ORDER BY id LIMIT 1) AS l)", "wrote", word)

    # Rows of one writer.

    def note(self):
        for _ in range(self.chance.choice((1, 1, 3, 30))):
            word = self.word()
            self.write(f"INSERT INTO note VALUES ('{word}', 'by {self.who}')", "made", "note", word)
        if self.chance.random() < 0.3:
            some = f"note WHERE id >= '{self.chance.choice('cw')}{self.chance.randint(1, 8)}.{self.chance.randint(1, 99)}' ORDER BY id LIMIT 2"
            self.look("'gone', 'note', id", some)
            self.add(f"DELETE FROM note WHERE id IN (SELECT id FROM (SELECT id FROM {some}) AS n)")

    def sale(self):
        word = self.word()
        self.write(f"INSERT INTO sale VALUES ('{word}', {self.chance.randint(1, 6)})", "made", "sale", word)

    def tally(self):
        self.add(self.upsert("tally", "who", "who, n", f"'{self.who}', 1", "n = n + 1"))
        self.add(f"SELECT 'tally', n FROM tally WHERE who = '{self.who}'")

    def purse(self):
        """A sum that is never seen to differ.  The office's alone: two devices would rightly be in conflict."""
        if not self.office:
            return self.tally()
        one, other = self.chance.sample(range(1, 11), 2)
        self.look("'moved'", f"purse WHERE id IN ({one}, {other})")  # with both or not at all: an UPDATE may wait too long
        self.add(f"UPDATE purse SET n = n - 1 WHERE id = {one}")
        self.add(f"UPDATE purse SET n = n + 1 WHERE id = {other}")

    # Chinook.

    def invoice(self):
        key = self.number * 10 + (int(self.who[1:]) + (0 if self.office else OFFICES)) * 1000000
        if self.invoiced:
            return
        self.invoiced = True
        self.write(f"INSERT INTO Invoice (InvoiceId, CustomerId, InvoiceDate, BillingCity, Total) VALUES ({key},"
                   f" {self.chance.randint(1, 59)}, '2026-01-02 03:04:05', 'Köln', 1.98)", "made", "Invoice", str(key))
        for line in range(self.chance.randint(0, 9)):
            self.write(f"INSERT INTO InvoiceLine VALUES ({key + line}, {key}, {self.chance.randint(1, 3503)}, 0.99, 1)",
                       "made", "InvoiceLine", str(key + line))

    def track(self):
        key, way = self.chance.randint(1, 3400), self.chance.random()
        if way < 0.7:
            self.add(f"UPDATE Track SET Composer = '{self.word()}', UnitPrice = {self.chance.randint(1, 999)} / 100.0"
                     f" WHERE TrackId BETWEEN {key} AND {key + self.chance.choice((0, 1, 5, 50))}")
        else:  # refused, mostly: there is something that refers to it
            self.add(f"DELETE FROM Track WHERE TrackId = {key}")

    def playlist(self):
        key, list_, ignore = self.chance.randint(1, 3400), self.chance.randint(1, 18), "IGNORE" if self.office else "OR IGNORE"
        if self.chance.random() < 0.5:
            self.add(f"INSERT {ignore} INTO PlaylistTrack SELECT {list_}, TrackId FROM Track WHERE TrackId BETWEEN {key} AND {key + 10}")
        else:
            self.add(f"DELETE FROM PlaylistTrack WHERE PlaylistId = {list_} AND TrackId BETWEEN {key} AND {key + 10}")

    def customer(self):
        if self.office:
            self.add("UPDATE Customer, Invoice SET Customer.Company = 'of the office', Invoice.BillingState = 'NW' WHERE"
                     f" Customer.CustomerId = Invoice.CustomerId AND Customer.CustomerId = {self.chance.randint(1, 59)}")
        else:
            self.add(f"UPDATE Customer SET Fax = NULL, Company = '{self.word()}' WHERE CustomerId = {self.chance.randint(1, 59)}")

    def some(self, most):
        self.tally()
        for _ in range(self.chance.randint(1, most)):
            self.chance.choice((self.spot, self.spot, self.badge, self.branch, self.leaf, self.leaf, self.twig, self.note, self.sale,
                                self.purse, self.invoice, self.track, self.playlist, self.customer))()
        return self.steps


# ---- Who does it -----------------------------------------------------------------------------------


class Writer(threading.Thread):
    def __init__(self, who, seed):
        super().__init__(name=who)
        self.who, self.chance, self.number = who, random.Random(f"{seed} {who}"), 0
        self.journal = open(f"journal.{who}", "w")

    def note(self, state, facts):
        json.dump({"who": self.who, "number": self.number, "state": state, "facts": facts}, self.journal)
        self.journal.write("\n")

    def run(self):
        try:
            while not os.path.exists("enough"):
                self.number += 1
                self.transact()
        except Exception as error:  # pylint: disable=broad-except
            with open("failures", "a") as file:
                file.write(f"{self.who}: {error!r}\n")
            raise
        finally:
            self.journal.close()


class Office(Writer):
    """A program on MariaDB, with one connection for as long as it lives."""

    def __init__(self, who, seed, socket, database):
        super().__init__(who, seed)
        self.command = ["mariadb", "--no-defaults", "--socket=" + socket, "--user=root", "--default-character-set=utf8mb4",
                        "-N", "-B", "-n", "--force", "--skip-reconnect", database]
        self.client = None

    def connect(self):
        self.client = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       text=True, encoding="utf-8")
        self.ask("SET sql_mode = 'STRICT_ALL_TABLES,PIPES_AS_CONCAT', innodb_lock_wait_timeout = 3")

    def hang_up(self):
        if self.client:
            self.client.kill()
            try:
                self.client.communicate()
            except OSError:
                pass  # what it could not be told any more
        self.client = None

    def ask(self, statement):
        """Its rows, and whether it went well."""
        rows, well, undone = [], True, False
        try:
            self.client.stdin.write(statement + ";\nSELECT '@@';\n")
            self.client.stdin.flush()
        except OSError as error:
            raise Lost from error
        for line in self.client.stdout:
            line = line.rstrip("\n")
            if line == "@@":
                if undone:
                    raise Undone
                return rows, well
            if line.startswith(LOST):
                break
            if line.startswith("ERROR"):
                well = False
                undone |= line.startswith("ERROR 1213")
                if not undone and not line.startswith(("ERROR 1062", "ERROR 1205", "ERROR 1451", "ERROR 1452", "ERROR 1020")):
                    raise RuntimeError(f"{line}: {statement}")
            else:
                rows.append(line.split("\t"))
        raise Lost

    def work(self, steps, facts):
        """Those facts that come true with the commit."""
        for step in steps:
            rows, well = self.ask(step)
            if well:
                facts += rows
            elif step.startswith("SELECT") or (facts and facts[-1][0] != "tally") or self.chance.random() < 0.3:
                raise Undone  # what was looked at has not come about
            if self.chance.random() < 0.05:
                self.ask(f"DO sleep({self.chance.choice((0.01, 0.1, 0.5))})")

    def transact(self):
        steps = Steps(self.chance, True, self.who, self.number).some(self.chance.choice((1, 2, 4, 10)))
        facts, ends = [], self.chance.random() < 0.85
        state = "undone"
        try:
            if not self.client:
                self.connect()
            self.ask("BEGIN")
            self.work(steps, facts)
            state = "unknown" if ends else "undone"
            self.ask("COMMIT" if ends else "ROLLBACK")
            state = "done" if ends else "undone"
        except Undone:
            state = "undone"
            try:
                self.ask("ROLLBACK")
            except Lost:
                self.hang_up()
        except Lost:
            self.hang_up()
            time.sleep(0.1)
        self.note(state, facts)
        time.sleep(self.chance.random() * 0.1)


class Device(Writer):
    """A program on a device's file."""

    def __init__(self, who, seed, file):
        super().__init__(who, seed)
        self.file = file

    def transact(self):
        steps = Steps(self.chance, False, self.who, self.number).some(self.chance.choice((1, 2, 6)))
        keys = self.chance.choice(("ON", "OFF"))
        ends = self.chance.random() < 0.9
        script = ";\n".join([f"PRAGMA foreign_keys = {keys}", "BEGIN IMMEDIATE"] + steps + ["COMMIT;" if ends else "ROLLBACK;"])
        run = subprocess.run(["sqlite3", "-bail", "-batch", "-cmd", ".timeout 20000", self.file], input=script, text=True,
                             encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if run.returncode and "constraint failed" not in run.stderr:
            raise RuntimeError(f"{run.stderr}: {script}")
        facts = [line.split("|") for line in run.stdout.splitlines() if "|" in line]
        self.note("done" if ends and run.returncode == 0 else "undone", facts)
        time.sleep(self.chance.random() * 0.5)


class Watcher(Writer):
    """Money is moved on the server all the time; no device may ever show a sum that was never there."""

    def __init__(self, device, seed):
        super().__init__("watch." + device, seed)
        self.file = device + ".db"

    def transact(self):
        run = subprocess.run(["sqlite3", "-bail", "-readonly", "-cmd", ".timeout 20000", self.file, "SELECT count(*), sum(n) FROM purse"],
                             stdout=subprocess.PIPE, text=True, check=True)
        if run.stdout.strip() != "10|1000":
            raise RuntimeError(f"a state that the server never had: {run.stdout.strip()} instead of 10|1000")
        time.sleep(0.25)


def write(seed, socket, database, *devices):
    writers = [Office(f"w{n}", seed, socket, database) for n in range(1, OFFICES + 1)]
    for n, device in enumerate(devices, 1):
        writers += [Device(f"c{n}", seed, device + ".db"), Watcher(device, seed)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    sys.exit(os.path.exists("failures"))


if __name__ == "__main__":
    if sys.argv[1] == "tables":
        print(TABLES)
    else:
        write(*sys.argv[2:])
