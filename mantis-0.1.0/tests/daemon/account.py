#!/usr/bin/env python3
"""account.py - what became of all that everybody wrote: 17-mysql-minute.sh.

    account.py SOCKET DATABASE DEVICE...

Reads the files journal.WHO that minute.py left, what MariaDB holds (the devices hold the same by now), and all conflicts
that were kept.  Says what is missing, and ends with status 1 when something is.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import collections
import glob
import json
import sqlite3
import subprocess
import sys

TRAILS = ("spot", "badge", "branch", "leaf", "twig")
OF_ONE = ("note", "sale", "tally", "purse", "stock")  # no two write the same row: there is nothing to be in conflict about
KEYS = {"note": "id", "sale": "id", "Invoice": "InvoiceId", "InvoiceLine": "InvoiceLineId"}
CONFLICTS = "SELECT tbl, hex({key}), outcome, hex(coalesce(loser, 'null')), coalesce(reason, '') FROM __sync_conflicts"

wrong = []


def complain(text):
    wrong.append(text)


class Account:
    def __init__(self, socket, database, devices):
        self.command = ["mariadb", "--no-defaults", "--socket=" + socket, "--user=root", "--default-character-set=utf8mb4",
                        "-N", "-B", "-r", database]
        self.transactions = [json.loads(line) for name in glob.glob("journal.*") for line in open(name)]
        self.kept = {"": self.conflicts(self.ask(CONFLICTS.format(key="`key`")))}
        for device in devices:
            base = sqlite3.connect(f"file:{device}.db?mode=ro", uri=True)
            self.kept[device] = self.conflicts(base.execute(CONFLICTS.format(key="key")))

    def ask(self, sql):
        run = subprocess.run(self.command, input=sql.encode(), stdout=subprocess.PIPE, check=True)
        return [line.split("\t") for line in run.stdout.decode().splitlines()]

    @staticmethod
    def conflicts(rows):
        """(table, key, outcome, loser, reason) of each."""
        found = []
        for table, key, outcome, loser, reason in rows:
            loser = json.loads(bytes.fromhex(loser))
            found.append((table, json.dumps(json.loads(bytes.fromhex(key))), outcome, json.dumps(loser, sort_keys=True), reason))
        return found

    def facts(self, kind, *states):
        return [fact for t in self.transactions if t["state"] in states for fact in t["facts"] if fact[0] == kind]

    # ---- What is checked ----

    def fallen(self):
        """Leaves that went with a branch whose deletion a device had sent, which had not seen them: those that arrived
        before it go without a word.  The log has one deletion more of them than the office has made."""
        deletions = collections.Counter(key for key, in self.ask(
            "SELECT k0 FROM __sync_log WHERE tbl = (SELECT id FROM __sync_tables WHERE name = 'leaf') AND op = 'D' AND origin IS NULL"))
        for t in self.transactions:
            if t["who"][0] == "w" and t["state"] != "undone":
                deletions.subtract(fact[2] for fact in t["facts"] if fact[:2] == ["gone", "leaf"])
        return {key for key, count in deletions.items() if count > 0}

    def words(self):
        """Each write is in the row that stands, or in one that lost, or in one that somebody deleted."""
        found, fallen = set(), self.fallen()
        for table in TRAILS:
            for trail, in self.ask(f"SELECT trail FROM {table}"):
                found.update(trail.split(">"))
        for losers in self.kept.values():
            for table, _, _, loser, _ in losers:
                if table in TRAILS:
                    found.update(((json.loads(loser) or {}).get("trail") or "").split(">"))
        for fact in self.facts("gone", "done", "unknown"):
            if fact[1] in TRAILS:
                found.update(fact[3].split(">"))
        for fact in self.facts("wrote", "done"):
            if fact[1] not in found and not (len(fact) > 2 and fact[3] in fallen):
                complain(f"a write is lost: {fact}")
        return len(self.facts("wrote", "done"))

    def made(self):
        """Each new row is there, or was deleted by somebody, or was refused: and that was kept."""
        there = {table: {key for key, in self.ask(f"SELECT {column} FROM {table}")} for table, column in KEYS.items()}
        gone = {(fact[1], fact[2]) for fact in self.facts("gone", "done", "unknown")}
        kept = {(c[0], str(json.loads(c[1])[0])) for c in self.kept[""]}
        for _, table, key in self.facts("made", "done"):
            if key not in there[table] and (table, key) not in gone and (table in OF_ONE or (table, key) not in kept):
                complain(f"a new row is lost: {table} {key}")
        for _, table, key in self.facts("made", "undone"):
            if key in there[table]:
                complain(f"a row that was rolled back is there: {table} {key}")
        return len(self.facts("made", "done"))

    def counters(self):
        last, perhaps = collections.Counter(), collections.Counter()
        for t in self.transactions:
            for fact in t["facts"]:
                if fact[0] == "tally" and t["state"] != "undone":
                    perhaps[t["who"]] = max(perhaps[t["who"]], int(fact[1]))
                    if t["state"] == "done":
                        last[t["who"]] = max(last[t["who"]], int(fact[1]))
        held = {who: int(n) for who, n in self.ask("SELECT who, n FROM tally")}
        for who, n in last.items():
            if not n <= held.get(who, 0) <= perhaps[who]:
                complain(f"the counter of {who} is {held.get(who)}, and was {n}")
        for stock, n, sold in self.ask("SELECT id, n, (SELECT count(*) FROM sale WHERE stock = stock.id) FROM stock"):
            if n != sold:
                complain(f"stock {stock}: {n} were counted, {sold} sold: some twice or not at all")
        if self.ask("SELECT sum(n) FROM purse") != [["1000"]]:
            sent = self.ask("SELECT k0, op, origin FROM __sync_log WHERE origin IS NOT NULL"
                            " AND tbl = (SELECT id FROM __sync_tables WHERE name = 'purse')")
            complain(f"the sum of all purses; what devices sent of them: {sent}")

    def conflicts_agree(self):
        """What a device noted as lost is noted on the server, too; and nothing is in conflict that cannot be."""
        server = {(table, key, loser) for table, key, _, loser, _ in self.kept[""]}
        for place, conflicts in self.kept.items():
            for table, key, outcome, loser, reason in conflicts:
                if table in OF_ONE:
                    complain(f"{place or 'the server'}: a conflict of {table} {key}: {outcome}, {loser}, {reason}")
                if outcome == "rejected" and not reason:
                    complain(f"{place or 'the server'}: {table} {key} was rejected for no reason")
                if place and (table, key, loser) not in server:
                    complain(f"{place}: {table} {key} lost ({outcome}, {loser}), and the server does not know it")

    def orphans(self):
        for child, columns, parent, parents in self.ask(
                "SELECT table_name, group_concat(column_name ORDER BY ordinal_position), referenced_table_name,"
                " group_concat(referenced_column_name ORDER BY ordinal_position) FROM information_schema.key_column_usage"
                " WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL GROUP BY table_name, constraint_name"):
            pairs = list(zip(columns.split(","), parents.split(",")))
            without = " AND ".join(f"c.{a} IS NOT NULL" for a, _ in pairs)
            same = " AND ".join(f"p.{b} = c.{a}" for a, b in pairs)
            for count, in self.ask(f"SELECT count(*) FROM {child} AS c WHERE {without} AND NOT EXISTS (SELECT 1 FROM {parent} AS p WHERE {same})"):
                if count != "0":
                    complain(f"{count} rows of {child} have no {parent}")


def main():
    account = Account(sys.argv[1], sys.argv[2], sys.argv[3:])
    words, rows = account.words(), account.made()
    account.counters()
    account.conflicts_agree()
    account.orphans()
    states = collections.Counter(t["state"] for t in account.transactions if not t["who"].startswith("watch"))
    outcomes = collections.Counter(c[2] for c in account.kept[""])
    print(f"transactions: {dict(states)}; writes of shared rows: {words}; new rows: {rows}; kept on the server: {dict(outcomes)}")
    for text in wrong[:40]:
        print(text)
    if len(wrong) > 40:
        print(f"and {len(wrong) - 40} more")
    sys.exit(bool(wrong))


main()
