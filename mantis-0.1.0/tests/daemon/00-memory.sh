#!/bin/bash
# 00: memory does not grow with the tables: a first load and a first contact where both sides have rows, of ten times as
# many rows, take hardly more of either daemon, and all stay below a limit.  O10.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"

limit=32768 more=4096 # kB; of any daemon, and of one with ten times the rows
case $(nm -D "$build/.libs/mantisd" "$build/mantisd" 2> /dev/null) in
*__asan_* | *__tsan_*) skip "built with a sanitizer, which takes memory of its own" ;;
esac

# fill NAME TABLE FROM TO: rows of about 100 bytes; those of one number are the same everywhere.
fill ()
{
  sql "$1" "CREATE TABLE $2 (id INTEGER PRIMARY KEY, body TEXT NOT NULL, n INTEGER);
    INSERT INTO $2 SELECT value, printf('%090d', value), value % 7 FROM generate_series($3, $4)"
}

peak ()
{
  sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(pid_of "$1")/status"
}

# At their first contact both hold the notes, but for 3,000 rows that are on one side only, or are another one there:
# what waits takes memory (docs/a-change-travels.md, queue), what there is does not.
declare -A peaks
for rows in 15000 150000; do
  mkdir $rows
  cd $rows
  fill office item 1 $rows
  fill office note 1 $((rows - 1000))
  fill tablet note 1001 $rows
  sql tablet "UPDATE note SET body = 'of the tablet' WHERE id % ($rows / 1000) = 0"
  port=
  start_mantisd office --mode server
  start_mantisd tablet --mode client
  patience=60 quiet tablet
  [ "$(sql office "SELECT count(*) FROM note")" = $rows ] || fail "$(sql office "SELECT count(*) FROM note") notes at the office"
  [ "$(sql tablet "SELECT count(*) FROM item")" = $rows ] || fail "$(sql tablet "SELECT count(*) FROM item") items on the tablet"
  for name in office tablet; do
    peaks[$name$rows]=$(peak $name)
    echo "$rows rows, $name: ${peaks[$name$rows]} kB"
    [ "${peaks[$name$rows]}" -le $limit ] || fail "$name took ${peaks[$name$rows]} kB for $rows rows"
  done
  stop_mantisd tablet
  stop_mantisd office
  cd ..
done
for name in office tablet; do
  [ $((${peaks[${name}150000]} - ${peaks[${name}15000]})) -le $more ] || fail "$name takes more for more rows"
done
