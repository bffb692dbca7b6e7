#!/bin/sh
# Each public header stands alone, as C11 and as C++17, with not one warning.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
set -u
include=${srcdir:-.}/include
failed=0
have_cxx=yes
${CXX:-c++} --version >/dev/null 2>&1 || { have_cxx=no; echo "no C++ compiler: C++17 is not tried"; }

for header in "$include"/mantis/*.h; do
  name=mantis/${header##*/}
  printf '#include <%s>\n' "$name" |
    ${CC:-cc} -std=c11 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -I"$include" -x c - ||
    { echo "$name does not stand alone as C11"; failed=1; }
  test $have_cxx = yes || continue
  printf '#include <%s>\n' "$name" |
    ${CXX:-c++} -std=c++17 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -I"$include" -x c++ - ||
    { echo "$name does not stand alone as C++17"; failed=1; }
done
exit $failed
