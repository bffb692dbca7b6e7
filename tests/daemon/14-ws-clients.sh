#!/bin/bash
# 14: WebSocket clients that others wrote, Python's websockets and Node's ws, push, are told of a change, are asked for pings and say
# goodbye; over TLS, compressed as they offer it.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires openssl node
python= # one that has the module: Debian's, where another one stands first in the path
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import websockets' 2> /dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || skip "Python has no module websockets (python3-websockets)"
export NODE_PATH=/usr/share/nodejs # Debian's modules, also for a node from elsewhere
node -e 'require("ws")' 2> /dev/null || skip "Node has no module ws (node-ws)"

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
speak_tls
configure_server office
sed -i 's/^ "auth"/ "plugins": ["rest", "sqlite", "jwt", "timestamp", {"path": "websocket", "options": {"ping_interval": "200ms"}}],\n&/' office.json
start_mantisd office --mode server --log-level debug
token python > python.token
token node > node.token

# Each pushes 200 rows, loads them, waits for a change, outlives some pings, and ends in order.
cat > client.py << 'END'
import asyncio, json, ssl, sys, websockets
async def main(port):
    trust = ssl.create_default_context(cafile="ca.crt")
    headers = {"Authorization": "Bearer " + open("python.token").read().strip(), "Mantis-Node": "ab" * 16}
    async with websockets.connect(f"wss://127.0.0.1:{port}/sync/ws", ssl=trust, extra_headers=headers, subprotocols=["mantis.v1"]) as socket:
        async def ask(message):
            await socket.send(json.dumps(message, ensure_ascii=False))
            answer = json.loads(await socket.recv())
            assert answer["status"] == 200 and answer["id"] == message["id"], answer
            return answer["body"]
        assert socket.subprotocol == "mantis.v1" and [e.name for e in socket.extensions] == ["permessage-deflate"]
        rows = [[f"python-{i}", "über " * 50] for i in range(200)]
        body = await ask({"type": "push", "id": 1, "body": {"number": 1, "nonce": "n", "changes": [{"table": "note", "columns": ["id", "body"], "rows": rows}]}})
        assert body["outcomes"] == {"applied": 200}, body
        cursor = (await ask({"type": "pull", "id": 2, "body": {}}))["cursor"]
        body = await ask({"type": "pull", "id": "load", "body": {"cursor": cursor, "load": {"table": "note", "limit": 500}}})
        assert all(row in body["load"]["changes"][0]["rows"] for row in rows), body
        open("python.waits", "w").close()
        keys = set()  # the other client writes at the same time
        while "news" not in keys:
            page = await ask({"type": "pull", "id": 3, "body": {"cursor": cursor, "wait": 20}})
            cursor = page["cursor"]
            keys |= {row[block["columns"].index("id")] for block in page["changes"] for row in block["rows"]}
        await socket.ping()
        await asyncio.sleep(0.5)  # pings of the server, which the library answers
        await ask({"type": "schema", "id": 4})
        await socket.close(1000, "done")
        assert socket.close_code == 1000 and socket.close_reason == "done", (socket.close_code, socket.close_reason)
asyncio.run(main(int(sys.argv[1])))
END
cat > client.js << 'END'
const assert = require('assert'), fs = require('fs'), WebSocket = require('ws');
const token = fs.readFileSync('node.token', 'utf8').trim();
const socket = new WebSocket(`wss://127.0.0.1:${process.argv[2]}/sync/ws`, ['mantis.v1'], {
  ca: fs.readFileSync('ca.crt'), perMessageDeflate: {threshold: 0}, headers: {Authorization: 'Bearer ' + token, 'Mantis-Node': 'cd'.repeat(16)}});
let waiting, pings = 0;
socket.on('ping', () => pings++);
socket.on('message', (text, binary) => { assert(!binary); waiting(JSON.parse(text)); });
const ask = message => new Promise((done, failed) => {
  waiting = answer => answer.status === 200 && answer.id === message.id ? done(answer.body) : failed(new Error(JSON.stringify(answer)));
  socket.send(JSON.stringify(message));
});
socket.on('open', async () => {
  assert.strictEqual(socket.protocol, 'mantis.v1');
  assert.match(socket.extensions, /permessage-deflate/);
  const rows = [...Array(200).keys()].map(i => [`node-${i}`, 'über '.repeat(50)]);
  const body = await ask({type: 'push', id: 1, body: {number: 1, nonce: 'n', changes: [{table: 'note', columns: ['id', 'body'], rows}]}});
  assert.deepStrictEqual(body.outcomes, {applied: 200});
  let cursor = (await ask({type: 'pull', id: 2, body: {}})).cursor;
  const load = await ask({type: 'pull', id: 'load', body: {cursor, load: {table: 'note', limit: 500}}});
  for (const row of rows) assert(load.load.changes[0].rows.some(r => r[0] === row[0] && r[1] === row[1]));
  fs.writeFileSync('node.waits', '');
  for (const keys = new Set(); !keys.has('news');) {
    const page = await ask({type: 'pull', id: 3, body: {cursor, wait: 20}});
    cursor = page.cursor;
    for (const block of page.changes) for (const row of block.rows) keys.add(row[block.columns.indexOf('id')]);
  }
  while (pings < 2) await new Promise(done => setTimeout(done, 20));
  await ask({type: 'schema', id: 4});
  socket.close(1000, 'done');
});
socket.on('close', (code, why) => { assert.strictEqual(code, 1000); assert.strictEqual(String(why), 'done'); console.log('closed'); });
END
"$python" client.py "$port" > python.out 2>&1 &
with_python=$!
node client.js "$port" > node.out 2>&1 &
with_node=$!
wait_for "Python to wait" test -e python.waits -o ! -d "/proc/$with_python"
wait_for "Node to wait" test -e node.waits -o ! -d "/proc/$with_node"
sql office "INSERT INTO note VALUES ('news', 'of another program')"
wait $with_python || fail "$(cat python.out)"
wait $with_node || fail "$(cat node.out)"
grep -qx closed node.out || fail "Node did not say goodbye: $(cat node.out)"
stop_mantisd office
[ "$ended" = 0 ] || fail "ended with $ended"
