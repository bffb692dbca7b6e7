#!/bin/bash
# 14: over a WebSocket the messages are those of REST; a peer that is silent, slow, greedy or no longer permitted loses its
# connection with the code that says why, takes no memory, and a server that stops says so.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 ss
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
configure_server office
sed -i 's/"transport": "rest",/"transport": "rest", "max_connections": 20, "write_timeout": "1s",/; s/"key_file"/"leeway": "0s", "key_file"/' office.json
sed -i 's/^ "auth"/ "plugins": ["rest", "sqlite", "jwt", "timestamp", {"path": "websocket", "options": {"max_buffered_bytes": "1M", "max_message_bytes": "900k", "message_timeout": "1s", "ping_interval": "500ms"}}],\n&/' office.json
start_mantisd office --mode server --log-level debug
token office > office.token
token other > other.token

# run NAME: what follows on standard input, with W(fields...) for a connection.
python ()
{
  { cat << END
import json, os, struct, sys, threading, time
sys.path.insert(0, "$top/tests/daemon")
from ws import *
pid, port = $(pid_of office), $port
token = open("office.token").read().strip()
def W(*fields, **more): return WebSocket(port, token, *fields, **more)
def resident(): return int(open(f"/proc/{pid}/statm").read().split()[1]) * 4096
END
    cat; } > "$1.py"
  python3 -B "$1.py" > "$1.out" 2>&1 || { cat "$1.out"; fail "$1"; }
}

python messages << 'END'
w = W("Mantis-Node: " + "ab" * 16)
a = w.ask({"type": "push", "id": 7, "body": {"number": 1, "nonce": "n1", "changes": [{"table": "note", "columns": ["id", "body"], "rows": [["a", "über"]]}]}})
assert a["type"] == "push" and a["id"] == 7 and a["status"] == 200 and a["body"]["outcomes"] == {"applied": 1}, a
a = w.ask({"type": "push", "body": {"number": 9, "nonce": "n9", "changes": []}})
assert a["type"] == "error" and a["status"] == 409 and a["body"]["code"] == "expected" and "id" not in a, a
a = w.ask({"type": "schema", "id": "s"})
assert a["type"] == "schema" and a["id"] == "s" and a["body"]["tables"][0]["table"] == "note", a
a = w.ask({"type": "conflicts", "argument": "limit=1"})
assert a["body"]["conflicts"] == [], a
a = w.ask({"type": "metrics"})
assert a["body"].startswith("# HELP"), a

# What is no message gets "error", and the connection stays.
for text in (b'{"type":"noop","id":1}', b'{"id":1}', b'[1]', b'', b'{"type":"push","id":1,"body":{"changes":[}}', b'{"type":"pull","type":"push"}',
             b'{"type":"p\\u0075sh"}', b'{"type":"push","body":{"\\ud800":1}}', b'{"type":"schema"} {}', b'{"type":"schema"', b'[' * 100000,
             b'{"type":"push","node":"x","id":1,"body":{}}'):
    w.frame(1, text)
    a = w.receive()
    assert a["type"] == "error" and a["status"] in (400, 404), (text[:60], a)
    assert not text.endswith(b'"id":1}') or a["id"] == 1, (text, a)
w.frame(2, b"\xff")
assert w.receive()["type"] == "error"

# A pull that waits holds up nothing, and hears of a commit.
head = w.ask({"type": "pull", "body": {}})["body"]["cursor"]
w.send({"type": "pull", "id": "waits", "body": {"cursor": head, "wait": 20}})
a = w.ask({"type": "schema", "id": "between"})
assert a["id"] == "between", a
other = W()
assert other.ask({"type": "push", "body": {"changes": [{"table": "note", "columns": ["id", "body"], "rows": [["b", "x"]]}]}})["status"] == 200
a = w.receive()
assert a["id"] == "waits" and a["body"]["changes"], a

# Four at once, and no more.
head = w.ask({"type": "pull", "body": {}})["body"]["cursor"]
for i in range(5):
    w.send({"type": "pull", "id": i, "body": {"cursor": head, "wait": 20}})
a = w.receive()
assert a["id"] == 4 and a["status"] == 503 and a["retry_after"] > 0, a
END

python doors << 'END'
def refused(*arguments, **more):
    try:
        WebSocket(port, *arguments, **more)
    except Refused as refused:
        assert "101" not in refused.head.split("\r\n")[0]
        return refused
    raise AssertionError("let in")
assert refused(None).status == 401
assert refused("no.good.token").status == 401
assert refused(None, "Cookie: session=" + token).status == 401
assert refused(open("other.token").read().strip(), "Mantis-Node: " + "ab" * 16).status == 403   # another's node
assert refused(token, "Mantis-Node: no node").status == 400
assert refused(token, "Sec-WebSocket-Protocol: mantis.v1").status == 400                       # twice
held = [W() for i in range(20)]
assert refused(token).status == 503
END

python ends << 'END'
# A peer that answers pings stays; one that does not, goes, without a word.
lives, dead = W(), W()
dead.pongs = False
codes = []
waits = threading.Thread(target=lambda: codes.append(dead.closes()))
waits.start()
for i in range(5): # pings, in the time of which the other one is gone
    opcode, payload = lives.next()
    assert opcode == 9
    lives.frame(10, payload)
waits.join()
assert codes == [1006], codes
assert lives.ask({"type": "schema"})["status"] == 200

# A message that does not end.
slow = W()
slow.frame(1, b'{"type":', fin=False)
assert slow.closes() == 1008
# What came fast before is no credit for a peer that then only holds on.
slow = W()
slow.frame(1, b'"' + b" " * 400000, fin=False)
assert slow.closes() == 1008

# A close frame that comes in pieces, its reason cut within characters.
w = W()
for byte in struct.pack("!BB4sH", 0x88, 0x80 | 11, bytes(4), 1000) + "fünf €".encode():
    w.socket.sendall(bytes([byte]))
    time.sleep(0.005)
opcode, payload = w.next()
assert opcode == 8 and payload == b"\x03\xe8" + "fünf €".encode(), (opcode, payload)

# Too much, alone and together.
large = W()
large.frame(1, b" " * 1000000)
assert large.closes() == 1009
greedy = []
for i in range(3):
    greedy.append(W())
    greedy[i].frame(1, b" " * 500000, fin=False)
    if i < 2: # until it has been read
        greedy[i].frame(9, b"here")
        while greedy[i].next() != (10, b"here"):
            pass
assert greedy[2].closes() == 1013
greedy[0].socket.close()
while not W().ask({"type": "schema", "body": "x" * 300000})["status"] == 200: # until there is room again
    pass
assert W().ask({"type": "schema"})["status"] == 200
END

# A reader that takes nothing of what it asks for: bounded, and gone in time.
sql office "WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 2000) INSERT INTO note SELECT 'k' || k, hex(randomblob(500)) FROM k"
wait_for_row office "SELECT 1 FROM note WHERE id = 'k2000'"
python slow_reader << 'END'
w = W()
head = w.ask({"type": "pull", "body": {}})["body"]["cursor"]
before, asked = resident(), 0
load = json.dumps({"type": "pull", "body": {"cursor": head, "load": {"table": "note", "limit": 5000}}}).encode()
greedy = [W(room=4096) for i in range(3)]
for g in greedy:
    g.socket.settimeout(0.3)
for g in greedy:
    try:
        for i in range(20000):
            g.frame(1, load)
            asked += 1
    except (TimeoutError, ConnectionError):
        pass
grown = resident() - before
print(asked, "asked", grown, "bytes grown")
assert grown < 100 << 20, grown
w.socket.close()
deadline = time.monotonic() + 20
while os.popen(f"ss -Htn state established '( sport = :{port} )'").read():
    assert time.monotonic() < deadline, "they are still there"
    time.sleep(0.05)
assert W().ask({"type": "schema"})["status"] == 200
END

# A token that ends, and a server that stops.
export build
python expiry << 'END'
import subprocess
def short_lived(): # until a busy machine is fast enough for it
    while True:
        token = subprocess.check_output([os.environ["build"] + "/mantisctl", "--config", "office.json", "token", "--subject", "office", "--lifetime", "2s"], text=True)
        try:
            return WebSocket(port, token.strip())
        except Refused as refused:
            assert refused.status == 401, refused.head
w = short_lived()
assert w.ask({"type": "schema"})["status"] == 200
code = w.closes()
assert code == 3000, code
END
cat > stops.py << END
import sys
sys.path.insert(0, "$top/tests/daemon")
from ws import *
w = WebSocket($port, open("office.token").read().strip())
head = w.ask({"type": "pull", "body": {}})["body"]["cursor"]
w.send({"type": "pull", "id": "waits", "body": {"cursor": head, "wait": 20}})
assert w.ask({"type": "schema"})["status"] == 200
open("there", "w").close()
a = w.receive()
assert a["id"] == "waits" and a["status"] in (200, 503), a
code = w.closes()
assert code == 1001, code
END
python3 -B stops.py > stops.out 2>&1 &
stops=$!
wait_for "the last connection" test -e there
stop_mantisd office
[ "$ended" = 0 ] || fail "ended with $ended"
wait $stops || { cat stops.out; fail "no 1001"; }
! grep -q "leaked\|AddressSanitizer" office.log || fail "$(cat office.log)"
