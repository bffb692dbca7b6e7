#!/bin/bash
# 10: pushes that share a commit: kill -9 of the server before, in and after it.  What was answered is there, what was
# not can be sent again, and nothing is there twice.  O8, D8.
. "${0%/*}/functions.sh"

sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
configure_server office
token curl > curl.token # and the key

# One push holds the worker at its row; eight more wait behind it by then, and go on together.  A line for each that
# is answered: its number and the status.
cat > send.py << 'END'
import http.client, json, os, sys, time
port, round_, names = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
token = open("curl.token").read().strip()

def send(name):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = {"number": round_, "nonce": "r%d" % round_, "changes": [
        {"table": "note", "columns": ["id", "body"], "created": 1, "base": 1, "rows": [["%d-%s" % (round_, name), "x"]]}]}
    connection.request("POST", "/sync/push", json.dumps(body),
                       {"Authorization": "Bearer " + token, "Mantis-Node": "%032d" % int(name)})
    return connection

def healthz():  # answered by the loop, which takes what came before
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/healthz")
    connection.getresponse().read()

sent = [(name, send(name)) for name in names[:1]]
while os.path.exists("hold") and "apply: paused" not in open("office.log").read().split("LOOK FROM HERE")[-1]:
    time.sleep(0.01)
sent += [(name, send(name)) for name in names[1:]]
for _ in range(2):
    healthz()
if os.path.exists("hold"):
    os.unlink("hold")
for name, connection in sent:
    try:
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, http.client.HTTPException):
        continue
    print(name, answer.status, "applied" if '"applied":1' in body else body)
END

names=(1 2 3 4 5 6 7 8 9)
round=0
for fault in none=1 together=1 together=4 together=8 answer=2 answer=6; do
  round=$((round + 1))
  echo "LOOK FROM HERE" >> office.log
  touch hold
  start_mantisd office --mode server -D pause.apply="$PWD/hold" -D die.$fault
  python3 send.py "$port" $round "${names[@]}" > answered
  ! grep -v ' 200 applied$' answered || fail "$fault: not taken"
  if [ $fault = none=1 ]; then
    [ "$(wc -l < answered)" = 9 ] || fail "$(wc -l < answered) of 9 are answered"
    stop_mantisd office
    continue
  fi
  ! grep -v '^1 ' answered || fail "$fault: answered before all is durable"
  wait_for "office to die at $fault" gone office
  wait "${pids[office]}" 2> /dev/null || true
  unset "pids[office]"
  case $fault in
  together*) expected=1 ;;
  *) expected=9 ;;
  esac
  [ "$(sql office "SELECT count(*) FROM note WHERE id LIKE '$round-%'")" = $expected ] || fail "$fault: it is half there"
  start_mantisd office --mode server
  python3 send.py "$port" $round "${names[@]}" > answered
  [ "$(grep -c ' 200 applied$' answered)" = 9 ] || fail "$fault: sent again: $(cat answered)"
  stop_mantisd office
done
[ "$(sql office "SELECT count(*) FROM note")" = $((9 * round)) ] || fail "rows are missing"
[ "$(sql office "SELECT count(*) FROM __sync_log WHERE origin IS NOT NULL")" = $((9 * round)) ] || fail "made twice"
[ "$(sql office "SELECT count(*) FROM __sync_nodes WHERE number = $round")" = 9 ] || fail "a number is burnt"
[ "$(sql office "SELECT count(*) FROM __sync_conflicts")" = 0 ] || fail "conflicts"
