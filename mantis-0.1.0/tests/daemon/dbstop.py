#!/usr/bin/env python3
"""dbstop.py PORT SOCKET - a road to MariaDB that ends at a statement, for tests.

The file "place" says how many statements that change something pass, counted since it was last written.  The next one
is never handed on: it is written into the file "stopped", and whoever sent it waits.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import asyncio
import os
import re
import sys

port, socket = int(sys.argv[1]), sys.argv[2]
changes = re.compile(rb"\b(CREATE|ALTER|DROP|RENAME|INSERT|UPDATE|DELETE|REPLACE|COMMIT)\b(?! *$)", re.I)
written, left = 0, 0


def passes(sql):
    global written, left
    now = os.stat("place").st_mtime_ns
    if now != written:
        written = now
        with open("place") as file:
            left = int(file.read())
    if not changes.search(sql):
        return True
    left -= 1
    return left >= 0


async def answers(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.transport.abort()


async def serve(reader, writer):
    there, back = await asyncio.open_unix_connection(socket)
    task = asyncio.create_task(answers(there, writer))
    try:
        while True:
            head = await reader.readexactly(4)
            payload = await reader.readexactly(int.from_bytes(head[:3], "little"))
            if head[3] == 0 and payload[:1] == b"\x03" and not passes(payload[1:]):
                with open("stopped", "w") as file:
                    file.write(payload[1:].decode(errors="replace") + "\n")
                await reader.read()  # until it is killed
                break
            back.write(head + payload)
            await back.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    task.cancel()
    back.transport.abort()
    writer.transport.abort()


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        await server.serve_forever()


asyncio.run(main())
