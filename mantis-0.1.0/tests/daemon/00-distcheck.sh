#!/bin/bash
# 00: make distcheck passes: the tarball is complete, builds in another folder with its sources read-only, installs, is
# removed without a trace, and cleans up.  Of the tests, which all have run, those that read the source folder run
# again there; all are built.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires make

tests="tests/unit/test_config tests/unit/test_inspect tests/unit/test_value tests/fuzz/fuzz_config tests/fuzz/fuzz_http
  tests/fuzz/fuzz_message tests/abi/headers.sh tests/abi/exports.sh tests/bad-plugins/test_bad_plugins"
began=$SECONDS
in_tree make -C "$build" -j"$(nproc)" distcheck TESTS="$(tr -s ' \n' ' ' <<< "$tests")" > distcheck.log 2>&1 < /dev/null ||
  fail "make distcheck failed"
echo "make distcheck: $((SECONDS - began)) s"
tarball=$(cd "$build" && echo mantis-*.tar.xz)
grep -q "archives ready for distribution" distcheck.log || fail "it does not say that $tarball is ready"
ran=$(grep -c '^PASS: ' distcheck.log || true)
[ "$ran" = "$(wc -w <<< "$tests")" ] || fail "$ran tests ran there: $(grep '^[A-Z]*: tests/' distcheck.log)"

# All that is under version control is in it.
if [ -e "$top/.git" ] && git -C "$top" ls-files > tracked 2> /dev/null; then
  tar -tf "$build/$tarball" | sed 's|^[^/]*/||' | sort > packed
  missing=$(grep -vx '.gitignore' tracked | sort | comm -23 - packed)
  [ -z "$missing" ] || fail "not in the tarball: $missing"
fi
rm -f "$build/$tarball"
