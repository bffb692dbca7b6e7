#!/bin/bash
# 00: from nothing but the sources, without a network: ./quickstart builds and ends within three minutes, once the packages
# are there (or would, with two processors for itself); the commands that it prints to go on by hand do; with --keep it leaves server and devices running; a second
# time, from another folder, it builds nothing.
# SPDX-License-Identifier: LGPL-2.1-or-later
own_network=-n
. "${0%/*}/functions.sh"
requires make autoreconf
[ "$build" = "$top" ] || skip "another build is under test"

# As in a clone: without what autotools made of it.
in_tree make -C "$top" -s distdir distdir="$work/fresh" > copy.log 2>&1 || fail "$(tail -n 20 copy.log)"
(cd fresh && rm -rf configure aclocal.m4 config.h.in Makefile.in build-aux m4)
export TMPDIR=$work

# go_on LOG: the commands that quickstart printed to go on by hand, a file each.
go_on ()
{
  rm -f ./*.command
  sed -n '/by hand:$/,$s/^  //p' "$1" | grep -v '^\$' | awk '{ printf "%s\n", $0 > sprintf ("%02d.command", NR) }'
  [ "$(cat ./*.command | grep -c .)" -ge 6 ] || fail "no commands to go on: $(cat "$1")"
}

# follow: run them in this shell, in their order.
follow ()
{
  local command folder

  folder=$(sed -n 's/^cd //p' ./*.command)
  [ -d "$folder" ] || fail "its folder is not there: $folder"
  for command in "$work"/*.command; do
    case $(cat "$command") in
    *"SELECT * FROM notes"*) wait_for "the note on the phone" prints "$command" n-106 ;;
    *mantisctl*) prints "$command" '^notes  *live' || fail "$(cat "$command" "$work/said")" ;;
    *curl*) wait_for "the server's status" prints "$command" '"tables"' ;;
    *) . "$command" >> "$work/by-hand.log" 2>&1 || fail "$(cat "$command" "$work/by-hand.log")" ;;
    esac
  done
  cd "$work"
  [ ! -d "$folder" ] || fail "the last command does not remove $folder"
}

prints ()
{
  . "$1" > "$work/said" 2>&1
  grep -q -- "$2" "$work/said"
}

not_there ()
{
  ! kill -0 "$1" 2> /dev/null
}

# ---- The first time, and it stays ------------------------------------------------------------------------------------
began=$SECONDS
fresh/quickstart --keep > keep.log 2>&1 < /dev/null || fail "quickstart --keep ended with $?: $(cat keep.log)"
took=$((SECONDS - began))
times > spent
spent=$(awk -F '[ms ]' 'NR == 2 { print int ($1 * 60 + $2 + $4 * 60 + $5) }' spent) # by what it started: the machine may have other things to do
echo "quickstart, with the building: $took s; $spent s of a processor"
left=$(sed -n 's/^  kill \([0-9 ]*[0-9]\).*/\1/p' keep.log)
cleanup_fn "kill -9 $left 2> /dev/null"
[ $took -le 180 ] || [ "$spent" -le $((360 * patience / 30)) ] || fail "it took $took s, $spent s of a processor"
[ "$(wc -w <<< "$left")" = 3 ] || fail "it does not say how to stop three daemons: $left"
for pid in $left; do
  [ "$(readlink "/proc/$pid/exe")" = "$work/fresh/core/.libs/mantisd" ] || fail "$pid is no mantisd of this tree"
done
go_on keep.log
follow
for pid in $left; do
  not_there "$pid" || fail "the commands do not wait until $pid has ended"
done

# ---- Again, from elsewhere -------------------------------------------------------------------------------------------
touch before
(cd / && "$work/fresh/quickstart") > again.log 2>&1 < /dev/null || fail "quickstart ended with $?: $(cat again.log)"
built=$(find fresh -name '*.o' -newer before)
[ -z "$built" ] || fail "built again: $built"
grep -q 'Hinge is loose again!' again.log || fail "the edit that lost is not shown"
running=$(find /proc -maxdepth 2 -name exe -lname "$work/fresh/*" 2> /dev/null || true)
[ -z "$running" ] || fail "something is left running: $running"
go_on again.log
cleanup_fn 'kill $(jobs -p) 2> /dev/null'
follow
