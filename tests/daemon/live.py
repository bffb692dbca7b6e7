"""live.py - what those hear who wait at a server over WebSockets: 00-live.sh.

    live.py PORT TOKEN-FILE DATABASE PID

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import re, sqlite3, sys, threading, urllib.request
from ws import WebSocket

port, token, database, pid = int(sys.argv[1]), open(sys.argv[2]).read().strip(), sys.argv[3], sys.argv[4]
GROWTH = 100 * 1024  # kB


class Device:
    def __init__(self, number, room=None):
        self.node, self.room, self.number = f"{number:032x}", room, 0
        self.rows, self.pages, self.pulls = {}, 0, 0
        self.connect()
        head = self.call("hello", {"protocol": 1, "number": 0, "tables": {}})
        self.cursor = head["head"]

    def connect(self):
        self.socket = WebSocket(port, token, f"Mantis-Node: {self.node}", room=self.room)

    def call(self, name, body):
        answer = self.socket.ask({"type": name, "id": 1, "body": body})
        assert answer["status"] == 200, answer
        return answer["body"]

    def pull(self):
        self.pulls += 1
        self.socket.send({"type": "pull", "id": "p", "body": {"cursor": self.cursor, "wait": 25}})

    def take(self):
        """The page that was asked for."""
        answer = self.socket.receive()
        assert answer["status"] == 200 and answer["id"] == "p", answer
        page = answer["body"]
        self.cursor = page["cursor"]
        self.pages += 1
        new = [row[0] for block in page["changes"] for row in block.get("rows", [])]
        for block in page["changes"]:
            self.rows.update((row[0], row[1]) for row in block.get("rows", []))
        return new, page["complete"]

    def push(self, key):
        self.number += 1
        self.call("push", {"number": self.number, "nonce": f"n{self.number}",
                           "changes": [{"table": "note", "columns": ["id", "body"], "rows": [[key, "pushed"]], "created": 1}]})


def metric(name):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
    return int(re.search(rf"^mantis_{name} (\d+)$", urllib.request.urlopen(request).read().decode(), re.M)[1])


def peak():
    return int(re.search(r"VmHWM:\s*(\d+)", open(f"/proc/{pid}/status").read())[1])


back_office = sqlite3.connect(database, timeout=20, isolation_level=None)
back_office.execute("PRAGMA synchronous = off")

# Another program writes, then one of them: each page is the answer to a pull that waited.
devices = [Device(i) for i in range(20)]
for device in devices:
    device.pull()
back_office.execute("INSERT INTO note VALUES ('office', 'written')")
for device in devices:
    assert device.take() == (["office"], True)
    device.pull()
pusher = Device(99)
pusher.pull()
writer = Device(100)
writer.push("first")
for device in devices + [pusher]:
    assert device.take()[0] == ["first"], device.node
    assert device.pulls == device.pages
    device.pull()

# Its own change is not told to who made it, but told of what others wrote beside it.
quiet = devices[0]
own = WebSocket(port, token, f"Mantis-Node: {quiet.node}")
answer = own.ask({"type": "push", "id": 1, "body": {"number": 1, "nonce": "n1", "changes": [
    {"table": "note", "columns": ["id", "body"], "rows": [["own", "mine"]], "created": 1}]}})
assert answer["status"] == 200, answer
for device in devices[1:]:
    assert device.take()[0] == ["own"]
    device.pull()
back_office.execute("INSERT INTO note VALUES ('beside', 'written')")
assert quiet.take()[0] == ["beside"]
for device in devices[1:]:
    assert device.take()[0] == ["beside"]

# A burst is batched.
device = devices[1]
before = device.pages


def burst():
    mine = sqlite3.connect(database, timeout=20, isolation_level=None)
    mine.execute("PRAGMA synchronous = off")
    for i in range(1000):
        mine.execute("INSERT INTO note VALUES (?, 'burst')", (f"burst-{i}",))


device.pull()
program = threading.Thread(target=burst)
program.start()
while sum(key.startswith("burst-") for key in device.rows) < 1000:
    device.take()
    device.pull()
program.join()
print(f"1000 commits came in {device.pages - before} pages")
assert device.pages - before <= 700

# Who does not read: what waits for it is little, whatever is written; when it reads it gets all.
lazy = [Device(1000 + i, room=4096) for i in range(40)]
for device in lazy:
    device.pull()
start = peak()
count = metric("pulls_total")
text = "x" * 4000
for part in range(4):
    back_office.execute("BEGIN IMMEDIATE")
    back_office.executemany("INSERT INTO note VALUES (?, ?)", ((f"large-{part}-{i}", text) for i in range(500)))
    back_office.execute("COMMIT")
while metric("pulls_total") < count + len(lazy):
    pass
print(f"{len(lazy)} that do not read, 8 MB written: the server grew by {peak() - start} kB")
assert peak() - start < GROWTH

for device in lazy[:2]:
    while True:
        if device.take()[1]:
            break
        device.pull()
    assert sum(key.startswith("large-") for key in device.rows) == 2000, len(device.rows)

# One that is cut off in the middle goes on from its cursor.
device = lazy[2]
device.take()
assert sum(key.startswith("large-") for key in device.rows) < 2000
device.pull()
device.socket.socket.close()
device.room = None
device.connect()
device.pull()
while not device.take()[1]:
    device.pull()
assert sum(key.startswith("large-") for key in device.rows) == 2000, len(device.rows)
