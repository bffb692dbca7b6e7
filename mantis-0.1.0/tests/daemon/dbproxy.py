#!/usr/bin/env python3
"""dbproxy.py PORT SOCKET MODE... - a road to MariaDB that breaks, for tests.

For each MODE in turn it cuts the connection of a transaction that writes to the table t: the first time at the first
statement that names t, the next time one later, and so on through COMMIT, until one such transaction came to
its end because it is that short.  Then the file climbed.MODE is made.  What was cut stands in the file cuts.

    before   the statement is not handed on
    half     half of it is handed on
    after    it is handed on, and its answer swallowed: that of COMMIT as a whole, so that it has taken effect

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import asyncio
import sys

port, socket, modes = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
place = 0  # of the statement that is cut next
MORE_RESULTS = 8
cuts = open("cuts", "a", buffering=1)


async def read_packet(reader):
    head = await reader.readexactly(4)
    return head, await reader.readexactly(int.from_bytes(head[:3], "little"))


def skip_number(payload, at):
    return at + {0xfc: 3, 0xfd: 4, 0xfe: 9}.get(payload[at], 1)


def is_last(payload):
    """Is this the end of the answers to statements that give no rows?"""
    if payload[0] != 0:
        return True
    at = skip_number(payload, skip_number(payload, 1))
    return not int.from_bytes(payload[at:at + 2], "little") & MORE_RESULTS


class Road:
    def __init__(self):
        self.writing = False
        self.position = -1  # since t was named

    def is_cut(self, sql):
        """One more statement: the mode in which it is cut, None: it passes."""
        global place
        if b"START TRANSACTION" in sql:
            self.writing, self.position = b"FOR UPDATE" in sql, -1
        if not self.writing or not modes:
            return None
        if self.position >= 0 or b"`t`" in sql:
            self.position += 1
        if self.position >= 0 and self.position == place:
            cuts.write(f"{modes[0]} {place}: {sql[-60:]!r}\n")
            place += 1
            return modes[0]
        if b"COMMIT" in sql or b"ROLLBACK" in sql:
            if b"COMMIT" in sql and self.position >= 0:
                open("climbed." + modes.pop(0), "w").close()
                place = 0
            self.writing = False
        return None

    async def answers(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()

    async def cut(self, mode, packet, sql, there, back, answers):
        if mode == "half":
            back.write(packet[:len(packet) // 2])
            await back.drain()
        if mode == "after":
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            back.write(packet)
            while not is_last((await read_packet(there))[1]) and b"COMMIT" in sql:
                pass

    async def serve(self, reader, writer):
        try:
            there, back = await asyncio.open_unix_connection(socket)
        except OSError:
            writer.transport.abort()
            return
        answers = asyncio.create_task(self.answers(there, writer))
        try:
            while True:
                head, payload = await read_packet(reader)
                is_query = head[3] == 0 and payload[:1] == b"\x03"
                mode = self.is_cut(payload[1:]) if is_query else None
                if mode:
                    await self.cut(mode, head + payload, payload[1:], there, back, answers)
                    break
                back.write(head + payload)
                await back.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        answers.cancel()
        back.transport.abort()
        writer.transport.abort()


async def main():
    async with await asyncio.start_server(lambda r, w: Road().serve(r, w), "127.0.0.1", port) as server:
        await server.serve_forever()


asyncio.run(main())
