#!/bin/bash
# 00: what commits on the server, by a client or by another program, is told over a WebSocket to those that wait, without their
# asking again; a burst comes in few pages; who does not read costs little memory, and nobody misses anything, not
# even by a connection that breaks.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server
token live > live.token
python3 "$top/tests/daemon/live.py" "$port" live.token office.db "$(pid_of office)" ||
  fail "see above"
stop_mantisd office
[ "$ended" = 0 ] || fail "ended with $ended"
