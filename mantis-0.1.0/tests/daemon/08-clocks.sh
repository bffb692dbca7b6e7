#!/bin/bash
# 08: clocks that are wrong or jump: a device at 2099 does not win for ever (K1), a clock that is set back between
# two edits loses nothing (K5), a device a day behind or ahead misses nothing (R30), zones and their changes do not
# matter (C24); a write made on a version that was in the file is never beaten by it.
. "${0%/*}/functions.sh"
requires faketime
export DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_FAKE_MONOTONIC=1

schema="CREATE TABLE note (id TEXT PRIMARY KEY, body TEXT)"
sql office "$schema; INSERT INTO note VALUES ('k1', 'old'), ('k2', 'old'), ('k5', 'old'), ('seen', 'old'), ('race', 'old')"
start_mantisd office --mode server

# at CLOCK COMMAND...: the command, and all that it starts, at that time ("" : now).
at ()
{
  local clock=$1

  shift
  if [ -n "$clock" ]; then faketime "$clock" "$@"; else "$@"; fi
}

# once NAME [CLOCK]: one cycle at that clock.
once ()
{
  configure_client "$1"
  at "${2-}" timeout "$patience" "$build/mantisd" --config "$1.json" --once >> "$1.log" 2>&1 || fail "$1 at '${2-}' ended with $?: $(tail -n 3 "$1.log")"
}

# write NAME STATEMENT [CLOCK]: as the application on that device.
write ()
{
  at "${3-}" sqlite3 -bail "$1.db" "$2"
}

body ()
{
  sql "$1" "SELECT body FROM note WHERE id = '$2'"
}

far="2099-06-01 12:00:00"
for name in far till; do
  sql $name "$schema"
done
once far "$far"
once till

# K1: what the far device writes wins once, as the latest that the server has heard of; the next one wins over it.
write far "UPDATE note SET body = 'from 2099' WHERE id = 'k1'" "$far"
once far "$far"
grep -q "clock is .* ahead of the server's" far.log || fail "the far device is not told"
once till
[ "$(body till k1)" = "from 2099" ] || fail "the far device's write did not arrive"
write till "UPDATE note SET body = 'after it' WHERE id = 'k1'"
once till
once far "$far"
[ "$(body office k1)-$(body far k1)" = "after it-after it" ] || fail "2099 wins for ever: $(body office k1), $(body far k1)"
# In a real conflict the earlier write loses although its clock says 2099.
write far "UPDATE note SET body = 'far, first' WHERE id = 'k2'" "$far"
write till "SELECT 1; UPDATE note SET body = 'till, an hour later' WHERE id = 'k2'" "+1 hour"
once far "$far"
once till "+1 hour"
once far "$far"
[ "$(kept office)" -ge 1 ] || fail "a conflict that nobody kept"
# And one that does not tell its clock, but a time of 2099 with each row.
push ()
{
  call POST /sync/push -d "{\"changes\": [{\"table\": \"note\", \"columns\": [\"id\", \"body\"]$2, \"rows\": [[\"k2\", \"$1\"$3]]}]}" > said
}
push "says 2099" ', "meta": ["updated_at"]' ", $((4086000000 * 1000))"
[ "$(body office k2)" = "says 2099" ] || fail "a push with a time: $(cat said)"
push "says nothing" "" ""
[ "$(body office k2)" = "says nothing" ] || fail "a time of 2099 in a message wins for ever: $(cat said)"
stamp=$(sql office "SELECT max(time) FROM __sync_log")
[ "$stamp" -lt $((EPOCHSECONDS * 1000 + 7200000)) ] || fail "a time of the future was stored: $stamp"

# K5: the clock is set back between two edits of one device, with a cycle between them and without.
write till "UPDATE note SET body = 'first' WHERE id = 'k5'" "+2 days"
once till "+2 days"
write till "UPDATE note SET body = 'second' WHERE id = 'k5'" "-2 days"
once till "-2 days"
[ "$(body office k5)" = second ] || fail "the second edit lost to the first: $(body office k5)"
write till "UPDATE note SET body = 'third' WHERE id = 'k5'" "+2 days"
write till "UPDATE note SET body = 'fourth' WHERE id = 'k5'" "-2 days"
once till
[ "$(body office k5)" = fourth ] || fail "the fourth edit lost: $(body office k5)"

# 8: a write on what was seen is never beaten by it, at whatever clock it was made.
write far "UPDATE note SET body = 'v1' WHERE id = 'seen'" "$far"
once far "$far"
once till "1999-01-01 00:00:00"
write till "UPDATE note SET body = 'v2' WHERE id = 'seen'" "1999-01-01 00:00:00"
once till "1999-01-01 00:00:00"
once far "$far"
[ "$(body office seen)-$(body far seen)" = v2-v2 ] || fail "a write of 1999 lost to what it was made on"

# R30: nothing is skipped at clocks a day off, in either direction, nor when the clock jumps between cycles.
for clock in "-1 day" "+1 day" "" "+400 days" "-10 years"; do
  sql office "INSERT INTO note VALUES ('office $clock', 'x')"
  write till "INSERT INTO note VALUES ('till $clock', 'x')" "$clock"
  once till "$clock"
  [ "$(body till "office $clock")$(body office "till $clock")" = xx ] || fail "skipped at $clock"
done

# C24: zones; the hour that is there twice.
for zone in Pacific/Kiritimati America/New_York Asia/Kathmandu; do
  TZ=$zone write till "UPDATE note SET body = '$zone' WHERE id = 'race'"
  TZ=$zone once till
  [ "$(body office race)" = $zone ] || fail "an edit in $zone"
done
TZ=Europe/Berlin write till "UPDATE note SET body = 'summer' WHERE id = 'race'" "2026-10-25 00:30:00"
TZ=Europe/Berlin write till "UPDATE note SET body = 'winter' WHERE id = 'race'" "2026-10-25 01:10:00"
once till
[ "$(body office race)" = winter ] || fail "the repeated hour"
for name in far till; do
  once $name
  wait_for_sync $name office
done
