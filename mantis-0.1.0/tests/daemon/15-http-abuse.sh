#!/bin/bash
# 15: what is no HTTP, or abuse of it, gets an answer or a closed connection, and harms nobody.
. "${0%/*}/functions.sh"
requires_shared conformance/http_abuse.py
configure_server office
sed -i 's/"transport": "rest",/"transport": "rest", "header_timeout": "5s", "body_timeout": "10s", "idle_timeout": "15s",/' office.json # no waiting for a minute
start_mantisd office --mode server
token curl > curl.token
python3 "$shared/conformance/http_abuse.py" 127.0.0.1 "$port" --path /sync/push --header "Authorization: Bearer $(cat curl.token)" \
  --body '{}' --max-body $((16 << 20)) --slow 8 --pid "$(pid_of office)" > abuse || {
  cat abuse
  fail "http_abuse.py found something"
}
tail -n 1 abuse
stop_mantisd office
[ "$ended" = 0 ] || fail "ended with $ended"
