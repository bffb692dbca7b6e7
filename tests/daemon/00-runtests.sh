#!/bin/bash
# 00: ./runtests counts what passes, fails and is skipped, and says so in its last line and its status; .ci/run asks for
# no less than the README does; every test that there is is one of those that it runs, and none hides a module of Python's;
# all being built, it builds nothing and needs no network, from any folder.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires make flock

# ---- A tree of stand-ins: tests that do one thing, a make that has nothing to build --------------------------------
mkdir -p tree/.ci tree/scripts tree/tests/unit tree/tests/daemon bin
cp "$top/runtests" tree/
cp "$top/.ci/run" tree/.ci/
cp "$top/scripts/common.sh" tree/scripts/
# file NAME TEXT: a program.
file ()
{
  printf '#!/bin/sh\n%s\n' "$2" > "$1"
  chmod +x "$1"
}
file tree/tests/unit/test_a 'echo "100%: Checks: 5, Failures: 0, Errors: 0"'
file tree/tests/unit/test_b 'echo "SKIP: one of them: no tape"; echo "66%: Checks: 3, Failures: 1, Errors: 0"; exit 1'
file tree/tests/unit/test_c 'exit 77'
file tree/tests/unit/test_d 'echo plain'
file tree/tests/daemon/01-good.sh 'echo fine'
file tree/tests/daemon/02-bad.sh 'echo "what went wrong"; exit 1'
file tree/tests/daemon/03-absent.sh 'echo "SKIP: no moon"; exit 77'
file tree/config.status ''
file tree/configure ''
touch tree/configure.ac -d yesterday
touch tree/Makefile.in
echo '#define MANTIS_TESTING 1' > tree/config.h
cat > tree/Makefile << END
abs_top_builddir = $work/tree
TESTS = tests/unit/test_a tests/unit/test_b tests/unit/test_c tests/unit/test_d
all:
	@echo all >> made
check: \$(addsuffix .trs,\$(TESTS))
tests/%.trs: tests/%
	@s=0; sh \$< > \$<.log 2>&1 || s=\$\$?; case \$\$s in 0) r=PASS ;; 77) r=SKIP ;; *) r=FAIL ;; esac; echo ":test-result: \$\$r" > \$@
END
file bin/dpkg-query 'echo installed'

# counts LAST-LINE STATUS COMMAND...
counts ()
{
  local line=$1 expected=$2 status=0

  shift 2
  PATH=$work/bin:$PATH "$@" > said 2>&1 < /dev/null || status=$?
  [ "$(tail -n 1 said)" = "$line" ] || fail "$* does not end with $line: $(cat said)"
  [ $status = "$expected" ] || fail "$* ends with status $status"
}
counts "8 passed, 2 failed, 3 skipped" 1 tree/runtests
grep -q '^FAIL  tests/daemon/02-bad.sh' said || fail "a failure is not named: $(cat said)"
grep -q '^    what went wrong' said || fail "a failure's log is not shown: $(cat said)"
grep -q '^skip  tests/daemon/03-absent.sh: no moon' said || fail "a skipped test gives no reason: $(cat said)"
grep -q '^make check: [0-9]* s' said || fail "how long make check took is not said: $(cat said)"
counts "6 passed, 0 failed, 0 skipped" 0 tree/runtests test_a 01-good
counts "0 passed, 0 failed, 1 skipped" 0 tree/runtests absent
counts "0 passed, 1 failed, 0 skipped" 1 tree/runtests --stop bad
# All of it, whatever .ci/run is called by.
ln -s tree/.ci/run elsewhere
counts "8 passed, 2 failed, 3 skipped" 1 ./elsewhere
# Built by ./quickstart, before there was check: what needs it is built now.
file bin/pkg-config '[ ! -e there ] || exit 0; exit 1'
file tree/configure 'echo "$*" >> arguments; sed -i "/^S/d" config.status'
file tree/config.status "echo \"'--prefix=/x y'\"; exit
S[\"HAVE_CHECK_TRUE\"]=\"#\""
counts "5 passed, 0 failed, 0 skipped" 0 tree/runtests test_a
[ ! -e tree/arguments ] || fail "configured again, though check is not there"
touch tree/there
counts "5 passed, 0 failed, 0 skipped" 0 tree/runtests test_a
[ "$(cat tree/arguments)" = "--prefix=/x y --enable-testing" ] || fail "configured with $(cat tree/arguments)"
# No test is no success, and one that does not even run is a failure.
! PATH=$work/bin:$PATH tree/runtests no-such-test > said 2>&1 || fail "a name that no test has: $(cat said)"
rm tree/tests/unit/test_d
counts "0 passed, 1 failed, 0 skipped" 1 tree/runtests test_d

# ---- Packages: what is missing is named (00-commands.sh sees it installed), node and npm where there are none ------
mkdir only
for tool in bash sh cat sed tail head mkdir readlink tr true; do
  ln -s "$(type -P $tool)" only/$tool
done
file only/dpkg-query 'for last; do :; done; case $last in check | nodejs | npm) exit 1 ;; esac; echo installed'
file only/id 'echo 1000'
file only/sudo 'exit 1'
status=0
PATH=$work/only tree/runtests > said 2>&1 || status=$?
[ $status = 77 ] || fail "without root: status $status: $(cat said)"
[ "$(tail -n 1 said)" = "apt-get update && apt-get install -y --no-install-recommends check nodejs npm" ] || fail "$(cat said)"

# ---- No test is forgotten --------------------------------------------------------------------------------------------
"$top/runtests" --list > list 2>&1 || fail "--list: $(cat list)"
listed ()
{
  grep -qx "$1" list || fail "$1 is not run"
}
for source in $(cd "$top" && grep -lE '^main \(' tests/*/*.c) $(cd "$top" && echo tests/fuzz/fuzz_*.c tests/abi/*.sh tests/daemon/[0-9]*.sh); do
  case $source in
  tests/bench/* | tests/daemon/rest_stub.c) ;; # figures; a server for 15-http-abuse.sh
  tests/fuzz/run_seeds.c) ;;                   # the main() of each fuzz_*.c
  tests/law/storage.c) listed tests/law/law_storage ;;
  tests/law/mysql_past.c) listed tests/law/law_mysql ;; # which runs it
  tests/law/plugin_test.c) listed tests/law/law_plugins ;; # a command
  *) listed "${source%.c}" ;;
  esac
done

# ---- A program in tests/ finds its own folder first: one named like a module of Python's would hide that from all beside it ----
if type -P python3 > /dev/null; then
  hidden=$(cd "$top" && python3 -c 'import sys
print(*[name for name in sys.argv[1:] if name.rsplit("/")[-1][:-3] in sys.stdlib_module_names])' tests/*/*.py docs/examples/*/*.py)
  [ -z "$hidden" ] || fail "named like a module of Python's: $hidden"
fi

# ---- This tree, where all is built: nothing is built again, no network is needed, from another folder, twice ------
[ "$build" = "$top" ] || exit 0
network=()
! unshare -n true 2> /dev/null || network=(unshare -n bash -c 'ip link set lo up; exec "$@"' bash)
touch before
for round in 1 2; do
  "${network[@]}" "$top/runtests" unit/test_key daemon/00-commands > said 2>&1 < /dev/null || fail "round $round: $(cat said)"
  tail -n 1 said | grep -qx '[1-9][0-9]* passed, 0 failed, 0 skipped' || fail "round $round: $(cat said)"
done
built=$(find "$top/core" "$top/plugins" "$top/tests" -name '*.o' -newer before)
[ -z "$built" ] || fail "built again: $built"
