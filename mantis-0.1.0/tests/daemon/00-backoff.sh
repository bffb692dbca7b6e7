#!/bin/bash
# 00: a server that refuses is asked later and later, up to the interval, never at a fixed beat, and not before the time
# that it named itself (R44, R45); the status and the log say so, and it goes on by itself when all is well.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
sql tablet "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server
stop_mantisd office
cat > refuse.py << 'END_OF_PYTHON'
"""A server that is busy: the times of the requests, and what was told with them, in asked.  The ninth names a time."""
import http.server, sys, time
class Busy(http.server.BaseHTTPRequestHandler):
    count = 0
    def do_POST(self):
        Busy.count += 1
        with open("asked", "a") as asked:
            asked.write(f"{time.monotonic()} {self.path}\n")
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(503)
        if Busy.count in (9, 11):
            self.send_header("Retry-After", "4" if Busy.count == 9 else "3600")
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Busy).serve_forever()
END_OF_PYTHON
python3 refuse.py "$port" &
pids[busy]=$!
wait_for "the busy server" bash -c "exec 3<> /dev/tcp/127.0.0.1/$port"
configure_client tablet
sed -i 's/"interval_seconds": 60/"interval_seconds": 2/' tablet.json
start_mantisd tablet --mode client
# asked N: so many times?
asked ()
{
  [ -e asked ] && [ "$(wc -l < asked)" -ge "$1" ]
}
wait_for "ten requests" asked 10
sql tablet "INSERT INTO note VALUES ('a', 'waits')"
wait_until tablet 'S["trouble"] and S["waiting"] == 1'
has_message tablet 'the server answers 503' || fail "not in the log"
cat > gaps.py << 'END_OF_PYTHON'
asked = [float(line.split()[0]) for line in open("asked")][:10]
gaps = [b - a for a, b in zip(asked, asked[1:])]
print("seconds between requests:", " ".join(f"{gap:.2f}" for gap in gaps))
for i, gap in enumerate(gaps[:8]):
    longest = min(0.2 * 2 ** i, 2)
    assert longest / 2 - 0.02 < gap < longest + 2, (i, gap)  # a busy machine may be late, and never early
assert gaps[8] > 3.9, "the time that the server named"
assert max(gaps[4:8]) - min(gaps[4:8]) > 0.01, "always the same: no jitter"
END_OF_PYTHON
python3 gaps.py || fail "when it asks"
# Whoever sends SIGHUP has mended something: no waiting for an hour.
wait_for "another request" asked 11
kill -HUP "$(pid_of tablet)"
wait_for "a request after SIGHUP" asked 12
kill "${pids[busy]}"
wait "${pids[busy]}" 2> /dev/null || true
unset "pids[busy]"
start_mantisd office --mode server
wait_for_row office "SELECT 1 FROM note WHERE id = 'a'"
wait_until tablet 'not S.get("trouble") and S["waiting"] == 0'
settled office tablet
