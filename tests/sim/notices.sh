#!/bin/sh
# The simulation notices an engine that is broken on purpose, and prints a command that fails in the same way.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
set -u
sim=tests/sim/sim
seeds=40 # all of these together take some seconds
out=$(mktemp -d) || exit 1
trap 'rm -r "$out"' EXIT
failed=0

complain () {
  echo "$*"
  failed=1
}

for rule in lose-entry forget-versions forget-authors keep-no-loser only-promise apply-again skip-rows old-rows; do
  "$sim" --break $rule --plan plain --seeds $seeds > "$out/first"
  test $? = 1 || { complain "$rule: not noticed in $seeds worlds"; continue; }
  found=$(grep '^seed ' "$out/first")
  command=$(sed -n 's/^  repeat: //p' "$out/first")
  echo "$rule: $found"
  $command > "$out/again"
  test $? = 1 || complain "$rule: \"$command\" does not fail"
  again=$(grep '^seed ' "$out/again")
  test "$again" = "$found" || complain "$rule: \"$command\" says: $again"
done

"$sim" --break nothing-of-this-name > "$out/first" 2>&1
test $? = 2 || complain "a rule that is none is not refused"
# It was the flaws: the same worlds are well without them.
"$sim" --plan plain --seeds $seeds || complain "the engine as it is fails, too"

# Amounts that are added up: each sale counts once.
"$sim" --break apply-again --plan tills --seeds $seeds > "$out/first"
test $? = 1 || complain "tills: a batch that counts twice is not noticed in $seeds worlds"
"$sim" --plan tills --seeds $seeds || complain "tills: a sale is lost, or counts twice"

# Rows that are for one device each.
"$sim" --plan holders --seeds 25 || complain "holders: a row is where it may not be, is missing, or is lost"
exit $failed
