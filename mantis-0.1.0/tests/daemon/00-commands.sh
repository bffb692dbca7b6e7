#!/bin/bash
# 00: missing packages are installed by who may, and named to who may not; ./mantisd runs from any folder.
. "${0%/*}/functions.sh"

# ---- Packages: in a machine made of stand-ins ----------------------------------------------------
mkdir bin build
for real in bash sh env cat sed tail mkdir true; do
  ln -s "$(type -P $real)" bin/$real
done
stub ()
{
  printf '#!/bin/sh\n%s\n' "$2" > "bin/$1"
  chmod +x "bin/$1"
}
stub dpkg-query 'for last; do :; done; case $last in here*) printf installed ;; gone) printf config-files ;; *) exit 1 ;; esac'
stub apt-get 'echo "$DEBIAN_FRONTEND apt-get $*" >> calls'
need ()
{
  rm -f calls
  PATH=$work/bin top=$work/build bash -c '. "$0"; need_packages "$@"' "$top/scripts/common.sh" "$@" > said 2>&1 || return $?
}

stub id 'echo 0'
need here1 here2 || fail "all is there: $(cat said)"
[ ! -e calls ] || fail "apt-get was called though all is there"
need here1 absent gone || fail "root: $(cat said)"
[ "$(sed -n 1p calls)" = "noninteractive apt-get -q -o DPkg::Lock::Timeout=300 update" ] || fail "no update: $(cat calls)"
[[ $(sed -n 2p calls) == *" install --no-install-recommends absent gone" ]] || fail "not installed: $(cat calls)"

stub id 'echo 1000'
stub sudo 'shift; exec "$@"'
need absent || fail "sudo: $(cat said)"
[ "$(wc -l < calls)" = 2 ] || fail "sudo: not installed"

stub sudo 'exit 1'
status=0
need absent here1 gone || status=$?
[ $status = 77 ] || fail "neither: status $status"
[ ! -e calls ] || fail "neither: apt-get was called"
[ "$(tail -n 1 said)" = "apt-get update && apt-get install -y --no-install-recommends absent gone" ] || fail "$(cat said)"

stub apt-get 'exit 100'
stub id 'echo 0'
status=0
need absent || status=$?
[ $status = 1 ] || fail "apt-get failed, and the status is $status"

# ---- The programs that were built here -------------------------------------------------------------
ln -s "$top/mantisd" a-link
for way in "$top/mantisd" ./a-link; do
  version=$("$way" --version) || fail "$way --version"
  [ -n "$version" ] || fail "$way --version says nothing"
done
"$top/mantisctl" --version > /dev/null || fail "mantisctl --version"
for plugin in rest sqlite jwt timestamp; do
  "$top/mantisd" --list-plugins | grep -qw $plugin || fail "$plugin is not found"
done
start_mantisd office --mode server
[ "$(readlink "/proc/$(pid_of office)/exe")" = "$top/core/.libs/mantisd" ] || fail "not the same process"
stop_mantisd office
[ "$ended" = 0 ] || fail "SIGTERM ended it with $ended"
