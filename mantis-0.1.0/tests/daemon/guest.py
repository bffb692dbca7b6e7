# guest.py - a connection that stays until the server ends it, for the tests.
#
#   guest.py NAME PORT TOKEN-FILE [--ca FILE] [--node ID] [--waits]
#
# The file NAME.open is there when the connection is, and the server has answered on it; --waits: it has a pull that waits, too.
# NAME.closed holds the code and the reason with which it was closed, and before that what the pull was answered.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse, os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ws import *

options = argparse.ArgumentParser()
options.add_argument("name")
options.add_argument("port", type=int)
options.add_argument("token")
options.add_argument("--ca")
options.add_argument("--node")
options.add_argument("--waits", action="store_true")
options = options.parse_args()

w = WebSocket(options.port, open(options.token).read().strip(), *([f"Mantis-Node: {options.node}"] if options.node else []), cafile=options.ca)
w.socket.settimeout(None)
a = w.ask({"type": "pull", "body": {}})
assert a["status"] == 200, a
if options.waits:
    w.send({"type": "pull", "body": {"cursor": a["body"]["cursor"], "wait": 25}})
    assert w.ask({"type": "schema"})["type"] == "schema"
open(f"{options.name}.open", "w").close()
said = []
try:
    while True:
        a = w.receive()
        said.append(f"{a['status']} {a['body'].get('code', '')}")
except Closed as closed:
    said.append(f"{closed.code} {closed.why}")
with open(f"{options.name}.next", "w") as file:
    file.write("\n".join(said) + "\n")
os.rename(f"{options.name}.next", f"{options.name}.closed")
