"""crowd.py - many devices that call a server at once: 00-crowd.sh.

    crowd.py PORT TOKEN-FILE COUNT ENOUGH

Each of COUNT connects, says hello, loads a page and hangs up, again and again, until it was served once and the file
ENOUGH is there.  None hangs up before each had an answer, so that all of them are there at once.  While the server
does not listen they try again and again, and when that was COUNT times there is a file "knocking".  After a 503 each
waits as long as it was told.  A connection that was kept may have made room for another one meanwhile: then it is asked
again on a new one.  Any other answer, a 503 without Retry-After, a new connection that is cut off, and no answer within 20
seconds end it with status 1.
Prints how many answers of each kind there were.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import asyncio
import collections
import json
import os
import random
import sys

port, token, count, enough = int(sys.argv[1]), open(sys.argv[2]).read().strip(), int(sys.argv[3]), sys.argv[4]
answers = collections.Counter()
heard, served = set(), set()
all_heard = None  # event: each device had an answer


async def answer(reader):
    """Status, headers and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers, body


class Device:
    def __init__(self, number):
        self.node = f"{number:032x}"
        self.streams = None

    def hang_up(self):
        if self.streams:
            self.streams[1].close()
        self.streams = None

    async def call(self, name, body):
        """The answer's object; None: the server is busy, and it was waited for."""
        data = json.dumps(body).encode()
        kept = self.streams is not None
        if not self.streams:
            self.streams = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = self.streams
        writer.write(b"POST /sync/%s HTTP/1.1\r\nHost: office\r\nAuthorization: Bearer %s\r\nMantis-Node: %s\r\n"
                     b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" %
                     (name.encode(), token.encode(), self.node.encode(), len(data), data))
        try:
            status, headers, text = await answer(reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            if not kept or getattr(error, "partial", b""):
                raise
            answers["made room"] += 1
            self.hang_up()
            return await self.call(name, body)
        answers[f"{name} {status}"] += 1
        heard.add(self.node)
        if len(heard) == count:
            all_heard.set()
        if status == 503:
            wait = int(headers["retry-after"])
            assert wait >= 1, headers
            if headers.get("connection") == "close":
                self.hang_up()
            await asyncio.sleep(wait)
            return None
        assert status == 200, (name, status, text)
        return json.loads(text)

    async def visit(self):
        hello = await self.call("hello", {"protocol": 1, "number": 0, "tables": {}})
        if not hello:
            return False
        page = await self.call("pull", {"cursor": hello["head"], "load": {"table": "note", "limit": 200}})
        if not page:
            return False
        assert len(page["load"]["changes"][0]["rows"]) == 200
        return True

    async def live(self):
        while self.node not in served or not os.path.exists(enough):
            try:
                if await asyncio.wait_for(self.visit(), 20):
                    served.add(self.node)
                    await asyncio.wait_for(all_heard.wait(), 20)
                    self.hang_up()
                    await asyncio.sleep(random.uniform(0, 1))
            except ConnectionRefusedError:
                answers["refused"] += 1
                if answers["refused"] == count:
                    open("knocking", "w").close()
                await asyncio.sleep(0.05)
        self.hang_up()


async def main():
    global all_heard
    all_heard = asyncio.Event()
    await asyncio.gather(*(Device(number).live() for number in range(1, count + 1)))
    print(f"{len(served)} served:", ", ".join(f"{what}: {n}" for what, n in sorted(answers.items())))


asyncio.run(main())
