# ws.py - a WebSocket client that does what it is told, for the tests.  Standard library only.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import base64, json, os, socket, ssl, struct, zlib


class Refused(Exception):
    def __init__(self, status, head):
        self.status, self.head = status, head


class Closed(Exception):
    def __init__(self, code, why):
        super().__init__(f"closed: {code} {why}")
        self.code, self.why = code, why


RSV1 = 4


def deflated(text):
    """RFC 7692, 7.2.1."""
    z = zlib.compressobj(wbits=-15)
    return (z.compress(text) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(payload):
    return zlib.decompressobj(wbits=-15).decompress(payload + b"\0\0\xff\xff")


class WebSocket:
    def __init__(self, port, token, *fields, room=None, cafile=None):
        self.socket = socket.socket()
        if room:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        if cafile:
            self.socket = ssl.create_default_context(cafile=cafile).wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.bytes, self.pongs = b"", True
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /sync/ws HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
                 "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: mantis.v1", *fields]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        while b"\r\n\r\n" not in self.bytes:
            self.more()
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Refused(int(head.split()[1]), head.decode())
        self.agreed = next((line.split(": ", 1)[1] for line in head.decode().split("\r\n") if line.startswith("Sec-WebSocket-Extensions: ")), None)
        self.compressed = 0  # messages that came so

    def more(self):
        got = self.socket.recv(1 << 16)
        if not got:
            raise Closed(1006, "no close frame")
        self.bytes += got

    def take(self, count):
        while len(self.bytes) < count:
            self.more()
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken

    def frame(self, opcode, payload=b"", fin=True, rsv=0):
        n, mask = len(payload), os.urandom(4)
        size = bytes([n | 128]) if n < 126 else struct.pack("!BH", 254, n) if n < 65536 else struct.pack("!BQ", 255, n)
        long = mask * (n // 4 + 1)
        body = (int.from_bytes(payload, "big") ^ int.from_bytes(long[:n], "big")).to_bytes(n, "big")
        self.socket.sendall(bytes([opcode | rsv << 4 | (128 if fin else 0)]) + size + mask + body)

    def send_compressed(self, text, pieces=1):
        """With permessage-deflate, in as many fragments."""
        small = deflated(text)
        size = -(-len(small) // pieces)
        for i in range(pieces):
            self.frame(0 if i else 1, small[i * size:(i + 1) * size], i == pieces - 1, 0 if i else RSV1)

    def send(self, message):
        self.frame(1, json.dumps(message).encode())

    def next(self):
        """The next frame: (opcode, payload)."""
        first, size = self.take(2)
        size = struct.unpack("!H", self.take(2))[0] if size == 126 else struct.unpack("!Q", self.take(8))[0] if size == 127 else size
        self.rsv = first >> 4 & 7
        assert self.rsv == 0 or self.agreed and self.rsv == RSV1 and first & 15 == 1, (first, self.agreed)
        return first & 15, self.take(size)

    def receive(self):
        """The next message; pings are answered on the way."""
        while True:
            opcode, payload = self.next()
            if opcode == 1:
                if self.rsv:
                    self.compressed += 1
                    payload = inflated(payload)
                return json.loads(payload)
            if opcode == 9 and self.pongs:
                self.frame(10, payload)
            if opcode == 8:
                raise Closed(struct.unpack("!H", payload[:2])[0] if payload else 1005, payload[2:].decode())

    def ask(self, message):
        self.send(message)
        return self.receive()

    def closes(self):
        """Until it is closed: with which code?"""
        try:
            while True:
                self.receive()
        except Closed as closed:
            return closed.code
