#!/bin/bash
# 00: mantisctl and the control socket: every command with a daemon and without, for people and for programs; who
# speaks nonsense there is turned away and harms nobody.
. "${0%/*}/functions.sh"

# gives STATUS COMMAND...: ends with STATUS; what it says is in "said".
gives ()
{
  local expected=$1 got=0

  shift
  "$@" > said 2>&1 || got=$?
  [ $got = "$expected" ] || fail "$* ended with $got, not $expected: $(cat said)"
}

configure_server office
configure_client tablet
gives 1 ctl tablet status # there is nothing yet, and asking makes nothing
[ ! -e tablet.db ] || fail "mantisctl status made a database"
gives 2 ctl tablet token --subject x
gives 2 ctl office token
gives 2 ctl office token --subject x --lifetime soon
gives 2 ctl office frobnicate
gives 2 ctl office conflicts show one
gives 2 ctl office scan a b
gives 2 "$build/mantisctl" --config absent.json status
gives 0 ctl office --help
gives 0 ctl office token --subject x --lifetime 1h
[ "$(tr -cd . < said | wc -c)" = 2 ] && [ "$(wc -l < said)" = 1 ] || fail "more than a token: $(cat said)"

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
start_mantisd office --mode server
start_mantisd tablet --mode client
wait_until tablet 'S["caught_up"]'
[ "$(stat -c %a tablet.db.control)" = 660 ] || fail "mode of the socket"
gives 0 ctl tablet status
grep -q '^note  *live' said || fail "$(cat said)"
gives 0 ctl office status
grep -q 'tablet' said || fail "the server's status does not name its client: $(cat said)"
gives 0 ctl tablet sync
gives 1 ctl tablet scan no-such-table
gives 1 ctl office scan no-such-table
gives 2 ctl tablet conflicts
gives 1 ctl office sync
# For programs: one JSON object and nothing else; what goes wrong is told on the other channel, by the status, too.
for command in "tablet sync" "tablet scan" "tablet scan note" "office scan"; do
  ctl ${command%% *} --json ${command#* } > said 2> told || fail "$command --json: $(cat told)"
  [ ! -s told ] && python3 -c 'import json; assert json.load(open("said")) == {}' || fail "$command --json: $(cat said told)"
done
wait_until tablet 'S["caught_up"]'
for command in "tablet scan no-such-table" "office sync"; do
  ended=0
  ctl ${command%% *} --json ${command#* } > said 2> told || ended=$?
  [ $ended = 1 ] && [ ! -s said ] && grep -q '^mantisctl: ' told || fail "$command --json: $ended, $(cat said told)"
done

# What no trigger saw is found: on a client by its own scan, on a server by the clients.
sql tablet "INSERT INTO note VALUES ('a', 'seen')"
wait_for_sync tablet office
hide ()
{
  # shellcheck disable=SC2016
  python3 - "$1.db" "$2" << 'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
db.execute("BEGIN IMMEDIATE")
triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'note'").fetchall()
for name, _ in triggers:
    db.execute(f'DROP TRIGGER "{name}"')
db.execute(sys.argv[2])
for _, sql in triggers:
    db.execute(sql)
db.execute("COMMIT")
END
}
stop_mantisd tablet
hide tablet "INSERT INTO note VALUES ('b', 'hidden on the tablet')"
gives 0 ctl tablet scan
grep -q 'no daemon is running' said || fail "working alone is not told: $(cat said)"
start_mantisd tablet --mode client
wait_for_row office "SELECT 1 FROM note WHERE id = 'b'"
hide office "INSERT INTO note VALUES ('c', 'hidden on the server')"
began=$SECONDS
gives 0 ctl office scan note
wait_for_row tablet "SELECT 1 FROM note WHERE id = 'c'"
[ $((SECONDS - began)) -lt 10 ] || fail "the scan waited for the long poll"

# Conflicts, in both forms.
stop_mantisd tablet
sql tablet "UPDATE note SET body = 'early' WHERE id = 'a'"
later
sql office "UPDATE note SET body = 'late' WHERE id = 'a'"
start_mantisd tablet --mode client
wait_for_row office "SELECT 1 FROM __sync_conflicts"
gives 0 ctl office conflicts list
grep -q '\["a"\]  *superseded' said || fail "$(cat said)"
gives 0 ctl office conflicts show 1
grep -q '"early"' said && grep -q '"late"' said || fail "$(cat said)"
gives 0 ctl office --json conflicts list --table note
python3 -c 'import json; c = json.load(open("said")); assert c[0]["loser"]["body"] == "early", c'
gives 1 ctl office conflicts show 99
# A table with any name: by mantisctl, and by whoever encodes as forms or addresses do.
awkward="R&D = 100% +tàble"
sql office "CREATE TEMP TABLE other AS SELECT * FROM __sync_conflicts; UPDATE other SET id = 1001, tbl = '$awkward';
  INSERT INTO __sync_conflicts SELECT * FROM other"
gives 0 ctl office --json conflicts list --table "$awkward"
python3 -c 'import json; c = json.load(open("said")); assert [x["id"] for x in c] == [1001], c'
gives 0 ctl office --json conflicts list --table note
python3 -c 'import json; c = json.load(open("said")); assert [x["id"] for x in c] == [1], c'
for query in table=R%26D+%3D+100%25+%2Bt%C3%A0ble 'table=R%26D%20=%20100%25%20%2bt%c3%a0ble&state='"$(sql office "SELECT state FROM __sync_conflicts LIMIT 1")"; do
  call GET "/sync/conflicts?$query" > said
  python3 -c 'import json; c = json.load(open("said"))["conflicts"]; assert [x["id"] for x in c] == [1001], c' || fail "$query: $(cat said)"
done
for query in table=%2 table=% table=%zz table=a%00b 'after=%31x'; do
  [ "$(call GET "/sync/conflicts?$query" -o said -w '%{http_code}')" = 400 ] || fail "$query: $(cat said)"
done

# Nonsense.
cat > abuse.py << 'END'
import json, socket, sys, time

def talk(data, end=b"\n"):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(sys.argv[1])
    try:
        s.sendall(data + end)
        return s.makefile("rb").readline()
    except (BrokenPipeError, ConnectionResetError):
        return b""

for bad in [b"", b"{", b"[]", b"null", b"\0", b"\xff", b"{}", b'{"message": 1}', b'{"message": "frobnicate"}',
            b'{"message": "status", "argument": 5}', b"[" * 60000, b'{"a":' * 9000]:
    answer = json.loads(talk(bad))
    assert answer["ok"] is False and answer["error"], (bad[:40], answer)
assert talk(b"x" * 1100000) == b"", "a line of any length"
many = b'{"message": "no"}\n' * 3000  # one answer each, and no recursion
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
import threading
threading.Thread(target=s.sendall, args=(many,), daemon=True).start()
lines = s.makefile("rb")
for i in range(3000):
    assert json.loads(lines.readline())["ok"] is False, i
crowd = []
for i in range(40):
    c = socket.socket(socket.AF_UNIX)
    c.connect(sys.argv[1])
    crowd.append(c)
assert crowd[-1].recv(1) == b"", "no limit on peers"
for c in crowd:
    c.close()
gone = 0
while gone < 20:  # gone before the answer
    c = socket.socket(socket.AF_UNIX)
    c.connect(sys.argv[1])
    try:
        c.sendall(b'{"message": "sync"}\n{"message": "status"}\n')
        gone += 1
    except BrokenPipeError:
        pass  # turned away: of the crowd some still count
    c.close()
END
for name in office tablet; do
  python3 abuse.py "$work/$name.db.control" || fail "nonsense for $name"
  wait_for "$name to answer" ctl "$name" status
done
settled office tablet

# A path too long for a socket.
long=$work/$(printf 'x%.0s' {1..90})
mkdir "$long"
cp tablet.json tablet.token "$long"
export STATE_DIRECTORY=$work/state
launch far --config "$long/tablet.json"
wait_for_message far 'ready'
gives 0 "$build/mantisctl" --config "$long/tablet.json" sync
stop_mantisd far

# A socket that is not ours to reach is no reason to work beside the daemon.
if [ "$(id -u)" = 0 ] && command -v setpriv > /dev/null; then
  chmod 755 "$work"
  chmod a+r tablet.json tablet.token
  gives 3 setpriv --reuid 65534 --regid 65534 --clear-groups "$build/mantisctl" --config tablet.json status
  grep -q 'Permission denied' said || fail "$(cat said)"
fi
