# mariadb.sh - a private MariaDB for tests: own folder, own socket, no network unless asked.  Sourced by bash.
#
#   mariadb_start FOLDER [OPTION...]   starts one with its data in FOLDER, and waits until it answers; its
#                                      socket is FOLDER/socket.  Started again in the same FOLDER it goes on.
#   mariadb_stop FOLDER                ends it (mariadb_kill: without a chance to tidy up)
#   mariadb_do FOLDER [ARGUMENT...]    the mariadb client as root of that instance
#
# mariadbd refuses to run as root: it runs as mysql then, or as nobody.  It dies with the shell that
# started it, whatever happens to that one (PR_SET_PDEATHSIG), unless $mariadb_stays is yes.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash

PATH=$PATH:/usr/sbin:/sbin # Debian has mariadbd there, and no such folder in the PATH of a user
declare -A mariadb_pids=()

mariadb_installed ()
{
  command -v mariadbd > /dev/null && command -v mariadb-install-db > /dev/null && command -v mariadb > /dev/null
}

# Who runs it, if root may not?
mariadb_user ()
{
  if [ "$(id -u)" != 0 ]; then
    id -un
  elif id mysql > /dev/null 2>&1; then
    echo mysql
  else
    echo nobody
  fi
}

# Run COMMAND as that user, tied to this shell's life.
mariadb_as ()
{
  local user arguments=(--pdeathsig KILL)

  [ "${mariadb_stays-no}" = no ] || arguments=(--pdeathsig keep)
  user=$(mariadb_user)
  if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "${arguments[@]}" "$@"
  else
    exec setpriv "${arguments[@]}" "$@"
  fi
}

# What every instance is started with: small, and safe to kill.
mariadb_settings ()
{
  printf '%s\n' --no-defaults --datadir="$1/data" --socket="$1/socket" --pid-file="$1/pid" --tmpdir="$1" \
    --skip-log-bin --innodb-buffer-pool-size=32M --innodb-log-file-size=8M --innodb-flush-log-at-trx-commit=1 \
    --innodb-buffer-pool-dump-at-shutdown=0 --innodb-buffer-pool-load-at-startup=0 --key-buffer-size=1M \
    --performance-schema=0 --aria-pagecache-buffer-size=1M --max-connections=60 --character-set-server=utf8mb4
}

mariadb_prepare ()
{
  local folder=$1

  mkdir -p "$folder"
  chmod 755 "$folder"
  [ "$(id -u)" != 0 ] || chown "$(mariadb_user)" "$folder"
  # a mariadbd that starts removes the temporary tables of all others with the same tmpdir
  (mariadb_as mariadb-install-db --no-defaults --datadir="$folder/data" --tmpdir="$folder" --auth-root-authentication-method=normal \
    --skip-test-db --skip-name-resolve --innodb-log-file-size=8M --aria-log-file-size=8M) \
    > "$folder/install.log" 2>&1 < /dev/null || {
    cat "$folder/install.log" >&2
    return 1
  }
}

mariadb_start ()
{
  local folder=$1 settings network=--skip-networking option i

  shift
  [ -d "$folder/data/mysql" ] || mariadb_prepare "$folder" || return 1
  mapfile -t settings < <(mariadb_settings "$folder")
  for option; do
    case $option in --port=*) network=--bind-address=127.0.0.1 ;; esac
  done
  (mariadb_as mariadbd "${settings[@]}" "$network" "$@") >> "$folder/mariadbd.log" 2>&1 < /dev/null 9>&- &
  mariadb_pids[$folder]=$!
  for ((i = 0; i < 1200; i++)); do
    mariadb_do "$folder" -e "SELECT 1" > /dev/null 2>&1 && return 0
    kill -0 "${mariadb_pids[$folder]}" 2> /dev/null || break
    sleep 0.05
  done
  tail -n 30 "$folder/mariadbd.log" >&2
  return 1
}

mariadb_stop ()
{
  local pid=${mariadb_pids[$1]-}

  [ -n "$pid" ] || return 0
  kill "$pid" 2> /dev/null || true
  wait "$pid" 2> /dev/null || true
  unset "mariadb_pids[$1]"
}

mariadb_kill ()
{
  local pid=${mariadb_pids[$1]-}

  [ -n "$pid" ] || return 0
  kill -9 "$pid" 2> /dev/null || true
  wait "$pid" 2> /dev/null || true
  unset "mariadb_pids[$1]"
}

mariadb_do ()
{
  local folder=$1

  shift
  mariadb --no-defaults --socket="$folder/socket" --user=root --default-character-set=utf8mb4 -N -B "$@"
}
