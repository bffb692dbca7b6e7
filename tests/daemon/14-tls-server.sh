#!/bin/bash
# 14: a server with TLS: beyond this machine without "insecure"; 1.2 and later, modern ciphers, http/1.1 by ALPN; a peer who
# never finishes its handshake holds nothing for long; what ends or comes at once is understood; bad files are refused.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires openssl python3
speak_tls IP:127.0.0.1,DNS:office.example
chmod 644 office.key
configure_server office
sed -i 's/"address": "127.0.0.1:/"header_timeout": "1s", "max_connections": 3, "address": "0.0.0.0:/' office.json
start_mantisd office --mode server
wait_for_message office 'office.key can be read by others; chmod 600 it'
token curl > curl.token

# shakes TEXT OPTION...: openssl's client, with these options, says TEXT.
shakes ()
{
  local text=$1

  shift
  openssl s_client -connect "127.0.0.1:$port" -CAfile ca.crt "$@" < /dev/null > said 2>&1 || true
  grep -q "$text" said || fail "s_client $*: $(cat said)"
}
shakes 'alert protocol version' -tls1_1 -cipher ALL:@SECLEVEL=0
shakes 'Cipher is ECDHE-ECDSA-AES256-GCM-SHA384' -tls1_2
shakes 'alert handshake failure' -tls1_2 -cipher AES256-GCM-SHA384:ECDHE-ECDSA-AES256-SHA384
shakes 'Cipher is TLS_' -tls1_3 -servername office.example -verify_hostname office.example -verify_return_error
shakes 'Cipher is TLS_' -tls1_3 -servername another.example
shakes 'ALPN protocol: http/1.1' -alpn h2,http/1.1
shakes 'alert no application protocol' -alpn h2
shakes 'No ALPN negotiated'

cat > peers.py << 'END'
import json, socket, ssl, sys
port, token = int(sys.argv[1]), open("curl.token").read().strip()
context = ssl.create_default_context(cafile="ca.crt")
def dial():
    return socket.create_connection(("127.0.0.1", port), timeout=20)
def post(path, body, more=""):
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n{more}\r\n").encode() + body
def whole(read):
    got = b""
    try:
        while chunk := read():
            got += chunk
    except (ssl.SSLZeroReturnError, ssl.SSLEOFError) as e:
        pass
    return got

# Three who say nothing, half of a handshake and the whole of one take all places: the next is told so, over TLS.
silent, half = dial(), dial()
into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
hello = context.wrap_bio(into, out, server_hostname="127.0.0.1")
try:
    hello.do_handshake()
except ssl.SSLWantReadError:
    half.sendall(out.read()[:100])
through = context.wrap_socket(dial(), server_hostname="127.0.0.1")
fourth = context.wrap_socket(dial(), server_hostname="127.0.0.1")
fourth.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
assert whole(lambda: fourth.recv(9999)).startswith(b"HTTP/1.1 503 "), "beyond max_connections"
# After header_timeout they are gone, without an answer.
assert silent.recv(1) == b"" and half.recv(1) == b"" and whole(lambda: through.recv(1)) == b""

# A request and the end of the stream in one packet: it is answered, if only with 503, as who ends is not waited for.
for size in (2, 100000):
    plain = dial()
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = context.wrap_bio(into, out, server_hostname="127.0.0.1")
    while True:
        try:
            peer.do_handshake()
            break
        except ssl.SSLWantReadError:
            plain.sendall(out.read())
            into.write(plain.recv(65536))
    plain.sendall(out.read())
    peer.write(post("/sync/push", b"{}".ljust(size)))
    try:
        peer.unwrap()
    except ssl.SSLWantReadError:
        pass
    plain.sendall(out.read())
    while got := plain.recv(65536):
        into.write(got)
    into.write_eof()
    answer = whole(lambda: peer.read(65536))
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 ")), (size, answer)

# Requests of more than a server reads ahead, in one record: each is answered, and the last one's end is told (close_notify).
peer = context.wrap_socket(dial(), server_hostname="127.0.0.1", suppress_ragged_eofs=False)
peer.sendall(post("/sync/push", b"{}".ljust(5000)) * 2 + post("/sync/push", b"{}", "Connection: close\r\n"))
got = whole(lambda: peer.recv(65536))
assert got.count(b"HTTP/1.1 200 ") == 3, got

# The same while a pull waits at the server (for a second), behind it.
peer = context.wrap_socket(dial(), server_hostname="127.0.0.1", suppress_ragged_eofs=False)
peer.sendall(post("/sync/pull", b"{}"))
got = peer.recv(65536)
while not got.endswith(b"}"):
    got += peer.recv(65536)
head = json.loads(got[got.index(b"\r\n\r\n"):])["cursor"]
peer.sendall(post("/sync/pull", json.dumps({"cursor": head, "wait": 1}).encode()))
peer.sendall(post("/sync/push", b"{}".ljust(5000)) * 2 + post("/sync/push", b"{}", "Connection: close\r\n"))
got = whole(lambda: peer.recv(65536))
assert got.count(b"HTTP/1.1 200 ") == 4, got

# Gone without a word in the middle of a request.
peer = context.wrap_socket(dial(), server_hostname="127.0.0.1")
peer.sendall(post("/sync/push", b"{" + b" " * 100)[:-50])
peer.close()
END
python3 peers.py "$port" || fail "peers.py"
[ "$(call GET /readyz)" = '{"status":"ready"}' ] || fail "no more answers"
stop_mantisd office
[ "$ended" = 0 ] || fail "ended with $ended"

# Files that will not do.
openssl pkey -in office.key -aes128 -passout pass:secret -out locked.key
new_key another
cat office.crt office.key > both.pem
refused ()
{
  sed -i "s#\"tls\": {[^}]*}#\"tls\": $1#" office.json
  launch office --config office.json
  wait_for "the server to end" gone office
  wait "${pids[office]}" 2> /dev/null && fail "$1: it started"
  unset "pids[office]"
  has_message office "$2" || fail "$1: $(tail -n 1 office.log)"
}
refused '{"certificate_file": "nowhere.crt"}' 'tls.certificate_file: cannot read'
refused '{"certificate_file": "office.crt", "key_file": "nowhere.key"}' 'tls.key_file: cannot read'
refused '{"certificate_file": "office.key", "key_file": "office.key"}' 'office.key holds no certificate in PEM'
refused '{"certificate_file": "office.crt"}' 'office.crt holds no private key in PEM that fits'
refused '{"certificate_file": "office.crt", "key_file": "another.key"}' 'another.key holds no private key in PEM that fits'
refused '{"certificate_file": "office.crt", "key_file": "locked.key"}' 'has no passphrase'
refused '{"key_file": "office.key"}' 'needs "certificate_file"'
refused '{}' 'can be reached from other machines'
sed -i 's#"tls": {[^}]*}#"tls": {"certificate_file": "both.pem"}#' office.json
start_mantisd office --mode server
