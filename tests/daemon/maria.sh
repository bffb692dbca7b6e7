# maria.sh - functions.sh for a server whose database is MariaDB.  Sourced by functions.sh.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154

# start_mariadb NAME [OPTION...]: a private MariaDB with an empty database NAME, where the user "mantis" has
# the privileges that docs/operate.md names; and NAME.json for a server on it.
start_mariadb ()
{
  local name=$1

  mariadb_installed || skip "mariadb-server is not installed"
  maria_folder=$(mktemp -d "${TMPDIR:-/tmp}/mantis-mariadb.XXXXXX")
  cleanup_fn "mariadb_kill $maria_folder; cp $maria_folder/mariadbd.log mariadbd.log; rm -rf $maria_folder"
  mariadb_start "$maria_folder" "${@:2}" || fail "MariaDB does not start"
  head -c 24 /dev/urandom | base64 > "$name.password"
  chmod 600 "$name.password"
  mariadb_do "$maria_folder" -e "CREATE DATABASE $name CHARACTER SET utf8mb4;
    CREATE USER mantis@localhost IDENTIFIED BY '$(cat "$name.password")';
    GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, TRIGGER, REFERENCES
      ON $name.* TO mantis@localhost; GRANT PROCESS ON *.* TO mantis@localhost"
  maria_database=$name
  configure_maria "$name"
}

# configure_maria NAME: a server NAME.json on that database.
configure_maria ()
{
  port=$(free_port)
  cat > "$1.json" << END
{"mode": "server", "storage": {"plugin": "mysql", "socket": "$maria_folder/socket", "database": "$maria_database",
   "user": "mantis", "password_file": "$maria_database.password"},
 "control_socket": "$work/$1.control", "listen": [{"transport": "rest", "address": "127.0.0.1:$port"}],
 "auth": [{"plugin": "jwt", "algorithm": "HS256", "key_file": "jwt.key"}]}
END
}

# start_pair FIRST SECOND: two servers on that database, FIRST as start_mariadb has configured it, and a balancer before
# them; their ports are $first and $second.
start_pair ()
{
  start_mantisd "$1" --mode server
  first=$port
  configure_maria "$2"
  start_mantisd "$2" --mode server
  second=$port
  start_balancer "$first" "$second"
}

# maria STATEMENTS: as a back office writes, with MariaDB's own client.
maria ()
{
  mariadb_do "$maria_folder" "$maria_database" -e "$1"
}

gives_maria ()
{
  [ -n "$(maria "$1")" ]
}

# Do the clients NAME... hold what MariaDB holds?
same_as_maria ()
{
  python3 "$top/tests/daemon/maria.py" "$maria_folder/socket" "$maria_database" "${@/%/.db}"
}

# wait_for_maria CLIENT...: until all hold the same rows in all tables as the server.
wait_for_maria ()
{
  local end=$((SECONDS + patience)) name

  until same_as_maria "$@"; do
    [ $SECONDS -lt $end ] || {
      for name; do
        diff maria.rows "$name.db.rows" | head -n 20 || true
      done
      fail "MariaDB (<) and $* (>) do not become the same within $patience s"
    }
    sleep 0.05
  done
}

# long_transaction STATEMENTS: that give a row; it stays open until end_it.
long_transaction ()
{
  rm -f long long.out
  mkfifo long
  mariadb_do "$maria_folder" "$maria_database" --unbuffered < long > long.out &
  pids[long]=$!
  exec {long}> long
  echo "$1" >&"$long"
  wait_for "the transaction" test -s long.out
}

end_it ()
{
  echo 'COMMIT; \q' >&"$long"
  exec {long}>&-
  wait "${pids[long]}"
  unset "pids[long]"
}
