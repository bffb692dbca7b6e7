#!/bin/bash
# 14: mutual TLS: a client's certificate names the principal (its CN) and needs no token; none, one of another authority, one
# made for servers or one that has expired is refused with the reason, and sync goes on once that is mended.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires openssl python3
authority ca
authority devices
authority other
certificate office ca IP:127.0.0.1
client_certificate tablet devices tablet-7
client_certificate stranger other tablet-7
signed gone "/CN=tablet-7" devices -1 "extendedKeyUsage=clientAuth"
signed nameless "/O=Acme" devices 30 "extendedKeyUsage=clientAuth"
signed service "/CN=tablet-7" devices 30 "extendedKeyUsage=serverAuth"
export STATE_DIRECTORY=$work/state
port=$(free_port)
tls=on authority=ca.crt server=office
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'from the office')"
sql tablet "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"

# configure TLS AUTH: the server's more of "tls", and its "auth".
configure ()
{
  cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port",
             "tls": {"certificate_file": "office.crt", "key_file": "office.key", "client_ca_file": "devices.crt"$1}}]$2}
END
}

# start: the server, which answers nobody without a certificate.
start ()
{
  launch office --config office.json
  wait_for_message office ready
}

# show NAME: the client's certificate from now on.
show ()
{
  cp "$1.crt" client.crt
  cp "$1.key" client.key
}

# as NAME OPTION...: what curl gets with that certificate: a status, 000 for none.
as ()
{
  local name=$1

  shift
  curl -sS -o said -w '%{http_code}' --cacert ca.crt --cert "$name.crt" --key "$name.key" "$@" "https://127.0.0.1:$port/sync/status" 2>> said
}

# ---- The certificate is all that is needed, where "auth" is left out ---------------------------------
configure "" ""
start
cat > tablet.json << END
{"mode": "client", "storage": {"plugin": "sqlite", "path": "tablet.db"},
 "sync": {"server_url": "https://127.0.0.1:$port", "ca_file": "ca.crt", "interval_seconds": 1,
          "client_certificate_file": "client.crt", "client_key_file": "client.key"}}
END
show tablet
touch tablet.token
start_mantisd tablet --mode client
wait_for_sync tablet office
node=$(sql tablet "SELECT value FROM __sync_meta WHERE name = 'node'")
[ "$(sql office "SELECT subject FROM __sync_nodes WHERE node = '$node'")" = tablet-7 ] || fail "not called tablet-7"
! grep -q 'can be read by others' tablet.log || fail "a key that others cannot read: $(cat tablet.log)"
! grep -q 'token' tablet.log || fail "a token is asked for: $(cat tablet.log)"

# ---- What is wrong stands in the log and the status, nothing is lost, and it goes on -----------------
trouble ()
{
  stop_mantisd office
  show "$1"
  start
  sql tablet "INSERT INTO note VALUES ('$1', 'written in trouble')"
  wait_for_message tablet "$2"
  wait_for "\"$2\" in the status" bash -c "'$build/mantisctl' --config tablet.json status | grep -qF -- '$2'"
  [ -z "$(sql office "SELECT 1 FROM note WHERE id = '$1'")" ] || fail "$1: it was sent all the same"
  show tablet
  wait_for_row office "SELECT 1 FROM note WHERE id = '$1'"
}
trouble stranger 'alert unknown ca'
has_message office 'no TLS with 127.0.0.1: certificate verify failed: unable to get local issuer certificate' || fail "$(tail office.log)"
trouble service 'alert unsupported certificate'
cp office.crt nokey.crt # a key that is not the certificate's
cp other.key nokey.key
trouble nokey 'client_certificate_file and client_key_file are no help'
# Without one, and with one that names nobody.
sed 's/"client_certificate_file".*"client.key"/"token_file": "curl.token"/' tablet.json > plain.json
token curl > curl.token
chmod 644 client.key
"$build/mantisd" --config tablet.json --database plain.db --once > plain.log 2>&1 || fail "$(cat plain.log)"
[ "$(grep -c 'client.key can be read by others; chmod 600 it' plain.log)" = 1 ] || fail "$(cat plain.log)"
rm plain.db
! "$build/mantisd" --config plain.json --database plain.db --once > plain.log 2>&1 || fail "it syncs without a certificate"
grep -q 'refuses us: .*alert certificate required.*see client_certificate_file' plain.log || fail "$(cat plain.log)"
has_message office 'no TLS with 127.0.0.1: peer did not return a certificate' || fail "$(tail office.log)"
[ "$(as nameless)" = 401 ] && grep -q 'a request needs' said || fail "a certificate without a name: $(cat said)"
[ "$(as gone)" = 000 ] && grep -q 'alert certificate expired' said || fail "$(cat said)"
[ "$(as tablet)" = 200 ] || fail "$(cat said)"
[ "$(as tablet -H 'Authorization: Bearer nonsense')" = 200 ] || fail "the certificate does not come first: $(cat said)"

# ---- A listener that forgets an authority; connections that are there stay ---------------------------
cat > hold.py << 'END'
import http.client, ssl, sys
context = ssl.create_default_context(cafile="ca.crt")
context.load_cert_chain(sys.argv[2] + ".crt", sys.argv[2] + ".key")
held = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), context=context)
held.connect()
socket = held.sock
for line in sys.stdin:
    held.request("GET", "/sync/status")
    answer = held.getresponse()
    answer.read()
    print(answer.status, "same" if held.sock is socket else "another", flush=True)
END

# held TEXT: what the connection that is held answers.
held ()
{
  local line=

  echo >&"${HOLD[1]}"
  read -r -t "$patience" line <&"${HOLD[0]}" || true
  [ "$line" = "$1" ] || { echo "held: $line"; return 1; }
}
coproc HOLD { python3 hold.py "$port" tablet 2> hold.err; }
held "200 same" || fail "$(cat hold.err)"
cp devices.crt devices.kept
cp other.crt devices.crt
kill -HUP "$(pid_of office)"
wait_for_message office 'read again'
[ "$(as tablet)" = 000 ] || fail "an authority that was taken away"
[ "$(as stranger)" = 200 ] || fail "$(cat said)"
held "200 same" || fail "$(cat hold.err)"
eval "exec ${HOLD[1]}>&-"
wait "$HOLD_PID" || true

# ---- "auth" without certificates, and certificates that need not be ----------------------------------
cp devices.kept devices.crt
stop_mantisd office
configure "" ', "auth": [{"plugin": "jwt", "key_file": "jwt.key"}]'
start
token curl > curl.token
[ "$(as tablet)" = 401 ] && grep -q 'the certificate counts where' said || fail "$(cat said)"
[ "$(as tablet -H "Authorization: Bearer $(cat curl.token)")" = 200 ] || fail "$(cat said)"
stop_mantisd office
configure ', "client_certificate": "optional"' ', "auth": ["certificate", {"plugin": "jwt", "key_file": "jwt.key"}]'
start
[ "$(as tablet)" = 200 ] || fail "$(cat said)"
[ "$(as stranger)" = 000 ] || fail "a bad certificate, where none would do"
[ "$(call GET /healthz)" = '{"status":"ok"}' ] || fail "$(call GET /healthz)"
"$build/mantisd" --config plain.json --database plain.db --once > plain.log 2>&1 || fail "a token alone: $(cat plain.log)"
"$build/mantisd" --dump-plugin rest | sed -n 's/^ *\(GET\|POST\) *\(\/[^ ]*\).*/\1 \2/p' > routes
[ "$(wc -l < routes)" -ge 10 ] || fail "$("$build/mantisd" --dump-plugin rest)"
while read -r method path; do
  case $path in /healthz | /readyz) continue ;; esac
  [ "$(curl -sS -o /dev/null -w '%{http_code}' --cacert ca.crt -X "$method" "https://127.0.0.1:$port${path/\{id\}/1}")" = 401 ] || fail "$method $path"
done < routes

# ---- One that ends while its connection lives --------------------------------------------------------
command -v faketime > /dev/null || { echo "faketime is not installed: the end of a certificate is not tried"; exit 0; }
faketime -f "-$((30 * 24 * 3600 - 4))s" bash -c '. "$1"; client_certificate short devices tablet-9' bash "$top/tests/lib/certificates.sh"
coproc HOLD { python3 hold.py "$port" short 2> hold.err; }
held "200 same" || fail "$(cat hold.err)"
wait_for "the certificate to end" held "401 same"
