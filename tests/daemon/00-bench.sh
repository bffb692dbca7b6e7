#!/bin/bash
# 00: the lines of `make bench` on MariaDB and for many small pushes are measured and printed.  Small here: their figures mean nothing.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
mariadb_installed || skip "mariadb-server is not installed"

in_tree make -s -C "$build" tests/bench/bench > make.log 2>&1 || fail "the bench is not built"
MANTISD=$top/mantisd MANTISCTL=$top/mantisctl MANTIS_BUILD=$build MANTIS_SOURCE=$top \
  "$build/tests/bench/bench" --only mysql --rows 1000 > figures.log 2> bench.log || fail "the bench gives up"

for line in "initial load to a client" "bulk push of a client" "commit to visible in a client, p50" \
  "commit to visible in a client, p99" "trigger tax, INSERT" "trigger tax, commits of one row" "4 writers, server at work"; do
  grep -q "MariaDB, $line.* [1-9][0-9.]* " figures.log || fail "not measured: $line"
done
grep -q "CPU of a server that waits" figures.log || fail "not measured: CPU of a server that waits"

MANTISD=$top/mantisd MANTISCTL=$top/mantisctl MANTIS_BUILD=$build MANTIS_SOURCE=$top \
  "$build/tests/bench/bench" --only pushes --rows 1000 > figures.log 2> bench.log || fail "the bench gives up on pushes"
grep -q "pushes of one row, 50 connections.* [1-9][0-9.]* /s" figures.log || fail "not measured: pushes"

MANTISD=$top/mantisd MANTISCTL=$top/mantisctl MANTIS_BUILD=$build MANTIS_SOURCE=$top \
  "$build/tests/bench/bench" --only merges --rows 1000 > figures.log 2> bench.log || fail "the bench gives up on merges: $(cat bench.log)"
for line in "push of edits, no conflict, timestamp" "conflicts, timestamp" "conflicts, version: merged, nobody lost" "conflicts, version: merged, a value was lost"; do
  grep -q "$line.* [1-9][0-9.]* us a row" figures.log || fail "not measured: $line"
done

MANTISD=$top/mantisd MANTISCTL=$top/mantisctl MANTIS_BUILD=$build MANTIS_SOURCE=$top \
  "$build/tests/bench/bench" --only hooks --rows 1000 > figures.log 2> bench.log || fail "the bench gives up on hooks: $(cat bench.log)"
for line in "exec told after each" "exec asked before each" "lines to the program"; do
  grep -q "$line.* [1-9][0-9.]* /s" figures.log || fail "not measured: $line"
done
