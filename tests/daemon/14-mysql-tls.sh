#!/bin/bash
# 14: TLS to the database: with a CA the server's certificate and name are checked by default; a wrong CA or a server
# without TLS is refused, and an own certificate is shown where one is asked for.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3 openssl
maria_port=$(free_port)

# certificate NAME SUBJECT: NAME.crt and NAME.key, signed by ca.
certificate ()
{
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -subj "/CN=$2" -out "$1.csr" 2> openssl.err
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out "$1.crt" \
    -extfile <(echo "subjectAltName=DNS:$2,IP:127.0.0.1") 2>> openssl.err
}
for ca in ca other; do
  openssl req -x509 -newkey rsa:2048 -nodes -keyout $ca.key -subj "/CN=$ca of a test" -days 2 -out $ca.crt 2> openssl.err
done
certificate server localhost
certificate client mantis
pki=$(mktemp -d "${TMPDIR:-/tmp}/mantis-pki.XXXXXX")
cleanup_fn "rm -rf $pki"
cp ca.crt server.crt server.key "$pki"
chmod -R a+rX "$pki"
start_mariadb shop --port="$maria_port" --ssl-ca="$pki/ca.crt" --ssl-cert="$pki/server.crt" --ssl-key="$pki/server.key"
maria "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1); ALTER USER mantis@localhost REQUIRE X509"
sed "s#\"socket\": \"[^\"]*\"#\"host\": \"localhost\", \"port\": $maria_port, \"tls\": TLS#" shop.json > shop.template
sed -i 's/"localhost", "port"/"127.0.0.1", "port"/' shop.template

# with TLS: the configuration with these settings.
with ()
{
  sed "s#TLS#$1#" shop.template > shop.json
}

refused ()
{
  with "$1"
  launch shop --config shop.json
  wait_for "the server to end" gone shop
  wait "${pids[shop]}" 2> /dev/null || true
  unset "pids[shop]"
}

refused '{"ca_file": "other.crt", "cert_file": "client.crt", "key_file": "client.key"}'
has_message shop "TLS with the database" || { cat shop.log; fail "a certificate of somebody else"; }
refused '{"ca_file": "ca.crt"}'
has_message shop "away" || { cat shop.log; fail "without a certificate of its own"; }
with '{"ca_file": "ca.crt", "cert_file": "client.crt", "key_file": "client.key"}'
start_mantisd shop --mode server
[ "$(maria "SELECT count(*) FROM information_schema.processlist WHERE user = 'mantis'")" -gt 0 ] || fail "nobody is connected"
start_mantisd tablet --mode client
wait_for_maria tablet
