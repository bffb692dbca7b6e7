#!/bin/bash
# 00: interval_seconds: when nobody writes and nothing is noticed, the server is asked once in that time all the same.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server
start_proxy
configure_client tablet
sed -i 's/"interval_seconds": 60/"interval_seconds": 1/' tablet.json
start_mantisd tablet --mode client
settled office tablet
: > requests
pulls ()
{
  grep -c '"/sync/pull"' requests
}
six ()
{
  [ "$(pulls)" -ge 6 ]
}
wait_for "six pulls" six
cat > beat.py << 'END_OF_PYTHON'
import json
times = [r["time"] for r in map(json.loads, open("requests")) if r["path"] == "/sync/pull"][1:6]  # the first was under way before
gaps = [b - a for a, b in zip(times, times[1:])]
print("seconds between pulls:", " ".join(f"{gap:.2f}" for gap in gaps))
for gap in gaps:
    assert 0.9 < gap < 5, gap  # a busy machine may be late; a pull that waits as long as it may takes 25 seconds
END_OF_PYTHON
python3 beat.py || fail "when it asks"
! grep -q '"/sync/push"' requests || fail "there was nothing to send"
[ "$(grep -vc '"/sync/pull"' requests)" = 0 ] || fail "more than pulls: $(grep -v '"/sync/pull"' requests)"

# Below a second it is no hurry without a pause.
stop_mantisd tablet
sed -i 's/"interval_seconds": 1/"interval_seconds": "250ms"/' tablet.json
start_mantisd tablet --mode client
wait_until tablet 'S["caught_up"]'
: > requests
wait_for "six pulls" six
python3 beat.py || fail "when it asks, with an interval below a second"
