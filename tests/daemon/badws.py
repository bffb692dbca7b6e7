#!/usr/bin/env python3
"""badws.py LISTEN-PORT SERVER-PORT - a server, or what lies before it, that does to a WebSocket client what it must bear.

/CASE/sync/ws, for a case of `roads`: the upgrade is broken in that way, always; anything else passes to the server.
/sync/ws, and the file `bad` exists: each connection gets the next case of `cases`.  What came of it is a line in `results`: the case,
"good" or "BAD", the code with which the client left (0: it closed without one), and how much it sent.  After the last
one the file `done` is made, and connections pass to the server.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import base64
import hashlib
import json
import os
import socket
import struct
import sys
import threading

lock = threading.Lock()
taken = 0
finished = 0


def frame(opcode, payload=b"", fin=True, rsv=0, mask=False, length=None, form=None):
    """A frame; LENGTH: the one that is declared, FORM: how (126, 127), whatever is true."""
    length = len(payload) if length is None else length
    form = form or (length if length < 126 else 126 if length < 65536 else 127)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode, (0x80 if mask else 0) | form])
    head += struct.pack("!H", length) if form == 126 else struct.pack("!Q", length) if form == 127 else b""
    return head + (b"\0\0\0\0" if mask else b"") + payload


def close(code, why=b""):
    return frame(8, struct.pack("!H", code) + why)


def answer(status, body=b"", more=b""):
    return b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), more, body)


# ---- Handshakes that are none: what is sent instead of the 101, given the one that would do ------------------------
hails = {
    "hash": lambda good: good.replace(b"Accept: ", b"Accept: x"),
    "no-hash": lambda good: good.replace(b"Sec-WebSocket-Accept", b"X"),
    "two-hashes": lambda good: good.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Accept: no\r\n\r\n"),
    "subprotocol": lambda good: good.replace(b"mantis.v1", b"mantis.v2"),
    "no-subprotocol": lambda good: good.replace(b"Sec-WebSocket-Protocol", b"X"),
    "extension": lambda good: good.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
    "no-upgrade": lambda good: good.replace(b"Upgrade: websocket\r\n", b""),
    "other-upgrade": lambda good: good.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    "200": lambda good: answer(200, b"<html>", b"Content-Type: text/html\r\n"),
    "404": lambda good: answer(404),
    "502": lambda good: answer(502, b"x" * 100000),
    "redirect": lambda good: answer(302, b"", b"Location: http://127.0.0.1:1/\r\n"),
    "garbage": lambda good: os.urandom(5000) + b"\r\n\r\n",
    "nul": lambda good: good.replace(b"Upgrade: ", b"Upgr\0de: "),
    "endless-head": lambda good: b"HTTP/1.1 101 Yes\r\n" + b"X: y\r\n" * 10000,
    "endless-body": lambda good: b"HTTP/1.1 403 No\r\nContent-Length: 1000000000000\r\n\r\n" + b"x" * 1000000,
    "half-head": lambda good: good[:60],
    "nothing": lambda good: b"",
}

# ---- What is sent after a good handshake and the first message, and the code that the client has to leave with ------
#      (None: it decides for itself; a function is given the id of the message)
cases = {
    "masked": (frame(1, b"{}", mask=True), 1002),
    "masked-ping": (frame(9, b"", mask=True), 1002),
    "rsv1": (frame(1, b"{}", rsv=4), 1002),
    "rsv2": (frame(1, b"{}", rsv=2), 1002),
    "rsv3-ping": (frame(9, b"", rsv=1), 1002),
    "opcode-3": (frame(3, b"{}"), 1002),
    "opcode-11": (frame(11), 1002),
    "continuation": (frame(0, b"{}"), 1002),
    "text-in-text": (frame(1, b"{", fin=False) + frame(1, b"}"), 1002),
    "ping-in-pieces": (frame(9, b"a", fin=False), 1002),
    "long-ping": (frame(9, b"x" * 126), 1002),
    "length-2^63": (frame(1, b"", length=1 << 63), 1002),
    "length-2^64": (frame(1, b"", length=(1 << 64) - 1), 1002),
    "long-form": (frame(1, b"{}", form=127), 1002),
    "1GB": (frame(1, b'{"type"', length=1 << 30), 1009),
    "1GB-of-fragments": ([frame(1, b" " * 65536, fin=False)] + [frame(0, b" " * 65536, fin=False)] * 16384, 1009),
    "empty-fragments": ([frame(1, b"", fin=False)] + [frame(0, b"", fin=False) * 1000] * 300 + [frame(2)], 1002),
    "binary": (frame(2, b"\xff\xfe"), 1003),
    "utf8": (frame(1, b'{"type":"\xff"}'), 1007),
    "utf8-over-fragments": (frame(1, b'{"type":"\xce', fin=False) + frame(9, b"?") + frame(0, b'\xba\xe1"', fin=False) + frame(0, b"}"), 1007),
    "surrogate": (frame(1, b'"\xed\xa0\x80"'), 1007),
    "half-character": (frame(1, b'{"a":"\xf0\x9f'), 1007),
    "no-json": (frame(1, b"hello?"), 1002),
    "array": (frame(1, b"[1]"), 1002),
    "empty": (frame(1), 1002),
    "brackets": (frame(1, b"[" * 1000000), None),
    "deep": (frame(1, b'{"type":"hello","id":1,"status":200,"body":' + b"[" * 100000 + b"]" * 100000 + b"}"), None),
    "no-status": (lambda i: frame(1, b'{"type":"hello","id":%d,"body":{}}' % i), 1002),
    "status-0": (lambda i: frame(1, b'{"type":"hello","id":%d,"status":0,"body":{}}' % i), 1002),
    "status-99999999999": (lambda i: frame(1, b'{"type":"hello","id":%d,"status":99999999999,"body":{}}' % i), 1002),
    "other-type": (lambda i: frame(1, b'{"type":"push","id":%d,"status":200,"body":{}}' % i), 1002),
    "error-200": (lambda i: frame(1, b'{"type":"error","id":%d,"status":200,"body":{}}' % i), 1002),
    "no-body": (lambda i: frame(1, b'{"type":"hello","id":%d,"status":200}' % i), None),
    "wrong-body": (lambda i: frame(1, b'{"type":"hello","id":%d,"status":200,"body":{"epoch":7}}' % i), None),
    "unasked": (b"".join(frame(1, b'{"type":"push","id":%s,"status":200,"body":{}}' % n) for n in (b"0", b"999", b'"x"', b"99999999999999999999")), "more"),
    "twice": (lambda i: frame(1, b'{"type":"error","id":%d,"status":503,"body":{}}' % i) * 2, "more"),
    "no-id": (frame(1, b'{"type":"news","body":{}}'), "more"),
    "pings": (frame(9, b"x" * 125) * 20000, "more"),
    "pings-unread": (frame(9, b"x" * 125) * 1000, None),
    "pongs": (frame(10, b"never asked"), "more"),
    "half-frame": (frame(1, b"{")[:1], None),
    "half-message": (frame(1, b'{"type":', fin=False), 1008),
    "drops": ([frame(1, b" ", fin=False)] + [frame(0, b" ", fin=False)] * 1000000, 1008),
    "close-0": (frame(8), None),
    "close-1-byte": (frame(8, b"x"), 1002),
    "close-1005": (close(1005), 1002),
    "close-999": (close(999), 1002),
    "close-not-utf8": (close(1000, b"\xff"), 1007),
    "close-in-message": (frame(1, b"{", fin=False) + close(1000) + frame(0, b"}"), 1000),
    **{"close-%d" % code: (close(code, b"\x1b[2J because"), code) for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 3003, 4999)},
    "close-and-more": (close(1000) + frame(9, b"x" * 100) * 1000, 1000),
    "gone": (None, 0),
}


def take(stream, n):
    got = b""
    while len(got) < n:
        chunk = stream.read(n - len(got))
        if not chunk:
            raise OSError("gone")
        got += chunk
    return got


def next_frame(stream):
    """(opcode, payload) of a frame of the client, which has to be masked."""
    a, b = take(stream, 2)
    length = b & 0x7F
    if length > 125:
        length = struct.unpack("!H" if length == 126 else "!Q", take(stream, 2 if length == 126 else 8))[0]
    assert b & 0x80, "a client has to mask"
    key = take(stream, 4)
    return a & 15, bytes(c ^ key[i & 3] for i, c in enumerate(take(stream, length)))


def next_text(stream):
    text = b""
    while True:
        opcode, payload = next_frame(stream)
        if opcode < 3:
            text += payload
            if text.endswith(b"}") and text.count(b"{") == text.count(b"}"):
                return json.loads(text)


def welcome(head):
    key = [line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")][0]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return (b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
            b"Sec-WebSocket-Protocol: mantis.v1\r\n\r\n" % accept)


def leave_code(stream):
    """The code of the client's close frame; 0: none."""
    pongs = 0
    try:
        while True:
            opcode, payload = next_frame(stream)
            pongs += opcode == 10
            if opcode == 8:
                return struct.unpack("!H", payload[:2])[0] if payload else 1005, pongs
    except OSError:
        return 0, pongs


def misbehave(name, client, stream, head):
    if name in hails:
        client.sendall(hails[name](welcome(head)))
        if name != "nothing" and name != "half-head":
            client.shutdown(socket.SHUT_WR)
        return not stream.read(1), 0
    load, code = cases[name]
    client.sendall(welcome(head))
    asked = next_text(stream)["id"]
    if load is None:
        client.close()
        return True, 0
    load = load(asked) if callable(load) else load
    if name == "pings-unread":
        for i in range(1000):
            client.sendall(load)
        return True, 0
    left = []
    reader = threading.Thread(target=lambda: left.extend(leave_code(stream)))
    reader.start()
    try:
        for part in load if isinstance(load, list) else [load]:
            client.sendall(part)
            if name == "drops" and reader.join(0.05) is None and not reader.is_alive():
                break
        if code == "more":  # it stays, and asks again
            client.sendall(close(1001))
    except OSError:
        pass
    reader.join()
    return left[0] == code or code is None or (code == "more" and left[0] == 1001), left[0]


def relay(a, b):
    try:
        while chunk := a.recv(65536):
            b.sendall(chunk)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def one_request(head):
    return head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def pass_on(client, head):
    with socket.create_connection(("127.0.0.1", server_port)) as server:
        server.sendall(head)
        back = threading.Thread(target=relay, args=(server, client), daemon=True)
        back.start()
        relay(client, server)
        back.join()


def cut(client, head, count):
    """To the server and back, until COUNT bytes have come from there."""
    with socket.create_connection(("127.0.0.1", server_port)) as server:
        server.sendall(head)
        threading.Thread(target=relay, args=(client, server), daemon=True).start()
        while count > 0 and (chunk := server.recv(count)):
            client.sendall(chunk)
            count -= len(chunk)


def without_upgrade(head):
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith((b"upgrade:", b"connection:")))


def swallow(client, head):
    client.sendall(welcome(head))
    client.recv(1)
    while client.recv(65536):
        pass


roads = {
    "strips": lambda client, head: pass_on(client, one_request(without_upgrade(head))),
    "404": lambda client, head: client.sendall(answer(404)),
    "403-page": lambda client, head: client.sendall(answer(403, b"<html>", b"Content-Type: text/html\r\n")),
    "502": lambda client, head: client.sendall(answer(502)),
    "200": lambda client, head: client.sendall(answer(200, b"<html>")),
    "cuts": lambda client, head: None,
    "cuts-after-101": lambda client, head: client.sendall(welcome(head)),
    "cuts-soon": lambda client, head: cut(client, head, 400),
    "swallows": swallow,
}


def next_case():
    global taken
    with lock:
        names = list(hails) + list(cases)
        if not os.path.exists("bad") or taken == len(names):
            return None
        taken += 1
        return names[taken - 1]


def note(line):
    global finished
    with lock:
        with open("results", "a") as results:
            results.write(line + "\n")
        finished += 1
        if finished == len(hails) + len(cases):
            open("done", "w").close()


def serve(client):
    stream = client.makefile("rb", buffering=0)
    head = b""
    try:
        while not head.endswith(b"\r\n\r\n"):
            head += take(stream, 1)
        path = head.split(b" ")[1].decode()
        prefix = path.split("/")[1]
        if prefix in roads:
            head = head.replace(b"/" + prefix.encode() + b"/", b"/", 1)
            if path.endswith("/ws") and not os.path.exists("mended"):
                roads[prefix](client, head)
                return
        name = next_case() if path.endswith("/ws") else None
        if name is None:
            pass_on(client, head if path.endswith("/ws") else one_request(head))
            return
        client.settimeout(60)
        try:
            good, code = misbehave(name, client, stream, head)
        except (OSError, AssertionError) as error:
            good, code = not isinstance(error, (TimeoutError, AssertionError)), error
        note("%s %s %s" % (name, "good" if good else "BAD", code))
    except OSError:
        pass
    finally:
        try:
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        client.close()


server_port = int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
