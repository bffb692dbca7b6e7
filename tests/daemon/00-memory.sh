#!/bin/bash
# 00: memory does not grow with the tables: a first load and a first contact where both sides have rows, of ten times as
# many rows, take hardly more of either daemon, and all stay below a limit.  O10.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
without_sanitizer

# fill NAME TABLE FROM TO: rows of about 100 bytes; those of one number are the same everywhere.
fill ()
{
  sql "$1" "CREATE TABLE $2 (id INTEGER PRIMARY KEY, body TEXT NOT NULL, n INTEGER);
    INSERT INTO $2 SELECT value, printf('%090d', value), value % 7 FROM generate_series($3, $4)"
}

# At their first contact both hold the notes, but for 3,000 rows that are on one side only, or are another one there:
# what waits takes memory (docs/a-change-travels.md, queue), what there is does not.
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
  patience=180 quiet tablet
  [ "$(sql office "SELECT count(*) FROM note")" = $rows ] || fail "$(sql office "SELECT count(*) FROM note") notes at the office"
  [ "$(sql tablet "SELECT count(*) FROM item")" = $rows ] || fail "$(sql tablet "SELECT count(*) FROM item") items on the tablet"
  note_peaks $rows office tablet
  stop_mantisd tablet
  stop_mantisd office
  cd ..
done
compare_peaks 15000 150000 office tablet
