#!/usr/bin/env python3
"""proxy.py LISTEN-PORT SERVER-PORT - a bad road between a client and a server, for tests.

What it does stands in the file `rules`, a line each:

    PATH ACTION [ARGUMENT] [COUNT]

The first line whose PATH begins the request's path is followed, COUNT times (1; `*`: always), and then taken
out of the file; requests without a rule pass.  Actions:

    drop-answer -     the server answers, and the client never hears of it
    drop-request -    the request is lost
    cut-answer N      of the answer, the first N bytes arrive (N below 0: all but so many)
    cut-request N     of the request, the first N bytes arrive
    climb-answer FILE of the answer, one byte more arrives each time, from none on; FILE is made when all of it did
    climb-request FILE  the same of the request
    twice -           the request arrives twice at once, one of the answers counts
    late N            lost for now; arrives after N more requests of the same path were answered
    hold FILE         the answer waits for as long as FILE exists
    flip N            the Nth byte of the request's body arrives with one bit turned
    cache -           a cache: answers to GET are given again for as long as their Cache-Control does not forbid it
    refuse STATUS     the client is answered STATUS, the server hears nothing

All requests are written to `requests`, a JSON object each: path, headers, status, what was done to it, and how
many bytes went each way.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import socket
import sys
import threading
import time

lock = threading.Lock()
late = []  # [path, requests to wait for, bytes]
cached = {}  # answers by path
climbs = {}  # bytes that are let through, by the file that is made at the end
log = open("requests", "a", buffering=1)


def read_message(stream):
    """One HTTP message as (first line, headers, head bytes, body bytes); None at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name:
            headers[name.lower()] = value.strip()
    body = b""
    if "chunked" in headers.get("transfer-encoding", ""):
        while True:
            size = stream.readline()
            body += size
            length = int(size.split(b";")[0], 16)
            body += stream.read(length + 2)
            if length == 0:
                break
    elif "content-length" in headers:
        body = stream.read(int(headers["content-length"]))
    return lines[0], headers, head, body


def rule_for(path):
    """The action, and take one from its count."""
    with lock:
        try:
            lines = open("rules").read().splitlines()
        except FileNotFoundError:
            return "pass", None
        for i, line in enumerate(lines):
            words = line.split() + ["-", "1"]
            if len(line.split()) < 2 or not path.startswith(words[0]):
                continue
            action, argument = words[1], words[2]
            count = line.split()[3] if len(line.split()) > 3 else "1"
            if count != "*":
                left = int(count) - 1
                lines[i] = "%s %s %s %d" % (words[0], action, argument, left) if left else None
                with open("rules.new", "w") as f:
                    f.write("".join(line + "\n" for line in lines if line))
                os.rename("rules.new", "rules")
            return action, argument
    return "pass", None


def ask_server(data):
    """Send DATA on a connection of its own; the answer's bytes and status."""
    with socket.create_connection(("127.0.0.1", server_port), timeout=120) as s:
        s.sendall(data)
        stream = s.makefile("rb")
        answer = read_message(stream)
        if answer is None:
            return b"", 0
        return answer[2] + answer[3], int(answer[0].split()[1])


def send_late(path):
    with lock:
        ready = []
        for entry in late:
            if entry[0] == path:
                entry[1] -= 1
                if entry[1] <= 0:
                    ready.append(entry)
        for entry in ready:
            late.remove(entry)
    for entry in ready:
        try:
            _, status = ask_server(entry[2])
        except OSError:
            status = 0
        log.write(json.dumps({"path": path, "late": True, "status": status, "time": time.time()}) + "\n")


def cut(data, argument):
    return data[:int(argument)]


def ask_cache(path, data):
    """What the server said first, where it may be kept.  Without a word about it, it may (RFC 9111, 4.2.2)."""
    if path not in cached:
        answer, status = ask_server(data)
        head = answer.split(b"\r\n\r\n")[0].lower()
        rule = b" ".join(line for line in head.split(b"\r\n") if line.startswith(b"cache-control:"))
        if status != 200 or not data.startswith(b"GET ") or b"no-store" in rule or b"no-cache" in rule:
            return answer, status
        cached[path] = answer, status
    return cached[path]


def climb(data, file):
    """One byte more than the last time."""
    with lock:
        climbs[file] = climbs.get(file, -1) + 1
        if climbs[file] >= len(data):
            open(file, "w").close()
        return data[:climbs[file]]


def follow(action, argument, path, head, body):
    """What the client gets back (None: nothing), and the server's status."""
    data = head + body
    if action == "drop-request":
        return None, 0
    if action == "refuse":
        return b"HTTP/1.1 %s No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % argument.encode(), 0
    if action == "late":
        with lock:
            late.append([path, int(argument), data])
        return None, 0
    if action == "climb-request":
        data, whole = climb(data, argument), len(data)
        if len(data) < whole:
            action, argument = "cut-request", len(data)
    if action == "cut-request":
        with socket.create_connection(("127.0.0.1", server_port), timeout=120) as s:
            s.sendall(cut(data, argument))
        return None, 0
    if action == "flip" and body:
        at = int(argument) % len(body)
        data = head + body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
    if action == "twice":
        threading.Thread(target=ask_server, args=(data,), daemon=True).start()
    answer, status = ask_cache(path, data) if action == "cache" else ask_server(data)
    if action == "drop-answer":
        return None, status
    if action == "cut-answer":
        return cut(answer, argument), status
    if action == "climb-answer":
        return climb(answer, argument), status
    if action == "hold":
        while os.path.exists(argument):
            time.sleep(0.005)
    return answer, status


def serve(client):
    with client:
        stream = client.makefile("rb")
        while True:
            try:
                message = read_message(stream)
            except (OSError, ValueError):
                return
            if message is None:
                return
            path = message[0].split()[1]
            action, argument = rule_for(path)
            try:
                answer, status = follow(action, argument, path, message[2], message[3])
            except OSError:
                answer, status = None, 0
            log.write(json.dumps({"path": path, "action": action, "status": status, "headers": message[1],
                                  "length": len(message[3]), "answer": len(answer or b""), "time": time.time()}) + "\n")
            send_late(path)
            try:
                if answer:
                    client.sendall(answer)
            except OSError:
                return
            if answer is None or action in ("cut-answer", "climb-answer", "refuse"):
                return


server_port = int(sys.argv[2])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(64)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
