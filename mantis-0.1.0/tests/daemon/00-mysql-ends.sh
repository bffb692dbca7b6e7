#!/bin/bash
# 00: a test's private MariaDB ends with the test, and both with ./runtests, in whatever way that ends: SIGKILL too.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires make setpriv
mariadb_installed || skip "mariadb-server is not installed"

# A tree with one test, which starts a MariaDB and waits.
chmod 711 "$work"
mkdir -p tree/scripts tree/tests/daemon tree/tests/lib bin
cp "$top/runtests" tree/
cp "$top/scripts/common.sh" tree/scripts/
cp "$top/tests/lib/mariadb.sh" tree/tests/lib/
touch tree/configure.ac -d yesterday
touch tree/Makefile.in
echo '#define MANTIS_TESTING 1' > tree/config.h
printf 'abs_top_builddir = %s\nTESTS =\nall check:\n' "$work/tree" > tree/Makefile
for program in tree/config.status tree/configure; do
  printf '#!/bin/sh\n' > $program
  chmod +x $program
done
printf '#!/bin/sh\necho installed\n' > bin/dpkg-query
chmod +x bin/dpkg-query
folder=$(mktemp -d "${TMPDIR:-/tmp}/mantis-ends.XXXXXX")
left=
cleanup_fn 'kill -9 $left 2> /dev/null; rm -rf "$folder"'
cat > tree/tests/daemon/01-waits.sh << END
. $work/tree/tests/lib/mariadb.sh
mariadb_start $folder || exit 1
echo \$\$ \${mariadb_pids[$folder]} > $work/started.next
mv $work/started.next $work/started
read -r -t 600 <> $work/never
END
mkfifo never

is_gone ()
{
  case $(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2> /dev/null) in
  "" | Z*) ;;
  *) return 1 ;;
  esac
}

# killed SIGNAL WHOM: ./runtests, or its test, gets SIGNAL while it runs; then nothing of it is left.
killed ()
{
  local runtests test database

  rm -f started
  PATH=$work/bin:$PATH tree/runtests waits > said 2>&1 < /dev/null &
  runtests=$!
  wait_for "the test to run" test -e started
  read -r test database < started
  left="$test $database"
  [ "$(readlink "/proc/$database/exe")" = "$(readlink -f "$(command -v mariadbd)")" ] || fail "$database is no MariaDB"
  if [ "$2" = test ]; then kill "-$1" "$test"; else kill "-$1" "$runtests"; fi
  wait_for "MariaDB to end: $1 for $2" is_gone "$database"
  wait_for "the test to end: $1 for $2" is_gone "$test"
  wait "$runtests" 2> /dev/null || true
}
killed KILL test
killed KILL runtests
killed TERM runtests
