#!/usr/bin/env python3
"""dbstop.py PORT SOCKET - a road to MariaDB that ends at a statement, for tests.

The file "place" says how many statements that change something pass, counted since it was last written.  The next one
is never handed on: it is written into the file "stopped", and whoever sent it waits.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import re
import sys

from dbway import by_packets, listen, send

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


async def serve(reader, writer):
    async def meet(packet, sql, there, back, answers):
        if sql is None or passes(sql):
            return await send(back, packet)
        with open("stopped", "w") as file:
            file.write(sql.decode(errors="replace") + "\n")
        await reader.read()  # until it is killed
        return False

    await by_packets(reader, writer, socket, meet)


listen(port, serve)
