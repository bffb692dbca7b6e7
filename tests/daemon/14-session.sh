#!/bin/bash
# 14: users of the server's own database log in and are known by their token until they log out, are disabled, get another
# password or have been away too long; also after a restart, and beside JWT. The database holds neither token nor password.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3

port=$(free_port)
cat > office.json << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "office.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}, {"plugin": "session", "cost": 12}]}
END
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server --log-level debug

# login USER PASSWORD: the status; its answer is in answer, the token in alice.token.
login ()
{
  curl -sS -m "$patience" -o answer -w '%{http_code}' -d "{\"user\": \"$1\", \"password\": \"$2\"}" "http://127.0.0.1:$port/auth/login"
}
token_of ()
{
  python3 -c 'import json; print(json.load(open("answer"))["token"])'
}
# with FILE: what its token is answered.
with ()
{
  curl -sS -m "$patience" -o answer -w '%{http_code}' -H "Authorization: Bearer $(cat "$1")" "${@:2}" "http://127.0.0.1:$port${path:-/sync/status}"
}
expect ()
{
  [ "$1" = "$2" ] || fail "$2 instead of $1: $(cat answer)"
}

# ---- Users ----
head -c 18 /dev/urandom | base64 > alice.password
head -c 18 /dev/urandom | base64 > other.password
cp other.password old.password
ctl office user add alice --role clerk,night < alice.password || fail "user add"
printf '%s\r\nnot this line\n' "$(cat other.password)" > file.password
ctl office user add bob --password-file file.password
ctl office user add bob --password-file file.password 2> said && fail "bob was added twice"
grep -q 'already' said || fail "$(cat said)"
printf 'short\n' | ctl office user add carol 2> said && fail "a short password"
grep -q 'at least 8' said || fail "$(cat said)"
: | ctl office user add carol 2> said && fail "no password"
ctl office user passwd nobody < other.password 2> said && fail "passwd of nobody"
grep -q 'no user "nobody"' said || fail "$(cat said)"
ctl office user add "$(printf 'a\nb')" < other.password 2> said && fail "a name of two lines"
[ "$(ctl office --json user list | python3 -c 'import json, sys
print([(u["user"], u["roles"], u["disabled"], u["login_at"]) for u in json.load(sys.stdin)])')" = \
  "[('alice', ['clerk', 'night'], False, 0), ('bob', [], False, 0)]" ] || fail "$(ctl office --json user list)"
ctl office user list | grep -q '^alice  enabled  clerk,night  - ' || fail "$(ctl office user list)"

# ---- Coming, being known, going ----
expect 401 "$(login alice "not $(cat alice.password)")"
cp answer wrong
expect 401 "$(login nobody "$(cat alice.password)")"
cmp -s answer wrong || fail "a stranger is answered otherwise than a wrong password"
expect 401 "$(login alice "")"
expect 200 "$(login alice "$(cat alice.password)")"
token_of > alice.token
python3 -c 'import json; a = json.load(open("answer")); assert a["user"] == "alice" and a["idle"] == 604800000 and a["expires"] > 1e12, a' || fail "$(cat answer)"
expect 200 "$(with alice.token)"
token tablet > jwt.token
expect 200 "$(with jwt.token)"
path=/sync/push expect 200 "$(path=/sync/push with alice.token -H "Mantis-Node: 0123456789abcdef0123456789abcdef" \
  -d '{"number": 1, "nonce": "n", "changes": [{"table": "note", "columns": ["id", "body"], "rows": [["a", "by alice"]]}]}')"
[ "$(sql office "SELECT subject FROM __sync_nodes")" = alice ] || fail "she is $(sql office "SELECT * FROM __sync_nodes")"
sed 's/.$/~/' alice.token > wrong.token
expect 401 "$(with wrong.token)"
echo "mst_short" > wrong.token
expect 401 "$(with wrong.token)"
echo "no-dots-at-all" > wrong.token
expect 401 "$(with wrong.token)"
grep -q 'of no kind' answer || fail "$(cat answer)"
for body in '' '[]' '{"user": 1, "password": "x"}' '{"user": "alice"}' '{"user": "alice\u0000", "password": "long enough"}'; do
  curl -sS -o answer -w '%{http_code}' -d "$body" "http://127.0.0.1:$port/auth/login" > status
  expect 400 "$(cat status)"
done
expect 400 "$(path=/auth/logout with jwt.token -X POST)"
expect 200 "$(login alice "$(cat alice.password)")"
token_of > second.token
expect 200 "$(path=/auth/logout with second.token -X POST)"
expect 401 "$(with second.token)"
expect 401 "$(path=/auth/logout with second.token -X POST)"
expect 200 "$(with alice.token)"

# A client with it, as with any token.
touch tablet.token
configure_client tablet
ctl tablet login alice < old.password 2> said && fail "a login with a wrong password"
grep -q 'the server answers 401: user or password is wrong' said || fail "$(cat said)"
[ ! -s tablet.token ] || fail "a token for a wrong password"
ctl office login alice < alice.password 2> said && fail "a login with a server's configuration"
ctl tablet login alice < alice.password || fail "login"
[ "$(stat -c %a tablet.token)" = 600 ] && grep -q '^mst_' tablet.token || fail "$(ls -l tablet.token)"
start_mantisd tablet --mode client
wait_for_sync tablet office
stop_mantisd tablet

# ---- A restart; users while none runs ----
stop_mantisd office
ctl office user add dora < other.password 2> said || fail "without a daemon: $(cat said)"
start_mantisd office --mode server --log-level debug
expect 200 "$(with alice.token)"
expect 200 "$(login dora "$(cat other.password)")"
token_of > dora.token

# ---- Another password; disabled; removed ----
cp alice.password old.password
head -c 18 /dev/urandom | base64 > alice.password
ctl office user passwd alice < alice.password
expect 401 "$(with alice.token)"
expect 401 "$(login alice "$(cat old.password)")"
expect 200 "$(login alice "$(cat alice.password)")"
token_of > alice.token
ctl office user disable alice
expect 401 "$(with alice.token)"
expect 401 "$(login alice "$(cat alice.password)")"
ctl office user list | grep -q '^alice  disabled' || fail "$(ctl office user list)"
ctl office user enable alice
expect 401 "$(with alice.token)"
expect 200 "$(login alice "$(cat alice.password)")"
token_of > alice.token
ctl office user remove dora
expect 401 "$(with dora.token)"
ctl office user add dora < other.password
expect 401 "$(with dora.token)"
grep -q 'login of user "alice" from 127.0.0.1 refused: wrong password' office.log || fail "no word of a wrong password"
grep -q 'login from 127.0.0.1 refused: no such user' office.log || fail "no word of a stranger"

# ---- What is kept ----
ctl office --json user list > answers.txt
ctl office status >> answers.txt
stop_mantisd office
cat office.db* > database.txt
for secret in alice.token second.token dora.token alice.password old.password other.password; do
  ! grep -qF -- "$(cat $secret)" database.txt answers.txt office.log || fail "$secret stands in the database or an answer"
done
[ "$(sql office "SELECT count(*) FROM __sync_users WHERE password LIKE '\$scrypt\$ln=12,r=8,p=3\$%'")" = 3 ] || fail "$(sql office "SELECT * FROM __sync_users")"

# ---- Time: it passes in the table ----
sed -i 's/"cost": 12/"cost": 11, "idle_timeout": "1m"/' office.json
start_mantisd office --mode server
fresh ()
{
  expect 200 "$(login alice "$(cat alice.password)")"
  token_of > alice.token
}
passes ()
{
  sql office "UPDATE __sync_sessions SET used_at = used_at - $1 * 1000, expires_at = expires_at - $1 * 1000"
}
fresh
[ "$(sql office "SELECT substr(password, 1, 14) FROM __sync_users WHERE user = 'alice'")" = '$scrypt$ln=11,' ] || fail "not made with the new cost"
sql office "DELETE FROM __sync_sessions"
expect 401 "$(with alice.token)"
fresh
passes 30
before=$(sql office "SELECT used_at FROM __sync_sessions")
expect 200 "$(with alice.token)"
wait_for_row office "SELECT 1 FROM __sync_sessions WHERE used_at > $before"
passes 61
expect 401 "$(with alice.token)"
grep -q 'not used for too long\|has ended' answer || fail "$(cat answer)"
wait_for_row office "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM __sync_sessions)"
fresh
sql office "UPDATE __sync_sessions SET expires_at = $(date +%s)000"
expect 401 "$(with alice.token)"
grep -q 'has expired\|has ended' answer || fail "$(cat answer)"
wait_for_row office "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM __sync_sessions)"
