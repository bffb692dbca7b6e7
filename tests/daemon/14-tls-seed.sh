#!/bin/bash
# 14: the first example of a configuration, byte for byte, syncs with a TLS server of that name: the name is sent (SNI) with
# http/1.1 (ALPN) and checked, the authority comes from SSL_CERT_FILE or SSL_CERT_DIR, and ca_file takes the place of both.
# SPDX-License-Identifier: LGPL-2.1-or-later
own_network=-nm
. "${0%/*}/functions.sh"
requires openssl ip python3
known_here api.mantis.io
authority ca
authority other
certificate office ca DNS:api.mantis.io,IP:127.0.0.3,IP:::1
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": ":443", "tls": {"certificate_file": "office.crt", "key_file": "office.key"}}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}]}
END
first_example
tls=on port=443
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'from the office')"
start_mantisd office --mode server
token tablet > tablet.token

# sync STATE [NAME=VALUE...] -- [OPTION...]: one exchange of the example with an empty database in folder STATE.
sync ()
{
  local state=$work/$1 variables=()

  shift
  while [ "$1" != -- ]; do
    variables+=("$1")
    shift
  done
  shift
  env STATE_DIRECTORY="$state" "${variables[@]}" "$build/mantisd" --config example.json --token-file tablet.token "$@" --once > once.log 2>&1
}

# fetched STATE: is the office's row there?
fetched ()
{
  [ "$(sqlite3 "$1/client.db" "SELECT body FROM note")" = 'from the office' ] || fail "$1: $(cat once.log)"
}
sync by-file SSL_CERT_FILE=ca.crt -- || fail "SSL_CERT_FILE: $(cat once.log)"
fetched by-file
mkdir trusted
cp ca.crt "trusted/$(openssl x509 -in ca.crt -noout -hash).0"
sync by-folder SSL_CERT_DIR=trusted -- || fail "SSL_CERT_DIR: $(cat once.log)"
fetched by-folder
! sync by-system -- || fail "an authority that nobody named"
grep -q 'the certificate of api.mantis.io:443 is not accepted: unable to get local issuer certificate; a private authority is named by ca_file' once.log ||
  fail "$(cat once.log)"
cp other.crt trusted/ca-certificates.crt
if mount --bind trusted /etc/ssl/certs; then # as if an administrator had added it
  sync by-administrator -- || fail "the system's folder: $(cat once.log)"
  fetched by-administrator
fi
# ca_file alone counts.
sed -i 's/"enabled": true/"enabled": true, "ca_file": "other.crt"/' example.json
! sync by-other SSL_CERT_FILE=ca.crt SSL_CERT_DIR=trusted -- || fail "with ca_file the system's authorities count, too"
sed -i 's/other.crt/ca.crt/' example.json
sync by-ca-file SSL_CERT_FILE=other.crt -- || fail "ca_file: $(cat once.log)"
fetched by-ca-file
# A name that leads to the same machine and is not on the certificate.
! sync elsewhere -- --server https://localhost || fail "localhost is not on the certificate"
grep -q 'it is for another name' once.log || fail "$(cat once.log)"

# Addresses stand on it as such; not this one.
sed -i 's/"ca_file"/"server_url": "https:\/\/127.0.0.3", "ca_file"/; /api.mantis.io/d' example.json
sync by-address -- || fail "127.0.0.3: $(cat once.log)"
! sync by-other-address -- --server https://127.0.0.4 || fail "127.0.0.4 is not on the certificate"
grep -q 'it is for another name' once.log || fail "$(cat once.log)"
stop_mantisd office
if ip -6 addr show dev lo | grep -q '::1/128'; then
  sed -i 's/":443"/"[::]:443"/' office.json
  launch office --config office.json
  wait_for_message office ready
  sync by-v6 -- --server 'https://[::1]' || fail "[::1]: $(cat once.log)"
  stop_mantisd office
fi

# What is sent before all that, as another server sees it.
cat > look.py << 'END'
import socket, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("office.crt", "office.key")
context.set_alpn_protocols(["h2", "http/1.1"])
context.sni_callback = lambda connection, name, context: print("name", name, flush=True)
listener = socket.create_server(("127.0.0.1", 443))
print("ready", flush=True)
connection = context.wrap_socket(listener.accept()[0], server_side=True)
print("protocol", connection.selected_alpn_protocol(), connection.version(), flush=True)
END
python3 look.py > look.log &
wait_for "a server that looks" grep -q ready look.log
sync seen -- --server https://api.mantis.io || true
wait_for "a look" grep -q protocol look.log
[ "$(grep -v ready look.log)" = "name api.mantis.io
protocol http/1.1 TLSv1.3" ] || fail "$(cat look.log)"
