#!/usr/bin/env python3
"""dbcut.py PORT SOCKET WORDS - a road to MariaDB that ends before the first statement with WORDS in it, for tests.

That statement is written into the file "cut"; connections that come later stay.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import sys

from dbway import by_packets, listen, send

port, socket, words = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode()
done = False


async def serve(reader, writer):
    async def meet(packet, sql, there, back, answers):
        global done
        if done or sql is None or words not in sql:
            return await send(back, packet)
        done = True
        with open("cut", "wb") as file:
            file.write(sql)
        return False

    await by_packets(reader, writer, socket, meet)


listen(port, serve)
