#!/bin/bash
# 14: TLS: a client checks chain and name of its server, address included; what is wrong with a certificate or a protocol
# stands in its log and its status, nothing is lost, and it goes on once that is mended.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires openssl python3
authority ca
authority other
certificate good ca IP:127.0.0.1
certificate expired ca IP:127.0.0.1 -1
certificate elsewhere ca DNS:other.example,IP:127.0.0.2
certificate stranger other IP:127.0.0.1
certificate alone self IP:127.0.0.1
show_certificate good
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'from the office')"
sql tablet "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server
configure_client tablet
sed -i 's/"interval_seconds": 60/"interval_seconds": 1/' tablet.json
start_mantisd tablet --mode client
wait_for_sync tablet office

# trouble ID TEXT: the client's log and status say TEXT, and what is written meanwhile stays here.
trouble ()
{
  sql tablet "INSERT INTO note VALUES ('$1', 'written in trouble')"
  wait_for_message tablet "$2"
  wait_for "\"$2\" in the status" bash -c "'$build/mantisctl' --config tablet.json status | grep -qF -- '$2'"
  [ -z "$(sql office "SELECT 1 FROM note WHERE id = '$1'")" ] || fail "$1: it was sent all the same"
}

mended ()
{
  stop_mantisd office
  show_certificate good
  start_mantisd office --mode server
  wait_for_row office "SELECT 1 FROM note WHERE id = '$1'"
}

# refused NAME TEXT: with certificate NAME, the client says TEXT.
refused ()
{
  stop_mantisd office
  show_certificate "$1"
  start_mantisd office --mode server
  trouble "$1" "$2"
  mended "$1"
}
refused expired 'is not accepted: certificate has expired'
grep -q 'the certificate in .* has expired' office.log || fail "the server does not warn of its own certificate"
refused elsewhere 'is not accepted: it is for another name'
refused stranger 'unable to get local issuer certificate; a private authority is named by ca_file'
refused alone 'self-signed certificate; a private authority is named by ca_file'

# A server that knows nothing newer than TLS 1.1.
stop_mantisd office
cat > old.py << 'END'
import socket, ssl, sys, warnings
warnings.simplefilter("ignore")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.set_ciphers("ALL:@SECLEVEL=0")
context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
context.load_cert_chain("good.crt", "good.key")
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    try:
        context.wrap_socket(listener.accept()[0], server_side=True)
        print("shaken", flush=True)
    except OSError as e:
        print(e, flush=True)
END
python3 old.py "$port" > old.log 2>&1 &
old=$!
trouble old 'TLS 1.2 or later is needed'
kill "$old"
! grep -q shaken old.log || fail "TLS 1.1 was spoken"
start_mantisd office --mode server
wait_for_row office "SELECT 1 FROM note WHERE id = 'old'"
settled office tablet
