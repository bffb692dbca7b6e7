#!/bin/bash
# 14: a client talks with its server over a WebSocket by itself, plain and with TLS, a pin and a certificate of its own; it falls
# back to REST where there is none, renews a token that has expired, and loses nothing of it.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires openssl python3
transport=auto
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); CREATE TABLE tally (who TEXT PRIMARY KEY, n INTEGER); INSERT INTO tally VALUES ('tablet', 0);
  WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 3000) INSERT INTO note SELECT 'o' || k, hex(randomblob(300)) FROM k"

# over NAME TEXT: what its status says of how it talks.
over ()
{
  ctl "$1" status > said && grep -qx "over  *$2" said
}

# ---- Plain, and nothing by REST ----------------------------------------------------------------------
configure_server office
sed -i 's/"key_file"/"leeway": "0s", "key_file"/' office.json
start_mantisd office --mode server --log-level debug
start_mantisd tablet --mode client --log-level debug
wait_for_sync tablet office
over tablet websocket || fail "$(cat said)"
sql tablet "WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 3000) INSERT INTO note SELECT 't' || k, hex(randomblob(300)) FROM k"
settled office tablet
sql office "UPDATE note SET body = 'news' WHERE id = 't7'"
wait_for_row tablet "SELECT 1 FROM note WHERE id = 't7' AND body = 'news'" # its pull waits for it
! grep 'rest: .*: \(hello\|push\|pull\|schema\) ' office.log || fail "it used REST"
[ "$(grep -c 'connected with' tablet.log)" = 1 ] || fail "more than one connection"
stop_mantisd office
sql tablet "INSERT INTO note VALUES ('offline', 'x')"
start_mantisd office --mode server --log-level debug
settled office tablet

# ---- A token that ends again and again, while rows travel --------------------------------------------
stop_mantisd tablet
for i in 3 4 5 6; do
  token tablet --lifetime ${i}s > token.$i
done
token tablet > token.7
cp token.3 tablet.token
keep_writing tablet 0.02 &
writer=$!
start_mantisd tablet --mode client --log-level debug
for i in 4 5 6 7; do # each lies there before the last one ends
  wait_for_message tablet 'connected with' $((i - 3))
  mv token.$i tablet.token
done
wait_for_message tablet 'connected with' 5
touch enough
wait $writer
[ ! -e failures ] || fail "$(cat failures)"
[ "$(grep -c 'closes: 3000\|other credentials' tablet.log)" -ge 4 ] || fail "the server did not end the connections"
! has_message tablet 'token refused' || fail "a token that was renewed in time is said to be refused"
settled office tablet
[ "$(sql office "SELECT n FROM tally WHERE who = 'tablet'")" = "$(sql office "SELECT count(*) FROM note WHERE id LIKE 'tablet-%'")" ] || fail "rows are missing"

# ---- Where there is none -----------------------------------------------------------------------------
stop_mantisd tablet
mkdir -p without/scripts without/plugins # a build without the plugin
ln -s "$build/core" "$build/.libs" without
ln -s "$build"/plugins/* without/plugins
rm without/plugins/transport
mkdir without/plugins/transport
ln -s "$build/plugins/transport/rest" without/plugins/transport
cp "$top/mantisd" without
cp "$top/scripts/run.sh" without/scripts
build=$work/without start_mantisd tablet --mode client
over tablet rest || fail "$(cat said)"
sql tablet "INSERT INTO note VALUES ('by-rest', 'x')"
settled office tablet
stop_mantisd tablet
sed -i 's/"transport": "auto"/"transport": "websocket"/' tablet.json
! without/mantisd --config tablet.json > refused 2>&1 || fail "websocket without websocket.so"
grep -q 'sync.transport: .*websocket' refused || fail "$(cat refused)"
start_mantisd tablet --mode client
settled office tablet
over tablet websocket || fail "$(cat said)"

# ---- Through a tunnel, to a server elsewhere: compressed ---------------------------------------------
stop_mantisd tablet
at=$(free_port)
python3 "$top/tests/daemon/tunnel.py" "$at" http office.example="$port" > asked &
pids[tunnel]=$!
wait_for "a proxy" bash -c "exec 3<> /dev/tcp/127.0.0.1/$at"
sed -i "s|http://127.0.0.1:$port|http://office.example:$port|; s|\"transport\": \"websocket\"|\"transport\": \"auto\", \"proxy\": \"http://127.0.0.1:$at\"|" tablet.json
start_mantisd tablet --mode client --log-level debug
sql tablet "INSERT INTO note SELECT 'through-' || id, hex(zeroblob(500)) FROM note WHERE id LIKE 't%'"
sql office "UPDATE note SET body = 'back' || hex(zeroblob(500)) WHERE id LIKE 'o1%'"
settled office tablet
has_message tablet "connected with office.example:$port by way of http://127.0.0.1:$at, compressed" || fail "not compressed"
grep -q "^office.example:$port" asked || fail "what the proxy saw: $(cat asked)"
stop_mantisd tunnel

# ---- TLS, a pin, and a certificate instead of a token ------------------------------------------------
stop_mantisd tablet
stop_mantisd office
authority ca
authority devices
certificate office ca IP:127.0.0.1
client_certificate tablet devices tablet
pin=$(openssl x509 -in office.crt -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
tls=on
sed -i "s/\"address\": \"127.0.0.1:$port\"/&, \"tls\": {\"certificate_file\": \"office.crt\", \"key_file\": \"office.key\", \"client_ca_file\": \"devices.crt\", \"client_certificate\": \"optional\"}/;
  s/\"auth\": \[/&{\"plugin\": \"certificate\"}, /" office.json
sed -i "s#http://office.example#https://127.0.0.1#; s#, \"proxy\": \"http://127.0.0.1:$at\"##;
  s#\"token_file\": \"tablet.token\"#\"ca_file\": \"ca.crt\", \"pin_sha256\": \"$pin\", \"client_certificate_file\": \"tablet.crt\", \"client_key_file\": \"tablet.key\"#" tablet.json
rm tablet.token
export STATE_DIRECTORY=$work/state
start_mantisd office --mode server --log-level debug
launch tablet --config tablet.json --log-level debug
wait_for_message tablet 'connected with'
sql tablet "INSERT INTO note VALUES ('by-certificate', hex(randomblob(3000000)))"
settled office tablet
stop_mantisd tablet
sed -i "s|$pin|$(echo another key | openssl dgst -sha256 -binary | base64)|" tablet.json
launch tablet --config tablet.json
wait_for_message tablet 'is none of those in pin_sha256'
wait_for "the pin in the status" bash -c "'$build/mantisctl' --config tablet.json status | grep -q '^trouble .*pin_sha256'"
