#!/usr/bin/env python3
"""notes.py - an application that keeps its notes in SQLite, and Mantis inside it, by ctypes.

    notes.py SERVER_URL TOKEN_FILE TEXT     write a note, exchange, list all notes
"""
import ctypes
import json
import sqlite3
import sys
import uuid


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("text", ctypes.c_char * 1000)]


class Report(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("kind", ctypes.c_uint32), ("level", ctypes.c_uint32), ("state", ctypes.c_uint32),
                ("table", ctypes.c_char_p), ("key", ctypes.c_char_p), ("rows", ctypes.c_uint64), ("text", ctypes.c_char_p)]


REPORTER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Report))


class Opening(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("config", ctypes.c_char_p), ("folder", ctypes.c_char_p), ("file", ctypes.c_char_p),
                ("plugin_dir", ctypes.c_char_p), ("report", REPORTER), ("context", ctypes.c_void_p)]


class Mantis:
    """A node: with Mantis(config, report) as node: node.ask("sync")"""

    library = ctypes.CDLL("libmantis.so.0")

    def __init__(self, config, report):
        self.node, self.reporter = ctypes.c_void_p(), REPORTER(lambda _, r: report(r.contents))  # kept: it is called later
        opening = Opening(size=ctypes.sizeof(Opening), config=json.dumps(config).encode(), report=self.reporter)
        self.call("mantis_open_with", ctypes.byref(opening), ctypes.byref(self.node))
        self.call("mantis_start", self.node)

    def call(self, name, *arguments):
        error = Error()
        if getattr(self.library, name)(*arguments, ctypes.byref(error)):
            raise RuntimeError(error.text.decode())

    def ask(self, message, argument=None):
        answer = ctypes.c_char_p()
        self.call("mantis_ask", self.node, message.encode(), argument and argument.encode(), ctypes.byref(answer))
        text = answer.value
        ctypes.CDLL(None).free(answer)
        return json.loads(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.mantis_close(self.node)


def main(url, token_file, text):
    base = sqlite3.connect("notes.db", isolation_level=None, timeout=5)
    base.execute("CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, body TEXT)")
    config = {"storage": {"plugin": "sqlite", "path": "notes.db"}, "sync": {"server_url": url, "token_file": token_file}}
    with Mantis(config, lambda r: r.kind == 3 and print(f"{r.table.decode()}: {r.rows} rows are new", flush=True)) as node:
        base.execute("INSERT INTO notes VALUES (?, ?)", (uuid.uuid4().hex, text))  # nobody waits for the network
        try:
            node.ask("sync")
        except RuntimeError as error:
            print("later:", error)
        for body, in base.execute("SELECT body FROM notes ORDER BY body"):
            print("-", body)


if __name__ == "__main__":
    main(*sys.argv[1:])
