#!/bin/bash
# 14: a page in a browser (headless Chromium) opens a WebSocket with its token as a second subprotocol, which is neither echoed nor logged;
# it pushes, and receives a change that another program makes.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 chromium
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server --log-level debug
token browser > browser.token

cat > page.html << END
<!DOCTYPE html><title>A page</title><script>
const port = $port, token = '$(cat browser.token)';
END
cat >> page.html << 'END'
const say = text => fetch('/say', {method: 'POST', body: text});
addEventListener('error', event => say('error ' + event.message));
addEventListener('unhandledrejection', event => say('error ' + event.reason));
const socket = new WebSocket(`ws://127.0.0.1:${port}/sync/ws`, ['mantis.v1', 'mantis.bearer.' + token]);
let waiting;
const ask = message => new Promise((done, failed) => {
  waiting = answer => answer.status === 200 ? done(answer.body) : failed(JSON.stringify(answer));
  socket.send(JSON.stringify(message));
});
socket.onmessage = event => waiting(JSON.parse(event.data));
socket.onclose = event => say(`closed ${event.code} ${event.reason}`);
socket.onopen = async () => {
  await say(`open ${socket.protocol} ${socket.extensions.split(';')[0]}`);
  const rows = [...Array(100).keys()].map(i => ['page-' + i, 'über '.repeat(50)]);
  const pushed = await ask({type: 'push', id: 1, body: {changes: [{table: 'note', columns: ['id', 'body'], rows}]}});
  await say('pushed ' + pushed.outcomes.applied);
  let cursor = (await ask({type: 'pull', id: 2, body: {}})).cursor;
  await say('waits');
  for (let keys = []; !keys.includes('news');) {
    const page = await ask({type: 'pull', id: 3, body: {cursor, wait: 20}});
    cursor = page.cursor;
    keys = page.changes.flatMap(block => block.rows.map(row => row[block.columns.indexOf('id')]));
  }
  await say('received');
  socket.close(1000, 'done');
};
</script>
END
# web.py: gives the page, and writes down what it says.
cat > web.py << 'END'
import http.server, socketserver
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, open("page.html", "rb").read()) if self.path == "/" else self.answer(404, b"")
    def do_POST(self):
        with open("said", "a") as said:
            print(self.rfile.read(int(self.headers["Content-Length"])).decode(), file=said, flush=True)
        self.answer(200, b"")
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
    with open("web.port", "w") as port:
        print(server.server_address[1], file=port)
    server.serve_forever()
END
touch said
python3 web.py 2> web.err &
pids[web]=$!
wait_for "the page's server" test -s web.port
chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking --disable-component-update \
  --user-data-dir="$work/profile" "http://127.0.0.1:$(cat web.port)/" > chromium.out 2>&1 < /dev/null &
pids[chromium]=$!

# says_so TEXT: does the page?  Nothing but that will come after an end.
says_so ()
{
  grep -qxF -- "$1" said || grep -q '^error\|^closed' said
}
expect ()
{
  wait_for "the page to say \"$1\"" says_so "$1"
  grep -qxF -- "$1" said || fail "the page says: $(cat said)"
}
expect "open mantis.v1 permessage-deflate"
expect "pushed 100"
expect "waits"
sql office "INSERT INTO note VALUES ('news', 'of another program')"
expect "received"
expect "closed 1000 done"
[ "$(sql office "SELECT count(*) FROM note WHERE id LIKE 'page-%'")" = 100 ] || fail "the page's rows are not there"
stop_mantisd chromium
stop_mantisd office
[ "$ended" = 0 ] || fail "ended with $ended"
