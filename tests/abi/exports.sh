#!/bin/sh
# libmantis.so exports what the public headers mark MANTIS_PUBLIC, and what its own programs call:
# the two entries that they are thin mains over, and the trial of a plugin; nothing else.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
set -eu
library=.libs/libmantis.so
test -e "$library" || { echo "no $library: built without shared libraries"; exit 77; }
nm -D --defined-only "$library" >/dev/null 2>&1 || { echo "no nm"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat "${srcdir:-.}"/include/mantis/*.h "${srcdir:-.}"/core/daemon/daemon.h "${srcdir:-.}"/core/daemon/trial.h | tr '\n' ' ' | grep -o 'MANTIS_PUBLIC[^;({]*(' |
  grep -o 'mantis_[a-z0-9_]* *($' | tr -d ' (' | sort -u >"$work/promised"
nm -D --defined-only "$library" | awk '$2 != "A" { sub (/@.*/, "", $3); print $3 }' | sort -u >"$work/exported"

comm -23 "$work/promised" "$work/exported" >"$work/missing"
comm -13 "$work/promised" "$work/exported" >"$work/surplus"
sed 's/^/in a header, not in the library: /' "$work/missing"
sed 's/^/in the library, in no header: /' "$work/surplus"
test -s "$work/promised" && test ! -s "$work/missing" && test ! -s "$work/surplus"
