#!/bin/bash
# 09: the commands of the README run as they stand and in its order, with its configurations, and what it shows is
# what one sees.  Each ```sh block is run in one shell; one that a ```text block follows is repeated until it
# prints that; ```json NAME is the file NAME.
#
# It takes port 8080, in a network of its own where that can be had.
own_network=-n
. "${0%/*}/functions.sh"
requires python3 curl sqlite3
if (exec 3<> /dev/tcp/127.0.0.1/8080) 2> /dev/null; then
  skip "something listens on 127.0.0.1:8080"
fi

python3 - "$top/README.md" << 'END'
import re, sys
number, shown = 0, {}
for kind, name, body in re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", open(sys.argv[1]).read(), re.M | re.S):
    if kind == "json":
        open(name, "w").write(body)
        continue
    if kind == "sh":
        number += 1
    open(f"{number:02}.{'block' if kind == 'sh' else kind}", "w").write(body)
END
printf './quickstart\n./runtests\n' | cmp -s - 01.block || fail "the README does not begin with the two commands"

# The first of the two, from another folder; the second one runs this.
if [ "$build" = "$top" ]; then
  began=$SECONDS
  timeout 180 "$top/quickstart" > quickstart.log 2>&1 < /dev/null || fail "quickstart ended with $?"
  grep -q 'Hinge is loose again!' quickstart.log || fail "quickstart does not show the edit that lost"
  folder=$(sed -n 's/^ *cd \(.*mantis-quickstart.*\)/\1/p' quickstart.log)
  [ -d "$folder" ] || fail "quickstart does not say where its files are"
  rm -rf "$folder"
  echo "quickstart: $((SECONDS - began)) s"
fi

# A folder that looks like the clone.
ln -s "$build/mantisd" "$build/mantisctl" .
mkdir docs
cp -r "$top/docs/examples" docs/
cleanup_fn "cd $work; kill \$(jobs -p) 2> /dev/null"

sqlite3 ()
{
  command sqlite3 -cmd '.timeout 20000' "$@"
}

prints ()
{
  # shellcheck source=/dev/null
  . "$1" > "$work/said" 2>&1
  cmp -s "$work/said" "$2"
}

are_ready ()
{
  [ "$(grep -c ' ready: ' "$2")" = "$1" ]
}

token_shown= # the last that was printed
for block in "$work"/*.block; do
  name=$work/$(basename "$block" .block)
  [ "$block" != "$work/01.block" ] || continue
  if [ -e "$name.text" ]; then
    wait_for "$(cat "$name.text") from $(cat "$block")" prints "$block" "$name.text"
    continue
  fi
  sed "s/<token>/$token_shown/" "$block" > "$name.run"
  # shellcheck source=/dev/null
  . "$name.run" > "$name.log" 2>&1 || fail "$(cat "$block")"
  starts=$(grep -c 'mantisd .*&$' "$block" || true)
  [ "$starts" = 0 ] || wait_for "$(cat "$block")" are_ready "$starts" "$name.log"
  case $(cat "$block") in
  *token\ --subject\ curl*) token_shown=$(cat "$name.log") ;;
  *sync/push*) grep -q '"applied":2' "$name.log" || fail "curl: $(cat "$name.log")" ;;
  *mantisctl*status*) grep -q '^stock  *live' "$name.log" || fail "status: $(cat "$name.log")" ;;
  esac
done
[ -n "$token_shown" ] && [ "$(cat "$work"/*.log | grep -c '"applied":2')" = 1 ] || fail "the line with curl was not run"
