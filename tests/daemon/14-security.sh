#!/bin/bash
# 14: what docs/security.md tells to type makes an authority and a certificate with which its two configurations sync, and a
# pin; a user of `session` logs in and out with its commands; and a listener that asks for certificates is what mantis-certificate(7) shows.
# SPDX-License-Identifier: LGPL-2.1-or-later
own_network=-nm
. "${0%/*}/functions.sh"
requires openssl ip python3
known_here office.example.org
ip addr add 192.0.2.7/32 dev lo

# Blocks of the page: indented ones that begin with openssl into files of their own, JSON into NAME.json.
cat > take.py << 'END'
import json, re, sys
top = sys.argv[1]
page = open(f"{top}/docs/security.md").read()
commands = [re.sub(r"^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n)+", page, re.M)]
users, = [block for block in commands if block.startswith("mantisctl")]
open("users.sh", "w").write(users)
commands = [block for block in commands if block.startswith("openssl")]
authority, pin = commands
open("authority.sh", "w").write(authority)
open("pin.sh", "w").write(pin)
server, client, auth = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.S))
json.dump(server, open("office.json", "w"))
json.dump(server | auth, open("users.json", "w"))
json.dump(client, open("tablet.json", "w"))
client["sync"]["pin_sha256"] = "PIN"
json.dump(client, open("pinned.json", "w"))
pod = open(f"{top}/docs/man/mantis-certificate.pod").read()
text, found, at = pod[pod.index("=head1 SYNOPSIS"):pod.index("=head1 DESCRIPTION")], [], 0
while (at := text.find("{", at)) >= 0:
    value, end = json.JSONDecoder().raw_decode(text[at:])
    found.append(value)
    at += end
json.dump(found[0], open("asks.json", "w"))
found[1]["storage"] = {"plugin": "sqlite", "path": "shows.db"}
found[1]["sync"]["ca_file"] = "authority.crt"
json.dump(found[1], open("shows.json", "w"))
END
python3 take.py "$top"
bash -e authority.sh > openssl.out 2>&1 || fail "$(cat openssl.out)"
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'from the office')"
tls=on port=443
start_mantisd office --mode server
token tablet > tablet.token
once ()
{
  "$build/mantisd" --config "$@" --once > once.log 2>&1 || fail "$*: $(cat once.log)"
}
once tablet.json
same_table office tablet note
once tablet.json --server https://192.0.2.7
sed -i "s#PIN#$(bash pin.sh)#" pinned.json
once pinned.json
! grep -q 'warning' office.log || fail "$(cat office.log)"
stop_mantisd office

# Users: the commands up to the login, a client with that token, and the last command.
cp users.json office.json
start_mantisd office --mode server
head -c 18 /dev/urandom | base64 > alice.password
cp tablet.token jwt.token
PATH=$build:$PATH
sed '$d' users.sh > login.sh
bash -e login.sh > said || fail "$(cat login.sh)"
grep -q '"token":"mst_' said || fail "$(cat said)"
grep -q '^mst_' tablet.token || fail "no token of a session: $(cat tablet.token)"
sql office "INSERT INTO note VALUES ('b', 'for alice')"
sed 's#tablet.db#alice.db#' tablet.json > alice.json
once alice.json
same_table office alice note
cp tablet.token alice.token
[ "$(tail -n 1 users.sh > logout.sh; bash -e logout.sh)" = "{}" ] || fail "logout"
[ "$(curl -sS -o /dev/null -w '%{http_code}' --cacert authority.crt -H "Authorization: Bearer $(cat alice.token)" https://office.example.org/sync/status)" = 401 ] ||
  fail "logged out, and known"
cp jwt.token tablet.token
once tablet.json
stop_mantisd office

# The same page's third way: a device with a certificate.
authority devices
client_certificate tablet devices tablet-7
launch asks --config asks.json
wait_for_message asks ready
once shows.json
[ "$(sql office "SELECT subject FROM __sync_nodes WHERE subject = 'tablet-7'")" = tablet-7 ] || fail "not known as tablet-7"
