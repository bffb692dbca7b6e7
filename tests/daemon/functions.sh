# functions.sh - what the tests with real daemons are written in.  Sourced by bash:
#
#   #!/bin/bash
#   # 02: a write made offline is not lost when the server is killed while applying it.
#   . "${0%/*}/functions.sh"
#   sql office "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)"
#   start_mantisd office --mode server -D pause.apply=FILE
#   start_mantisd tablet --mode client
#   sql tablet "INSERT INTO note VALUES (7, 'from the field')"
#   wait_for_message office 'apply: paused'
#   kill_mantisd office
#   start_mantisd office --mode server
#   wait_for_sync tablet office
#   same_table tablet office note
#
# A test runs in a folder of its own, which is removed when it passes.  NAME stands for NAME.db, NAME.json
# (written when the test has not written one), NAME.token and NAME.log there.  Waiting is for an event,
# within $patience seconds.  Status 0: passed; 77: skipped; else failed, and the logs are printed.
#
# A test that sets own_network=-n before it sources this runs in a network of its own where that can be had, with -nm also
# with mounts of its own; $MANTIS_OWN_NETWORK is empty where not.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
set -eu -o pipefail
if [ -n "${own_network-}" ] && [ -z "${MANTIS_OWN_NETWORK-}" ] && unshare "$own_network" true 2> /dev/null; then
  MANTIS_OWN_NETWORK=1 exec unshare "$own_network" bash -c 'ip link set lo up; exec bash "$@"' bash "$0" "$@"
fi
top=$(readlink -f "${BASH_SOURCE[0]%/*}/../..")
build=${MANTIS_TEST_BUILD:-$top} # where ./mantisd is, if it was built elsewhere
shared=$top/../shared
patience=${MANTIS_TEST_PATIENCE:-30}
work=$(mktemp -d "${TMPDIR:-/tmp}/mantis-test.XXXXXX")
cd "$work"
declare -A pids=()
declare -a cleanups=()
server= # the name of the server started last, and its port
port=
proxy= # the port of the bad road, if there is one
tls=       # "tls" of servers that are configured from now on, as JSON; empty: they speak no TLS
authority= # ca_file of clients that are configured from now on
transport=${MANTIS_TEST_TRANSPORT:-rest} # of clients that are configured from now on

. "$top/tests/lib/mariadb.sh"
. "$top/tests/lib/certificates.sh"
. "$top/tests/daemon/maria.sh"

# ---- Ends ------------------------------------------------------------------------------------------

# cleanup_fn COMMAND...: run when the test ends, the last one first.
cleanup_fn ()
{
  cleanups=("$*" "${cleanups[@]}")
}

# No log of any test holds a token, a key or a password (O27).
leaks ()
{
  local secret

  for secret in *.token *.key *.password; do
    [ -s "$secret" ] && [ "$(wc -c < "$secret")" -ge 16 ] || continue
    grep -lF -- "$(head -c 64 "$secret" | tr -d '\n\0')" ./*.log 2> /dev/null && return 0
  done
  return 1
}

at_exit ()
{
  local status=$? name log

  trap - EXIT
  trap '' INT TERM # timeout(1) sends its signal twice
  set +e
  for name in "${cleanups[@]}"; do
    eval "$name"
  done
  for name in "${!pids[@]}"; do
    kill -9 "${pids[$name]}" 2> /dev/null
    wait "${pids[$name]}" 2> /dev/null
  done
  if leaks; then
    echo "a secret stands in these logs"
    status=1
  fi
  if [ $status != 0 ] && [ $status != 77 ]; then
    echo "FAILED with status $status; repeat: bash $top/tests/daemon/${0##*/}"
    for log in *.log; do
      [ ! -s "$log" ] || { echo "--- $log"; tail -n 60 "$log"; }
    done
  fi
  cd /
  if [ -n "${KEEP-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
  exit $status
}
trap at_exit EXIT
trap 'trap "" INT TERM; exit 130' INT TERM

# fail TEXT: with the line of the test that it happened in.
fail ()
{
  local i=0

  while [ "${BASH_SOURCE[$i]}" = "${BASH_SOURCE[0]}" ] && [ $i -lt $((${#BASH_SOURCE[@]} - 1)) ]; do
    i=$((i + 1))
  done
  echo "${BASH_SOURCE[$i]##*/}:${BASH_LINENO[$((i - 1))]}: $*"
  exit 1
}

skip ()
{
  echo "SKIP: $*"
  exit 77
}

# requires COMMAND...: skip where one is missing.
requires ()
{
  local command

  for command; do
    command -v "$command" > /dev/null || skip "$command is not installed"
  done
}

# requires_shared PATH: of the conformance runners and data that are kept beside the tree.
requires_shared ()
{
  [ -e "$shared/$1" ] || skip "../shared/$1 is not there"
}

# known_here NAME...: names of this machine, in a network and with mounts of its own.
known_here ()
{
  [ -n "${MANTIS_OWN_NETWORK-}" ] || skip "namespaces are not permitted here"
  requires ip
  echo "127.0.0.1 localhost $*" > hosts
  mount --bind hosts /etc/hosts || skip "no file can be put in the place of /etc/hosts"
}

# in_tree COMMAND...: that makes something in the tree which other tests, running at the same time, use as well.
in_tree ()
{
  (cd "$build" && flock config.status "$@")
}

# installed_copy FOLDER: a copy of what make install puts there, for FOLDER alone, and pkg-config's variables to build
# against it.  ./runtests has installed it before the tests run: while libtool links plugins anew for that, those in the
# tree cannot be used.
installed_copy ()
{
  local copy=$build/.build/installed pc

  # shellcheck disable=SC2016  # for the shell that has the lock
  in_tree sh -c '[ -e "$1/done" ] && [ -z "$(find .libs core/.libs plugins -newer "$1/done" -type f -name "*.so*")" ] && exit
    rm -rf "$1"; make install DESTDIR="$1" && touch "$1/done"' - "$copy" > install.log 2>&1 || fail "make install"
  cp -a "$copy" "$1"
  pc=$(find "$1" -name mantis.pc)
  export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$1 PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
}

# installed_programs FOLDER: from here on, the programs and plugins of the copy in FOLDER, and nothing of the tree.
installed_programs ()
{
  local program

  export MANTIS_PLUGIN_PATH
  MANTIS_PLUGIN_PATH=$(find "$1" -path '*/mantis/plugins' -type d)
  build=$work/bin
  mkdir "$build"
  for program in mantisd mantisctl mantis-plugin-test; do
    cat > "$build/$program" << END
#!/bin/sh
export LD_LIBRARY_PATH=$(dirname "$(find "$1" -name 'libmantis.so.0')")
exec $(find "$1" -type f -name $program -perm -100) "\$@"
END
    chmod +x "$build/$program"
  done
  PATH=$build:$PATH
}

# page_shows PAGE FILE...: each piece of C, Python or shell on the page stands in one of the files, as it is; and there is one.
page_shows ()
{
  python3 - "$@" << 'END' || fail "$1 shows what is not in ${*:2}"
import re, sys
page, *files = (open(name).read() for name in sys.argv[1:])
blocks = re.findall(r"```(?:c|python|sh)\n(.*?)```", page, re.S)
missing = [block for block in blocks if not any(block in text for text in files)]
print(*missing, sep="---\n", end="")
sys.exit(not blocks or bool(missing))
END
}

# ---- Waiting ---------------------------------------------------------------------------------------

# wait_for WHAT COMMAND...: until COMMAND succeeds.
wait_for ()
{
  local what=$1 end=$((SECONDS + patience))

  shift
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "waited $patience s in vain for $what"
    sleep 0.02
  done
}

# wait_for_message NAME TEXT [COUNT]: TEXT stands in COUNT lines (1) of the log, since the last start.
wait_for_message ()
{
  wait_for "\"$2\" in $1.log" has_message "$@"
}

has_message ()
{
  [ "$(tail -n +"$(cat "$1.from" 2> /dev/null || echo 1)" "$1.log" | grep -cF -- "$2")" -ge "${3:-1}" ]
}

# later: returns when what is written from now on has a later time than all before; times are counted in milliseconds.
later ()
{
  local now=$((${EPOCHREALTIME/[.,]/} / 1000))

  until [ $((${EPOCHREALTIME/[.,]/} / 1000)) -gt $((now + 1)) ]; do
    :
  done
}

# ---- Daemons ---------------------------------------------------------------------------------------
# A port to listen on, also after a restart: not one of those that the system gives to connections, which would be
# taken, for a minute after their end too, while the daemon is away.
free_port ()
{
  python3 -c '
import random, socket
for _ in range(1000):
    port = random.randrange(10240, 32768)
    try:
        with socket.socket() as s:
            s.bind(("127.0.0.1", port))
    except OSError:
        continue
    print(port)
    break'
}

# Write NAME.json unless the test has.
configure_server ()
{
  local more=${tls:+, \"tls\": $tls}

  [ -n "$port" ] || port=$(free_port)
  [ -e "$1.json" ] || cat > "$1.json" << END
{"mode": "server", "storage": {"plugin": "sqlite", "path": "$1.db"},
 "listen": [{"transport": "rest", "address": "127.0.0.1:$port"$more}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}]}
END
  server=$1
}

configure_client ()
{
  local scheme=http${tls:+s} more=${authority:+, \"ca_file\": \"$authority\"}

  [ -n "$server" ] || fail "start a server first"
  [ -e "$1.json" ] || cat > "$1.json" << END
{"mode": "client", "storage": {"plugin": "sqlite", "path": "$1.db"},
 "sync": {"server_url": "$scheme://127.0.0.1:${proxy:-$port}", "transport": "$transport", "token_file": "$1.token", "interval_seconds": 60$more}}
END
  [ -e "$1.token" ] || token "$1" > "$1.token"
}

# speak_tls [NAMES]: servers that are configured from now on show office.crt, of the authority ca, for NAMES (the address that
# they have); clients trust that.
speak_tls ()
{
  requires openssl
  authority ca
  certificate office ca "${1:-IP:127.0.0.1}"
  tls='{"certificate_file": "office.crt", "key_file": "office.key"}'
  authority=ca.crt
}

# show_certificate NAME: the same with a certificate that was made by the test and may be replaced by this later.
show_certificate ()
{
  cp "$1.crt" server.crt
  cp "$1.key" server.pem
  tls='{"certificate_file": "server.crt", "key_file": "server.pem"}'
  authority=ca.crt
}

# first_example: the first example of a configuration, byte for byte, in example.json.
first_example ()
{
  cat > example.json << END
{
  "mode": "client",
  "sync": {
    "enabled": true,
    "server_url": "https://api.mantis.io",
    "interval_seconds": 60,
    "conflict_policy": "timestamp"
  }
}
END
}

# token SUBJECT [OPTION...]: of the server started last.
token ()
{
  local subject=$1

  shift
  "$build/mantisctl" --config "$server.json" token --subject "$subject" "$@"
}

# token_with CLAIMS: one with these claims (a JSON object, with "sub") and one hour to live, signed with jwt.key.
token_with ()
{
  python3 - "$1" << 'END'
import base64, hashlib, hmac, json, sys, time
def text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")
claims = {"exp": int(time.time()) + 3600, **json.loads(sys.argv[1])}
signed = text(b'{"alg":"HS256","typ":"JWT"}') + b"." + text(json.dumps(claims).encode())
key = open("jwt.key", "rb").read().rstrip(b"\n")
print((signed + b"." + text(hmac.new(key, signed, hashlib.sha256).digest())).decode())
END
}

# launch NAME ARGUMENT...: start the daemon with its log and process id kept, and do not wait.
launch ()
{
  local name=$1

  shift
  touch "$name.log"
  echo $(($(wc -l < "$name.log") + 1)) > "$name.from"
  "$build/mantisd" "$@" >> "$name.log" 2>&1 < /dev/null &
  pids[$name]=$!
}

# start_mantisd NAME --mode server|client [OPTION...]: returns when a server answers, and when a client
# watches its database.
start_mantisd ()
{
  local name=$1 mode=

  shift
  case " $* " in
  *" --mode server "*) mode=server ;;
  *" --mode client "*) mode=client ;;
  *) fail "start_mantisd $name needs --mode" ;;
  esac
  configure_$mode "$name"
  launch "$name" --config "$name.json" "$@"
  wait_for "$name to be ready" started "$name" "$mode"
  alive "$name" || fail "$name did not start: $(tail -n 1 "$name.log")"
}

started ()
{
  alive "$1" || return 0
  case $2 in
  server) curl -fsSk -m 5 "http${tls:+s}://127.0.0.1:$port/readyz" ;;
  client) has_message "$1" ready ;;
  esac
}

alive ()
{
  [ -n "${pids[$1]-}" ] && ! gone "$1"
}

pid_of ()
{
  [ -n "${pids[$1]-}" ] || fail "$1 is not running"
  echo "${pids[$1]}"
}

# gone NAME: has it ended?  (Until it is waited for, it is a zombie that kill -0 would call alive.)
gone ()
{
  case $(sed -n 's/^State:[[:space:]]*//p' "/proc/${pids[$1]}/status" 2> /dev/null) in
  "" | Z*) ;;
  *) return 1 ;;
  esac
}

# stop_mantisd NAME [SIGNAL]: returns when it has ended; its status is in $ended.
stop_mantisd ()
{
  kill "-${2:-TERM}" "$(pid_of "$1")"
  wait_for "$1 to end" gone "$1"
  ended=0
  wait "${pids[$1]}" 2> /dev/null || ended=$?
  unset "pids[$1]"
}

kill_mantisd ()
{
  stop_mantisd "$1" KILL
}

# start_balancer [keep] PORT...: before these servers, for clients that are configured from now on; see balancer.py.
start_balancer ()
{
  port=$(free_port)
  python3 "$top/tests/daemon/balancer.py" "$port" "$@" 2> balancer.err &
  pids[balancer]=$!
  wait_for "the balancer" bash -c "exec 3<> /dev/tcp/127.0.0.1/$port"
}

# ctl NAME ARGUMENT...: mantisctl for the database of NAME.
ctl ()
{
  local name=$1

  shift
  "$build/mantisctl" --config "$name.json" "$@"
}

# says NAME EXPRESSION: is the Python expression true of the status, S?
# E.g. says tablet 'S["waiting"] == 0 and T["note"]["state"] == "live"'
says ()
{
  ctl "$1" --json status > "$1.status" && python3 -c '
import json, sys
S = json.load(open(sys.argv[1]))
S = S.get("answer", S)
T = {t["table"]: t for t in S["tables"]}
sys.exit(not eval(sys.argv[2]))' "$1.status" "$2"
}

# wait_until NAME EXPRESSION: of its status.
wait_until ()
{
  wait_for "$2 in the status of $1" says "$1" "$2"
}

# quiet NAME...: all that these clients have is with the server, and the other way round.
quiet ()
{
  local name

  for name; do
    wait_until "$name" 'S["caught_up"] and S["waiting"] == 0 and S["held"] == 0'
  done
}

# start_proxy: a bad road to the server (proxy.py), which clients configured from now on take.
start_proxy ()
{
  proxy=$(free_port)
  touch rules requests
  python3 "$top/tests/daemon/proxy.py" "$proxy" "$port" 2> proxy.err &
  pids[proxy]=$!
  wait_for "the proxy to listen" bash -c "exec 3<> /dev/tcp/127.0.0.1/$proxy"
}

# road RULE...: what it does from now on; see proxy.py.
road ()
{
  printf '%s\n' "$@" > rules.next
  mv rules.next rules
}

# Until all rules have been followed as often as they say.
wait_for_road ()
{
  wait_for "the rules to be followed: $(cat rules)" test ! -s rules
}

# loads NAME TABLE...: a device that has got some pages of the first TABLE and not yet all of the others, and waits for the
# next one while the file gate is there.
loads ()
{
  local table

  configure_client "$1"
  sed -i 's/"sync": {/"sync": {"batch_rows": 100, "whole_rows": 100, /' "$1.json"
  touch gate
  road "/sync/pull pass - 3" "/sync/pull hold gate"
  start_mantisd "$1" --mode client
  wait_for_road
  for table in "${@:2}"; do
    says "$1" "T['$table']['state'] == 'first'" || fail "it is not loading $table: $(cat "$1.status")"
  done
  [ "$(sql "$1" "SELECT count(*) > 0 FROM $2")" = 1 ] || fail "it has nothing of $2"
}

# call METHOD PATH [CURL-ARGUMENT...]: to the server, with a token of its own; prints the body.
call ()
{
  local method=$1 path=$2

  shift 2
  [ -e curl.token ] || token curl > curl.token
  curl -sS -m "$patience" -X "$method" -H "Authorization: Bearer $(cat curl.token)" ${authority:+--cacert "$authority"} \
    "$@" "http${tls:+s}://127.0.0.1:$port$path"
}

# ---- Databases -------------------------------------------------------------------------------------

# sql NAME STATEMENTS: as the application writes, in another program and without Mantis.
sql ()
{
  sqlite3 -bail -cmd '.timeout 20000' "$1.db" "$2"
}

# keep_writing NAME PAUSE: rows of the table note with running numbers, in transactions of different sizes, their number
# in NAME's row of the table tally, until the file "enough" is there.  What fails stands in the file "failures".
keep_writing ()
{
  local i=0

  until [ -e enough ]; do
    i=$((i + 1))
    sql "$1" "BEGIN IMMEDIATE;
      WITH RECURSIVE k(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM k WHERE k < 1 + $i * 7 % 50)
        INSERT INTO note SELECT '$1-$i-' || k, hex(randomblob(20)) FROM k;
      UPDATE tally SET n = n + 1 + $i * 7 % 50 WHERE who = '$1';
      UPDATE note SET body = body || '!' WHERE id = '$1-' || ($i - 1) || '-1';
      COMMIT" || echo "$1: write $i failed" >> failures
    sleep "$2"
  done
}

# The application's tables.
tables ()
{
  sql "$1" "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_\\_sync\\_%' ESCAPE '\\'
    AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1"
}

# rows NAME TABLE: each row as a line of exact values with their types, whatever order they are stored in.
rows ()
{
  local list

  list=$(sql "$1" "SELECT group_concat('CASE typeof(' || c || ') WHEN ''text'' THEN ''t'' || hex(' || c || ') WHEN ''blob'' THEN ''b'' || hex('
    || c || ') ELSE quote(' || c || ') END', ', ') FROM (SELECT '\"' || replace(name, '\"', '\"\"') || '\"' AS c
    FROM pragma_table_info('${2//\'/\'\'}') ORDER BY name)") || return 1
  [ -n "$list" ] || { echo "$1 has no table $2"; return; }
  sql "$1" "SELECT $list FROM \"${2//\"/\"\"}\"" | LC_ALL=C sort
}

# All tables of a database.
contents ()
{
  local table

  tables "$1" | while IFS= read -r table; do
    echo "= $table"
    rows "$1" "$table" || return 1
  done
}

# same_table A B TABLE...: row for row and bit for bit, now.
same_table ()
{
  local a=$1 b=$2 table

  shift 2
  for table; do
    rows "$a" "$table" > a.rows
    rows "$b" "$table" > b.rows
    diff a.rows b.rows > difference || {
      head -n 20 difference
      fail "$table is not the same in $a (<) and $b (>)"
    }
  done
}

# same_rows A B TABLE: are they?
same_rows ()
{
  rows "$1" "$3" > a.rows && rows "$2" "$3" > b.rows && cmp -s a.rows b.rows
}

same_contents ()
{
  contents "$1" > a.rows && contents "$2" > b.rows && cmp -s a.rows b.rows
}

# wait_for_sync A B: until both hold the same rows in all tables.
wait_for_sync ()
{
  local end=$((SECONDS + patience))

  until same_contents "$1" "$2"; do
    [ $SECONDS -lt $end ] || {
      diff a.rows b.rows | head -n 20 || true
      fail "$1 (<) and $2 (>) do not become the same within $patience s"
    }
    sleep 0.05
  done
}

# exchange NAME...: all that is to be sent and fetched, now.
exchange ()
{
  local name

  for name; do
    ctl "$name" sync > /dev/null || fail "$name: mantisctl sync"
  done
}

# apart ORDER TABLETS-SQL PHONES-SQL: both write offline, the phone later; then they are back in that order.
apart ()
{
  local name

  stop_mantisd tablet
  stop_mantisd phone
  sql tablet "$2"
  later
  sql phone "$3"
  for name in $1; do
    start_mantisd "$name" --mode client
    wait_until "$name" 'S["caught_up"] and S["waiting"] == 0'
  done
}

# settled SERVER CLIENT...: all hold the same, nothing waits, nothing dangles, no file is damaged, and one more
# cycle brings the server nothing.
settled ()
{
  local server=$1 name head

  shift
  for name; do
    wait_for_sync "$name" "$server"
  done
  quiet "$@"
  head=$(sql "$server" "SELECT max(seq) FROM __sync_log")
  for name; do
    exchange "$name"
    quiet "$name"
    same_contents "$name" "$server" || fail "$name and $server were the same, and are not"
  done
  [ "$(sql "$server" "SELECT max(seq) FROM __sync_log")" = "$head" ] || fail "rows travel though nobody wrote"
  for name in "$server" "$@"; do
    [ "$(sql "$name" "PRAGMA integrity_check")" = ok ] || fail "$name.db is damaged"
    [ -z "$(sql "$name" "PRAGMA foreign_key_check")" ] || fail "$name: rows without a parent"
  done
}

# kept NAME: how many conflicts are kept.
kept ()
{
  sql "$1" "SELECT count(*) FROM __sync_conflicts"
}

# wait_for_row NAME QUERY: until it gives a row.
wait_for_row ()
{
  wait_for "a row in $1: $2" gives_row "$1" "$2"
}

gives_row ()
{
  [ -n "$(sql "$1" "$2")" ]
}

# ---- Memory ------------------------------------------------------------------------------------------
most_memory=32768 more_memory=4096 # kB: of any daemon, and of one with more rows
declare -A peaks

# without_sanitizer: skip where the daemons take memory that is not theirs.
without_sanitizer ()
{
  case $(nm -D "$build/.libs/mantisd" "$build/mantisd" 2> /dev/null) in
  *__asan_* | *__tsan_*) skip "built with a sanitizer, which takes memory of its own" ;;
  esac
}

# note_peaks ROWS NAME...: the most that each has taken so far; too much fails.
note_peaks ()
{
  local rows=$1 name peak

  shift
  for name; do
    peak=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(pid_of "$name")/status")
    peaks[$name $rows]=$peak
    echo "$rows rows, $name: $peak kB"
    [ "$peak" -le $most_memory ] || fail "$name took $peak kB for $rows rows"
  done
}

# compare_peaks FEW MANY NAME...: they took hardly more for MANY rows.
compare_peaks ()
{
  local name

  for name in "${@:3}"; do
    [ $((${peaks[$name $2]} - ${peaks[$name $1]})) -le $more_memory ] || fail "$name takes more for more rows"
  done
}
