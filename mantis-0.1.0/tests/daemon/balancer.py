#!/usr/bin/env python3
# balancer.py PORT [keep] TARGET...: a plain TCP balancer; each connection goes to the next target that answers, and
# ends when nothing is asked for a moment, so that a client meets another server at nearly every request; with "keep"
# it stays until one of the two ends it.
# SPDX-License-Identifier: LGPL-2.1-or-later
import asyncio, itertools, sys

keep = sys.argv[2] == "keep"
targets = [int(port) for port in sys.argv[3 if keep else 2:]]
turn = itertools.cycle(targets)


async def carry(reader, writer, seen, asks):
    while data := await reader.read(65536):
        seen[0] = float("inf") if asks else asyncio.get_running_loop().time()
        writer.write(data)
        await writer.drain()


async def serve(reader, writer):
    for _ in targets:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", next(turn))
            break
        except OSError:
            continue
    else:
        writer.close()
        return
    loop = asyncio.get_running_loop()
    seen = [loop.time()]
    tasks = [asyncio.create_task(carry(reader, back, seen, True)), asyncio.create_task(carry(there, writer, seen, False))]
    while not any(task.done() for task in tasks) and (keep or loop.time() - seen[0] < 0.1):
        await asyncio.wait(tasks, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    back.close()
    writer.close()


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()


asyncio.run(main())
