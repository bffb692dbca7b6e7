# one-object.sh - link libtool's objects LO... into one, OUT, of which other objects see what is public, and no more.
#
#   LD=ld OBJCOPY=objcopy sh scripts/one-object.sh OUT NAME LO...
#
# Where NAME is not "-", the symbol mantis_plugin is called plugin_NAME there.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
set -eu # LD and OBJCOPY may be a command and its options
out=$1 name=$2
shift 2
for lo; do
  object=${lo%/*}/.libs/${lo##*/}
  set -- "$@" "${object%.lo}.o"
  shift
done
$LD -r -o "$out" "$@"
if [ "$name" = - ]; then
  $OBJCOPY --localize-hidden "$out"
else
  $OBJCOPY --localize-hidden --redefine-sym mantis_plugin="plugin_$name" "$out"
fi
