#!/bin/bash
# 14: SIGHUP gives new connections the new certificate and drops none of those that are there; files that cannot be used leave
# the old ones in place.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires openssl python3
authority ca
certificate first ca IP:127.0.0.1
certificate second ca IP:127.0.0.1
show_certificate first
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server
start_mantisd tablet --mode client
wait_for_sync tablet office

# One connection for all: a line in, a request on it, the answer out; then what a new connection is shown.
cat > hold.py << 'END'
import http.client, re, ssl, subprocess, sys
port = int(sys.argv[1])
context = ssl.create_default_context(cafile="ca.crt")
held = http.client.HTTPSConnection("127.0.0.1", port, context=context)
held.connect()
socket = held.sock
names = {ssl.PEM_cert_to_DER_cert(open(f"{name}.crt").read()): name for name in ("first", "second")}
for line in sys.stdin:
    held.request("GET", "/readyz")
    held.getresponse().read()
    assert held.sock is socket, "connected again"
    fresh = http.client.HTTPSConnection("127.0.0.1", port, context=context)
    fresh.connect()
    print(names[socket.getpeercert(True)], names[fresh.sock.getpeercert(True)], flush=True)
END
coproc HOLD { python3 hold.py "$port" 2> hold.err; }

# shown OLD NEW: the connection that is held works, and has certificate OLD; a new one gets NEW.
shown ()
{
  local line=

  echo >&"${HOLD[1]}"
  read -r -t "$patience" line <&"${HOLD[0]}" || true
  [ "$line" = "$1 $2" ] || fail "the old and a new connection have \"$line\" instead of $1 and $2: $(cat hold.err)"
}

reload ()
{
  launched=$(grep -c 'read again' office.log || true)
  kill -HUP "$(pid_of office)"
  wait_for_message office 'read again' $((launched + 1))
}
shown first first
connections=$(ls -l "/proc/$(pid_of tablet)/fd" | grep -o 'socket:.*' | sort)
cp second.crt server.crt
reload # in the middle of a change: the key is not that of the certificate
has_message office 'goes on with its old certificate: rest: tls.key_file' || fail "$(tail -n 3 office.log)"
shown first first
cp second.key server.pem
reload
shown first second
echo nonsense > server.crt
reload
has_message office 'server.crt holds no certificate in PEM' || fail "$(tail -n 3 office.log)"
rm server.crt
reload
has_message office 'server.crt: No such file or directory' || fail "$(tail -n 3 office.log)"
shown first second

# The client noticed nothing: same sockets, and its waiting pull brings what is written now.
sql office "INSERT INTO note VALUES ('a', 'after all that')"
wait_for_sync tablet office
[ "$(ls -l "/proc/$(pid_of tablet)/fd" | grep -o 'socket:.*' | sort)" = "$connections" ] || fail "the client connected again"
! grep -q 'warning\|error' tablet.log || fail "$(cat tablet.log)"
