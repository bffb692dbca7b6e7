#!/bin/bash
# 15: over TLS, too: what is no HTTP, or abuse of it, gets an answer or a closed connection, and harms nobody.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires_shared conformance/http_abuse.py
requires openssl
speak_tls
configure_server office
sed -i 's/"transport": "rest",/"transport": "rest", "header_timeout": "5s", "body_timeout": "10s", "idle_timeout": "15s",/' office.json # no waiting for minutes
start_mantisd office --mode server
token curl > curl.token
# Few authorities to load: the runner does it for each connection.
SSL_CERT_FILE=ca.crt python3 "$shared/conformance/http_abuse.py" 127.0.0.1 "$port" --tls --path /sync/push --header "Authorization: Bearer $(cat curl.token)" \
  --body '{}' --max-body $((16 << 20)) --slow 8 --garbage 500 --pid "$(pid_of office)" > abuse || {
  cat abuse
  fail "http_abuse.py found something"
}
tail -n 1 abuse
stop_mantisd office
[ "$ended" = 0 ] || fail "ended with $ended"
