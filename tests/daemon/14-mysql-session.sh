#!/bin/bash
# 14: two servers on one MariaDB share users and sessions: who logs in at one is known at the other, also after a restart, and who is disabled at one
# loses at the other what is open there.  MariaDB holds neither token nor password.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 curl
start_mariadb shop
maria "CREATE TABLE note (id VARCHAR(40) PRIMARY KEY, body TEXT)"
sed -i 's/"auth": \[/&{"plugin": "session", "cost": 10, "idle_timeout": "1m"}, /' shop.json
start_mantisd shop --mode server
shop=$port
configure_maria depot
sed -i 's/"auth": \[/&{"plugin": "session", "cost": 10, "idle_timeout": "1m"}, /' depot.json
start_mantisd depot --mode server
depot=$port

# login PORT: of alice; the token goes to alice.token.
login ()
{
  curl -sS -m "$patience" -d "{\"user\": \"alice\", \"password\": \"$(cat alice.password)\"}" "http://127.0.0.1:$1/auth/login" > answer
  python3 -c 'import json; print(json.load(open("answer"))["token"])' > alice.token || fail "no login: $(cat answer)"
}
expect () # STATUS PORT [CURL-ARGUMENT...]
{
  local said

  said=$(curl -sS -m "$patience" -o answer -w '%{http_code}' -H "Authorization: Bearer $(cat alice.token)" "${@:3}" "http://127.0.0.1:$2${path:-/sync/status}")
  [ "$said" = "$1" ] || fail "$said instead of $1: $(cat answer)"
}

head -c 18 /dev/urandom | base64 > alice.password
ctl shop user add alice --role clerk < alice.password
login "$shop"
expect 200 "$depot"
path=/sync/push expect 200 "$depot" -X POST -d '{"changes": [{"table": "note", "columns": ["id", "body"], "rows": [["a", "by alice"]]}]}'
maria "UPDATE __sync_sessions SET used_at = used_at - 30000"
before=$(maria "SELECT used_at FROM __sync_sessions")
expect 200 "$depot"
wait_for "the use to be written down" gives_maria "SELECT 1 FROM __sync_sessions WHERE used_at > $before"
stop_mantisd shop
port=$shop
start_mantisd shop --mode server
expect 200 "$shop"

# At the depot it ends what is open at the depot, and here, too.
python3 -B "$top/tests/daemon/guest.py" guest "$depot" alice.token --waits > guest.out 2>&1 &
pids[guest]=$!
wait_for "a WebSocket" test -e guest.open
ctl shop user disable alice
wait_for "the WebSocket at the other server to end" test -e guest.closed
grep -q '^3000' guest.closed || fail "$(cat guest.closed)"
expect 401 "$depot"
ctl depot user list | grep -q '^alice  disabled  clerk' || fail "$(ctl depot user list)"
ctl depot user enable alice
login "$depot"
expect 200 "$shop"
path=/auth/logout expect 200 "$depot" -X POST
expect 401 "$shop"

login "$shop"
mariadb_do "$maria_folder" shop -N -e "SELECT * FROM __sync_users; SELECT * FROM __sync_sessions; SELECT * FROM __sync_meta" > database.txt
grep -q 'alice' database.txt || fail "$(cat database.txt)"
! grep -qF -e "$(cat alice.token)" -e "$(cat alice.password)" database.txt || fail "a secret stands in the database"
maria "UPDATE __sync_sessions SET expires_at = 1"
expect 401 "$depot"
wait_for "expired sessions to go" gives_maria "SELECT 1 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM __sync_sessions)"
