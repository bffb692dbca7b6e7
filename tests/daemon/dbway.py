"""dbway.py - what the roads to MariaDB have in common: listening, carrying bytes, packets of its protocol.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import asyncio

QUERY = b"\x03"


async def carry(reader, writer):
    """All that READER gives, until one of the two ends; then WRITER ends, too."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.transport.abort()


async def reach(socket, writer):
    """A connection to MariaDB for the one of WRITER, which ends where there is none."""
    try:
        return await asyncio.open_unix_connection(socket)
    except OSError:
        writer.transport.abort()
        return None, None


async def read_packet(reader):
    head = await reader.readexactly(4)
    return head, await reader.readexactly(int.from_bytes(head[:3], "little"))


def query_in(head, payload):
    """The statement of the first packet of a command; None: it is another command, or a further packet."""
    return payload[1:] if head[3] == 0 and payload[:1] == QUERY else None


async def by_packets(reader, writer, socket, meet):
    """Carry what MariaDB says as it comes, and what it is told packet by packet, as long as MEET(packet, statement or None, there, back,
    answers), which hands it on, returns True."""
    there, back = await reach(socket, writer)
    if not back:
        return
    answers = asyncio.create_task(carry(there, writer))
    try:
        while True:
            head, payload = await read_packet(reader)
            if not await meet(head + payload, query_in(head, payload), there, back, answers):
                break
    except (asyncio.IncompleteReadError, OSError):
        pass
    answers.cancel()
    back.transport.abort()
    writer.transport.abort()


async def send(back, packet):
    back.write(packet)
    await back.drain()
    return True


def listen(port, serve):
    async def main():
        async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
            await server.serve_forever()

    asyncio.run(main())
