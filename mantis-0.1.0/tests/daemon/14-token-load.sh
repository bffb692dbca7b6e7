#!/bin/bash
# 14: a token runs out in the middle of a long load and of a long push; a new one is written into the token file, and
# both go on where they were.  R46, guarantee 10.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

fill ()
{
  sql "$1" "WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 4000) INSERT INTO note SELECT '$2' || (10000 + k), randomblob(150) FROM k"
}

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body BLOB)"
fill office old-
configure_server office
sed -i 's/"key_file"/"leeway": "0s", "key_file"/' office.json
start_mantisd office --mode server
start_proxy
configure_client tablet
sed -i 's/"sync": {/"sync": {"batch_rows": 200, "whole_rows": 200, /' tablet.json

run_out ()
{
  [ "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(cat tablet.token)" "http://127.0.0.1:$port/sync/status")" = 401 ]
}

# The road is held at the seventh message, or the token has run out before: this machine is slow.
on_its_way ()
{
  [ ! -s rules ] || has_message tablet 'token refused'
}

# renewed: hold that message until the token has run out; then the client is refused, is given a new one, and goes on.
renewed ()
{
  wait_for "the middle of it" on_its_way
  wait_for "the token to run out" run_out
  rm gate
  wait_for_message tablet 'token refused'
  same_rows office tablet note && fail "it was all there before the token ran out"
  road
  token tablet > tablet.new
  mv tablet.new tablet.token
  settled office tablet
}

# crossed WAY PATH: in kB.
crossed ()
{
  python3 -c 'import json, sys
print(sum(r[sys.argv[1]] for r in map(json.loads, open("requests")) if r["path"] == sys.argv[2]) // 1000)' "$1" "$2"
}

touch gate
road "/sync/pull pass - 6" "/sync/pull hold gate"
token tablet --lifetime 2s > tablet.token
start_mantisd tablet --mode client
renewed
bytes=$(crossed answer /sync/pull)
echo "a load of 4000 rows: $bytes kB"
# 150 random bytes a row are 600 kB for all of them, and do not become less; as text they are 800.
[ "$bytes" -ge 600 ] && [ "$bytes" -le 1200 ] || fail "$bytes kB: not once"

stop_mantisd tablet
fill tablet new-
: > requests
touch gate
road "/sync/push pass - 6" "/sync/push hold gate"
token tablet --lifetime 2s > tablet.token
start_mantisd tablet --mode client
renewed
bytes=$(crossed length /sync/push)
echo "a push of 4000 rows: $bytes kB"
[ "$bytes" -ge 600 ] && [ "$bytes" -le 1200 ] || fail "$bytes kB: not once"
node=$(sql tablet "SELECT value FROM __sync_meta WHERE name = 'node'")
[ "$(sql office "SELECT count(*) FROM __sync_log WHERE origin = '$node'")" = 4000 ] || fail "not each row was written once"
[ "$(kept office) $(kept tablet)" = "0 0" ] || fail "conflicts"
