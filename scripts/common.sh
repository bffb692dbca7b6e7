# common.sh - what ./quickstart and ./runtests share: packages and the build.  Sourced by bash; $top is set.
#
# Both build in the clone's top folder and with the same configuration, --enable-testing, so that neither
# rebuilds what the other built.  (The fault points that it compiles in do nothing until a test asks for
# one with -D.)  A folder that was configured by hand stays as it is, but for that one option.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154

build_packages="gcc libc6-dev make autoconf automake libtool pkg-config libevent-dev libjansson-dev
  libsqlite3-dev default-libmysqlclient-dev libssl-dev libcjose-dev libcurl4-openssl-dev zlib1g-dev libxxhash-dev libhttp-parser-dev libwslay-dev"
show_packages="sqlite3 curl"
mysql_packages="mariadb-server-core mariadb-client-core" # without the service
test_packages="check g++ python3 sqlite3 curl openssl xz-utils iproute2 faketime $mysql_packages galera-4
  python3-websockets node-ws chromium"
bench_packages="mosquitto openssl"

say ()
{
  printf '%s\n' "$*"
}

die ()
{
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Which of the packages named are not installed?
missing_packages ()
{
  local package

  for package; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null) in
    installed) ;;
    *) printf '%s ' "$package" ;;
    esac
  done
}

# need_packages NAME...: install what is missing, or say how and stop with status 77.
need_packages ()
{
  local missing as_root=

  command -v dpkg-query > /dev/null || return 0 # not Debian: configure says what it misses
  missing=$(missing_packages "$@")
  test -n "$missing" || return 0
  if [ "$(id -u)" != 0 ]; then
    if sudo -n true 2> /dev/null; then
      as_root="sudo -n"
    else
      say "Some packages are missing.  As root:"
      say "apt-get update && apt-get install -y --no-install-recommends ${missing% }"
      exit 77
    fi
  fi
  say "Installing ${missing% }"
  # shellcheck disable=SC2086  # lists of words
  $as_root env DEBIAN_FRONTEND=noninteractive sh -c '
    apt-get -q -o DPkg::Lock::Timeout=300 update &&
    apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"' sh $missing \
    > "$top/.build/packages.log" 2>&1 < /dev/null || {
    tail -n 20 "$top/.build/packages.log" >&2
    die "cannot install ${missing% }(all of it: $top/.build/packages.log)"
  }
}

# logged NAME COMMAND...: quiet where all is well.
logged ()
{
  local log="$top/.build/$1.log"

  shift
  "$@" > "$log" 2>&1 < /dev/null || {
    tail -n 40 "$log" >&2
    die "$* failed (all of it: $log)"
  }
}

# Was this folder configured, here, and completely?
configured ()
{
  [ -x config.status ] && [ -f Makefile ] && [ -f config.h ] &&
    [ "$(sed -n 's/^abs_top_builddir = //p' Makefile)" = "$top" ]
}

# Were the tests that need check left out, and it is there by now (as ./runtests installs it after ./quickstart)?
check_has_come ()
{
  grep -q '^S\["HAVE_CHECK_TRUE"\]="#"' config.status && pkg-config --exists check
}

configure ()
{
  local arguments=

  if [ ! -x configure ] || [ ! -f Makefile.in ] || [ configure.ac -nt configure ]; then
    say "Preparing (autoreconf)"
    logged autoreconf autoreconf -i
  fi
  if configured; then
    if grep -q '^#define MANTIS_TESTING 1' config.h && ! check_has_come; then
      return 0
    fi
    arguments=$(./config.status --config)
  elif [ -f Makefile ]; then
    rm -rf .libs core/.libs # of a folder that was moved: made for another place
  fi
  say "Configuring"
  eval "logged configure ./configure $arguments --enable-testing"
}

# build [TARGET...]: one at a time, whoever asks.
build ()
{
  cd "$top" || exit
  exec 9> .build/lock
  flock 9
  configure
  say "Building"
  logged make make -j"$(nproc)" "${@:-all}" 9>&-
  exec 9>&-
}

mkdir -p "$top/.build"
