#!/bin/bash
# 14: server and client on two hosts (network namespaces): the server listens beyond its machine only when it is told
# to, the client finds it by --server and --token-file, and a link that goes down is a time offline.  R43, R44.
. "${0%/*}/functions.sh"
requires ip
office=mantis-$$-office tablet=mantis-$$-tablet
ip netns add $office 2> /dev/null || skip "network namespaces are not permitted here"
cleanup_fn "ip netns del $office"
ip netns add $tablet
cleanup_fn "ip netns del $tablet"
ip link add mantis-$$ netns $office type veth peer name mantis-$$ netns $tablet 2> /dev/null || skip "no veth pair can be made here"
for host in "$office 10.231.0.1" "$tablet 10.231.0.2"; do
  read -r name address <<< "$host"
  ip -n "$name" addr add "$address/24" dev mantis-$$
  ip -n "$name" link set mantis-$$ up
  ip -n "$name" link set lo up
done

# on HOST COMMAND...
on ()
{
  local host=$1

  shift
  ip netns exec "$host" "$@"
}

export STATE_DIRECTORY=$work/state
sql office "CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT); INSERT INTO note VALUES ('a', 'from the office')"
server="--mode server --database office.db --listen 10.231.0.1:8080"
# Not without being told to.
status=0
# shellcheck disable=SC2086  # words
on $office timeout "$patience" "$build/mantisd" $server > refused.log 2>&1 || status=$?
[ $status = 2 ] || [ $status = 1 ] || fail "listening on 10.231.0.1 without --insecure: status $status"
grep -q 'insecure' refused.log || fail "it does not say how: $(cat refused.log)"

# start_on HOST NAME OPTION...
start_on ()
{
  local host=$1 name=$2

  shift 2
  touch "$name.log"
  echo $(($(wc -l < "$name.log") + 1)) > "$name.from"
  ip netns exec "$host" "$build/mantisd" "$@" >> "$name.log" 2>&1 < /dev/null & # not by on(): that would be a shell beside it
  pids[$name]=$!
  wait_for_message "$name" ready
}
# shellcheck disable=SC2086  # words
start_on $office office $server --insecure
grep -qi 'clear\|encrypt' office.log || true
"$build/mantisctl" --mode server token --subject tablet > tablet.token
start_on $tablet tablet --mode client --database tablet.db --server http://10.231.0.1:8080 --token-file tablet.token
wait_for_sync tablet office
sql tablet "INSERT INTO note VALUES ('b', 'from the tablet')"
wait_for_sync tablet office

# The link goes down in the middle of a waiting pull, and without a word; both write; it comes back.
ip -n $tablet link set mantis-$$ down
sql tablet "INSERT INTO note VALUES ('c', 'offline'); UPDATE note SET body = 'edited on the tablet' WHERE id = 'a'"
sql office "INSERT INTO note VALUES ('d', 'meanwhile'); DELETE FROM note WHERE id = 'b'"
wait_for_message tablet 'warning'
alive tablet || fail "the client gave up"
ip -n $tablet link set mantis-$$ up
patience=60
wait_for_sync tablet office
[ "$(sql office "SELECT group_concat(id || body) FROM (SELECT * FROM note ORDER BY id)")" = "aedited on the tablet,coffline,dmeanwhile" ] ||
  fail "$(sql office "SELECT * FROM note")"
stop_mantisd tablet
stop_mantisd office
