#!/usr/bin/env python3
"""embed.py - two nodes in one process, by the class of docs/examples/embed/notes.py: 00-embed.sh.

    embed.py URL TOKEN_FILE SERVER_DB STOP START     shell commands that stop and start the server

Writes nothing where all is well.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import ctypes
import gc
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading

sys.path.insert(0, os.environ["EXAMPLE"])
import notes  # noqa: E402

LOG, STATE, APPLIED, PROGRESS, SENT, CONFLICT = range(1, 7)
WAITING, SYNCING, SYNCED, STOPPED = range(1, 5)
PATIENCE = int(os.environ["PATIENCE"])


class Application:
    """Its file, its node, and what that has reported."""

    def __init__(self, name, url, token, **more):
        self.reports, self.more, self.happened = [], more, threading.Condition()
        self.base = sqlite3.connect(name + ".db", isolation_level=None, timeout=10, check_same_thread=False)
        self.base.execute("PRAGMA journal_mode = WAL")
        self.base.execute("CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, body TEXT)")
        self.config = {"storage": {"plugin": "sqlite", "path": name + ".db"}, "sync": {"server_url": url, "token_file": token}}
        self.config.update(more)
        self.node = notes.Mantis(self.config, self.on_report)

    def on_report(self, report):
        text = {"table": report.table, "key": report.key, "text": report.text}
        fact = {name: value and value.decode() for name, value in text.items()}
        fact.update(kind=report.kind, level=report.level, state=report.state, rows=report.rows)
        fact["thread"] = threading.get_native_id()
        with self.happened:
            self.reports.append(fact)
            self.happened.notify_all()

    def wait(self, **wanted):
        """For a report after those that were waited for."""
        def found():
            for place, report in enumerate(self.reports):
                if all(report[name] == value for name, value in wanted.items()):
                    del self.reports[: place + 1]
                    return report
            return None

        with self.happened:
            result = self.happened.wait_for(found, PATIENCE)
            assert result, f"no report {wanted} among {self.reports}"
            return result

    def forget(self):
        with self.happened:
            self.reports.clear()


class FromFile(notes.Mantis):
    """The same, from the file of a configuration."""

    def __init__(self, config, report):
        with open("from-file.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
        self.node, self.reporter = ctypes.c_void_p(), notes.REPORTER(lambda _, r: report(r.contents))
        opening = notes.Opening(size=ctypes.sizeof(notes.Opening), file=b"from-file.json", report=self.reporter)
        self.call("mantis_open_with", ctypes.byref(opening), ctypes.byref(self.node))
        self.call("mantis_start", self.node)


def refused(why, function, *arguments):
    try:
        function(*arguments)
    except RuntimeError as error:
        assert why in str(error), str(error)
        return
    raise AssertionError(f"{why}: it was not refused")


def signals():
    """Those up to 31: the C library has two of its own above."""
    with open("/proc/self/status") as file:
        return {line[:6]: int(line.split()[1], 16) & 0x7FFFFFFF for line in file if line.startswith("Sig") and "/" not in line}


def footprint():
    files = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
    return len(os.listdir("/proc/self/task")), sorted(files)


def exchange(url, token, server, stop, start):
    one, two = Application("one", url, token), Application("two", url, token, log_level="error")
    one.wait(kind=STATE, state=SYNCED)
    two.wait(kind=PROGRESS, table="notes", text="live")
    two.wait(kind=STATE, state=SYNCED)

    # What one writes, two is told of.
    one.base.execute("INSERT INTO notes VALUES ('a', 'one'), ('b', 'one')")
    assert one.wait(kind=SENT, table="notes")["rows"] in (1, 2)
    two.wait(kind=APPLIED, table="notes")
    two.node.ask("sync")
    assert two.base.execute("SELECT count(*) FROM notes WHERE body = 'one'").fetchone() == (2,)
    assert two.node.ask("status")["waiting"] == 0

    # Questions.
    refused("no such message", one.node.ask, "dance")
    refused("no table", one.node.ask, "scan", "nowhere")
    one.node.ask("scan", "notes")

    # The network goes.
    one.forget()
    subprocess.run(stop, shell=True, check=True)
    assert one.wait(kind=STATE, state=WAITING)["text"], "waiting for nothing"
    refused("", one.node.ask, "sync")
    one.base.execute("UPDATE notes SET body = 'one, offline' WHERE id = 'a'")
    server = sqlite3.connect(server, isolation_level=None, timeout=10)
    server.execute("UPDATE notes SET body = 'office, later' WHERE id = 'a'")
    server.close()
    one.forget()
    subprocess.run(start, shell=True, check=True)
    one.node.library.mantis_sync(one.node.node)
    lost = one.wait(kind=CONFLICT, table="notes")
    assert (lost["key"], lost["text"]) == ('["a"]', "superseded"), lost
    one.wait(kind=STATE, state=SYNCED)
    assert one.base.execute("SELECT body FROM notes WHERE id = 'a'").fetchone() == ("office, later",)
    assert len(one.node.ask("conflicts")["conflicts"]) == 1

    # Each node has a log of its own, by its own level.
    assert not [r for r in two.reports if r["kind"] == LOG and r["level"] > 0], two.reports
    assert not {r["thread"] for r in one.reports} & {r["thread"] for r in two.reports}

    # Stopped, and started again.
    one.node.library.mantis_stop(one.node.node)
    assert one.wait(kind=STATE, state=STOPPED)["text"] is None
    refused("mantis_start", one.node.ask, "status")
    one.base.execute("INSERT INTO notes VALUES ('c', 'stopped')")
    restart(one)
    one.node.ask("sync")
    two.node.ask("sync")
    assert two.base.execute("SELECT body FROM notes WHERE id = 'c'").fetchone() == ("stopped",)

    # No two nodes for one file; a node cannot wait for itself; what is wrong is said with its place.
    refused("in use", Application, "one", url, token)
    refused("$.sync.interval_secs", notes.Mantis, {"sync": {"interval_secs": 1}}, one.on_report)
    inside = []
    plain, one.on_report = one.on_report, None

    def ask_inside(report):
        plain(report)
        if report.kind == SENT:
            try:
                one.node.ask("status")
            except RuntimeError as error:
                inside.append(str(error))

    one.node.__exit__()
    one.node = FromFile(one.config, ask_inside)
    one.base.execute("INSERT INTO notes VALUES ('d', 'inside')")
    one.wait(kind=SENT)
    one.node.ask("sync")
    assert inside and "wait for itself" in inside[0], inside
    for application in (one, two):
        application.node.__exit__()
        application.base.close()


def restart(application):
    """The thread that stopped may still be on its way out."""
    while True:
        try:
            return application.node.call("mantis_start", application.node.node)
        except RuntimeError as error:
            assert "works already" in str(error)


def main(*arguments):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as in a program in C
    before = signals(), footprint()
    exchange(*arguments)
    gc.collect()  # the databases that it had opened
    after = signals(), footprint()
    assert before == after, f"signals, threads and files: {before}, now {after}"


main(*sys.argv[1:])
