#!/bin/bash
# 00: what a back office commits in MariaDB is told over a WebSocket to those that wait, without their asking again; so is what
# a client pushes, but not to itself.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

start_mariadb shop
maria "CREATE TABLE note (id VARCHAR(40) PRIMARY KEY, body TEXT)"
start_mantisd shop --mode server
token live > live.token
cat > office.sh << END
. "$top/tests/lib/mariadb.sh"
mariadb_do "$maria_folder" "$maria_database" -e "\$1"
END
cat > wait.py << END
import subprocess, sys
sys.path.append("$top/tests/daemon")
from ws import WebSocket

token = open("live.token").read().strip()


def ask(socket, name, body):
    answer = socket.ask({"type": name, "id": 1, "body": body})
    assert answer["status"] == 200, answer
    return answer["body"]


sockets = [WebSocket($port, token, f"Mantis-Node: {i:032x}") for i in range(10)]
heads = [ask(socket, "hello", {"protocol": 1, "number": 0, "tables": {}})["head"] for socket in sockets]
writer = WebSocket($port, token, f"Mantis-Node: {9:032x}")


def pull(i, cursor):
    sockets[i].send({"type": "pull", "id": "p", "body": {"cursor": cursor, "wait": 25}})


def hear(i, key):
    answer = sockets[i].receive()
    rows = [row[0] for block in answer["body"]["changes"] for row in block["rows"]]
    assert answer["status"] == 200 and rows == [key], answer
    pull(i, answer["body"]["cursor"])


for i, head in enumerate(heads):
    pull(i, head)
subprocess.run(["bash", "office.sh", "INSERT INTO note VALUES ('office', 'written')"], check=True)
for i in range(10):
    hear(i, "office")
ask(writer, "push", {"number": 1, "nonce": "n1", "changes": [{"table": "note", "columns": ["id", "body"], "rows": [["pushed", "x"]],
                                                             "created": 1}]})
for i in range(9):
    hear(i, "pushed")
subprocess.run(["bash", "office.sh", "INSERT INTO note VALUES ('again', 'written')"], check=True)
for i in range(10):
    hear(i, "again")
END
python3 wait.py || fail "see above"
