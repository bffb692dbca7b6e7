# run.sh - become the program $name that was built in $top, with the plugins that were built there.
# Sourced by ./mantisd and ./mantisctl.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2154
program=$top/core/.libs/$name # libtool leaves a script in the place where one looks for the program
[ -x "$program" ] || program=$top/core/$name
if [ ! -x "$program" ]; then
  echo "$name: not built yet: run $top/quickstart, or ./configure && make in $top" >&2
  exit 1
fi
theirs=${MANTIS_PLUGIN_PATH-}
MANTIS_PLUGIN_PATH=
for folder in "$top"/plugins/*/*/.libs; do
  MANTIS_PLUGIN_PATH=$MANTIS_PLUGIN_PATH${MANTIS_PLUGIN_PATH:+:}$folder
done
MANTIS_PLUGIN_PATH=$MANTIS_PLUGIN_PATH${theirs:+:$theirs}
LD_LIBRARY_PATH=$top/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export MANTIS_PLUGIN_PATH LD_LIBRARY_PATH
exec "$program" "$@"
