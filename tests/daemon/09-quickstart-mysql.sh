#!/bin/bash
# 09: ./quickstart --mysql shows the main job with a MariaDB of its own, from any folder, ends by itself and leaves nothing running;
# also with the PATH of an ordinary user, which has no folder of Debian's mariadbd.
# SPDX-License-Identifier: LGPL-2.1-or-later
own_network=-n
. "${0%/*}/functions.sh"
requires sqlite3 curl
mariadb_installed || skip "mariadb-server is not installed"
[ "$build" = "$top" ] || skip "it builds in the tree"
PATH=$(tr : '\n' <<< "$PATH" | grep -v 'sbin$' | paste -sd :)
timeout 180 "$top/quickstart" --mysql > quickstart.log 2>&1 < /dev/null || fail "quickstart --mysql ended with $?"
grep -q 'Hinge is loose again!' quickstart.log || fail "it does not show the edit that lost"
sed -n '/^ *office, in MariaDB:/,/^ *tablet.db:/p' quickstart.log | grep -q 'n-102.*New hinge fitted' || fail "it does not show what the server's database holds: $(cat quickstart.log)"
folder=$(sed -n 's/^ *cd \(.*mantis-quickstart.*\)/\1/p' quickstart.log)
maria=$(sed -n 's/.*--socket=\([^ ]*\)\/socket .*/\1/p' quickstart.log)
[ -d "$folder" ] && [ -d "$maria" ] || fail "it does not say where its files are"
[ ! -e "$folder/office.db" ] || fail "there is an office.db"
[ ! -e "$maria/pid" ] || fail "its MariaDB still runs"
rm -rf "$folder" "$maria"
