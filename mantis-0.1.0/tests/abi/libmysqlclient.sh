#!/bin/sh
# The storage mysql compiles, without one warning, against what MariaDB's and Oracle's client libraries both have.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
set -u
top=${srcdir:-.}
failed=0
for source in "$top"/plugins/storage/mysql/*.c; do
  ${CC:-cc} -std=gnu11 -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Werror -fsyntax-only -D_GNU_SOURCE \
    -I"$top/tests/abi/libmysqlclient" -I"$top/include" "$source" ||
    { echo "${source##*/} needs more than both client libraries have"; failed=1; }
done
exit $failed
