# tunnel.py PORT http|socks5 NAME=PORT... - a proxy that knows where NAME really is, for tests of clients behind one.
#
# http: CONNECT alone.  Each request is a line on standard output: what was asked for, USER:PASSWORD or -, and the other
# header fields.  With $TUNNEL_USER (USER:PASSWORD) it asks for that.  A name that it does not know is refused.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import base64, os, socket, struct, sys, threading

def pump(a, b):
    try:
        while chunk := a.recv(65536):
            b.sendall(chunk)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass

def take(peer, n):
    got = b""
    while len(got) < n:
        chunk = peer.recv(n - len(got))
        if not chunk:
            raise OSError("gone")
        got += chunk
    return got

def say(target, user, more=""):
    print(target, user or "-", more, flush=True)
    return (user or "") == wanted

def http(peer):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += take(peer, 1)
    line, *fields = head.decode().split("\r\n")[:-2]
    method, target, version = line.split(" ")
    fields = dict(field.split(": ", 1) for field in fields)
    user = fields.pop("Proxy-Authorization", "")
    user = base64.b64decode(user.removeprefix("Basic ")).decode()
    good = say(target, user, " ".join(sorted(fields))) and method == "CONNECT" and target.split(":")[0] in ports
    peer.sendall(b"HTTP/1.1 200 Go ahead\r\n\r\n" if good else b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    return target.split(":")[0] if good else None

def socks5(peer):
    methods, user = take(peer, take(peer, 2)[1]), None
    if wanted and 2 in methods:
        peer.sendall(b"\5\2")
        user = take(peer, take(peer, 2)[1]).decode()
        user += ":" + take(peer, take(peer, 1)[0]).decode()
        peer.sendall(b"\1\0")
    else:
        peer.sendall(b"\5\0")
    kind = take(peer, 4)[3]
    host = socket.inet_ntoa(take(peer, 4)) if kind == 1 else take(peer, take(peer, 1)[0]).decode()
    port = struct.unpack("!H", take(peer, 2))[0]
    good = say(f"{host}:{port}", user) and host in ports
    peer.sendall((b"\5\0" if good else b"\5\2") + b"\0\1" + b"\0" * 6)
    return host if good else None

def serve(peer):
    try:
        name = shake(peer)
        if name:
            there = socket.create_connection(("127.0.0.1", ports[name]))
            threading.Thread(target=pump, args=(there, peer), daemon=True).start()
            pump(peer, there)
    except OSError:
        pass
    peer.close()

shake = {"http": http, "socks5": socks5}[sys.argv[2]]
ports = {name: int(port) for name, port in (word.split("=") for word in sys.argv[3:])}
wanted = os.environ.get("TUNNEL_USER", "")
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
