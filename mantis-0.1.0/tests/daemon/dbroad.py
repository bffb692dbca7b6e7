#!/usr/bin/env python3
"""dbroad.py PORT SOCKET - a road to MariaDB that counts who takes it, for tests.

Each connection is a line of the file "arrivals": when it came, in seconds.  What then happens to it the file "road" says:

    open    it is handed on to SOCKET
    mute    it is accepted, and nobody ever says a word
    shut    it is closed at once

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import asyncio
import sys
import time

port, socket = int(sys.argv[1]), sys.argv[2]
arrivals = open("arrivals", "a", buffering=1)


async def pass_on(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.transport.abort()


async def serve(reader, writer):
    arrivals.write(f"{time.monotonic():.6f}\n")
    with open("road") as file:
        road = file.read().strip()
    if road == "shut":
        writer.transport.abort()
        return
    if road == "mute":
        await reader.read()
        return
    try:
        there, back = await asyncio.open_unix_connection(socket)
    except OSError:
        writer.transport.abort()
        return
    await asyncio.gather(pass_on(reader, back), pass_on(there, writer))


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        await server.serve_forever()


asyncio.run(main())
