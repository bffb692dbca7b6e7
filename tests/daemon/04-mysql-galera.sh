#!/bin/bash
# 04: two mantisd, each on a node of its own of a Galera cluster, with writers on both nodes and on two devices, which come
# now to this mantisd, now to that: all hold the same, no change is passed over, none is stored twice, none is mistaken for
# a restored backup; a TRUNCATE is noticed on either node; a node goes and comes back.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires python3 sqlite3
provider=/usr/lib/galera/libgalera_smm.so
[ -e $provider ] || skip "galera-4 is not installed"

# start_node NAME [ADDRESS-OF-ANOTHER]: in the folder node.NAME; its group address is in group.NAME.
start_node ()
{
  local name=$1 others=${2-} options

  [ -e "group.$name" ] || echo "127.0.0.1:$(free_port) 127.0.0.1:$(free_port) 127.0.0.1:$(free_port)" > "group.$name"
  read -r group ist sst < "group.$name"
  options="gmcast.listen_addr=tcp://$group;ist.recv_addr=$ist;gcache.size=8M;socket.ssl=no"
  mariadb_start "$folder/$name" --server-id="$(printf %d "'$name")" --binlog-format=ROW --log-bin-trust-function-creators=1 --innodb-autoinc-lock-mode=2 --wsrep-on=ON --wsrep-provider=$provider \
    --wsrep-cluster-name=mantis --wsrep-cluster-address="gcomm://$others" --wsrep-node-address="$group" \
    --wsrep-node-name="$name" --wsrep-sst-method=rsync --wsrep-sst-receive-address="$sst" \
    --wsrep-provider-options="$options" || fail "node $name does not start"
}
folder=$(mktemp -d "${TMPDIR:-/tmp}/mantis-galera.XXXXXX")
chmod 755 "$folder"
cleanup_fn 'mariadb_kill "$folder/a"; mariadb_kill "$folder/b"
  for node in a b; do cp "$folder/$node/mariadbd.log" node.$node.log; done; rm -rf "$folder"'
start_node a
head -c 24 /dev/urandom | base64 > shop.password
chmod 600 shop.password
mariadb_do "$folder/a" -e "CREATE DATABASE shop CHARACTER SET utf8mb4;
  CREATE USER mantis@localhost IDENTIFIED BY '$(cat shop.password)';
  GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, TRIGGER, REFERENCES ON shop.* TO mantis@localhost;
  GRANT PROCESS ON *.* TO mantis@localhost;
  USE shop; CREATE TABLE t (id VARCHAR(30) PRIMARY KEY, v VARCHAR(40) NOT NULL);
  CREATE TABLE hot (id INT PRIMARY KEY, n INT NOT NULL); INSERT INTO hot VALUES (1, 0), (2, 0)"
# The other one begins with a copy, so that there is no state to transfer.
mariadb_stop "$folder/a"
cp -a "$folder/a" "$folder/b"
rm -f "$folder"/b/data/galera.cache
start_node a
start_node b "$(cut -d' ' -f1 group.a)"
maria_database=shop

# A mantisd for each node, and a balancer that takes them in turn.
for node in a b; do
  maria_folder=$folder/$node
  configure_maria "on-$node"
  start_mantisd "on-$node" --mode server
  ports="${ports-} $port"
  eval "port_$node=$port"
done
# shellcheck disable=SC2086
start_balancer $ports
for tablet in one two; do
  start_mantisd $tablet --mode client
  wait_for_maria $tablet
done
generation=$(maria "SELECT value FROM __sync_meta WHERE name = 'generation'")

# write_on NODE COUNT: commits; one that Galera's certification turns down (1213) is done again, as by any program.
write_on ()
{
  local i

  for i in $(seq 1 "$2"); do
    until mariadb_do "$folder/$1" shop -e "BEGIN; INSERT INTO t VALUES ('$1-$i', 'office'); UPDATE hot SET n = n + 1 WHERE id = 1;
      COMMIT" 2>> "write.$1"; do
      grep -q 1213 "write.$1" || { cat "write.$1"; touch "failed.$1"; return; }
    done
  done
}

write_from ()
{
  local i

  for i in $(seq 1 "$2"); do
    sql "$1" "BEGIN IMMEDIATE; INSERT INTO t VALUES ('$1-$i', 'tablet'); UPDATE t SET v = '$1 $i' WHERE id = '$1-1'; COMMIT"
    [ $((i % 5)) != 0 ] || ctl "$1" sync > /dev/null 2>&1 || true
  done
}
write_on a 25 &
writers=$!
write_on b 25 &
writers="$writers $!"
write_from one 25 &
writers="$writers $!"
write_from two 25 &
# shellcheck disable=SC2086
wait $writers $!
[ ! -e failed.a ] && [ ! -e failed.b ] || fail "a writer gave up: $(cat failed.*)"
for node in a b; do
  maria_folder=$folder/$node
  wait_for_maria one two
  [ "$(maria "SELECT n FROM hot WHERE id = 1")" = 50 ] || fail "on $node: $(maria "SELECT n FROM hot")"
  [ "$(maria "SELECT count(*) FROM t")" = 100 ] || fail "on $node: $(maria "SELECT count(*) FROM t") rows"
done
quiet one two
[ "$(maria "SELECT count(*) FROM __sync_conflicts")" = 0 ] || fail "what was sent twice met itself"
for log in on-a on-b one two; do
  ! has_message $log "restored" || fail "$log takes a node that is behind for a restored one"
  ! has_message $log "triggers were lost" || fail "$log takes another node's table for another table"
done
[ "$(maria "SELECT value FROM __sync_meta WHERE name = 'generation'")" = "$generation" ] || fail "all was compared again"

# ---- Who was answered by one node meets no past on another that is behind ----
# pull PORT CURSOR: from one of the two.
pull ()
{
  local port=$1

  call POST /sync/pull --data "{\"cursor\": $2}"
}

has_row ()
{
  pull "$port_a" "$cursor" > answer.a && grep -q lagging answer.a
}

# The answer of b is there, or its statement waits for the group.
b_was_asked ()
{
  [ -s answer.b ] || [ -n "$(mariadb_do "$folder/b" -e "SELECT 1 FROM information_schema.processlist WHERE user = 'mantis'
    AND command = 'Query' AND time_ms > 300")" ]
}
cursor_of ()
{
  python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))["cursor"]))' "$1"
}
pull "$port_a" null > answer.a || true
cursor=$(cursor_of answer.a)
mkfifo lock
mariadb_do "$folder/b" --unbuffered < lock > locked &
pids[lock]=$!
exec {lock}> lock
echo "FLUSH TABLES WITH READ LOCK; SELECT 1;" >&"$lock"
wait_for "node b to stand still" test -s locked
maria_folder=$folder/a
maria "INSERT INTO t VALUES ('lagging', 'office')"
wait_for "the row from a" has_row
pull "$port_b" "$(cursor_of answer.a)" > answer.b &
asked=$!
wait_for "b to be asked" b_was_asked
echo "UNLOCK TABLES; \\q" >&"$lock"
exec {lock}>&-
wait "$asked" || fail "b: $(cat answer.b)"
cursor_of answer.b > cursor.b || fail "b knows nothing of it: $(cat answer.b)"
[ "$(cat cursor.b)" = "$(cursor_of answer.a)" ] || fail "b takes it for another history: $(cat answer.b)"
wait_for_maria one two

# ---- A TRUNCATE is noticed, once, on either node ----
for node in a b; do
  maria_folder=$folder/$node
  maria "TRUNCATE hot"
  wait_for_maria one two
  maria "INSERT INTO hot VALUES (1, 0), (2, 0)"
  wait_for_maria one two
done

# ---- A node goes and comes back ----
mariadb_stop "$folder/b"
mariadb_do "$folder/a" shop -e "INSERT INTO t VALUES ('alone', 'office')"
sql one "INSERT INTO t VALUES ('one alone', 'tablet')"
maria_folder=$folder/a
wait_for_maria one two
start_node b "$(cut -d' ' -f1 group.a)"
maria_folder=$folder/b
wait_for_maria one two
maria "INSERT INTO t VALUES ('again', 'office')"
wait_for_maria one two

# ---- A node that has lost the others: its mantisd says so, and goes on when the node does ----
mariadb_kill "$folder/a"
wait_for_message on-b "this node is not part of its cluster now"
[ "$(curl -s -o answer -w '%{http_code}' "http://127.0.0.1:$port_b/readyz")" = 503 ] || fail "ready: $(cat answer)"
mariadb_do "$folder/b" -e "SET GLOBAL wsrep_provider_options = 'pc.bootstrap=1'"
wait_for "the mantisd of b to go on" curl -fsS "http://127.0.0.1:$port_b/readyz"
