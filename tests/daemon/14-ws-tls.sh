#!/bin/bash
# 14: what RFC 6455 says of handshakes, frames, fragments, UTF-8 and close codes holds over TLS, too, and nothing that a peer sends over a
# WebSocket harms the server.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires_shared conformance/ws_conformance.py
requires python3 openssl
speak_tls
configure_server office
sed -i 's/"transport": "rest",/"transport": "rest", "header_timeout": "2s",/' office.json
sed -i 's/^ "auth"/ "plugins": ["rest", "sqlite", "jwt", "timestamp", {"path": "websocket", "options": {"max_message_bytes": "5M"}}],\n&/' office.json
start_mantisd office --mode server
python3 "$shared/conformance/ws_conformance.py" "wss://127.0.0.1:$port/sync/ws" --header "Authorization: Bearer $(token curl)" \
  --subprotocol mantis.v1 --auth-required --wrap '{"type":"noop","pad":"|"}' --cafile ca.crt --quick --jobs 20 > cases || {
  cat cases
  fail "ws_conformance.py found something"
}
tail -n 1 cases
! grep -q '^MASKED' cases || fail "$(grep '^MASKED' cases)"
stop_mantisd office
[ "$ended" = 0 ] || fail "ended with $ended"
