#!/bin/bash
# 14: TLS to the database: with a CA the server's certificate and name are checked by default, and not with "verify" false;
# a wrong CA or a server without TLS is refused, also without a CA where TLS is "required"; an own certificate is shown
# where one is asked for.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3 openssl
maria_port=$(free_port)

# certificate NAME SUBJECT [NAMES]: NAME.crt and NAME.key, signed by ca.
certificate ()
{
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -subj "/CN=$2" -out "$1.csr" 2> openssl.err
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out "$1.crt" \
    -extfile <(echo "subjectAltName=DNS:$2${3-,IP:127.0.0.1}") 2>> openssl.err
}
for ca in ca other; do
  openssl req -x509 -newkey rsa:2048 -nodes -keyout $ca.key -subj "/CN=$ca of a test" -days 2 -out $ca.crt 2> openssl.err
done
certificate server localhost
certificate client mantis
certificate elsewhere elsewhere ""
pki=$(mktemp -d "${TMPDIR:-/tmp}/mantis-pki.XXXXXX")
cleanup_fn "rm -rf $pki"
cp ca.crt server.crt server.key elsewhere.crt elsewhere.key "$pki"
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

# accepted SETTINGS: it starts, and a row goes through.
accepted ()
{
  with "$1"
  stop_mantisd shop
  start_mantisd shop --mode server
  row=$((row + 1))
  sql tablet "INSERT INTO t VALUES ($row)"
  quiet tablet
  gives_maria "SELECT 1 FROM t WHERE id = $row" || fail "the row with $1"
}
row=100

# The server lets nobody in without TLS: who gets in has it.
maria "ALTER USER mantis@localhost REQUIRE SSL"
accepted '{"ca_file": "ca.crt"}'
accepted '{"ca_file": "other.crt", "verify": false}'
accepted '{"required": true}'
stop_mantisd shop
refused '{}'
has_message shop "away" || { cat shop.log; fail "TLS though nobody asked for it"; }

# A certificate of the right CA for another name.
restart ()
{
  mariadb_stop "$maria_folder"
  mariadb_start "$maria_folder" --port="$maria_port" "$@" || fail "MariaDB does not come back"
}
restart --ssl-ca="$pki/ca.crt" --ssl-cert="$pki/elsewhere.crt" --ssl-key="$pki/elsewhere.key"
refused '{"ca_file": "ca.crt"}'
has_message shop "TLS with the database" || { cat shop.log; fail "a certificate of another host"; }
with '{"ca_file": "ca.crt", "verify": false}'
start_mantisd shop --mode server

# A server that has no TLS.
maria "ALTER USER mantis@localhost REQUIRE NONE"
stop_mantisd shop
restart --skip-ssl
for settings in '{"required": true}' '{"ca_file": "ca.crt"}' '{"ca_file": "ca.crt", "verify": false}'; do
  refused "$settings"
  has_message shop "TLS with the database" || { cat shop.log; fail "without TLS in spite of $settings"; }
done
with '{}'
start_mantisd shop --mode server
wait_for_maria tablet
quiet tablet
