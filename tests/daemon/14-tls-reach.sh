#!/bin/bash
# 14: a client with pin_sha256 takes no other key, however good its certificate; proxies (CONNECT, SOCKS5) carry TLS to a name
# that only they know, and see neither token nor rows.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires openssl python3
authority ca
authority other
certificate office ca DNS:office.example,IP:127.0.0.1
certificate spare ca IP:127.0.0.1
show_certificate office
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'from the office')"
start_mantisd office --mode server

# pin NAME: of its key, as the pages say.
pin ()
{
  openssl x509 -in "$1.crt" -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64
}

# sync MORE [OPTION...]: one exchange of the client with MORE in "sync".
sync ()
{
  cat > tablet.json << END
{"mode": "client", "storage": {"plugin": "sqlite", "path": "tablet.db"},
 "sync": {"server_url": "https://127.0.0.1:$port", "token_file": "tablet.token", $1}}
END
  [ -e tablet.token ] || token tablet > tablet.token
  "$build/mantisd" --config tablet.json "${@:2}" --once > tablet.log 2>&1
}

# refused TEXT MORE [OPTION...]: it says TEXT.
refused ()
{
  local text=$1

  shift
  ! sync "$@" || fail "$* is not refused"
  grep -qF -- "$text" tablet.log || fail "$*: $(cat tablet.log)"
}

# ---- Pins --------------------------------------------------------------------------------------------
office=$(pin office) spare=$(pin spare)
sync "\"ca_file\": \"ca.crt\", \"pin_sha256\": \"$office\"" || fail "$(cat tablet.log)"
[ "$(sql tablet "SELECT body FROM note")" = 'from the office' ] || fail "nothing came"
sync "\"ca_file\": \"ca.crt\", \"pin_sha256\": [\"$spare\", \"sha256//$office\"]" || fail "$(cat tablet.log)"
sql tablet "INSERT INTO note VALUES ('b', 'for the office alone')"
refused 'the public key of 127.0.0.1' "\"ca_file\": \"ca.crt\", \"pin_sha256\": \"$spare\""
refused 'unable to get local issuer certificate' "\"ca_file\": \"other.crt\", \"pin_sha256\": \"$office\""
refused 'cannot read the certificates for 127.0.0.1' '"ca_file": "nowhere.crt"'
refused 'without client_certificate_file' '"ca_file": "ca.crt", "client_key_file": "office.key"'
refused 'is not the SHA-256 of a public key in base64' "\"ca_file\": \"ca.crt\", \"pin_sha256\": \"$(echo "$office" | cut -c1-43)\""
refused 'need a server_url with https://' "\"pin_sha256\": \"$office\"" --server "http://127.0.0.1:$port"
[ -z "$(sql office "SELECT 1 FROM note WHERE id = 'b'")" ] || fail "it was sent"
# A renewed certificate of the same key.
openssl x509 -in office.crt -x509toreq -signkey office.key -out renewed.csr 2> openssl.err
openssl x509 -req -in renewed.csr -CA ca.crt -CAkey ca.key -set_serial 7 -days 30 -out server.crt -extfile <(echo subjectAltName=DNS:office.example,IP:127.0.0.1) 2> openssl.err
kill -HUP "$(pid_of office)"
wait_for_message office 'read again'
sync "\"ca_file\": \"ca.crt\", \"pin_sha256\": \"$office\"" || fail "$(cat tablet.log)"
same_table office tablet note

# ---- Proxies -----------------------------------------------------------------------------------------
url=https://office.example:$port

# proxied KIND ANSWER PROXY: through a proxy of KIND, which is asked for ANSWER.
proxied ()
{
  local at tunnel

  at=$(free_port)
  TUNNEL_USER=${3-} python3 "$top/tests/daemon/tunnel.py" "$at" "${1%h}" "$2=$port" > asked &
  pids[tunnel]=$!
  wait_for "a proxy" bash -c "exec 3<> /dev/tcp/127.0.0.1/$at"
  sql tablet "INSERT INTO note VALUES ('$at', 'by $1')"
  sync "\"ca_file\": \"ca.crt\", \"proxy\": \"$1://127.0.0.1:$at\"" --server "$url" || fail "$1: $(cat asked tablet.log)"
  same_table office tablet note
  ! sync "\"ca_file\": \"ca.crt\", \"proxy\": \"$1://127.0.0.1:$at\"" --server "https://nowhere.example:$port" || fail "$1: to nowhere"
  stop_mantisd tunnel
}
proxied http office.example
grep -qx "office.example:$port - Host Proxy-Connection User-Agent" asked || fail "what the proxy saw: $(cat asked)"
grep -q 'CONNECT tunnel failed, response 403' tablet.log || fail "$(cat tablet.log)"
proxied socks5h office.example
grep -q "^office.example:$port -" asked || fail "what the proxy saw: $(cat asked)"
export MANTIS_PROXY_USER=tablet:secret-7
proxied http office.example tablet:secret-7
grep -q "^office.example:$port tablet:secret-7" asked || fail "what the proxy saw: $(cat asked)"
proxied socks5h office.example tablet:secret-7
unset MANTIS_PROXY_USER
! grep -q secret-7 ./*.log || fail "the proxy's password stands in a log"
url=https://127.0.0.1:$port
proxied socks5 127.0.0.1
grep -q "^127.0.0.1:$port -" asked || fail "what the proxy saw: $(cat asked)"
https_proxy=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9 sync '"ca_file": "ca.crt"' || fail "the environment's proxy: $(cat tablet.log)"
refused 'by way of socks5://127.0.0.1:9' '"ca_file": "ca.crt", "proxy": "socks5://127.0.0.1:9"'
for bad in proxy.example:3128 ftp://proxy.example:21 http://proxy.example http://secret:secret@proxy.example:3128 http://proxy.example:3128/x; do
  refused 'proxy is not http://HOST:PORT' "\"ca_file\": \"ca.crt\", \"proxy\": \"$bad\""
  ! grep -q secret tablet.log || fail "a password in the log"
done
