#!/usr/bin/env python3
"""reload.py PORT PID LOG ROUNDS CALLERS: these ask for a table without a break while SIGHUP brings one filter and then the other.

Prints what is wrong: an answer that is of neither filter, or of the old one though it was asked for after the log had said that
the new one is in force.  a.json and b.json are the configurations, office.json is the one that is read."""
import http.client
import json
import os
import shutil
import signal
import sys
import threading
import time

port, pid, log, rounds, callers = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
token = open("curl.token").read().strip()
patience = float(os.environ.get("MANTIS_TEST_PATIENCE", "30"))
in_force, ended = None, False  # in_force: a name with the round since which the log has told it, None while it changes
wrong, answers = [], 0


def ask(connection):
    connection.request("POST", "/sync/pull", '{"load": {"table": "orders"}}', {"Authorization": "Bearer " + token})
    answer = json.load(connection.getresponse())
    view = answer.get("view"), answer.get("filters")
    return [row[0] for block in answer["load"]["changes"] for row in block["rows"]], view


def judge(keys):
    return {True: "a", False: "b"}[keys[0].startswith("a")] if keys and len({key[0] for key in keys}) == 1 and len(keys) == 100 else None


def caller():
    global answers
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    while not ended:
        expected = in_force
        keys, view = ask(connection)
        found = judge(keys)
        answers += 1
        if not found:
            wrong.append(f"a mixture: {len(keys)} rows, {sorted({key[0] for key in keys})}")
        elif expected and in_force is expected and found != expected[0]:
            wrong.append(f"{found} after {expected[0]} was told to be in force")
        views.setdefault(found, set()).add(view)


def told():
    return sum("read again" in line for line in open(log))


views = {}
threads = [threading.Thread(target=caller) for _ in range(callers)]
in_force = ("a", -1)
for thread in threads:
    thread.start()
for i in range(rounds):
    before, name = told(), "ba"[i % 2]
    in_force = None
    shutil.copy(name + ".json", "office.json.new")
    os.rename("office.json.new", "office.json")
    os.kill(pid, signal.SIGHUP)
    end = time.monotonic() + patience
    while told() == before:
        if time.monotonic() > end:
            wrong.append(f"{name} is not told to be in force within {patience} s")
            break
        time.sleep(0.002)
    in_force = (name, i)
    had, end = answers, time.monotonic() + patience
    while answers < had + 2 * callers and time.monotonic() < end and not wrong:
        time.sleep(0.002)
ended = True
for thread in threads:
    thread.join()
if set(views) != {"a", "b"} or any(len(each) != 1 for each in views.values()) or views["a"] == views["b"]:
    wrong.append(f"views: {views}")
for line in wrong[:10]:
    print(line)
sys.exit(bool(wrong))
